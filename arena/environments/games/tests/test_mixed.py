"""Games that are not zero-sum: choices at once, what each move is worth, and how code plays."""

from collections.abc import Callable, Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arena.environments.base import IllegalTurn, Position, Split
from arena.environments.games.auction import SealedBidAuction, left, profit
from arena.environments.games.prisoners import COOPERATE, DEFECT, IteratedPrisonersDilemma, points
from arena.environments.games.public_goods import PublicGoods, earned
from arena.environments.games.simultaneous import Simultaneous
from arena.environments.games.tests.test_rules import MIXED, each_game, ids

DILEMMA, AUCTION, GOODS = IteratedPrisonersDilemma(), SealedBidAuction(), PublicGoods()
SIMULTANEOUS: tuple[Simultaneous, ...] = (DILEMMA, AUCTION, GOODS)
seeds = st.integers(0, 2**32)
simultaneous = st.sampled_from(SIMULTANEOUS)


def midgame(game: Simultaneous, rng: Random) -> Position:
    """Somewhere in a random game, before anybody has chosen in the current round."""
    difficulty = rng.randrange(game.difficulty_count)
    task = game.make_task(rng, rng.choice(list(Split)), difficulty)
    now = game.begin(task, rng.randint(game.seats.fewest, game.seats.most))
    for _ in range(rng.randrange(game.rounds(now))):
        for seat in game.to_move(now):
            lost = rng.random() < 0.1
            now = (
                game.forfeit(now, seat)
                if lost
                else game.act(now, seat, rng.choice(game.moves(now, seat)))
            )
    return now


# --- choices at once -------------------------------------------------------------------------


@given(simultaneous, seeds)
@settings(max_examples=60)
def test_in_which_order_seats_choose_does_not_matter(game: Simultaneous, seed: int) -> None:
    rng = Random(seed)
    now = midgame(game, rng)
    movers = list(game.to_move(now))
    chosen = {seat: rng.choice(game.moves(now, seat)) for seat in movers}
    lost = {seat for seat in movers if rng.random() < 0.2}

    def after(order: Sequence[int]) -> Position:
        position = now
        for seat in order:
            position = (
                game.forfeit(position, seat)
                if seat in lost
                else game.act(position, seat, chosen[seat])
            )
        return position

    shuffled = rng.sample(movers, len(movers))
    assert after(movers) == after(shuffled)


@given(simultaneous, seeds)
@settings(max_examples=60)
def test_nobody_is_shown_a_choice_of_this_round_or_gains_by_choosing_last(
    game: Simultaneous, seed: int
) -> None:
    rng = Random(seed)
    now = midgame(game, rng)
    last, *others = rng.sample(game.to_move(now), len(game.to_move(now)))
    position = now
    for seat in others:
        position = game.act(position, seat, rng.choice(game.moves(position, seat)))
    assert game.describe(position, last) == game.describe(now, last)
    assert game.moves(position, last) == game.moves(now, last)
    assert game.move_values(position, last) == game.move_values(now, last)
    assert game.to_move(position) == (last,)


@each_game
def test_an_episode_has_at_most_as_many_turns_as_the_environment_says(game: Simultaneous) -> None:
    for seed in range(100):
        rng = Random(seed)
        seats = rng.randint(game.seats.fewest, game.seats.most)
        split = list(Split)[seed % 3]
        now = game.begin(game.make_task(rng, split, seed % game.difficulty_count), seats)
        turns = 0
        while movers := game.to_move(now):
            for seat in movers:
                text = game.describe(now, seat)
                assert len(text.encode()) <= game.max_task_chars
                now = (
                    game.forfeit(now, seat)
                    if seed % 2
                    else game.act(now, seat, game.moves(now, seat)[-1])
                )
                turns += 1
        assert turns <= game.turn_limit
        assert set(game.payoffs(now)) == set(range(seats))
        assert all(0 <= payoff <= 1 for payoff in game.payoffs(now).values())


@pytest.mark.parametrize("game", MIXED, ids=ids)
def test_the_gate_finds_enough_tasks_that_no_match_uses(game: Simultaneous) -> None:
    rng = Random(1)
    prompts = {game.make_task(rng, Split.HELDOUT).prompt for _ in range(600)}
    assert len(prompts) >= 64


