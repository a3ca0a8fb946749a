"""The dataset of a run that has practised, and the export of an agent's groups."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import structlog
from django.db.models import QuerySet

from agents.errors import Refused
from agents.models import Engine
from arena import access
from arena.environments.base import EnvironmentFault
from arena.models import Completion
from training.configs.fields import InvalidConfig
from training.data.curation import Reason
from training.data.dataset import Dataset, by_id, held_out_tasks, in_words
from training.data.groups import Group, GroupAnswer, Source
from training.data.tokens import read_chat_tokens
from training.methods import METHODS, config_from_json, method_of
from training.methods.examples import GROUPS, AnswerExample, GroupExample
from training.models import TrainingRun
from training.practice.plan import PracticePlan
from training.practice.practised import practised_groups, practised_texts
from training.practice.practised_episodes import (
    EpisodeGroup,
    TaughtByEpisodes,
    ended_episodes,
    episode_texts,
    results,
    taught,
)
from training.runs.attempts import run_folder
from training.runs.spec import RunSpec

EXPORT_RUNS = 50  # read at once; the groups of each are read together

JSON = dict[str, Any]

log = structlog.get_logger(__name__)


class NotJudged(Refused):
    """The judges were away: what was practised may still be judged."""


def group_dataset(spec: RunSpec) -> Dataset:
    """The practised groups in which some answers are better, oldest first: of tasks, then of episodes.

    Raises EnvironmentFault, NotJudged, or Refused when there is nothing to learn from.
    """
    config = spec.config
    tokens = read_chat_tokens(spec.base_folder)
    size = method_of(config).practice(config)
    assert size is not None, "groups come from practice"
    plan = PracticePlan.read(spec.folder)
    found = practised_groups(spec.run, spec.folder, tokens=tokens, max_length=config.max_length)
    episodes, played = TaughtByEpisodes(), list[EpisodeGroup]()
    if plan and plan.episodes.groups:
        played = ended_episodes(spec.run, plan.episodes, discount=size.discount)
        episodes = taught(
            spec.run,
            played,
            tokens=tokens,
            max_length=config.max_length,
            held_out=held_out_tasks(spec.run),
        )
    left_out = Counter(found.left_out) + episodes.left_out
    if not (found.groups or episodes.examples):
        if left_out[Reason.NOT_JUDGED.value]:
            raise NotJudged(f"The Space's judges gave no verdict; {in_words(left_out)}.")
        raise Refused(f"No group of answers is left to learn from; {in_words(left_out)}.")
    answers = [answer for one in found.groups for answer in one.group.answers]
    sources = Counter(answer.member.source.value for answer in answers)
    sources[Source.EPISODE.value] = episodes.answer_count
    return Dataset(
        kind=GROUPS,
        examples=[*(_example(one.group) for one in found.groups), *episodes.examples],
        origins=[*(one.origin for one in found.groups), *episodes.origins],
        ids=[*(one.round_id for one in found.groups), *episodes.round_ids],
        facts={
            "left_out": dict(sorted(left_out.items())),
            "answers_left_out": dict(
                sorted((Counter(found.answers_left_out) + episodes.answers_left_out).items())
            ),
            "share": size.share,
            "coded": {"answers": _coded_count(answers), "of": sources.total()},
            "sources": dict(+sources),
            **({"episodes": results(spec.run, played)} if played else {}),
        },
    )


def _example(group: Group) -> GroupExample:
    return GroupExample(
        prompt_ids=list(group.prompt_ids),
        answers=[
            AnswerExample(
                ids=list(answer.ids),
                reward=answer.reward,
                logprobs=None if answer.logprobs is None else list(answer.logprobs),
                allowed_token_ids=answer.allowed_token_ids,
            )
            for answer in group.answers
        ],
    )


def _coded_count(answers: Sequence[GroupAnswer]) -> int:
    """How many are those of coded seats."""
    shared = [one.member.id for one in answers if one.member.source is Source.SHARED]
    coded = Completion.objects.filter(id__in=shared, seat__agent__engine=Engine.CODE)
    return coded.count()


def export_groups(agent_id: int, *, viewer: int) -> Iterator[JSON]:
    """What the viewer's agent practised, run by run: judged groups, then whole episodes; oldest first.

    `prompt` and `answers` are messages, each answer with its reward, its source and its token ids.
    An episode has `turns` instead, each with its own `prompt`. Only the agent's own answers are in
    it. Raises NotAvailable at once.
    """
    agent = access.agent_for_owner(viewer, agent_id)
    return chain.from_iterable(
        chain(practised_texts(run, run_folder(run.pk)), _episode_texts(run))
        for run in by_id(practising_runs().filter(agent=agent), page_rows=EXPORT_RUNS)
    )


def practising_runs() -> QuerySet[TrainingRun]:
    """Runs of methods that practise, with what telling of their groups needs. For the system."""
    practising = [name for name, method in METHODS.items() if method.examples is GROUPS]
    runs = TrainingRun.objects.filter(method__in=practising)
    # Of a run's own columns, an export needs few; its manifest and its curve may be large.
    return runs.select_related("space", "parent_version").only(
        "config",
        "last_pair_id",
        "space__slug",
        "space__environment",
        "parent_version__prompt",
        "parent_version__agent",
    )


def _episode_texts(run: TrainingRun) -> Iterator[JSON]:
    plan = PracticePlan.read(run_folder(run.pk))
    if not (plan and plan.episodes.groups):
        return
    try:
        config = config_from_json(run.config)
        size = method_of(config).practice(config)
        assert size is not None, "it has practised"
        played = ended_episodes(run, plan.episodes, discount=size.discount)
    except (EnvironmentFault, InvalidConfig) as fault:
        # Without the rules of a package that is gone, nobody can say how its episodes ended.
        log.warning("episodes_not_exported", run_id=run.pk, fault=str(fault))
        return
    yield from episode_texts(run, played)
