"""Verbs on pairs and runs: harvest matches, start and request runs, and steer those in hand.

Runs' rows are the queue; `training.worker.batch` works through it. A worker that holds a run notices
within seconds what its owner did.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from django.conf import settings
from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.db.models import Count, Exists, F, Max, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from agents.errors import NotAvailable, Refused
from agents.lineage import ancestors
from agents.models import Agent, AgentVersion, Engine
from agents.roster import activate_child
from arena.credits.ledger import InsufficientCredits
from arena.models import CompletionStatus, Match, MatchStatus, Round, RoundStatus, Space
from training.configs.configs import (
    DPOConfig,
    GRPOConfig,
    InvalidConfig,
    Method,
    config_from_json,
)
from training.data.pairs import PanelVote, SeatAnswer, make_pairs
from training.models import Harvest, Pair, TrainingRun
from training.runs import charges
from training.runs.claiming import claimable
from training.runs.moves import apply_event, locked_run, queue_run
from training.runs.queries import kept_shape
from training.states import LIVE_STATUSES, RunEvent, RunStatus

HARVEST_LIMIT = 50  # matches a sweep
START_LIMIT = 20  # runs a sweep
LOOK_LIMIT = 200  # agents with enough pairs that a sweep looks at
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
    started: list[int] = []
    # In any order: whose turn it is, is decided when a worker is free (see training.runs.claiming), and
    # nobody without credits may stand before the others for ever.
    for due in _due().order_by("?")[:LOOK_LIMIT]:
        if len(started) == limit:
            break
        try:
            run = _queue_run(due["agent_id"], due["space_id"], is_by_hand=False)
        except Refused:
            continue  # not enough credits (see `unaffordable`), or another sweep was faster
        started.append(run.pk)
    return started


def unaffordable(agent_id: int) -> str:
    """Why a run that is due does not start by itself, in a sentence; empty if one can."""
    agent = _with_parent(Agent.objects.select_related("owner")).get(id=agent_id)
    for due in _due().filter(agent_id=agent_id):
        plan = _plan(agent, due["space_id"])
        if plan.price_credits > (available := charges.available_credits(agent)):
            return (
                f"{agent.name} has enough pairs to train, which takes {plan.price_credits:,} "
                f"credits; {available:,} are available."
            )
    return ""


def request_run(agent_id: int, space_id: int) -> TrainingRun:
    """Train now, with fewer pairs than a run by itself waits for.

    Raises Refused, InsufficientCredits among them.
    """
    _check_request(_requesting(agent_id), space_id)
    return _queue_run(agent_id, space_id, is_by_hand=True)


@dataclass(frozen=True)
class Requestable:
    """What a run that is asked for now would learn from, and its price."""

    pair_count: int
    price_credits: int


def requestable(agent_id: int, space_id: int) -> Requestable | None:
    """None where `request_run` would refuse, want of credits aside."""
    agent = _requesting(agent_id)
    if TrainingRun.objects.filter(agent=agent, status__in=LIVE_STATUSES).exists():
        return None
    try:
        _check_request(agent, space_id)
    except Refused:
        return None
    plan = _plan(agent, space_id)
    return None if plan.problem else Requestable(plan.pair_count, plan.price_credits)


def pause_run(run_id: int) -> None:
    """Give the worker back and keep the checkpoint, the place and the held price."""
    with _steered(run_id) as run:
        match run.status:
            case RunStatus.PAUSED:
                raise Refused("This run is paused already.")
            case RunStatus.EVALUATING:
                raise Refused("The new version is being evaluated, which ends by itself.")
            case _:
                _refuse_final(run)
        apply_event(run, RunEvent.PAUSE, reason="Paused; it keeps what it has learned so far.")


def resume_run(run_id: int) -> None:
    """Queue a paused run again; it goes on from its checkpoint."""
    with _steered(run_id) as run:
        _refuse_final(run)
        if run.status != RunStatus.PAUSED:
            raise Refused("This run is not paused.")
        if run.agent.retired_at:
            raise Refused("This agent is retired.")
        apply_event(run, RunEvent.RESUME, reason="", attempts=0, outage_since=None)
        # It may have been offered just before the pause.
        transaction.on_commit(partial(cache.delete, _nudge_key(run_id)), robust=True)
        transaction.on_commit(nudge_waiting_runs, robust=True)


def cancel_run(run_id: int) -> None:
    """Stop the run where it stands; its pairs stay for the next one.

    What was held for it is given back; once it has trained, its price is spent.
    """
    with _steered(run_id) as run:
        _refuse_final(run)
        reason = "Cancelled; its pairs stay for the next run."
        if run.child_version:
            number = run.child_version.number
            reason = (
                "Cancelled after it had trained, so its price is spent; activate version "
                f"{number} by hand if you want it, else its pairs stay for the next run."
            )
        apply_event(run, RunEvent.CANCEL, reason=reason)


def cancel_runs_of_retired() -> None:
    """A retired agent trains no more: its runs end, and what is held for them is given back."""
    live = [RunStatus.QUEUED, RunStatus.TRAINING, RunStatus.PAUSED]
    runs = TrainingRun.objects.filter(status__in=live, agent__retired_at__isnull=False)
    for run_id in runs.values_list("id", flat=True):
        with _steered(run_id) as run:
            if run.status in live:
                apply_event(run, RunEvent.CANCEL, reason="Its agent was retired.")


def adopt_offered(run_id: int) -> None:
    """Let the version that a run offers play, if the agent still plays with its parent."""
    with _steered(run_id) as run:
        _refuse_unoffered(run)
        child = run.child_version
        assert child is not None, "what is offered is a version"
        if not activate_child(run.agent_id, version_id=child.pk):
            raise Refused(
                "The agent's version changed after this run began; activate version "
                f"{child.number} by hand if you want it, or decline the offer."
            )
        apply_event(run, RunEvent.ADOPT)


def decline_offered(run_id: int) -> None:
    """Keep the parent; the declined version stays on record."""
    with _steered(run_id) as run:
        _refuse_unoffered(run)
        apply_event(run, RunEvent.REJECT, reason=f"Declined by its owner. {run.reason}")


def nudge_waiting_runs(*, limit: int = NUDGE_LIMIT) -> None:
    """Offer runs that no worker holds: new ones, postponed ones, and those of dead workers."""
    from training.tasks import run_training

    waiting = TrainingRun.objects.filter(claimable()).order_by("id").values_list("id", flat=True)
    for run_id in waiting[:limit]:
        if cache.add(_nudge_key(run_id), 1, timeout=NUDGE_SECONDS):
            run_training.delay(run_id)


def unlearned_pairs(version: AgentVersion, space_id: int) -> QuerySet[Pair]:
    """The agent's pairs that no run on the way to this version has learned from.

    What a run taught another version, rejected or rolled back, this one does not know: those
    pairs come again, together with newer ones.
    """
    learned = TrainingRun.objects.filter(
        space_id=space_id, child_version__in=ancestors(version)
    ).aggregate(last=Max("last_pair_id"))["last"]
    return Pair.objects.filter(agent=version.agent_id, space_id=space_id, id__gt=learned or 0)


def new_pairs() -> QuerySet[Pair]:
    """Pairs since their agent's last run in their Space, whatever became of it."""
    last = (
        TrainingRun.objects.filter(agent=OuterRef("agent"), space=OuterRef("space"))
        .order_by("-last_pair_id")
        .values("last_pair_id")[:1]
    )
    return Pair.objects.annotate(spent=Coalesce(Subquery(last), 0)).filter(id__gt=F("spent"))


