"""What a run practises: its tasks, the members of their groups, their scores, its whole episodes.

Kept in the run's folder, because others' answers keep growing while a run works:

    practice.json   the plan, written once
    scores.json     {round: {"scores": [one per member], "agreement"}}, as the panel proceeds

A worker that finds no folder makes a new plan; practice answers are rows and fit any plan.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, QuerySet

from agents.files import write_atomically
from agents.lineage import within
from agents.models import Engine
from arena.environments.asking import build_messages
from arena.environments.base import Task
from arena.models import Completion, CompletionStatus, Round
from training.configs.configs import PracticeAnswers
from training.configs.shares import share_of
from training.data.curation import HeldOutTasks, Reason
from training.data.groups import Member, Source, choose_members
from training.data.pair_dataset import asked_tasks
from training.data.tokens import ChatTokens
from training.methods.base import PracticeSize
from training.models import Rollout, TrainingRun
from training.practice.episode_plan import NO_EPISODES, EpisodePlan, plan_episodes
from training.runs.spec import RunSpec

PLAN_FILE = "practice.json"
SCORES_FILE = "scores.json"
# How many rounds are considered per task: older ones replace those that are left out.
CANDIDATES_PER_TASK = 4
MAX_SHARED_PRACTICE = 64  # per task, the newest: a group's share is drawn from these

StoredAnswer: TypeAlias = Completion | Rollout


@dataclass(frozen=True)
class PlannedGroup:
    """One task of a run and the answers that will be compared."""

    round_id: int
    members: tuple[Member, ...]


@dataclass(frozen=True)
class PracticePlan:
    """The groups of a run, newest round first, what was left out, and its whole episodes."""

    groups: tuple[PlannedGroup, ...]
    left_out: Mapping[str, int]  # Reason -> tasks
    answers_left_out: Mapping[str, int]  # Reason -> answers of the remaining tasks
    episodes: EpisodePlan = NO_EPISODES

    def write(self, folder: Path) -> None:
        value = {
            "groups": [
                {
                    "round": group.round_id,
                    "members": [[one.source, one.id] for one in group.members],
                }
                for group in self.groups
            ],
            "left_out": dict(self.left_out),
            "answers_left_out": dict(self.answers_left_out),
            "episodes": self.episodes.as_json(),
        }
        write_atomically(folder / PLAN_FILE, json.dumps(value))

    @classmethod
    def read(cls, folder: Path) -> "PracticePlan | None":
        """The plan of the run, or None if it has none yet."""
        try:
            value = json.loads((folder / PLAN_FILE).read_text())
        except FileNotFoundError:
            return None
        return cls(
            groups=tuple(
                PlannedGroup(
                    one["round"], tuple(Member(Source(kind), id) for kind, id in one["members"])
                )
                for one in value["groups"]
            ),
            left_out=value["left_out"],
            answers_left_out=value["answers_left_out"],
            # Plans from before there were episodes name none.
            episodes=EpisodePlan.from_json(value["episodes"])
            if "episodes" in value
            else NO_EPISODES,
        )


@dataclass(frozen=True)
class GroupScores:
    """A panel's judgement of a group."""

    scores: Sequence[float]  # one per member, [0, 1]
    agreement: float


def read_scores(folder: Path) -> dict[int, GroupScores]:
    """Scores by round; empty if nothing has been judged yet."""
    try:
        value = json.loads((folder / SCORES_FILE).read_text())
    except FileNotFoundError:
        return {}
    return {int(round_id): GroupScores(**one) for round_id, one in value.items()}


def write_scores(folder: Path, scores: Mapping[int, GroupScores]) -> None:
    value = {
        round_id: {"scores": list(one.scores), "agreement": one.agreement}
        for round_id, one in scores.items()
    }
    write_atomically(folder / SCORES_FILE, json.dumps(value))


