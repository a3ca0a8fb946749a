"""What the tests of every family of free texts ask in the same way."""

import json
from collections.abc import Callable
from itertools import combinations
from random import Random

from arena.environments.base import Split, Task
from arena.environments.question import Question
from arena.environments.tests.test_reading import MAX_SECONDS, seconds


def check_splits(environment: Question, *, draws: int = 2000) -> None:
    """No two splits share a prompt, of whatever difficulty."""
    rng = Random(1)
    prompts = {
        split: {
            environment.make_task(rng, split, number % environment.difficulty_count).prompt
            for number in range(draws)
        }
        for split in Split
    }
    for one, other in combinations(Split, 2):
        assert not prompts[one] & prompts[other]


def check_repeats(environment: Question, seed: int, split: Split) -> None:
    """The same seed gives the same task and the same answer, also after a way through JSON."""
    task = environment.make_task(Random(seed), split)
    again = Task.from_json(json.loads(json.dumps(task.as_json())))
    assert again == task == environment.make_task(Random(seed), split)
    assert environment.answer(task, Random(seed)) == environment.answer(again, Random(seed))


def check_quick(score: Callable[[str], object], unit: str) -> None:
    """64 KiB of one thing are scored in a moment."""
    text = unit * (65_536 // len(unit.encode()))
    assert seconds(lambda: score(text)) < MAX_SECONDS
