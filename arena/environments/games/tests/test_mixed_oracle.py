"""textarena plays the same moves as our games that are not zero-sum, and counts the same.

Its rewards only say who won; what is compared is what it counts before that.
"""

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from arena.environments.base import Position, Split
from arena.environments.games.auction import SealedBidAuction, profit
from arena.environments.games.negotiation import SimpleNegotiation, change
from arena.environments.games.prisoners import IteratedPrisonersDilemma, points
from arena.environments.games.public_goods import PublicGoods, earned
from arena.environments.games.simultaneous import Simultaneous
from arena.environments.games.tests.test_oracle import EPISODES, global_random_restored

__all__ = ["global_random_restored"]
pytestmark = pytest.mark.usefixtures("global_random_restored")


def make_env(name: str, *, players: int, seed: int, **options: Any) -> Any:
    import textarena  # noqa: PLC0415 it loads for seconds, and nobody else needs it

    env = textarena.make(name, **options)
    env.reset(num_players=players, seed=seed)
    return env


def rounds_of(game: Simultaneous, rng: Random) -> Iterator[tuple[Position, list[str]]]:
    """Each round of a random game: the position before it, and what every seat chooses."""
    now = game.begin(
        game.make_task(rng, Split.TRAIN, rng.randrange(game.difficulty_count)),
        rng.randint(game.seats.fewest, game.seats.most),
    )
    while movers := game.to_move(now):
        chosen = [rng.choice(game.moves(now, seat)) for seat in movers]
        yield now, chosen
        for seat in movers:
            now = game.act(now, seat, chosen[seat])
    yield now, []


def winners(counts: dict[int, float]) -> set[int]:
    return {seat for seat, count in counts.items() if count == max(counts.values())}


def assert_same_winner(env: Any, payoffs: dict[int, float]) -> None:
    rewards = dict(env.state.rewards)
    assert winners(rewards) == winners({seat: round(each, 9) for seat, each in payoffs.items()})


def test_points_of_prisoners_are_textarenas() -> None:
    game = IteratedPrisonersDilemma()
    for seed in range(EPISODES):
        env: Any = None
        for now, chosen in rounds_of(game, Random(seed)):
            if env is None:
                reward, temptation, sucker, punishment = now["points"]
                env = make_env(
                    "IteratedPrisonersDilemma-v0-raw", players=2, seed=seed,
                    num_rounds=now["rounds"], communication_turns=1, cooperate_reward=reward,
                    defect_reward=temptation, sucker_reward=sucker, mutual_defect_reward=punishment,
                )  # fmt: skip
            for text in ("hello", "hello") if chosen else ():
                env.step(text)
            for choice in chosen:
                env.step(f"[{choice}]")
        assert env.state.done
        assert env.state.game_state["scores"] == {seat: points(now, seat) for seat in (0, 1)}
        assert_same_winner(env, dict(game.payoffs(now)))


def test_tokens_of_public_goods_are_textarenas() -> None:
    game = PublicGoods()
    for seed in range(EPISODES):
        env: Any = None
        for now, chosen in rounds_of(game, Random(seed)):
            count = len(now["choices"])
            if env is None:
                env = make_env(
                    "PublicGoodsGame-v0-raw", players=count, seed=seed, num_players=count,
                    num_rounds=now["rounds"], communication_turns=1, endowment=now["tokens"],
                    multiplication_factor=now["tenths"] * count / 10,
                )  # fmt: skip
            for text in ["{hello}"] * len(chosen):
                env.step(text)
            for choice in chosen:
                env.step(f"[{choice}]")
        assert env.state.done
        counted = env.state.game_state["total_scores"]
        assert counted == pytest.approx({seat: earned(now, seat) for seat in range(count)})


def test_profits_of_an_auction_are_textarenas() -> None:
    game = SealedBidAuction()
    compared = 0
    for seed in range(3 * EPISODES):
        now = game.begin(game.make_task(Random(seed), Split.TRAIN, seed % 3), 2)
        opening, rng = now, Random(seed)
        while movers := game.to_move(now):
            for seat in movers:
                most = min(10, len(game.moves(now, seat)) - 1)
                now = game.act(now, seat, str(rng.randint(0, most)))
        bids = [[int(made[seat]) for made in now["history"]] for seat in (0, 1)]
        if max(map(sum, bids)) > opening["coins"]:
            continue  # textarena's players bid for all lots at once, out of one purse
        compared += 1
        env = make_env(
            "SimpleBlindAuction-v0-raw", players=2, seed=seed, starting_capital=opening["coins"],
            num_items=len(opening["lots"]), conversation_rounds=1,
        )  # fmt: skip
        state = env.state.game_state
        state["player_item_values"] = {
            seat: {place: lot["worth"][seat] for place, lot in enumerate(opening["lots"])}
            for seat in (0, 1)
        }
        for text in ("hello", "hello"):
            env.step(text)
        for seat in (0, 1):
            placed = [f"[Bid on Item {lot}: {bid}]" for lot, bid in enumerate(bids[seat]) if bid]
            env.step(" ".join(placed) or "nothing")
        results = state["auction_results"]
        assert results["item_winners"] == {
            lot: winner for lot, (winner, _) in enumerate(now["sold"]) if winner is not None
        }
        for seat in (0, 1):
            assert results["player_profit"][seat] == profit(now, seat)
            lost = sum(bids[seat]) - results["player_spent"][seat]
            # Its net worth also takes the bids that lost.
            worth = opening["coins"] + profit(now, seat) - lost
            assert results["player_net_worth"][seat] == worth
    assert compared >= EPISODES


TEXTARENAS = {"wood": "Wheat", "stone": "Wood", "grain": "Sheep"}


def in_textarenas_words(move: str) -> str:
    if not move.startswith("offer"):
        return {"accept": "[Accept]", "reject": "[Deny]"}[move]
    _, give, given, _, get, got = move.split()
    return f"[Offer: {give} {TEXTARENAS[given]} -> {get} {TEXTARENAS[got]}]"


def test_changes_of_worth_by_trading_are_textarenas() -> None:
    game = SimpleNegotiation()
    for seed in range(EPISODES):
        rng = Random(seed)
        now = game.begin(game.make_task(rng, Split.TRAIN, seed % 2), 2)
        # It looks at the number of turns before it counts the newest one.
        turns = now["turns"] - 1
        env = make_env("SimpleNegotiation-v0-raw", players=2, seed=seed, max_turns=turns)
        state = env.state.game_state
        for seat in (0, 1):
            resources, values = state["player_resources"][seat], state["player_values"][seat]
            resources.update(dict.fromkeys(resources, 0))
            for place, good in enumerate(now["goods"]):
                resources[TEXTARENAS[good]] = now["held"][seat][place]
                values[TEXTARENAS[good]] = now["worth"][seat][place]
            state["inventory_value"][seat] = {"initial": now["start"][seat], "change": 0}
        while movers := game.to_move(now):
            assert env.state.current_player_id == movers[0]
            moves = game.moves(now, movers[0])
            accepts = moves[0] == "accept" and rng.random() < 0.5
            move = moves[0] if accepts else rng.choice(moves)
            done, _ = env.step(in_textarenas_words(move))
            now = game.act(now, movers[0], move)
        assert done
        counted = {seat: each["change"] for seat, each in state["inventory_value"].items()}
        assert counted == {seat: change(now, seat) for seat in (0, 1)}
        assert_same_winner(env, dict(game.payoffs(now)))
