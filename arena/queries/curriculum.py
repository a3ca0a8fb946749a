"""How hard a Space's tasks are now, and how its agents do on them."""

from collections.abc import Mapping
from dataclasses import dataclass

from arena.environments import ENVIRONMENTS
from arena.spaces.proposals import (
    POOL_NAMES,
    difficulty_weights,
    mean_rating,
    pools,
    solve_rates,
)
from arena.spaces.tallies import difficulties_of, tallies_of


@dataclass(frozen=True)
class LevelLine:
    """One difficulty, with figures for agents rated as those who answered lately."""

    number: int  # from 1, the easiest
    solve_rate: float  # of a game: the mean share that they get of the most that it pays
    weight: float  # the share of tasks that are drawn from it


@dataclass(frozen=True)
class Curriculum:
    """Every difficulty of a Space's environment, the easiest first."""

    levels: tuple[LevelLine, ...]
    pools: Mapping[str, tuple[float, ...]]  # by name: how often each level is drawn, relatively
    is_untried: bool  # nobody has answered yet
    is_game: bool

    @property
    def commonest(self) -> LevelLine:
        return max(self.levels, key=lambda level: level.weight)


def curriculum_of(space_id: int, environment: str) -> Curriculum | None:
    """What the next match's tasks are drawn by; None if all are of one difficulty."""
    count = difficulties_of(environment)
    if count == 1:
        return None
    tallies = tallies_of(space_id, environment, count=count)
    mu = mean_rating(tallies)
    rates, weights = solve_rates(tallies, mu), difficulty_weights(tallies, mu)
    return Curriculum(
        levels=tuple(
            LevelLine(number, rate, weight)
            for number, (rate, weight) in enumerate(zip(rates, weights, strict=True), start=1)
        ),
        pools={
            name: tuple(pool) for name, pool in zip(POOL_NAMES, pools(tallies, mu), strict=True)
        },
        is_untried=not any(tally.asked for tally in tallies),
        is_game=ENVIRONMENTS[environment].turn_limit > 1,
    )
