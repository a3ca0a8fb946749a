"""Pairs from settled matches: each match is harvested once, however often it is tried.

Pairs are made without a lock, for an environment may call the process of somebody's package; only
storing them locks the match. A match whose environment fails is tried again later, and given up
after MAX_ATTEMPTS, with the reason.

For the system, without a user.
"""

from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from agents.models import Engine
from arena.environments import ENVIRONMENTS
from arena.environments.base import EnvironmentFault
from arena.matches.claiming import note_harvest, unharvested_matches
from arena.models import CompletionStatus, Match, Round, RoundStatus, Space
from training.data.lengths import LengthBias, LengthBiases, measure
from training.data.pairs import JudgedAnswer, make_pairs
from training.data.positions import position_pairs
from training.data.reading import note_readings
from training.data.votes import by_seat, votes_of
from training.models import Harvest, HarvestDelay, Pair

HARVEST_LIMIT = 50  # matches per sweep
MAX_ATTEMPTS = 30  # with the pauses between them, about 21 hours
FIRST_PAUSE = timedelta(seconds=10)  # after the first attempt; doubles from there
MAX_PAUSE = timedelta(hours=1)
MAX_PROBLEM_CHARS = 300
_UNREADABLE = "Round {number} could not be read."

log = structlog.get_logger(__name__)


@dataclass
class _Yield:
    """What a match gives: its pairs, and the first problem of its rounds if there is one."""

    pairs: list[Pair] = field(default_factory=list)
    problem: str = ""
    is_environments: bool = False  # the problem is one of the environment


def harvest_matches(*, limit: int = HARVEST_LIMIT) -> int:
    """Make the pairs from settled matches, each once; return how many matches were harvested."""
    tried: list[int] = []
    failing: set[str] = set()  # environments that failed in this sweep: one call each is enough
    harvested = 0
    biases = LengthBiases()
    for _ in range(limit):
        waiting = _due_matches().exclude(id__in=tried).exclude(space__environment__in=failing)
        match = waiting.select_related("space").order_by("id").first()
        if match is None:
            break
        tried.append(match.pk)
        found = _yield_of(match, biases)
        if found.is_environments:
            failing.add(match.space.environment)
        harvested += _store(match.pk, found)
    return harvested


def harvest_problem(match_id: int) -> str:
    """Why the match has given no pairs yet, or only some of its pairs for good; "" if all is well."""
    given_up = Harvest.objects.filter(match=match_id).values_list("problem", flat=True).first()
    if given_up is not None:
        return given_up and f"Some pairs of this match could not be made. {given_up}"
    delay = HarvestDelay.objects.filter(match=match_id).first()
    return f"The pairs of this match will be made later. {delay.problem}" if delay else ""


def _due_matches() -> QuerySet[Match]:
    postponed = HarvestDelay.objects.filter(due_at__gt=timezone.now())
    return unharvested_matches().exclude(id__in=postponed.values("match"))


def _yield_of(match: Match, biases: LengthBiases) -> _Yield:
    """The match's pairs, not stored yet. Nothing of a settled match changes, so it needs no lock."""
    found = _Yield()
    # From judges who agree too little, nobody learns, not even where code could value the moves.
    decided = match.rounds.filter(status=RoundStatus.DECIDED, verdict__is_split=False)
    for one in decided.select_related("verdict"):
        try:
            pairs = _pairs_of(one, match.space)
            bias = biases.of_round(one, match.space) if pairs else LengthBias()
            for pair in pairs:
                pair.length_bias, pair.length_bias_pairs = bias.value, bias.pairs
            found.pairs += pairs
        except EnvironmentFault as fault:
            log.warning("harvest_failed", match_id=match.pk, fault=str(fault))
            found.problem = found.problem or str(fault)[:MAX_PROBLEM_CHARS]
            found.is_environments = True
        except Exception:
            # A match that cannot be read must not hold up the others or the runs.
            log.exception("harvest_failed", match_id=match.pk)
            found.problem = found.problem or _UNREADABLE.format(number=one.number)
    measure(found.pairs)
    note_readings(found.pairs)
    return found


@transaction.atomic(durable=True)
def _store(match_id: int, found: _Yield) -> bool:
    """Store the pairs, or note when to try again; False if they were not stored now."""
    match = (
        Match.objects.select_for_update(skip_locked=True, no_key=True).filter(id=match_id).first()
    )
    if match is None or match.is_harvested:
        return False
    if found.problem and not _is_last_attempt(match, found.problem):
        return False
    Pair.objects.bulk_create(found.pairs, ignore_conflicts=True)
    Harvest.objects.create(match=match, pair_count=len(found.pairs), problem=found.problem)
    HarvestDelay.objects.filter(match=match).delete()
    note_harvest(match)
    return True


def _is_last_attempt(match: Match, problem: str) -> bool:
    """Note a failed attempt and when the next one is due; True if there is none."""
    delay, _ = HarvestDelay.objects.get_or_create(match=match, defaults={"due_at": timezone.now()})
    delay.attempts += 1
    pause = min(FIRST_PAUSE * 2 ** (delay.attempts - 1), MAX_PAUSE)
    delay.due_at, delay.problem = timezone.now() + pause, problem
    delay.save()
    return delay.attempts >= MAX_ATTEMPTS


def _pairs_of(one: Round, space: Space) -> list[Pair]:
    """The round's pairs. Raises EnvironmentFault."""
    if one.is_episode:
        return position_pairs(one, space, ENVIRONMENTS[space.environment])
    return _question_pairs(one, space)


def _question_pairs(one: Round, space: Space) -> list[Pair]:
    answers = [
        JudgedAnswer(
            seat=completion.seat.index,
            agent_id=completion.seat.agent_id,
            completion_id=completion.pk,
            learns=completion.seat.agent.engine == Engine.MODEL,
            # Of who leaves, nothing is left to learn from.
            is_answered=completion.status == CompletionStatus.OK
            and completion.seat.agent.owner.leaving_since is None,
            is_complete=not completion.is_cut,
            text=completion.text,
        )
        for completion in one.completions.select_related("seat__agent__owner")
    ]
    return [
        Pair(
            agent_id=spec.agent_id,
            space=space,
            round=one,
            chosen_id=spec.chosen_id,
            rejected_id=spec.rejected_id,
            source=spec.source,
            margin=spec.margin,
            agreement=spec.agreement,
        )
        for spec in make_pairs(
            answers,
            by_seat(one.verdict.scores),
            votes_of(one),
            from_cut_answers=space.pairs_from_cut_answers,
        )
    ]
