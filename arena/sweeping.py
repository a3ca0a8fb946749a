"""Finds waiting work: autopilots, queues, matches and rounds whose worker died, tournaments."""

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from random import SystemRandom
from typing import Any, TypeVar

import structlog
from django.core.cache import cache
from django.db.models import Count, F, Q, QuerySet
from django.utils import timezone

from arena import leases
from arena.matches import claiming, play, seating
from arena.matches.match import IllegalMove
from arena.matches.practice import practising
from arena.models import (
    Appeal,
    Bounty,
    BountyStatus,
    EntryStatus,
    Match,
    Round,
    Space,
    SpaceStatus,
    Tournament,
)
from arena.spaces import autopilot, seasons
from arena.spaces.tallies import difficulties_of
from arena.states import (
    ENDED_ROUND_STATUSES,
    AppealStatus,
    MatchStatus,
    RoundStatus,
    TournamentStatus,
)
from arena.tournaments import running, scheduling
from arena.webhooks import sending

SWEEP_LIMIT = 100  # rows of each kind in one sweep
FLIGHT_LIMIT = 40  # autopilots of one sweep: each takes a transaction of its own

log = structlog.get_logger(__name__)
T = TypeVar("T")


def nudge_after() -> timedelta:
    """A nudged task that no worker has taken after this long is nudged again."""
    return leases.takeover(0.5)


def seat_queues() -> int:
    """Make every match that the queues allow now; returns how many."""
    spaces = Space.objects.filter(
        status=SpaceStatus.OPEN, entries__status=EntryStatus.QUEUED
    ).distinct()
    environments = dict(spaces.values_list("id", "environment"))
    rng = SystemRandom()

    def seat_space(space_id: int) -> int:
        # A package's process starts now, and not while seating holds locks.
        difficulties_of(environments[space_id])
        return len(seating.seat_matches(space_id, rng=rng))

    return sum(_one_by_one(seat_space, environments))


def fly_autopilots() -> int:
    """Let each autopilot that is due enter, wait or stop; returns how many entered."""

    def fly(autopilot_id: int) -> bool:
        try:
            return autopilot.fly(autopilot_id)
        except Exception:
            autopilot.postpone(autopilot_id)  # else it would come first in each sweep
            raise

    return sum(_one_by_one(fly, autopilot.due_autopilots(limit=FLIGHT_LIMIT)))


def close_seasons() -> int:
    """Pay the prizes of the months that are over; returns how many seasons were closed."""
    return len(list(_one_by_one(seasons.close_season, seasons.seasons_to_close())))


def matches_to_play() -> list[int]:
    """Ids of matches with something left to play and no live worker."""
    before = timezone.now() - play.RETRY_AFTER
    waiting = claiming.waiting_matches().filter(leases.written_before(before, field="created_at"))
    return _not_nudged_lately("match", waiting)


def rounds_to_judge() -> list[int]:
    """Ids of rounds that wait for a verdict while no judge works on them."""
    now = timezone.now()
    waiting = Round.objects.filter(
        leases.expired(field="judge_lease_expires_at"),
        leases.written_before(now - nudge_after(), field="created_at"),
        status=RoundStatus.JUDGING,
        match__status=MatchStatus.RUNNING,
    )
    return _not_nudged_lately("judge", waiting)


def appeals_to_hear() -> list[int]:
    """Ids of appeals that wait while no worker hears them."""
    waiting = Appeal.objects.filter(
        leases.expired(),
        leases.written_before(timezone.now() - nudge_after(), field="created_at"),
        status=AppealStatus.WAITING,
    )
    return _not_nudged_lately("appeal", waiting)


def bounties_to_try() -> list[int]:
    """Ids of submitted attacks that wait while no worker tries them."""
    waiting = Bounty.objects.filter(
        leases.expired(),
        leases.written_before(timezone.now() - nudge_after(), field="created_at"),
        status=BountyStatus.WAITING,
    )
    return _not_nudged_lately("bounty", waiting)


def webhooks_wait() -> bool:
    """Whether something is to be sent and no worker was told of it lately."""
    step = int(time.time() // nudge_after().total_seconds())
    seconds = nudge_after().total_seconds()
    return sending.due_hooks().exists() and cache.add(f"webhook-nudge:{step}", 1, timeout=seconds)


def settle_finished() -> int:
    """Settle matches whose worker died after recording the last verdict; returns how many."""
    done = Q(rounds__status__in=ENDED_ROUND_STATUSES)
    waiting = (
        Match.objects.filter(status=MatchStatus.RUNNING)
        .annotate(done_rounds=Count("rounds", filter=done))
        .filter(done_rounds=F("round_count"))
    )
    ids = waiting.order_by("id").values_list("id", flat=True)[:SWEEP_LIMIT]
    return len(list(_one_by_one(play.settle_match, ids)))


def void_stale_practice() -> int:
    """End the practice matches that no worker had time for; returns how many."""

    def void(match_id: int) -> None:
        play.cancel_match(match_id, reason=practising.NOT_PLAYED)

    ids = practising.stale_practice().order_by("id").values_list("id", flat=True)[:SWEEP_LIMIT]
    return len(list(_one_by_one(void, ids)))


def run_tournaments() -> None:
    """Announce those of schedules, start those whose time has come, play the others on."""
    now = timezone.now()
    list(_one_by_one(scheduling.announce_next, scheduling.schedules_without_next(now)))
    tournaments = Tournament.objects.order_by("starts_at", "id")
    due = tournaments.filter(status=TournamentStatus.ANNOUNCED, starts_at__lte=now)
    list(_one_by_one(running.start_tournament, due.values_list("id", flat=True)[:SWEEP_LIMIT]))
    live = tournaments.filter(status=TournamentStatus.RUNNING)
    list(_one_by_one(running.advance_tournament, live.values_list("id", flat=True)[:SWEEP_LIMIT]))


def _not_nudged_lately(kind: str, waiting: QuerySet[Any]) -> list[int]:
    ids = waiting.order_by("id").values_list("id", flat=True)[:SWEEP_LIMIT]
    # Not offered too often: busy workers must not find their queue full of the same row.
    seconds = nudge_after().total_seconds()
    # The step of time in the key: a clock that is set back must not keep a key for as long.
    step = int(time.time() // seconds)
    return [each for each in ids if cache.add(f"{kind}-nudge:{each}:{step}", 1, timeout=seconds)]


def _one_by_one(call: Callable[[int], T], ids: Iterable[int]) -> Iterator[T]:
    """Results of the calls that succeed; a row that fails does not hold up the others."""
    for each in ids:
        try:
            yield call(each)
        except IllegalMove as error:
            # Its own worker was faster, or an administrator gave the Space settings that do not fit.
            log.warning("sweep_refused", call=call.__name__, id=each, reason=str(error))
        except Exception:
            log.exception("sweep_failed", call=call.__name__, id=each)
