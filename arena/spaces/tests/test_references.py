"""References keep the scale of ratings from drifting while agents improve and leave."""

from collections.abc import Sequence
from math import log
from random import Random
from statistics import fmean

import pytest

from arena.spaces.ratings import BETA, Skill
from arena.spaces.trust import CALIBRATION_MATCHES, Entrant, is_fixed, rated

DAYS = 300
MATCHES_A_DAY = 20
HOUSE = (14.0, 18.0, 22.0, 25.0, 28.0, 32.0, 38.0)  # true strengths, on the scale of mu
STEADY = {50: 22.0, 51: 27.0, 52: 32.0}  # people's agents that never change, with their strengths
PEOPLE = 30
LIFE_DAYS = 60
MAX_DRIFT, MIN_DRIFT_WITHOUT = 3.0, 5.0


class Field:
    """Agents that arrive, improve and leave; ranked as Plackett and Luce suppose."""

    def __init__(self, seed: int, *, has_references: bool) -> None:
        self._rng = Random(seed)
        self._has_references = has_references
        self._true = dict(enumerate(HOUSE)) | STEADY
        self._skills: dict[int, Skill] = {}
        self._counts: dict[int, int] = {}
        self._born: dict[int, int] = {}
        self._last = max(STEADY)
        for _ in range(PEOPLE):
            self._arrive(-self._rng.randrange(LIFE_DAYS))

    def steady_ratings(self) -> list[float]:
        """The mean mu of the steady agents after each day."""
        found = []
        for day in range(DAYS):
            self._grow(day)
            for number in range(MATCHES_A_DAY):
                others = [self._rng.choice(list(STEADY))] if number % 2 else []
                house = self._rng.randrange(len(HOUSE))
                rest = self._rng.sample(list(self._born), 3 - len(others))
                self._play([house, *others, *rest])
            found.append(fmean(self._skills.get(each, Skill()).mu for each in STEADY))
        return found

    def _arrive(self, day: int) -> None:
        self._last += 1
        self._true[self._last] = self._rng.gauss(20, 3)
        self._born[self._last] = day

    def _grow(self, day: int) -> None:
        for agent, born in list(self._born.items()):
            self._true[agent] += 0.15
            if day - born >= LIFE_DAYS:
                del self._born[agent]
                self._arrive(day)

    def _play(self, agents: Sequence[int]) -> None:
        shown = {
            agent: self._true[agent] - 2 * BETA * log(-log(self._rng.random())) for agent in agents
        }
        entrants = {
            agent: Entrant(
                owner_id=agent,
                is_house=agent < len(HOUSE),
                owner_matches=CALIBRATION_MATCHES,
                skill=self._skills.get(agent, Skill()),
                is_fixed=is_fixed(
                    is_reference=self._has_references and agent < len(HOUSE),
                    match_count=self._counts.get(agent, 0),
                ),
            )
            for agent in agents
        }
        ranking = [[agent] for agent in sorted(agents, key=lambda agent: -shown[agent])]
        for agent, after in rated(entrants, ranking, meetings={}).items():
            self._skills[agent] = after.skill
            self._counts[agent] = self._counts.get(agent, 0) + 1


def drift(seed: int, *, has_references: bool) -> float:
    ratings = Field(seed, has_references=has_references).steady_ratings()
    return fmean(ratings[-30:]) - fmean(ratings[90:120])


@pytest.mark.parametrize("seed", [1, 2])
def test_references_keep_the_scale_over_months_of_agents_that_improve_and_leave(seed: int) -> None:
    assert abs(drift(seed, has_references=True)) < MAX_DRIFT
    assert drift(seed, has_references=False) < -MIN_DRIFT_WITHOUT


def test_a_reference_moves_until_it_is_calibrated_and_stays_then() -> None:
    strong = Entrant(owner_id=1, is_house=False, owner_matches=99, skill=Skill(30, 2))
    for count in (CALIBRATION_MATCHES - 1, CALIBRATION_MATCHES):
        house = Entrant(
            owner_id=9,
            is_house=True,
            owner_matches=0,
            skill=Skill(25, 1),
            is_fixed=is_fixed(is_reference=True, match_count=count),
        )
        after = rated({0: house, 1: strong}, [[0], [1]], meetings={})
        assert (after[0].skill == house.skill) is (count == CALIBRATION_MATCHES)
        assert after[1].skill.mu < strong.skill.mu, "others are measured by it"
    assert not is_fixed(is_reference=False, match_count=1000)
