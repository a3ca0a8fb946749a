"""textarena plays the same moves as our games that are not zero-sum, and counts the same.

Its rewards only say who won: that is compared, and what it counts before.
"""

from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from random import Random
from typing import Any

import pytest

from arena.environments.base import Position
from arena.environments.games.auction import SealedBidAuction, profit
from arena.environments.games.negotiation import SimpleNegotiation, change
from arena.environments.games.prisoners import IteratedPrisonersDilemma, points
from arena.environments.games.public_goods import PublicGoods, earned
from arena.environments.games.simultaneous import Simultaneous
from arena.environments.games.tests.test_oracle import EPISODES, PLAYED, global_random_restored

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
        game.make_task(rng, rng.choice(PLAYED), rng.randrange(game.difficulty_count)),
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
        assert_same_winner(env, dict(game.payoffs(now)))


class AuctionState:
    """What textarena's auction for three or more does with a state, whose own class it has outlived.

    It has no way to refuse a bid: none is refused here.
    """

    def __init__(self, num_players: int, game_state: dict[str, Any]) -> None:
        self.num_players, self.game_state = num_players, game_state
        self.rewards: dict[int, int] = {}

    def add_observation(self, **told: Any) -> None:
        """Nobody listens."""

    def set_winners(self, player_ids: list[int], reason: str) -> None:
        self.rewards = {seat: 1 if seat in player_ids else -1 for seat in range(self.num_players)}

    def set_draw(self, reason: str) -> None:
        self.rewards = dict.fromkeys(range(self.num_players), 0)


def auctioned(opening: Position, bids: list[list[int]], *, seed: int) -> Any:
    """textarena's env after all have bid for all lots at once, as its players do."""
    seats, lots = len(bids), opening["lots"]
    texts = [
        " ".join(f"[Bid on Item {lot}: {bid}]" for lot, bid in enumerate(made) if bid) or "nothing"
        for made in bids
    ]
    worth = {
        seat: {place: lot["worth"][seat] for place, lot in enumerate(lots)} for seat in range(seats)
    }
    rules = {"starting_capital": opening["coins"], "num_items": len(lots)}
    if seats == 2:
        env = make_env(
            "SimpleBlindAuction-v0-raw", players=2, seed=seed, conversation_rounds=1, **rules
        )
        env.state.game_state["player_item_values"] = worth
        for text in ("hello", "hello", *texts):
            env.step(text)
        return env
    env = import_module("textarena.envs.BlindAuction.env").BlindAuctionEnv(**rules)
    env.state = AuctionState(
        seats,
        {
            "item_names": [lot["name"] for lot in lots],
            "base_item_values": [lot["low"] for lot in lots],
            "player_item_values": worth,
            "remaining_capital": dict.fromkeys(range(seats), opening["coins"]),
            "player_bids": {seat: {} for seat in range(seats)},
        },
    )
    for seat, text in enumerate(texts):
        env._handle_bidding_action(seat, text)
    # With its results complete, it fails to name a winner who has bought nothing.
    with suppress(KeyError):
        env._determine_auction_results()
    return env


@pytest.mark.parametrize("seats", [2, 3, 4])
def test_profits_of_an_auction_are_textarenas(seats: int) -> None:
    game = SealedBidAuction()
    won_alone = tied = 0
    for seed in range(EPISODES):
        rng = Random(seed)
        now = game.begin(game.make_task(rng, PLAYED[seed % 2], seed // 2 % 3), seats)
        opening, coins = now, now["coins"]
        bids: list[list[int]] = [[] for _ in range(seats)]
        while movers := game.to_move(now):
            for seat in movers:
                # textarena's players bid for all lots at once, out of one purse.
                bids[seat].append(rng.randint(0, min(10, coins - sum(bids[seat]))))
                now = game.act(now, seat, str(bids[seat][-1]))
        env = auctioned(opening, bids, seed=seed)
        results = env.state.game_state["auction_results"]
        assert results["item_winners"] == {
            lot: winner for lot, (winner, _) in enumerate(now["sold"]) if winner is not None
        }
        payoffs = game.payoffs(now)
        most = coins + sum(lot["high"] for lot in opening["lots"])
        net_worth: dict[int, float] = {}
        for seat in range(seats):
            gain = results["player_profit"][seat]
            assert profit(now, seat) == gain
            assert payoffs[seat] == pytest.approx((coins + gain) / most)
            # Its net worth, by which it names the winner, also takes the bids that lost.
            lost = sum(bids[seat]) - results["player_spent"].get(seat, 0)
            net_worth[seat] = round(payoffs[seat] * most - lost)
        assert results["player_net_worth"] == net_worth
        if len(winners(net_worth)) > 1:
            tied += 1
            assert set(env.state.rewards.values()) == {0}
        elif env.state.rewards:
            won_alone += 1
            assert_same_winner(env, net_worth)
        else:
            assert winners(net_worth).isdisjoint(results["player_spent"])
    assert won_alone > EPISODES / 2
    assert tied


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
        now = game.begin(game.make_task(rng, PLAYED[seed % 2], seed // 2 % 2), 2)
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
