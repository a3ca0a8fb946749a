"""Who plays whom, beside random pairing: a queue of 10,000 in PostgreSQL, busy minutes, and a week.

python -m benchmarks.matchmaking [--entries 10000] [--agents 1000] [--seeds 3]
"""

import argparse
import os
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from random import Random
from statistics import correlation, fmean, quantiles

import arena.config.testing  # noqa: F401  starts PostgreSQL and Valkey
import django

django.setup()

from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents.models import Agent, AgentVersion, User, VersionOrigin
from arena.config.supervisor.machine import this_machine
from arena.matches import seating
from arena.models import Entry, EntryStatus, Rating, Space
from arena.seeding import seed
from arena.seeding.house import HOUSE_AGENTS
from arena.spaces.committing import keep_committed
from arena.spaces.house_skill import house_skill
from arena.spaces.matchmaking import HouseAgent, Lineup, Waiting, lineups
from arena.spaces.ratings import BETA, Skill, updated

Pairing = Callable[..., list[Lineup]]

SEAT_GOAL_SECONDS, SEAT_GOAL_QUERIES = 2.0, 20
RANK_GOAL = 0.9  # Spearman's correlation after MATCHES
MATCHES = 20  # of each agent in a week
AGENTS_PER_OWNER = 4
SWEEP_SECONDS = 5.0
HOUSE_FILL_SECONDS = 3.0
BUSY_SECONDS = 600.0  # in which everybody enters once
STRENGTHS = Skill()  # true ones are drawn as a newcomer is believed to be


@dataclass
class Player:
    """A simulated agent of an owner of its own, or of the house."""

    number: int
    strength: float
    skill: Skill = STRENGTHS
    met_at: dict[int, float] = field(default_factory=dict)
    matches: int = 0


@dataclass
class Outcome:
    """What happened to the entries of a simulation."""

    gaps: list[float] = field(default_factory=list)  # of ratings, between people
    waits: list[float] = field(default_factory=list)
    meetings: int = 0
    repeats: int = 0  # of meetings: within the last hour


def at_random(
    queue: Sequence[Waiting],
    *,
    seat_count: int,
    house: Sequence[HouseAgent],
    house_fill_seconds: float,
    rng: Random,
) -> list[Lineup]:
    """The peer: whoever is there, in any order; the house fills up with any of its agents."""
    waiting, made = rng.sample(queue, len(queue)), []
    while waiting:
        chosen, waiting = waiting[:seat_count], waiting[seat_count:]
        missing = seat_count - len(chosen)
        if not missing:
            made.append(Lineup(tuple(chosen), ()))
        elif max(each.waited_seconds for each in chosen) >= house_fill_seconds:
            made.append(Lineup(tuple(chosen), tuple(rng.sample(house, missing))))
    return made


def simulated(
    pairing: Pairing, players: Sequence[Player], *, seats: int, sessions: int, rng: Random
) -> Outcome:
    """Everybody enters once in each session, at any moment of it; an hour lies between sessions."""
    shares = [member.code_percent / 100 for member in HOUSE_AGENTS]
    house = [
        Player(len(players) + place, house_skill(share).mu, house_skill(share))
        for place, share in enumerate(shares)
    ]
    everybody, outcome = [*players, *house], Outcome()
    for session in range(sessions):
        start = session * (BUSY_SECONDS + 3600.0)
        arrivals = sorted((start + rng.uniform(0, BUSY_SECONDS), each.number) for each in players)
        queue: dict[int, float] = {}
        now = start
        while arrivals or queue:
            now += SWEEP_SECONDS
            while arrivals and arrivals[0][0] <= now:
                at, number = arrivals.pop(0)
                queue[number] = at
            waiting = [
                Waiting(
                    f"{number:06}",
                    number,
                    number,
                    everybody[number].skill,
                    0,
                    now - at,
                    met=frozenset(
                        other for other, met in everybody[number].met_at.items() if now - met < 3600
                    ),
                )
                for number, at in queue.items()
            ]
            offered = [
                HouseAgent(each.number, each.skill.mu, share > 0)
                for each, share in zip(house, shares, strict=True)
            ]
            for lineup in pairing(
                waiting,
                seat_count=seats,
                house=offered,
                house_fill_seconds=HOUSE_FILL_SECONDS,
                rng=rng,
            ):
                for entry in lineup.entries:
                    outcome.waits.append(entry.waited_seconds)
                    del queue[entry.agent_id]
                _played(lineup, everybody, outcome, now=now, rng=rng)
    return outcome


