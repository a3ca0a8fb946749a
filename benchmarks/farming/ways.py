"""Ways of playing: honest, and each way of farming."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.farming.site import PERSON_PASSES, SEATS, SimulatedAgent, Site

IDENTICAL_AGENTS = 27

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
