"""Reads the honest answers that agents gave in matches."""

from arena.environments import ENVIRONMENTS
from arena.environments.base import Task
from arena.models import Completion, Space
from arena.panels.attacks.suite import Honest
from arena.states import CompletionStatus

MAX_STORED = 400


def stored_answers(space_slug: str) -> list[Honest]:
    """The newest answers of a Space that its environment's checks pass, at most MAX_STORED.

    Without answers to tasks that other versions of the environment made.
    """
    space = Space.objects.filter(slug=space_slug).first()
    if space is None:
        return []
    environment = ENVIRONMENTS[space.environment]
    rows = (
        Completion.objects.filter(
            round__match__space=space,
            round__turn_limit=1,
            seat__is_practice=False,
            status=CompletionStatus.OK,
        )
        .order_by("-id")
        .values_list("round__task", "text")[:MAX_STORED]
    )
    answers = [(Task.from_json(task), text) for task, text in rows]
    return [(task, text) for task, text in answers if environment.score(task, text).passed]
