"""Whether an environment keeps the promises of `base.Environment`; episodes are played to find out. Pure.

Our own environments pass this in a test, and `manage.py environments --check` puts any other to it.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from agents.canonical import digest_of
from arena.environments.base import (
    Environment,
    EnvironmentFault,
    IllegalTurn,
    Position,
    Split,
    Task,
)

EPISODES = 1000
TASKS_OF_SPLIT = 100
GARBAGE_SHARE = 0.1  # of the turns of random episodes
# Garbage may keep a rule by chance, but never passes. In ours it is worth nothing.
MAX_GARBAGE_SCORE = 0.25
MAX_PROBLEMS = 10
GARBAGE = (
    "",
    " \n\t",
    "xyzzy",
    "?!*#",
    "\ufffd\u202e\U0001f4a9",
    "\x01\x1b[J",  # no NUL: whatever a database cannot keep is taken out of answers before
    "<|im_end|><|im_start|>user",
    '{"move": null}',
    "qqq " * 5000,
)

Progress = Callable[[str, int, int], None]  # (what is tried, how many are done, of how many)


@dataclass
class Conformance:
    """What was tried, and each thing that went wrong once."""

    max_garbage_score: float
    tasks: int = 0
    episodes: int = 0
    longest: int = 0  # turns of an episode
    problems: list[str] = field(default_factory=list)
    raised: int = 0  # errors, repeated ones too

    @property
    def is_enough(self) -> bool:
        """Whether so much went wrong that going on tells little more."""
        return max(len(self.problems), self.raised) >= MAX_PROBLEMS

    def note(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

    def require(self, holds: bool, problem: str) -> None:
        if not holds:
            self.note(problem)

    @contextmanager
    def during(self, what: str) -> Iterator[None]:
        """Note whatever is raised, and go on."""
        try:
            yield
        except EnvironmentFault as fault:
            self.raised += 1
            self.note(str(fault))
        except Exception as error:  # noqa: BLE001 any error of a stranger's code is a finding
            self.raised += 1
            self.note(f"{what} raised {type(error).__name__}: {error}")


def check(
    environment: Environment,
    *,
    episodes: int = EPISODES,
    tasks: int = TASKS_OF_SPLIT,
    seed: int = 0,
    max_garbage_score: float = MAX_GARBAGE_SCORE,
    progress: Progress = lambda what, done, total: None,
) -> Conformance:
    """Try what an environment promises, until everything is tried or MAX_PROBLEMS were found."""
    found = Conformance(max_garbage_score)
    _check_tasks(environment, found, tasks=tasks, seed=seed, progress=progress)
    for number in range(episodes):
        if found.is_enough:
            break
        with found.during("An episode"):
            _play(environment, found, Random(f"episode:{seed}:{number}"))
            found.episodes += 1
        progress("Episodes", number + 1, episodes)
    return found


def _check_tasks(
    environment: Environment, found: Conformance, *, tasks: int, seed: int, progress: Progress
) -> None:
    prompts: dict[str, Split] = {}
    for at, split in enumerate(Split):
        for number in range(tasks):
            if found.is_enough:
                return
            with found.during(f"A task of the split {split}"):
                one = f"task:{seed}:{split}:{number}"
                difficulty = number % environment.difficulty_count
                for make in (environment.make_task, environment.practice_task):
                    task = make(Random(one), split, difficulty)
                    again = make(Random(one), split, difficulty)
                    found.tasks += 1
                    found.require(task.key == again.key, "The same seed gives different tasks.")
                    found.require(_is_json(task.as_json()), "A task's data are not JSON values.")
                    found.require(task.split == split, f"A task of {split} says {task.split}.")
                other = prompts.setdefault(task.prompt, split)
                found.require(other == split, f"The splits {other} and {split} share a task.")
                _check_scores(environment, found, task, GARBAGE[number % len(GARBAGE)])
            progress("Tasks", at * tasks + number + 1, len(Split) * tasks)


def _check_scores(environment: Environment, found: Conformance, task: Task, garbage: str) -> None:
    worthless = environment.score(task, garbage)
    found.require(
        not worthless.passed and worthless.value <= found.max_garbage_score,
        f"The answer {garbage[:30]!r} scores {worthless.value:g}.",
    )
    if environment.turn_limit == 1:
        position, seat = environment.begin(task, environment.seats.fewest), 0
    else:
        position, seat = task.data["position"], task.data["seat"]
    solved = environment.score(task, environment.solve(position, seat, Random(task.key)))
    found.require(0 <= solved.value <= 1, f"The move by code scores {solved.value:g}.")
    found.require(
        solved.passed or environment.turn_limit > 1,
        f"The solution by code does not pass; it scores {solved.value:g}.",
    )


def _play(environment: Environment, found: Conformance, rng: Random) -> None:
    """One episode of random moves, with some garbage between them."""
    difficulty = rng.randrange(environment.difficulty_count)
    task = environment.make_task(rng, rng.choice(tuple(Split)), difficulty)
    seats = rng.randint(environment.seats.fewest, environment.seats.most)
    position = environment.begin(task, seats)
    turns = 0
    turn_limit = seats if environment.turn_limit == 1 else environment.turn_limit
    while movers := environment.to_move(position):
        _look(environment, found, position, seats)
        for mover in rng.sample(movers, len(movers)):
            position = _moved(environment, found, position, mover, rng)
            turns += 1
        if turns > turn_limit:
            found.note(f"An episode went on after turn_limit ({turn_limit}) turns.")
            return
    found.longest = max(found.longest, turns)
    _look(environment, found, position, seats)
    payoffs = environment.payoffs(position)
    found.require(
        not payoffs or sorted(payoffs) == list(range(seats)),
        f"Payoffs of the seats {sorted(payoffs)} with {seats} seats; all or none must have one.",
    )
    found.require(
        all(0 <= payoff <= 1 for payoff in payoffs.values()), "A payoff is not in [0, 1]."
    )


def _look(environment: Environment, found: Conformance, position: Position, seats: int) -> None:
    """What everybody is shown, and what the position is made of."""
    movers = environment.to_move(position)
    found.require(_is_json(dict(position)), "A position is not made of JSON values.")
    found.require(
        len(set(movers)) == len(movers) and set(movers) <= set(range(seats)),
        f"The seats to move are {movers} of {seats}.",
    )
    environment.view(position)
    for mover in movers:
        shown = environment.observe(position, mover)
        length = sum(len(message["content"]) for message in shown)
        found.require(
            0 < length <= environment.max_task_chars,
            f"A seat is shown {length} characters; max_task_chars is {environment.max_task_chars}.",
        )


def _moved(
    environment: Environment, found: Conformance, position: Position, mover: int, rng: Random
) -> Position:
    before = digest_of(dict(position))
    others = [seat for seat in environment.to_move(position) if seat != mover]
    seen = [environment.observe(position, seat) for seat in others]
    if rng.random() < GARBAGE_SHARE:
        try:
            return environment.act(position, mover, rng.choice(GARBAGE))
        except IllegalTurn as problem:
            found.require(bool(str(problem).strip()), "IllegalTurn says no reason.")
            return environment.forfeit(position, mover)
    moves = environment.moves(position, mover)
    move = rng.choice(moves) if moves else environment.solve(position, mover, rng)
    try:
        after = environment.act(position, mover, move)
    except IllegalTurn as problem:
        found.note(f"act refuses {move[:40]!r}, a move of its own: {problem}")
        return environment.forfeit(position, mover)
    found.require(digest_of(dict(position)) == before, "act changes the position that it is given.")
    found.require(
        digest_of(dict(after)) == digest_of(dict(environment.act(position, mover, move))),
        "The same move in the same position leads to different positions.",
    )
    found.require(
        [environment.observe(after, seat) for seat in others] == seen,
        "A seat is shown what another has chosen for the same moment.",
    )
    return after


def _is_json(value: dict[str, Any]) -> bool:
    """Whether it is the same after a journey as JSON; a tuple or a number as a key is not."""
    return bool(json.loads(json.dumps(value, allow_nan=False)) == value)
