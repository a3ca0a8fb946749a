"""Seasons of Spaces: months whose best agents share a part of what the arena took there.

For the system, without a user. A match counts in the month in which it is settled; the season's row
is locked then and when the season closes, so that none falls between two. Lock order: match,
ratings, season, accounts. Why: docs/decisions/prizes.md
"""

import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from arena.credits import ledger
from arena.credits.prizes import prizes
from arena.models import RatingChange, Season, SeasonPlace, TransferCode
from arena.models.ratings import PROVISIONAL_MATCHES
from arena.models.seasons import BEST_OF_SEASON

POT_PERCENT = 50  # of the month's rake
PLACE_PERCENTS = (50, 30, 20)

_NAMESPACE = uuid.UUID("0c0b8a8e-3c1e-4f5e-9d0e-2f9a5f0f5a11")


def month_of(moment: datetime) -> date:
    """The month's first day, in UTC."""
    return moment.astimezone(UTC).date().replace(day=1)


def pot_of(rake_credits: int) -> int:
    """What a season pays of what the arena took."""
    return rake_credits * POT_PERCENT // 100


def note_settled(match_id: int, *, space_id: int, rake_credits: int) -> None:
    """Count a match in the running season. Inside the settlement, after its ratings were written."""
    changes = list(
        RatingChange.objects.filter(
            seat__match_id=match_id, seat__agent__owner__is_house=False
        ).select_related("seat")
    )
    season = _running(space_id)
    season.rake_credits += rake_credits
    season.save(update_fields=["rake_credits"])
    for change in changes:
        latest = {"mu": change.mu_after, "sigma": change.sigma_after}
        SeasonPlace.objects.update_or_create(
            season=season,
            agent_id=change.seat.agent_id,
            defaults=latest | {"match_count": F("match_count") + 1},
            create_defaults=latest | {"match_count": 1},
        )


def contenders(season_id: int, *, limit: int) -> list[SeasonPlace]:
    """Who would be paid if the season closed now, best first.

    The best agent of each owner that has played enough, by the lower end of its rating's interval.
    """
    rows = (
        SeasonPlace.objects.filter(
            season_id=season_id,
            match_count__gte=PROVISIONAL_MATCHES,
            agent__owner__leaving_since=None,
        )
        .select_related("agent__owner")
        .order_by(*BEST_OF_SEASON)
    )
    best: dict[int, SeasonPlace] = {}
    for row in rows.iterator():
        best.setdefault(row.agent.owner_id, row)
        if len(best) == limit:
            break
    return list(best.values())


def shares(count: int, *, pot_credits: int) -> list[int]:
    """What each of so many contenders gets, best first."""
    if not count or not pot_credits:
        return [0] * count
    paid = prizes(
        [[place] for place in range(count)], pot_credits=pot_credits, percents=PLACE_PERCENTS
    )
    return [paid[place] for place in range(count)]


def seasons_to_close() -> list[int]:
    """Ids of the seasons whose month is over and whose prizes are not paid."""
    this_month = month_of(timezone.now())
    over = Season.objects.filter(closed_at=None, month__lt=this_month)
    return list(over.order_by("month", "id").values_list("id", flat=True))


def close_season(season_id: int) -> None:
    """Pay the season's prizes out of the arena's income and close it. May run twice."""
    with transaction.atomic(durable=True):
        season = Season.objects.select_for_update(no_key=True).get(id=season_id)
        if season.closed_at is not None:
            return
        winners = contenders(season_id, limit=len(PLACE_PERCENTS))
        season.pot_credits = _pay(season, winners)
        season.closed_at = timezone.now()
        season.save(update_fields=["pot_credits", "closed_at"])


def _pay(season: Season, winners: Sequence[SeasonPlace]) -> int:
    """The credits that were paid; none without winners: they stay with the arena."""
    income = ledger.fees_account()
    accounts = [ledger.account_of(row.agent.owner_id) for row in winners]
    locked = ledger.lock_accounts([income.id, *(account.id for account in accounts)])
    available = ledger.balance(locked[income.id]).available
    paid = shares(len(winners), pot_credits=min(pot_of(season.rake_credits), max(available, 0)))
    for number, (row, account, credits) in enumerate(
        zip(winners, accounts, paid, strict=True), start=1
    ):
        row.place, row.prize_credits = number, credits
        row.save(update_fields=["place", "prize_credits"])
        if credits:
            ledger.transfer(
                uuid.uuid5(_NAMESPACE, f"season:{season.pk}:{number}"),
                debit=income,
                credit=account,
                amount=credits,
                code=TransferCode.SEASON,
                reference=f"season:{season.pk}",
            )
    return sum(paid)


def _running(space_id: int) -> Season:
    """The open season of this month, locked; of the next if another clock has closed this one."""
    month = month_of(timezone.now())
    while True:
        Season.objects.get_or_create(space_id=space_id, month=month)
        season = Season.objects.select_for_update(no_key=True).get(space_id=space_id, month=month)
        if season.closed_at is None:
            return season
        month = (month + timedelta(days=31)).replace(day=1)
