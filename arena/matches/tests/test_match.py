"""The match machine by itself: no database, every order of commands."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from arena.credits.prizes import Payout
from arena.matches.events import (
    CompletionRecorded,
    Event,
    MatchSeated,
    MatchSettled,
    Player,
    RoundVoided,
    VoteRecorded,
    decode,
    encode,
    event_digest,
)
from arena.matches.match import (
    Cancel,
    Command,
    DecideRound,
    IllegalMove,
    MatchState,
    RecordCompletion,
    SeatPlayers,
    Settle,
    Start,
    StartRound,
    decide,
    evolve,
    fold,
    ranking_of,
)
from arena.states import CompletionStatus, MatchStatus, RoundStatus

SEATS = 3
ROUNDS = 2


def seating(**changes: Any) -> MatchSeated:
    players = tuple(
        Player(
            seat=index,
            agent_id=10 + index,
            version_id=20 + index,
            user_id=30 + index,
            entry_id=f"entry-{index}" if index else None,
            fee_credits=5,
        )
        for index in range(SEATS)
    )
    base = MatchSeated(
        space="s",
        environment="constraints",
        players=players,
        round_count=ROUNDS,
        rake_percent=10,
        prize_percents=(60, 40),
        panel=(("code", 1.0),),
    )
    return replace(base, **changes)


def answer(number: int, seat: int, **changes: Any) -> RecordCompletion:
    said = CompletionRecorded(number, seat, CompletionStatus.OK, 20 + seat, 3, "digest")
    return RecordCompletion(replace(said, **changes))


def verdict(number: int, scores: dict[int, float]) -> DecideRound:
    keyed = {str(seat): score for seat, score in scores.items()}
    vote = VoteRecorded(number, "code", keyed, "")
    return DecideRound(number, (vote,), keyed, ranking_of(scores, rounds=1), 1.0)


def after(*commands: Command) -> MatchState:
    state: MatchState | None = None
    for command in commands:
        for event in decide(state, command):
            state = evolve(state, event)
    assert state is not None
    return state


PLAYED_ONE: tuple[Command, ...] = (
    SeatPlayers(seating()),
    Start(),
    StartRound(1, "key", {}),
    *(answer(1, seat) for seat in range(SEATS)),
)


@pytest.mark.parametrize(
    ("before", "command", "reason"),
    [
        ((), Start(), "not been seated"),
        ((SeatPlayers(seating()),), StartRound(1, "k", {}), "not started"),
        ((SeatPlayers(seating()), Start()), Start(), "already started"),
        ((SeatPlayers(seating()), Start()), StartRound(2, "k", {}), "round 1 is next"),
        ((SeatPlayers(seating()), Start()), answer(1, 0), "round 1 has not started"),
        (PLAYED_ONE[:4], answer(1, 0), "already answered"),
        (PLAYED_ONE[:4], StartRound(2, "k", {}), "still being played"),
        (PLAYED_ONE[:4], verdict(1, {0: 1, 1: 0, 2: 0}), "not waiting for a verdict"),
        (PLAYED_ONE, answer(1, 1), "accepts no more answers"),
        (PLAYED_ONE, verdict(1, {0: 1.0, 1: 0.0}), "ranks every seat"),
        (PLAYED_ONE, verdict(1, {0: 2.0, 1: 0.0, 2: 0.0}), "lie in"),
        (PLAYED_ONE, Settle({}, 0), "still open"),
        ((*PLAYED_ONE, Cancel("x")), Start(), "cancelled"),
    ],
)
def test_a_move_out_of_turn_is_refused_with_its_reason(
    before: tuple[Command, ...], command: Command, reason: str
) -> None:
    state = after(*before) if before else None
    with pytest.raises(IllegalMove, match=reason):
        decide(state, command)


def test_as_many_rounds_are_open_at_once_as_the_space_wants() -> None:
    two = SeatPlayers(seating(round_count=3, rounds_at_once=2))
    state = after(two, Start(), StartRound(1, "k", {}), StartRound(2, "k", {}))
    assert [each.status for each in state.rounds] == [RoundStatus.PLAYING] * 2
    with pytest.raises(IllegalMove, match="still being played"):
        decide(state, StartRound(3, "k", {}))


def test_an_event_of_before_rounds_at_once_reads_as_one() -> None:
    kind, payload = encode(seating())
    del payload["rounds_at_once"]
    assert decode(kind, payload) == seating(rounds_at_once=1)


def test_one_owner_cannot_hold_two_seats_of_a_match() -> None:
    first, second, third = seating().players
    crowded = seating(players=(first, second, replace(third, user_id=second.user_id)))
    with pytest.raises(IllegalMove, match="one seat"):
        decide(None, SeatPlayers(crowded))


def test_settling_must_pay_out_exactly_the_pool() -> None:
    state = after(
        *PLAYED_ONE,
        verdict(1, {0: 1.0, 1: 0.5, 2: 0.0}),
        StartRound(2, "k", {}),
        *(answer(2, seat) for seat in range(SEATS)),
        DecideRound(2, ()),
    )
    with pytest.raises(IllegalMove, match="add up to the pool"):
        decide(state, Settle({"0": 14}, 0))
    (settled,) = decide(state, Settle({"0": 9, "1": 5}, 1))
    assert isinstance(settled, MatchSettled)
    assert settled.ranking == ((0,), (1,), (2,))


FAILED = {"status": CompletionStatus.FAILED}
BLANK = {"is_blank": True}


def played(
    silent: dict[int, Any], *, only_in: int | None = None, seated: MatchSeated | None = None
) -> MatchState:
    """Two rounds in which these seats said nothing, or only in one of them."""
    commands: list[Command] = [SeatPlayers(seated or seating()), Start()]
    for number in (1, 2):
        commands.append(StartRound(number, "k", {}))
        for seat in range(SEATS):
            changes = silent.get(seat, {}) if only_in in (None, number) else {}
            commands.append(answer(number, seat, **changes))
        commands.append(verdict(number, {0: 1.0, 1: 0.5, 2: 0.0}))
    return after(*commands)


@pytest.mark.parametrize("silence", [FAILED, BLANK])
def test_a_seat_that_never_answered_is_not_ranked_and_gets_its_fee_back(silence: Any) -> None:
    state = played({0: silence})
    assert (state.pool_credits, state.refunds) == (10, {0: 5})
    with pytest.raises(IllegalMove, match="add up to the pool"):
        decide(state, Settle({"1": 9, "2": 5}, 1))
    (settled,) = decide(state, Settle({"1": 6, "2": 3}, 1))
    assert isinstance(settled, MatchSettled)
    assert settled.ranking == ((1,), (2,)), "though the panel put its blank first"
    assert settled.refunds == {"0": 5}


def test_seats_that_staked_nothing_are_ranked_and_share_no_prizes() -> None:
    house, *people = seating().players
    state = played({}, seated=seating(players=(replace(house, fee_credits=0), *people)))
    assert state.ranking() == ((0,), (1,), (2,))
    assert state.payout() == Payout({1: 6, 2: 3}, 1)
    assert (state.pool_credits, state.refunds) == (10, {})


def test_one_answer_in_one_round_is_enough_to_compete() -> None:
    state = played({0: FAILED}, only_in=2)
    assert (state.pool_credits, state.refunds) == (15, {})
    assert state.ranking() == ((0,), (1,), (2,))


def test_one_seat_alone_is_not_settled() -> None:
    with pytest.raises(IllegalMove, match="fewer than two"):
        decide(played({0: FAILED, 1: BLANK}), Settle({"2": 5}, 0))


def test_events_of_before_silent_seats_read_as_they_did() -> None:
    said = answer(1, 0).completion
    kind, payload = encode(said)
    del payload["is_blank"]
    assert decode(kind, payload) == said
    settled = MatchSettled(((0,),), {"0": 1.0}, {"0": 5}, 0)
    kind, payload = encode(settled)
    del payload["refunds"]
    assert decode(kind, payload) == settled


def test_a_round_that_no_judge_could_score_counts_for_nobody() -> None:
    state = after(*PLAYED_ONE, DecideRound(1, (VoteRecorded(1, "code", {}, "down"),)))
    assert state.rounds[0].status == RoundStatus.VOID
    assert set(state.totals().values()) == {0.0}


def test_who_spoke_only_in_a_round_that_counts_for_nobody_did_not_compete() -> None:
    state = after(
        SeatPlayers(seating()),
        Start(),
        StartRound(1, "key", {}),
        *(answer(1, seat) for seat in range(SEATS - 1)),
        answer(1, SEATS - 1, status=CompletionStatus.FAILED),
        verdict(1, {0: 1.0, 1: 0.5, 2: 0.0}),
        StartRound(2, "k", {}),
        *(answer(2, seat) for seat in range(SEATS)),
        DecideRound(2, ()),
    )
    assert state.competing == frozenset(range(SEATS - 1))


def test_changing_any_past_event_breaks_the_chain_of_digests() -> None:
    payloads = [{"round": 1}, {"round": 2}, {"round": 3}]

    def chain() -> str:
        digest = ""
        for seq, payload in enumerate(payloads, start=1):
            digest = event_digest(digest, match_id=1, seq=seq, kind="k", payload=payload)
        return digest

    before = chain()
    payloads[0]["round"] = 9
    assert chain() != before


def test_seats_with_equal_totals_share_a_place() -> None:
    assert ranking_of({0: 1.0, 1: 2.0, 2: 1.0}, rounds=2) == ((1,), (0, 2))


def test_what_every_round_calls_a_tie_is_no_lead_in_the_end() -> None:
    """Model scores wobble in the third decimal between batches."""
    assert ranking_of({0: 6 * 0.5, 1: 6 * 0.504}, rounds=6) == ((0, 1),)
    assert ranking_of({0: 6 * 0.5, 1: 6 * 0.51}, rounds=6) == ((1,), (0,))


class MatchMachine(RuleBasedStateMachine):
    """Random commands: accepted ones keep fold(events) == state and the rules below."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = decide(None, SeatPlayers(seating()))
        self.state = after(SeatPlayers(seating()))

    def give(self, command: Command) -> None:
        try:
            events = decide(self.state, command)
        except IllegalMove:
            return
        for event in events:
            self.events.append(event)
            self.state = evolve(self.state, event)

    @rule()
    def starts(self) -> None:
        self.give(Start())

    @rule(number=st.integers(1, ROUNDS + 1))
    def starts_round(self, number: int) -> None:
        self.give(StartRound(number, "key", {"prompt": "?"}))

    @rule(number=st.integers(1, ROUNDS), seat=st.integers(0, SEATS))
    def answers(self, number: int, seat: int) -> None:
        self.give(answer(number, seat))

    @precondition(lambda self: self.state.rounds)
    @rule()
    def everybody_answers(self) -> None:
        for seat in range(SEATS):
            self.give(answer(len(self.state.rounds), seat))

    @rule(
        number=st.integers(1, ROUNDS),
        scores=st.lists(st.floats(0, 1), min_size=SEATS, max_size=SEATS),
        fails=st.booleans(),
    )
    def judges(self, number: int, scores: list[float], fails: bool) -> None:
        self.give(DecideRound(number, ()) if fails else verdict(number, dict(enumerate(scores))))

    @rule(rake=st.integers(0, 3))
    def settles(self, rake: int) -> None:
        self.give(Settle({"0": self.state.pool_credits - rake}, rake))

    @precondition(lambda self: len(self.events) > 12)
    @rule()
    def cancels(self) -> None:
        self.give(Cancel("fault"))

    @invariant()
    def the_fold_of_stored_events_is_the_state(self) -> None:
        stored = [json.loads(json.dumps(encode(event))) for event in self.events]
        assert fold(decode(kind, payload) for kind, payload in stored) == self.state

    @invariant()
    def nothing_happens_after_the_end(self) -> None:
        ends = [
            each
            for each in self.events
            if type(each).__name__ in {"MatchSettled", "MatchCancelled"}
        ]
        assert len(ends) <= 1
        assert not ends or self.events[-1] is ends[0]
        assert self.state.is_over == bool(ends)

    @invariant()
    def a_settled_match_had_a_verdict(self) -> None:
        if self.state.status == MatchStatus.SETTLED:
            assert self.state.rounds_are_over
            voids = [each for each in self.events if isinstance(each, RoundVoided)]
            assert len(voids) < ROUNDS


TestMatchMachine = MatchMachine.TestCase
