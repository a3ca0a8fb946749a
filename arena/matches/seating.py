"""Makes matches from queues: the one place where a match begins. For the system, without a user."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from random import Random

from django.conf import settings
from django.db import transaction
from django.db.models import Q, Sum
from django.utils import timezone

from agents.adapters.store import BadAdapter, check_playable
from agents.models import Agent, Engine
from arena import leases
from arena.credits.stakes import HouseStake, house_stake
from arena.matches.events import MatchSeated, Player
from arena.matches.match import SeatPlayers
from arena.matches.play import append
from arena.matches.proposing import weights_for
from arena.models import (
    Entry,
    EntryStatus,
    Match,
    Rating,
    Seat,
    Space,
    SpaceStatus,
    TaskSecret,
    Terms,
)
from arena.nudges import PLAY_MATCH, nudge_on_commit, nudge_sweep_on_commit
from arena.spaces.committing import keep_committed, waiting_secrets
from arena.spaces.entering import cancel_entries
from arena.spaces.matchmaking import HouseAgent, Lineup, Waiting, lineups
from arena.spaces.ratings import Skill

QUEUE_LIMIT = 200  # entries considered in one sweep of a Space
HOUSE_STAKE_PERIOD = timedelta(days=1)  # of ENV.house_stake

_STAKES_LOCK = 0x5354414B  # any number that no other advisory lock of this database uses


def seat_matches(space_id: int, *, rng: Random) -> list[int]:
    """Make the matches that the Space's queue allows now; returns their ids.

    At most as many as have a secret that was committed before; the rest follow in the next sweep.
    """
    with transaction.atomic(durable=True):
        space = Space.objects.select_for_update(no_key=True).get(id=space_id)
        if space.status != SpaceStatus.OPEN:
            return []
        entries = _queued(space)
        if not entries:
            return []
        house = _house(space)
        made = [
            lineup
            for waiting in _waiting(space, entries)
            for lineup in lineups(
                waiting,
                seat_count=space.seat_count,
                house=house,
                house_fill_seconds=space.house_fill_seconds,
                rng=rng,
            )
        ]
        made.sort(key=lambda lineup: -lineup.entries[0].waited_seconds)
        stakes = _HouseStakes(entries.values())
        secrets = waiting_secrets(space_id)
        seated = [
            _seat(space, lineup, entries, stakes, secret)
            for lineup, secret in zip(made, secrets, strict=False)
        ]
        keep_committed(space_id)
        if len(seated) < len(made):
            nudge_sweep_on_commit()
        return seated


def _queued(space: Space) -> dict[str, Entry]:
    rows = (
        Entry.objects.select_for_update(of=("self",), skip_locked=True, no_key=True)
        .filter(_plays_in(space, "agent__"), space=space, status=EntryStatus.QUEUED)
        .select_related("agent__current_version__adapter")
        .order_by("created_at")[:QUEUE_LIMIT]
    )
    refused = {entry: problem for entry in rows if (problem := _problem(entry.agent))}
    cancel_entries(refused.items())
    return {str(entry.id): entry for entry in rows if entry not in refused}


def _problem(agent: Agent) -> str:
    """Why the agent can no longer be seated; empty if it can.

    It entered with another version perhaps, and a seat that cannot play would spoil the match.
    """
    if agent.retired_at:
        return f"{agent.name} was retired."
    version = agent.current_version
    if version and version.adapter:
        try:
            check_playable(version.adapter, verify=False)  # rows are locked: nothing slow
        except BadAdapter as error:
            return f"{agent.name} cannot play. {error}"
    return ""


def _waiting(space: Space, entries: Mapping[str, Entry]) -> Collection[list[Waiting]]:
    """Apart by fee and terms: a match has one fee, and everybody in it agreed to the same."""
    now = timezone.now()
    mus = _mus(space, [entry.agent_id for entry in entries.values()])
    waiting: dict[tuple[int, Terms], list[Waiting]] = {}
    for key, entry in entries.items():
        agreed = (entry.fee_credits, entry.terms_in(space))
        waiting.setdefault(agreed, []).append(
            Waiting(
                entry_id=key,
                user_id=entry.user_id,
                agent_id=entry.agent_id,
                mu=mus.get(entry.agent_id, Skill().mu),
                waited_seconds=(now - entry.created_at).total_seconds(),
            )
        )
    return waiting.values()


def _house(space: Space) -> list[HouseAgent]:
    agents = Agent.objects.filter(
        _plays_in(space), owner__is_house=True, base_model_id=space.base_model_id, retired_at=None
    )
    mus = _mus(space, [agent.id for agent in agents])
    return [
        HouseAgent(agent.id, mus.get(agent.id, Skill().mu), agent.engine == Engine.CODE)
        for agent in agents
        if space.has_coded_seats or agent.engine != Engine.CODE
    ]


def _plays_in(space: Space, prefix: str = "") -> Q:
    """Agents that may be seated: in sequential mode, agents in training wait and keep their place."""
    return Q(**{f"{prefix}learning_since": None}) if space.waits_for_training else Q()


def _mus(space: Space, agent_ids: Sequence[int]) -> dict[int, float]:
    rows = Rating.objects.filter(space=space, agent_id__in=agent_ids)
    return dict(rows.values_list("agent_id", "mu"))


class _HouseStakes:
    """What the house stakes: only so much a day in matches with the agents of one owner."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        ids = {entry.user_id for entry in entries}
        # One at a time, so that matches made in two Spaces at once count each other. No lock of the
        # owners' rows: whoever enters holds one and waits for the Space's lock, which is ours.
        leases.one_at_a_time(_STAKES_LOCK)
        lately = Entry.objects.filter(
            user_id__in=ids,
            status__in=[EntryStatus.SEATED, EntryStatus.FINISHED],
            match__created_at__gt=timezone.now() - HOUSE_STAKE_PERIOD,
        )
        sums = lately.values("user_id").annotate(total=Sum("house_stake_credits"))
        self._used = Counter(dict(sums.values_list("user_id", "total")))

    def take(self, lineup: Lineup, *, fee_credits: int) -> HouseStake:
        owners = [each.user_id for each in lineup.entries]
        stake = house_stake(
            fee_credits,
            house_seats=len(lineup.house),
            used_credits=[self._used[owner] for owner in owners],
            bound_credits=settings.ENV.house_stake,
        )
        self._used.update(dict.fromkeys(owners, stake.share_credits))
        return stake


