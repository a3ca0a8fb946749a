"""When a local time is, where clocks are changed twice a year. Pure."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


class NoSuchTime(Exception):
    """The message is a sentence for whoever wrote the time."""


@dataclass(frozen=True)
class DailyStart:
    """When a daily tournament starts; `note` says why not at its usual time."""

    day: date
    at: datetime  # in UTC
    note: str = ""


def zone_of(name: str) -> ZoneInfo:
    """The time zone of that name. Raises NoSuchTime."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise NoSuchTime(
            f"There is no time zone {name!r}; write one like Europe/Berlin or UTC."
        ) from None


def instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The moment in UTC. Of an hour that comes twice it is the first.

    Raises NoSuchTime for a time that the clocks skip on that day.
    """
    moment, is_skipped = _moment(day, at, zone)
    if is_skipped:
        raise NoSuchTime(
            f"On {day.isoformat()} the clocks of {zone.key} go forward and skip {at:%H:%M}. "
            "Choose an earlier or a later time."
        )
    return moment


def next_daily(at: time, zone: ZoneInfo, *, after: datetime) -> DailyStart:
    """The next start after that moment. Where the clocks skip the time, it is as much later."""
    day = after.astimezone(zone).date()
    while True:
        moment, is_skipped = _moment(day, at, zone)
        if moment > after:
            note = ""
            if is_skipped:
                then = moment.astimezone(zone)
                note = f"The clocks go forward and skip {at:%H:%M}; it starts at {then:%H:%M}."
            return DailyStart(day, moment, note)
        day += timedelta(days=1)


def _moment(day: date, at: time, zone: ZoneInfo) -> tuple[datetime, bool]:
    local = datetime.combine(day, at, tzinfo=zone)  # fold 0: the first of two
    moment = local.astimezone(UTC)
    return moment, moment.astimezone(zone).replace(tzinfo=None) != local.replace(tzinfo=None)
