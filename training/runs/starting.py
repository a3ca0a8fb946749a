"""Verbs that queue a run: automatically once there are enough new pairs, or at the owner's request."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import structlog
from django.conf import settings
from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from agents.errors import NotAvailable, Refused
from agents.models import Agent, Engine
from agents.quotas import check_room
from arena.credits.amounts import in_credits
from arena.credits.ledger import InsufficientCredits
from arena.models import Space
from arena.spaces.tallies import played_weights
from training.models import PairCount, TrainingRun
from training.runs import charges
from training.runs.moves import queue_run
from training.runs.nudges import nudge_waiting_runs
from training.runs.planning import RunPlan, plans_of
from training.states import LIVE_STATUSES, RunStatus

log = structlog.get_logger(__name__)

START_LIMIT = 20  # runs per sweep
LOOK_LIMIT = 200  # agents with enough pairs that one sweep considers
COUNT_AGAIN_SECONDS = 60  # the same pairs, of which an agent's settings had left too few
MIN_PAIRS = 8  # fewer would teach only their own wording

IN_TRAINING = "This agent is already in training; wait for that run or cancel it."


class _TooFew(Refused):
    """Too few pairs that may teach; another sweep need not count them again soon."""


def start_due_runs(*, limit: int = START_LIMIT) -> list[int]:
    """Queue a run for each agent with enough new pairs in one Space; return the runs' ids.

    For the system: the sweep calls it, without a user.
    """
    started: list[int] = []
    # In random order, so that agents whose owners lack credits cannot block the others forever.
    # Whose turn it is gets decided when a worker is free (see training.runs.claiming).
    for due in _due().order_by("?")[:LOOK_LIMIT]:
        if len(started) == limit:
            break
        counted = f"training:too-few:{due.agent_id}:{due.space_id}"
        if cache.get(counted) == due.new_pairs:
            continue
        try:
            run = _queue_run(Agent.objects.filter(id=due.agent_id), due.space_id)
        except _TooFew:
            cache.set(counted, due.new_pairs, COUNT_AGAIN_SECONDS)
            continue
        except Refused:
            continue  # see `HeldUp`, or another sweep was faster
        except Exception:
            # An agent whose run cannot be made must not hold up the others.
            log.exception("run_not_started", agent_id=due.agent_id)
            continue
        started.append(run.pk)
    return started


def request_run(
    user_id: int, *, agent_id: int, space_id: int, request_id: uuid.UUID | None = None
) -> TrainingRun:
    """Train now, with fewer pairs than an automatic run waits for.

    A replay of `request_id` returns the first run. Raises NotAvailable if the agent is not the
    user's, or Refused, including InsufficientCredits.
    """
    own = Agent.objects.filter(id=agent_id, owner_id=user_id)
    return _queue_run(own, space_id, is_by_hand=True, request_id=request_id)


class Remedy(StrEnum):
    """What its owner may do about a run that does not start."""

    CREDITS = "credits"
    SETTINGS = "settings"
    OTHER = "other"


@dataclass(frozen=True)
class HeldUp:
    """Why a due run does not start by itself."""

    sentence: str
    remedy: Remedy


@dataclass(frozen=True)
class Requestable:
    """What a run requested now would learn from, and its price."""

    pair_count: int
    price_credits: int


@dataclass(frozen=True)
class NextRuns:
    """What an agent's owner may ask for, and what keeps the next run from starting by itself."""

    # By Space: what `request_run` would refuse for no other reason than missing credits.
    requestable: Mapping[int, Requestable]
    held_up: HeldUp | None


def next_runs(agent_id: int, *, viewer: int | None) -> NextRuns:
    """Nothing for anybody but the owner: it reveals what they have and store."""
    agent = _with_parent(Agent.objects.filter(id=agent_id, owner_id=viewer)).first()
    if agent is None or not _may_train(agent):
        return NextRuns({}, None)
    played = PairCount.objects.filter(agent=agent, pairs__gt=0).values_list("space", flat=True)
    plans = plans_of(agent, list(played))
    requestable = {
        space_id: Requestable(plan.pair_count, plan.price_credits)
        for space_id, plan in plans.items()
        if plan.teaching >= MIN_PAIRS and not plan.problem
    }
    return NextRuns(requestable, _held_up(agent, plans))


def _may_train(agent: Agent) -> bool:
    """Whether a run could be asked for now, if there were enough pairs."""
    try:
        _refuse_untrainable(agent)
        return not refuse_offered(agent)
    except Refused:
        return False


def _held_up(agent: Agent, plans: Mapping[int, RunPlan]) -> HeldUp | None:
    for due in _due().filter(agent=agent, space__in=plans):
        plan = plans[due.space_id]
        if problem := _too_few(agent, plan):
            return HeldUp(problem, Remedy.SETTINGS)
        try:
            check_room(agent.owner_id)
        except Refused as error:
            return HeldUp(str(error), Remedy.OTHER)
        if plan.price_credits > (available := charges.available_credits(agent)):
            return HeldUp(
                f"{agent.name} has enough pairs to train, which costs "
                f"{in_credits(plan.price_credits)}; you have {available:,}.",
                Remedy.CREDITS,
            )
    return None


