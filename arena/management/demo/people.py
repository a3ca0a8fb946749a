"""The demo's users: two people whose agents compete until one agent has learned from it.

Runs as a child of the supervisor, beside the real workers, and does only what a person's browser
would do: it tops up, enters Spaces and watches. Nothing here plays, judges or trains.
"""

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings
from django.db import OperationalError, connections
from django.db.models import Count, Max, Min, Sum
from django.db.models.functions import Coalesce

from agents.errors import Refused
from agents.models import Agent, BaseModel, User
from agents.roster import create_agent
from arena.config.env import kept_secret
from arena.credits import ledger, wallet
from arena.models import (
    LIVE_ENTRY_STATUSES,
    Completion,
    Entry,
    Match,
    MatchStatus,
    Round,
    Seat,
    Space,
    Transfer,
    TransferCode,
    TransferKind,
    Vote,
)
from arena.spaces import entering
from training.models import Pair, TrainingRun
from training.states import LIVE_STATUSES, RunStatus

POLL_SECONDS = 1.0
LEARNING_SPACE = "constraints"
LOW_BALANCE_CREDITS = 50
TOP_UP_CREDITS = 500
# Between matches of the open demo, once it has shown the loop.
CALM_SECONDS = 20.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class Cast:
    """One demo agent and the Space it plays in."""

    username: str
    agent: str
    space: str
    prompt: str
    temperature: float


CAST = (
    Cast("demo", "Ruler", "constraints", "Keep every rule of the request. Be brief.", 0.8),
    Cast("demo", "Bard", "tiny-poems", "Write only the poem, in the form asked for.", 0.9),
    Cast("rival", "Clerk", "constraints", "Answer shortly and exactly.", 0.7),
    Cast("rival", "Minstrel", "tiny-poems", "You are a poet of few words.", 1.0),
)


class DemoStalled(Exception):
    """The loop did not close in time; the sentence says how far it got."""


def cast() -> tuple[dict[str, Agent], str]:
    """The demo's agents by name, and the password of the user `demo`; created at the first call."""
    password = kept_secret(settings.HOME / "demo-password", size_bytes=9)
    base_model = BaseModel.objects.get(served_name=settings.ENV.base_model)
    agents: dict[str, Agent] = {}
    for role in CAST:
        user, _ = User.objects.get_or_create(
            username=role.username, defaults={"email": f"{role.username}@rlfc.invalid"}
        )
        if role.username == "demo" and not user.check_password(password):
            user.set_password(password)
            user.save(update_fields=["password"])
        agent = Agent.objects.filter(owner=user, name=role.agent).first()
        agents[role.agent] = agent or create_agent(
            user.id,
            name=role.agent,
            base_model_id=base_model.id,
            prompt=role.prompt,
            sampling={"temperature": role.temperature, "top_p": 0.95, "max_tokens": 96},
            learning={},
        )
    return agents, password


def play_until_learned(agents: Mapping[str, Agent], *, seconds: float, say: Say) -> TrainingRun:
    """Enter matches until a training run has ended at its gate and its agent has played again.

    Raises DemoStalled when time is up.
    """
    deadline = time.monotonic() + seconds
    progress = _Narrator(say)
    while time.monotonic() < deadline:
        run = _gated_run(agents)
        live = _live_run(agents)
        progress.show(agents, live)
        if run and _played_since(run) and _both_spaces_settled():
            return run
        for role in CAST:
            # A second match in a Space where nobody is about to learn would only delay the first
            # run, and while a run is at work the machine is left to it, but for the match that the
            # loop still lacks.
            is_wanted = role.space == LEARNING_SPACE or not _has_settled(role)
            has_learned = run is not None and run.agent == agents[role.agent]
            if has_learned or (is_wanted and live is None):
                _enter_if_idle(agents[role.agent], role.space)
        time.sleep(POLL_SECONDS)
    raise DemoStalled(
        f"The loop did not close in {seconds / 60:.0f} minutes: "
        f"{Match.objects.filter(status=MatchStatus.SETTLED).count()} matches settled, "
        f"{Pair.objects.count()} pairs, {TrainingRun.objects.count()} training runs."
    )


def keep_alive(agents: Mapping[str, Agent], *, say: Say) -> None:
    """Start a match now and then for somebody to watch; never returns."""
    progress = _Narrator(say)
    while True:
        try:
            live = _live_run(agents)
            progress.show(agents, live)
            if live is None:
                for role in CAST:
                    _enter_if_idle(agents[role.agent], role.space)
        except OperationalError:
            say("The database does not answer; waiting for it.")
            connections.close_all()
        time.sleep(CALM_SECONDS)


def report(run: TrainingRun | None, *, seconds: float) -> dict[str, Any]:
    """Everything that the demo did, read back from the database."""
    completions = Completion.objects.aggregate(
        count=Count("id"),
        first=Min("round__created_at"),
        last=Max("created_at"),
    )
    tokens = sum(len(ids) for ids in Completion.objects.values_list("token_ids", flat=True))
    span = (
        (completions["last"] - completions["first"]).total_seconds() if completions["count"] else 0
    )
    audit = ledger.audit()
    return {
        "seconds": round(seconds, 1),
        "matches_settled": Match.objects.filter(status=MatchStatus.SETTLED).count(),
        "matches_by_space": _matches_by_space(),
        "rounds": Round.objects.count(),
        "completions": completions["count"],
        "votes": Vote.objects.count(),
        "pairs": Pair.objects.count(),
        "training_runs": [_run_line(each) for each in TrainingRun.objects.order_by("id")],
        "trained_agent": _learner(run) if run else None,
        "ledger_audit": asdict(audit) | {"ok": not audit.problems},
        "credits": _credits(),
        "tokens": tokens,
        "tokens_per_second": round(tokens / span, 1) if span else 0.0,
        "loop_closed": bool(run and not audit.problems),
    }


