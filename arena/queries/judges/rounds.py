"""The rounds that a judge has voted on, the newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from arena.models import Seat, Vote
from arena.queries.rounds import score_of
from judges.models import Judge

MAX_ROWS = 50


@dataclass(frozen=True)
class VotedSeat:
    """What a judge said of one seat."""

    name: str
    score: float | None
    reason: str


@dataclass(frozen=True)
class VotedRound:
    """One vote of a judge. Its seats are in the order that it gave them."""

    vote_id: int
    match_id: int
    round_number: int
    space_name: str
    is_practice: bool
    voted_at: datetime
    seconds: float
    error: str  # why it abstained
    seats: tuple[VotedSeat, ...]


def rounds_judged(
    slug: str, *, before_id: int | None = None, limit: int = 10
) -> tuple[VotedRound, ...]:
    """A judge's votes, the newest first; `before_id` pages on."""
    # By its id: the plan of a join on the slug could not use the index of its newest votes.
    judge_id = Judge.objects.values_list("id", flat=True).filter(slug=slug).first()
    rows = Vote.objects.filter(judge=judge_id).select_related("round__match__space")
    if before_id is not None:
        rows = rows.filter(id__lt=before_id)
    votes = list(rows.order_by("-id")[: min(limit, MAX_ROWS)])
    names: dict[int, dict[int, str]] = {}
    seats = Seat.objects.filter(match__in={vote.round.match_id for vote in votes})
    for match_id, index, name in seats.values_list("match_id", "index", "agent__name"):
        names.setdefault(match_id, {})[index] = name
    return tuple(_voted(vote, names.get(vote.round.match_id, {})) for vote in votes)


def _voted(vote: Vote, names: dict[int, str]) -> VotedRound:
    seats = [
        VotedSeat(name, score_of(vote.scores, index), str(vote.reasons.get(str(index), "")))
        for index, name in sorted(names.items())
        if str(index) in vote.scores
    ]
    return VotedRound(
        vote_id=vote.pk,
        match_id=vote.round.match_id,
        round_number=vote.round.number,
        space_name=vote.round.match.space.name,
        is_practice=vote.round.match.is_practice,
        voted_at=vote.created_at,
        seconds=vote.seconds,
        error=vote.error,
        seats=tuple(_best_first(seats)),
    )


def _best_first(seats: Sequence[VotedSeat]) -> list[VotedSeat]:
    return sorted(seats, key=lambda seat: -(seat.score or 0.0))
