"""Practice: an agent answers tasks that it has played once more, before it learns from them.

Answers are drawn from the version that the run starts from, through vLLM, as in a match: the
same prompt, sampling and limit. The Space's panel then judges each group's answers together.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import structlog
from asgiref.sync import sync_to_async
from django.conf import settings

from agents.inference.client import (
    Generation,
    Inference,
    InferenceUnavailable,
    Message,
    RequestRefused,
    Sampling,
    ServedModel,
    served_model,
)
from agents.inference.patience import Heartbeat, beside, patiently, pulse, together
from arena.environments import ENVIRONMENTS
from arena.environments.asking import build_messages
from arena.environments.base import Environment, Task
from arena.matches.judge_tools import build_tools
from arena.matches.judging import panel_of
from arena.matches.panels import PanelJudge, judge_answers
from arena.models import Round
from training.data.dataset import held_out_tasks, unlearned_rounds
from training.data.groups import Source
from training.data.tokens import read_chat_tokens
from training.methods import config_from_json, method_of
from training.models import Rollout, TrainingRun
from training.practice.plan import (
    GroupScores,
    PlannedGroup,
    PracticePlan,
    make_plan,
    read_scores,
    stored_answers,
    write_scores,
)
from training.runs.attempts import run_folder

# Requests in flight for each inference server. Measured: docs/decisions/practice-concurrency.md
CONCURRENT_ANSWERS = 16
CONCURRENT_GROUPS = 4  # before the panel

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Draw:
    """One answer that is missing."""

    round_id: int
    index: int
    messages: Sequence[Message]


@dataclass(frozen=True)
class _Practice:
    """All that practising needs; read once, outside the event loop."""

    run: TrainingRun
    folder: Path
    plan: PracticePlan
    tasks: Mapping[int, Task]  # by round
    missing: Sequence[_Draw]
    model: ServedModel
    sampling: Sampling
    environment: Environment
    panel: Sequence[PanelJudge]


@dataclass
class _Progress:
    """What the heartbeat tells."""

    sentence: str = ""


async def practise(run: TrainingRun, *, heartbeat: Heartbeat) -> None:
    """Draw and judge what the run's groups lack; nothing is drawn or judged twice.

    `heartbeat` is awaited with a sentence every few seconds and may raise to stop. A task that
    the server refuses, or that nobody judges, stays without scores and thus out of the dataset.
    Raises InferenceUnavailable, AdapterRefused, or Refused.
    """
    practice = await sync_to_async(_prepare)(run.pk)
    progress = _Progress()
    telling = pulse(lambda: heartbeat(progress.sentence))
    await beside(telling, _work(practice, progress))


async def _work(practice: _Practice, progress: _Progress) -> None:
    await _draw_missing(practice, progress)
    await _judge_groups(practice, progress)


def _prepare(run_id: int) -> _Practice:
    run = TrainingRun.objects.select_related(
        "agent__base_model", "space", "parent_version__adapter", "parent_version__agent__base_model"
    ).get(id=run_id)
    folder = run_folder(run_id)
    folder.mkdir(parents=True, exist_ok=True)
    plan = PracticePlan.read(folder)
    if plan is None:
        plan = _new_plan(run)
        plan.write(folder)
    rounds = Round.objects.in_bulk([group.round_id for group in plan.groups])
    tasks = {round_id: Task.from_json(one.task) for round_id, one in rounds.items()}
    sampling = Sampling.from_json(run.parent_version.sampling)
    return _Practice(
        run=run,
        folder=folder,
        plan=plan,
        tasks=tasks,
        missing=_missing(run, plan, tasks),
        model=served_model(run.parent_version),
        sampling=replace(sampling, max_tokens=min(sampling.max_tokens, run.space.max_tokens)),
        environment=ENVIRONMENTS[run.space.environment],
        panel=panel_of(tuple((chair["judge"], chair["weight"]) for chair in run.space.panel)),
    )


def _new_plan(run: TrainingRun) -> PracticePlan:
    config = config_from_json(run.config)
    size = method_of(config).practice(config)
    assert size is not None, "only a method that practises is asked to"
    return make_plan(
        run,
        unlearned_rounds(run),
        config=config,
        size=size,
        tokens=read_chat_tokens(Path(run.agent.base_model.path)),
        held_out=held_out_tasks(run),
    )


def _missing(run: TrainingRun, plan: PracticePlan, tasks: Mapping[int, Task]) -> list[_Draw]:
    drawn = set(run.rollouts.values_list("round_id", "index"))
    prompt = run.parent_version.prompt
    return [
        _Draw(group.round_id, member.id, build_messages(prompt, tasks[group.round_id]))
        for group in plan.groups
        for member in group.members
        if member.source == Source.PRACTISED and (group.round_id, member.id) not in drawn
    ]


async def _draw_missing(practice: _Practice, progress: _Progress) -> None:
    total = sum(
        member.source == Source.PRACTISED
        for group in practice.plan.groups
        for member in group.members
    )
    done = total - len(practice.missing)
    refused: set[int] = set()
    outages: list[InferenceUnavailable] = []
    draws = iter(practice.missing)

    def tell() -> None:
        progress.sentence = f"practising: {done} of {total} answers"

    async def draw_on(inference: Inference, draws: Iterator[_Draw]) -> None:
        nonlocal done
        for draw in draws:
            if outages:
                return
            if draw.round_id in refused:
                continue
            try:
                answer = await _ask(inference, practice, draw.messages)
            except InferenceUnavailable as error:
                # Not raised here: what others have drawn just now is stored first.
                outages.append(error)
                return
            except RequestRefused as error:
                refused.add(draw.round_id)
                log.warning("practice_refused", round_id=draw.round_id, reason=str(error))
                continue
            await sync_to_async(_store)(practice, draw, answer)
            done += 1
            tell()

    tell()
    if not practice.missing:
        return
    async with Inference() as inference:
        await inference.ensure_adapter(practice.model)
        streams = CONCURRENT_ANSWERS * len(settings.VLLM_URLS)
        await together(draw_on(inference, draws) for _ in range(streams))
    if outages:
        raise outages[0]


async def _ask(
    inference: Inference, practice: _Practice, messages: Sequence[Message]
) -> Generation:
    return await patiently(lambda: inference.generate(practice.model, messages, practice.sampling))


def _store(practice: _Practice, draw: _Draw, answer: Generation) -> None:
    adapter = practice.run.parent_version.adapter
    row = Rollout(
        run=practice.run,
        version=practice.run.parent_version,
        round_id=draw.round_id,
        index=draw.index,
        text=answer.text,
        prompt_token_ids=answer.prompt_token_ids,
        token_ids=answer.token_ids,
        logprobs=answer.logprobs,
        finish_reason=answer.finish_reason,
        adapter_digest=adapter.digest if adapter else "",
        sampling=practice.sampling.as_json(),
    )
    # A worker that was thought dead may have stored the same one just now: the first one counts.
    Rollout.objects.bulk_create([row], ignore_conflicts=True)


async def _judge_groups(practice: _Practice, progress: _Progress) -> None:
    scores = await sync_to_async(read_scores)(practice.folder)
    groups = practice.plan.groups
    texts = await sync_to_async(_texts)(practice.run, groups)
    waiting = iter([one for one in groups if one.round_id in texts and one.round_id not in scores])
    tools = build_tools()
    saving = asyncio.Lock()

    def tell() -> None:
        progress.sentence = f"judging: {len(scores)} of {len(groups)} tasks"

    async def judge_on() -> None:
        for group in waiting:
            # Seats are dealt anew: no judge can tell own answers from shared ones by place.
            seats = list(range(len(group.members)))
            Random(f"seats:{practice.run.pk}:{group.round_id}").shuffle(seats)
            by_seat = dict(zip(seats, texts[group.round_id], strict=True))
            _, verdict = await judge_answers(
                practice.panel,
                practice.environment,
                practice.tasks[group.round_id],
                by_seat,
                tools,
            )
            if verdict is None:
                log.warning("practice_not_judged", round_id=group.round_id)
                continue
            found = GroupScores([verdict.scores[seat] for seat in seats], verdict.agreement)
            async with saving:
                scores[group.round_id] = found
                await sync_to_async(_save_scores)(practice, group, dict(scores))
            tell()

    tell()
    await together(judge_on() for _ in range(CONCURRENT_GROUPS))


def _texts(run: TrainingRun, groups: Sequence[PlannedGroup]) -> dict[int, list[str]]:
    answers = stored_answers(run, groups)
    return {round_id: [row.text for _, row in rows] for round_id, rows in answers.items()}


def _save_scores(
    practice: _Practice, group: PlannedGroup, scores: Mapping[int, GroupScores]
) -> None:
    own = Rollout.objects.filter(run=practice.run, round_id=group.round_id)
    for member, score in zip(group.members, scores[group.round_id].scores, strict=True):
        if member.source == Source.PRACTISED:
            own.filter(index=member.id).update(score=score)
    write_scores(practice.folder, scores)
