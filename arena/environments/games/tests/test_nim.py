from functools import cache
from itertools import product

import pytest

from arena.environments.base import Position
from arena.environments.games.nim import Nim, mover_wins

GAME = Nim()


def at(*heaps: int, misere: bool = False) -> Position:
    return {"heaps": list(heaps), "turn": 0, "misere": misere, "last": ""}


@cache
def wins(heaps: tuple[int, ...], misere: bool) -> bool:
    """By trying every move."""
    if not any(heaps):
        return misere
    return any(
        not wins((*heaps[:at], left, *heaps[at + 1 :]), misere)
        for at, size in enumerate(heaps)
        for left in range(size)
    )


@pytest.mark.parametrize("misere", [False, True])
def test_the_value_by_nim_sums_is_the_value_by_search(misere: bool) -> None:
    for heaps in product(range(5), repeat=3):
        assert mover_wins(heaps, misere=misere) == wins(heaps, misere)


def test_the_best_move_of_textarenas_heaps_is_found() -> None:
    assert GAME.best_moves(at(3, 4, 5), 0) == ("A2",)


def test_a_heap_and_a_number_are_a_move() -> None:
    after = GAME.act(at(3, 4, 5), 0, "I take 2 from A: [A 2]")
    assert (after["heaps"], after["turn"], after["last"]) == ([1, 4, 5], 1, "A2")


def test_whoever_takes_the_last_object_wins_or_in_misere_loses() -> None:
    assert GAME.payoffs(GAME.act(at(0, 2), 0, "B2")) == {0: 1.0, 1: 0.0}
    assert GAME.payoffs(GAME.act(at(0, 2, misere=True), 0, "B2")) == {0: 0.0, 1: 1.0}


def test_a_lost_turn_is_the_worst_move() -> None:
    assert GAME.best_moves(at(3, 4, 5), 0) == ("A2",)
    assert GAME.forfeit(at(3, 4, 5), 0)["heaps"] == [2, 4, 5]
    assert GAME.forfeit(at(0, 0, 2), 0)["heaps"] == [0, 0, 1]
    assert GAME.forfeit(at(0, 0, 2, misere=True), 0)["heaps"] == [0, 0, 0]
