"""How an agent is asked a task; matches, the gate and training all ask this way."""

from collections.abc import Iterable
from random import Random

from agents.inference.moves import problem_with_choices
from arena.environments.base import Environment, Message, Split, Task, user_turn

# Tasks are English sentences, which tokenizers cut into longer pieces than these.
CHARS_PER_TOKEN = 2


def with_prompt(prompt: str, told: Iterable[Message]) -> list[Message]:
    """What a seat is told, after its agent's own prompt as the system turn."""
    return [{"role": "system", "content": prompt}, *told]


def build_messages(prompt: str, task: Task) -> list[Message]:
    """The task as an agent with this prompt is asked it."""
    return with_prompt(prompt, user_turn(task.prompt))


def moves_of(environment: Environment, task: Task) -> tuple[str, ...]:
    """The legal moves of the task's seat if the task is a position whose moves can be listed."""
    if not {"position", "seat"} <= task.data.keys():
        return ()
    return environment.moves(task.data["position"], task.data["seat"])


def problem_with_restricting(environment: Environment) -> str:
    """A sentence if a seat that moves first cannot choose among its legal moves; else empty."""
    task = environment.make_task(Random(0), Split.TRAIN)
    opening = environment.begin(task, environment.seats.fewest)
    for seat in environment.to_move(opening):
        moves = environment.moves(opening, seat)
        if not moves:
            return f"{environment.name} has no list of legal moves to choose from."
        if problem := problem_with_choices(moves):
            return f"The moves of {environment.name} cannot be restricted. {problem}"
    return ""


def exchange_tokens(environment: Environment, *, max_tokens: int) -> int:
    """Tokens of the environment's longest task and of an answer of `max_tokens`, at most."""
    return environment.max_task_chars // CHARS_PER_TOKEN + max_tokens
