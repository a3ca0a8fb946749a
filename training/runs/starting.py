"""Verbs that queue a run: automatically once there are enough new pairs, or at the owner's request."""

import contextlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet
from django.utils import timezone

from agents.errors import NotAvailable, Refused
from agents.models import Agent, Engine
from agents.quotas import check_room
from arena.credits.ledger import InsufficientCredits
from arena.models import Space
from arena.spaces.tallies import played_weights
from training.configs.configs import Precision, fitting
from training.configs.fields import InvalidConfig
from training.configs.weights import bfloat16_bytes
from training.data.curation import coded_beside
from training.methods import DEFAULT, config_from_json, method_of
from training.methods.examples import PAIRS
from training.models import PairCount, TrainingRun
from training.runs import charges
from training.runs.moves import queue_run
from training.runs.nudges import nudge_waiting_runs
from training.runs.queries import kept_shape
from training.runs.unlearned import TAUGHT_BY_CODE, unlearned_pairs
from training.states import LIVE_STATUSES, RunStatus

log = structlog.get_logger(__name__)

START_LIMIT = 20  # runs per sweep
LOOK_LIMIT = 200  # agents with enough pairs that one sweep considers
MIN_PAIRS = 8  # fewer would teach only their own wording

IN_TRAINING = "This agent is already in training; wait for that run or cancel it."


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
        try:
            run = _queue_run(Agent.objects.filter(id=due.agent_id), due.space_id)
        except Refused:
            continue  # see `held_up`, or another sweep was faster
        except Exception:
            # An agent whose run cannot be made must not hold up the others.
            log.exception("run_not_started", agent_id=due.agent_id)
            continue
        started.append(run.pk)
    return started


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


def held_up(agent_id: int, *, viewer: int | None) -> HeldUp | None:
    """What keeps a due run from starting, if anything does.

    It reveals the owner's balance and what they store, so it is None for everybody else.
    """
    for due in _due().filter(agent_id=agent_id, agent__owner_id=viewer):
        agent = _with_parent(Agent.objects.filter(id=agent_id)).get()
        plan = _plan(agent, due.space_id)
        if problem := _too_few(agent, plan):
            return HeldUp(problem, Remedy.SETTINGS)
        try:
            check_room(agent.owner_id)
        except Refused as error:
            return HeldUp(str(error), Remedy.OTHER)
        if plan.price_credits > (available := charges.available_credits(agent)):
            return HeldUp(
                f"{agent.name} has enough pairs to train, which costs {plan.price_credits:,} "
                f"credits; {available:,} are available.",
                Remedy.CREDITS,
            )
    return None


def request_run(
    user_id: int, *, agent_id: int, space_id: int, request_id: uuid.UUID | None = None
) -> TrainingRun:
    """Train now, with fewer pairs than an automatic run waits for.

    A replay of `request_id` returns the first run. Raises NotAvailable if the agent is not the
    user's, or Refused, including InsufficientCredits.
    """
    own = Agent.objects.filter(id=agent_id, owner_id=user_id)
    return _queue_run(own, space_id, is_by_hand=True, request_id=request_id)


@dataclass(frozen=True)
class Requestable:
    """What a run requested now would learn from, and its price."""

    pair_count: int
    price_credits: int


def requestable(agent_id: int, space_id: int, *, viewer: int | None) -> Requestable | None:
    """None if `request_run` would refuse the viewer for a reason other than missing credits."""
    agent = _requesting(agent_id, viewer)
    if agent is None:
        return None
    plan = _plan(agent, space_id)
    try:
        _check_request(agent, space_id, plan)
    except Refused:
        return None
    return None if plan.problem else Requestable(plan.pair_count, plan.price_credits)


def _requesting(agent_id: int, viewer: int | None) -> Agent | None:
    return _with_parent(Agent.objects.filter(id=agent_id, owner_id=viewer)).first()