def _requesting(agent_id: int) -> Agent:
    return _with_parent(Agent.objects.select_related("base_model", "owner")).get(id=agent_id)


def _check_request(agent: Agent, space_id: int) -> None:
    space = Space.objects.filter(id=space_id).first()
    if space is None:
        raise NotAvailable("There is no such Space.")
    if agent.engine != Engine.MODEL:
        raise Refused("This agent answers by code; there is nothing to train.")
    if agent.retired_at:
        raise Refused("This agent is retired.")
    if not agent.base_model.path:
        raise Refused(f"The weights of {agent.base_model} are not on this site's machines.")
    assert agent.current_version is not None, "an agent has a version from its creation on"
    if TrainingRun.objects.filter(
        agent=agent, status=RunStatus.OFFERED, parent_version=agent.current_version
    ).exists():
        raise Refused("A trained version waits for your word: adopt or decline it first.")
    count = unlearned_pairs(agent.current_version, space_id).count()
    if count < MIN_PAIRS:
        raise Refused(
            f"{agent.name} has {count} pairs to learn from in {space.name}; at least {MIN_PAIRS} "
            "are needed. Play more matches there."
        )


def _due() -> QuerySet[Pair, Any]:
    runs = TrainingRun.objects.filter(agent=OuterRef("agent"))
    live = runs.filter(status__in=LIVE_STATUSES)
    # Its owner has yet to say which version goes on.
    on_offer = runs.filter(
        status=RunStatus.OFFERED, parent_version=OuterRef("agent__current_version")
    )
    return (
        new_pairs()
        .filter(
            agent__is_training_enabled=True,
            agent__engine=Engine.MODEL,
            agent__retired_at=None,
        )
        .exclude(agent__base_model__path="")
        .exclude(Exists(live))
        .exclude(Exists(on_offer))
        .values("agent_id", "space_id")
        .annotate(count=Count("id"), last=Max("id"))
        .filter(count__gte=settings.ENV.training_pairs)
    )