# --- the prisoner's dilemma ------------------------------------------------------------------


def make_dilemma(*history: tuple[str, str], rounds: int = 5) -> Position:
    return {
        "points": [3, 5, 0, 1],
        "rounds": rounds,
        "history": [list(made) for made in history],
        "choices": [None, None],
    }


def play_dilemma(other: Callable[[Position], str], *, rounds: int = 5) -> list[list[str]]:
    now = make_dilemma(rounds=rounds)
    while DILEMMA.to_move(now):
        theirs = other(now)
        now = DILEMMA.act(now, 0, DILEMMA.solve(now, 0, Random(1)))
        now = DILEMMA.act(now, 1, theirs)
    return list(now["history"])


def test_code_cooperates_with_its_like_until_the_last_round() -> None:
    assert play_dilemma(lambda now: DILEMMA.solve(now, 1, Random(1))) == [
        *[[COOPERATE, COOPERATE]] * 4,
        [DEFECT, DEFECT],
    ]


def test_code_answers_a_defection_in_kind_and_a_return_with_a_return() -> None:
    other = iter([COOPERATE, DEFECT, COOPERATE, COOPERATE, COOPERATE])
    own = [made[0] for made in play_dilemma(lambda now: next(other))]
    assert own == [COOPERATE, COOPERATE, DEFECT, COOPERATE, DEFECT]


def test_code_does_not_go_on_cooperating_with_somebody_who_never_does() -> None:
    own = [made[0] for made in play_dilemma(lambda now: DEFECT, rounds=8)]
    assert own.count(COOPERATE) <= 3
    assert own[:3] == [COOPERATE, DEFECT, DEFECT]


def test_code_defects_against_somebody_who_does_the_opposite_of_what_it_did() -> None:
    def other(now: Position) -> str:
        last = now["history"][-1][0] if now["history"] else COOPERATE
        return DEFECT if last == COOPERATE else COOPERATE

    own = [made[0] for made in play_dilemma(other, rounds=8)]
    assert own == [COOPERATE, *[DEFECT] * 7]


def test_code_forgives_somebody_who_has_long_answered_in_kind() -> None:
    now = make_dilemma(*[(COOPERATE, COOPERATE)] * 4, (COOPERATE, DEFECT), rounds=8)
    assert DILEMMA.solve(now, 0, Random(1)) == COOPERATE
    now = make_dilemma((COOPERATE, DEFECT), rounds=8)
    assert DILEMMA.solve(now, 0, Random(1)) == DEFECT


def test_a_seat_that_says_nothing_counts_as_cooperating_and_gets_no_points() -> None:
    now = make_dilemma(rounds=1)
    silent = DILEMMA.forfeit(DILEMMA.act(now, 1, "defect"), 0)
    assert (points(silent, 0), points(silent, 1)) == (0, 5)
    silent = DILEMMA.forfeit(DILEMMA.act(now, 1, "cooperate"), 0)
    assert (points(silent, 0), points(silent, 1)) == (0, 3)


def test_a_lost_turn_is_that_turn_only() -> None:
    now = make_dilemma(rounds=2)
    now = DILEMMA.act(DILEMMA.forfeit(now, 0), 1, "cooperate")
    assert DILEMMA.to_move(now) == (0, 1)
    now = DILEMMA.act(DILEMMA.act(now, 0, "[Cooperate]"), 1, "I will cooperate.")
    assert DILEMMA.payoffs(now) == {0: 3 / 10, 1: 6 / 10}


# --- public goods ----------------------------------------------------------------------------


def make_goods(*history: Sequence[int], rounds: int = 4, has_threshold: bool = False) -> Position:
    return {
        "tokens": 10,
        "tenths": 5,
        "rounds": rounds,
        "has_threshold": has_threshold,
        "history": [[str(given) for given in made] for made in history],
        "choices": [None] * 3,
    }


