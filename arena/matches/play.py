"""The only writer of matches: lock -> decide -> append events -> project -> credits.

Each verb owns one transaction, may be called twice (the second raises IllegalMove and changes
nothing), and leaves the rows matching the events. Lock order: match, then accounts by id.
For the system: workers call these verbs, no person does.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from agents.canonical import digest_of
from arena import leases
from arena.environments.base import Task
from arena.environments.text.markup import read
from arena.environments.text.words import words
from arena.live.stream import announce_on_commit
from arena.matches import settlement
from arena.matches.events import (
    CompletionRecorded,
    Event,
    PanelDrawn,
    VoteRecorded,
    content_digest,
    decode,
    encode,
    event_digest,
)
from arena.matches.match import (
    Cancel,
    Command,
    DecideRound,
    MatchState,
    RecordCompletion,
    Settle,
    Start,
    StartRound,
    decide,
    evolve,
    fold,
)
from arena.matches.proposing import graded_answers, note_difficulties
from arena.matches.vote_rows import keyed, store_verdict, store_votes
from arena.models import (
    Completion,
    EntryStatus,
    Match,
    MatchEvent,
    Round,
    Seat,
)
from arena.nudges import JUDGE_ROUND, nudge_on_commit, nudge_training_on_commit
from arena.panels.voting import PanelJudge
from arena.spaces import seasons
from arena.spaces.beliefs import rate
from arena.spaces.committing import secret_of
from arena.states import LIVE_MATCH_STATUSES, CompletionStatus, RoundStatus
from arena.webhooks import news
from judges.panel import PanelVerdict
from judges.transcript import Ballot

RETRY_AFTER = timedelta(seconds=5)
# What a cancellation means, behind its reason.
REFUNDED = "Every fee was refunded and no rating changed."
UNRATED = "No rating changed."  # nobody had paid a fee for the match itself
UNCOUNTED = "It does not count as one of the day's practice matches."
TOO_FEW = "Fewer than two agents answered, so there was nothing to compare."
MATCH_ATTEMPTS = 20  # times that workers may pick a match up before it is cancelled and refunded


@dataclass(frozen=True)
class SeatAnswer:
    """What a seat produced in a round; see arena.models.Completion for the units."""

    status: CompletionStatus
    messages: list[dict[str, str]]
    error: str = ""
    text: str = ""
    prompt_token_ids: Sequence[int] = ()
    token_ids: Sequence[int] = ()
    logprobs: Sequence[float] = ()
    allowed_token_ids: Sequence[Sequence[int]] = ()
    chunk_times: Sequence[tuple[int, float]] = ()
    finish_reason: str = ""
    adapter_digest: str = ""
    sampling: Mapping[str, Any] | None = None
    seconds: float = 0.0


def state_of(match: Match) -> MatchState:
    """The fold of the match's events."""
    events = MatchEvent.objects.filter(match=match).order_by("seq")
    state = fold(decode(event.kind, event.payload) for event in events)
    assert state is not None, "a match is created together with its first event"
    return state


def start_match(match_id: int) -> None:
    """Post the held fees and begin. Raises IllegalMove if the match has already begun."""
    with transaction.atomic(durable=True):
        match, state = _locked(match_id)
        append(match, state, Start())
        settlement.collect_fees(match, state)
        match.started_at = timezone.now()
        match.save(update_fields=["started_at"])


def start_round(
    match_id: int,
    *,
    number: int,
    task: Task,
    turn_limit: int = 1,
    order: Sequence[int] = (),
    view: Mapping[str, Any] | None = None,
) -> None:
    """Give the seats a task, or the opening of an episode, in which they move in this order."""
    with transaction.atomic(durable=True):
        match, state = _locked(match_id)
        append(match, state, StartRound(number, task.key, task.as_json(), turn_limit, tuple(order)))
        Round.objects.create(
            match=match,
            number=number,
            task_key=task.key,
            task_kind=task.kind,
            task=task.as_json(),
            turn_limit=turn_limit,
            view=dict(view or {}),
        )


@dataclass(frozen=True)
class TurnFacts:
    """What a seat's try did to its episode."""

    turn: int  # which of the seat's tries it is, from 0
    problem: str = ""  # why it was no legal move
    view: Mapping[str, Any] = field(default_factory=dict)  # of the position that it led to
    asked: Mapping[str, Any] = field(default_factory=dict)  # see Episode.asked
    payoffs: Mapping[int, float] | None = None  # if the episode has ended


ONLY_TURN = TurnFacts(turn=0)


