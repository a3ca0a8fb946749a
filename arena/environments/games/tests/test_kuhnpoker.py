from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations, product
from random import Random
from typing import TypeAlias

import pytest

from arena.environments.base import Position, Split
from arena.environments.games.kuhnpoker import (
    BOLDEST,
    EQUILIBRIA,
    KuhnPoker,
    expected_chips,
    first_wins,
    options,
)

GAME = KuhnPoker()
# {(rank of the own card, what has been played): move}
Pure: TypeAlias = Mapping[tuple[int, tuple[str, ...]], str]


def at(*history: str, cards: Sequence[Sequence[int]] = ((2, 3),)) -> Position:
    return {
        "deck": [1, 2, 3],
        "cards": list(map(list, cards)),
        "played": [],
        "history": list(history),
    }


@pytest.mark.parametrize(("cards", "first"), [(3, -1 / 18), (4, -1 / 24)])
def test_nothing_beats_the_equilibrium_of_either_seat(cards: int, first: float) -> None:
    assert cards in EQUILIBRIA
    best = [
        sum(expected_chips(cards, player, rank, ()) for rank in range(cards)) / cards
        for player in (0, 1)
    ]
    assert best == [pytest.approx(first), pytest.approx(-first)]


def pure_strategies(player: int, cards: int) -> Iterator[Pure]:
    """Every way to play one player's part of a hand, which draws nothing."""
    told = [history for history in EQUILIBRIA[cards] if len(history) % 2 == player]
    known = list(product(range(cards), told))
    for moves in product(*(options(history) for _, history in known)):
        yield dict(zip(known, moves, strict=True))


def payoff_of_equilibrium(now: Position, seat: int, other: Pure) -> float:
    """What the seat can expect of a hand, by the game's own rules and payoffs."""
    movers = GAME.to_move(now)
    if not movers:
        return GAME.payoffs(now)[seat]
    (mover,), history = movers, tuple(now["history"])
    rank = now["deck"].index(now["cards"][0][mover])
    if mover != seat:
        return payoff_of_equilibrium(GAME.act(now, mover, other[rank, history]), seat, other)
    bold = EQUILIBRIA[len(now["deck"])][history][rank]
    expected = 0.0
    for move in GAME.moves(now, seat):
        chance = bold if move in ("bet", "call") else 1 - bold
        if chance:
            expected += chance * payoff_of_equilibrium(GAME.act(now, seat, move), seat, other)
    return expected


@pytest.mark.parametrize(("cards", "first"), [(3, -1 / 18), (4, -1 / 24)])
@pytest.mark.parametrize("seat", [0, 1])
def test_the_equilibrium_gets_the_games_value_from_every_pure_strategy(
    cards: int, first: float, seat: int
) -> None:
    deals = [
        {"deck": list(range(cards)), "cards": [list(deal)], "played": [], "history": []}
        for deal in permutations(range(cards), 2)
    ]
    value = 0.5 + (first if seat == 0 else -first) / 4
    worst = min(
        sum(payoff_of_equilibrium(deal, seat, other) for deal in deals) / len(deals)
        for other in pure_strategies(1 - seat, cards)
    )
    assert worst == pytest.approx(value)


@pytest.mark.parametrize(
    ("moves", "chips"),
    [
        (["check", "check"], -1),
        (["check", "bet", "fold"], -1),
        (["check", "bet", "call"], -2),
        (["bet", "fold"], 1),
        (["bet", "call"], -2),
    ],
)
def test_a_payoff_is_the_chips_won(moves: list[str], chips: int) -> None:
    now = at()
    for move in moves:
        (seat,) = GAME.to_move(now)
        now = GAME.act(now, seat, move)
    assert GAME.to_move(now) == ()
    assert GAME.payoffs(now) == {0: 0.5 + chips / 4, 1: 0.5 - chips / 4}


