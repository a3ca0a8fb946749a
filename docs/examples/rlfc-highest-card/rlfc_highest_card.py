"""Highest Card (Goofspiel): everybody plays one card for each prize, and the highest card wins it."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from random import Random

from arena.environments.base import (
    IllegalTurn,
    Message,
    Position,
    Score,
    Seats,
    Split,
    TableRow,
    TableView,
    Task,
    user_turn,
)
from judges.transcript import Check

CARDS = (3, 4, 5)  # in each hand, by difficulty
UNSEEN_CARDS = 6
HELDOUT_SHARE = 0.25
_NUMBER = re.compile(r"\d+")


class HighestCard:
    """An Environment of two to four seats, all of which move at once."""

    name = "Highest Card"
    max_task_chars = 700
    seats = Seats(2, 4)
    turn_limit = UNSEEN_CARDS * 4  # every seat plays every card
    difficulty_count = len(CARDS)

    def make_task(self, rng: Random, split: Split, difficulty: int = 0) -> Task:
        """An opening: the order of the prizes, for any number of seats."""
        cards = UNSEEN_CARDS if split == Split.UNSEEN else CARDS[difficulty]
        prizes = list(range(1, cards + 1))
        rng.shuffle(prizes)
        # The same orders are held out everywhere, so that no match ever plays them.
        while split != Split.UNSEEN and _is_held_out(prizes) != (split == Split.HELDOUT):
            rng.shuffle(prizes)
        return self._task(_first(prizes, seats=2), split)

    def practice_task(self, rng: Random, split: Split, difficulty: int = 0) -> Task:
        """A position somewhere in a random game, in which a seat has a choice."""
        position = self.make_task(rng, split, difficulty).data["position"]
        for _ in range(rng.randrange(len(position["prizes"]) - 1)):
            for seat in self.to_move(position):
                position = self.act(position, seat, rng.choice(self.moves(position, seat)))
        return self._task(position, split)

    def begin(self, task: Task, seats: int) -> Position:
        return _first(task.data["position"]["prizes"], seats=seats)

    def to_move(self, position: Position) -> tuple[int, ...]:
        if len(position["played"]) == len(position["prizes"]):
            return ()
        return tuple(seat for seat, card in enumerate(position["chosen"]) if card is None)

    def observe(self, position: Position, seat: int) -> list[Message]:
        return user_turn(self._describe(position, seat))

    def moves(self, position: Position, seat: int) -> tuple[str, ...]:
        return tuple(str(card) for card in _hand(position, seat))

    def act(self, position: Position, seat: int, text: str) -> Position:
        """The last number in the text is the card. A position is never changed, but copied."""
        hand = _hand(position, seat)
        numbers = _NUMBER.findall(text)
        if not numbers:
            raise IllegalTurn("Name one of your cards as a number.")
        if numbers[-1] not in map(str, hand):
            raise IllegalTurn(f"You do not hold {numbers[-1][:10]}; you hold {_listed(hand)}.")
        chosen = list(position["chosen"])
        chosen[seat] = int(numbers[-1])
        if None in chosen:
            return {**position, "chosen": chosen}
        return {
            **position,
            "played": [*position["played"], chosen],
            "chosen": [None] * len(chosen),
        }

    def forfeit(self, position: Position, seat: int) -> Position:
        """Who plays no card of the hand plays the lowest."""
        return self.act(position, seat, str(min(_hand(position, seat))))

    def payoffs(self, position: Position) -> dict[int, float]:
        """1 to who has the most points; shared by those who have equally many."""
        points = _points(position)
        winners = [seat for seat, count in enumerate(points) if count == max(points)]
        return {seat: (seat in winners) / len(winners) for seat in range(len(points))}

    def view(self, position: Position) -> TableView:
        points = _points(position)
        rounds = len(position["prizes"])
        rows = [
            TableRow(seat, (*_cells(position, seat), str(points[seat])))
            for seat in range(len(points))
        ]
        return TableView(
            head=(*(f"prize {prize}" for prize in position["prizes"]), "points"),
            rows=tuple(rows),
            caption=f"{len(position['played'])} of {rounds} prizes are decided.",
        )

    def solve(self, position: Position, seat: int, rng: Random) -> str:
        """The card that is worth as much as the prize, or else the nearest one."""
        prize = position["prizes"][len(position["played"])]
        return str(min(_hand(position, seat), key=lambda card: (abs(card - prize), card)))

    def score(self, task: Task, text: str) -> Score:
        """One move in the task's position: 1 for the coded one's card, less for others, 0 for none."""
        position, seat = task.data["position"], task.data["seat"]
        hand = _hand(position, seat)
        try:
            after = self.act(position, seat, text)
        except IllegalTurn as problem:
            return Score(0.0, False, (Check("legal", False, str(problem)),))
        (card,) = set(hand) - set(_hand(after, seat))
        best = int(self.solve(position, seat, Random(0)))
        value = 1 - abs(card - best) / len(position["prizes"])
        detail = f"plays {card}; {best} is worth the prize"
        return Score(value, card == best, (Check("worth the prize", card == best, detail),))

    def _task(self, position: Position, split: Split) -> Task:
        """For seat 0. The data of a game's task are a position and the seat that is to move."""
        kind = f"{len(position['prizes'])} cards"
        data = {"position": position, "seat": 0}
        return Task(kind, self._describe(position, 0), data, split)

    def _describe(self, position: Position, seat: int) -> str:
        number = len(position["played"])
        points = _points(position)
        others = [str(count) for other, count in enumerate(points) if other != seat]
        return (
            "Everybody plays one card for each prize. The highest card wins the prize; if two are "
            "highest, nobody wins it. The most points win the game.\n"
            f"The prizes, in their order: {_listed(position['prizes'])}. "
            f"Now it is prize number {number + 1}, worth {position['prizes'][number]}. "
            f"Your cards: {_listed(_hand(position, seat))}. You have {points[seat]} points, "
            f"the others {_listed(others)}.\n"
            "Answer with the number of one card."
        )


def _first(prizes: Sequence[int], *, seats: int) -> Position:
    """JSON values only: lists, not tuples, and no numbers as keys."""
    return {"prizes": list(prizes), "played": [], "chosen": [None] * seats}


def _hand(position: Position, seat: int) -> list[int]:
    played = {cards[seat] for cards in [*position["played"], position["chosen"]]}
    return [card for card in sorted(position["prizes"]) if card not in played]


def _points(position: Position) -> list[int]:
    points = [0] * len(position["chosen"])
    for prize, cards in zip(position["prizes"], position["played"], strict=False):
        if cards.count(max(cards)) == 1:
            points[cards.index(max(cards))] += prize
    return points


def _cells(position: Position, seat: int) -> tuple[str, ...]:
    played = [str(cards[seat]) for cards in position["played"]]
    hidden = len(position["prizes"]) - len(played)
    now = position["chosen"][seat]
    return (*played, *(["" if now is None else str(now)] if hidden else []), *[""] * (hidden - 1))


def _listed(items: Iterable[object]) -> str:
    return ", ".join(map(str, items))


def _is_held_out(prizes: Sequence[int]) -> bool:
    digest = hashlib.sha256(repr(prizes).encode()).hexdigest()
    return int(digest[:8], 16) < HELDOUT_SHARE * 2**32
