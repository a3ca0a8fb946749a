"""Kuhn poker as textarena's KuhnPoker-v0 plays it; unseen: with four cards instead of three. Pure.

Decks are any ranks, because only their order counts: an agent has to read its card's place. A
payoff says how many chips a seat has won, not only who has more as textarena's reward does: who
is not paid by chips should never fold. A lost turn checks, or folds if the other has bet.

The value of a move is exact: the chips that it brings on average in this hand against a seat that
plays an equilibrium, with later hands taken as even. The equilibrium of three cards is the middle
of Kuhn's family (1950), in which the first player bets with the lowest card with probability a in
[0, 1/3]; that of four was found by linear programming, and a test confirms that nothing beats it.

The coded seat plays the boldest equilibrium of that family instead (a = 1/3). Nothing beats that
either, and it wins more from who calls with the lowest card or folds too much. All its moves are
also best against the middle.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from random import Random

from arena.environments.base import Position, Seats, Split, TableRow, TableView
from arena.environments.games.base import Game
from arena.environments.games.reading import read_move

RANKS = range(1, 14)
HANDS = (1, 3, 5)  # of each difficulty
MOST_TURNS_OF_A_HAND = 3  # check, bet, call
MOST_CHIPS_OF_A_HAND = 2

_FREE, _BET = ("check", "bet"), ("call", "fold")  # the moves before and after a bet
_BOLD = {"bet", "call"}
# {cards: {what has been played: the probability of the bold move with each card, low to high}}
EQUILIBRIA: Mapping[int, Mapping[tuple[str, ...], tuple[float, ...]]] = {
    3: {
        (): (1 / 6, 0, 1 / 2),
        ("check",): (1 / 3, 0, 1),
        ("bet",): (0, 1 / 3, 1),
        ("check", "bet"): (0, 1 / 2, 1),
    },
    4: {
        (): (1 / 4, 0, 0, 3 / 4),
        ("check",): (1 / 2, 0, 1 / 2, 1),
        ("bet",): (0, 1 / 3, 2 / 3, 1),
        ("check", "bet"): (0, 1 / 4, 1, 1),
    },
}
# What the coded seat plays.
BOLDEST: Mapping[int, Mapping[tuple[str, ...], tuple[float, ...]]] = {
    **EQUILIBRIA,
    3: {**EQUILIBRIA[3], (): (1 / 3, 0, 1), ("check", "bet"): (0, 2 / 3, 1)},
}


class KuhnPoker(Game):
    """Position: {"deck": ranks, "cards": [[of seat 0, of seat 1] of each hand], "played", "history"}.

    "history" has the moves of this hand, "played" those of each earlier one. Seats take turns to
    begin a hand.
    """

    slug = "kuhnpoker"
    name = "Kuhn poker"
    max_task_chars = 460
    seats = Seats(2, 2)
    turn_limit = HANDS[-1] * MOST_TURNS_OF_A_HAND
    difficulty_count = len(HANDS)

    def opening(self, rng: Random, split: Split, difficulty: int) -> Position:
        deck = sorted(rng.sample(RANKS, 4 if split is Split.UNSEEN else 3))
        cards = [rng.sample(deck, 2) for _ in range(HANDS[difficulty])]
        return {"deck": deck, "cards": cards, "played": [], "history": []}

    def likeness(self, position: Position, seat: int) -> object:
        """The deck: the gate's tasks have decks of their own."""
        return position["deck"]

    def to_move(self, position: Position) -> tuple[int, ...]:
        hand = len(position["played"])
        return () if hand == len(position["cards"]) else ((hand + len(position["history"])) % 2,)

    def describe(self, position: Position, seat: int) -> str:
        deck, cards, hand = position["deck"], position["cards"], len(position["played"])
        chips, moves = chips_of(position, seat), self.moves(position, seat)
        so_far = f" So far you have {'won' if chips > 0 else 'lost'} {abs(chips)}." if chips else ""
        meaning = (
            "To bet puts 1 more chip in the pot, to check puts none."
            if moves == _FREE
            else "To call puts 1 more chip in the pot, and the cards are compared; to fold gives up "
            "the chip that you put in."
        )
        return (
            f"Kuhn poker. The deck is {', '.join(map(str, deck))}. You and the other got one card "
            "each, and each put 1 chip in the pot. The higher card wins the pot, unless one of you "
            "folds.\n"
            f"Hand {hand + 1} of {len(cards)}.{so_far}\n"
            f"Your card is {cards[hand][seat]}. {_told(position['history'])}\n"
            f"{meaning}\n"
            f"Answer with {' or '.join(moves)}."
        )

    def moves(self, position: Position, seat: int) -> tuple[str, ...]:
        return options(tuple(position["history"]))

    def act(self, position: Position, seat: int, text: str) -> Position:
        return _moved(position, read_move(text, self.moves(position, seat)))

    def forfeit(self, position: Position, seat: int) -> Position:
        free = self.moves(position, seat) == _FREE
        return _moved(position, "check" if free else "fold")

    def payoffs(self, position: Position) -> Mapping[int, float]:
        return {seat: _share(position, chips_of(position, seat)) for seat in (0, 1)}

    def view(self, position: Position) -> TableView:
        played = [*position["played"], position["history"]][: len(position["cards"])]
        cards = position["cards"][len(played) - 1]
        told = f": {', '.join(played[-1])}" if played[-1] else ""
        return TableView(
            head=("Card", "Chips won"),
            rows=tuple(
                TableRow(seat, (str(cards[seat]), str(chips_of(position, seat)))) for seat in (0, 1)
            ),
            caption=f"Hand {len(played)} of {len(position['cards'])}{told}.",
        )

    def value(self, position: Position, seat: int) -> float:
        return self._value(position, seat, tuple(position["history"]))

    def move_value(self, position: Position, seat: int, text: str) -> float:
        move = read_move(text, self.moves(position, seat))
        return self._value(position, seat, (*position["history"], move))

    def _value(self, position: Position, seat: int, history: tuple[str, ...]) -> float:
        """As the seat can know it: the other's card is as likely as its moves so far make it."""
        chips: float = chips_of(position, seat)
        if self.to_move(position):
            deck, hand = position["deck"], len(position["played"])
            rank = deck.index(position["cards"][hand][seat])
            player = (hand + seat) % 2
            chips += expected_chips(len(deck), player, rank, history)
        return _share(position, chips)

    def solve(self, position: Position, seat: int, rng: Random) -> str:
        """As the boldest equilibrium draws it."""
        best = self.best_moves(position, seat)
        deck, history = position["deck"], tuple(position["history"])
        rank = deck.index(position["cards"][len(position["played"])][seat])
        bold = BOLDEST[len(deck)][history][rank]
        weights = [bold if move in _BOLD else 1 - bold for move in best]
        return rng.choices(best, weights)[0] if any(weights) else rng.choice(best)


