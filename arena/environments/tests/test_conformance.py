"""Every environment of ours keeps its promises, and the check sees those that are broken."""

from collections.abc import Mapping
from random import Random

import pytest

from arena.environments import ENVIRONMENTS
from arena.environments.base import IllegalTurn, Position, Score, Split, Task
from arena.environments.conformance import EPISODES, check
from arena.environments.games import base
from arena.environments.games.nim import Nim
from arena.environments.question import Question

SLOW = ("debate",)


@pytest.mark.parametrize(
    "slug",
    [
        pytest.param(slug, marks=pytest.mark.slow if slug in SLOW else ())
        for slug in sorted(ENVIRONMENTS)
    ],
)
def test_an_environment_of_ours_keeps_its_promises_in_a_thousand_episodes(slug: str) -> None:
    found = check(ENVIRONMENTS[slug], max_garbage_score=0.0)
    assert found.problems == []
    assert found.episodes == EPISODES == 1000


class Echo(Question):
    """Asks for a number, and accepts it."""

    slug = "echo"
    name = "Echo"
    max_task_chars = 40

    def make_task(self, rng: Random, split: Split, difficulty: int = 0) -> Task:
        number = rng.randrange(10**9)
        return Task("echo", f"Say {split} {number}.", {"number": number}, split)

    def score(self, task: Task, text: str) -> Score:
        passed = text == str(task.data["number"])
        return Score(float(passed), passed, ())

    def answer(self, task: Task, rng: Random) -> str:
        return str(task.data["number"])


class SameTasks(Echo):
    def make_task(self, rng: Random, split: Split, difficulty: int = 0) -> Task:
        return Task("echo", "Say 1.", {"number": 1}, split)


class Unrepeatable(Echo):
    drawn = 0

    def make_task(self, rng: Random, split: Split, difficulty: int = 0) -> Task:
        Unrepeatable.drawn += 1
        return Task("echo", f"Say {self.drawn}.", {"number": self.drawn}, split)


class Generous(Echo):
    def score(self, task: Task, text: str) -> Score:
        return Score(1.0, True, ())


class Lenient(Echo):
    def score(self, task: Task, text: str) -> Score:
        passed = text == str(task.data["number"])
        return Score(1.0 if passed else 0.3, passed, ())


class Unsolvable(Echo):
    def score(self, task: Task, text: str) -> Score:
        return Score(0.0, False, ())


class Raising(Echo):
    def score(self, task: Task, text: str) -> Score:
        raise ZeroDivisionError("by me")


class Tuples(Echo):
    def begin(self, task: Task, seats: int) -> Position:
        return {**super().begin(task, seats), "answers": (None,) * seats}


class InPlace(Echo):
    def act(self, position: Position, seat: int, text: str) -> Position:
        position["answers"][seat] = text
        return position


class Talkative(Echo):
    max_task_chars = 5


class Telltale(Echo):
    def observe(self, position: Position, seat: int) -> list[dict[str, str]]:
        return [{"role": "user", "content": str(sum(map(bool, position["answers"])))}]


class Endless(Echo):
    def to_move(self, position: Position) -> tuple[int, ...]:
        return (0,)


class Unlisted(Echo):
    def moves(self, position: Position, seat: int) -> tuple[str, ...]:
        return ("a",)

    def act(self, position: Position, seat: int, text: str) -> Position:
        if text:
            raise IllegalTurn("No.")
        return super().act(position, seat, text)


class Overpaid(Echo):
    def payoffs(self, position: Position) -> Mapping[int, float]:
        return dict.fromkeys(range(len(position["answers"])), 2.0)


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (SameTasks, "The splits train and heldout share a task."),
        (Unrepeatable, "The same seed gives different tasks."),
        (Generous, "The answer '' scores 1."),
        (Lenient, "The answer '' scores 0.3."),
        (Unsolvable, "The solution by code does not pass; it scores 0."),
        (Raising, "A task of the split train raised ZeroDivisionError: by me"),
        (Tuples, "A position is not made of JSON values."),
        (InPlace, "act changes the position that it is given."),
        (Talkative, "max_task_chars is 5."),
        (Telltale, "A seat is shown what another has chosen for the same moment."),
        (Endless, "An episode went on after turn_limit"),
        (Unlisted, "act refuses 'a', a move of its own: No."),
        (Overpaid, "A payoff is not in [0, 1]."),
    ],
)
def test_the_check_sees_a_broken_promise(broken: type[Question], problem: str) -> None:
    found = check(broken(), episodes=20, tasks=5)
    assert any(problem in each for each in found.problems), found.problems


def test_the_check_finds_nothing_in_a_sound_environment() -> None:
    assert check(Echo(), episodes=20, tasks=10).problems == []


class OneOpening(Nim):
    def opening(self, rng: Random, split: Split, difficulty: int) -> Position:
        return super().opening(Random(1), split, difficulty)


def test_a_game_with_too_few_openings_says_what_it_needs_and_ends_the_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(base, "MAX_DRAWS", 5)
    found = check(OneOpening(), episodes=20, tasks=20)
    assert any("opening() must draw from more positions." in each for each in found.problems)
    assert found.episodes == 0


def test_progress_is_told_up_to_the_last_task_and_episode() -> None:
    told: list[tuple[str, int, int]] = []
    check(Echo(), episodes=3, tasks=2, progress=lambda *how_far: told.append(how_far))
    tasks, episodes = len(Split) * 2, 3
    assert told == [
        *(("Tasks", done, tasks) for done in range(1, tasks + 1)),
        *(("Episodes", done, episodes) for done in range(1, episodes + 1)),
    ]
