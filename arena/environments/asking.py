"""How an agent is asked a task; matches, the gate and training all ask this way."""

from arena.environments.base import Environment, Task

# Tasks are English sentences, which tokenizers cut into longer pieces than these.
CHARS_PER_TOKEN = 2


def build_messages(prompt: str, task: Task) -> list[dict[str, str]]:
    """The agent's prompt as the system turn, the task as the user's."""
    return [
        {"role": "system", "content": prompt},
        {"role": "user", "content": task.prompt},
    ]


def exchange_tokens(environment: Environment, *, max_tokens: int) -> int:
    """Tokens of the environment's longest task and of an answer of `max_tokens`, at most."""
    return environment.max_task_chars // CHARS_PER_TOKEN + max_tokens
