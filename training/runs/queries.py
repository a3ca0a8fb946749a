"""Reads for pages and the API: runs, pairs, and progress towards the next run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet, Sum

from agents.errors import NotAvailable
from agents.models import Adapter
from training.configs.configs import ATTENTION_MODULES, Targets
from training.gate.record import GateRecord, gate_from_json
from training.models import PairCount, Rollout, TrainingRun
from training.runs import charges
from training.states import LIVE_STATUSES, UPLOAD, RunStatus

MAX_ROWS = 100


class PriceState(StrEnum):
    """What happened to a run's price."""

    HELD = "held"
    CHARGED = "charged"
    CHARGED_IN_PART = "charged in part"
    GIVEN_BACK = "given back"


@dataclass(frozen=True)
class PriceView:
    """A run's price for its owner: what it costs if it ends now, or what it has cost."""

    price_credits: int
    state: PriceState
    used_credits: int

    @property
    def returned_credits(self) -> int:
        return self.price_credits - self.used_credits


@dataclass(frozen=True)
class RunLine:
    """A run in a list."""

    run_id: int
    agent_id: int
    space_name: str
    status: str
    method: str
    pair_count: int
    parent_number: int
    child_number: int | None
    price_credits: int | None  # None: what it costs is its owner's business
    is_by_hand: bool
    progress: Mapping[str, Any]
    gate: GateRecord | None  # None before it has decided
    reason: str
    created_at: datetime
    finished_at: datetime | None

    @property
    def is_final(self) -> bool:
        return RunStatus(self.status).is_final

    @property
    def is_upload(self) -> bool:
        """Whether nothing trains: its version was brought by the owner."""
        return self.method == UPLOAD


@dataclass(frozen=True)
class RunView(RunLine):
    """Everything about a run."""

    agent_name: str
    owner: str
    is_own: bool  # the viewer's
    price: PriceView | None  # None: another's, or there is none
    space_slug: str
    config: Mapping[str, Any]
    curve: Sequence[Mapping[str, Any]]
    manifest: Mapping[str, Any]
    manifest_digest: str
    attempts: int
    started_at: datetime | None
    collected_at: datetime | None  # since when its practice answers are gone


@dataclass(frozen=True)
class GateFigures:
    """Mean scores on the held-out tasks, [0, 1]."""

    parent: float
    child: float
    difference: float


@dataclass(frozen=True)
class LearningProgress:
    """New pairs of one agent in one Space, towards the run that starts by itself."""

    agent_id: int
    space_id: int
    space_name: str
    new_pairs: int
    needed_pairs: int
    live_run_id: int | None
    live_run_status: str

    @property
    def is_moving(self) -> bool:
        """Whether a run is in progress; the run's own page shows how far it is."""
        return self.live_run_id is not None and self.live_run_status != RunStatus.PAUSED

    @property
    def share(self) -> float:
        return min(self.new_pairs / self.needed_pairs, 1.0)


def runs_of_agent(agent_id: int, *, viewer: int | None, limit: int = 20) -> tuple[RunLine, ...]:
    """Newest first; prices only for the owner."""
    rows = (
        TrainingRun.objects.filter(agent_id=agent_id)
        .select_related("agent", "space", "parent_version", "child_version")
        .defer("curve", "manifest")
        .order_by("-id")[: min(limit, MAX_ROWS)]
    )
    return tuple(RunLine(**_line(row, viewer)) for row in rows)


def offered_runs(agent_ids: Iterable[int], *, viewer: int | None) -> dict[int, tuple[RunLine, ...]]:
    """Per agent, the runs whose version awaits the owner's decision, oldest first.

    They are public; prices are only for the owner.
    """
    rows = (
        TrainingRun.objects.filter(agent_id__in=list(agent_ids), status=RunStatus.OFFERED)
        .select_related("agent", "space", "parent_version", "child_version")
        .defer("curve", "manifest")
        .order_by("id")[:MAX_ROWS]
    )
    offered: dict[int, tuple[RunLine, ...]] = {}
    for row in rows:
        offered[row.agent_id] = (*offered.get(row.agent_id, ()), RunLine(**_line(row, viewer)))
    return offered


def gate_figures(agent_id: int) -> dict[int, GateFigures]:
    """Per trained version of the agent, its figures against its parent."""
    rows = (
        TrainingRun.objects.filter(agent_id=agent_id, gate__has_key="difference")
        .exclude(child_version=None)
        .order_by("-id")
        .values_list(
            "child_version_id", "gate__parent__mean", "gate__child__mean", "gate__difference"
        )[:MAX_ROWS]
    )
    return {version_id: GateFigures(*figures) for version_id, *figures in rows if version_id}


