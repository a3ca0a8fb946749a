"""What must be true after every trial, whatever was killed in it."""

from datetime import datetime
from typing import Any

from django.db.models import Count, Q, QuerySet

from agents.models import User
from arena.credits import ledger
from arena.matches.events import content_digest, decode, event_digest
from arena.matches.match import fold
from arena.matches.task_draws import CannotRedraw, redrawn
from arena.models import (
    LIVE_ENTRY_STATUSES,
    Account,
    AccountKind,
    Autopilot,
    Completion,
    Entry,
    EntryStatus,
    Match,
    MatchEvent,
    Tournament,
    Transfer,
    TransferKind,
)
from arena.queries import match_transcript
from arena.states import LIVE_MATCH_STATUSES, MatchStatus, TournamentStatus
from training.models import TrainingRun
from training.states import LIVE_STATUSES


def unfinished() -> list[str]:
    """What is still under way; one sentence for each kind of row."""
    counts: dict[str, QuerySet[Any]] = {
        "entries wait or play": Entry.objects.filter(status__in=LIVE_ENTRY_STATUSES),
        "matches are not over": Match.objects.filter(status__in=LIVE_MATCH_STATUSES),
        "runs are not over": TrainingRun.objects.filter(status__in=LIVE_STATUSES),
        "holds are not resolved": Transfer.objects.filter(
            kind=TransferKind.PENDING, resolution=None
        ),
        "settled matches have no pairs yet": Match.objects.filter(
            status=MatchStatus.SETTLED, harvest=None
        ),
    }
    closing = User.objects.exclude(leaving_since=None).filter(left_at=None)
    counts["closed accounts are not erased"] = closing
    counts["autopilots are on"] = Autopilot.objects.filter(stopped_at=None)
    found = []
    for what, rows in counts.items():
        if ids := list(rows.values_list("pk", flat=True)[:5]):
            found.append(f"{what}: {', '.join(map(str, ids))}")
    return found


def broken(*, since: datetime) -> list[str]:
    """Sums that disagree, and matches since then whose events do not prove what is stored."""
    problems = list(ledger.audit().problems)
    running = Tournament.objects.filter(status=TournamentStatus.RUNNING)
    purses = [
        ledger.purse_of(tournament_id).key for tournament_id in running.values_list("id", flat=True)
    ]
    escrow = Account.objects.filter(kind=AccountKind.ESCROW).exclude(key__in=purses)
    problems += [
        f"{account.key} keeps {account.credits_posted - account.debits_posted} credits"
        for account in escrow
        if account.credits_posted != account.debits_posted
    ]
    problems += _flight_problems(since)
    for match in Match.objects.filter(finished_at__gte=since).order_by("id"):
        found = [*_chain_problems(match), *_draw_problems(match)]
        problems += [f"match {match.pk}: {problem}" for problem in found]
    return problems


def _flight_problems(since: datetime) -> list[str]:
    """Limits that an autopilot passed, by its entries."""
    played = ~Q(entries__status=EntryStatus.CANCELLED)
    lately = Entry.objects.filter(created_at__gte=since, autopilot__isnull=False)
    flown = Autopilot.objects.filter(id__in=lately.values("autopilot"))
    return [
        f"autopilot {row.pk} entered {row.count} matches; its limit was {row.matches}"
        for row in flown.annotate(count=Count("entries", filter=played))
        if row.count > row.matches
    ]


def _chain_problems(match: Match) -> list[str]:
    digest, problems, events = "", [], []
    rows = MatchEvent.objects.filter(match=match).order_by("seq")
    for number, row in enumerate(rows, start=1):
        expected = event_digest(
            digest, match_id=match.pk, seq=number, kind=row.kind, payload=row.payload
        )
        if (row.seq, row.previous_digest, row.digest) != (number, digest, expected):
            problems.append(f"event {row.seq} breaks the chain")
        digest = row.digest
        events.append(decode(row.kind, row.payload))
    if (match.seq, match.head_digest) != (len(events), digest):
        problems.append("its row names another last event")
    state = fold(events)
    if state is None or state.status != match.status:
        problems.append(f"its row says {match.status}, its events do not")
    vouched = {
        (row.payload["round"], row.payload["seat"], row.payload["turn"]): row.payload[
            "content_digest"
        ]
        for row in rows
        if row.kind == "completion_recorded"
    }
    answers = Completion.objects.filter(
        round__match=match,
        seat__agent__owner__is_active=True,  # who leaves takes the words along
    ).select_related("round", "seat")
    stored = {
        (each.round.number, each.seat.index, each.turn): content_digest(
            each.text, each.token_ids, each.logprobs, each.allowed_token_ids
        )
        for each in answers
    }
    if any(vouched.get(place) != digest for place, digest in stored.items()):
        problems.append("its stored answers are not those of its events")
    return problems


def _draw_problems(match: Match) -> list[str]:
    try:
        tasks = redrawn(match.pk, match_transcript(match.pk))
    except CannotRedraw as problem:
        return [str(problem)]
    return [f"the task of round {each.round} was not drawn" for each in tasks if not each.is_same]
