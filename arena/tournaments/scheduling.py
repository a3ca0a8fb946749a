"""Announces the next tournament of every schedule. For the system: the sweep calls it."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from arena.models import Tournament, TournamentSchedule
from arena.states import TournamentStatus
from arena.tournaments.clocks import next_daily, zone_of


def schedules_without_next(now: datetime) -> list[int]:
    """Ids of active schedules whose next tournament is not announced yet."""
    announced = Tournament.objects.filter(
        status=TournamentStatus.ANNOUNCED, starts_at__gt=now, schedule__isnull=False
    )
    rows = TournamentSchedule.objects.filter(is_active=True)
    return list(rows.exclude(id__in=announced.values("schedule_id")).values_list("id", flat=True))


def announce_next(schedule_id: int) -> Tournament:
    """Announce the schedule's next tournament, with its terms of now; never one in the past.

    May run twice: a day has one. Raises NoSuchTime if its time zone does not exist any more.
    """
    with transaction.atomic(durable=True):
        schedule = TournamentSchedule.objects.select_for_update(no_key=True).get(id=schedule_id)
        start = next_daily(
            schedule.starts_at_local, zone_of(schedule.time_zone), after=timezone.now()
        )
        announced, _ = Tournament.objects.get_or_create(
            schedule=schedule,
            day=start.day,
            defaults={
                "name": schedule.name,
                "space": schedule.space,
                "format": schedule.format,
                "starts_at": start.at,
                "note": start.note,
                "window_minutes": schedule.window_minutes,
                "fee_credits": schedule.fee_credits,
                "rake_percent": schedule.rake_percent,
                "prize_percents": schedule.prize_percents,
                "fewest_entrants": schedule.fewest_entrants,
                "most_entrants": schedule.most_entrants,
                "is_filled_by_house": schedule.is_filled_by_house,
            },
        )
        return announced