def run_view(run_id: int, *, viewer: int | None) -> RunView:
    """One run, which anybody may look at; its price only for the owner. Raises NotAvailable."""
    row = (
        TrainingRun.objects.select_related(
            "agent__owner", "space", "parent_version", "child_version"
        )
        .filter(id=run_id)
        .first()
    )
    if row is None:
        raise NotAvailable("There is no such training run.")
    return RunView(
        **_line(row, viewer),
        agent_name=row.agent.name,
        owner=row.agent.owner.username,
        is_own=row.agent.owner_id == viewer,
        price=_price(row) if row.agent.owner_id == viewer and row.price_credits else None,
        space_slug=row.space.slug,
        config=row.config,
        curve=row.curve,
        manifest=row.manifest,
        manifest_digest=row.manifest_digest,
        attempts=row.attempts,
        started_at=row.started_at,
        collected_at=row.collected_at,
    )


def unjudged_runs() -> QuerySet[TrainingRun]:
    """Runs with a version on which the gate has not decided, or never did: it may not play."""
    return TrainingRun.objects.filter(
        child_version__isnull=False,
        gate={},
        status__in=LIVE_STATUSES | {RunStatus.FAILED, RunStatus.CANCELLED},
    )


def unjudged_versions(agent_id: int) -> frozenset[int]:
    """Ids of the agent's versions that may not play for want of a gate's decision."""
    found = unjudged_runs().filter(agent_id=agent_id).values_list("child_version_id", flat=True)
    return frozenset(version_id for version_id in found if version_id)


def run_status(run_id: int) -> RunStatus:
    """Where a run stands, which anybody may watch. Raises NotAvailable if there is none."""
    status = TrainingRun.objects.filter(id=run_id).values_list("status", flat=True).first()
    if status is None:
        raise NotAvailable("There is no such training run.")
    return RunStatus(status)


def kept_shape(adapter: Adapter) -> dict[str, Any]:
    """Settings that a run takes from the adapter it continues, whatever the owner chose."""
    is_attention = set(adapter.target_modules) <= set(ATTENTION_MODULES)
    return {
        "rank": adapter.rank,
        "alpha": adapter.alpha,
        "target_modules": (Targets.ATTENTION if is_attention else Targets.ALL_LINEAR).value,
    }


def pair_count(agent_id: int, *, viewer: int | None) -> int:
    """How many pairs the viewer's own agent has collected; 0 for another's agent."""
    counts = PairCount.objects.filter(agent_id=agent_id, agent__owner_id=viewer)
    return counts.aggregate(total=Sum("pairs"))["total"] or 0


def has_practised(agent_id: int, *, viewer: int | None) -> bool:
    """Whether the viewer's own agent has practice answers."""
    return Rollout.objects.filter(run__agent_id=agent_id, run__agent__owner_id=viewer).exists()


def learning_progress(
    agent_ids: Iterable[int], *, viewer: int | None
) -> dict[int, tuple[LearningProgress, ...]]:
    """For each of the viewer's own agents, one line per Space in which it has pairs."""
    own = Q(agent__in=list(agent_ids), agent__owner_id=viewer)
    live = {
        (run.agent_id, run.space_id): run
        for run in TrainingRun.objects.filter(own, status__in=LIVE_STATUSES).only(
            "id", "agent_id", "space_id", "status"
        )
    }
    progress: dict[int, tuple[LearningProgress, ...]] = {}
    counts = PairCount.objects.filter(own, pairs__gt=0).select_related("space")
    for row in counts.order_by("space__name"):
        run = live.get((row.agent_id, row.space_id))
        line = LearningProgress(
            agent_id=row.agent_id,
            space_id=row.space_id,
            space_name=row.space.name,
            new_pairs=row.new_pairs,
            needed_pairs=settings.ENV.training_pairs,
            live_run_id=run.id if run else None,
            live_run_status=run.status if run else "",
        )
        progress[row.agent_id] = (*progress.get(row.agent_id, ()), line)
    return progress


def _price(run: TrainingRun) -> PriceView:
    paid = charges.paid_credits(run)
    if paid is None:
        return PriceView(run.price_credits, PriceState.HELD, charges.used_credits(run))
    states = {0: PriceState.GIVEN_BACK, run.price_credits: PriceState.CHARGED}
    return PriceView(run.price_credits, states.get(paid, PriceState.CHARGED_IN_PART), paid)


def _line(row: TrainingRun, viewer: int | None) -> dict[str, Any]:
    return {
        "run_id": row.id,
        "agent_id": row.agent_id,
        "space_name": row.space.name,
        "status": str(row.status),
        "method": row.method,
        "pair_count": row.pair_count,
        "parent_number": row.parent_version.number,
        "child_number": row.child_version.number if row.child_version else None,
        "price_credits": row.price_credits if row.agent.owner_id == viewer else None,
        "is_by_hand": row.is_by_hand,
        "progress": row.progress,
        "gate": gate_from_json(row.gate),
        "reason": row.reason,
        "created_at": row.created_at,
        "finished_at": row.finished_at,
    }
