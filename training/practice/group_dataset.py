"""The dataset of a run that has practised, and the export of an agent's groups."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from agents.errors import Refused
from agents.models import Engine
from arena import access
from arena.models import Completion
from training.data.dataset import Dataset, by_id, in_words
from training.data.groups import GroupAnswer, Source
from training.data.tokens import read_chat_tokens
from training.methods import METHODS, method_of
from training.methods.examples import GROUPS, AnswerExample, GroupExample
from training.models import TrainingRun
from training.practice.practised import practised_groups, practised_texts
from training.runs.attempts import run_folder
from training.runs.spec import RunSpec

EXPORT_RUNS = 50  # read at once; the groups of each are read together

JSON = dict[str, Any]


def group_dataset(spec: RunSpec) -> Dataset:
    """The practised groups in which some answers are better, oldest task first.

    Raises Refused when there is nothing to learn from.
    """
    config = spec.config
    tokens = read_chat_tokens(spec.base_folder)
    size = method_of(config).practice(config)
    assert size is not None, "groups come from practice"
    found = practised_groups(spec.run, spec.folder, tokens=tokens, max_length=config.max_length)
    if not found.groups:
        raise Refused(f"No group of answers is left to learn from; {in_words(found.left_out)}.")
    answers = [answer for one in found.groups for answer in one.group.answers]
    return Dataset(
        kind=GROUPS,
        examples=[
            GroupExample(
                prompt_ids=list(one.group.prompt_ids),
                answers=[
                    AnswerExample(
                        ids=list(answer.ids),
                        reward=answer.reward,
                        logprobs=None if answer.logprobs is None else list(answer.logprobs),
                        allowed_token_ids=answer.allowed_token_ids,
                    )
                    for answer in one.group.answers
                ],
            )
            for one in found.groups
        ],
        origins=[one.origin for one in found.groups],
        ids=[one.round_id for one in found.groups],
        facts={
            "left_out": dict(found.left_out),
            "answers_left_out": dict(found.answers_left_out),
            "share": size.share,
            "coded": {"answers": _coded_count(answers), "of": len(answers)},
            "sources": dict(Counter(answer.member.source.value for answer in answers)),
        },
    )


def _coded_count(answers: Sequence[GroupAnswer]) -> int:
    """How many are those of coded seats."""
    shared = [one.member.id for one in answers if one.member.source is Source.SHARED]
    coded = Completion.objects.filter(id__in=shared, seat__agent__engine=Engine.CODE)
    return coded.count()


def export_groups(agent_id: int, *, viewer: int) -> Iterator[JSON]:
    """All judged groups of every run in which the viewer's agent practised, oldest first.

    `prompt` and `answers` are messages, each answer with its reward, its source and its token ids.
    Only the agent's own answers are in it. Raises NotAvailable at once.
    """
    practising = [name for name, method in METHODS.items() if method.examples is GROUPS]
    agent = access.agent_for_owner(viewer, agent_id)
    runs = TrainingRun.objects.filter(agent=agent, method__in=practising)
    # Of a run's own columns, an export needs few; its manifest and its curve may be large.
    light = runs.select_related("space", "parent_version").only(
        "last_pair_id", "space__slug", "parent_version__prompt", "parent_version__agent"
    )
    return chain.from_iterable(
        practised_texts(run, run_folder(run.pk)) for run in by_id(light, page_rows=EXPORT_RUNS)
    )