def _queue_run(agent_id: int, space_id: int, *, is_by_hand: bool) -> TrainingRun:
    try:
        with transaction.atomic(durable=True):
            # Locked without the key: whoever seats the agent meanwhile only refers to it.
            agents = Agent.objects.select_for_update(of=("self",), no_key=True)
            agent = _with_parent(agents).get(id=agent_id)
            run = _new_run(agent, space_id, is_by_hand=is_by_hand)
            queue_run(run)
            transaction.on_commit(nudge_waiting_runs, robust=True)
    except InsufficientCredits as error:
        raise InsufficientCredits(f"Not enough credits to train. {error}") from None
    except IntegrityError:
        raise Refused(
            "This agent is in training already; wait for that run or cancel it."
        ) from None
    return run


def _with_parent(agents: QuerySet[Agent]) -> QuerySet[Agent]:
    return agents.select_related("current_version__adapter")


def _new_run(agent: Agent, space_id: int, *, is_by_hand: bool) -> TrainingRun:
    plan = _plan(agent, space_id)
    return TrainingRun(
        agent=agent,
        space_id=space_id,
        parent_version=agent.current_version,
        status=RunStatus.FAILED if plan.problem else RunStatus.QUEUED,
        method=plan.method,
        config=plan.config,
        is_by_hand=is_by_hand,
        price_credits=plan.price_credits,
        last_pair_id=plan.last_pair_id,
        pair_count=plan.pair_count,
        reason=plan.problem,
        finished_at=timezone.now() if plan.problem else None,
    )


@dataclass(frozen=True)
class _Plan:
    """The next run of an agent in a Space, as its owner's choices and its pairs make it."""

    method: Method
    config: Mapping[str, Any]
    last_pair_id: int
    pair_count: int
    price_credits: int = 0
    problem: str = ""


def _plan(agent: Agent, space_id: int) -> _Plan:
    parent = agent.current_version
    assert parent is not None, "an agent has a version from its creation on"
    pairs = unlearned_pairs(parent, space_id).aggregate(
        count=Count("id"), last=Max("id"), tasks=Count("round__task_key", distinct=True)
    )
    try:
        # The adapter that is learned on keeps its shape.
        shape = kept_shape(parent.adapter) if parent.adapter else {}
        config = config_from_json({**agent.learning, **shape})
    except InvalidConfig as error:
        return _Plan(
            method=Method.DPO,
            config=agent.learning,
            last_pair_id=pairs["last"],
            pair_count=pairs["count"],
            problem=f"The training settings are not valid. {error}",
        )
    pair_count, tasks = pairs["count"], 0
    match config:
        case DPOConfig():
            pair_count = min(pair_count, config.max_pairs)
        case GRPOConfig():
            tasks = min(pairs["tasks"], config.tasks)
    return _Plan(
        method=Method(config.method),
        config=config.as_json(),
        last_pair_id=pairs["last"],
        pair_count=pair_count,
        price_credits=charges.price_of(config, pairs=pair_count, tasks=tasks),
    )


@contextmanager
def _steered(run_id: int) -> Iterator[TrainingRun]:
    with transaction.atomic(durable=True):
        yield locked_run(run_id)


def _nudge_key(run_id: int) -> str:
    return f"training-nudge:{run_id}"


def _refuse_final(run: TrainingRun) -> None:
    if RunStatus(run.status).is_final:
        raise Refused(f"This run is over: it was {run.status}.")


def _refuse_unoffered(run: TrainingRun) -> None:
    if run.status != RunStatus.OFFERED:
        raise Refused(f"This run offers no version; it is {run.status}.")


def _harvest(match_id: int) -> bool:
    """Harvest the match; False when another worker has or does."""
    with transaction.atomic(durable=True):
        match = Match.objects.select_for_update(skip_locked=True).filter(id=match_id).first()
        if match is None or Harvest.objects.filter(match=match).exists():
            return False
        rounds = match.rounds.filter(status=RoundStatus.DECIDED).select_related("verdict")
        pairs = [
            pair
            for one in rounds.prefetch_related("completions__seat__agent", "votes")
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
    votes = [
        PanelVote(vote.weight, _by_seat(vote.scores))
        for vote in one.votes.all()
        if vote.weight > 0 and vote.scores  # the others abstained, or counted for nothing
    ]
    return [
        Pair(
            agent_id=spec.agent_id,
            space_id=space_id,
            round=one,
            chosen_id=spec.chosen_id,
            rejected_id=spec.rejected_id,
            source=spec.source,
            margin=spec.margin,
            agreement=spec.agreement,
        )
        for spec in make_pairs(answers, _by_seat(one.verdict.scores), votes)
    ]


def _by_seat(scores: Mapping[str, float]) -> dict[int, float]:
    return {int(seat): score for seat, score in scores.items()}
