"""The match as a state machine over events. PURE.

`decide(state, command)` returns the events that the command causes or raises IllegalMove;
`evolve(state, event)` applies one; `fold(events)` is the state. Only this decides what may happen.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, assert_never

from agents.canonical import text_digest
from arena.credits.prizes import Payout, payout
from arena.environments.episode import TRIES_PER_TURN
from arena.matches.events import (
    CompletionRecorded,
    EpisodeEnded,
    Event,
    MatchCancelled,
    MatchSeated,
    MatchSettled,
    MatchStarted,
    PanelDrawn,
    RoundDecided,
    RoundStarted,
    RoundVoided,
    VoteRecorded,
)
from arena.states import (
    ENDED_ROUND_STATUSES,
    LIVE_MATCH_STATUSES,
    CompletionStatus,
    MatchStatus,
    RoundStatus,
)
from judges.panel import rank


class IllegalMove(Exception):
    """The command does not fit the match's state: somebody else was first, or it is a replay."""


# Commands: what somebody wants.


@dataclass(frozen=True)
class SeatPlayers:
    seating: MatchSeated


@dataclass(frozen=True)
class Start:
    pass


@dataclass(frozen=True)
class StartRound:
    round: int
    task_key: str
    task: dict[str, Any]
    turn_limit: int = 1
    order: tuple[int, ...] = ()


@dataclass(frozen=True)
class RecordCompletion:
    """A seat's answer, or its try in an episode; `payoffs` if the episode ends with it."""

    completion: CompletionRecorded
    payoffs: dict[str, float] | None = None


@dataclass(frozen=True)
class DecideRound:
    """The panel's votes and verdict; no ranking means that no judge could vote."""

    round: int
    votes: tuple[PanelDrawn | VoteRecorded, ...]  # the draw comes first, if there was one
    scores: dict[str, float] = field(default_factory=dict)
    ranking: tuple[tuple[int, ...], ...] = ()
    agreement: float = 0.0
    alpha: float | None = None
    is_split: bool = False


@dataclass(frozen=True)
class Settle:
    prizes: dict[str, int]
    rake_credits: int
    task_secret: str = ""  # of a match with a commitment


@dataclass(frozen=True)
class Cancel:
    reason: str
    task_secret: str = ""  # of a match with a commitment


Command = SeatPlayers | Start | StartRound | RecordCompletion | DecideRound | Settle | Cancel


@dataclass(frozen=True)
class RoundState:
    number: int
    status: RoundStatus
    turn_limit: int = 1
    order: tuple[int, ...] = ()
    tries: Mapping[int, int] = field(default_factory=dict)  # seat -> answers, or failures to
    spoke: frozenset[int] = frozenset()  # answered with words
    scores: Mapping[int, float] = field(default_factory=dict)

    @property
    def answered(self) -> frozenset[int]:
        return frozenset(self.tries)

    @property
    def is_episode(self) -> bool:
        return self.turn_limit > 1


@dataclass(frozen=True)
class MatchState:
    """Everything that a decision needs to know."""

    status: MatchStatus
    seating: MatchSeated
    rounds: tuple[RoundState, ...] = ()
    cancel_reason: str = ""

    @property
    def seats(self) -> frozenset[int]:
        return frozenset(player.seat for player in self.seating.players)

    @property
    def competing(self) -> frozenset[int]:
        """Seats that said something in a round that counts; the others are not ranked, paid or rated."""
        said = (each.spoke for each in self.rounds if each.status != RoundStatus.VOID)
        return frozenset[int]().union(*said)

    @property
    def stakes(self) -> dict[int, int]:
        """Fees of the competing seats that staked credits: they share the pool."""
        return {
            player.seat: player.fee_credits
            for player in self.seating.players
            if player.fee_credits and player.seat in self.competing
        }

    @property
    def refunds(self) -> dict[int, int]:
        """Fees of the seats that never said anything, which a settlement returns."""
        return {
            player.seat: player.fee_credits
            for player in self.seating.players
            if player.fee_credits and player.seat not in self.competing
        }

    @property
    def pool_credits(self) -> int:
        """What the seats that compete paid, which a settlement shares out."""
        return sum(self.stakes.values())

    @property
    def is_over(self) -> bool:
        return self.status not in LIVE_MATCH_STATUSES

    @property
    def rounds_are_over(self) -> bool:
        return len(self.rounds) == self.seating.round_count and all(
            each.status in ENDED_ROUND_STATUSES for each in self.rounds
        )

    @property
    def is_played(self) -> bool:
        """Every round has been answered; only verdicts may be missing."""
        return len(self.rounds) == self.seating.round_count and all(
            each.status != RoundStatus.PLAYING for each in self.rounds
        )

    def totals(self) -> dict[int, float]:
        """Sum of the verdicts' scores per seat; void rounds count for nobody."""
        return {
            seat: total_of(each.scores.get(seat, 0.0) for each in self.rounds)
            for seat in sorted(self.seats)
        }

    def means(self) -> dict[int, float]:
        """Mean scores of the competing seats over the decided rounds; there must be at least one."""
        decided = sum(each.status == RoundStatus.DECIDED for each in self.rounds)
        return {s: total / decided for s, total in self.totals().items() if s in self.competing}

    def ranking(self) -> tuple[tuple[int, ...], ...]:
        """Competing seats best first, by the decided rounds."""
        return rank(self.means())

    def payout(self) -> Payout:
        """How the pool is shared, by the events alone: whatever the Space says later."""
        return payout(
            self.seating.prize_rule,
            stakes=self.stakes,
            ranking=among(self.ranking(), self.stakes),
            scores=self.means(),
            rake_percent=self.seating.rake_percent,
            percents=self.seating.prize_percents,
        )


