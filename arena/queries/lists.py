"""Match cards, and who competes."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import (
    Count,
    OuterRef,
    Prefetch,
    QuerySet,
    Subquery,
)
from django.db.models.functions import Coalesce

from agents.models import Agent, Engine
from arena.models import Match, Round, Seat
from arena.states import ENDED_ROUND_STATUSES, LIVE_MATCH_STATUSES

MAX_ROWS = 100


@dataclass(frozen=True)
class Competitor:
    """An agent's public identity."""

    agent_id: int
    name: str
    owner: str
    is_house: bool
    is_coded: bool

    @classmethod
    def of(cls, agent: Agent) -> "Competitor":
        """Needs the owner loaded."""
        return cls(
            agent_id=agent.id,
            name=agent.name,
            owner=agent.owner.username,
            is_house=agent.owner.is_house,
            is_coded=agent.engine == Engine.CODE,
        )


@dataclass(frozen=True)
class SeatLine:
    """A seat on a match card."""

    index: int
    competitor: Competitor
    version_number: int
    rank: int | None
    score: float | None


@dataclass(frozen=True)
class MatchCard:
    """A match in a list."""

    match_id: int
    space_slug: str
    space_name: str
    status: str
    round_count: int
    rounds_decided: int
    seats: tuple[SeatLine, ...]
    created_at: datetime
    finished_at: datetime | None
    is_practice: bool  # free, against the house, and nothing follows from it

    @property
    def is_live(self) -> bool:
        return self.status in LIVE_MATCH_STATUSES

    @property
    def by_rank(self) -> tuple[SeatLine, ...]:
        return tuple(sorted(self.seats, key=lambda seat: (seat.rank or 99, seat.index)))


def live_matches(*, space_slug: str | None = None, limit: int = 12) -> tuple[MatchCard, ...]:
    """Seated and running matches, newest first."""
    rows = _in_space(Match.objects.filter(status__in=LIVE_MATCH_STATUSES), space_slug)
    return _cards(rows.order_by("-id")[: min(limit, MAX_ROWS)])


def recent_matches(
    *, space_slug: str | None = None, limit: int = 20, before_id: int | None = None
) -> tuple[MatchCard, ...]:
    """Settled and cancelled matches, newest first; `before_id` pages on."""
    rows = _in_space(Match.objects.exclude(status__in=LIVE_MATCH_STATUSES), space_slug)
    if before_id is not None:
        rows = rows.filter(id__lt=before_id)
    return _cards(rows.order_by("-id")[: min(limit, MAX_ROWS)])


def newest_matches(
    *, space_slug: str | None = None, live: int, recent: int
) -> tuple[tuple[MatchCard, ...], tuple[MatchCard, ...]]:
    """At most so many matches under way, and others; read together, newest first."""
    under_way = _in_space(Match.objects.filter(status__in=LIVE_MATCH_STATUSES), space_slug)
    over = _in_space(Match.objects.exclude(status__in=LIVE_MATCH_STATUSES), space_slug)
    ids = [
        rows.order_by("-id").values("id")[: min(limit, MAX_ROWS)]
        for rows, limit in ((under_way, live), (over, recent))
    ]
    cards = _cards(Match.objects.filter(id__in=ids[0].union(ids[1], all=True)).order_by("-id"))
    return (
        tuple(card for card in cards if card.is_live),
        tuple(card for card in cards if not card.is_live),
    )


def matches_of_agent(agent_id: int, *, limit: int = 12) -> tuple[MatchCard, ...]:
    """The agent's matches, newest first."""
    played = Seat.objects.filter(agent_id=agent_id).order_by("-match_id")
    newest = list(played.values_list("match_id", flat=True)[: min(limit, MAX_ROWS)])
    return _cards(Match.objects.filter(id__in=newest).order_by("-id"))


def _in_space(rows: QuerySet[Match], space_slug: str | None) -> QuerySet[Match]:
    return rows if space_slug is None else rows.filter(space__slug=space_slug)


def _cards(rows: QuerySet[Match]) -> tuple[MatchCard, ...]:
    seats = Seat.objects.select_related("agent__owner", "version").order_by("index")
    # Not by a join, which would count the rounds of every match before it took the first ones.
    decided = (
        Round.objects.filter(match=OuterRef("pk"), status__in=ENDED_ROUND_STATUSES)
        .order_by()
        .values("match")
        .annotate(count=Count("id"))
        .values("count")
    )
    rows = (
        rows.select_related("space")
        .annotate(rounds_decided=Coalesce(Subquery(decided), 0))
        .prefetch_related(Prefetch("seats", queryset=seats))
    )
    return tuple(
        MatchCard(
            match_id=row.id,
            space_slug=row.space.slug,
            space_name=row.space.name,
            status=row.status,
            round_count=row.round_count,
            rounds_decided=row.rounds_decided,
            seats=_seat_lines(row.seats.all()),
            created_at=row.created_at,
            finished_at=row.finished_at,
            is_practice=row.is_practice,
        )
        for row in rows
    )


def _seat_lines(seats: Iterable[Seat]) -> tuple[SeatLine, ...]:
    return tuple(
        SeatLine(
            index=seat.index,
            competitor=Competitor.of(seat.agent),
            version_number=seat.version.number,
            rank=seat.rank,
            score=seat.score,
        )
        for seat in seats
    )
