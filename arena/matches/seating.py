"""Makes matches from queues: the one place where a match begins. For the system, without a user."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import OuterRef, Subquery, Sum
from django.utils import timezone

from agents.models import Agent, Engine
from arena import leases
from arena.credits.stakes import HouseStake, house_stake
from arena.matches.events import MatchSeated, Player
from arena.matches.match import SeatPlayers, decide
from arena.matches.play import chained
from arena.matches.proposing import weights_for
from arena.models import (
    Entry,
    EntryStatus,
    Match,
    MatchEvent,
    Rating,
    Seat,
    Space,
    SpaceStatus,
    TaskSecret,
    Terms,
)
from arena.nudges import PLAY_MATCH, nudge_on_commit, nudge_sweep_on_commit
from arena.panels.own_base import members_of
from arena.spaces.committing import keep_committed, waiting_secrets
from arena.spaces.matchmaking import Lineup, lineups
from arena.spaces.queue import house, house_agents, queued, waiting
from arena.spaces.ratings import Skill
from arena.states import PrizeRule

HOUSE_STAKE_PERIOD = timedelta(days=1)  # of ENV.house_stake
NUDGE_LIMIT = (
    200  # matches of one sweep that wake a worker at once; later sweeps nudge for the others
)

_STAKES_LOCK = 0x5354414B  # any number that no other advisory lock of this database uses


def seat_matches(space_id: int, *, rng: Random) -> list[int]:
    """Make the matches that the Space's queue allows now; returns their ids.

    At most as many as have a secret that was committed before; the rest follow in the next sweep.
    All of them take the same few queries, however many they are.
    """
    with transaction.atomic(durable=True):
        space = Space.objects.select_for_update(no_key=True).get(id=space_id)
        if space.status != SpaceStatus.OPEN:
            return []
        entries = queued(space)
        if not entries:
            return []
        agents = house_agents(space)
        made = lineups(
            waiting(space, entries.values()),
            seat_count=space.seat_count,
            house=house(space, agents.values()),
            house_fill_seconds=space.house_fill_seconds,
            rng=rng,
        )
        tables = _tables(space, made, entries, agents)
        _store(space, tables)
        keep_committed(space_id)
        for table in tables[:NUDGE_LIMIT]:
            nudge_on_commit(PLAY_MATCH, table.match.pk)
        if len(tables) < len(made):
            nudge_sweep_on_commit()
        return [table.match.pk for table in tables]


def seat_given(
    space: Space, sides: Sequence[Sequence[Agent]], *, is_practice: bool = False
) -> list[int]:
    """Seat these agents in matches without fees and prizes, for a tournament or for practice.

    Returns their ids: as many as have a secret that was committed before, by another transaction. Inside the caller's,
    which holds the Space's lock.
    """
    secrets = waiting_secrets(space.pk, limit=len(sides))
    agent_ids = [agent.pk for agents in sides for agent in agents]
    rated = Rating.objects.filter(space=space, agent_id__in=agent_ids)
    mus = dict(rated.values_list("agent_id", "mu"))
    tables = [
        _Table(
            match=Match(
                id=match_id,
                space=space,
                round_count=space.round_count,
                is_practice=is_practice,
                is_harvested=is_practice,  # it gives no pairs
            ),
            terms=Terms(rake_percent=0, prize_rule=PrizeRule.PLACES, prize_percents=(100,)),
            model_mus=[
                mus.get(agent.pk, Skill().mu) for agent in agents if agent.engine != Engine.CODE
            ],
            secret=secret,
            stake=HouseStake(0, 0),
            seats=[(agent, None) for agent in agents],
        )
        for match_id, agents, secret in zip(_new_ids(len(secrets)), sides, secrets, strict=False)
    ]
    _store(space, tables)
    keep_committed(space.pk)
    for table in tables:
        nudge_on_commit(PLAY_MATCH, table.match.pk)
    return [table.match.pk for table in tables]


class _HouseStakes:
    """What the house stakes: only so much a day in matches with the agents of one owner."""

    def __init__(self, user_ids: Collection[int]) -> None:
        self._used: Counter[int] = Counter()
        if not user_ids:
            return
        # One at a time, so that matches made in two Spaces at once count each other. No lock of the
        # owners' rows: whoever enters holds one and waits for the Space's lock, which is ours.
        leases.one_at_a_time(_STAKES_LOCK)
        lately = Entry.objects.filter(
            user_id__in=user_ids,
            status__in=[EntryStatus.SEATED, EntryStatus.FINISHED],
            match__created_at__gt=timezone.now() - HOUSE_STAKE_PERIOD,
        )
        sums = lately.values("user_id").annotate(total=Sum("house_stake_credits"))
        self._used.update(dict(sums.values_list("user_id", "total")))

    def take(self, lineup: Lineup) -> HouseStake:
        owners = [each.user_id for each in lineup.entries]
        stake = house_stake(
            lineup.entries[0].fee_credits,
            house_seats=len(lineup.house),
            used_credits=[self._used[owner] for owner in owners],
            bound_credits=settings.ENV.house_stake,
        )
        self._used.update(dict.fromkeys(owners, stake.share_credits))
        return stake


@dataclass(frozen=True)
class _Table:
    """A match to be stored, with its secret and who sits where."""

    match: Match
    terms: Terms
    model_mus: list[float]  # ratings of the seats that answer with a model
    secret: TaskSecret
    stake: HouseStake  # of each house seat
    seats: list[tuple[Agent, Entry | None]]  # None: a house seat


def _tables(
    space: Space,
    made: Sequence[Lineup],
    entries: Mapping[UUID, Entry],
    house: Mapping[int, Agent],
) -> list[_Table]:
    secrets = waiting_secrets(space.pk, limit=len(made))
    made = made[: len(secrets)]
    with_house = [lineup for lineup in made if lineup.house]
    stakes = _HouseStakes({each.user_id for lineup in with_house for each in lineup.entries})
    tables = []
    for match_id, lineup, secret in zip(_new_ids(len(made)), made, secrets, strict=True):
        chosen = [entries[UUID(each.entry_id)] for each in lineup.entries]
        tables.append(
            _Table(
                match=Match(id=match_id, space=space, round_count=space.round_count),
                terms=chosen[0].terms_in(space),  # the others agreed to the same
                model_mus=lineup.model_mus,
                secret=secret,
                stake=stakes.take(lineup),
                seats=[
                    *((entry.agent, entry) for entry in chosen),
                    *((house[each.agent_id], None) for each in lineup.house),
                ],
            )
        )
    return tables


def _new_ids(count: int) -> list[int]:
    """Of matches: their first events hold them, and the matches hold those events' digests."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
            [Match._meta.db_table, count],
        )
        return [number for (number,) in cursor.fetchall()]