def decide(state: MatchState | None, command: Command) -> list[Event]:
    """The events that the command causes. Raises IllegalMove."""
    if state is None:
        if isinstance(command, SeatPlayers):
            return [_checked_seating(command.seating)]
        raise IllegalMove("the match has not been seated")
    if state.is_over:
        raise IllegalMove(f"the match is {state.status}")
    match command:
        case SeatPlayers():
            raise IllegalMove("the match is already seated")
        case Start():
            _require(state.status == MatchStatus.SEATED, "the match has already started")
            return [MatchStarted()]
        case StartRound():
            _require_running(state)
            expected = len(state.rounds) + 1
            _require(command.round == expected, f"round {expected} is next")
            _require(expected <= state.seating.round_count, "all rounds have been played")
            playing = sum(each.status == RoundStatus.PLAYING for each in state.rounds)
            _require(
                playing < state.seating.rounds_at_once, "earlier rounds are still being played"
            )
            return [_checked_round(state, command)]
        case RecordCompletion():
            return _record(state, command)
        case DecideRound():
            return _decide_round(state, command)
        case Settle():
            _require_running(state)
            _require(state.rounds_are_over, "rounds are still open")
            _require(
                any(each.status == RoundStatus.DECIDED for each in state.rounds),
                "no round was decided, so there is nothing to settle",
            )
            _require(len(state.competing) > 1, "fewer than two seats said anything")
            paid = sum(command.prizes.values()) + command.rake_credits
            _require(paid == state.pool_credits, "prizes and rake must add up to the pool")
            totals = {str(seat): total for seat, total in state.totals().items()}
            refunds = {str(seat): fee for seat, fee in state.refunds.items()}
            secret = _revealed(state, command.task_secret)
            rake = command.rake_credits
            return [MatchSettled(state.ranking(), totals, command.prizes, rake, refunds, secret)]
        case Cancel():
            return [MatchCancelled(command.reason, _revealed(state, command.task_secret))]
        case _:
            assert_never(command)


def evolve(state: MatchState | None, event: Event) -> MatchState:
    """Apply one event. Events are facts, so nothing is checked again here."""
    if isinstance(event, MatchSeated):
        return MatchState(MatchStatus.SEATED, event)
    assert state is not None, "a match begins with its seating"
    match event:
        case MatchStarted():
            return replace(state, status=MatchStatus.RUNNING)
        case RoundStarted():
            new = RoundState(event.round, RoundStatus.PLAYING, event.turn_limit, event.order)
            return replace(state, rounds=(*state.rounds, new))
        case CompletionRecorded():
            current = _round(state, event.round)
            tries = {**current.tries, event.seat: current.tries.get(event.seat, 0) + 1}
            spoke = current.spoke
            if event.status == CompletionStatus.OK and not event.is_blank:
                spoke |= {event.seat}
            is_over = not current.is_episode and tries.keys() == state.seats
            status = RoundStatus.JUDGING if is_over else RoundStatus.PLAYING
            return _with_round(state, event.round, tries=tries, spoke=spoke, status=status)
        case EpisodeEnded():
            return _with_round(state, event.round, status=RoundStatus.JUDGING)
        case PanelDrawn() | VoteRecorded():
            return state
        case RoundDecided():
            scores = {int(seat): score for seat, score in event.scores.items()}
            return _with_round(state, event.round, status=RoundStatus.DECIDED, scores=scores)
        case RoundVoided():
            return _with_round(state, event.round, status=RoundStatus.VOID)
        case MatchSettled():
            return replace(state, status=MatchStatus.SETTLED)
        case MatchCancelled():
            return replace(state, status=MatchStatus.CANCELLED, cancel_reason=event.reason)
        case _:
            assert_never(event)


