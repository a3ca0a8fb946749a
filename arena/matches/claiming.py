"""Which waiting match a worker plays next. The rows are the queue.

Owners take turns: whoever has the fewest matches under way comes first, then whoever has waited
longest since one was started. A match comes when the turn of any of its entrants has come:
a newcomer does not wait because the others at the table are busy elsewhere. Why:
docs/decisions/match-turns.md

For the system: workers claim, without a user.
"""

import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import Count, F, Max, Q, QuerySet
from django.utils import timezone

from arena import leases
from arena.matches import play
from arena.models import Entry, EntryStatus, Match
from arena.states import LIVE_MATCH_STATUSES, MatchStatus, RoundStatus

# Whoever has started no match for this long has waited long enough to come first.
TURN_WINDOW = timedelta(hours=1)
MAX_PASSED_OVER = 100  # matches that one claim may find given up, ended or locked

_CLAIM_LOCK = 0x4D415443  # any number that no other advisory lock of this database uses


def waiting_matches() -> QuerySet[Match]:
    """Matches with something left to play that no worker holds."""
    return (
        # Filtered first, by an index: otherwise this counts the rounds of every match ever played.
        Match.objects.filter(status__in=LIVE_MATCH_STATUSES)
        .annotate(
            started_rounds=Count("rounds"),
            open_rounds=Count("rounds", filter=Q(rounds__status=RoundStatus.PLAYING)),
        )
        .filter(
            leases.expired(),
            Q(status=MatchStatus.SEATED)
            | Q(status=MatchStatus.RUNNING, open_rounds__gt=0)
            | Q(status=MatchStatus.RUNNING, started_rounds__lt=F("round_count")),
        )
    )


def claim_next(*, owner: uuid.UUID) -> int | None:
    """Take the lease of the match whose turn it is; None if no match is waiting."""
    passed_over: list[int] = []
    while len(passed_over) < MAX_PASSED_OVER:
        with transaction.atomic(durable=True):
            # So that the next claim sees what was taken.
            leases.one_at_a_time(_CLAIM_LOCK)
            match_id = _fairest(passed_over)
            if match_id is None or play.claim_match(match_id, owner=owner):
                return match_id
        passed_over.append(match_id)
    return None


def unharvested_matches() -> QuerySet[Match]:
    """Settled matches from which nobody has made pairs yet, by an index of just these."""
    return Match.objects.filter(status=MatchStatus.SETTLED, is_harvested=False)


def note_harvest(match: Match) -> None:
    """Say that the match's pairs are made; the caller's transaction holds its row and makes them."""
    match.is_harvested = True
    match.save(update_fields=["is_harvested"])


def _fairest(passed_over: Sequence[int]) -> int | None:
    waiting = waiting_matches().exclude(id__in=passed_over).values("id")
    entrants = list(Entry.objects.filter(match__in=waiting).values_list("match_id", "user_id"))
    under_way = Entry.objects.filter(status=EntryStatus.SEATED).exclude(
        match__in=waiting_matches().values("id")
    )
    busy = Counter(under_way.values_list("user_id", flat=True))
    recent = Entry.objects.filter(match__started_at__gt=timezone.now() - TURN_WINDOW)
    started_at = dict(
        recent.values("user_id")
        .annotate(last=Max("match__started_at"))
        .values_list("user_id", "last")
    )

    def turn(entrant: tuple[int | None, int]) -> tuple[int, float, int]:
        match_id, user_id = entrant
        assert match_id is not None, "found by its match"
        last = started_at.get(user_id)
        return busy[user_id], last.timestamp() if last else 0.0, match_id

    return min(entrants, key=turn)[0] if entrants else None
