"""The running season of a Space, and the hall of its past ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.db.models import Prefetch
from django.utils import timezone

from arena.models import Season, SeasonPlace
from arena.models.ratings import PROVISIONAL_MATCHES
from arena.queries.lists import Competitor
from arena.spaces.seasons import (
    PLACE_PERCENTS,
    POT_PERCENT,
    contenders,
    month_of,
    pot_of,
    shares,
)

SHOWN_PLACES = 25
SHOWN_SEASONS = 24


@dataclass(frozen=True)
class SeasonLine:
    """An agent in a season; `prize_credits` is what it won, or would if the season closed now."""

    competitor: Competitor
    match_count: int
    mu: float
    sigma: float
    prize_credits: int


@dataclass(frozen=True)
class SeasonView:
    """A month of a Space, its best agents first."""

    month: date
    pot_credits: int
    lines: tuple[SeasonLine, ...]


@dataclass(frozen=True)
class SpaceSeasons:
    """The month that is being played, and past ones, newest first."""

    running: SeasonView
    past: tuple[SeasonView, ...]
    pot_percent: int
    place_percents: tuple[int, ...]
    needed_matches: int


def seasons_of(space_id: int) -> SpaceSeasons:
    """The seasons of a Space; the running one is empty before its first match."""
    month = month_of(timezone.now())
    rows = Season.objects.filter(space_id=space_id)
    return SpaceSeasons(
        running=_running(rows.filter(month=month).first(), month),
        past=tuple(_past(row) for row in _closed(space_id)),
        pot_percent=POT_PERCENT,
        place_percents=PLACE_PERCENTS,
        needed_matches=PROVISIONAL_MATCHES,
    )


def _running(row: Season | None, month: date) -> SeasonView:
    if row is None:
        return SeasonView(month, 0, ())
    best = contenders(row.pk, limit=SHOWN_PLACES)
    pot = pot_of(row.rake_credits)
    paid = shares(min(len(best), len(PLACE_PERCENTS)), pot_credits=pot)
    return SeasonView(month, pot, _lines(best, paid + [0] * len(best)))


def _closed(space_id: int) -> Sequence[Season]:
    winners = SeasonPlace.objects.exclude(place=None).select_related("agent__owner")
    rows = Season.objects.filter(space_id=space_id, closed_at__isnull=False)
    named = Prefetch("places", winners.order_by("place"), to_attr="winners")
    return list(rows.prefetch_related(named).order_by("-month")[:SHOWN_SEASONS])


def _past(row: Season) -> SeasonView:
    winners: list[SeasonPlace] = row.winners  # type: ignore[attr-defined]
    return SeasonView(
        row.month, row.pot_credits, _lines(winners, [each.prize_credits for each in winners])
    )


def _lines(rows: Sequence[SeasonPlace], paid: Sequence[int]) -> tuple[SeasonLine, ...]:
    return tuple(
        SeasonLine(
            competitor=Competitor.of(row.agent),
            match_count=row.match_count,
            mu=row.mu,
            sigma=row.sigma,
            prize_credits=prize,
        )
        for row, prize in zip(rows, paid, strict=False)
    )