def fold(events: Iterable[Event]) -> MatchState | None:
    """The state after all the events."""
    state: MatchState | None = None
    for event in events:
        state = evolve(state, event)
    return state


def total_of(scores: Iterable[float]) -> float:
    """A seat's score over its rounds, to 6 decimals, as events carry it."""
    return round(sum(scores), 6)


def among(ranking: Sequence[Sequence[int]], seats: Container[int]) -> tuple[tuple[int, ...], ...]:
    """The ranking without the other seats."""
    kept = (tuple(seat for seat in group if seat in seats) for group in ranking)
    return tuple(group for group in kept if group)


def ranking_of(totals: Mapping[int, float], *, rounds: int) -> tuple[tuple[int, ...], ...]:
    """Seats best first; seats tie if their mean scores over `rounds` are within a round's tolerance."""
    return rank({seat: total / rounds for seat, total in totals.items()})


def _checked_seating(seating: MatchSeated) -> MatchSeated:
    seats = [player.seat for player in seating.players]
    _require(seats == list(range(len(seats))) and len(seats) >= 2, "seats are 0, 1, ... n-1")
    agents = {player.agent_id for player in seating.players}
    _require(len(agents) == len(seats), "an agent has at most one seat in a match")
    owners = [player.user_id for player in seating.players if player.entry_id]
    _require(len(owners) == len(set(owners)), "an owner has at most one seat in a match")
    _require(seating.rounds_at_once >= 1, "a match plays at least one round at a time")
    _require(sum(seating.prize_percents) == 100, "prize percentages must add up to 100")
    return seating


def _checked_round(state: MatchState, command: StartRound) -> RoundStarted:
    if command.turn_limit > 1:
        _require(sorted(command.order) == sorted(state.seats), "every seat moves in an episode")
    return RoundStarted(
        command.round, command.task_key, command.task, command.turn_limit, command.order
    )


def _record(state: MatchState, command: RecordCompletion) -> list[Event]:
    answer = command.completion
    current = _round(state, answer.round)
    _require(current.status == RoundStatus.PLAYING, "the round accepts no more answers")
    _require(answer.seat in state.seats, "nobody sits there")
    _require(answer.turn == current.tries.get(answer.seat, 0), "the seat has already answered")
    if not current.is_episode:
        _require(answer.turn == 0, "the seat has already answered")
        return [answer]
    made = sum(current.tries.values())
    _require(made < TRIES_PER_TURN * current.turn_limit, "the episode should have ended")
    if command.payoffs is None:
        return [answer]
    # Rounded, because the payload must be the same after a trip through jsonb.
    payoffs = {seat: round(value, 6) + 0.0 for seat, value in command.payoffs.items()}
    named = {str(seat) for seat in state.seats}
    _require(not payoffs or set(payoffs) == named, "every seat has a payoff, or none")
    _require(all(0 <= value <= 1 for value in payoffs.values()), "payoffs must lie in [0, 1]")
    return [answer, EpisodeEnded(answer.round, payoffs)]


def _revealed(state: MatchState, secret: str) -> str:
    made = text_digest(secret) if secret else ""
    _require(made == state.seating.task_commitment, "the secret is not the one committed to")
    return secret


def _decide_round(state: MatchState, command: DecideRound) -> list[Event]:
    current = _round(state, command.round)
    _require(current.status == RoundStatus.JUDGING, "the round is not waiting for a verdict")
    events: list[Event] = list(command.votes)
    if not command.ranking:
        return [*events, RoundVoided(command.round, "No judge could vote on this round.")]
    ranked = [seat for group in command.ranking for seat in group]
    _require(sorted(ranked) == sorted(state.seats), "a verdict ranks every seat once")
    _require(set(command.scores) == {str(seat) for seat in ranked}, "every seat has a score")
    # Rounded, because the payload must be the same after a trip through jsonb.
    scores = {seat: round(score, 6) + 0.0 for seat, score in command.scores.items()}
    _require(all(0 <= score <= 1 for score in scores.values()), "scores must lie in [0, 1]")
    agreement = round(command.agreement, 6)
    alpha = None if command.alpha is None else round(command.alpha, 6)
    split = command.is_split
    decided = RoundDecided(command.round, scores, command.ranking, agreement, alpha, split)
    return [*events, decided]


def _round(state: MatchState, number: int) -> RoundState:
    _require(1 <= number <= len(state.rounds), f"round {number} has not started")
    return state.rounds[number - 1]


def _with_round(state: MatchState, number: int, **changes: Any) -> MatchState:
    rounds = list(state.rounds)
    rounds[number - 1] = replace(rounds[number - 1], **changes)
    return replace(state, rounds=tuple(rounds))


def _require_running(state: MatchState) -> None:
    _require(state.status == MatchStatus.RUNNING, "the match has not started")


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise IllegalMove(otherwise)