def _check_request(agent: Agent, space_id: int, plan: "_Plan") -> None:
    space = Space.objects.filter(id=space_id).first()
    if space is None:
        raise NotAvailable("There is no such Space.")
    if agent.engine != Engine.MODEL:
        raise Refused("This agent answers with code; there is nothing to train.")
    if agent.retired_at:
        raise Refused("This agent is retired.")
    if agent.base_model.folder is None:
        raise Refused(
            f"The weights of {agent.base_model} are not on this site's machines, so it cannot be trained."
        )
    assert agent.current_version is not None, "an agent has a version from its creation on"
    is_busy = refuse_offered(agent)
    if plan.teaching < MIN_PAIRS:
        raise Refused(
            f"{agent.name} has {plan.teaching} pairs to learn from in {space.name}; at least {MIN_PAIRS} "
            f"are needed. {plan.above_share}Play more matches there."
        )
    if is_busy:
        raise Refused(IN_TRAINING)


def _too_few(agent: Agent, plan: "_Plan") -> str:
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
            plan = _plan(agent, space_id)
            if is_by_hand:
                _check_request(agent, space_id, plan)
            elif problem := _too_few(agent, plan):
                raise Refused(problem)
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


def _new_run(agent: Agent, space_id: int, plan: "_Plan", *, is_by_hand: bool) -> TrainingRun:
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


@dataclass(frozen=True)
class _Plan:
    """The next run of an agent in a Space, from its owner's choices and its pairs."""

    method: str
    config: Mapping[str, Any]
    last_pair_id: int
    pair_count: int
    teaching: int  # pairs to learn from, of which the run takes `pair_count`
    surplus: int = 0  # pairs of coded seats above the share that the owner allows
    priced_answers: int = 0
    price_credits: int = 0
    problem: str = ""

    @property
    def above_share(self) -> str:
        """A sentence that accounts for the surplus; empty if there is none."""
        if not self.surplus:
            return ""
        share = f"{self.config['coded_share']:.0%}"
        return (
            f"{self.surplus} more have a better answer of a coded seat, and these may be {share} of a "
            "run's at most. "
        )


def _sites_precision(agent: Agent) -> dict[str, str]:
    """What the site decides instead of the owner. A run keeps what it was queued with."""
    wanted, folder = settings.ENV.train_precision, agent.base_model.folder
    if wanted in list(Precision):
        return {"precision": wanted}
    if wanted == "fitting" and folder:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            return {"precision": fitting(bfloat16_bytes(folder))}
    return {}


def _plan(agent: Agent, space_id: int) -> _Plan:
    parent = agent.current_version
    assert parent is not None, "an agent has a version from its creation on"
    pairs = unlearned_pairs(parent, space_id).aggregate(
        count=Count("id"),
        coded=Count("id", filter=TAUGHT_BY_CODE),
        last=Max("id"),
        tasks=Count("round__task_key", distinct=True),
        # An opening is played more than once, and each time another position of it is practised.
        episodes=Count("round", distinct=True, filter=Q(round__turn_limit__gt=1)),
    )
    try:
        # A run continues its parent's adapter, which keeps its shape.
        shape = kept_shape(parent.adapter) if parent.adapter else {}
        config = config_from_json({**agent.learning, **shape, **_sites_precision(agent)})
        if config.rank > (most := agent.base_model.max_lora_rank):
            servers = f"The servers of {agent.base_model} take adapters up to rank {most}."
            raise InvalidConfig({"rank": f"{servers} Lower the LoRA rank."})
    except InvalidConfig as error:
        return _Plan(
            method=DEFAULT,
            config=agent.learning,
            last_pair_id=pairs["last"],
            pair_count=pairs["count"],
            teaching=pairs["count"],
            problem=f"The training settings are not valid. {error}",
        )
    surplus = 0
    if method_of(config).examples is PAIRS:
        others, coded = pairs["count"] - pairs["coded"], pairs["coded"]
        surplus = coded - coded_beside(others, share=config.coded_share, coded=coded)
    count, tasks = pairs["count"] - surplus, max(pairs["tasks"], pairs["episodes"])
    answers = charges.answers_of(config, pairs=count, tasks=tasks)
    return _Plan(
        method=config.method,
        config=config.as_json(),
        last_pair_id=pairs["last"],
        pair_count=method_of(config).size(config, pairs=count, tasks=tasks).pairs,
        teaching=count,
        surplus=surplus,
        priced_answers=answers,
        price_credits=charges.price_of(answers),
    )
