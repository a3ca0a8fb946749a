"""Finds what waits: queues to seat, matches and rounds whose worker died, matches to settle."""

from datetime import timedelta
from random import SystemRandom

from django.db.models import Count, F, Q
from django.utils import timezone

from arena import play, seating
from arena.match import IllegalMove, MatchStatus, RoundStatus
from arena.models import EntryStatus, Match, Round, Space, SpaceStatus

SWEEP_LIMIT = 100  # rows of each sort in one sweep
# A nudged task that no worker has taken by then is nudged again.
NUDGE_AFTER = timedelta(seconds=30)


def seat_queues() -> int:
    """Make all the matches that the queues allow now; how many."""
    spaces = Space.objects.filter(
        status=SpaceStatus.OPEN, entries__status=EntryStatus.QUEUED
    ).distinct()
    rng = SystemRandom()
    return sum(
        len(seating.seat_matches(space_id, rng=rng))
        for space_id in spaces.values_list("id", flat=True)
    )


def matches_to_play() -> list[int]:
    """Ids of matches with something left to play and no live worker."""
    now = timezone.now()
    waiting = (
        Match.objects.annotate(
            started_rounds=Count("rounds"),
            open_rounds=Count("rounds", filter=Q(rounds__status=RoundStatus.PLAYING)),
        )
        .filter(
            Q(lease_expires_at=None) | Q(lease_expires_at__lt=now),
            Q(status=MatchStatus.SEATED)
            | Q(status=MatchStatus.RUNNING, open_rounds__gt=0)
            | Q(status=MatchStatus.RUNNING, started_rounds__lt=F("round_count")),
            created_at__lt=now - play.RETRY_AFTER,
        )
        .order_by("id")
    )
    ids = list(waiting.values_list("id", flat=True)[:SWEEP_LIMIT])
    # Only claim_match decides who plays; this merely spaces out the nudges.
    Match.objects.filter(Q(lease_expires_at=None) | Q(lease_expires_at__lt=now), id__in=ids).update(
        lease_owner=None, lease_expires_at=now + NUDGE_AFTER
    )
    return ids


def rounds_to_judge() -> list[int]:
    """Ids of rounds that wait for a verdict with no judge at work."""
    now = timezone.now()
    waiting = Round.objects.filter(
        Q(judge_lease_expires_at=None) | Q(judge_lease_expires_at__lt=now),
        status=RoundStatus.JUDGING,
        match__status=MatchStatus.RUNNING,
        created_at__lt=now - NUDGE_AFTER,
    )
    return list(waiting.order_by("id").values_list("id", flat=True)[:SWEEP_LIMIT])


def settle_finished() -> int:
    """Settle matches whose last verdict was recorded by a worker that then died; how many."""
    done = Q(rounds__status__in=[RoundStatus.DECIDED, RoundStatus.VOID])
    waiting = (
        Match.objects.filter(status=MatchStatus.RUNNING)
        .annotate(done_rounds=Count("rounds", filter=done))
        .filter(done_rounds=F("round_count"))
    )
    settled = 0
    for match_id in waiting.order_by("id").values_list("id", flat=True)[:SWEEP_LIMIT]:
        try:
            play.settle_match(match_id)
            settled += 1
        except IllegalMove:
            continue  # its own worker was faster
    return settled
