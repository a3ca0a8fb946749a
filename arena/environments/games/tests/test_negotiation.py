"""Trading: how offers are read, what changes hands, and how code trades."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arena.environments.base import IllegalTurn, Position, Split
from arena.environments.games.negotiation import SimpleNegotiation, change, gain

TRADE = SimpleNegotiation()
seeds = st.integers(0, 2**32)


def make_trade(*, turns: int = 4) -> Position:
    return {
        "goods": ["wood", "stone", "grain"],
        "held": [[3, 1, 2], [1, 3, 2]],
        "worth": [[1, 6, 3], [6, 1, 3]],
        "most_worth": 6,
        "start": [15, 15],
        "turns": turns,
        "played": 0,
        "turn": 0,
        "offer": None,
        "known": [[], []],
    }


@pytest.mark.parametrize(
    "text",
    [
        "offer 2 wood for 1 stone",
        "Offer 2 Wood for 1 Stone.",
        "[Offer: 2 wood -> 1 stone]",
        "I offer you two woods for one stone, friend.",
        "I reject. 2 wood for your 1 stone?",
        "**2 wood in exchange for a stone**",
    ],
)
def test_an_offer_is_read_however_it_is_dressed(text: str) -> None:
    assert TRADE.act(make_trade(), 0, text)["offer"] == [[0, 2], [1, 1]]


@pytest.mark.parametrize("text", ["reject", "[Deny]", "I pass.", "No, I decline this."])
def test_a_refusal_is_read_in_other_words_too(text: str) -> None:
    now = TRADE.act(make_trade(), 0, "offer 2 wood for 1 stone")
    now = TRADE.act(now, 1, text)
    assert (now["offer"], now["turn"], now["held"]) == (None, 0, make_trade()["held"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "accept",  # nothing is on the table
        "offer 4 wood for 1 stone",
        "offer 2 wood for 2 wood",
        "offer 2 gold for 1 stone",
        "offer 0 wood for 1 stone",
        "2 wood for 1 stone or 1 wood for 1 stone",
    ],
)
def test_what_is_no_single_legal_offer_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(IllegalTurn, match=r"\.$"):
        TRADE.act(make_trade(), 0, text)


def test_an_accepted_offer_changes_hands_and_both_may_gain() -> None:
    now = TRADE.act(make_trade(), 0, "offer 2 wood for 2 stone")
    now = TRADE.act(now, 1, "I accept!")
    assert now["held"] == [[1, 3, 2], [3, 1, 2]]
    assert (change(now, 0), change(now, 1)) == (10, 10)
    assert TRADE.payoffs(now)[0] == TRADE.payoffs(now)[1] > 0.5


def test_code_trades_where_both_gain_and_never_accepts_a_loss() -> None:
    gains = []
    for seed in range(16):
        rng = Random(seed)
        now = TRADE.begin(TRADE.make_task(rng, list(Split)[seed % 3], seed % 2), 2)
        while movers := TRADE.to_move(now):
            now = TRADE.act(now, movers[0], TRADE.solve(now, movers[0], rng))
        assert min(change(now, 0), change(now, 1)) >= 0
        gains.append(change(now, 0) + change(now, 1))
    assert sum(gained > 0 for gained in gains) >= 12


def test_code_asks_for_less_or_something_else_after_a_rejection() -> None:
    now = make_trade(turns=6)
    first = TRADE.solve(now, 0, Random(1))
    now = TRADE.act(TRADE.act(now, 0, first), 1, "reject")
    assert TRADE.solve(now, 0, Random(1)) != first


def test_what_a_move_is_worth_depends_on_nothing_that_is_secret() -> None:
    now = make_trade()
    other = {**now, "worth": [now["worth"][0], [1, 6, 2]]}
    assert TRADE.move_values(now, 0) == TRADE.move_values(other, 0)


def test_a_lost_turn_rejects_and_teaches_the_other_nothing() -> None:
    now = TRADE.forfeit(TRADE.act(make_trade(), 0, "offer 2 wood for 1 stone"), 1)
    assert (now["offer"], now["turn"], now["known"][1]) == (None, 0, [])


@given(seeds)
@settings(max_examples=40)
def test_pieces_only_change_hands(seed: int) -> None:
    rng = Random(seed)
    now = TRADE.begin(TRADE.make_task(rng, Split.TRAIN, 1), 2)
    total = [sum(counts) for counts in zip(*now["held"], strict=True)]
    while movers := TRADE.to_move(now):
        moves = TRADE.moves(now, movers[0])
        now = TRADE.act(now, movers[0], "accept" if "accept" in moves else rng.choice(moves))
        assert [sum(counts) for counts in zip(*now["held"], strict=True)] == total
        assert min(min(counts) for counts in now["held"]) >= 0


def test_a_gain_is_what_is_got_less_what_is_given() -> None:
    assert gain([1, 6, 3], got=(1, 2), given=(0, 3)) == 9
