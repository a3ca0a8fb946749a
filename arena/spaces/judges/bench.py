"""Who may judge in a Space: its panel without judges in quarantine, else its environment's code."""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from arena.environments import ENVIRONMENTS
from arena.environments.base import EnvironmentFault, Split
from arena.models import Space
from judges.models import Judge, JudgeKind


class Bench(StrEnum):
    """What is left of a Space's panel."""

    WHOLE = "whole"
    REDUCED = "reduced"  # some of its judges are in quarantine, and the others judge on
    CODE = "code"  # all are, and code decides instead
    EMPTY = "empty"  # all are, and code cannot decide


@dataclass(frozen=True)
class Judges:
    """The judges who may vote in a Space now; `bench` says whether they are the panel's own."""

    bench: Bench
    rows: tuple[Judge, ...]


def judges_for(slugs: Collection[str], *, environment: str) -> Judges:
    """Those of a panel, by slug, who may vote on this environment, or who stands in for them."""
    found = list(Judge.objects.filter(slug__in=slugs).order_by("id"))
    healthy = tuple(judge for judge in found if judge.quarantined_at is None)
    if healthy or not found:
        return Judges(Bench.WHOLE if len(healthy) == len(found) else Bench.REDUCED, healthy)
    checker = Judge.objects.filter(kind=JudgeKind.CODE, quarantined_at=None).order_by("id").first()
    if checker is not None and _scores_by_code(environment):
        return Judges(Bench.CODE, (checker,))
    return Judges(Bench.EMPTY, ())


def bench_of(space: Space) -> Bench:
    """What is left of the Space's panel. Asks its environment when no judge is left: may be slow."""
    slugs = [str(chair["judge"]) for chair in space.panel]
    return judges_for(slugs, environment=space.environment).bench


def _scores_by_code(environment: str) -> bool:
    """Whether code can tell what seats got, as when every seat of an opening passes."""
    with suppress(EnvironmentFault):  # who cannot be asked cannot judge
        rules = ENVIRONMENTS[environment]
        seats = rules.seats.fewest
        position = rules.begin(rules.make_task(Random(0), Split.TRAIN), seats)
        for _ in range(rules.turn_limit):
            for seat in rules.to_move(position):
                position = rules.forfeit(position, seat)
        return bool(rules.payoffs(position))
    return False
