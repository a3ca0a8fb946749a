"""Who waits in a Space, and which house agents could join them. The caller holds the Space's lock."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import timedelta
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from agents.adapters.checks import BadAdapter
from agents.adapters.store import check_playable
from agents.models import Agent, Engine
from agents.roster import code_share_of
from arena.models import Entry, EntryStatus, Rating, Seat, Space
from arena.spaces.entering import cancel_entries
from arena.spaces.house_skill import house_skill
from arena.spaces.matchmaking import HouseAgent, Waiting
from arena.spaces.ratings import Skill

QUEUE_LIMIT = 10_000  # entries considered in one sweep of a Space
# Whoever played against each other since then looks for others first.
MET_WITHIN = timedelta(hours=1)
MET_SEATS = 20_000  # the newest that are read of that time


def queued(space: Space) -> dict[UUID, Entry]:
    """Lock and read the entries that can be seated, oldest first; cancel those that no longer can."""
    rows = list(
        Entry.objects.select_for_update(of=("self",), skip_locked=True, no_key=True)
        .filter(_plays_in(space, "agent__"), space=space, status=EntryStatus.QUEUED)
        .select_related("agent__current_version__adapter")
        .defer("agent__current_version__prompt")
        .order_by("created_at")[:QUEUE_LIMIT]
    )
    refused = {entry: problem for entry in rows if (problem := problem_with(entry.agent))}
    cancel_entries(refused.items())
    return {entry.id: entry for entry in rows if entry not in refused}


def problem_with(agent: Agent) -> str:
    """Why the agent can no longer be seated; empty if it can.

    It entered with another version perhaps, and a seat that cannot play would spoil the match.
    Needs the current version's adapter loaded.
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


def waiting(space: Space, entries: Iterable[Entry]) -> list[Waiting]:
    """The entries as matchmaking sees them."""
    entries, now = list(entries), timezone.now()
    ids = {entry.agent_id for entry in entries}
    skills, met = _skills(space, ids), _met(space, ids)
    return [
        Waiting(
            entry_id=str(entry.id),
            user_id=entry.user_id,
            agent_id=entry.agent_id,
            skill=skills.get(entry.agent_id, Skill()),
            fee_credits=entry.fee_credits,
            waited_seconds=(now - entry.created_at).total_seconds(),
            terms=entry.terms_in(space),
            met=frozenset(met[entry.agent_id]),
        )
        for entry in entries
    ]


def house_agents(space: Space) -> dict[int, Agent]:
    """By id, those that may fill a seat there."""
    rows = Agent.objects.filter(
        _plays_in(space), owner__is_house=True, base_model_id=space.base_model_id, retired_at=None
    )
    if not space.has_coded_seats:
        rows = rows.exclude(engine=Engine.CODE)
    return {agent.id: agent for agent in rows.select_related("current_version")}


def house(space: Space, agents: Collection[Agent]) -> list[HouseAgent]:
    """House agents as matchmaking sees them."""
    skills = _skills(space, {agent.id for agent in agents})
    return [
        HouseAgent(
            agent.id,
            skills.get(agent.id, house_skill(code_share_of(agent))).mu,
            agent.engine == Engine.CODE,
        )
        for agent in agents
    ]


def _plays_in(space: Space, prefix: str = "") -> Q:
    """Agents that may be seated: in sequential mode, agents in training wait and keep their place."""
    return Q(**{f"{prefix}learning_since": None}) if space.waits_for_training else Q()


def _skills(space: Space, agent_ids: Collection[int]) -> dict[int, Skill]:
    rows = Rating.objects.filter(space=space, agent_id__in=agent_ids)
    return {key: Skill(mu, sigma) for key, mu, sigma in rows.values_list("agent_id", "mu", "sigma")}


def _met(space: Space, agent_ids: set[int]) -> dict[int, set[int]]:
    """By agent, the people's agents with which it sat in one of the Space's latest matches."""
    since = timezone.now() - MET_WITHIN
    seats = Seat.objects.filter(
        match__space=space, match__created_at__gt=since, entry__isnull=False
    ).order_by("-match_id")
    tables: dict[int, list[int]] = defaultdict(list)
    for match_id, agent_id in seats.values_list("match_id", "agent_id")[:MET_SEATS]:
        tables[match_id].append(agent_id)
    met: dict[int, set[int]] = defaultdict(set)
    for table in tables.values():
        for agent_id in agent_ids.intersection(table):
            met[agent_id].update(other for other in table if other != agent_id)
    return met