@pytest.mark.parametrize(
    ("history", "gives"),
    [
        ([], "10"),
        ([(10, 10, 10)], "10"),
        ([(10, 4, 6)], "5"),
        ([(10, 0, 0)], "0"),
        ([(0, 10, 10)], "10"),
        ([(10, 10, 10)] * 3, "0"),  # the last round
    ],
)
def test_code_gives_what_the_others_gave_and_nothing_in_the_last_round(
    history: list[tuple[int, ...]], gives: str
) -> None:
    assert GOODS.solve(make_goods(*history), 0, Random(1)) == gives


def test_a_token_given_pays_everybody_and_a_pot_that_is_too_small_nobody() -> None:
    assert [earned(make_goods((10, 4, 0)), seat) for seat in range(3)] == [7, 13, 17]
    below = make_goods((10, 4, 0), has_threshold=True)
    assert [earned(below, seat) for seat in range(3)] == [0, 6, 10]
    enough = make_goods((10, 5, 0), has_threshold=True)
    assert [earned(enough, seat) for seat in range(3)] == [7.5, 12.5, 17.5]


def test_a_seat_that_says_nothing_gives_nothing_and_loses_the_tokens_of_the_round() -> None:
    now = make_goods(rounds=1)
    now = GOODS.forfeit(GOODS.act(GOODS.act(now, 0, "10"), 2, "give [4]"), 1)
    assert [earned(now, seat) for seat in range(3)] == [7, 7, 13]


# --- the auction -----------------------------------------------------------------------------


def make_auction(*, seats: int = 2, is_second_price: bool = False) -> Position:
    lots = [
        {"name": name, "low": 6, "high": 14, "worth": [10, 8, 12, 6]} for name in ("vase", "ring")
    ]
    return {
        "coins": 20,
        "lots": lots,
        "is_second_price": is_second_price,
        "sold": [],
        "history": [],
        "choices": [None] * seats,
    }


def bid(position: Position, *bids: int) -> Position:
    for seat, coins in enumerate(bids):
        position = AUCTION.act(position, seat, f"I bid {coins}")
    return position


def test_the_highest_bid_wins_and_a_tie_of_the_highest_sells_nothing() -> None:
    now = bid(make_auction(seats=3), 7, 5, 6)
    assert [profit(now, seat) for seat in range(3)] == [3, 0, 0]
    assert [left(now, seat) for seat in range(3)] == [13, 20, 20]
    now = bid(now, 4, 9, 9)
    assert [profit(now, seat) for seat in range(3)] == [3, 0, 0]


def test_unseen_auctions_take_the_second_highest_bid() -> None:
    now = bid(make_auction(is_second_price=True), 9, 4)
    assert (profit(now, 0), left(now, 0)) == (6, 16)


def test_nobody_bids_more_than_there_is_left() -> None:
    now = bid(make_auction(), 15, 0)
    assert AUCTION.moves(now, 0)[-1] == "5"
    with pytest.raises(IllegalTurn):
        AUCTION.act(now, 0, "6")


@pytest.mark.parametrize("seats", [2, 3, 4])
def test_code_bids_more_for_what_is_worth_more_and_less_than_that(seats: int) -> None:
    now = make_auction(seats=seats)
    bids = {
        now["lots"][0]["worth"][seat]: int(AUCTION.solve(now, seat, Random(1)))
        for seat in range(seats)
    }
    assert [bids[worth] for worth in sorted(bids)] == sorted(bids.values())
    assert all(bid <= worth for worth, bid in bids.items())
    assert bids[10] < 10


@pytest.mark.parametrize("seats", [2, 3, 4])
def test_where_the_second_bid_is_paid_no_bid_is_better_than_the_worth(seats: int) -> None:
    values = AUCTION.move_values(make_auction(seats=seats, is_second_price=True), 0)
    assert values["10"] == pytest.approx(max(values.values()))


def test_a_seat_that_says_nothing_buys_nothing_in_that_round() -> None:
    silent = AUCTION.forfeit(make_auction(), 0)
    lost, waiting = (row.cells[0] for row in AUCTION.view(silent).rows)
    assert (lost.split(" (")[0], waiting.split("(")[0]) == ("no bid", ""), "one may still bid"
    now = AUCTION.act(silent, 1, "1")
    assert (profit(now, 0), profit(now, 1), left(now, 0)) == (0, 7, 20)
