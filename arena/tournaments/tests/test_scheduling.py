"""Daily tournaments and the clocks that are changed twice a year."""

from datetime import UTC, date, datetime, time
from typing import Any

import pytest

from arena import sweeping
from arena.models import Tournament, TournamentSchedule
from arena.states import TournamentStatus
from arena.tests.builders import make_space
from arena.tournaments.clocks import NoSuchTime, instant, next_daily, zone_of
from arena.tournaments.scheduling import announce_next, schedules_without_next

BERLIN = zone_of("Europe/Berlin")


def make_schedule(**changes: Any) -> TournamentSchedule:
    values = {
        "slug": "daily",
        "name": "Daily cup",
        "space": make_space(),
        "format": "arena",
        "window_minutes": 30,
        "prize_percents": [100],
        "starts_at_local": time(18),
        "time_zone": "Europe/Berlin",
    }
    return TournamentSchedule.objects.create(**(values | changes))


def test_a_time_that_the_clocks_skip_is_refused_with_a_sentence() -> None:
    with pytest.raises(NoSuchTime, match=r"2026-03-29 the clocks of Europe/Berlin .* skip 02:30"):
        instant(date(2026, 3, 29), time(2, 30), BERLIN)
    assert instant(date(2026, 3, 29), time(3, 0), BERLIN) == datetime(2026, 3, 29, 1, tzinfo=UTC)


def test_of_an_hour_that_comes_twice_the_first_counts_once() -> None:
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert instant(date(2026, 10, 25), time(2, 30), BERLIN) == first
    # An hour later it is half past two again, and the next one is tomorrow's.
    following = next_daily(time(2, 30), BERLIN, after=first)
    assert (following.day, following.at) == (
        date(2026, 10, 26),
        datetime(2026, 10, 26, 1, 30, tzinfo=UTC),
    )


def test_a_daily_tournament_in_a_skipped_hour_starts_as_much_later_and_says_so() -> None:
    start = next_daily(time(2, 30), BERLIN, after=datetime(2026, 3, 28, 12, tzinfo=UTC))
    assert start.at == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert start.note == "The clocks go forward and skip 02:30; it starts at 03:30."


def test_a_daily_time_stays_the_same_on_the_wall_when_the_clocks_change() -> None:
    before = next_daily(time(18), BERLIN, after=datetime(2026, 3, 28, 0, tzinfo=UTC))
    after = next_daily(time(18), BERLIN, after=before.at)
    assert (before.at.hour, after.at.hour) == (17, 16)


def test_an_unknown_time_zone_is_refused_with_a_sentence() -> None:
    for name in ("Europe/Atlantis", "../etc", ""):
        with pytest.raises(NoSuchTime, match="There is no time zone"):
            zone_of(name)


@pytest.mark.django_db(transaction=True)
def test_a_schedule_announces_one_tournament_a_day_and_never_one_in_the_past() -> None:
    schedule = make_schedule()
    announced = announce_next(schedule.pk)
    assert announced.starts_at > announced.created_at
    assert announce_next(schedule.pk) == announced
    sweeping.run_tournaments()
    assert Tournament.objects.count() == 1
    assert announced.starts_at.astimezone(BERLIN).time() == time(18)


@pytest.mark.django_db(transaction=True)
def test_a_schedule_that_is_switched_off_announces_nothing() -> None:
    make_schedule(is_active=False)
    sweeping.run_tournaments()
    assert not Tournament.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_next_one_is_announced_when_the_last_has_begun() -> None:
    schedule = make_schedule()
    announced = announce_next(schedule.pk)
    assert schedules_without_next(announced.created_at) == []
    assert schedules_without_next(announced.starts_at) == [schedule.pk]
    Tournament.objects.update(status=TournamentStatus.CANCELLED)
    assert announce_next(schedule.pk) == announced  # what the staff called off stays so
