"""A round's votes, as the rules for pairs need them."""

from collections.abc import Mapping

from arena.models import Round
from training.data.pairs import PanelVote


def votes_of(one: Round) -> list[PanelVote]:
    """Without the judges who abstained or have no weight."""
    return [
        PanelVote(vote.weight, by_seat(vote.scores), vote.compared)
        for vote in one.votes.all()
        if vote.weight > 0 and vote.scores
    ]


def by_seat(scores: Mapping[str, float]) -> dict[int, float]:
    return {int(seat): score for seat, score in scores.items()}
