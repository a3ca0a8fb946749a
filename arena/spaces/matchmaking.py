"""Who plays whom. PURE. Why: docs/decisions/pairing.md"""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from random import Random
from statistics import fmean

from arena.spaces.ratings import Skill

# In points of rating. Whoever is hardly known may be anywhere within their own uncertainty.
NARROWEST_GAP = 5.0
GAP_PER_SECOND = 1.0
WIDE_AFTER_SECONDS = 60.0  # then any rating will do
HOUSE_CHANCE = 5.0  # points by which chance moves a house agent, so that not always the same play


@dataclass(frozen=True)
class Waiting:
    """A queued entry."""

    entry_id: str
    user_id: int
    agent_id: int
    skill: Skill
    fee_credits: int
    waited_seconds: float
    terms: Hashable = ()  # agreed at the entry, as the fee was
    met: frozenset[int] = frozenset()  # agents that it played lately


@dataclass(frozen=True)
class HouseAgent:
    """An agent of the house that can fill a seat."""

    agent_id: int
    mu: float
    plays_by_code: bool


@dataclass(frozen=True)
class Lineup:
    """A match about to be made: entries of one fee and terms first, then house agents."""

    entries: tuple[Waiting, ...]
    house: tuple[HouseAgent, ...]

    @property
    def model_mus(self) -> list[float]:
        """Ratings of the seats that answer with a model."""
        house = [each.mu for each in self.house if not each.plays_by_code]
        return [*(each.skill.mu for each in self.entries), *house]


def accepted_gap(sigma: float, *, waited_seconds: float) -> float:
    """How far from its own rating an entry looks for opponents by now, in points; at last inf."""
    if waited_seconds >= WIDE_AFTER_SECONDS:
        return inf
    return max(NARROWEST_GAP, sigma) + GAP_PER_SECOND * max(0.0, waited_seconds)


def lineups(
    queue: Sequence[Waiting],
    *,
    seat_count: int,
    house: Sequence[HouseAgent],
    house_fill_seconds: float,
    rng: Random,
) -> list[Lineup]:
    """Matches that can start now, those first whose longest-waiting entry has waited longest.

    Whoever has waited longest chooses first: the nearest ratings within `accepted_gap`, among the
    entries of the same fee and terms. Nobody plays against themselves for prizes: an owner sits once in a
    match. Opponents of lately, and then house agents, take the seats that are still empty once the
    entry has waited `house_fill_seconds`. An agent is seated once, however often it waits.

    Takes O(n (log n + m)) for n entries, if each has at most m others of its owner or met lately.
    """
    waiting: dict[Hashable, list[Waiting]] = defaultdict(list)
    seen: set[int] = set()
    for entry in sorted(queue, key=_turn):
        if entry.agent_id not in seen:
            seen.add(entry.agent_id)
            waiting[entry.fee_credits, entry.terms].append(entry)
    made = [
        lineup
        for entries in waiting.values()
        for lineup in _of_one_kind(entries, seat_count, house, house_fill_seconds, rng)
    ]
    return sorted(made, key=lambda lineup: _turn(lineup.entries[0]))


def _turn(entry: Waiting) -> tuple[float, str]:
    return -entry.waited_seconds, entry.entry_id


def _of_one_kind(
    entries: Sequence[Waiting],
    seat_count: int,
    house: Sequence[HouseAgent],
    house_fill_seconds: float,
    rng: Random,
) -> Iterator[Lineup]:
    """`entries`: longest-waiting first."""
    line = _Line(entries)
    for first in entries:
        if first.entry_id not in line:
            continue
        is_patient = first.waited_seconds >= min(house_fill_seconds, WIDE_AFTER_SECONDS)
        chosen = _company(first, line, seat_count, may_meet_again=is_patient)
        empty = seat_count - len(chosen)
        filled: tuple[HouseAgent, ...] = ()
        if empty:
            if first.waited_seconds >= house_fill_seconds:
                near = fmean(each.skill.mu for each in chosen)
                filled = fill(house, empty, near=near, rng=rng)
            if len(filled) < empty:
                continue  # not yet, or the house is too small
        for each in chosen:
            line.take(each)
        yield Lineup(tuple(chosen), filled)


def _company(
    first: Waiting, line: "_Line", seat_count: int, *, may_meet_again: bool
) -> list[Waiting]:
    """The entry and those who may sit with it, at most `seat_count`."""
    chosen, again = [first], []
    gap = accepted_gap(first.skill.sigma, waited_seconds=first.waited_seconds)
    for other in line.nearest(first, gap):
        if any(other.user_id == each.user_id for each in chosen):
            continue
        if any(_met(other, each) for each in chosen):
            again.append(other)
            continue
        chosen.append(other)
        if len(chosen) == seat_count:
            return chosen
    for other in again if may_meet_again else ():
        if len(chosen) < seat_count and all(other.user_id != each.user_id for each in chosen):
            chosen.append(other)
    return chosen


def _met(one: Waiting, other: Waiting) -> bool:
    return one.agent_id in other.met or other.agent_id in one.met


def fill(
    house: Sequence[HouseAgent], count: int, *, near: float, rng: Random
) -> tuple[HouseAgent, ...]:
    """The nearest of the house, at most one of them playing by code; () if there are too few.

    Of several seats one goes to code, which teaches the others.
    """
    ranked = sorted(house, key=lambda each: abs(each.mu - near) + rng.uniform(0, HOUSE_CHANCE))
    by_code = [each for each in ranked if each.plays_by_code][:1]
    by_model = [each for each in ranked if not each.plays_by_code]
    chosen = ranked[:1] if count == 1 else (by_code + by_model)[:count]
    return tuple(chosen) if len(chosen) == count else ()


class _Line:
    """Waiting entries of one fee and terms in the order of their ratings; whoever is taken leaves no gap."""

    def __init__(self, entries: Sequence[Waiting]) -> None:
        ranked = sorted(entries, key=lambda each: (each.skill.mu, each.entry_id))
        self._ranked = ranked
        # Places count from 1; nobody stands at either end.
        self._mus = [-inf, *(each.skill.mu for each in ranked), inf]
        self._place = {each.entry_id: place for place, each in enumerate(ranked, start=1)}
        self._below = [place - 1 for place in range(len(self._mus))]
        self._above = [place + 1 for place in range(len(self._mus))]

    def __contains__(self, entry_id: str) -> bool:
        return entry_id in self._place

    def nearest(self, entry: Waiting, gap: float) -> Iterator[Waiting]:
        """The others within the gap, nearest first."""
        place = self._place[entry.entry_id]
        below, above, mu = self._below[place], self._above[place], entry.skill.mu
        while below > 0 or above <= len(self._ranked):
            down, up = mu - self._mus[below], self._mus[above] - mu
            if min(down, up) > gap:
                return
            if down <= up:
                yield self._ranked[below - 1]
                below = self._below[below]
            else:
                yield self._ranked[above - 1]
                above = self._above[above]

    def take(self, entry: Waiting) -> None:
        place = self._place.pop(entry.entry_id)
        below, above = self._below[place], self._above[place]
        self._above[below], self._below[above] = above, below
