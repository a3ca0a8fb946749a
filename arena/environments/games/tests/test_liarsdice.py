from collections.abc import Sequence
from random import Random

import pytest

from arena.environments.base import Position, Split
from arena.environments.games.liarsdice import LiarsDice, chance, policy_move

GAME = LiarsDice()


def at(own: Sequence[int], other: Sequence[int], *, bid: Sequence[int]) -> Position:
    return {
        "seed": 1,
        "sides": 6,
        "dice": [list(own), list(other)],
        "bid": list(bid),
        "turn": 0,
        "round": 0,
        "last": "",
    }


def test_a_higher_bid_lowers_neither_the_number_nor_the_face() -> None:
    moves = GAME.moves(at([1, 2], [3, 4], bid=[3, 5]), 0)
    assert moves == ("call", "3x6", "4x5", "4x6")
    assert GAME.moves(at([1, 2], [3, 4], bid=[4, 6]), 0) == ("call",)
    assert "call" not in GAME.moves(at([1, 2], [3, 4], bid=[0, 0]), 0)


@pytest.mark.parametrize(("bid", "left"), [([2, 5], [1, 2]), ([3, 5], [2, 1])])
def test_whoever_was_wrong_about_a_called_bid_loses_a_die(bid: list[int], left: list[int]) -> None:
    after = GAME.act(at([1, 5], [4, 5], bid=bid), 0, "I call!")
    assert [len(hand) for hand in after["dice"]] == left
    assert (after["bid"], GAME.to_move(after)) == ([0, 0], (1,))
    assert GAME.act(at([1, 5], [4, 5], bid=bid), 0, "call") == after


def test_the_seat_without_dice_has_lost() -> None:
    over = GAME.act(at([1], [5], bid=[1, 4]), 0, "call")
    assert (GAME.to_move(over), GAME.payoffs(over)) == ((), {0: 1.0, 1: 0.0})


def test_a_seat_is_shown_its_own_dice_only_and_spectators_see_all() -> None:
    one, other = at([1, 2], [3, 4], bid=[1, 6]), at([1, 2], [6, 6], bid=[1, 6])
    assert GAME.describe(one, 0) == GAME.describe(other, 0)
    assert [row.cells for row in GAME.view(one).rows] == [("1 2",), ("3 4",)]


def test_the_value_of_a_move_does_not_depend_on_hidden_dice() -> None:
    for move in ("call", "2x6", "4x6"):
        hidden = ([3, 4], [6, 6], [1, 1])
        values = {GAME.move_value(at([1, 2], hand, bid=[2, 5]), 0, move) for hand in hidden}
        assert len(values) == 1


def test_the_chance_of_a_bid_is_that_of_the_dice() -> None:
    assert chance(0, 2, 6) == chance(-1, 0, 6) == pytest.approx(1)
    assert chance(1, 2, 6) == pytest.approx(11 / 36)
    assert chance(2, 2, 6) == pytest.approx(1 / 36)
    assert chance(3, 2, 6) == 0


def test_the_policy_calls_what_is_unlikely_and_bids_what_it_holds() -> None:
    assert policy_move((1, 2), 2, 6, (4, 5)) == "call"
    assert policy_move((5, 5), 2, 6, (1, 5)) == "2x5"


def test_the_best_move_calls_an_impossible_bid() -> None:
    assert GAME.best_moves(at([1, 2], [3, 4], bid=[3, 6]), 0) == ("call",)


def test_the_coded_seat_beats_random_moves() -> None:
    won = 0
    for seed in range(40):
        rng, solver = Random(seed), seed % 2
        now = GAME.begin(GAME.make_task(rng, Split.TRAIN, 0), 2)
        while movers := GAME.to_move(now):
            (seat,) = movers
            coded = seat == solver
            move = GAME.solve(now, seat, rng) if coded else rng.choice(GAME.moves(now, seat))
            now = GAME.act(now, seat, move)
        won += GAME.payoffs(now)[solver] == 1
    assert won >= 30


def test_a_lost_turn_is_the_worst_move() -> None:
    impossible = GAME.forfeit(at([1, 2], [3, 4], bid=[2, 5]), 0)["bid"]
    assert impossible[0] > 2, "its own dice show no such face, and the other has two"
    assert GAME.forfeit(at([1, 2], [3, 4], bid=[4, 6]), 0)["round"] == 1, "there is no higher bid"
