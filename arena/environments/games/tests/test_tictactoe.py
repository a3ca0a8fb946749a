from random import Random

import pytest

from arena.environments.base import Position, Split
from arena.environments.games.tictactoe import TicTacToe, outcome

GAME = TicTacToe()


def at(board: str, *, turn: int = 0, reverse: bool = False) -> Position:
    return {"board": board, "turn": turn, "reverse": reverse, "passed": 0, "last": []}


def test_best_play_from_the_empty_board_is_a_draw_under_both_rules() -> None:
    assert outcome("." * 9, 0, False) == outcome("." * 9, 0, True) == 0


def test_the_move_that_wins_is_the_only_best_one_and_ends_the_game() -> None:
    position = at("XX.OO....")
    assert GAME.best_moves(position, 0) == ("3",)
    won = GAME.act(position, 0, "I play [3].")
    assert (GAME.to_move(won), GAME.payoffs(won)) == ((), {0: 1.0, 1: 0.0})
    assert GAME.view(won).last == ((0, 0), (0, 1), (0, 2))


def test_whoever_completes_a_line_loses_under_the_unseen_rule() -> None:
    position = at("XX.OO....", reverse=True)
    assert "3" not in GAME.best_moves(position, 0)
    assert GAME.payoffs(GAME.act(position, 0, "3")) == {0: 0.0, 1: 1.0}


def test_a_threat_must_be_stopped() -> None:
    task = GAME.position_task(at("OO.X...X."), 0, Split.TRAIN)
    assert GAME.score(task, "3").value == 1
    assert GAME.score(task, "5").value < 1


@pytest.mark.parametrize("text", ["1", "0", "10", "3 or 4"])
def test_a_taken_square_or_two_squares_are_refused_and_the_free_ones_named(text: str) -> None:
    task = GAME.position_task(at("XO......."), 0, Split.TRAIN)
    score = GAME.score(task, text)
    assert score.value == 0
    assert "Legal: 3, 4, 5, 6, 7, 8, 9." in score.checks[0].detail


def test_a_lost_turn_is_a_pass_and_two_in_a_row_are_a_draw() -> None:
    passed = GAME.forfeit(at("XO......."), 0)
    assert (passed["board"], GAME.to_move(passed)) == ("XO.......", (1,))
    played = GAME.act(passed, 1, "3")
    assert GAME.to_move(GAME.forfeit(played, 0)) == (1,)
    over = GAME.forfeit(passed, 1)
    assert (GAME.to_move(over), GAME.payoffs(over)) == ((), {0: 0.5, 1: 0.5})


def test_mirrored_and_turned_boards_count_as_one_task() -> None:
    boards = ("XO.......", ".OX......", "..X..O...", "......XO.", "X..O.....")
    assert len({str(GAME.likeness(at(board), 0)) for board in boards}) == 1
    assert GAME.likeness(at("X.O......"), 0) != GAME.likeness(at("XO......."), 0)
    wordings = GAME.wordings(GAME.position_task(at(boards[0]), 0, Split.TRAIN))
    assert len(wordings) == 8
    assert {GAME.describe(at(board), 0) for board in boards} <= wordings


def test_openings_are_drawn_with_best_play() -> None:
    for seed in range(30):
        for split in Split:
            position = GAME.make_task(Random(seed), split, seed % 2).data["position"]
            assert GAME.value(position, 0) == GAME.value(position, 1) == 0.5
            assert position["board"].count("X") == position["board"].count("O")
