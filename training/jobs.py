"""Verbs on pairs and runs: harvest matches, start, request and cancel runs.

Runs' rows are the queue; `training.execute` works through it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from django.conf import settings
from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.db.models import Count, Exists, F, Max, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from agents.errors import NotAvailable, Refused
from agents.models import Adapter, Agent, Engine
from arena.models import CompletionStatus, Match, MatchStatus, Round, RoundStatus, Space
from training.configs import ATTENTION_MODULES, DPOConfig, InvalidConfig, Targets, config_from_json
from training.job_state import LIVE_STATUSES, RunEvent, RunStatus, advance
from training.lease import announce_run, claimable
from training.models import Harvest, Pair, TrainingRun
from training.pairs import SeatAnswer, make_pairs

HARVEST_LIMIT = 50  # matches a sweep
START_LIMIT = 20  # runs a sweep
NUDGE_LIMIT = 20
NUDGE_SECONDS = 60  # a waiting run is offered to the workers once in this time
MIN_PAIRS = 8  # fewer teach nothing but their own words

log = structlog.get_logger(__name__)


def harvest_matches(*, limit: int = HARVEST_LIMIT) -> int:
    """Make the pairs of settled matches, each once; return how many matches were harvested."""
    waiting = Match.objects.filter(status=MatchStatus.SETTLED, harvest=None).order_by("id")
    harvested = 0
    for match_id in waiting.values_list("id", flat=True)[:limit]:
        try:
            harvested += _harvest(match_id)
        except Exception:
            # One match that cannot be read holds up neither the others nor the runs.
            log.exception("harvest_failed", match_id=match_id)
    return harvested


def start_due_runs(*, limit: int = START_LIMIT) -> list[int]:
    """Queue a run for each agent with enough new pairs of one Space; return the runs' ids."""
    started = []
    for due in _due()[:limit]:
        try:
            run = _queue_run(due["agent_id"], due["space_id"])
        except Refused:
            continue  # another sweep queued one just now
        started.append(run.pk)
    return started


def request_run(agent_id: int, space_id: int) -> TrainingRun:
    """Train now, with fewer pairs than a run by itself waits for. Raises Refused."""
    agent = Agent.objects.select_related("base_model").get(id=agent_id)
    space = Space.objects.filter(id=space_id).first()
    if space is None:
        raise NotAvailable("There is no such Space.")
    if agent.engine != Engine.MODEL:
        raise Refused("This agent answers by code; there is nothing to train.")
    if agent.retired_at:
        raise Refused("This agent is retired.")
    if not agent.base_model.path:
        raise Refused(f"The weights of {agent.base_model} are not on this site's machines.")
    count = unlearned_pairs(agent_id, space_id).count()
    if count < MIN_PAIRS:
        raise Refused(
            f"{agent.name} has {count} pairs to learn from in {space.name}; at least {MIN_PAIRS} "
            "are needed. Play more matches there."
        )
    return _queue_run(agent_id, space_id)


def cancel_run(run_id: int) -> None:
    """Stop the run where it stands; its pairs stay for the next one. Raises Refused."""
    with transaction.atomic(durable=True):
        run = TrainingRun.objects.select_for_update().get(id=run_id)
        if RunStatus(run.status).is_final:
            raise Refused(f"This run is over: it was {run.status}.")
        run.status = advance(RunStatus(run.status), RunEvent.CANCEL)
        run.reason = "Cancelled; its pairs stay for the next run."
        run.finished_at = timezone.now()
        run.lease_owner = run.lease_expires_at = None  # its worker notices and stops the trainer
        run.save()
        announce_run(run_id)


def nudge_waiting_runs(*, limit: int = NUDGE_LIMIT) -> None:
    """Offer runs that no worker holds: new ones, postponed ones, and those of dead workers."""
    from training.tasks import run_training

    waiting = TrainingRun.objects.filter(claimable()).order_by("id").values_list("id", flat=True)
    for run_id in waiting[:limit]:
        if cache.add(f"training-nudge:{run_id}", 1, timeout=NUDGE_SECONDS):
            run_training.delay(run_id)


def unlearned_pairs(agent_id: int, space_id: int) -> QuerySet[Pair]:
    """The agent's pairs that no adopted run has learned from.

    A rejected, failed or cancelled run taught the agent nothing that it plays with, so its
    pairs come again, together with newer ones.
    """
    learned = TrainingRun.objects.filter(
        agent_id=agent_id, space_id=space_id, status=RunStatus.ADOPTED
    ).aggregate(last=Max("last_pair_id"))["last"]
    return Pair.objects.filter(agent_id=agent_id, space_id=space_id, id__gt=learned or 0)


