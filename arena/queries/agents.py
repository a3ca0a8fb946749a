"""Reads about agents: cards, records, versions and rating curves."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from agents.models import Agent, AgentVersion, BaseModel, Engine
from arena import access
from arena.models import LIVE_ENTRY_STATUSES, Entry, OverallRating, Rating, RatingChange, Seat
from arena.models.ratings import PROVISIONAL_MATCHES
from arena.spaces.ratings import Skill
from arena.spaces.trust import is_fixed, widened

MAX_VERSIONS = 100
MAX_CURVE_POINTS = 200
MAX_CARD_POINTS = 60  # of the small curve on a card


@dataclass(frozen=True)
class RatingPoint:
    """A rating after a match."""

    match_id: int
    at: datetime
    mu: float
    sigma: float


@dataclass(frozen=True)
class SpaceRecord:
    """An agent's standing in one Space."""

    space_id: int
    space_slug: str
    space_name: str
    mu: float
    sigma: float
    match_count: int
    win_count: int
    is_fixed: bool  # a reference's: it no longer moves
    next_sigma: float | None  # with which a new version begins; None: its version has played here

    @property
    def is_provisional(self) -> bool:
        return self.match_count < PROVISIONAL_MATCHES


@dataclass(frozen=True)
class AgentCard:
    """One of the owner's agents in the list of agents."""

    agent_id: int
    name: str
    base_model_id: int
    base_model: str
    version_number: int
    has_adapter: bool
    is_training_enabled: bool
    records: tuple[SpaceRecord, ...]
    curve: tuple[RatingPoint, ...]  # of the Space played most
    live_match_id: int | None
    queued_space: str

    @property
    def is_busy(self) -> bool:
        """Waiting for a match or in one."""
        return bool(self.live_match_id or self.queued_space)

    @property
    def best(self) -> SpaceRecord | None:
        """The Space in which it has played most."""
        return max(self.records, key=lambda record: record.match_count, default=None)


@dataclass(frozen=True)
class AgentView:
    """Who an agent is, and whether it is the viewer's own."""

    agent_id: int
    name: str
    owner: str
    is_own: bool
    is_house: bool
    is_coded: bool
    base_model_id: int
    base_model: str
    version_number: int
    is_retired: bool
    is_training_enabled: bool | None  # None: the owner's business


@dataclass(frozen=True)
class OverallRecord:
    """An agent's rating over all Spaces."""

    mu: float
    sigma: float
    match_count: int


@dataclass(frozen=True)
class AgentRecord:
    """What an agent has done in all Spaces."""

    overall: OverallRecord | None  # None: not rated yet
    spaces: tuple[SpaceRecord, ...]
    match_count: int
    win_count: int
    prize_credits: int


@dataclass(frozen=True)
class VersionLine:
    """One version in an agent's history."""

    version_id: int
    number: int
    origin: str
    parent_number: int | None
    is_current: bool
    prompt: str | None  # None: only the owner sees prompts
    sampling: dict[str, Any]
    adapter_digest: str
    adapter_rank: int | None
    collected_at: datetime | None  # since when its weights are gone
    match_count: int
    run_id: int | None
    run_status: str
    created_at: datetime


@dataclass(frozen=True)
class LiveEntry:
    """Where an agent is right now: waiting for a match or in one."""

    entry_id: uuid.UUID
    space_slug: str
    space_name: str
    status: str
    match_id: int | None


