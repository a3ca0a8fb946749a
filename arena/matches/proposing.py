"""What a match's tasks are drawn from, and what its answers tell about difficulties.

For the system: no page may know a secret before the match is over.
"""

from collections.abc import Sequence
from functools import partial
from statistics import fmean

import structlog
from django.db.models import Q

from arena.environments import ENVIRONMENTS
from arena.environments.base import Environment, EnvironmentFault, Task
from arena.environments.episode import opening_number
from arena.matches.events import MatchSeated, decode
from arena.matches.task_draws import TaskDraw
from arena.models import Completion, Match, MatchEvent, Rating, Space
from arena.spaces.committing import secret_of
from arena.spaces.proposals import GradedAnswer, difficulty_weights
from arena.spaces.ratings import Skill
from arena.spaces.tallies import difficulties_of, note_answers, tallies_of
from arena.states import BY_CODE, CompletionStatus

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
    """What the match's models made of its tasks, told by code, if those were of several difficulties.

    A seat that could not be served tells nothing, and neither does one for which code has answered.
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
    mu_of = {player.seat: mus.get(player.agent_id, Skill().mu) for player in seating.players}
    try:
        environment = ENVIRONMENTS[seating.environment]
        is_game = environment.turn_limit > 1
        told = _payoffs(match_id) if is_game else _passes(match_id, environment)
        task_number = partial(
            opening_number, seat_count=len(mu_of), turn_limit=environment.turn_limit
        )
        return [
            GradedAnswer(draw.difficulty(task_number(number)), mu_of[seat], solved)
            for number, seat, solved in told
        ]
    except EnvironmentFault as fault:
        # The match has been judged: it is paid, and only the curriculum learns nothing from it.
        log.warning("answers_not_graded", match_id=match_id, fault=str(fault))
        return []


def _passes(match_id: int, environment: Environment) -> list[tuple[int, int, float]]:
    """(round, seat, 1 if the environment's check passed or 0) of each answer by a model."""
    said = Completion.objects.filter(round__match_id=match_id, status=CompletionStatus.OK)
    rows = said.exclude(finish_reason=BY_CODE).values_list(
        "round__number", "seat__index", "round__task", "text"
    )
    return [
        (number, seat, float(environment.score(Task.from_json(task), text).passed))
        for number, seat, task, text in rows
    ]


def _payoffs(match_id: int) -> list[tuple[int, int, float]]:
    """(round, seat, what the game paid it) of each seat whose moves are all a model's."""
    not_its_own = ~Q(status=CompletionStatus.OK) | Q(finish_reason=BY_CODE)
    of_match = Completion.objects.filter(not_its_own, round__match_id=match_id)
    helped = set(of_match.values_list("round__number", "seat__index"))
    ended = MatchEvent.objects.filter(match_id=match_id, kind="episode_ended").order_by("seq")
    return [
        (number, int(seat), payoff)
        for number, payoffs in ended.values_list("payload__round", "payload__payoffs")
        for seat, payoff in payoffs.items()
        if (number, int(seat)) not in helped
    ]


def note_difficulties(match: Match, seating: MatchSeated, answers: Sequence[GradedAnswer]) -> None:
    """Let the Space learn from a match that settles, in the transaction of its settlement."""
    if answers:
        count = len(seating.difficulty_weights)
        note_answers(match.space_id, seating.environment, answers, count=count)
