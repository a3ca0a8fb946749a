"""Whether a trained version may play: parent and child on held-out tasks, and a bootstrap.

The Space's own tasks show what was learned; probes of other skills show what it cost. Both
versions get the agent's own prompt and sampling; each Space's panel judges its own tasks.
"""

from collections.abc import Awaitable, Callable, Sequence
from random import Random
from statistics import fmean

from agents.errors import Refused
from agents.inference.client import Inference
from agents.inference.patience import beside, pulse, together
from agents.inference.table import ServerTable
from arena.environments.base import Task
from judges.tools import Tools
from training.gate.decisions import (
    MIN_PROBE_TASKS,
    GateDecision,
    KindCount,
    count_kinds,
    decide,
    decide_probe,
)
from training.gate.drift import Drift, TrainerView
from training.gate.figures import BothAnswers, Earlier, OwnFigures, Probe, Probed, Side
from training.gate.record import GateRecord, judged
from training.gate.served import measure_drift
from training.gate.sitting import (
    BASE,
    CHILD,
    LOOKS,
    PARENT,
    Contestants,
    Exam,
    Examiner,
    Trial,
    draw_kind,
    draw_tasks,
)

MIN_JUDGED_SHARE = 0.75  # of the tasks; with fewer, the gate does not decide
# With few tasks, a kind can fall to zero by bad luck: if it seems to, this many more are asked.
RECHECK_TASKS = 8
EXAMPLES = 6
EXAMPLE_CHARS = 600


class GateInconclusive(Refused):
    """Too little could be judged or compared: an infrastructure fault, not the child's."""


class GateUnjudged(GateInconclusive):
    """The judges were away, and may come back."""


class NeverAnswers(Refused):
    """Too few tasks got an answer at all, because of the agent's own prompt and settings."""


async def evaluate(
    contestants: Contestants,
    *,
    own: Exam,
    probes: Sequence[Exam],
    trained: TrainerView,
    tools: Tools,
    servers: ServerTable,
    rng: Random,
    heartbeat: Callable[[], Awaitable[None]],
) -> GateRecord:
    """The gate's figures and its verdict.

    `rng` draws the tasks: training.gate.exams.exam_source. `heartbeat` is awaited every few seconds
    and may raise to stop. Raises InferenceUnavailable, AdapterRefused, GateInconclusive, or
    NeverAnswers.
    """
    tasks = _draw(own, rng, looks=LOOKS)
    first_look, second_look = tasks[: own.task_count], tasks[own.task_count :]
    exams = [(own, first_look)]
    exams += [(probe, _draw(probe, rng)) for probe in probes]

    async def examine_all() -> tuple[
        Drift | None, GateDecision, list[Trial], list[list[Trial]], list[Trial]
    ]:
        async with Inference(servers) as inference:
            await inference.ensure_adapter(contestants.parent)
            await inference.ensure_adapter(contestants.child)
            drift = await measure_drift(
                inference, child=contestants.child, base=contestants.base, trained=trained
            )
            if drift is None and any(sequence.ids for sequence in trained.sequences):
                raise GateInconclusive(
                    "The server could score none of the trainer's answers, so nobody knows whether "
                    "it plays what was trained."
                )
            examiner = Examiner(
                inference, contestants, tools, servers=servers.count(contestants.base.base)
            )
            own_trials, *probe_trials = await together(
                examiner.examine(exam, drawn, beside_base=exam is not own) for exam, drawn in exams
            )
            _refuse_unjudged(own_trials, first_look, unanswered=examiner.unanswered[own.slug])
            decision = _decide(own_trials, rng)
            if decision.is_open:
                own_trials += await examiner.examine(own, second_look)
                _refuse_unjudged(own_trials, tasks, unanswered=examiner.unanswered[own.slug])
                decision = _decide(own_trials, rng)
            recheck = await examiner.examine(own, _recheck(own, tasks, own_trials, rng))
            return drift, decision, own_trials, probe_trials, recheck

    drift, decision, own_trials, probe_trials, recheck = await beside(
        pulse(heartbeat), examine_all()
    )
    probed = [_probe(exam, trials, rng) for exam, trials in zip(probes, probe_trials, strict=True)]
    return judged(
        own=_own_figures(own, own_trials, decision),
        kinds=_kinds([*own_trials, *recheck]),
        probes=probed,
        drift=drift,
        examples=[_example(trial) for trial in _telling(own_trials)],
    )


