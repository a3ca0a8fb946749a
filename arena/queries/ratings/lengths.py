"""Ratings with the length of answers taken out, in Spaces where a model judges."""

from dataclasses import dataclass
from itertools import groupby

from arena.models import Match, RatingChange
from arena.queries.ratings.boards import Standing
from arena.spaces.lengths import MIN_MATCHES, LengthEffect, LengthSeat, length_effect
from arena.states import MatchStatus

MAX_MATCHES = 600  # the newest of a Space


@dataclass(frozen=True)
class LengthLine:
    """One agent of the leaderboard, with its rating without the effect of length."""

    standing: Standing
    mu: float


@dataclass(frozen=True)
class LengthControl:
    """What length is worth in one Space; None: too few matches with known lengths so far."""

    effect: LengthEffect | None
    needed_matches: int = MIN_MATCHES

    def lines(self, standings: tuple[Standing, ...]) -> tuple[LengthLine, ...]:
        """The agents of these lines that played lately, best first."""
        shifts = self.effect.shifts if self.effect else {}
        found = [
            LengthLine(line, line.mu + shifts[line.competitor.agent_id])
            for line in standings
            if line.competitor.agent_id in shifts
        ]
        return tuple(sorted(found, key=lambda line: -line.mu))


def length_control(space_id: int) -> LengthControl:
    """From the Space's newest matches; a fit takes a part of a second, so keep what it returns."""
    newest = (
        Match.objects.filter(space_id=space_id, status=MatchStatus.SETTLED, is_practice=False)
        .order_by("-id")
        .values("id")[:MAX_MATCHES]
    )
    rows = (
        RatingChange.objects.filter(seat__match__in=newest, answer_chars__isnull=False)
        .order_by("-seat__match_id", "seat__index")
        .values_list("seat__match_id", "seat__agent_id", "seat__rank", "answer_chars")
    )
    matches = [
        [LengthSeat(agent_id, rank, chars or 0.0) for _, agent_id, rank, chars in seats if rank]
        for _, seats in groupby(rows, key=lambda row: row[0])
    ]
    return LengthControl(length_effect(matches))
