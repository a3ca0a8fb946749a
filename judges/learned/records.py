"""Adoption and rollback of learned judges. The judge's configuration says which version votes."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from judges.models import Judge, JudgeKind, LearnedStatus, LearnedVersion
from judges.versions import note_version


class CannotRollBack(Exception):
    """There is no earlier version that was adopted; `str(error)` is a sentence for the staff."""


def record_training(
    judge_id: int,
    *,
    digest: str,
    base: str,
    is_adopted: bool,
    reason: str,
    kinds: Sequence[str],
    figures: Mapping[str, Any],
) -> LearnedVersion:
    """Store what a training made, and let it vote if the gate adopted it. For the system."""
    with transaction.atomic(durable=True):
        judge = Judge.objects.select_for_update(no_key=True).get(id=judge_id)
        version = LearnedVersion.objects.create(
            judge=judge,
            digest=digest,
            base=base,
            status=LearnedStatus.ADOPTED if is_adopted else LearnedStatus.REFUSED,
            reason=reason,
            kinds=sorted(kinds),
            figures=dict(figures),
        )
        if is_adopted:
            _use(judge, version)
    return version


def roll_back(judge_id: int) -> LearnedVersion:
    """Let the version vote that was adopted before the one in use, which then counts as refused.

    For the staff: only the admin and a command call it. Raises CannotRollBack.
    """
    with transaction.atomic(durable=True):
        judge = Judge.objects.select_for_update(no_key=True).get(id=judge_id)
        adopted = judge.learned.filter(status=LearnedStatus.ADOPTED).order_by("-id")
        if len(newest := list(adopted[:2])) < 2:
            raise CannotRollBack("There is no earlier version of this judge to go back to.")
        current, earlier = newest
        current.status = LearnedStatus.REFUSED
        current.reason = f"Rolled back by the staff. {current.reason}"[:600]
        current.save(update_fields=["status", "reason"])
        _use(judge, earlier)
    return earlier


def version_in_use(judge: Judge) -> LearnedVersion | None:
    """The version that votes; None before the first was adopted."""
    digest = judge.config.get("digest", "")
    return judge.learned.filter(digest=digest).order_by("-id").first() if digest else None


def _use(judge: Judge, version: LearnedVersion) -> None:
    judge.kind = JudgeKind.LEARNED
    judge.config = {"digest": version.digest, "kinds": version.kinds}
    judge.save(update_fields=["kind", "config"])
    note_version(judge)
