"""textarena plays the same moves as our rules and gives the same reward, on 200 episodes a game.

textarena's reward r in [-1, 1] is our payoff (1 + r) / 2.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from arena.environments.base import Position, Split
from arena.environments.games.base import Game
from arena.environments.games.tictactoe import TicTacToe

EPISODES = 200


@dataclass(frozen=True)
class Oracle:
    """How an episode of ours is played by textarena. Its player 0 is our seat 0."""

    game: Game
    variant: Split
    env: str
    options: Callable[[Position], dict[str, Any]]  # of textarena's env
    setup: Callable[[Any, Position], None]  # puts textarena's state into our opening
    action: Callable[[Position, str], str]  # our move in textarena's words


def _set_tictactoe(state: Any, position: Position) -> None:
    marks = {"X": "O", "O": "X", ".": ""}  # textarena's player 0 has O
    board = [marks[mark] for mark in position["board"]]
    state.game_state["board"] = [board[row : row + 3] for row in (0, 3, 6)]


ORACLES = (
    Oracle(
        TicTacToe(),
        Split.TRAIN,
        "TicTacToe-v0-raw",
        lambda position: {},
        _set_tictactoe,
        lambda position, move: f"[{int(move) - 1}]",
    ),
)


@pytest.fixture
def global_random_restored() -> Iterator[None]:
    """textarena draws from Python's global random source, which it seeds."""
    state = random.getstate()
    yield
    random.setstate(state)


@pytest.mark.usefixtures("global_random_restored")
@pytest.mark.parametrize("oracle", ORACLES, ids=lambda oracle: f"{oracle.env}-{oracle.variant}")
def test_payoffs_are_textarenas_rewards(oracle: Oracle) -> None:
    import textarena  # noqa: PLC0415 it loads for seconds, and nobody else needs it

    game = oracle.game
    for seed in range(EPISODES):
        rng = Random(seed)
        now = game.opening(rng, oracle.variant, rng.randrange(game.difficulty_count))
        env = textarena.make(oracle.env, **oracle.options(now))
        env.reset(num_players=game.seats.fewest, seed=seed)
        oracle.setup(env.state, now)
        done = not game.to_move(now)
        while not done:
            (seat,) = game.to_move(now)
            assert env.state.current_player_id == seat
            move = rng.choice(game.moves(now, seat))
            done, _ = env.step(oracle.action(now, move))
            now = game.act(now, seat, move)
            assert done == (not game.to_move(now))
        assert not any(info["invalid_move"] for info in env.state.game_info.values())
        expected = {seat: (1 + reward) / 2 for seat, reward in env.state.rewards.items()}
        assert game.payoffs(now) == pytest.approx(expected)