def _draw(exam: Exam, rng: Random, *, looks: int = 1) -> list[Task]:
    return draw_tasks(
        exam.environment, rng=rng, count=looks * exam.task_count, weights=exam.difficulty_weights
    )


def _refuse_unjudged(trials: Sequence[Trial], tasks: Sequence[Task], *, unanswered: int) -> None:
    if trials and len(trials) >= MIN_JUDGED_SHARE * len(tasks):
        return
    if unanswered > (1 - MIN_JUDGED_SHARE) * len(tasks):
        # Enough for the gate to fail even if the servers and judges had done all of their part.
        raise NeverAnswers(
            f"{unanswered} of {len(tasks)} held-out tasks got no answer, so the new version could not "
            "be evaluated. Shorten the agent's prompt, so that the model has room to answer."
        )
    raise GateUnjudged(f"Only {len(trials)} of {len(tasks)} held-out tasks could be judged.")


def _decide(trials: Sequence[Trial], rng: Random) -> GateDecision:
    return decide(_scores(trials, PARENT), _scores(trials, CHILD), rng=rng)


def _recheck(own: Exam, drawn: Sequence[Task], trials: Sequence[Trial], rng: Random) -> list[Task]:
    """More tasks of the kinds that seem to have fallen to zero."""
    known = {task.prompt for task in drawn}
    return [
        task
        for kind, count in _kinds(trials).items()
        if count.fell_to_zero
        for task in draw_kind(own, kind, rng=rng, count=RECHECK_TASKS, known=known)
    ]


def _scores(trials: Sequence[Trial], side: int) -> list[float]:
    return [trial.scores[side] for trial in trials]


def _kinds(trials: Sequence[Trial]) -> dict[str, KindCount]:
    return count_kinds(
        (trial.task.kind, trial.passed[PARENT], trial.passed[CHILD]) for trial in trials
    )


def _own_figures(own: Exam, trials: Sequence[Trial], decision: GateDecision) -> OwnFigures:
    def side(index: int) -> Side:
        return Side(
            mean=fmean(_scores(trials, index)),
            passed=sum(trial.passed[index] for trial in trials),
        )

    return OwnFigures(
        tasks=len(trials),
        parent=side(PARENT),
        child=side(CHILD),
        decision=decision,
        difficulty_weights=own.difficulty_weights,
    )


def _probe(exam: Exam, trials: Sequence[Trial], rng: Random) -> Probe:
    tasks = len(trials)
    if tasks < MIN_PROBE_TASKS:
        # Another Space's failing judge must not keep this Space's agents from learning.
        problem = f"Only {tasks} of {exam.task_count} tasks could be judged: too few to decide."
        return _probe_of(exam, tasks, None, problem=problem)
    child, earlier = _scores(trials, CHILD), {Earlier.PARENT: _scores(trials, PARENT)}
    # Many small losses, none of them clear, add up: comparing with the base catches them.
    if len(trials[0].scores) > BASE:
        earlier[Earlier.BASE] = _scores(trials, BASE)
    decisions = {than: decide_probe(scores, child, rng=rng) for than, scores in earlier.items()}
    than = next((than for than in decisions if decisions[than].is_regressed), Earlier.PARENT)
    means = {than: fmean(scores) for than, scores in earlier.items()}
    probed = Probed(
        parent=means[Earlier.PARENT],
        child=fmean(child),
        base=means.get(Earlier.BASE),
        than=than,
        decision=decisions[than],
    )
    return _probe_of(exam, tasks, probed)


def _probe_of(exam: Exam, tasks: int, probed: Probed | None, *, problem: str = "") -> Probe:
    return Probe(
        space=exam.slug,
        name=exam.name,
        tasks=tasks,
        probed=probed,
        problem=problem,
        difficulty_weights=exam.difficulty_weights,
    )


def _telling(trials: Sequence[Trial]) -> list[Trial]:
    """The child's clearest gains and losses."""
    ordered = sorted(trials, key=lambda trial: trial.scores[PARENT] - trial.scores[CHILD])
    if len(ordered) <= EXAMPLES:
        return ordered
    return ordered[: EXAMPLES // 2] + ordered[-(EXAMPLES // 2) :]


def _example(trial: Trial) -> BothAnswers:
    return BothAnswers(
        kind=trial.task.kind,
        task=trial.task.prompt[:EXAMPLE_CHARS],
        parent=trial.texts[PARENT][:EXAMPLE_CHARS],
        child=trial.texts[CHILD][:EXAMPLE_CHARS],
        parent_score=round(trial.scores[PARENT], 3),
        child_score=round(trial.scores[CHILD], 3),
    )