def _store(space: Space, tables: Sequence[_Table]) -> None:
    """Write the rows of all matches, with a few statements however many there are."""
    seats: list[Seat] = []
    entry_ids: dict[int, list[UUID]] = defaultdict(list)  # by what of the house's stake is theirs
    events: list[MatchEvent] = []
    weights = weights_for(space, [table.model_mus for table in tables])
    panel = members_of(space)
    for table, difficulty_weights in zip(tables, weights, strict=True):
        match = table.match
        seating = _seating(space, table, difficulty_weights=difficulty_weights, panel=panel)
        events += chained(match, decide(None, seating))
        table.secret.match = match
        for index, (agent, entry) in enumerate(table.seats):
            version = agent.current_version
            seats.append(
                Seat(
                    match=match,
                    index=index,
                    agent=agent,
                    version=version,
                    entry=entry,
                    is_practice=match.is_practice,
                )
            )
            if entry:
                entry_ids[table.stake.share_credits].append(entry.id)
    Match.objects.bulk_create(table.match for table in tables)
    Seat.objects.bulk_create(seats)
    # Not announced: nobody can watch these matches yet.
    MatchEvent.objects.bulk_create(events)
    for share, ids in entry_ids.items():
        Entry.objects.filter(id__in=ids).update(
            status=EntryStatus.SEATED,
            match=Subquery(Seat.objects.filter(entry=OuterRef("pk")).values("match")[:1]),
            house_stake_credits=share,
        )
    # The rows exist. bulk_update would write a CASE with a branch for each.
    TaskSecret.objects.bulk_create(
        [table.secret for table in tables],
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=["match"],
    )


def _seating(
    space: Space,
    table: _Table,
    *,
    difficulty_weights: tuple[float, ...],
    panel: tuple[tuple[str, float], ...],
) -> SeatPlayers:
    players = []
    for index, (agent, entry) in enumerate(table.seats):
        assert agent.current_version_id, "an agent has a version from its creation on"
        players.append(
            Player(
                seat=index,
                agent_id=agent.pk,
                version_id=agent.current_version_id,
                user_id=agent.owner_id,
                entry_id=str(entry.id) if entry else None,
                fee_credits=entry.fee_credits if entry else table.stake.fee_credits,
            )
        )
    return SeatPlayers(
        MatchSeated(
            space=space.slug,
            environment=space.environment,
            players=tuple(players),
            round_count=space.round_count,
            rake_percent=table.terms.rake_percent,
            prize_percents=table.terms.prize_percents,
            panel=panel,
            rounds_at_once=space.rounds_at_once,
            restricts_moves=space.restricts_moves,
            task_commitment=table.secret.commitment,
            difficulty_weights=difficulty_weights,
            prize_rule=table.terms.prize_rule,
            panel_size=space.panel_size if space.panel_size < len(panel) else 0,
            least_agreement=space.least_agreement,
            is_practice=table.match.is_practice,
        )
    )
