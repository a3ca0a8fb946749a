"""Who plays whom. PURE."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Waiting:
    """A queued entry."""

    entry_id: str
    user_id: int
    agent_id: int
    mu: float
    waited_seconds: float


@dataclass(frozen=True)
class HouseAgent:
    """An agent of the house that can fill a seat."""

    agent_id: int
    mu: float
    plays_by_code: bool


@dataclass(frozen=True)
class Lineup:
    """A match about to be made: entries first, then house agents."""

    entries: tuple[Waiting, ...]
    house: tuple[HouseAgent, ...]

    @property
    def model_mus(self) -> list[float]:
        """Ratings of the seats that answer with a model."""
        house = [each.mu for each in self.house if not each.plays_by_code]
        return [*(each.mu for each in self.entries), *house]


def lineups(
    queue: Sequence[Waiting],
    *,
    seat_count: int,
    house: Sequence[HouseAgent],
    house_fill_seconds: float,
    rng: Random,
) -> list[Lineup]:
    """Matches that can start now, longest-waiting entries first.

    An owner never sits twice in one match: nobody plays against themselves for prizes. Among the
    others, the nearest ratings are seated. Once the longest-waiting entry has waited
    `house_fill_seconds`, house agents fill the empty seats, at most one of them playing by code.
    """
    waiting = sorted(queue, key=lambda each: (-each.waited_seconds, each.entry_id))
    result = []
    while waiting:
        first = waiting[0]
        others = sorted(waiting[1:], key=lambda each: abs(each.mu - first.mu))
        entries = [first]
        for other in others:
            owners = {each.user_id for each in entries}
            if len(entries) < seat_count and other.user_id not in owners:
                entries.append(other)
        empty = seat_count - len(entries)
        fill: tuple[HouseAgent, ...] = ()
        if empty:
            fill = _fill(house, empty, near=first.mu, rng=rng)
            if first.waited_seconds < house_fill_seconds or len(fill) < empty:
                # Not yet, or the house is too small; everybody behind has waited less.
                break
        result.append(Lineup(tuple(entries), fill))
        taken = {each.entry_id for each in entries}
        waiting = [each for each in waiting if each.entry_id not in taken]
    return result


def _fill(
    house: Sequence[HouseAgent], count: int, *, near: float, rng: Random
) -> tuple[HouseAgent, ...]:
    by_code = [each for each in house if each.plays_by_code]
    by_model = [each for each in house if not each.plays_by_code]
    chosen = rng.sample(by_code, 1) if by_code else []
    # A little noise, so that the same two do not always play.
    by_model.sort(key=lambda each: abs(each.mu - near) + rng.uniform(0, 5))
    return tuple((chosen + by_model)[:count]) if count <= len(chosen + by_model) else ()
