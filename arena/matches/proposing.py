"""What a match's tasks are drawn from, and what its answers tell about difficulties.

For the system: no page may know a secret before the match is over.
"""

from collections.abc import Sequence
from statistics import fmean

import structlog

from arena.environments import ENVIRONMENTS
from arena.environments.base import EnvironmentFault, Task
from arena.matches.events import MatchSeated, decode
from arena.matches.task_draws import TaskDraw
from arena.models import Completion, Match, MatchEvent, Rating, Space
from arena.spaces.committing import secret_of
from arena.spaces.proposals import GradedAnswer, difficulty_weights
from arena.spaces.ratings import Skill
from arena.spaces.tallies import difficulties_of, note_answers, tallies_of
from arena.states import CompletionStatus

log = structlog.get_logger(__name__)


def draw_of(match_id: int) -> TaskDraw:
    """The match's draw; its secret is empty if the match was seated before there were secrets."""
    first = MatchEvent.objects.get(match_id=match_id, seq=1)
    seating = decode(first.kind, first.payload)
    assert isinstance(seating, MatchSeated), "a match begins with its seating"
    return TaskDraw(seating, first.digest, secret_of(match_id))


def weights_for(space: Space, lineups_mus: Sequence[Sequence[float]]) -> list[tuple[float, ...]]:
    """For each lineup of agents of these ratings, how often each difficulty is drawn.

    () if there is only one.
    """
    count = difficulties_of(space.environment)
    if count == 1:
        return [()] * len(lineups_mus)
    tallies = tallies_of(space.pk, space.environment, count=count)
    return [difficulty_weights(tallies, fmean(mus) if mus else Skill().mu) for mus in lineups_mus]


def graded_answers(match_id: int) -> list[GradedAnswer]:
    """The match's answers by models, checked in code, if its tasks were of several difficulties.

    A seat that could not be served tells nothing, and neither does code that answers.
    """
    draw = draw_of(match_id)
    seating = draw.seating
    if not seating.difficulty_weights:
        return []
    mus = dict(
        Rating.objects.filter(
            space__matches=match_id, agent_id__in=[player.agent_id for player in seating.players]
        ).values_list("agent_id", "mu")
    )
    said = Completion.objects.filter(round__match_id=match_id, status=CompletionStatus.OK)
    rows = said.exclude(finish_reason="code").values_list(
        "round__number", "round__task", "seat__agent_id", "text"
    )
    try:
        environment = ENVIRONMENTS[seating.environment]
        return [
            GradedAnswer(
                draw.difficulty(number),
                mus.get(agent_id, Skill().mu),
                environment.score(Task.from_json(task), text).passed,
            )
            for number, task, agent_id, text in rows
        ]
    except EnvironmentFault as fault:
        # The match has been judged: it is paid, and only the curriculum learns nothing from it.
        log.warning("answers_not_graded", match_id=match_id, fault=str(fault))
        return []


def note_difficulties(match: Match, seating: MatchSeated, answers: Sequence[GradedAnswer]) -> None:
    """Let the Space learn from a match that settles, in the transaction of its settlement."""
    if answers:
        count = len(seating.difficulty_weights)
        note_answers(match.space_id, seating.environment, answers, count=count)
