"""The groups of a run that has practised: answers, rewards and provenance."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from arena.environments.asking import build_messages
from arena.models import Round
from training.data.curation import Reason
from training.data.groups import Group, GroupAnswer, Member, make_group
from training.data.pair_dataset import asked_tasks
from training.data.provenance import message
from training.data.tokens import ChatTokens
from training.models import Rollout, TrainingRun
from training.practice.plan import (
    PracticePlan,
    StoredAnswer,
    canonical_ids,
    read_scores,
    stored_answers,
)

JSON = dict[str, Any]
Judged = tuple[Member, StoredAnswer, float]  # with its reward


@dataclass(frozen=True)
class PractisedGroup:
    """A group that teaches, and its provenance."""

    round_id: int
    group: Group
    origin: JSON


@dataclass(frozen=True)
class Practised:
    """The groups of a run, oldest task first, and counts by reason of what is left out."""

    groups: Sequence[PractisedGroup]
    left_out: Mapping[str, int]  # tasks
    answers_left_out: Mapping[str, int]  # answers of tasks that stayed


def practised_groups(
    run: TrainingRun, folder: Path, *, tokens: ChatTokens, max_length: int
) -> Practised:
    """What practice left in the run's folder; empty if the agent has not practised."""
    plan = PracticePlan.read(folder) or PracticePlan((), {}, {})
    answers, scores = stored_answers(run, plan.groups), read_scores(folder)
    left_out, answers_left_out = Counter(plan.left_out), Counter(plan.answers_left_out)
    groups = []
    for round_id in reversed([planned.round_id for planned in plan.groups]):
        if round_id not in answers:
            left_out[Reason.NOT_ANSWERED.value] += 1
            continue
        if round_id not in scores:
            left_out[Reason.NOT_JUDGED.value] += 1
            continue
        judged = _with_rewards(answers[round_id], scores[round_id].scores)
        group = _group(judged, tokens=tokens, max_length=max_length)
        if group.problem:
            left_out[group.problem.value] += 1
            continue
        answers_left_out.update(group.left_out)
        kept = {answer.member for answer in group.answers}
        origin = _origin(
            run, [one for one in judged if one[0] in kept], agreement=scores[round_id].agreement
        )
        groups.append(PractisedGroup(round_id, group, origin))
    return Practised(groups, dict(sorted(left_out.items())), dict(sorted(answers_left_out.items())))


def practised_texts(run: TrainingRun, folder: Path) -> Iterator[JSON]:
    """Every judged group of the run, oldest task first: prompt, own answers, rewards, provenance.

    Others' answers are theirs: only their number and the mean reward of the whole group are told.
    """
    plan = PracticePlan.read(folder) or PracticePlan((), {}, {})
    answers, scores = stored_answers(run, plan.groups), read_scores(folder)
    rounds = Round.objects.in_bulk([planned.round_id for planned in plan.groups])
    tasks = asked_tasks(run, rounds.values())
    for planned in reversed(plan.groups):
        round_id = planned.round_id
        if round_id not in answers or round_id not in scores:
            continue
        judged = _with_rewards(answers[round_id], scores[round_id].scores)
        own = [one for one in judged if one[0].source.is_own]
        origin = _origin(run, own, agreement=scores[round_id].agreement)
        yield origin | {
            "group_size": len(judged),
            "group_mean_reward": fmean(reward for _, _, reward in judged),
            "prompt": [
                message(one["role"], one["content"])
                for one in build_messages(run.parent_version.prompt, tasks[round_id])
            ],
            "answers": [
                message("assistant", row.text)
                | one
                | {
                    "prompt_token_ids": list(row.prompt_token_ids),
                    "token_ids": list(row.token_ids),
                    "logprobs": list(row.logprobs),
                    "allowed_token_ids": row.allowed_token_ids,
                }
                for (_, row, _), one in zip(own, origin["answers"], strict=True)
            ],
        }


def _with_rewards(
    rows: Sequence[tuple[Member, StoredAnswer]], scores: Sequence[float]
) -> list[Judged]:
    return [(member, row, score) for (member, row), score in zip(rows, scores, strict=True)]


def _group(judged: Sequence[Judged], *, tokens: ChatTokens, max_length: int) -> Group:
    answers = [
        _answer(member, row, reward, ids=canonical_ids(row, tokens))
        for member, row, reward in judged
    ]
    return make_group(answers, max_length=max_length)


def _answer(member: Member, row: StoredAnswer, reward: float, *, ids: list[int]) -> GroupAnswer:
    return GroupAnswer(
        member=member,
        prompt_ids=row.prompt_token_ids,
        ids=ids,
        logprobs=row.logprobs if member.source.is_own else None,
        reward=reward,
        allowed_token_ids=ChatTokens.allowed(ids, row.allowed_token_ids),
    )


def _origin(run: TrainingRun, judged: Sequence[Judged], *, agreement: float) -> JSON:
    own = _own_row(judged)
    return {
        "run": run.pk,
        "space": run.space.slug,
        "match": own.round.match_id,
        "round": own.round.number,
        "task": own.round.task_key,
        "task_kind": own.round.task_kind,
        "agreement": float(agreement),
        "answers": [
            {
                "source": member.source.value,
                "reward": float(reward),
                "agent": row.version.agent_id,
                "version": str(row.version),
                "adapter": row.adapter_digest,
                "match": row.round.match_id,
                # The run that the answer was practised for; 0: it was played in a match.
                "practised_for": row.run_id if isinstance(row, Rollout) else 0,
                "finish_reason": row.finish_reason,
            }
            for member, row, reward in judged
        ],
    }


def _own_row(judged: Sequence[Judged]) -> StoredAnswer:
    """One of the agent's own answers; every group has one, and its round is the group's."""
    return next(row for member, row, _ in judged if member.source.is_own)
