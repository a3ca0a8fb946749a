"""What a match tells about an agent's skill, so that nobody can farm ratings. Pure.

An opponent's result counts less the more often the two owners have met lately, and not at all for
an established owner as long as the opponent's owner is new. Why: docs/decisions/farming.md
What keeps the scale: docs/decisions/rating-scale.md
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from math import sqrt

from arena.spaces.ratings import Skill, updated

PROVEN_MATCHES = 10  # of all an owner's agents in a Space; before, the owner is new there
MEETINGS_WINDOW = timedelta(days=7)
MAX_MEETINGS = 20  # more would not change a weight that shows
HALF_MEETINGS = 2.0  # after so many meetings an opponent counts a quarter
VERSION_SPREAD = 25.0 / 12  # how far a version differs in skill from the last one, as a deviation
CALIBRATION_MATCHES = 50  # of a reference; afterwards its rating stays for good
OWNER_SPREAD = 25.0 / 6  # how far agents of one owner differ in skill, as a deviation


@dataclass(frozen=True)
class Entrant:
    """A seat with what is known of its agent and of its owner before the match."""

    owner_id: int
    is_house: bool
    owner_matches: int  # in this Space, of all the owner's agents
    skill: Skill
    is_fixed: bool = False  # a reference after its calibration: others are measured by it


@dataclass(frozen=True)
class Rated:
    """A belief after a match; `weight` is what familiar and new opponents counted on average."""

    skill: Skill
    weight: float


def rated(
    entrants: Mapping[int, Entrant],
    ranking: Sequence[Sequence[int]],
    *,
    meetings: Mapping[frozenset[int], int],
) -> dict[int, Rated]:
    """New beliefs by seat. `meetings`: earlier matches of two owners within MEETINGS_WINDOW.

    A seat's belief is a mean of those after several matches: the one against all opponents of full
    weight, the one against these and the next lower weight, and so on. Each counts as much as its
    lowest weight exceeds the next one, so that an opponent of weight w is in a share w of the mean.
    One that is fixed stays as it is.
    """
    skills = {seat: entrant.skill for seat, entrant in entrants.items()}
    whole = updated(skills, ranking)
    return {
        seat: Rated(entrant.skill, 1.0)
        if entrant.is_fixed
        else _blended(seat, entrants, ranking, whole=whole[seat], meetings=meetings)
        for seat, entrant in entrants.items()
    }


def weight_of(entrant: Entrant, opponent: Entrant, *, meetings: int) -> float:
    """How far the opponent's result counts for the entrant, in [0, 1]; the house counts in full."""
    if entrant.is_house or opponent.is_house:
        return 1.0
    if opponent.owner_matches < PROVEN_MATCHES <= entrant.owner_matches:
        return 0.0
    return 1 / (1 + min(meetings, MAX_MEETINGS) / HALF_MEETINGS) ** 2


def starting_skill(record: Sequence[Skill]) -> Skill:
    """The belief about an owner's new agent, from the owner's agents in the Space.

    Retired ones belong to the record, or trying again would wipe it out. Wider than any of it and
    never wider than a newcomer's.
    """
    if not record:
        return Skill()
    precisions = [1 / skill.sigma**2 for skill in record]
    mu = sum(
        skill.mu * precision for skill, precision in zip(record, precisions, strict=True)
    ) / sum(precisions)
    widest = max(skill.sigma for skill in record)
    return Skill(mu, min(Skill().sigma, sqrt(widest**2 + OWNER_SPREAD**2)))


def is_fixed(*, is_reference: bool, match_count: int) -> bool:
    """Whether a rating no longer moves, so that the scale keeps still."""
    return is_reference and match_count >= CALIBRATION_MATCHES


def widened(skill: Skill) -> Skill:
    """The belief about another version of the agent: the same mean, never wider than a newcomer's.

    Going back to an earlier version widens it, too: what was known of that one is out of date.
    docs/decisions/rating-scale.md
    """
    return Skill(skill.mu, min(Skill().sigma, sqrt(skill.sigma**2 + VERSION_SPREAD**2)))


def _blended(
    seat: int,
    entrants: Mapping[int, Entrant],
    ranking: Sequence[Sequence[int]],
    *,
    whole: Skill,
    meetings: Mapping[frozenset[int], int],
) -> Rated:
    own = entrants[seat]
    weights = {
        other: weight_of(
            own,
            entrant,
            meetings=meetings.get(frozenset({own.owner_id, entrant.owner_id}), 0),
        )
        for other, entrant in entrants.items()
        if other != seat
    }
    partial = [weight for weight in weights.values() if weight < 1]
    if not partial:
        return Rated(whole, 1.0)
    levels = sorted({0.0, 1.0, *weights.values()}, reverse=True)
    mu = variance = 0.0
    for level, next_level in pairwise(levels):
        kept = {seat, *(other for other, weight in weights.items() if weight >= level)}
        skill = whole if len(kept) == len(entrants) else _among(kept, entrants, ranking)[seat]
        mu += (level - next_level) * skill.mu
        variance += (level - next_level) * skill.sigma**2
    return Rated(Skill(mu, sqrt(variance)), sum(partial) / len(partial))


def _among(
    kept: Collection[int], entrants: Mapping[int, Entrant], ranking: Sequence[Sequence[int]]
) -> dict[int, Skill]:
    """New beliefs as if only these seats had played."""
    return updated(
        {seat: entrants[seat].skill for seat in kept},
        [left for group in ranking if (left := [seat for seat in group if seat in kept])],
    )
