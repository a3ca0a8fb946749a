"""Does farming pay? Each way of farming beside the same person's honest play with one agent.

Seeded and without a database: the site's own rules seat (`lineups`), rank (`ranking_of`), pay
(`prizes`) and rate (`updated`); only whether an answer passes is drawn. Exits with 1 if a way
pays: if the main account's credits, the credits of all accounts or the best floor is above honest
play by more than chance.

python -m benchmarks.farming [--matches 1000] [--seeds 20]
"""

import argparse
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from math import sqrt
from random import Random

from arena.config.supervisor.machine import this_machine
from arena.credits.prizes import prizes, rake_of
from arena.matches.match import ranking_of
from arena.spaces.matchmaking import HouseAgent, Waiting, lineups
from arena.spaces.ratings import Skill, updated

# As in the Space "constraints" of a new installation (arena/seeding.py).
SEATS, ROUNDS, FEE_CREDITS, RAKE_PERCENT, PRIZE_PERCENTS = 4, 6, 10, 10, (50, 30, 20)
# Pass rates measured for the base and for an agent that has learned (benchmarks/results).
BASE_PASSES, PERSON_PASSES = 0.24, 0.54
SOLVER_PASSES = 0.6 + 0.4 * BASE_PASSES  # by code six times in ten
HOUSE_PASSES = (SOLVER_PASSES, BASE_PASSES, BASE_PASSES, BASE_PASSES, BASE_PASSES)
OTHER_OWNERS, ENTERS = 12, 0.1  # other owners, and how likely each one enters at a moment
BURN_IN_MOMENTS = 300  # in which the others play before the person comes
MOMENTS_A_DAY = 50  # at each day's end the leaderboard is read
IDENTICAL_AGENTS = 27
CHANCE = 3.0  # standard errors that may be luck; there are 21 comparisons
MIN_SEEDS = 8  # with fewer, the standard error itself is a guess
HOUSE = 0  # the house as an owner


@dataclass(eq=False)
class SimulatedAgent:
    """A competitor: how often its answers pass, and what the site believes about it."""

    agent_id: int
    owner_id: int
    pass_rate: float
    plays_by_code: bool = False
    answers: bool = True
    skill: Skill = field(default_factory=Skill)
    match_count: int = 0
    win_count: int = 0
    is_retired: bool = False

    @property
    def floor(self) -> float:
        """What the leaderboard sorts by."""
        return self.skill.mu - 3 * self.skill.sigma


@dataclass(frozen=True)
class Played:
    """A match whose rounds are over, by seat."""

    seats: tuple[SimulatedAgent, ...]
    ranking: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Settled:
    """What a match moves: credits paid to each seat, and the beliefs after it."""

    paid: Mapping[int, int]
    skills: Mapping[int, Skill]


def settle(match: Played) -> Settled:
    """As the site settles: every seat stakes, is paid by its place, and is rated."""
    pool = FEE_CREDITS * len(match.seats)
    return Settled(
        paid=prizes(
            match.ranking,
            pot_credits=pool - rake_of(pool, percent=RAKE_PERCENT),
            percents=PRIZE_PERCENTS,
        ),
        skills=updated({seat: each.skill for seat, each in enumerate(match.seats)}, match.ranking),
    )


