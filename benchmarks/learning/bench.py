"""What `learn_bench` does with a running arena: one learner per arm and seed, for a number of minutes.

A learner competes in its own Space against the house, as a person's agent would: it enters, plays, is
judged, waits for the trainer (the Space is sequential) and plays on. Nothing else makes it better: no
answer, pair or reward comes from here.
"""

import contextlib
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from asgiref.sync import async_to_sync
from django.conf import settings

from agents.errors import Refused
from agents.inference.client import Sampling, plain_model, served_model
from agents.inference.servers import ServedModel
from agents.models import Agent, AgentVersion, BaseModel, User
from agents.roster import create_agent, set_learning
from arena.management.bouts import Contestant
from arena.spaces import entering
from arena.credits import ledger, wallet
from benchmarks.learning import duels, exam
from benchmarks.learning.games import GAMES
from arena.models import LIVE_ENTRY_STATUSES, Entry, Match, MatchStatus, Space
from judges.models import Judge, JudgeKind
from training.configs.configs import LearningConfig, Precision
from training.methods.dpo import DPOConfig
from training.methods.grpo import GRPOConfig
from training.runs.steering import use_version
from training.states import LIVE_STATUSES, RunStatus
from training.runs.starting import MIN_PAIRS, request_run
from training.models import Pair, PairCount, Rollout, TrainingRun

POLL_SECONDS = 0.5
LOW_BALANCE_CREDITS = 100
TOP_UP_CREDITS = 1000
# Assumed until the first of each has been timed; of a short time, at most these shares, or a learner
# would not begin at all.
FIRST_MATCH_SECONDS, FIRST_RUN_SECONDS = 120.0, 240.0
FIRST_MATCH_SHARE, FIRST_RUN_SHARE = 0.1, 0.2
# The base model's own default prompt: nothing in it helps with the tasks.
LEARNER_PROMPT = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
SAMPLING = Sampling(temperature=0.8, top_p=0.95, max_tokens=96)
SPACE = "learn-bench"
COIN = "coin"
GAME_ROUNDS = 20  # of a match of a game: ten openings, each from both sides

Say = Callable[[str], None]


@dataclass(frozen=True)
class Arm:
    """One way to learn. Its runs alternate among `methods`."""

    methods: tuple[LearningConfig, ...]
    explanation: str
    judge: str = "code"
    # Without one, models teach each other, and nothing but competition tells them what is better.
    has_coded_seats: bool = True
    # Versions taught by a coin pass no honest gate, so the owner activates each one by hand.
    takes_every_version: bool = False


# The base is small: in 4 bits it would save no memory and learn less (training.configs.configs).
# The published table was measured without a limit on what coded seats teach.
DPO = DPOConfig(precision=Precision.BF16, coded_share=1.0)
GRPO = GRPOConfig(precision=Precision.BF16, coded_share=1.0)
ARMS: Mapping[str, Arm] = MappingProxyType(
    {
        "dpo": Arm((DPO,), "preference pairs from verdicts"),
        "grpo": Arm((GRPO,), "groups of 4 own and 4 shared answers"),
        "both": Arm((DPO, GRPO), "runs of DPO and GRPO in turn"),
        "grpo-alone": Arm(
            (replace(GRPO, share=0),), "control: groups of 8 own answers, no sharing"
        ),
        "models": Arm((DPO,), "like dpo, with models only in the seats", has_coded_seats=False),
        "sft": Arm(
            (replace(DPO, preference_weight=0.0),),
            "control: imitation of winners only",
        ),
        "random": Arm(
            (DPO, GRPO),
            "control: like both, under a judge that scores at random",
            judge=COIN,
            takes_every_version=True,
        ),
    }
)


@dataclass
class Timing:
    """How long this learner's matches and runs take, to use its time well."""

    given_seconds: float
    matches: list[float] = field(default_factory=list)
    runs: list[float] = field(default_factory=list)

    @property
    def match_seconds(self) -> float:
        assumed = min(FIRST_MATCH_SECONDS, FIRST_MATCH_SHARE * self.given_seconds)
        return self.matches[-1] if self.matches else assumed

    @property
    def run_seconds(self) -> float:
        assumed = min(FIRST_RUN_SECONDS, FIRST_RUN_SHARE * self.given_seconds)
        return self.runs[-1] if self.runs else assumed


def base_exam() -> dict[str, Any]:
    """The exam of the plain base, with the learner's prompt and sampling."""
    answers = async_to_sync(exam.sit)(
        plain_model(settings.ENV.base_model),
        prompt=LEARNER_PROMPT,
        sampling=SAMPLING,
        answers=exam.BASE_ANSWERS,
    )
    return exam.as_json(answers)