def new_pairs() -> QuerySet[Pair]:
    """Pairs since their agent's last run in their Space, whatever became of it."""
    last = (
        TrainingRun.objects.filter(agent=OuterRef("agent"), space=OuterRef("space"))
        .order_by("-last_pair_id")
        .values("last_pair_id")[:1]
    )
    return Pair.objects.annotate(spent=Coalesce(Subquery(last), 0)).filter(id__gt=F("spent"))


def _due() -> QuerySet[Pair, Any]:
    live = TrainingRun.objects.filter(agent=OuterRef("agent"), status__in=LIVE_STATUSES)
    return (
        new_pairs()
        .filter(
            agent__is_training_enabled=True,
            agent__engine=Engine.MODEL,
            agent__retired_at=None,
        )
        .exclude(agent__base_model__path="")
        .exclude(Exists(live))
        .values("agent_id", "space_id")
        .annotate(count=Count("id"), last=Max("id"))
        .filter(count__gte=settings.ENV.training_pairs)
        .order_by("last")
    )


def _queue_run(agent_id: int, space_id: int) -> TrainingRun:
    try:
        with transaction.atomic(durable=True):
            run = _create_run(agent_id, space_id)
            transaction.on_commit(nudge_waiting_runs, robust=True)
    except IntegrityError:
        raise Refused(
            "This agent is in training already; wait for that run or cancel it."
        ) from None
    return run


def _create_run(agent_id: int, space_id: int) -> TrainingRun:
    agent = (
        Agent.objects.select_for_update(of=("self",))
        .select_related("current_version__adapter")
        .get(id=agent_id)
    )
    parent = agent.current_version
    assert parent is not None, "an agent has a version from its creation on"
    pairs = unlearned_pairs(agent_id, space_id).aggregate(count=Count("id"), last=Max("id"))
    planned = _plan(agent.learning, adapter=parent.adapter)
    return TrainingRun.objects.create(
        agent=agent,
        space_id=space_id,
        parent_version=parent,
        status=RunStatus.FAILED if planned.problem else RunStatus.QUEUED,
        config=planned.config,
        last_pair_id=pairs["last"],
        pair_count=min(pairs["count"], planned.max_pairs),
        reason=planned.problem,
        finished_at=timezone.now() if planned.problem else None,
    )


@dataclass(frozen=True)
class _Plan:
    config: Mapping[str, Any]
    max_pairs: int
    problem: str = ""


def _plan(learning: Mapping[str, Any], *, adapter: Adapter | None) -> _Plan:
    """The owner's choices, with the shape of the adapter that is learned on."""
    try:
        config = config_from_json({**learning, **(_shape(adapter) if adapter else {})})
        assert isinstance(config, DPOConfig)
    except InvalidConfig as error:
        return _Plan(learning, 0, problem=f"The training settings are not valid. {error}")
    return _Plan(config.as_json(), config.max_pairs)


def _shape(adapter: Adapter) -> dict[str, Any]:
    is_attention = set(adapter.target_modules) <= set(ATTENTION_MODULES)
    return {
        "rank": adapter.rank,
        "alpha": adapter.alpha,
        "target_modules": Targets.ATTENTION if is_attention else Targets.ALL_LINEAR,
    }


def _harvest(match_id: int) -> bool:
    """Harvest the match; False when another worker has or does."""
    with transaction.atomic(durable=True):
        match = Match.objects.select_for_update(skip_locked=True).filter(id=match_id).first()
        if match is None or Harvest.objects.filter(match=match).exists():
            return False
        rounds = match.rounds.filter(status=RoundStatus.DECIDED).select_related("verdict")
        pairs = [
            pair
            for one in rounds.prefetch_related("completions__seat__agent")
            for pair in _pairs_of(one, space_id=match.space_id)
        ]
        Pair.objects.bulk_create(pairs, ignore_conflicts=True)
        Harvest.objects.create(match=match, pair_count=len(pairs))
    return True


def _pairs_of(one: Round, *, space_id: int) -> list[Pair]:
    answers = [
        SeatAnswer(
            seat=completion.seat.index,
            agent_id=completion.seat.agent_id,
            completion_id=completion.pk,
            learns=completion.seat.agent.engine == Engine.MODEL,
            is_answered=completion.status == CompletionStatus.OK,
            is_complete=completion.finish_reason != "length",
            text=completion.text,
        )
        for completion in one.completions.all()
    ]
    scores = {int(seat): score for seat, score in one.verdict.scores.items()}
    return [
        Pair(
            agent_id=spec.agent_id,
            space_id=space_id,
            round=one,
            chosen_id=spec.chosen_id,
            rejected_id=spec.rejected_id,
            source=spec.source,
            margin=spec.margin,
            agreement=one.verdict.agreement,
        )
        for spec in make_pairs(answers, scores, agreement=one.verdict.agreement)
    ]
