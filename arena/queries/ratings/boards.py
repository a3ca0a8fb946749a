"""Leaderboards: of a Space, over all Spaces, and of one owner's agents."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db.models import Count, OuterRef, QuerySet, Subquery

from agents.errors import NotAvailable
from agents.models import User
from arena.models import OverallRating, Rating
from arena.models.ratings import BEST_FIRST, PROVISIONAL_MATCHES
from arena.queries.lists import MAX_ROWS, Competitor
from arena.spaces.ratings import Skill, rank_bands
from arena.states import INTERVAL_SIGMAS


@dataclass(frozen=True)
class Standing:
    """One line of a leaderboard."""

    rank: int | None  # shared where intervals overlap; None: provisional
    competitor: Competitor
    space_slug: str  # empty: over all Spaces
    mu: float
    sigma: float
    match_count: int
    win_count: int
    owner_agents: int  # how many of the owner's agents have played there; 0: not counted
    is_retired: bool

    @property
    def is_provisional(self) -> bool:
        return self.match_count < PROVISIONAL_MATCHES

    @property
    def skill(self) -> Skill:
        return Skill(self.mu, self.sigma)

    @property
    def spread(self) -> float:
        """Half the width of the 95% interval."""
        return INTERVAL_SIGMAS * self.sigma


def leaderboard(space_id: int, *, limit: int = 20) -> tuple[Standing, ...]:
    """By rank, then by the lower end of the interval; provisional ones last.

    Retired agents are left out: `owner_results` has them.
    """
    rows = _ratings().filter(agent__retired_at=None, space_id=space_id)
    return _ranked([_standing(row) for row in rows[: min(limit, MAX_ROWS)]])


def overall_leaderboard(*, limit: int = 20) -> tuple[Standing, ...]:
    """As `leaderboard`, by the ratings over all Spaces."""
    rows = (
        OverallRating.objects.select_related("agent__owner")
        .filter(match_count__gt=0, agent__retired_at=None)
        .order_by(*BEST_FIRST)
    )
    return _ranked([_standing(row) for row in rows[: min(limit, MAX_ROWS)]])


def owner_results(space_id: int, username: str) -> tuple[Standing, ...]:
    """Every agent with which the owner has played in the Space, retired ones included; unranked.

    Raises NotAvailable if there is no such owner.
    """
    if "\x00" in username or not User.objects.filter(username=username).exists():
        raise NotAvailable("There is nobody by that name.")
    rows = _ratings().filter(space_id=space_id, agent__owner__username=username)
    return tuple(_standing(row) for row in rows[:MAX_ROWS])


def _ratings() -> QuerySet[Rating]:
    siblings = (
        Rating.objects.filter(
            space=OuterRef("space"), agent__owner=OuterRef("agent__owner"), match_count__gt=0
        )
        .order_by()
        .values("agent__owner")
        .annotate(count=Count("id"))
        .values("count")
    )
    return (
        Rating.objects.select_related("agent__owner", "space")
        .filter(match_count__gt=0)
        .annotate(owner_agents=Subquery(siblings))
        .order_by(*BEST_FIRST)
    )


def _standing(row: Rating | OverallRating) -> Standing:
    is_counted = isinstance(row, Rating) and not row.agent.owner.is_house
    return Standing(
        rank=None,
        competitor=Competitor.of(row.agent),
        space_slug=row.space.slug if isinstance(row, Rating) else "",
        mu=row.mu,
        sigma=row.sigma,
        match_count=row.match_count,
        win_count=row.win_count,
        owner_agents=getattr(row, "owner_agents", 1) if is_counted else 0,
        is_retired=row.agent.retired_at is not None,
    )


def _ranked(standings: Sequence[Standing]) -> tuple[Standing, ...]:
    """The first lines of a leaderboard, with their ranks."""
    established = [line for line in standings if not line.is_provisional]
    ranks = rank_bands([line.skill for line in established])
    ranked = [replace(line, rank=rank) for line, rank in zip(established, ranks, strict=True)]
    return (*sorted(ranked, key=lambda line: line.rank or 0), *standings[len(ranked) :])