class Site:
    """One Space with its house and other owners, who have played for a while."""

    def __init__(self, seed: int, settle: Callable[[Played], Settled]) -> None:
        self.rng = Random(seed)
        self.settle = settle
        self.agents: list[SimulatedAgent] = []
        self.owner_ids = count(HOUSE + 1)
        self.gained: Counter[int] = Counter()  # prizes minus fees, by owner
        self.lowest: Counter[int] = Counter()  # of `gained`: what top-ups had to cover
        self.house = [
            self.new_agent(HOUSE, pass_rate, plays_by_code=number == 0)
            for number, pass_rate in enumerate(HOUSE_PASSES)
        ]
        self.others = [
            self.new_agent(self.new_owner(), self.rng.uniform(BASE_PASSES, SOLVER_PASSES))
            for _ in range(OTHER_OWNERS)
        ]
        for _ in range(BURN_IN_MOMENTS):
            self.play(self.others_entering())

    def new_owner(self) -> int:
        return next(self.owner_ids)

    def new_agent(
        self, owner_id: int, pass_rate: float, *, plays_by_code: bool = False, answers: bool = True
    ) -> SimulatedAgent:
        agent = SimulatedAgent(len(self.agents), owner_id, pass_rate, plays_by_code, answers)
        self.agents.append(agent)
        return agent

    def others_entering(self) -> list[SimulatedAgent]:
        return [each for each in self.others if self.rng.random() < ENTERS]

    def play(self, entering: Sequence[SimulatedAgent]) -> None:
        """Everybody who enters at one moment plays one match, with the house in empty seats."""
        queue = [
            Waiting(f"{place:03}", each.owner_id, each.agent_id, each.skill.mu, 1.0)
            for place, each in enumerate(self.rng.sample(entering, len(entering)))
        ]
        house = [
            HouseAgent(each.agent_id, each.skill.mu, each.plays_by_code) for each in self.house
        ]
        for lineup in lineups(
            queue, seat_count=SEATS, house=house, house_fill_seconds=0.0, rng=self.rng
        ):
            agent_ids = [each.agent_id for each in lineup.entries]
            agent_ids += [each.agent_id for each in lineup.house]
            self._play_match(tuple(self.agents[each] for each in agent_ids))

    def _play_match(self, seats: tuple[SimulatedAgent, ...]) -> None:
        totals = {
            seat: float(sum(self.rng.random() < each.pass_rate for _ in range(ROUNDS)))
            for seat, each in enumerate(seats)
        }
        match = Played(seats, ranking_of(totals, rounds=ROUNDS))
        settled = self.settle(match)
        for seat, each in enumerate(seats):
            self.gained[each.owner_id] -= FEE_CREDITS
            owner = each.owner_id
            self.lowest[owner] = min(self.lowest[owner], self.gained[owner])
            self.gained[owner] += settled.paid[seat]
            each.skill = settled.skills[seat]
            each.match_count += 1
            each.win_count += seat in match.ranking[0]


# Ways: each yields, moment after moment, the agents that the person enters. A moment is as long as
# a match, and an agent plays one match at a time, so all ways have the same time.

Way = Callable[[Site], Iterator[list[SimulatedAgent]]]


def honest(site: Site) -> Iterator[list[SimulatedAgent]]:
    agent = site.new_agent(site.new_owner(), PERSON_PASSES)
    while True:
        yield [agent]


def silent_alts(site: Site) -> Iterator[list[SimulatedAgent]]:
    main = site.new_agent(site.new_owner(), PERSON_PASSES)
    alts = [site.new_agent(site.new_owner(), 0.0, answers=False) for _ in range(SEATS - 1)]
    while True:
        yield [main, *alts]


def losing_alts(site: Site) -> Iterator[list[SimulatedAgent]]:
    main = site.new_agent(site.new_owner(), PERSON_PASSES)
    alts = [site.new_agent(site.new_owner(), 0.0) for _ in range(SEATS - 1)]
    while True:
        yield [main, *alts]


def fresh_accounts(site: Site) -> Iterator[list[SimulatedAgent]]:
    main = site.new_agent(site.new_owner(), PERSON_PASSES)
    while True:
        alts = [site.new_agent(site.new_owner(), 0.0) for _ in range(SEATS - 1)]
        for _ in range(5):
            yield [main, *alts]


def identical_in_turn(site: Site) -> Iterator[list[SimulatedAgent]]:
    for agents in identical_at_once(site):
        yield from ([each] for each in agents)


def identical_at_once(site: Site) -> Iterator[list[SimulatedAgent]]:
    owner = site.new_owner()
    agents = [site.new_agent(owner, PERSON_PASSES) for _ in range(IDENTICAL_AGENTS)]
    while True:
        yield agents


def retire_and_retry(site: Site) -> Iterator[list[SimulatedAgent]]:
    """Each agent plays 5 matches; with at least 4 wins it plays on to 40, otherwise it is retired."""
    owner = site.new_owner()
    while True:
        agent = site.new_agent(owner, PERSON_PASSES)
        for _ in range(5):
            yield [agent]
        agent.is_retired = agent.win_count < 4
        while not agent.is_retired and agent.match_count < 40:
            yield [agent]


@dataclass(frozen=True)
class Farm:
    """A way of farming; a quiet one is tried at moments when nobody else waits."""

    name: str
    way: Way
    is_quiet: bool


