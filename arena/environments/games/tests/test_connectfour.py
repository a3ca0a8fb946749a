from random import Random

import pytest

from arena.environments.base import Position, Split
from arena.environments.games.bitboards import WON, grid
from arena.environments.games.connectfour import MARKS, ROWS, ConnectFour

GAME = ConnectFour()


def at(*columns: str, turn: int = 0) -> Position:
    return {"columns": list(columns), "turn": turn, "passed": 0, "last": []}


def outcome(position: Position, depth: int) -> int:
    """1 if the seat to move can force a win in so many moves, -1 if the other can, 0 otherwise."""
    if not GAME.to_move(position):
        return -1 if GAME.payoffs(position)[position["turn"]] == 0 else 0
    if not depth:
        return 0
    seat = position["turn"]
    return max(
        -outcome(GAME.act(position, seat, move), depth - 1) for move in GAME.moves(position, seat)
    )


def test_the_search_finds_the_wins_and_losses_that_trying_every_move_finds() -> None:
    board, found = grid(5, ROWS), set()
    for seed in range(60):
        now = GAME.opening(Random(seed), Split.UNSEEN, 0)
        own, other = board.boards(now["columns"], MARKS)
        if board.has_four(own) or board.has_four(other):
            continue
        score = board.search(own, other, 1)
        decided = (score >= WON) - (score <= -WON)
        # Depth 1 sees a win at once, and a loss in at most three moves.
        for depth in (1, 2):
            assert outcome(now, depth) in {decided, 0}
        assert not decided or outcome(now, 3) == decided
        found.add(decided)
    assert found == {-1, 0, 1}


def test_four_in_any_direction_win() -> None:
    upright = at("XXX", "OOO", "", "", "", "", "")
    sideways = at("X", "X", "X", "", "O", "O", "O")
    rising = at("X", "OX", "OOX", "OXO", "", "", "")
    falling = at("OXO", "OOX", "OX", "X", "", "", "")
    for position, move in ((upright, "1"), (sideways, "4"), (rising, "4"), (falling, "1")):
        won = GAME.act(position, 0, move)
        assert (GAME.to_move(won), GAME.payoffs(won)) == ((), {0: 1.0, 1: 0.0})
        assert GAME.best_moves(position, 0) == (move,) or position is upright


def test_the_coded_move_wins_at_once_and_stops_a_win() -> None:
    rng = Random(1)
    assert GAME.solve(at("XXX", "OOO", "", "", "", "", ""), 0, rng) == "1"
    assert GAME.solve(at("X", "OOO", "X", "", "", "", ""), 0, rng) == "2"


def test_a_value_that_the_search_does_not_decide_is_inside_zero_and_one() -> None:
    for seed in range(10):
        position = GAME.make_task(Random(seed), Split.TRAIN, 2).data["position"]
        value = GAME.value(position, 0)
        assert 0 < value < 1
        assert value + GAME.value(position, 1) == pytest.approx(1)


def test_what_the_search_decides_with_its_last_look_has_a_value_of_zero_or_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("arena.environments.games.connectfour.DEPTH", 0)
    # The other wins next, at one of two ends.
    lost = at("", "", "O", "O", "O", "", "", turn=0)
    assert (GAME.value(lost, 0), GAME.value(lost, 1)) == (0.0, 1.0)


def test_the_coded_seat_never_loses_to_random_moves_and_mostly_wins() -> None:
    """It looks only DEPTH moves ahead, so this is what is true of its opponents here, no proof."""
    payoffs = []
    for seed in range(60):
        rng, solver = Random(seed), seed % 2
        task = GAME.make_task(rng, list(Split)[seed % 3], seed % GAME.difficulty_count)
        now = GAME.begin(task, 2)
        while movers := GAME.to_move(now):
            (seat,) = movers
            coded = seat == solver
            move = GAME.solve(now, seat, rng) if coded else rng.choice(GAME.moves(now, seat))
            now = GAME.act(now, seat, move)
        payoffs.append(GAME.payoffs(now)[solver])
    assert min(payoffs) >= 0.5
    assert sum(payoffs) / len(payoffs) > 0.95


def test_a_full_column_is_no_move() -> None:
    assert GAME.moves(at("XOXOXO", "", "", "", "", "", ""), 0) == ("2", "3", "4", "5", "6", "7")


def test_a_lost_turn_is_a_pass_and_two_in_a_row_are_a_draw() -> None:
    passed = GAME.forfeit(at("X", "O", "", "", "", "", ""), 0)
    assert GAME.to_move(passed) == (1,)
    over = GAME.forfeit(passed, 1)
    assert (GAME.to_move(over), GAME.payoffs(over)) == ((), {0: 0.5, 1: 0.5})


def test_the_board_is_shown_with_its_newest_mark() -> None:
    view = GAME.view(GAME.act(at("X", "O", "", "", "", "", ""), 0, "1"))
    assert [row[0] for row in view.cells] == ["", "", "", "", "X", "X"]
    assert view.last == ((4, 0),)