def agent_cards(viewer: int, *, with_records: bool = True) -> tuple[AgentCard, ...]:
    """The viewer's own agents that are not retired, newest first; perhaps without their records."""
    agents = list(
        Agent.objects.filter(owner_id=viewer, retired_at=None)
        .select_related("base_model", "current_version")
        .order_by("-id")
    )
    ids = [agent.id for agent in agents]
    records = _records(ids) if with_records else {}
    entries = {
        entry.agent_id: entry
        for entry in Entry.objects.select_related("space").filter(
            agent_id__in=ids, status__in=LIVE_ENTRY_STATUSES
        )
    }
    curves = _curves(records)
    cards = []
    for agent in agents:
        version, entry = agent.current_version, entries.get(agent.id)
        assert version is not None, "an agent has a version from its creation on"
        cards.append(
            AgentCard(
                agent_id=agent.id,
                name=agent.name,
                base_model_id=agent.base_model_id,
                base_model=agent.base_model.name,
                version_number=version.number,
                has_adapter=version.adapter_id is not None,
                is_training_enabled=agent.is_training_enabled,
                records=records.get(agent.id, ()),
                curve=curves.get(agent.id, ()),
                live_match_id=entry.match_id if entry else None,
                queued_space=entry.space.name if entry and entry.match_id is None else "",
            )
        )
    return tuple(cards)


def agent_view(agent_id: int, *, viewer: int | None) -> AgentView:
    """One agent, which anybody may look at. Raises NotAvailable."""
    row = access.agent_for_viewer(agent_id)
    assert row.current_version is not None, "an agent has a version from its creation on"
    is_own = row.owner_id == viewer
    return AgentView(
        agent_id=row.id,
        name=row.name,
        owner=row.owner.username,
        is_own=is_own,
        is_house=row.owner.is_house,
        is_coded=row.engine == Engine.CODE,
        base_model_id=row.base_model_id,
        base_model=row.base_model.name,
        version_number=row.current_version.number,
        is_retired=row.retired_at is not None,
        is_training_enabled=row.is_training_enabled if is_own else None,
    )


def agent_record(agent_id: int) -> AgentRecord:
    """Matches, wins and prizes of one agent."""
    spaces = _records([agent_id]).get(agent_id, ())
    won = Seat.objects.filter(agent_id=agent_id, prize_credits__gt=0)
    prizes = won.aggregate(total=Sum("prize_credits"))
    row = OverallRating.objects.filter(agent_id=agent_id, match_count__gt=0).first()
    return AgentRecord(
        overall=OverallRecord(row.mu, row.sigma, row.match_count) if row else None,
        spaces=spaces,
        match_count=sum(space.match_count for space in spaces),
        win_count=sum(space.win_count for space in spaces),
        prize_credits=prizes["total"] or 0,
    )


def versions_of(
    agent_id: int, *, viewer: int | None, before: int | None = None, limit: int = MAX_VERSIONS
) -> tuple[VersionLine, ...]:
    """The agent's versions, newest first, those before a number; prompts only for its owner."""
    found = AgentVersion.objects.filter(agent_id=agent_id)
    if before is not None:
        found = found.filter(number__lt=before)
    rows = (
        found.select_related("agent", "adapter", "parent", "made_by_run")
        .defer("made_by_run__curve", "made_by_run__manifest", "made_by_run__gate")
        .annotate(match_count=Coalesce(Subquery(_settled_with(OuterRef("pk"))), 0))
        .order_by("-number")[: min(limit, MAX_VERSIONS)]
    )
    lines = []
    for row in rows:
        run = getattr(row, "made_by_run", None)
        lines.append(
            VersionLine(
                version_id=row.id,
                number=row.number,
                origin=row.origin,
                parent_number=row.parent.number if row.parent else None,
                is_current=row.id == row.agent.current_version_id,
                prompt=row.prompt if row.agent.owner_id == viewer else None,
                sampling=row.sampling,
                adapter_digest=row.adapter.digest if row.adapter else "",
                adapter_rank=row.adapter.rank if row.adapter else None,
                collected_at=row.adapter.collected_at if row.adapter else None,
                match_count=row.match_count,
                run_id=run.id if run else None,
                run_status=run.status if run else "",
                created_at=row.created_at,
            )
        )
    return tuple(lines)