def base_duels(slug: str) -> dict[str, Any]:
    """The games of the plain base in a seeded Space, with the learner's prompt and sampling."""
    return _duels(slug, plain_model(settings.ENV.base_model), prompt=LEARNER_PROMPT)


def _duels(slug: str, model: ServedModel, *, prompt: str) -> dict[str, Any]:
    space = GAMES[slug]
    learner = Contestant("learner", model, prompt, SAMPLING.within(space["max_tokens"]))
    return async_to_sync(duels.play)(space, learner)


def learn(name: str, *, seed: int, minutes: float, say: Say, game: str = "") -> dict[str, Any]:
    """Let a new agent learn with the arm for `minutes`; return its record, including the exam.

    `game`: slug of the seeded Space whose game it plays; "" for the Constraints Space.
    """
    arm = ARMS[name]
    space = _space(name, seed, game)
    agent = _learner(name, seed)
    started = time.monotonic()
    _spend(arm, agent, space, seed=seed, deadline=started + minutes * 60, say=say)
    seconds = time.monotonic() - started
    agent.refresh_from_db()
    version = AgentVersion.objects.select_related("agent__base_model", "adapter").get(
        agent=agent, id=agent.current_version_id or 0
    )
    say(f"exam of version {version.number}")
    answers = async_to_sync(exam.sit)(
        served_model(version), prompt=version.prompt, sampling=SAMPLING
    )
    played = {}
    if game:
        say(f"games of version {version.number}")
        played = _duels(game, served_model(version), prompt=version.prompt)
    runs = TrainingRun.objects.filter(agent=agent).order_by("id")
    return {
        "space": game,
        "duels": played,
        "arm": name,
        "seed": seed,
        "minutes": minutes,
        "seconds": round(seconds, 1),
        "matches": Match.objects.filter(seats__agent=agent, status=MatchStatus.SETTLED).count(),
        "pairs": Pair.objects.filter(agent=agent).count(),
        "practice_answers": Rollout.objects.filter(run__agent=agent, is_own=True).count(),
        "version": version.number,
        "adapter": version.adapter.digest if version.adapter else "",
        "runs": [_run_line(run) for run in runs],
        "exam": exam.as_json(answers),
    }


def _spend(arm: Arm, agent: Agent, space: Space, *, seed: int, deadline: float, say: Say) -> None:
    timing = Timing(given_seconds=deadline - time.monotonic())
    seen = -1
    while (left := deadline - time.monotonic()) > 0:
        runs = list(TrainingRun.objects.filter(agent=agent).order_by("id"))
        live = runs[-1] if runs and not RunStatus(runs[-1].status).is_final else None
        over = len(runs) - (live is not None)
        if over != seen:
            seen = over
            _choose_method(arm, agent, turn=over, seed=seed)
            if over:
                _close_run(arm, runs[over - 1], timing, say)
        if live is None and not _is_playing(agent):
            ready = _new_pairs(agent, space)
            if ready >= settings.ENV.training_pairs:
                pass  # the next sweep starts the run
            elif left > timing.run_seconds + timing.match_seconds:
                _play(agent, space, timing, say, deadline=deadline)
            elif ready >= MIN_PAIRS and left > 0.8 * timing.run_seconds:
                with contextlib.suppress(Refused):  # a sweep has started one in the meantime
                    request_run(agent.owner_id, agent_id=agent.id, space_id=space.id)
            else:
                break  # the remaining time is too short for a run
        time.sleep(POLL_SECONDS)
    # Leftover pairs must not start a run beside the exam or the next learner.
    set_learning(agent.owner_id, agent_id=agent.id, learning={}, is_training_enabled=False)
    # A run that began in time may finish; its minutes are in the record.
    while TrainingRun.objects.filter(agent=agent, status__in=LIVE_STATUSES).exists():
        time.sleep(POLL_SECONDS)
    for run in TrainingRun.objects.filter(agent=agent).order_by("id")[max(seen, 0) :]:
        _close_run(arm, run, timing, say)


