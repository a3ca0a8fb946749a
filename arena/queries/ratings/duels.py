"""Two agents head to head: what they won, drew and lost against each other."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from math import sqrt
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery

from agents.errors import NotAvailable
from arena import access
from arena.models import OverallRating, Seat, Space
from arena.queries.lists import Competitor
from arena.states import INTERVAL_SIGMAS

MAX_SCANNED = 5000  # of the newest matches of whichever of the two has played less


@dataclass(frozen=True)
class DuelRecord:
    """Matches in which both were ranked, as the first agent sees them."""

    won: int
    drawn: int
    lost: int
    space_slug: str = ""  # empty: in all Spaces
    space_name: str = ""

    @property
    def match_count(self) -> int:
        return self.won + self.drawn + self.lost

    @property
    def share(self) -> float:
        """Won, a draw as half, in [0, 1]; a half before the first match."""
        return (self.won + self.drawn / 2) / self.match_count if self.match_count else 0.5

    @property
    def interval(self) -> tuple[float, float]:
        """Where the share lies with 95% confidence (Wilson 1927)."""
        count, z2 = self.match_count, INTERVAL_SIGMAS**2
        if not count:
            return 0.0, 1.0
        centre = (self.share + z2 / (2 * count)) / (1 + z2 / count)
        half = sqrt(self.share * (1 - self.share) / count + z2 / (4 * count**2))
        half *= INTERVAL_SIGMAS / (1 + z2 / count)
        return max(0.0, centre - half), min(1.0, centre + half)


@dataclass(frozen=True)
class DuelMatch:
    """One match of both, with their places."""

    match_id: int
    space_name: str
    rank: int
    other_rank: int
    finished_at: datetime | None


@dataclass(frozen=True)
class Duel:
    """One page of two agents' matches against each other, newest first."""

    agent: Competitor
    other: Competitor
    total: DuelRecord
    by_space: tuple[DuelRecord, ...]
    matches: tuple[DuelMatch, ...]
    next_before: int | None
    is_complete: bool  # else only MAX_SCANNED matches were looked through


def duel(agent_id: int, other_id: int, *, limit: int = 20, before_id: int | None = None) -> Duel:
    """What anybody may see. Raises NotAvailable if there are no two such agents."""
    if agent_id == other_id:
        raise NotAvailable("An agent never meets itself.")
    pair = [access.agent_for_viewer(each) for each in (agent_id, other_id)]
    met, is_complete = _met(agent_id, other_id)
    counts: Counter[tuple[int, int]] = Counter()
    for space_id, rank, other_rank in met.values_list("match__space_id", "rank", "other_rank"):
        counts[space_id, (rank > other_rank) - (rank < other_rank)] += 1
    spaces = Space.objects.in_bulk({space_id for space_id, _ in counts})
    by_space = sorted(
        (_record(counts, space) for space in spaces.values()),
        key=lambda record: (-record.match_count, record.space_name),
    )
    rows = met if before_id is None else met.filter(match_id__lt=before_id)
    shown = list(rows.select_related("match__space").order_by("-match_id")[: limit + 1])
    return Duel(
        agent=Competitor.of(pair[0]),
        other=Competitor.of(pair[1]),
        total=DuelRecord(
            won=sum(record.won for record in by_space),
            drawn=sum(record.drawn for record in by_space),
            lost=sum(record.lost for record in by_space),
        ),
        by_space=tuple(by_space),
        matches=tuple(_match(row) for row in shown[:limit]),
        next_before=shown[limit - 1].match_id if len(shown) > limit else None,
        is_complete=is_complete,
    )


def _met(agent_id: int, other_id: int) -> tuple[QuerySet[Any], bool]:
    """The first agent's seats in matches in which both were ranked; whether these are all.

    The newest matches of one agent are read from an index, each with one look for the other.
    """
    counts = dict(
        OverallRating.objects.filter(agent_id__in=[agent_id, other_id]).values_list(
            "agent_id", "match_count"
        )
    )
    rarer = min((agent_id, other_id), key=lambda each: counts.get(each, 0))
    counted = Seat.objects.filter(agent_id=rarer, is_practice=False)
    newest = counted.order_by("-match_id").values("match_id")
    others = Seat.objects.filter(match=OuterRef("match"), agent_id=other_id)
    met = (
        Seat.objects.filter(agent_id=agent_id, rank__isnull=False, match__in=newest[:MAX_SCANNED])
        .annotate(other_rank=Subquery(others.values("rank")))
        .filter(other_rank__isnull=False)
        .order_by()
    )
    return met, counts.get(rarer, 0) <= MAX_SCANNED


def _record(counts: Counter[tuple[int, int]], space: Space) -> DuelRecord:
    return DuelRecord(
        won=counts[space.pk, -1],
        drawn=counts[space.pk, 0],
        lost=counts[space.pk, 1],
        space_slug=space.slug,
        space_name=space.name,
    )


def _match(row: Any) -> DuelMatch:
    return DuelMatch(
        match_id=row.match_id,
        space_name=row.match.space.name,
        rank=row.rank,
        other_rank=row.other_rank,
        finished_at=row.match.finished_at,
    )
