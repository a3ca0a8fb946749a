"""What granted appeals teach: orders of two answers that overrule those of a verdict."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from arena.models import Appeal, AppealStatus, Completion


@dataclass(frozen=True)
class AppealLabel:
    """Two answers to one task in the order that a granted appeal gave them."""

    appeal_id: int
    round_id: int
    task_kind: str
    prompt: str
    better: str
    worse: str


def overruled_pairs(round_ids: Collection[int]) -> dict[int, frozenset[tuple[int, int]]]:
    """By round, the (better, worse) seats of granted appeals; rounds without any are left out."""
    found: dict[int, set[tuple[int, int]]] = defaultdict(set)
    granted = Appeal.objects.filter(round_id__in=round_ids, status=AppealStatus.GRANTED)
    for round_id, pairs in granted.values_list("round_id", "reversed_pairs"):
        found[round_id] |= {(better, worse) for better, worse in pairs}
    return {round_id: frozenset(pairs) for round_id, pairs in found.items()}


def appeal_labels(*, after_id: int = 0, limit: int = 1_000) -> Iterator[AppealLabel]:
    """From granted appeals in the order of their ids, for judges that learn.

    Rounds of many turns are left out, and so is what people who left had said.
    """
    granted = (
        Appeal.objects.filter(id__gt=after_id, status=AppealStatus.GRANTED, round__turn_limit=1)
        .select_related("round")
        .order_by("id")[:limit]
    )
    for row in granted:
        answers = Completion.objects.filter(
            round=row.round_id, seat__agent__owner__leaving_since=None
        )
        texts = dict(answers.values_list("seat__index", "text"))
        for better, worse in row.reversed_pairs:
            if texts.get(better) and texts.get(worse):
                yield AppealLabel(
                    appeal_id=row.pk,
                    round_id=row.round_id,
                    task_kind=row.round.task_kind,
                    prompt=str(row.round.task.get("prompt", "")),
                    better=texts[better],
                    worse=texts[worse],
                )
