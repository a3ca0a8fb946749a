"""How long a server asks to be left alone. Pure."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def retry_after(asked: str, *, now: datetime) -> float | None:
    """Seconds that Retry-After asks for, as a number or as a date; None if it asks for nothing."""
    asked = asked.strip()
    if asked.isascii() and asked.isdecimal():
        return float(asked)  # infinity, if there are hundreds of digits
    try:
        moment = parsedate_to_datetime(asked)
        return max(0.0, (moment.astimezone(UTC) - now).total_seconds())
    except (ValueError, OverflowError):
        return None
