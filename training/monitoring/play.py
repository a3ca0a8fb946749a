"""Reads how queues, matches and judges are doing. For the system: figures without anybody's rows.

Each query reads few rows by an index, however long the site has run: docs/decisions/kept-counts.md
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Count, Max, Min, Q, Sum

from arena.matches.claiming import waiting_matches
from arena.models import Entry, EntryStatus, Match, MatchEvent, SpaceCount, Vote
from arena.states import MatchStatus
from judges.endpoints.models import EndpointMonth
from judges.endpoints.spending import MICROS, this_month
from judges.models import Judge
from training.monitoring.figures import JudgeFigures, JudgingFigures, Matches, Queue

NEWEST = (
    5_000  # rows of a kind that are looked at: what is older than the last of them is not counted
)
MAX_CANCELLED = 500
MAX_LABELS = 100  # Spaces, judges, endpoints
HOUR = timedelta(hours=1)
ANSWERED_WITHIN = timedelta(minutes=1)
OTHER = "other"
# A cancellation's sentence begins with this, or holds it. Sentences are for people; these are labels.
REASONS: Mapping[str, str] = {
    "unjudged": "No round could be judged",
    "unanswered": "Fewer than two agents answered",
    "given_up": "The match could not be finished",
    "inference": "The inference server",
}


def matches(now: datetime) -> Matches:
    live = dict(
        Match.objects.filter(status__in=[MatchStatus.SEATED, MatchStatus.RUNNING])
        .values_list("status")
        .annotate(count=Count("id"))
    )
    waiting = list(waiting_matches().values_list("created_at", flat=True))
    answers, tokens, seconds = _answers(now)
    return Matches(
        queues=_queues(now),
        seated=live.get(MatchStatus.SEATED, 0),
        running=live.get(MatchStatus.RUNNING, 0),
        claimable=len(waiting),
        claimable_oldest_seconds=_age(min(waiting, default=now), now),
        settled=SpaceCount.objects.aggregate(total=Sum("settled_matches"))["total"] or 0,
        cancelled=_cancelled(now),
        answers_per_second=answers / seconds,
        tokens_per_second=tokens / seconds,
    )


def judges(now: datetime) -> JudgingFigures:
    newest = Vote.objects.order_by("-id").values("id")[:NEWEST]
    votes = Vote.objects.filter(id__in=newest, created_at__gte=now - HOUR).order_by()
    rows = votes.values_list("judge__slug").annotate(
        cast=Count("id", filter=Q(error="")), silent=Count("id", filter=~Q(error=""))
    )
    months = EndpointMonth.objects.filter(month=this_month()).select_related("endpoint")
    spent = list(months.order_by("-cost_micros")[:MAX_LABELS])
    return JudgingFigures(
        by_slug={slug: JudgeFigures(cast, silent) for slug, cast, silent in rows[:MAX_LABELS]},
        quarantined=tuple(
            Judge.objects.exclude(quarantined_at=None)
            .order_by("slug")
            .values_list("slug", flat=True)[:MAX_LABELS]
        ),
        costs={row.endpoint.slug: row.cost_micros / MICROS for row in spent},
        caps={
            row.endpoint.slug: float(row.endpoint.monthly_cap)
            for row in spent
            if row.endpoint.monthly_cap is not None
        },
    )


def reason_of(sentence: str) -> str:
    """The label of a cancellation's sentence."""
    found = (label for label, words in REASONS.items() if words in sentence)
    return next(found, OTHER)


def _queues(now: datetime) -> Mapping[str, Queue]:
    queued = Entry.objects.filter(status=EntryStatus.QUEUED).order_by()
    rows = queued.values_list("space__slug").annotate(count=Count("id"), oldest=Min("created_at"))
    return {
        slug: Queue(count, _age(oldest, now))
        for slug, count, oldest in rows.order_by("-count", "space__slug")[:MAX_LABELS]
    }


def _cancelled(now: datetime) -> Mapping[str, int]:
    newest = Match.objects.aggregate(id=Max("id"))["id"] or 0
    cancelled = Match.objects.filter(
        id__gt=newest - NEWEST, status=MatchStatus.CANCELLED, finished_at__gte=now - HOUR
    )
    ids = list(cancelled.order_by("-id").values_list("id", flat=True)[:MAX_CANCELLED])
    events = MatchEvent.objects.filter(match_id__in=ids, kind="match_cancelled")
    reasons = events.values_list("payload__reason", flat=True)
    counted = Counter(dict.fromkeys((*REASONS, OTHER), 0))
    counted.update(reason_of(str(reason)) for reason in reasons)
    return counted


def _answers(now: datetime) -> tuple[int, int, float]:
    """Answers and their tokens of the last minute, or of the newest NEWEST in as much of it."""
    since = now - ANSWERED_WITHIN
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), coalesce(sum(cardinality(token_ids)), 0), min(created_at) FROM"
            " (SELECT token_ids, created_at FROM arena_completion ORDER BY id DESC LIMIT %s) newest"
            " WHERE created_at >= %s",
            [NEWEST, since],
        )
        count, tokens, oldest = cursor.fetchone()
    begun = oldest if count == NEWEST else since
    return count, tokens, max(1.0, _age(begun, now))


def _age(moment: datetime, now: datetime) -> float:
    return max(0.0, (now - moment).total_seconds())