def _played(
    lineup: Lineup, everybody: Sequence[Player], outcome: Outcome, *, now: float, rng: Random
) -> None:
    people = [everybody[each.agent_id] for each in lineup.entries]
    for one, other in combinations(people, 2):
        outcome.gaps.append(abs(one.skill.mu - other.skill.mu))
        outcome.meetings += 1
        outcome.repeats += now - one.met_at.get(other.number, -3600.0) < 3600
        one.met_at[other.number] = other.met_at[one.number] = now
    table = [*people, *(everybody[each.agent_id] for each in lineup.house)]
    shown = {each.number: rng.gauss(each.strength, BETA) for each in table}
    ranking = [[number] for number in sorted(shown, key=shown.__getitem__, reverse=True)]
    for number, skill in updated({each.number: each.skill for each in table}, ranking).items():
        everybody[number].skill = skill
        everybody[number].matches += 1


def rank_correlation(players: Sequence[Player]) -> float:
    """Spearman's, of ratings and true strengths."""

    def ranks(values: Sequence[float]) -> list[float]:
        order = sorted(range(len(values)), key=values.__getitem__)
        placed = dict(zip(order, range(len(values)), strict=True))
        return [float(placed[place]) for place in range(len(values))]

    return correlation(
        ranks([each.skill.mu for each in players]), ranks([each.strength for each in players])
    )


def week(pairing: Pairing, *, agents: int, seats: int, seed: int) -> tuple[float, Outcome]:
    rng = Random(seed)
    players = [Player(n, rng.gauss(STRENGTHS.mu, STRENGTHS.sigma)) for n in range(agents)]
    outcome = simulated(pairing, players, seats=seats, sessions=MATCHES, rng=rng)
    assert {each.matches for each in players} == {MATCHES}, "everybody is seated each time"
    return rank_correlation(players), outcome