def record_completion(
    match_id: int,
    *,
    number: int,
    seat: int,
    answer: SeatAnswer,
    facts: TurnFacts = ONLY_TURN,
    owner: uuid.UUID | None = None,
) -> None:
    """Store what a seat answered; the last seat's answer, or the end of the episode, opens judging.

    Raises LeaseLost if the match is no longer `owner`'s, whose view of the episode is out of date.
    """
    with transaction.atomic(durable=True):
        match, state = _locked(match_id, owner=owner)
        player = state.seating.players[seat]
        event = CompletionRecorded(
            round=number,
            seat=seat,
            status=answer.status,
            version_id=player.version_id,
            token_count=len(answer.token_ids),
            content_digest=content_digest(
                answer.text, answer.token_ids, answer.logprobs, answer.allowed_token_ids
            ),
            is_blank=not words(read(answer.text).text),
            turn=facts.turn,
            problem=facts.problem,
        )
        payoffs = None if facts.payoffs is None else keyed(facts.payoffs)
        state, _ = append(match, state, RecordCompletion(event, payoffs))
        round_row = Round.objects.get(match=match, number=number)
        Completion.objects.create(
            round=round_row,
            seat=Seat.objects.get(match=match, index=seat),
            version_id=player.version_id,
            turn=facts.turn,
            status=answer.status,
            problem=facts.problem,
            view=dict(facts.view),
            asked=dict(facts.asked),
            asked_key=digest_of(answer.messages[1:]) if facts.asked else "",
            error=answer.error[:300],
            text=answer.text,
            messages=answer.messages,
            prompt_token_ids=list(answer.prompt_token_ids),
            token_ids=list(answer.token_ids),
            logprobs=list(answer.logprobs),
            allowed_token_ids=[list(ids) for ids in answer.allowed_token_ids],
            chunk_times=[list(pair) for pair in answer.chunk_times],
            finish_reason=answer.finish_reason,
            adapter_digest=answer.adapter_digest,
            sampling=dict(answer.sampling or {}),
            seconds=answer.seconds,
        )
        if state.rounds[number - 1].status == RoundStatus.JUDGING:
            round_row.status = RoundStatus.JUDGING
            round_row.save(update_fields=["status"])
            nudge_on_commit(JUDGE_ROUND, round_row.id)


def decide_round(
    match_id: int,
    *,
    number: int,
    votes: Sequence[tuple[PanelJudge, Ballot, float]],
    verdict: PanelVerdict | None,
    drawn: PanelDrawn | None = None,
) -> None:
    """Store the panel's votes (judge, ballot, seconds) and verdict; None voids the round.

    `drawn`: who judged, if not all of the panel did.
    """
    with transaction.atomic(durable=True):
        match, state = _locked(match_id)
        recorded: list[PanelDrawn | VoteRecorded] = [drawn] if drawn else []
        recorded += [
            VoteRecorded(number, judge.slug, keyed(ballot.scores), ballot.error[:300])
            for judge, ballot, _ in votes
        ]
        command = DecideRound(number, tuple(recorded))
        if verdict is not None:
            command = replace(
                command,
                scores=keyed(verdict.scores),
                ranking=verdict.ranking,
                agreement=verdict.agreement,
                alpha=verdict.alpha,
                is_split=verdict.is_split,
            )
        state, _ = append(match, state, command)
        round_row = Round.objects.get(match=match, number=number)
        store_votes(round_row, votes)
        if verdict is not None:
            store_verdict(round_row, verdict)
        round_row.status = state.rounds[number - 1].status
        round_row.decided_at = timezone.now()
        round_row.save(update_fields=["status", "decided_at"])


def settle_match(match_id: int) -> None:
    """Rank, pay and rate the seats that said something; the others get their fees back.

    If there is nothing to compare, the match is cancelled and refunded instead.
    """
    answers = graded_answers(match_id)  # by the environment's code: before anything is locked
    with transaction.atomic(durable=True):
        match, state = _locked(match_id)
        if state.rounds_are_over and all(each.status == RoundStatus.VOID for each in state.rounds):
            _cancel(match, state, "No round could be judged.")
            return
        if state.rounds_are_over and len(state.competing) < 2:
            _cancel(match, state, TOO_FEW)
            return
        ranking = state.ranking()
        shares = state.payout()
        paid = {str(seat): prize for seat, prize in shares.prizes.items()}
        append(match, state, Settle(paid, shares.rake_credits, secret_of(match_id)))
        if not match.is_practice:
            rate(match, ranking)
            seasons.note_settled(
                match_id, space_id=match.space_id, rake_credits=shares.rake_credits
            )
            note_difficulties(match, state.seating, answers)
        settlement.record_places(match, ranking, totals=state.totals(), prizes=shares.prizes)
        match.entries.update(status=EntryStatus.FINISHED)
        _finish(match)
        settlement.pay(match, state, payout=shares)
        news.match_finished(match, owner_ids=_owners(state))
        nudge_training_on_commit()


