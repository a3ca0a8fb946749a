"""textarena plays the same moves as our rules and gives the same reward, on 200 episodes a game.

textarena's reward r in [-1, 1] is our payoff (1 + r) / 2. Its reward for Kuhn poker says only who has
more chips: there r is the chips that textarena counts, as a share of the most that can be won.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from arena.environments.base import Position, Split
from arena.environments.games.base import Game
from arena.environments.games.connectfour import ROWS, ConnectFour
from arena.environments.games.kuhnpoker import KuhnPoker
from arena.environments.games.liarsdice import LiarsDice
from arena.environments.games.nim import Nim
from arena.environments.games.tictactoe import TicTacToe

EPISODES = 200
PLAYED = (Split.TRAIN, Split.HELDOUT)  # of one kind of task


@dataclass(frozen=True)
class Oracle:
    """How an episode of ours is played by textarena."""

    game: Game
    variant: tuple[Split, ...]  # an episode draws its task from one of them
    env: str
    options: Callable[[Position], dict[str, Any]]  # of textarena's env
    action: Callable[[Position, str], str]  # our move in textarena's words
    setup: Callable[[Any, Position], None] = lambda env, position: None  # puts it into our opening
    before: Callable[[Any, Position, str], None] = lambda env, position, move: None  # each move
    reward: Callable[[Any, Position], dict[int, float]] = lambda env, position: env.state.rewards
    first: int = 0  # textarena's player who is our seat 0


def _begin_tictactoe(env: Any, position: Position) -> None:
    marks = {"X": "O", "O": "X", ".": ""}  # textarena's player 0 has O
    board = [marks[mark] for mark in position["board"]]
    env.state.game_state["board"] = [board[row : row + 3] for row in (0, 3, 6)]


def _begin_connectfour(env: Any, position: Position) -> None:
    for number, column in enumerate(position["columns"]):
        for row, mark in enumerate(column):
            env.state.game_state["board"][ROWS - 1 - row][number] = mark


def _before_kuhnpoker(env: Any, position: Position, move: str) -> None:
    """Deals our cards, and pays a bet into the pot: textarena says that it does, but forgets to."""
    state, hand = env.state.game_state, len(position["played"])
    ranks = [position["deck"].index(card) for card in position["cards"][hand]]
    state["player_cards"] = {1: ranks[0], 0: ranks[1]}
    if move in {"bet", "call"}:
        state["player_chips"][env.state.current_player_id] -= 1
        state["pot"] += 1


def _chips_of_kuhnpoker(env: Any, position: Position) -> dict[int, float]:
    """The chips won, as a share of the most that can be won."""
    most = 2 * len(position["cards"])
    chips = env.state.game_state["player_chips"]
    # When the game is over, textarena takes the ante of one more hand.
    return {player: (chips[player] + 1) / most for player in (0, 1)}


def _begin_liarsdice(env: Any, position: Position) -> None:
    number, face = position["bid"]
    env.state.game_state["current_bid"] = {"quantity": number, "face_value": face}
    env.state.game_state["last_bidder_id"] = 1


def _before_liarsdice(env: Any, position: Position, move: str) -> None:
    counts = {seat: len(hand) for seat, hand in enumerate(position["dice"])}
    assert env.state.game_state["remaining_dice"] == counts
    env.state.game_state["dice_rolls"] = dict(enumerate(position["dice"]))


def _liarsdice_action(position: Position, move: str) -> str:
    return "[Call]" if move == "call" else f"[Bid: {move.replace('x', ', ')}]"


def _size_of_connectfour(position: Position) -> dict[str, Any]:
    return {"num_rows": ROWS, "num_cols": len(position["columns"])}


ORACLES = (
    Oracle(
        TicTacToe(),
        PLAYED,
        "TicTacToe-v0-raw",
        options=lambda position: {},
        action=lambda position, move: f"[{int(move) - 1}]",
        setup=_begin_tictactoe,
    ),
    *(
        Oracle(
            ConnectFour(),
            variant,
            "ConnectFour-v0-raw",
            options=_size_of_connectfour,
            action=lambda position, move: f"[col {int(move) - 1}]",
            setup=_begin_connectfour,
        )
        for variant in (PLAYED, (Split.UNSEEN,))
    ),
    Oracle(
        Nim(),
        PLAYED,
        "Nim-v0-raw",
        options=lambda position: {"piles": position["heaps"]},
        action=lambda position, move: f"[{'ABCD'.index(move[0])} {move[1:]}]",
    ),
    Oracle(
        KuhnPoker(),
        PLAYED,
        "KuhnPoker-v0-raw",
        options=lambda position: {"max_rounds": len(position["cards"])},
        action=lambda position, move: f"[{move}]",
        before=_before_kuhnpoker,
        reward=_chips_of_kuhnpoker,
        first=1,
    ),
    Oracle(
        LiarsDice(),
        PLAYED,
        "LiarsDice-v0-raw",
        options=lambda position: {"num_dice": len(position["dice"][0])},
        action=_liarsdice_action,
        setup=_begin_liarsdice,
        before=_before_liarsdice,
    ),
)


@pytest.fixture
def global_random_restored() -> Iterator[None]:
    """textarena draws from Python's global random source, which it seeds."""
    state = random.getstate()
    yield
    random.setstate(state)


@pytest.mark.usefixtures("global_random_restored")
@pytest.mark.parametrize("oracle", ORACLES, ids=lambda oracle: f"{oracle.env}-{oracle.variant[0]}")
def test_payoffs_are_textarenas_rewards(oracle: Oracle) -> None:
    import textarena  # noqa: PLC0415 it loads for seconds, and nobody else needs it

    game = oracle.game
    for seed in range(EPISODES):
        rng = Random(seed)
        split = oracle.variant[seed % len(oracle.variant)]
        task = game.make_task(rng, split, rng.randrange(game.difficulty_count))
        now = game.begin(task, 2)
        env = textarena.make(oracle.env, **oracle.options(now))
        env.reset(num_players=2, seed=seed)
        oracle.setup(env, now)
        done = not game.to_move(now)
        while not done:
            (seat,) = game.to_move(now)
            assert env.state.current_player_id == seat ^ oracle.first
            move = rng.choice(game.moves(now, seat))
            oracle.before(env, now, move)
            done, _ = env.step(oracle.action(now, move))
            now = game.act(now, seat, move)
            assert done == (not game.to_move(now))
        assert not any(info["invalid_move"] for info in env.state.game_info.values())
        payoffs = {seat ^ oracle.first: payoff for seat, payoff in game.payoffs(now).items()}
        for player, reward in oracle.reward(env, now).items():
            assert payoffs[player] == pytest.approx((1 + reward) / 2)
            # Above a half is who has won, by textarena's own reward.
            assert (payoffs[player] > 0.5) == (env.state.rewards[player] > 0)