def busy(pairing: Pairing, *, entries: int, seed: int) -> Outcome:
    """Agents whose ratings are known, ten times each: the entries of a crowd at one Space."""
    rng = Random(seed)
    strengths = [rng.gauss(STRENGTHS.mu, STRENGTHS.sigma) for _ in range(entries // 10)]
    players = [Player(n, mu, Skill(mu, 1.5)) for n, mu in enumerate(strengths)]
    # The sessions follow each other within the hour in which opponents count as met.
    everybody = Outcome()
    for _ in range(10):
        one = simulated(pairing, players, seats=2, sessions=1, rng=rng)
        everybody.gaps += one.gaps
        everybody.waits += one.waits
        everybody.meetings += one.meetings
        everybody.repeats += one.repeats
    return everybody


def fill_database(entries: int, *, draw: int) -> tuple[Space, list[Agent]]:
    """Agents with a version and a rating each; two seats, no house, whose stake is another matter."""
    call_command("migrate", verbosity=0)
    seed()
    first = Space.objects.get(slug="tictactoe")
    values = {
        each.name: getattr(first, each.name)
        for each in Space._meta.concrete_fields
        if each.name not in {"id", "slug", "name", "created_at", "house_fill_seconds"}
    }
    space = Space.objects.create(
        **values, slug=f"crowd-{uuid.uuid4().hex[:8]}", name="Crowd", house_fill_seconds=600
    )
    tag = uuid.uuid4().hex[:8]
    owners = User.objects.bulk_create(
        User(username=f"owner-{tag}-{n}", username_key=f"owner-{tag}-{n}", password="!")
        for n in range(entries // AGENTS_PER_OWNER)
    )
    agents = Agent.objects.bulk_create(
        Agent(
            owner=owners[n % len(owners)],
            name=f"Agent {tag} {n}",
            name_key=f"agent {tag} {n}",
            base_model=space.base_model,
        )
        for n in range(entries)
    )
    versions = AgentVersion.objects.bulk_create(
        AgentVersion(
            agent=agent,
            number=1,
            prompt="Answer in as few words as the request allows. " * 8,
            sampling={"temperature": 0.8, "top_p": 1.0, "max_tokens": 64},
            origin=VersionOrigin.CREATED,
        )
        for agent in agents
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE agents_agent SET current_version_id = version.id FROM agents_agentversion version"
            " WHERE version.agent_id = agents_agent.id AND agents_agent.id >= %s",
            [agents[0].pk],
        )
    for agent, version in zip(agents, versions, strict=True):
        agent.current_version = version
    rng = Random(draw)
    Rating.objects.bulk_create(
        Rating(agent=agent, space=space, mu=rng.gauss(25, 8), sigma=1.5, match_count=20)
        for agent in agents
    )
    return space, agents


def enter_all(space: Space, agents: Sequence[Agent]) -> None:
    """As `enter_space` leaves them, without the holds, which seating does not touch."""
    Entry.objects.bulk_create(
        Entry(
            id=uuid.uuid4(),
            space=space,
            agent=agent,
            user_id=agent.owner_id,
            fee_credits=space.entry_fee_credits,
            terms=space.terms.as_json(),
        )
        for agent in agents
    )
    keep_committed(space.pk)


def seat_all(space: Space) -> tuple[float, int, int]:
    """(seconds, queries, matches) until every entry that can be seated is."""
    with CaptureQueriesContext(connection) as captured:
        started = time.perf_counter()
        made = seating.seat_matches(space.pk, rng=Random(1))
        seconds = time.perf_counter() - started
    return seconds, len(captured), len(made)


def seat_in_database(entries: int) -> None:
    space, agents = fill_database(entries, draw=1)
    print(f"{entries:,} entries wait in one Space of 2 seats, {AGENTS_PER_OWNER} of each owner:")
    for words in ("nobody has met", "everybody has met somebody lately", "once more"):
        enter_all(space, agents)
        seconds, queries, matches = seat_all(space)
        reached = seconds < SEAT_GOAL_SECONDS and queries <= SEAT_GOAL_QUERIES
        print(
            f"  {words:34} {matches:6,} matches  {seconds:5.2f} s  {queries:3} queries  "
            f"{'as wanted' if reached else 'MISSED'}"
        )
        left = Entry.objects.filter(space=space, status=EntryStatus.QUEUED)
        print(f"  {'':34} {left.count():6,} left waiting")
        left.delete()
        Entry.objects.filter(space=space).update(status=EntryStatus.FINISHED)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=10_000)
    parser.add_argument("--agents", type=int, default=1_000)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    pairings: dict[str, Pairing] = {"by rating": lineups, "at random": at_random}
    print(f"{this_machine()}; load {os.getloadavg()[0]:.1f}")
    seat_in_database(arguments.entries)

    print(
        f"\n{arguments.entries:,} entries of {arguments.entries // 10:,} agents, each ten times in "
        f"{BUSY_SECONDS * 10 / 3600:.1f} hours; a sweep every {SWEEP_SECONDS:.0f} s, 2 seats:"
    )
    print("             gap  p95   wait s  p95   met again within the hour")
    for name, pairing in pairings.items():
        seen = busy(pairing, entries=arguments.entries, seed=1)
        print(
            f"  {name:9} {fmean(seen.gaps):5.1f} {_p95(seen.gaps):5.1f}  {fmean(seen.waits):5.1f} "
            f"{_p95(seen.waits):5.1f}   {seen.repeats / seen.meetings:.1%}"
        )

    print(
        f"\nA week of {arguments.agents:,} agents, {MATCHES} matches each; rank correlation with the "
        f"true strengths, {arguments.seeds} seeds:"
    )
    for seats in (2, 4):
        for name, pairing in pairings.items():
            found = [
                week(pairing, agents=arguments.agents, seats=seats, seed=seed)
                for seed in range(arguments.seeds)
            ]
            worst = min(value for value, _ in found)
            print(
                f"  {seats} seats {name:9} {fmean(value for value, _ in found):.3f} "
                f"(least {worst:.3f})  gap {fmean(fmean(one.gaps) for _, one in found):4.1f}  "
                f"wait {fmean(fmean(one.waits) for _, one in found):4.1f} s"
                + ("" if name == "at random" or worst >= RANK_GOAL else "  MISSED")
            )


def _p95(values: Sequence[float]) -> float:
    return quantiles(values, n=20)[-1]


if __name__ == "__main__":
    main()