def cancel_match(match_id: int, *, reason: str, owner: uuid.UUID | None = None) -> None:
    """End a match without a result and return every fee; what that means is said behind the reason.

    Raises LeaseLost if `owner`, who played it, no longer does.
    """
    with transaction.atomic(durable=True):
        match, state = _locked(match_id, owner=owner)
        _cancel(match, state, reason)


def claim_match(match_id: int, *, owner: uuid.UUID) -> bool:
    """Take the match's lease; False if another worker holds it or nothing is left to play.

    Inside the transaction of the claim, which chose this match.
    """
    with transaction.atomic(savepoint=False):
        match = (
            Match.objects.select_for_update(skip_locked=True, no_key=True)
            .filter(id=match_id)
            .first()
        )
        if match is None or match.status not in LIVE_MATCH_STATUSES:
            return False
        if not leases.is_free(match):
            return False
        state = state_of(match)
        if state.is_played:
            return False  # a late nudge must not count as a try
        if match.attempts >= MATCH_ATTEMPTS:
            reason = f"The match could not be finished in {MATCH_ATTEMPTS} tries."
            _cancel(match, state, reason)
            return False
        Match.objects.filter(id=match_id).update(
            attempts=match.attempts + 1,
            **leases.held(owner, until=timezone.now() + leases.takeover()),
        )
    return True


def renew_lease(match_id: int, *, owner: uuid.UUID) -> None:
    """Hold the match for longer. Raises LeaseLost if another worker has taken it over."""
    match = Match.objects.filter(id=match_id)
    leases.renew(match, owner, until=timezone.now() + leases.takeover())


def release_lease(match_id: int, *, owner: uuid.UUID) -> None:
    """Release the lease; if anything is left to play, a sweep may nudge again soon."""
    match = Match.objects.filter(id=match_id)
    leases.give_back(match, owner, until=timezone.now() + RETRY_AFTER)


def append(match: Match, state: MatchState, command: Command) -> tuple[MatchState, list[Event]]:
    """Decide, store the events and announce them, inside the caller's transaction."""
    # The caller holds the match row's lock: seq has no gaps because nobody else can append.
    events = decide(state, command)
    for event in events:
        state = evolve(state, event)
    rows = chained(match, events)
    MatchEvent.objects.bulk_create(rows)
    match.status = state.status
    match.save(update_fields=["seq", "head_digest", "status"])
    announce_on_commit(match.id, rows)
    return state, events


def chained(match: Match, events: Iterable[Event]) -> list[MatchEvent]:
    """Rows that follow the match's last event; the match's own row then names the last of them."""
    rows = []
    for event in events:
        kind, payload = encode(event)
        previous = match.head_digest
        match.seq += 1
        match.head_digest = event_digest(
            previous, match_id=match.id, seq=match.seq, kind=kind, payload=payload
        )
        rows.append(
            MatchEvent(
                match=match,
                seq=match.seq,
                kind=kind,
                payload=payload,
                previous_digest=previous,
                digest=match.head_digest,
            )
        )
    return rows


def _locked(match_id: int, *, owner: uuid.UUID | None = None) -> tuple[Match, MatchState]:
    match = Match.objects.select_for_update(no_key=True).get(id=match_id)
    if owner and match.lease_owner != owner:
        raise leases.LeaseLost
    return match, state_of(match)


def _cancel(match: Match, state: MatchState, why: str) -> None:
    reason = f"{why} {_meaning_of_cancelling(state)}"
    append(match, state, Cancel(reason, secret_of(match.pk)))
    match.entries.update(status=EntryStatus.CANCELLED, cancel_reason=reason[:200])
    _finish(match)
    settlement.give_back(match, state)
    news.match_finished(match, owner_ids=_owners(state), reason=reason)


def _meaning_of_cancelling(state: MatchState) -> str:
    if state.seating.is_practice:
        return UNCOUNTED
    return REFUNDED if any(player.fee_credits for player in state.seating.players) else UNRATED


def _owners(state: MatchState) -> set[int]:
    return {player.user_id for player in state.seating.players}


def _finish(match: Match) -> None:
    match.finished_at = timezone.now()
    match.lease_owner = match.lease_expires_at = None
    match.save(update_fields=["finished_at", "lease_owner", "lease_expires_at"])