class _Narrator:
    """Prints a line whenever something changed."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._last = ""

    def show(self, agents: Mapping[str, Agent], live: TrainingRun | None) -> None:
        settled = Match.objects.filter(status=MatchStatus.SETTLED).count()
        playing = Match.objects.filter(status=MatchStatus.RUNNING).count()
        line = f"{settled} matches settled, {playing} playing, {Pair.objects.count()} pairs"
        if live:
            done, steps = live.progress.get("step"), live.progress.get("steps")
            step = f", step {done}/{steps}" if done and steps else ""
            line += f"; {live.agent.name} is {live.status}{step}"
        if line != self._last:
            self._say(line)
            self._last = line


def _enter_if_idle(agent: Agent, space_slug: str) -> None:
    busy = Entry.objects.filter(agent=agent, status__in=LIVE_ENTRY_STATUSES)
    if busy.exists():
        return
    account = ledger.account_of(agent.owner_id)
    if ledger.balance(account).available < LOW_BALANCE_CREDITS:
        wallet.top_up_sandbox(
            agent.owner_id, amount_credits=TOP_UP_CREDITS, transfer_id=uuid.uuid4()
        )
    try:
        entering.enter_space(
            agent.owner_id, agent_id=agent.id, space_slug=space_slug, entry_id=uuid.uuid4()
        )
    except Refused:
        return  # retired or closed by hand in the open demo: nothing to do


def _gated_run(agents: Mapping[str, Agent]) -> TrainingRun | None:
    """The newest adopted run, or the newest rejected one if none was adopted."""
    gated = (
        TrainingRun.objects.filter(agent__in=agents.values())
        .select_related("agent__current_version", "child_version", "parent_version")
        .order_by("-id")
    )
    adopted = gated.filter(status=RunStatus.ADOPTED).first()
    return adopted or gated.filter(status=RunStatus.REJECTED).first()


def _live_run(agents: Mapping[str, Agent]) -> TrainingRun | None:
    return (
        TrainingRun.objects.filter(agent__in=agents.values(), status__in=LIVE_STATUSES)
        .select_related("agent")
        .first()
    )


def _played_since(run: TrainingRun) -> bool:
    return Seat.objects.filter(
        agent=run.agent,
        match__status=MatchStatus.SETTLED,
        match__created_at__gt=run.finished_at,
        version=run.agent.current_version,
    ).exists()


def _has_settled(role: Cast) -> bool:
    return Match.objects.filter(space__slug=role.space, status=MatchStatus.SETTLED).exists()


def _both_spaces_settled() -> bool:
    return all(_has_settled(role) for role in CAST)


def _matches_by_space() -> dict[str, int]:
    rows = Space.objects.annotate(count=Count("matches")).filter(count__gt=0).order_by("slug")
    return dict(rows.values_list("slug", "count"))


def _run_line(run: TrainingRun) -> dict[str, Any]:
    losses = [point["loss"] for point in run.curve]
    took = (run.finished_at - run.started_at) if run.finished_at and run.started_at else None
    return {
        "id": run.id,
        "agent": run.agent.name,
        "space": run.space.slug,
        "status": run.status,
        "method": run.method,
        "pairs": run.pair_count,
        "rehearsed_texts": run.manifest.get("rehearsal", {}).get("texts", 0),
        "steps": run.progress.get("steps"),
        "loss_first": losses[0] if losses else None,
        "loss_last": losses[-1] if losses else None,
        "seconds": round(took.total_seconds(), 1) if took else None,
        "held_out": {key: value for key, value in run.gate.items() if key != "examples"},
        "reason": run.reason,
    }


def _learner(run: TrainingRun) -> dict[str, Any]:
    last = (
        Seat.objects.filter(agent=run.agent, match__status=MatchStatus.SETTLED)
        .select_related("version__adapter")
        .latest("match__finished_at")
    )
    return {
        "agent": run.agent.name,
        "run": run.pk,
        "verdict_of_gate": run.status,
        "parent_version": run.parent_version.number,
        "child_version": run.child_version.number if run.child_version else None,
        "last_match": last.match_id,
        "last_match_version": last.version.number,
        "last_match_adapter": last.version.adapter.digest if last.version.adapter else None,
    }


def _credits() -> dict[str, int]:
    def total(code: TransferCode, *kinds: TransferKind) -> int:
        rows = Transfer.objects.filter(code=code, kind__in=kinds)
        return int(rows.aggregate(total=Coalesce(Sum("amount_credits"), 0))["total"])

    moved = (TransferKind.POSTED, TransferKind.POST)
    return {
        "issued": total(TransferCode.TOP_UP, *moved),
        "fees_in": total(TransferCode.ENTRY_FEE, *moved),
        "prizes_out": total(TransferCode.PRIZE, *moved),
        "rake": total(TransferCode.RAKE, *moved),
        "refunds_out": total(TransferCode.REFUND, *moved),
        "holds_voided": total(TransferCode.ENTRY_FEE, TransferKind.VOID),
    }
