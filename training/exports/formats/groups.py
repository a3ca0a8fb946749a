"""Groups of answers to one task, with all that a policy gradient needs.

The names are those of Atropos' ScoredDataGroup (github.com/NousResearch/atropos,
atroposlib/envs/base.py): of a prompt's tokens, the mask is -100 and the log-probability 1.0.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from django.db.models import Max

from training.exports.formats.base import Order, RowBatch, selected_between
from training.exports.formats.columns import MESSAGES, TOKENS, Column, ListOf, Scalar
from training.exports.formats.lines import as_json
from training.exports.formats.records import read_entered
from training.exports.formats.tally import ExportTally
from training.models import TrainingRun
from training.practice.group_dataset import practising_runs
from training.practice.practised import practised_texts
from training.runs.attempts import run_folder
from training.states import LIVE_STATUSES

MASKED = -100
NO_LOGPROB = 1.0
NUMBERS = ListOf(Scalar.NUMBER)


class Groups:
    """What agents practised: several answers of one agent to one task, judged together."""

    name = "groups"
    label = "Grouped rollouts (Atropos)"
    explanation = (
        "Answers to one task with token ids, masks, log-probabilities, scores and advantages."
    )
    filters = frozenset({"spaces", "agents", "since", "until"})
    columns = (
        Column("tokens", ListOf(TOKENS), "Of each answer, prompt and answer as they were sampled."),
        Column("masks", ListOf(TOKENS), "The same, with -100 in place of the prompt's tokens."),
        Column("scores", NUMBERS, "What the panel gave each answer, from 0 to 1."),
        Column(
            "advantages",
            ListOf(NUMBERS),
            "For each token, the score less the mean of the whole group; 0 in the prompt.",
        ),
        Column("inference_logprobs", ListOf(NUMBERS), "As sampled; 1.0 in the prompt."),
        Column("messages", ListOf(MESSAGES), "Of each answer, the conversation that it ends."),
        Column("finish_reasons", ListOf(Scalar.TEXT), "Why each ended; length: it was cut off."),
        Column(
            "allowed_token_ids",
            ListOf(ListOf(TOKENS)),
            "For each token of each answer those that it was drawn among; empty: any was allowed.",
        ),
        Column("group_size", Scalar.WHOLE, "Answers that were judged together, also others'."),
        Column("group_mean_score", Scalar.NUMBER, "The mean of their scores."),
        Column("run", Scalar.WHOLE, "The training run that practised."),
        Column("space", Scalar.TEXT, "The Space whose task it is."),
        Column("match", Scalar.WHOLE, "The match in which the task was played."),
        Column("round", Scalar.WHOLE, "The round of that match."),
        Column("task", Scalar.TEXT, "A digest: the same task has the same one."),
        Column("task_kind", Scalar.TEXT, "The kind of the task."),
        Column("agreement", Scalar.NUMBER, "How far the panel agreed on the group."),
        Column("versions", ListOf(Scalar.TEXT), "Of each answer, the version that gave it."),
        Column("adapters", ListOf(Scalar.TEXT), "SHA-256 of its adapter; empty: the plain base."),
    )

    def newest_id(self) -> int:
        return TrainingRun.objects.aggregate(newest=Max("id"))["newest"] or 0

    def estimate(self, order: Order) -> int | None:
        return None  # the groups of a run stand in its folder

    def pages(self, order: Order, *, after_id: int) -> Iterator[RowBatch]:
        """A page is a run: its groups are read together."""
        chosen = order.selection
        runs = practising_runs().filter(agent__owner_id=order.owner_id, id__lte=order.up_to_id)
        runs = selected_between(runs.exclude(status__in=LIVE_STATUSES), chosen)
        if chosen.spaces:
            runs = runs.filter(space__slug__in=chosen.spaces)
        if chosen.agents:
            runs = runs.filter(agent__in=chosen.agents)
        while run := runs.filter(id__gt=after_id).order_by("id").first():
            after_id, tally, lines = run.pk, ExportTally(), []
            matches: set[int] = set()
            for group in practised_texts(run, run_folder(run.pk)):
                if row := _row(group):
                    lines.append(as_json(row))
                    tally.spaces[group["space"]] += 1
                    tally.agents[str(run.parent_version.agent_id)] += 1
                    tally.note_match(group["match"])
                    matches |= {one["match"] for one in group["answers"]}
            for entered in read_entered(matches).values():
                tally.note_entered(run.space.slug, entered)
            yield RowBatch(after_id, lines, tally)


def _row(group: Mapping[str, Any]) -> dict[str, Any] | None:
    """None without an answer of which every token is known."""
    answers = [
        one
        for one in group["answers"]
        if one["prompt_token_ids"] and len(one["logprobs"]) == len(one["token_ids"]) > 0
    ]
    if not answers:
        return None
    mean = float(group["group_mean_reward"])
    prompts = [one["prompt_token_ids"] for one in answers]
    return {
        "tokens": [[*one["prompt_token_ids"], *one["token_ids"]] for one in answers],
        "masks": [[MASKED] * len(one["prompt_token_ids"]) + one["token_ids"] for one in answers],
        "scores": [one["reward"] for one in answers],
        "advantages": [
            [0.0] * len(prompt) + [one["reward"] - mean] * len(one["token_ids"])
            for prompt, one in zip(prompts, answers, strict=True)
        ],
        "inference_logprobs": [
            [NO_LOGPROB] * len(prompt) + one["logprobs"]
            for prompt, one in zip(prompts, answers, strict=True)
        ],
        "messages": [
            [*group["prompt"], {"role": one["role"], "content": one["content"]}] for one in answers
        ],
        "finish_reasons": [one["finish_reason"] for one in answers],
        "allowed_token_ids": [one["allowed_token_ids"] for one in answers],
        "group_size": group["group_size"],
        "group_mean_score": mean,
        **{
            name: group[name]
            for name in ("run", "space", "match", "round", "task", "task_kind", "agreement")
        },
        "versions": [one["version"] for one in answers],
        "adapters": [one["adapter"] for one in answers],
    }
