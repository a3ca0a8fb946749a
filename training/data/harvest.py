"""Pairs from settled matches: each match is harvested once, however often it is tried.

For the system, without a user.
"""

from collections.abc import Mapping

import structlog
from django.db import transaction

from agents.models import Engine
from arena.environments import ENVIRONMENTS
from arena.environments.base import EnvironmentFault
from arena.matches.claiming import note_harvest, unharvested_matches
from arena.models import CompletionStatus, Match, Round, RoundStatus, Space
from training.data.pairs import JudgedAnswer, PanelVote, make_pairs
from training.data.positions import position_pairs
from training.models import Harvest, Pair

HARVEST_LIMIT = 50  # matches per sweep

log = structlog.get_logger(__name__)


def harvest_matches(*, limit: int = HARVEST_LIMIT) -> int:
    """Make the pairs from settled matches, each once; return how many matches were harvested."""
    waiting = unharvested_matches().order_by("id")
    harvested = 0
    for match_id in waiting.values_list("id", flat=True)[:limit]:
        try:
            harvested += _harvest(match_id)
        except Exception:
            # A match that cannot be read must not hold up the others or the runs.
            log.exception("harvest_failed", match_id=match_id)
    return harvested


def _harvest(match_id: int) -> bool:
    """Harvest the match; False if another worker has done it or is doing it."""
    with transaction.atomic(durable=True):
        match = (
            Match.objects.select_for_update(skip_locked=True, no_key=True)
            .filter(id=match_id)
            .first()
        )
        if match is None or match.is_harvested:
            return False
        rounds = match.rounds.filter(status=RoundStatus.DECIDED).select_related("verdict")
        pairs = [
            pair
            for one in rounds.filter(turn_limit=1).prefetch_related(
                "completions__seat__agent__owner", "votes"
            )
            for pair in _pairs_of(one, match.space)
        ]
        try:
            for one in rounds.filter(turn_limit__gt=1):
                environment = ENVIRONMENTS[match.space.environment]
                pairs += position_pairs(one, match.space, environment)
        except EnvironmentFault as fault:
            # A package that fails, or is gone, must not hold up the other matches for ever.
            log.warning("episode_not_harvested", match_id=match_id, fault=str(fault))
        Pair.objects.bulk_create(pairs, ignore_conflicts=True)
        Harvest.objects.create(match=match, pair_count=len(pairs))
        note_harvest(match)
    return True


def _pairs_of(one: Round, space: Space) -> list[Pair]:
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
        for completion in one.completions.all()
    ]
    votes = [
        PanelVote(vote.weight, _by_seat(vote.scores), vote.compared)
        for vote in one.votes.all()
        if vote.weight > 0 and vote.scores  # the others abstained or have no weight
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
            _by_seat(one.verdict.scores),
            votes,
            from_cut_answers=space.pairs_from_cut_answers,
        )
    ]


def _by_seat(scores: Mapping[str, float]) -> dict[int, float]:
    return {int(seat): score for seat, score in scores.items()}
