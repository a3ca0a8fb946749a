"""How long an entry usually waits for its match. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

NEAR = 5.0  # points of rating
ENOUGH = 10  # entries; with fewer near a rating, those of all ratings tell more
USUALLY = 0.9  # of them waited no longer
_STEPS_SECONDS = (5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200, 1800, 3600)


@dataclass(frozen=True)
class PastWait:
    """How long an entry waited, and its agent's rating if it is known."""

    match_id: int
    waited_seconds: float
    mu: float | None


@dataclass(frozen=True)
class ExpectedWait:
    """Nine of ten entries were seated within so many seconds, rounded up."""

    seconds: int
    match_count: int  # that it is based on
    is_near: bool  # of ratings near the agent's; otherwise of all

    @property
    def words(self) -> str:
        """The time as people say it."""
        if self.seconds <= 90:
            return f"{self.seconds} seconds"
        if self.seconds < 3600:
            return f"{self.seconds // 60} minutes"
        hours = self.seconds // 3600
        return f"{hours} hour{'s' if hours > 1 else ''}"


def expected_wait(waits: Sequence[PastWait], *, mu: float | None = None) -> ExpectedWait | None:
    """What these waits let an agent with this rating expect; None if there are none."""
    near = [
        each
        for each in waits
        if mu is not None and each.mu is not None and abs(each.mu - mu) <= NEAR
    ]
    is_near = len(near) >= ENOUGH
    counted = near if is_near else waits
    if not counted:
        return None
    ranked = sorted(each.waited_seconds for each in counted)
    usual = ranked[ceil(USUALLY * len(ranked)) - 1]
    hours = 3600 * ceil(usual / 3600)
    seconds = next((step for step in _STEPS_SECONDS if usual <= step), hours)
    return ExpectedWait(seconds, len({each.match_id for each in counted}), is_near)
