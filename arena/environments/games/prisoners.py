"""The iterated prisoner's dilemma as textarena's IteratedPrisonersDilemma-v0 plays it. Pure.

Left out is textarena's talk before each choice. A payoff is a seat's points over the most that it
could get; textarena counts the same points, and then only names the one with more of them winner.
The points and the number of rounds are drawn. Unseen is the game of chicken, in which it is worst
if both defect. A seat that loses its turn counts as cooperating, as in textarena, but gets no
points in that round.

What a move is worth: the seat believes that the other answers in kind (tit for tat) in a share of
the rounds and does the opposite in the others. It learns the share from the other's choices so far,
beginning with four fifths. For that share the value of a move is exact. So in a dilemma code
cooperates as long as it pays, also with somebody who errs at times; it defects against somebody
whose choices do not follow its own, and in the last round.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from random import Random

from arena.environments.base import Position, Seats, Split, TableRow, TableView
from arena.environments.games.simultaneous import LOST, Simultaneous

COOPERATE, DEFECT = MOVES = ("cooperate", "defect")
ROUNDS = ((3, 4), (5, 6), (7, 8))  # at each difficulty
MOST_POINTS = 10
KIND_BEFORE, ROUNDS_BEFORE = 2.0, 2.5  # what it believes at first counts as so many rounds

# For cooperating with each other, defecting alone, cooperating alone, defecting both.
Points = tuple[int, int, int, int]


class IteratedPrisonersDilemma(Simultaneous):
    """Position: {"points": of `Points`, "rounds", "history", "choices"}."""

    slug = "prisoners_dilemma"
    name = "Prisoner's dilemma"
    max_task_chars = 490
    seats = Seats(2, 2)
    turn_limit = 16
    difficulty_count = len(ROUNDS)

    def opening(self, rng: Random, split: Split, difficulty: int) -> Position:
        points = rng.choice(_CHICKEN if split is Split.UNSEEN else _DILEMMAS)
        rounds = rng.choice(ROUNDS[difficulty])
        return {"points": list(points), "rounds": rounds, "history": [], "choices": [None, None]}

    def rounds(self, position: Position) -> int:
        return position["rounds"]  # type: ignore[no-any-return]

    def describe(self, position: Position, seat: int) -> str:
        reward, temptation, sucker, punishment = position["points"]
        past = "; ".join(f"{made[seat]}, {made[1 - seat]}" for made in position["history"])
        return "\n".join(
            [
                (
                    f"Round {len(position['history']) + 1} of {position['rounds']}. You and another player "
                    "choose at the same time: cooperate or defect. Your points for a round:"
                ),
                f"both cooperate: {reward}",
                f"you defect, the other cooperates: {temptation}",
                f"you cooperate, the other defects: {sucker}",
                f"both defect: {punishment}",
                "Get as many points as you can.",
                f"So far (you, the other): {past or 'nothing'}.",
                "Answer with one word: cooperate or defect.",
            ]
        )

    def moves(self, position: Position, seat: int) -> tuple[str, ...]:
        return MOVES

    def resolved(self, position: Position, choices: Sequence[str]) -> Position:
        return position

    def payoffs(self, position: Position) -> Mapping[int, float]:
        return {seat: points(position, seat) / _most(position) for seat in (0, 1)}

    def view(self, position: Position) -> TableView:
        columns = [*position["history"], position["choices"]]
        columns = columns[: position["rounds"]]
        return TableView(
            head=(*(str(number + 1) for number in range(len(columns))), "points"),
            rows=tuple(
                TableRow(
                    seat, (*(made[seat] or "" for made in columns), str(points(position, seat)))
                )
                for seat in (0, 1)
            ),
            caption=f"{position['rounds']} rounds",
        )

    def choice_value(self, position: Position, seat: int, choice: str) -> float:
        table = _table(position)
        history = position["history"]
        last = _kept(history[-1][seat]) if history else COOPERATE
        left: int = position["rounds"] - len(history)
        expected = _expected(table, left, last, choice, _share_in_kind(history, seat))
        return (points(position, seat) + expected) / _most(position)


def points(position: Position, seat: int) -> int:
    """What the seat has got in the rounds that are over."""
    return sum(
        0 if made[seat] == LOST else _pay(_table(position), made[seat], _kept(made[1 - seat]))
        for made in position["history"]
    )


def _table(position: Position) -> Points:
    reward, temptation, sucker, punishment = position["points"]
    return reward, temptation, sucker, punishment


def _most(position: Position) -> int:
    rounds: int = position["rounds"]
    return rounds * max(_table(position))


def _kept(choice: str) -> str:
    """The choice as it counts for the other seat."""
    return COOPERATE if choice == LOST else choice


def _pay(table: Points, own: str, other: str) -> int:
    reward, temptation, sucker, punishment = table
    if own == COOPERATE:
        return reward if other == COOPERATE else sucker
    return temptation if other == COOPERATE else punishment


def _share_in_kind(history: Sequence[Sequence[str]], seat: int) -> float:
    """In which share of the rounds the other is believed to do what the seat did the round before.

    Before the first round the seat counts as having cooperated.
    """
    in_kind, told = KIND_BEFORE, ROUNDS_BEFORE
    last = COOPERATE
    for made in history:
        if made[1 - seat] != LOST:
            in_kind += made[1 - seat] == last
            told += 1
        last = _kept(made[seat])
    return in_kind / told


@lru_cache(maxsize=65_536)
def _expected(table: Points, left: int, last: str, own: str, in_kind: float) -> float:
    """The points of `left` rounds that begin with the choice `own`; `last` is the one before it."""
    cooperates = in_kind if last == COOPERATE else 1 - in_kind
    now = cooperates * _pay(table, own, COOPERATE) + (1 - cooperates) * _pay(table, own, DEFECT)
    if left == 1:
        return now
    return now + max(_expected(table, left - 1, own, then, in_kind) for then in MOVES)


_DILEMMAS: tuple[Points, ...] = tuple(
    (reward, temptation, sucker, punishment)
    for sucker in range(3)
    for punishment in range(sucker + 1, MOST_POINTS)
    for reward in range(punishment + 1, MOST_POINTS)
    for temptation in range(reward + 1, MOST_POINTS + 1)
    if 2 * reward > temptation + sucker
)
_CHICKEN: tuple[Points, ...] = tuple(
    (reward, temptation, sucker, punishment)
    for punishment in range(2)
    for sucker in range(punishment + 1, MOST_POINTS)
    for reward in range(sucker + 1, MOST_POINTS)
    for temptation in range(reward + 1, MOST_POINTS + 1)
)
