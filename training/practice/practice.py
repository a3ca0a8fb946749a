"""Practice: before it learns, an agent answers tasks from its matches again.

Answers are sampled from the run's parent version through vLLM, as in a match: with the same
prompt, sampling and limit. The Space's panel then judges each group's answers together. Whole
episodes, in games: training.practice.episodes.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

import structlog
from asgiref.sync import sync_to_async

from agents.inference.client import (
    Generation,
    Inference,
    InferenceUnavailable,
    Message,
    RequestRefused,
)
from agents.inference.patience import Heartbeat, beside, pulse, together
from agents.inference.table import known_servers
from arena.environments import ENVIRONMENTS
from arena.environments.asking import build_messages, moves_of
from arena.environments.base import Task
from arena.models import Round
from arena.panels.own_base import members_of
from arena.panels.tools import build_tools
from arena.panels.voting import judge_answers, panel_of
from judges.tools import Tools
from training.data.dataset import held_out_tasks
from training.data.groups import Source
from training.data.pair_dataset import asked_tasks, unlearned_rounds
from training.data.tokens import read_chat_tokens
from training.methods import method_of
from training.models import Rollout
from training.practice.episodes import EpisodePractice
from training.practice.plan import (
    GroupScores,
    PlannedGroup,
    PracticePlan,
    make_plan,
    read_scores,
    stored_answers,
    write_scores,
)
from training.practice.speaker import CONCURRENT_ANSWERS, Speaker
from training.runs.spec import RunSpec

CONCURRENT_GROUPS = 4  # before the panel

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Draw:
    """One missing answer."""

    round_id: int
    index: int
    messages: Sequence[Message]
    choices: Sequence[str]  # the legal moves where the Space restricts answers to them; else ()


async def practise(spec: RunSpec, *, heartbeat: Heartbeat) -> None:
    """Sample and judge what the run's groups lack; nothing is sampled or judged twice.

    `heartbeat` is awaited with a sentence every few seconds and may raise to stop. A task that the
    server refuses, or that no judge scores, stays without scores and so out of the dataset.
    Raises InferenceUnavailable, AdapterRefused, or Refused.
    """
    practice = await sync_to_async(Practice)(spec)
    telling = pulse(lambda: heartbeat(practice.sentence))
    await beside(telling, practice.work())


class Practice:
    """The practice of one run: answers are sampled, episodes played, then the panel judges answers."""

    def __init__(self, spec: RunSpec) -> None:
        """Read rows and files here, outside the event loop. Raises Refused."""
        self.sentence = ""  # its progress
        run, parent = spec.run, spec.parent
        self._spec = spec
        self._plan = _plan_of(spec)
        rounds = Round.objects.in_bulk([group.round_id for group in self._plan.groups])
        self._tasks = asked_tasks(run, rounds.values())
        self._environment = ENVIRONMENTS[run.space.environment]
        self._panel = panel_of(
            members_of(run.space),
            environment=run.space.environment,
        )
        self._speaker = Speaker.of(parent, run.space)
        self._servers = known_servers()
        self._episodes = EpisodePractice(spec, self._plan.episodes)
        self._missing = deque(_missing(spec, self._plan, self._tasks))
        self._drawn = self._to_draw - len(self._missing)
        self._refused: set[int] = set()  # rounds whose task the server refused
        self._outages: list[InferenceUnavailable] = []
        self._scores: dict[int, GroupScores] = {}
        self._saving = asyncio.Lock()

    async def work(self) -> None:
        await self._draw()
        await self._episodes.work(self._tell)
        await self._judge()

    def _tell(self, sentence: str) -> None:
        self.sentence = sentence

    @property
    def _to_draw(self) -> int:
        members = [member for group in self._plan.groups for member in group.members]
        return sum(member.source == Source.PRACTISED for member in members)

    async def _draw(self) -> None:
        """The first stage: as many concurrent requests as the servers can take beside live matches."""
        self._tell_drawn()
        if not self._missing:
            return
        async with Inference(self._servers) as inference:
            await inference.ensure_adapter(self._speaker.model)
            streams = CONCURRENT_ANSWERS * self._servers.count(self._speaker.model.base)
            await together(self._draw_on(inference) for _ in range(streams))
        if self._outages:
            raise self._outages[0]

    async def _draw_on(self, inference: Inference) -> None:
        """One answer after another, until none is missing or the server is unavailable."""
        while self._missing and not self._outages:
            draw = self._missing.popleft()
            if draw.round_id in self._refused:
                continue
            try:
                answer = await self._speaker.answer(inference, draw.messages, draw.choices)
            except InferenceUnavailable as error:
                # Not raised here: answers that others have just sampled are stored first.
                self._outages.append(error)
            except RequestRefused as error:
                self._refused.add(draw.round_id)
                log.warning("practice_refused", round_id=draw.round_id, reason=str(error))
            else:
                await sync_to_async(self._store)(draw, answer)
                self._drawn += 1
                self._tell_drawn()

    def _tell_drawn(self) -> None:
        self.sentence = f"practising: {self._drawn} of {self._to_draw} answers"

    def _store(self, draw: _Draw, answer: Generation) -> None:
        row = self._speaker.rollout(
            answer,
            choices=draw.choices,
            run=self._spec.run,
            round_id=draw.round_id,
            index=draw.index,
        )
        # A worker presumed dead may just have stored the same one; the first one counts.
        Rollout.objects.bulk_create([row], ignore_conflicts=True)

    async def _judge(self) -> None:
        """The second stage: each group is judged as a whole, a few groups at a time."""
        self._scores = await sync_to_async(read_scores)(self._spec.folder)
        texts = await sync_to_async(_texts)(self._spec, self._plan.groups)
        waiting = deque(
            (group, texts[group.round_id])
            for group in self._plan.groups
            if group.round_id in texts and group.round_id not in self._scores
        )
        tools = build_tools()
        self._tell_judged()
        await together(self._judge_on(waiting, tools) for _ in range(CONCURRENT_GROUPS))

    async def _judge_on(self, waiting: deque[tuple[PlannedGroup, list[str]]], tools: Tools) -> None:
        """One group after another, until none is waiting."""
        while waiting:
            group, texts = waiting.popleft()
            scores = await self._scores_of(group, texts, tools)
            if scores is None:
                log.warning("practice_not_judged", round_id=group.round_id)
                continue
            async with self._saving:
                self._scores[group.round_id] = scores
                await sync_to_async(self._save)(group)
            self._tell_judged()

    async def _scores_of(
        self, group: PlannedGroup, texts: Sequence[str], tools: Tools
    ) -> GroupScores | None:
        # Seats are shuffled, so that no judge can tell own answers from shared ones by position.
        seats = list(range(len(group.members)))
        Random(f"seats:{self._spec.run.pk}:{group.round_id}").shuffle(seats)
        _, verdict = await judge_answers(
            self._panel,
            self._environment,
            self._tasks[group.round_id],
            dict(zip(seats, texts, strict=True)),
            tools,
        )
        if verdict is None:
            return None
        return GroupScores([verdict.scores[seat] for seat in seats], verdict.agreement)

    def _tell_judged(self) -> None:
        self.sentence = f"judging: {len(self._scores)} of {len(self._plan.groups)} tasks"

    def _save(self, group: PlannedGroup) -> None:
        own = self._spec.run.rollouts.filter(round_id=group.round_id, episode=0)
        scores = self._scores[group.round_id].scores
        for member, score in zip(group.members, scores, strict=True):
            if member.source == Source.PRACTISED:
                own.filter(index=member.id).update(score=score)
        write_scores(self._spec.folder, self._scores)


def _plan_of(spec: RunSpec) -> PracticePlan:
    """The run's plan; if there is none yet, it is made and stored."""
    plan = PracticePlan.read(spec.folder)
    if plan is None:
        size = method_of(spec.config).practice(spec.config)
        assert size is not None, "only a run whose method practises is asked to"
        plan = make_plan(
            spec,
            unlearned_rounds(spec.run),
            size=size,
            tokens=read_chat_tokens(spec.base_folder),
            held_out=held_out_tasks(spec.run),
        )
        spec.folder.mkdir(parents=True, exist_ok=True)
        plan.write(spec.folder)
    return plan


def _missing(spec: RunSpec, plan: PracticePlan, tasks: Mapping[int, Task]) -> Iterable[_Draw]:
    drawn = set(spec.run.rollouts.filter(episode=0).values_list("round_id", "index"))
    space = spec.run.space
    environment = ENVIRONMENTS[space.environment]
    choices = {
        round_id: moves_of(environment, task) if space.restricts_moves else ()
        for round_id, task in tasks.items()
    }
    return [
        _Draw(
            group.round_id,
            member.id,
            build_messages(spec.parent.prompt, tasks[group.round_id]),
            choices[group.round_id],
        )
        for group in plan.groups
        for member in group.members
        if member.source == Source.PRACTISED and (group.round_id, member.id) not in drawn
    ]


def _texts(spec: RunSpec, groups: Sequence[PlannedGroup]) -> dict[int, list[str]]:
    answers = stored_answers(spec.run, groups)
    return {round_id: [row.text for _, row in rows] for round_id, rows in answers.items()}