def _play(agent: Agent, space: Space, timing: Timing, say: Say, *, deadline: float) -> None:
    account = ledger.account_of(agent.owner_id)
    if ledger.balance(account).available < LOW_BALANCE_CREDITS:
        wallet.top_up_sandbox(
            agent.owner_id, amount_credits=TOP_UP_CREDITS, transfer_id=uuid.uuid4()
        )
    started = time.monotonic()
    try:
        entry = entering.enter_space(
            agent.owner_id, agent_id=agent.id, space_slug=space.slug, entry_id=uuid.uuid4()
        )
    except Refused:
        return  # a sweep has started a run in the meantime
    while (
        _is_playing(agent) or _awaits_harvest(agent)
    ) and time.monotonic() < deadline + timing.match_seconds:
        time.sleep(POLL_SECONDS)
    entry.refresh_from_db()
    timing.matches.append(time.monotonic() - started)
    ready = _new_pairs(agent, space)
    say(f"match {entry.match_id} {entry.status} in {timing.match_seconds:.0f} s, {ready} new pairs")


def _close_run(arm: Arm, run: TrainingRun, timing: Timing, say: Say) -> None:
    if run.started_at and run.finished_at:
        timing.runs.append((run.finished_at - run.started_at).total_seconds())
    if arm.takes_every_version and run.status == RunStatus.REJECTED and run.child_version_id:
        use_version(run.agent.owner_id, agent_id=run.agent_id, version_id=run.child_version_id)
    say(f"run {run.pk} ({run.method}, {timing.run_seconds:.0f} s) {run.status}: {run.reason}")


def _choose_method(arm: Arm, agent: Agent, *, turn: int, seed: int) -> None:
    config = arm.methods[turn % len(arm.methods)]
    set_learning(
        agent.owner_id,
        agent_id=agent.id,
        learning=config.as_json() | {"seed": seed},
        is_training_enabled=True,
    )


def _is_playing(agent: Agent) -> bool:
    return Entry.objects.filter(agent=agent, status__in=LIVE_ENTRY_STATUSES).exists()


def _awaits_harvest(agent: Agent) -> bool:
    """Whether pairs of a finished match are still to come; they may be enough for a run."""
    settled = Match.objects.filter(seats__agent=agent, status=MatchStatus.SETTLED)
    return settled.filter(is_harvested=False).exists()


def _new_pairs(agent: Agent, space: Space) -> int:
    """Pairs that count towards the next run; a rejected run's pairs are reused but start none."""
    counted = PairCount.objects.filter(agent=agent, space=space).first()
    return counted.new_pairs if counted else 0


def _learner(arm: str, seed: int) -> Agent:
    owner, _ = User.objects.get_or_create(
        username=f"bench-{uuid.uuid4().hex[:12]}", defaults={"email": "bench@rlfc.invalid"}
    )
    base_model = BaseModel.objects.get(served_name=settings.ENV.base_model)
    return create_agent(
        owner.id,
        name=f"Learner {arm} {seed}",
        base_model_id=base_model.id,
        prompt=LEARNER_PROMPT,
        sampling=SAMPLING.as_json(),
        learning={},
    )


def _space(arm: str, seed: int, game: str = "") -> Space:
    """The Constraints Space, or that of a game, with more rounds, in which play waits for training.

    Only for this learner: when several learn at once, they never meet.
    """
    judge = ARMS[arm].judge
    if judge == COIN:
        Judge.objects.get_or_create(slug=COIN, defaults={"name": "Coin", "kind": JudgeKind.COIN})
    values: dict[str, Any] = {
        "environment": "constraints",
        "seat_count": 5,  # the learner and four to share answers with
        "round_count": 20,
        "prize_percents": [50, 30, 20],
    }
    if game:
        values = {**GAMES[game], "round_count": GAME_ROUNDS}
    values |= {
        "name": f"Learning bench ({arm}, seed {seed})",
        "summary": "For measuring how agents learn.",
        "base_model": BaseModel.objects.get(served_name=settings.ENV.base_model),
        "panel": [{"judge": judge, "weight": 1.0}],
        "entry_fee_credits": 10,
        "rounds_at_once": 10,
        "house_fill_seconds": 0,
        "waits_for_training": True,
        "has_coded_seats": ARMS[arm].has_coded_seats,
    }
    slug = "-".join(filter(None, [SPACE, game, arm, str(seed)]))
    space, _ = Space.objects.get_or_create(slug=slug, defaults=values | {"slug": slug})
    return space


def _run_line(run: TrainingRun) -> dict[str, Any]:
    took = run.finished_at - run.started_at if run.finished_at and run.started_at else None
    losses = [point["loss"] for point in run.curve if "loss" in point]
    return {
        "method": run.method,
        "status": run.status,
        "pairs": run.pair_count,
        "loss_first": losses[0] if losses else None,
        "loss_last": losses[-1] if losses else None,
        "seconds": round(took.total_seconds(), 1) if took else None,
        "gate": {name: run.gate[name] for name in ("parent", "child", "tasks") if run.gate},
        "reason": run.reason,
    }
