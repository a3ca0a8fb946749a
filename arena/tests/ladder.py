"""A question of four difficulties, for tests: say a number back, which a level tells how."""

from random import Random

from arena.environments.base import Score, Split, Task
from arena.environments.question import Question

SLUG = "ladder"


class Ladder(Question):
    slug = SLUG
    name = "Ladder"
    max_task_chars = 40
    difficulty_count = 4

    def make_task(self, rng: Random, split: Split, difficulty: int = 0) -> Task:
        number = rng.randrange(10**9)
        prompt = f"Level {difficulty}: say {number}."
        return Task(f"level {difficulty}", prompt, {"number": number}, split)

    def score(self, task: Task, text: str) -> Score:
        passed = text == self.answer(task, Random(0))
        return Score(float(passed), passed, ())

    def answer(self, task: Task, rng: Random) -> str:
        return str(task.data["number"])


def answer_up_to(level: int, prompt: str) -> str:
    """What an agent says that solves tasks up to this level."""
    said, number = prompt.removeprefix("Level ").removesuffix(".").split(": say ")
    return number if int(said) <= level else "no idea"