def options(history: tuple[str, ...]) -> tuple[str, ...]:
    """The legal moves after these moves of a hand; () at its end."""
    if history[-1:] == ("bet",):
        return _BET
    return _FREE if history in {(), ("check",)} else ()


def first_wins(history: Sequence[str], first_card: int, second_card: int) -> int:
    """The chips that a finished hand brings the player who began it; the other loses as many."""
    if history[-1] == "fold":
        return 1 if len(history) == 2 else -1
    stake = MOST_CHIPS_OF_A_HAND if history[-1] == "call" else 1
    return stake if first_card > second_card else -stake


def chips_of(position: Position, seat: int) -> int:
    """What the seat has won in the hands that are over; negative for a loss."""
    total = 0
    for hand, history in enumerate(position["played"]):
        first = hand % 2
        cards = position["cards"][hand]
        won = first_wins(history, cards[first], cards[1 - first])
        total += won if first == seat else -won
    return total


@cache  # two decks, two players, four cards and nine histories
def expected_chips(cards: int, player: int, rank: int, history: tuple[str, ...]) -> float:
    """The chips that a hand brings player 0 (who began it) or 1, the other being at equilibrium.

    The player's own later moves are its best ones.
    """
    others = [other for other in range(cards) if other != rank]
    weights = dict.fromkeys(others, 1.0)
    for at in range(1 - player, len(history), 2):
        for other in others:
            weights[other] *= _probability(cards, history[:at], other, history[at])
    return _weighed(cards, player, rank, history, weights) / sum(weights.values())


def _weighed(
    cards: int, player: int, rank: int, history: tuple[str, ...], weights: Mapping[int, float]
) -> float:
    """The sum of weight times chips over the other's cards."""
    moves = options(history)
    if not moves:
        won = {
            other: first_wins(history, *((rank, other) if player == 0 else (other, rank)))
            for other in weights
        }
        sign = 1 if player == 0 else -1
        return sign * sum(weight * won[other] for other, weight in weights.items())
    if len(history) % 2 == player:
        return max(_weighed(cards, player, rank, (*history, move), weights) for move in moves)
    total = 0.0
    for move in moves:
        reached = {
            other: weight * _probability(cards, history, other, move)
            for other, weight in weights.items()
        }
        total += _weighed(cards, player, rank, (*history, move), reached)
    return total


def _probability(cards: int, history: tuple[str, ...], rank: int, move: str) -> float:
    bold = EQUILIBRIA[cards][history][rank]
    return bold if move in _BOLD else 1 - bold


def _share(position: Position, chips: float) -> float:
    """Chips as a payoff: 0 if all that could be lost is lost, 1 if all is won."""
    return 0.5 + chips / (2 * MOST_CHIPS_OF_A_HAND * len(position["cards"]))


def _moved(position: Position, move: str) -> Position:
    history = [*position["history"], move]
    if options(tuple(history)):
        return {**position, "history": history}
    return {**position, "played": [*position["played"], history], "history": []}


def _told(history: Sequence[str]) -> str:
    match list(history):
        case []:
            return "You move first."
        case [only]:
            return "The other checked." if only == "check" else "The other bet."
        case _:
            return "You checked, then the other bet."
