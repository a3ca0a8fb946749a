"""Columns and rows that nobody reads any more. For the system, without a user.

An answer's text, tokens and log-probabilities stay: the digest in its match's chain covers them.
"""

from datetime import timedelta

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.utils import timezone

from arena.models import Completion
from training.models import Collected, RehearsalText, TrainingRun
from training.retention.freed import Freed, Kind
from training.states import LIVE_STATUSES

BATCH = 500


def collect_prompt_tokens() -> Freed:
    """Empty the prompt's tokens and the pace of the next old answers, in the order of their ids."""
    ids = list(_old_answers().values_list("id", flat=True)[:BATCH])
    Completion.objects.filter(id__in=ids).update(prompt_token_ids=[], chunk_times=[])
    if ids:
        # After the change: a sweep that dies in between does the same rows again.
        Collected.objects.update_or_create(kind=PROMPT_TOKENS.name, defaults={"up_to_id": ids[-1]})
    return Freed(len(ids))


def collect_sessions() -> Freed:
    # By the column that has the index: in the order of keys, all that live would be read, too.
    batch = _expired_sessions().order_by("expire_date").values("pk")[:BATCH]
    count, _ = Session.objects.filter(pk__in=batch).delete()
    return Freed(count)


def collect_rehearsal_texts() -> Freed:
    batch = _unused_rehearsal_texts().order_by("pk").values("pk")[:BATCH]
    count, _ = RehearsalText.objects.filter(pk__in=batch).delete()
    return Freed(count)


PROMPT_TOKENS = Kind(
    name="prompt_tokens",
    what="answers' prompt tokens and paces",
    kept=lambda: f"{settings.ENV.retain_tokens_days} days",
    due=lambda: Freed(_old_answers().count()),
    collect=collect_prompt_tokens,
)
SESSIONS = Kind(
    name="sessions",
    what="sessions",
    kept=lambda: "until they expire",
    due=lambda: Freed(_expired_sessions().count()),
    collect=collect_sessions,
)
REHEARSAL_TEXTS = Kind(
    name="rehearsal_texts",
    what="rehearsal texts",
    kept=lambda: "while their base model is active or a run is under way on it",
    due=lambda: Freed(_unused_rehearsal_texts().count()),
    collect=collect_rehearsal_texts,
)


def _old_answers() -> QuerySet[Completion]:
    """Ids grow with time, so that what lies behind the mark is done."""
    mark = Collected.objects.filter(kind="prompt_tokens").values_list("up_to_id", flat=True).first()
    before = timezone.now() - timedelta(days=settings.ENV.retain_tokens_days)
    # The first young answer ends the search: without it, all that are young would be read.
    young = (
        Completion.objects.filter(id__gt=mark or 0).order_by("id").values_list("created_at", "id")
    )
    first = next((pk for at, pk in young[: BATCH + 1] if at >= before), None)
    old = Completion.objects.filter(id__gt=mark or 0, created_at__lt=before).order_by("id")
    return old if first is None else old.filter(id__lt=first)


def _expired_sessions() -> QuerySet[Session]:
    return Session.objects.filter(expire_date__lt=timezone.now())


def _unused_rehearsal_texts() -> QuerySet[RehearsalText]:
    busy = TrainingRun.objects.filter(status__in=LIVE_STATUSES)
    return RehearsalText.objects.filter(base_model__is_active=False).exclude(
        base_model__in=busy.values("agent__base_model")
    )
