"""Which waiting match a worker plays next. The rows are the queue.

Owners take turns: whoever has the fewest matches under way comes first, then whoever has waited
longest since one was started. A match comes when the turn of any of its entrants has come:
a newcomer does not wait because the others at the table are busy elsewhere. Practice comes after
everything else, and counts for nobody's turn. Why: docs/decisions/match-turns.md

For the system: workers claim, without a user.
"""

import uuid
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count, F, Max, Q, QuerySet
from django.utils import timezone

from arena import leases
from arena.matches import play
from arena.models import Match, Seat
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
    # Told apart here: in SQL, leaving out the free ones would read every seat ever taken.
    live = _tables(Seat.objects.filter(match__status__in=LIVE_MATCH_STATUSES))
    free = set(waiting_matches().values_list("id", flat=True))
    waiting = {key: live[key] for key in live.keys() & (free - set(passed_over))}
    busy = Counter(
        owner
        for match_id, (owners, is_practice) in live.items()
        if match_id not in free and not is_practice
        for owner in owners
    )
    recent = Seat.objects.filter(
        match__started_at__gt=timezone.now() - TURN_WINDOW,
        agent__owner__is_house=False,
        is_practice=False,
    )
    started_at = dict(
        recent.order_by()
        .values("agent__owner_id")
        .annotate(last=Max("match__started_at"))
        .values_list("agent__owner_id", "last")
    )

    def turn(match_id: int) -> tuple[bool, int, float, int]:
        owners, is_practice = waiting[match_id]
        soonest = min((busy[owner], _seconds(started_at.get(owner))) for owner in owners)
        return is_practice, *soonest, match_id

    return min(waiting, key=turn, default=None)


def _tables(seats: QuerySet[Seat]) -> dict[int, tuple[set[int], bool]]:
    """By match, the people who sit there, or the house if it sits alone, and whether it is practice."""
    rows = seats.order_by().values_list(
        "match_id", "agent__owner_id", "agent__owner__is_house", "is_practice"
    )
    people: dict[int, set[int]] = defaultdict(set)
    houses: dict[int, set[int]] = defaultdict(set)
    practice: dict[int, bool] = {}
    for match_id, owner_id, is_house, is_practice in rows:
        (houses if is_house else people)[match_id].add(owner_id)
        practice[match_id] = is_practice
    return {
        match_id: (people.get(match_id) or houses[match_id], is_practice)
        for match_id, is_practice in practice.items()
    }


def _seconds(moment: datetime | None) -> float:
    return moment.timestamp() if moment else 0.0