HONEST = Farm("honest play, one agent", honest, is_quiet=False)
FARMS = (
    Farm("alts that never answer", silent_alts, is_quiet=True),
    Farm("alts that answer badly", losing_alts, is_quiet=True),
    Farm("fresh accounts feed a main one", fresh_accounts, is_quiet=True),
    Farm(f"{IDENTICAL_AGENTS} identical agents in turn", identical_in_turn, is_quiet=False),
    Farm(f"{IDENTICAL_AGENTS} identical agents at once", identical_at_once, is_quiet=False),
    Farm("retire and retry", retire_and_retry, is_quiet=False),
    Farm("the house, all day", honest, is_quiet=True),
)


@dataclass(frozen=True)
class Gain:
    """What a way brings to a person; the rank counts the house and the other owners."""

    main_credits: int
    all_credits: int
    topped_up_credits: int
    best_floor: float
    best_rank: int


def gain_of(
    farm: Farm, *, matches: int, seed: int, settle: Callable[[Played], Settled] = settle
) -> Gain:
    """Let the person enter `matches` times. Floor and rank are the best at any day's end."""
    site = Site(seed, settle)
    known = len(site.agents)
    best_floor, best_rank = Skill().mu - 3 * Skill().sigma, len(site.house) + len(site.others) + 1
    for moment, entering in zip(range(1, matches + 1), farm.way(site), strict=False):
        others = site.others_entering()
        if farm.is_quiet:
            site.play(entering)
            site.play(others)
        else:
            site.play([*entering, *others])
        if moment % MOMENTS_A_DAY == 0 or moment == matches:
            listed = [each.floor for each in site.agents[known:] if not each.is_retired]
            floor = max(listed, default=best_floor)
            above = sum(each.floor > floor for each in site.agents[:known])
            best_floor, best_rank = max(best_floor, floor), min(best_rank, above + 1)
    main_id = site.agents[known].owner_id
    owners = {each.owner_id for each in site.agents[known:]}
    return Gain(
        main_credits=site.gained[main_id],
        all_credits=sum(site.gained[each] for each in owners),
        topped_up_credits=-sum(site.lowest[each] for each in owners),
        best_floor=best_floor,
        best_rank=best_rank,
    )


def what_pays(gains: Sequence[Gain], honest_gains: Sequence[Gain]) -> list[str]:
    """In which figures the first is above the second by more than chance; both by seed."""
    figures: dict[str, Callable[[Gain], float]] = {
        "credits of the main account": lambda gain: gain.main_credits,
        "credits of all accounts": lambda gain: gain.all_credits,
        "best floor": lambda gain: gain.best_floor,
    }
    return [
        name
        for name, figure in figures.items()
        if _is_above([figure(a) - figure(b) for a, b in zip(gains, honest_gains, strict=True)])
    ]


def _is_above(differences: Sequence[float]) -> bool:
    mean = statistics.fmean(differences)
    return mean > CHANCE * statistics.stdev(differences) / sqrt(len(differences))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--matches", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=20)
    options = parser.parse_args(arguments)
    if options.matches < 1 or options.seeds < MIN_SEEDS:
        parser.error(f"at least 1 match and {MIN_SEEDS} seeds are needed")
    print(this_machine())
    print(f"a person enters {options.matches} times; means over {options.seeds} seeds")
    print(f"{'':31}{'main':>7}{'all':>7}{'topped up':>11}{'floor':>7}{'rank':>6}  pays in")
    honest_gains: list[Gain] = []
    has_paid = False
    for farm in (HONEST, *FARMS):
        gains = [gain_of(farm, matches=options.matches, seed=seed) for seed in range(options.seeds)]
        honest_gains = honest_gains or gains
        pays = what_pays(gains, honest_gains)
        has_paid |= bool(pays)
        print(f"{farm.name:31}{_means(gains)}  {', '.join(pays) or 'nothing'}")
    return int(has_paid)


def _means(gains: Sequence[Gain]) -> str:
    return (
        f"{statistics.fmean(each.main_credits for each in gains):7.0f}"
        f"{statistics.fmean(each.all_credits for each in gains):7.0f}"
        f"{statistics.fmean(each.topped_up_credits for each in gains):11.0f}"
        f"{statistics.fmean(each.best_floor for each in gains):7.1f}"
        f"{statistics.fmean(each.best_rank for each in gains):6.1f}"
    )


if __name__ == "__main__":
    sys.exit(main())