def _seat(
    space: Space,
    lineup: Lineup,
    entries: Mapping[str, Entry],
    stakes: _HouseStakes,
    secret: TaskSecret,
) -> int:
    first = entries[lineup.entries[0].entry_id]  # the others agreed to the same
    terms = first.terms_in(space)
    stake = stakes.take(lineup, fee_credits=first.fee_credits)
    house = Agent.objects.select_related("current_version").in_bulk(
        [each.agent_id for each in lineup.house]
    )
    chosen: list[tuple[Agent, Entry | None]] = [
        *((entries[each.entry_id].agent, entries[each.entry_id]) for each in lineup.entries),
        *((house[each.agent_id], None) for each in lineup.house),
    ]
    match = Match.objects.create(space=space, round_count=space.round_count)
    players = []
    for index, (agent, entry) in enumerate(chosen):
        version = agent.current_version
        assert version is not None, "an agent has a version from its creation on"
        Seat.objects.create(match=match, index=index, agent=agent, version=version, entry=entry)
        players.append(
            Player(
                seat=index,
                agent_id=agent.id,
                version_id=version.id,
                user_id=agent.owner_id,
                entry_id=str(entry.id) if entry else None,
                fee_credits=entry.fee_credits if entry else stake.fee_credits,
            )
        )
        if entry:
            entry.status = EntryStatus.SEATED
            entry.match = match
            entry.house_stake_credits = stake.share_credits
            entry.save(update_fields=["status", "match", "house_stake_credits"])
    seating = MatchSeated(
        space=space.slug,
        environment=space.environment,
        players=tuple(players),
        round_count=space.round_count,
        rake_percent=terms.rake_percent,
        prize_percents=terms.prize_percents,
        panel=tuple((each["judge"], float(each["weight"])) for each in space.panel),
        rounds_at_once=space.rounds_at_once,
        restricts_moves=space.restricts_moves,
        task_commitment=secret.commitment,
        difficulty_weights=weights_for(space, lineup.model_mus),
        prize_rule=terms.prize_rule,
    )
    secret.match = match
    secret.save(update_fields=["match"])
    append(match, None, SeatPlayers(seating))
    nudge_on_commit(PLAY_MATCH, match.id)
    return match.id