def make_plan(
    spec: RunSpec,
    round_ids: Sequence[int],
    *,
    size: PracticeSize,
    tokens: ChatTokens,
    held_out: HeldOutTasks,
) -> PracticePlan:
    """The newest `size.tasks` distinct tasks from these rounds, which are given newest first.

    Whole episodes take the place of some of them. Raises EnvironmentFault.
    """
    rounds = Round.objects.in_bulk(round_ids[: CANDIDATES_PER_TASK * size.tasks])
    newest = [rounds[round_id] for round_id in round_ids if round_id in rounds]
    episodes = plan_episodes(spec, newest, size=size)
    if episodes.groups:
        answers = size.rollouts * min(size.tasks, len(newest))
        size = replace(size, tasks=(answers - episodes.turns) // size.rollouts)
    tasks = asked_tasks(spec.run, rounds.values())
    chosen: dict[str, Round] = {}
    left_out: Counter[str] = Counter()
    for one in (one for one in newest if one.pk in tasks):
        if len(chosen) == size.tasks:
            break
        task = tasks[one.pk]
        if task.key in chosen:
            left_out[Reason.DUPLICATE.value] += 1
        elif held_out.contain(task.prompt):
            left_out[Reason.HELD_OUT.value] += 1
        else:
            chosen[task.key] = one
    stored = _Answers(spec, list(chosen.values()), tasks, size=size, tokens=tokens)
    groups = tuple(PlannedGroup(one.pk, stored.choose(one)) for one in chosen.values())
    return PracticePlan(groups, dict(left_out), dict(stored.left_out), episodes)


def stored_answers(
    run: TrainingRun, groups: Sequence[PlannedGroup]
) -> dict[int, list[tuple[Member, StoredAnswer]]]:
    """Each group's members with their rows; groups with a missing row are left out."""
    members = [member for group in groups for member in group.members]
    completion_ids = {one.id for one in members if one.source in {Source.PLAYED, Source.SHARED}}
    rollout_ids = {one.id for one in members if one.source == Source.SHARED_PRACTICE}
    completions = _with_origin(Completion.objects.all()).in_bulk(completion_ids)
    shared = _with_origin(Rollout.objects.all()).in_bulk(rollout_ids)
    own = _with_origin(run.rollouts.filter(episode=0))
    drawn = {(one.round_id, one.index): one for one in own}

    def row(group: PlannedGroup, member: Member) -> StoredAnswer | None:
        match member.source:
            case Source.PLAYED | Source.SHARED:
                return completions.get(member.id)
            case Source.SHARED_PRACTICE:
                return shared.get(member.id)
            case Source.PRACTISED:
                return drawn.get((group.round_id, member.id))
            case Source.EPISODE:
                raise AssertionError("a group of answers to one task has no turns of episodes")

    found = {}
    for group in groups:
        rows = [(member, row(group, member)) for member in group.members]
        whole = [(member, one) for member, one in rows if one is not None]
        if len(whole) == len(rows):
            found[group.round_id] = whole
    return found


def _with_origin(rows: QuerySet[Any]) -> QuerySet[Any]:
    return rows.select_related("version__agent", "round")


def _shared_practice(spec: RunSpec, rounds: Sequence[Round]) -> dict[int, list[Rollout]]:
    """Others' newest practice answers by round, unless their owners or the run's keep them private.

    The newest first, at most MAX_SHARED_PRACTICE to a task; only what planning looks at is loaded.
    """
    if spec.config.practice_answers is PracticeAnswers.PRIVATE:
        return {}
    newest = (
        Rollout.objects.filter(round__task_key=OuterRef("task_key"))
        .filter(version__agent__owner__leaving_since=None)
        .exclude(version__agent_id=spec.run.agent_id)
        # As the owner has it now, not as it was when they were drawn.
        .exclude(
            version__agent__learning__contains={"practice_answers": PracticeAnswers.PRIVATE.value}
        )
        .order_by("-id")
        .values("id")[:MAX_SHARED_PRACTICE]
    )
    ids: dict[int, list[int]] = dict(
        Round.objects.filter(id__in=[one.pk for one in rounds])
        .annotate(newest=ArraySubquery(newest))
        .values_list("id", "newest")
    )
    found = (
        Rollout.objects.select_related("version__agent")
        .only("token_ids", "finish_reason", "version__agent__base_model")
        .in_bulk([each for one in ids.values() for each in one])
    )
    return {
        round_id: [found[each] for each in one if each in found] for round_id, one in ids.items()
    }


class _Answers:
    """The stored answers to a run's tasks, and the choice among them."""

    def __init__(
        self,
        spec: RunSpec,
        rounds: Sequence[Round],
        tasks: Mapping[int, Task],
        *,
        size: PracticeSize,
        tokens: ChatTokens,
    ) -> None:
        self._tasks = tasks
        self.left_out: Counter[str] = Counter()
        self._spec = spec
        self._run = run = spec.run
        self._size = size
        self._fresh = within(spec.parent, spec.config.max_staleness)
        self._tokens = tokens
        self._played: dict[int, Completion] = {}
        self._others: dict[int, list[Completion]] = defaultdict(list)
        # Every group gets as many answers, so the share is of all of them.
        self._coded_left = share_of(size.rollouts * len(rounds), spec.config.coded_share)
        self._coded: set[int] = set()  # completions of coded seats
        self._practised = _shared_practice(spec, [one for one in rounds if not one.is_episode])
        completions = Completion.objects.filter(
            round__in=rounds,
            status=CompletionStatus.OK,
            version__agent__owner__leaving_since=None,
        ).defer("text", "chunk_times", "sampling")
        for one in completions.select_related("version__agent", "round").order_by("id"):
            if one.version.agent_id != run.agent_id:
                # Others' answers to an episode's round were given in other positions.
                if not one.round.is_episode:
                    self._others[one.round_id].append(one)
                    self._coded |= {one.pk} if one.version.agent.engine == Engine.CODE else set()
            elif not one.round.is_episode or one.asked == tasks[one.round_id].data:
                self._played[one.round_id] = one

    def choose(self, one: Round) -> tuple[Member, ...]:
        """The members of this round's group."""
        played = self._played.get(one.pk)
        own = []
        if played is not None:
            if problem := self._problem_of_played(played, one):
                self.left_out[problem.value] += 1
            else:
                own.append(Member(Source.PLAYED, played.pk))
        members = choose_members(
            own,
            self._external(one, prompt_length=len(played.prompt_token_ids) if played else 0),
            rollouts=self._size.rollouts,
            share=self._size.share,
            rng=Random(f"share:{self._spec.config.seed}:{self._run.pk}:{one.pk}"),
        )
        self._coded_left -= sum(
            member.source is Source.SHARED and member.id in self._coded for member in members
        )
        return members

    def _problem_of_played(self, played: Completion, one: Round) -> Reason | None:
        if not (played.token_ids and played.prompt_token_ids):
            return Reason.WITHOUT_TOKENS
        if len(played.logprobs) != len(played.token_ids):
            return Reason.WITHOUT_TOKENS
        if played.version_id not in self._fresh:
            return Reason.STALE
        if played.messages != build_messages(self._spec.parent.prompt, self._tasks[one.pk]):
            return Reason.OTHER_PROMPT
        return None

    def _external(self, one: Round, *, prompt_length: int) -> list[Member]:
        """Others' usable answers, each wording once."""
        rows: list[tuple[Source, StoredAnswer]] = [
            *((Source.SHARED, completion) for completion in self._others[one.pk]),
            *((Source.SHARED_PRACTICE, rollout) for rollout in self._practised.get(one.pk, ())),
        ]
        members: dict[tuple[int, ...], Member] = {}
        coded = 0
        for source, row in rows:
            is_coded = source is Source.SHARED and row.pk in self._coded
            problem = self._problem_of_external(row, prompt_length)
            if problem is None and is_coded and coded == self._coded_left:
                problem = Reason.CODED_SHARE
            if problem is not None:
                self.left_out[problem.value] += 1
                continue
            coded += is_coded
            ids = canonical_ids(row, self._tokens)
            members.setdefault(tuple(ids), Member(source, row.pk))
        return list(members.values())

    def _problem_of_external(self, row: StoredAnswer, prompt_length: int) -> Reason | None:
        if not row.token_ids:
            return Reason.WITHOUT_TOKENS
        if row.version.agent.base_model_id != self._run.agent.base_model_id:
            return Reason.OTHER_BASE
        if not self._tokens.is_plain(row.token_ids):
            return Reason.CONTROL_TOKENS
        if prompt_length + len(row.token_ids) + 1 > self._spec.config.max_length:
            return Reason.TOO_LONG
        return None


def canonical_ids(row: StoredAnswer, tokens: ChatTokens) -> list[int]:
    """The row's tokens as training sees them; empty if none are stored."""
    if not row.token_ids:
        return []
    return tokens.canonical(row.token_ids, is_finished=not row.is_cut)