def rating_histories(
    agent_id: int, *, space_ids: Iterable[int]
) -> dict[int, tuple[RatingPoint, ...]]:
    """By Space, the ratings of the agent's last matches there, oldest first."""
    played = [(agent_id, space_id) for space_id in space_ids]
    return {space_id: curve for (_, space_id), curve in _newest(played, MAX_CURVE_POINTS).items()}


def live_entry_of(agent_id: int, *, viewer: int | None) -> LiveEntry | None:
    """The viewer's entry with this agent that is queued or seated, if there is one."""
    entry = (
        Entry.objects.select_related("space")
        .filter(agent_id=agent_id, status__in=LIVE_ENTRY_STATUSES)
        .first()
    )
    if entry is None or entry.user_id != viewer:
        return None
    return LiveEntry(
        entry_id=entry.id,
        space_slug=entry.space.slug,
        space_name=entry.space.name,
        status=entry.status,
        match_id=entry.match_id,
    )


def base_models() -> tuple[tuple[int, str], ...]:
    """(id, name) of every available base model."""
    return tuple(BaseModel.objects.filter(is_active=True).values_list("id", "name"))


def _records(agent_ids: list[int]) -> dict[int, tuple[SpaceRecord, ...]]:
    records: dict[int, tuple[SpaceRecord, ...]] = {}
    rows = Rating.objects.select_related("space", "agent").filter(agent_id__in=agent_ids)
    for row in rows.order_by("space__name"):
        record = SpaceRecord(
            space_id=row.space_id,
            space_slug=row.space.slug,
            space_name=row.space.name,
            mu=row.mu,
            sigma=row.sigma,
            match_count=row.match_count,
            win_count=row.win_count,
            is_fixed=is_fixed(is_reference=row.agent.is_reference, match_count=row.match_count),
            next_sigma=widened(Skill(row.mu, row.sigma)).sigma
            if row.version_id not in {None, row.agent.current_version_id}
            else None,
        )
        records[row.agent_id] = (*records.get(row.agent_id, ()), record)
    return records


def _settled_with(version: OuterRef) -> QuerySet[Seat, int]:
    """How many settled matches the version has played: settling gives each seat its score."""
    seats = Seat.objects.filter(version=version, score__isnull=False, is_practice=False).order_by()
    return seats.values("version").annotate(count=Count("id")).values_list("count", flat=True)


def _curves(records: dict[int, tuple[SpaceRecord, ...]]) -> dict[int, tuple[RatingPoint, ...]]:
    """The curve of each agent in the Space that it has played most."""
    most = [
        (agent_id, max(spaces, key=lambda record: record.match_count).space_id)
        for agent_id, spaces in records.items()
    ]
    return {agent_id: curve for (agent_id, _), curve in _newest(most, MAX_CARD_POINTS).items()}


def _newest(
    played: Iterable[tuple[int, int]], limit: int
) -> dict[tuple[int, int], tuple[RatingPoint, ...]]:
    """For each (agent, Space), the ratings of its last matches, in the order in which they ended.

    Each by a query of its own, all asked together: only with the agent's id before it does
    PostgreSQL know that one has played ten thousand matches, and read just the newest by an index.
    """
    queries = [
        RatingChange.objects.filter(seat__agent_id=agent_id, seat__match__space_id=space_id)
        .order_by("-seat__match_id")
        .values_list(
            "seat__agent_id",
            "seat__match__space_id",
            "id",
            "seat__match_id",
            "created_at",
            "mu_after",
            "sigma_after",
        )[:limit]
        for agent_id, space_id in played
    ]
    if not queries:
        return {}
    curves: dict[tuple[int, int], tuple[RatingPoint, ...]] = {}
    for agent_id, space_id, _, match_id, at, mu, sigma in sorted(
        queries[0].union(*queries[1:], all=True)
    ):
        key = (agent_id, space_id)
        curves[key] = (*curves.get(key, ()), RatingPoint(match_id, at, mu, sigma))
    return curves
