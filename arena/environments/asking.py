"""How an agent is asked a task; matches, the gate and training all ask this way."""

from arena.environments.base import Task


def build_messages(prompt: str, task: Task) -> list[dict[str, str]]:
    """The agent's prompt as the system turn, the task as the user's."""
    return [
        {"role": "system", "content": prompt},
        {"role": "user", "content": task.prompt},
    ]
