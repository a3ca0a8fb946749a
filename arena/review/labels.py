"""What people teach judges: orders of two answers from granted appeals and from blind votes."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from arena.models import Appeal, AppealStatus, AudienceVote, Completion, Round
from arena.review.ballots import answers_of, prompt_of


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


@dataclass(frozen=True)
class AudienceLabel:
    """Two answers to one task in the order that most of a blind audience gave them."""

    round_id: int
    task_kind: str
    prompt: str
    better: str
    worse: str
    votes: int  # for either
    share: float  # of them for the better one, above a half


def audience_labels(*, after_id: int = 0, limit: int = 1_000) -> Iterator[AudienceLabel]:
    """From the votes that count, by the ids of rounds, for judges that learn.

    `limit` is a number of rounds. An even split gives no label, and neither does what people who
    left had said.
    """
    voted = AudienceVote.objects.filter(uncounted="", round_id__gt=after_id)
    rounds = voted.order_by("round_id").values_list("round_id", flat=True).distinct()[:limit]
    for row in Round.objects.filter(id__in=list(rounds)).order_by("id"):
        of_pair: dict[tuple[int, int], Counter[int]] = defaultdict(Counter)
        for vote in voted.filter(round=row):
            if vote.preferred is not None:
                of_pair[vote.first_seat, vote.second_seat][vote.preferred] += 1
        texts = answers_of(row) if of_pair else {}
        for (first, second), votes in sorted(of_pair.items()):
            better, worse = (first, second) if votes[first] > votes[second] else (second, first)
            if votes[better] > votes[worse] and texts.get(better) and texts.get(worse):
                yield AudienceLabel(
                    round_id=row.pk,
                    task_kind=row.task_kind,
                    prompt=prompt_of(row),
                    better=texts[better],
                    worse=texts[worse],
                    votes=votes.total(),
                    share=votes[better] / votes.total(),
                )
