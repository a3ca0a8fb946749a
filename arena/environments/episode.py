"""One round as it is played: the rules of its environment, for the match's own seats. Pure.

A move that is not legal is a fact of the match: the seat is told why and tries once more, and then
its turn counts as the environment says. Replaying the recorded tries gives the same episode again.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from arena.environments.base import (
    Environment,
    EnvironmentFault,
    IllegalTurn,
    Message,
    Position,
    Split,
    Task,
    View,
)

TRIES_PER_TURN = 2  # an illegal move may be mended once
MAX_PROBLEM_CHARS = 200
SILENT = "The seat could not answer."
_ONCE_MORE = "That is not a legal move: {problem} Try once more."


@dataclass(frozen=True)
class Try:
    """What a seat said when it was to move."""

    seat: int  # of the match
    text: str | None  # None: its own request could not be served


@dataclass(frozen=True)
class Episode:
    """A position with its seats; `order` has the match's seats in the order in which they move."""

    environment: Environment
    position: Position
    order: tuple[int, ...]
    problems: tuple[tuple[int, str, str], ...] = ()  # (seat, text, why): those who try once more

    @classmethod
    def begin(cls, environment: Environment, task: Task, order: Sequence[int]) -> "Episode":
        return cls(environment, environment.begin(task, len(order)), tuple(order))

    def replayed(self, tries: Iterable[Try]) -> "Episode":
        """The episode after these recorded tries, in the order in which they were recorded.

        Raises EnvironmentFault if they do not follow from the rules, which a release may change.
        """
        episode = self
        for one in tries:
            if one.seat not in episode.to_move:
                name = self.environment.name
                raise EnvironmentFault(f"The rules of {name} have changed since this was played.")
            episode, _ = episode.after(one)
        return episode

    @property
    def to_move(self) -> tuple[int, ...]:
        """The match's seats that are to move now; () at the end. Raises EnvironmentFault."""
        return tuple(self._seat(role) for role in self.environment.to_move(self.position))

    def observe(self, seat: int) -> list[Message]:
        """What the seat is told now, with its illegal try if it has made one."""
        told = list(self.environment.observe(self.position, self._role(seat)))
        for other, text, problem in self.problems:
            if other == seat:
                told.append({"role": "assistant", "content": text})
                told.append({"role": "user", "content": _ONCE_MORE.format(problem=problem)})
        return told

    def asked(self, seat: int) -> dict[str, Any]:
        """The data of a task to move in this position; {} for a seat that tries once more."""
        if any(other == seat for other, _, _ in self.problems):
            return {}
        return {"position": dict(self.position), "seat": self._role(seat)}

    def moves(self, seat: int) -> tuple[str, ...]:
        return self.environment.moves(self.position, self._role(seat))

    def solve(self, seat: int, rng: Random) -> str:
        """A move by code."""
        return self.environment.solve(self.position, self._role(seat), rng)

    def after(self, one: Try) -> tuple["Episode", str]:
        """The episode after a try, and why the try was no legal move; "" if it was one."""
        role, problem = self._role(one.seat), SILENT
        others = tuple(each for each in self.problems if each[0] != one.seat)
        if one.text is not None:
            try:
                position = self.environment.act(self.position, role, one.text)
            except IllegalTurn as error:
                problem = str(error)[:MAX_PROBLEM_CHARS]
                is_first = len(others) == len(self.problems)
                if is_first and self.environment.turn_limit > 1:
                    noted = (*others, (one.seat, one.text, problem))
                    return replace(self, problems=noted), problem
            else:
                return replace(self, position=position, problems=others), ""
        position = self.environment.forfeit(self.position, role)
        return replace(self, position=position, problems=others), problem

    def payoffs(self) -> dict[int, float]:
        """By the match's seats, in [0, 1]; {} if only judges can tell."""
        payoffs = self.environment.payoffs(self.position)
        if payoffs and len(payoffs) != len(self.order):
            raise self._fault(f"pays {len(payoffs)} seats of {len(self.order)}")
        return {self._seat(role): value for role, value in sorted(payoffs.items())}

    def view(self) -> View:
        return self.environment.view(self.position)

    def _role(self, seat: int) -> int:
        return self.order.index(seat)

    def _seat(self, role: int) -> int:
        if role not in range(len(self.order)):
            raise self._fault(f"speaks of seat {role} of {len(self.order)}")
        return self.order[role]

    def _fault(self, what: str) -> EnvironmentFault:
        return EnvironmentFault(f"{self.environment.name} {what}.")


async def play_out(
    episode: Episode, ask: Callable[[Episode, tuple[int, ...]], Awaitable[Sequence[str | None]]]
) -> Episode:
    """The episode at its end. `ask` says what all the seats that are to move now answer, in order.

    Raises EnvironmentFault where the episode goes on after its last turn.
    """
    game = episode.environment
    turns = game.turn_limit if game.turn_limit > 1 else len(episode.order)
    tries = 0
    while movers := episode.to_move:
        for seat, text in zip(movers, await ask(episode, movers), strict=True):
            episode, _ = episode.after(Try(seat, text))
        tries += len(movers)
        if tries > TRIES_PER_TURN * turns:
            raise EnvironmentFault(f"{game.name} did not end after {turns} turns.")
    return episode


def openings(
    environment: Environment, *, seat_count: int, round_count: int, seed: str
) -> Iterator[Episode]:
    """Each round of a match as it begins, for seats from 0; same seed, same tasks.

    Every difficulty is as likely as the others.
    """
    for number in range(1, round_count + 1):
        opening = opening_number(number, seat_count=seat_count, turn_limit=environment.turn_limit)
        rng = Random(f"{seed}:{opening}")
        difficulty = rng.randrange(environment.difficulty_count)
        task = environment.make_task(rng, Split.TRAIN, difficulty)
        yield Episode.begin(environment, task, order_of(number, range(seat_count)))


def order_of(number: int, seats: Iterable[int]) -> tuple[int, ...]:
    """The order in which seats move in round `number`: each is first as often as the others."""
    line = sorted(seats)
    first = (number - 1) % len(line)
    return (*line[first:], *line[:first])


def opening_number(number: int, *, seat_count: int, turn_limit: int) -> int:
    """Which of the match's tasks round `number` plays.

    A game's opening is played once from each side, a question is asked once.
    """
    return number if turn_limit == 1 else 1 + (number - 1) // seat_count
