"""What is known of judges: their figures from stored answers, their trust, their quarantine."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from judges.calibration.figures import (
    MIN_ITEMS,
    Bias,
    Calibration,
    calibration_of,
    quantile,
    trust_of,
)
from judges.calibration.heard import GoldOutcome, Said, said_of
from judges.models import CalibrationPoint, GoldAnswer, Judge, JudgeKind, Quarantine
from judges.transcript import Answer, Ballot, Check, Comparisons, Transcript
from judges.versions import prompt_digest

# A rule checker is right by construction, and a coin is wrong on purpose: nothing is asked of them.
NEVER_MEASURED = frozenset({JudgeKind.CODE, JudgeKind.COIN})
MAX_ANSWERS = 400  # the newest, of which figures are made
ANSWERS_WITHIN = timedelta(days=60)


@dataclass(frozen=True)
class GoldReply:
    """One stored answer of a judge to an item."""

    outcome: GoldOutcome
    said: tuple[Said, ...]
    seconds: float
    cost_micros: int
    created_at: datetime


def judge_digest(kind: str, config: Mapping[str, Any]) -> str:
    """SHA-256 of what makes a judge answer as it does: with another one, it is measured anew."""
    described = [kind, config, prompt_digest(kind)]
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def transcript_of(stored: Mapping[str, Any], *, is_swapped: bool) -> Transcript:
    """A gold item as its judge sees it; in the other order, the last seat comes first."""
    last = len(stored["answers"]) - 1
    answers = [
        Answer(
            seat=last - one["seat"] if is_swapped else one["seat"],
            text=one["text"],
            score=one["score"],
            checks=tuple(Check(**check) for check in one["checks"]),
        )
        for one in stored["answers"]
    ]
    return Transcript(
        prompt=stored["prompt"],
        kind=stored["kind"],
        data=stored["data"],
        answers=tuple(sorted(answers, key=lambda answer: answer.seat)),
        reference=stored.get("reference", ""),
    )


def record(
    judge: Judge,
    item_id: int,
    *,
    digest: str,
    is_swapped: bool,
    ballot: Ballot,
    outcome: GoldOutcome,
    seconds: float,
) -> None:
    """Store a ballot on an item. A second one changes nothing, unless the judge was away before."""
    compared = ballot.comparisons
    GoldAnswer.objects.filter(
        judge=judge,
        item_id=item_id,
        judge_digest=digest,
        is_swapped=is_swapped,
        outcome=GoldOutcome.AWAY,
    ).delete()
    GoldAnswer.objects.bulk_create(
        [
            GoldAnswer(
                judge=judge,
                item_id=item_id,
                judge_digest=digest,
                is_swapped=is_swapped,
                outcome=outcome,
                scores={str(seat): score for seat, score in ballot.scores.items()},
                comparisons=None
                if compared is None
                else [[*pair, preferred] for pair, preferred in compared.items()],
                reasons={str(seat): reason for seat, reason in ballot.reasons.items()},
                error=ballot.error,
                orders=[[*pair, preferred] for pair, preferred in ballot.orders.items()],
                seconds=seconds,
                cost_micros=ballot.usage.cost_micros,
            )
        ],
        ignore_conflicts=True,
    )


def replies_of(judge: Judge, *, own_base: str = "") -> list[GoldReply]:
    """The judge's answers as it is configured now, the oldest first, since its last quarantine.

    `own_base` is the served name of the base model that it reads with, if it is one of the arena's.
    """
    rows = _answers(judge).select_related("item").order_by("-created_at", "-id")[:MAX_ANSWERS]
    return [_reply(row, own_base) for row in reversed(rows)]


def newest_length_bias(judge_id: int) -> Bias | None:
    """By how much the judge prefers longer answers, as it was last measured."""
    point = CalibrationPoint.objects.filter(judge=judge_id).order_by("-day").first()
    found = point.biases.get("length") if point else None
    return Bias(**found) if found else None


def said_in(replies: Iterable[GoldReply]) -> list[Said]:
    """What counts: an answer that never came says nothing of a judge."""
    return [one for reply in replies if reply.outcome != GoldOutcome.AWAY for one in reply.said]


def recalibrate(judge_id: int, *, floor: float, own_base: str = "") -> Calibration:
    """Let the judge's weight follow its kappa, and quarantine it if that is under the floor.

    For the system, without a user. `own_base`: see `replies_of`. Today's point of its figures is
    written anew.
    """
    with transaction.atomic(durable=True):
        judge = Judge.objects.select_for_update(no_key=True).get(id=judge_id)
        replies = replies_of(judge, own_base=own_base)
        found = calibration_of(said_in(replies))
        _note_point(judge, found, replies)
        judge.trust = trust_of(found.kappa)
        judge.save(update_fields=["trust"])
        kappa = found.kappa
        if kappa is not None and kappa.is_under(floor) and judge.quarantined_at is None:
            _quarantine(
                judge,
                reason=f"On {kappa.items} questions with a known answer its agreement beyond chance "
                f"(kappa) is {kappa.value:.2f}, at most {kappa.high:.2f} with 95% confidence; the "
                f"floor is {floor:.2f}.",
                kappa=kappa.value,
                kappa_high=kappa.high,
                items=kappa.items,
            )
    return found


def quarantine(judge_id: int, *, reason: str) -> None:
    """Keep a judge from voting until somebody lifts it. For the staff: only the admin calls it."""
    with transaction.atomic(durable=True):
        judge = Judge.objects.select_for_update(no_key=True).get(id=judge_id)
        if judge.quarantined_at is None:
            _quarantine(judge, reason=reason)


def lift_quarantine(judge_id: int, *, lifted_by: str) -> None:
    """Let a judge vote again; it is measured anew. For the staff: only the admin calls it."""
    with transaction.atomic(durable=True):
        judge = Judge.objects.select_for_update(no_key=True).get(id=judge_id)
        judge.quarantines.filter(lifted_at=None).update(
            lifted_at=timezone.now(), lifted_by=lifted_by
        )
        judge.quarantined_at = None
        judge.trust = 1.0
        judge.save(update_fields=["quarantined_at", "trust"])


def needs_more(judge: Judge) -> bool:
    """Whether too few items were answered for anything to follow."""
    answered = _answers(judge).exclude(outcome=GoldOutcome.AWAY).values("item").distinct()
    return answered.count() < MIN_ITEMS


def _answers(judge: Judge) -> QuerySet[GoldAnswer]:
    """Those that count: of the judge as it is configured now, since its last quarantine."""
    since = timezone.now() - ANSWERS_WITHIN
    lifted = judge.quarantines.exclude(lifted_at=None).order_by("-lifted_at").first()
    if lifted is not None and lifted.lifted_at is not None:
        since = max(since, lifted.lifted_at)
    digest = judge_digest(judge.kind, judge.config)
    return judge.gold_answers.filter(judge_digest=digest, created_at__gt=since)


def _note_point(judge: Judge, found: Calibration, replies: Sequence[GoldReply]) -> None:
    now = timezone.now()
    lately = [one for one in replies if one.created_at > now - timedelta(days=1)]
    served = [one.seconds for one in lately if one.outcome != GoldOutcome.AWAY]
    biases = {
        name: asdict(bias)
        for name in ("position", "length", "own_model")
        if (bias := getattr(found, name)) is not None
    }
    kappa = found.kappa
    CalibrationPoint.objects.update_or_create(
        judge=judge,
        day=now.date(),
        defaults={
            "items": kappa.items if kappa else 0,
            "kappa": kappa.value if kappa else None,
            "kappa_low": kappa.low if kappa else None,
            "kappa_high": kappa.high if kappa else None,
            "biases": biases,
            "unsaid_share": found.unsaid_share,
            "away_share": 1 - len(served) / len(lately) if lately else 0.0,
            "seconds_median": quantile(served, 0.5),
            "seconds_slow": quantile(served, 0.9),
            "cost_micros": sum(one.cost_micros for one in lately),
        },
    )


def _quarantine(judge: Judge, **values: Any) -> None:
    row = Quarantine.objects.create(judge=judge, **values)
    judge.quarantined_at = row.created_at
    judge.save(update_fields=["quarantined_at"])


def _reply(row: GoldAnswer, own_base: str) -> GoldReply:
    item = row.item
    last = len(item.transcript["answers"]) - 1

    def shown(seat: int) -> int:
        return last - seat if row.is_swapped else seat

    said = said_of(
        item.pk,
        order=[[shown(seat) for seat in group] for group in item.order],
        scores={int(seat): float(score) for seat, score in row.scores.items()},
        comparisons=_compared(row),
        lengths={shown(one["seat"]): len(one["text"]) for one in item.transcript["answers"]},
        orders={(first, second): preferred for first, second, preferred in row.orders},
        own=frozenset(
            shown(int(seat)) for seat, base in item.authors.items() if base and base == own_base
        ),
    )
    return GoldReply(
        GoldOutcome(row.outcome), tuple(said), row.seconds, row.cost_micros, row.created_at
    )


def _compared(row: GoldAnswer) -> Comparisons | None:
    if row.comparisons is None:
        return None
    return {(first, second): preferred for first, second, preferred in row.comparisons}