def test_seats_take_turns_to_begin_a_hand_and_the_prompt_says_what_was_won() -> None:
    now = at(cards=[(2, 3), (1, 3), (3, 1)])
    for move in ("bet", "call"):
        now = GAME.act(now, GAME.to_move(now)[0], move)
    assert GAME.to_move(now) == (1,)
    assert "Hand 2 of 3. So far you have won 2." in GAME.describe(now, 1)
    assert "Your card is 3. You move first." in GAME.describe(now, 1)
    assert "lost 2" in GAME.describe(now, 0)


def test_a_seat_is_shown_its_own_card_only_and_spectators_see_both() -> None:
    one, other = at("bet", cards=[(1, 2)]), at("bet", cards=[(3, 2)])
    assert GAME.describe(one, 1) == GAME.describe(other, 1)
    assert [row.cells[0] for row in GAME.view(one).rows] == ["1", "2"]


def test_the_value_of_a_move_does_not_depend_on_the_hidden_card() -> None:
    for move in ("call", "fold"):
        values = {GAME.move_value(at("bet", cards=[(card, 2)]), 1, move) for card in (1, 3)}
        assert len(values) == 1


def test_the_highest_card_calls_the_lowest_folds_and_the_middle_one_may_do_either() -> None:
    for card, best in ((1, ("fold",)), (2, ("call", "fold")), (3, ("call",))):
        assert GAME.best_moves(at("bet", cards=[(2 if card != 2 else 1, card)]), 1) == best


def test_the_coded_seat_bluffs_as_often_as_the_equilibrium_says() -> None:
    rng = Random(1)
    drawn = [GAME.solve(at("check", cards=[(2, 1)]), 1, rng) for _ in range(600)]
    assert drawn.count("bet") / len(drawn) == pytest.approx(1 / 3, abs=0.06)


def test_nothing_beats_what_the_coded_seat_plays_when_it_begins() -> None:
    """The seat that answers is at its best against it, with each card and after each move."""
    bets, calls = BOLDEST[3][()], BOLDEST[3]["check", "bet"]
    chips = 0.0
    for card in range(3):
        others = [other for other in range(3) if other != card]

        def mean(history: tuple[str, ...], chances: Sequence[float], card: int = card) -> float:
            return -sum(
                chances[other] * first_wins(history, other, card)
                for other in range(3)
                if other != card
            )

        checks = [1 - bet for bet in bets]
        called = [check * call for check, call in zip(checks, calls, strict=True)]
        folded = [check * (1 - call) for check, call in zip(checks, calls, strict=True)]
        after_bet = max(mean(("bet", answer), bets) for answer in ("call", "fold"))
        after_check = max(
            mean(("check", "check"), checks),
            mean(("check", "bet", "call"), called) + mean(("check", "bet", "fold"), folded),
        )
        chips += (after_bet + after_check) / (3 * len(others))
    assert chips == pytest.approx(1 / 18)


def test_all_that_the_coded_seat_plays_is_best() -> None:
    for history in EQUILIBRIA[3]:
        for card in (1, 2, 3):
            other = 1 if card != 1 else 2
            hand = (card, other) if len(history) % 2 == 0 else (other, card)
            now = at(*history, cards=[hand])
            seat = len(history) % 2
            bold = BOLDEST[3][history][card - 1]
            shares = {
                move: bold if move in {"bet", "call"} else 1 - bold
                for move in GAME.moves(now, seat)
            }
            played = {move for move, share in shares.items() if share}
            assert played <= set(GAME.best_moves(now, seat))


def test_a_lost_turn_checks_or_folds() -> None:
    assert GAME.forfeit(at(), 0)["history"] == ["check"]
    assert GAME.forfeit(at("bet"), 1)["played"] == [["bet", "fold"]]


def test_decks_of_the_unseen_variant_have_four_cards() -> None:
    for split, cards in ((Split.TRAIN, 3), (Split.HELDOUT, 3), (Split.UNSEEN, 4)):
        assert len(GAME.make_task(Random(1), split).data["position"]["deck"]) == cards