def _check_request(agent: Agent, space_id: int, plan: RunPlan) -> None:
    space = Space.objects.filter(id=space_id).first()
    if space is None:
        raise NotAvailable("There is no such Space.")
    _refuse_untrainable(agent)
    is_busy = refuse_offered(agent)
    if plan.teaching < MIN_PAIRS:
        raise Refused(
            f"{agent.name} needs at least {MIN_PAIRS} pairs to learn from in {space.name} and has "
            f"{plan.teaching}. {plan.above_share}Play more matches there."
        )
    if is_busy:
        raise Refused(IN_TRAINING)


def _refuse_untrainable(agent: Agent) -> None:
    if agent.engine != Engine.MODEL:
        raise Refused("This agent answers with code; there is nothing to train.")
    if agent.retired_at:
        raise Refused("This agent is retired.")
    if agent.base_model.folder is None:
        raise Refused(
            f"The weights of {agent.base_model} are not on this site's machines, so it cannot be trained."
        )


def _too_few(agent: Agent, plan: RunPlan) -> str:
    """A sentence if an automatic run would learn from fewer pairs than one waits for."""
    needed = settings.ENV.training_pairs
    if plan.teaching >= needed or plan.problem:
        return ""
    return (
        f"{agent.name} waits for {needed} pairs to learn from and has {plan.teaching}. "
        f"{plan.above_share}Play more matches, or change that share."
    )


def refuse_offered(agent: Agent) -> bool:
    """Whether the agent has a run under way. Raises Refused if a version awaits its owner's decision."""
    offered = Q(status=RunStatus.OFFERED, parent_version=agent.current_version)
    in_hand = TrainingRun.objects.filter(offered | Q(status__in=LIVE_STATUSES), agent=agent)
    statuses = set(in_hand.values_list("status", flat=True))
    if RunStatus.OFFERED in statuses:
        raise Refused("A new version awaits your decision: adopt or decline it first.")
    return bool(statuses)


def _due() -> QuerySet[PairCount]:
    runs = TrainingRun.objects.filter(agent=OuterRef("agent"))
    live = runs.filter(status__in=LIVE_STATUSES)
    # The owner has yet to decide which version to continue with.
    on_offer = runs.filter(
        status=RunStatus.OFFERED, parent_version=OuterRef("agent__current_version")
    )
    return (
        PairCount.objects.filter(
            new_pairs__gte=settings.ENV.training_pairs,
            agent__is_training_enabled=True,
            agent__engine=Engine.MODEL,
            agent__retired_at=None,
        )
        .exclude(agent__base_model__path="")
        .exclude(Exists(live))
        .exclude(Exists(on_offer))
    )


def _queue_run(
    agents: QuerySet[Agent],
    space_id: int,
    *,
    is_by_hand: bool = False,
    request_id: uuid.UUID | None = None,
) -> TrainingRun:
    """Queue a run for the one agent in `agents`. Raises NotAvailable if there is none."""
    try:
        with transaction.atomic(durable=True):
            # no_key: seating the agent meanwhile only takes a foreign-key reference to it.
            locked = agents.select_for_update(of=("self",), no_key=True)
            agent = _with_parent(locked).first()
            if agent is None:
                raise NotAvailable("There is no such agent.")
            same = TrainingRun.objects.filter(agent=agent, request_id=request_id)
            if request_id and (old := same.first()):
                if old.space_id != space_id:
                    raise Refused("This key belongs to another request. Use a new one.")
                return old
            plan = plans_of(agent, [space_id])[space_id]
            if is_by_hand:
                _check_request(agent, space_id, plan)
            elif problem := _too_few(agent, plan):
                raise _TooFew(problem)
            check_room(agent.owner_id)
            run = _new_run(agent, space_id, plan, is_by_hand=is_by_hand)
            run.request_id = request_id
            queue_run(run)
            transaction.on_commit(nudge_waiting_runs, robust=True)
    except InsufficientCredits as error:
        raise InsufficientCredits(f"Not enough credits to train. {error}") from None
    except IntegrityError:
        raise Refused(IN_TRAINING) from None
    return run


def _with_parent(agents: QuerySet[Agent]) -> QuerySet[Agent]:
    return agents.select_related("owner", "base_model", "current_version__adapter")


def _new_run(agent: Agent, space_id: int, plan: RunPlan, *, is_by_hand: bool) -> TrainingRun:
    return TrainingRun(
        agent=agent,
        space_id=space_id,
        parent_version=agent.current_version,
        status=RunStatus.FAILED if plan.problem else RunStatus.QUEUED,
        method=plan.method,
        config=plan.config,
        is_by_hand=is_by_hand,
        priced_answers=plan.priced_answers,
        price_credits=plan.price_credits,
        last_pair_id=plan.last_pair_id,
        pair_count=plan.pair_count,
        exam_weights=played_weights(space_id),
        reason=plan.problem,
        finished_at=timezone.now() if plan.problem else None,
    )
