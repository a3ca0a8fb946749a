"""What a dataset file holds for one run: units to pack, and what each method knows of them."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.configs.configs import DPOConfig, GRPOConfig, LearningConfig
from training.trainers.job import GroupExample, PairExample, group_from_json, pair_from_json
from training.trainers.loss import group_advantages
from training.trainers.model.packing import Unit
from training.trainers.stopped import TrainingStopped

SMALLEST_ADVANTAGE = 1e-6


@dataclass(frozen=True)
class ScoredAnswer:
    """One answer of a group and what it earned beside the others."""

    ids: tuple[int, ...]
    advantage: float
    reward: float
    behaviour: tuple[float, ...] | None  # log-probabilities; None: not this agent's own


@dataclass(frozen=True)
class Example:
    """A pair or a group: what the data order moves around and a step counts."""

    prompt_ids: tuple[int, ...]
    units: tuple[Unit, ...]  # a pair's one unit, or one for each answer of a group
    noise: float = 0.0  # of a pair
    answers: tuple[ScoredAnswer, ...] = ()  # of a group, one a unit

    def tokens(self) -> Iterator[int]:
        yield from self.prompt_ids
        for unit in self.units:
            for answer in unit.answers:
                yield from answer

    @property
    def answer_tokens(self) -> int:
        return sum(unit.answer_tokens for unit in self.units)


def read_examples(path: Path, config: LearningConfig, *, vocabulary: int) -> list[Example]:
    """The examples that something can be learned from, of token ids below `vocabulary`.

    Raises TrainingStopped.
    """
    read = _read_pair if isinstance(config, DPOConfig) else _read_group
    try:
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        found = [read(line, config.max_length) for line in lines]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise TrainingStopped("The examples of this run cannot be read.") from error
    if not found:
        raise TrainingStopped("There is nothing to learn from: this run has no examples.")
    fitting = [example for example in found if example is not None]
    if not fitting:
        raise TrainingStopped(
            f"Every example is longer than the longest sequence of {config.max_length} tokens; "
            "raise it."
        )
    if not all(0 <= token < vocabulary for example in fitting for token in example.tokens()):
        raise TrainingStopped("The examples hold tokens that the base model does not know.")
    telling = [example for example in fitting if _tells(example)]
    if not telling:
        raise TrainingStopped(_ONE_SIDED[type(config)])
    return telling


_ONE_SIDED: Mapping[type[LearningConfig], str] = {
    DPOConfig: "There is nothing to prefer: in every pair both answers are the same.",
    GRPOConfig: (
        "There is nothing to prefer: in every group all answers earned the same, so none is "
        "better than the others."
    ),
}


def _read_pair(line: Mapping[str, Any], max_length: int) -> Example | None:
    pair: PairExample = pair_from_json(line)
    if not 0 <= pair.noise < 0.5:
        raise ValueError(f"a pair's noise is {pair.noise}")
    answers = (tuple(pair.chosen_ids), tuple(pair.rejected_ids))
    if not pair.prompt_ids or not all(answers):
        raise ValueError("an empty prompt or answer")
    if len(pair.prompt_ids) + max(map(len, answers)) > max_length:
        return None
    prompt = tuple(pair.prompt_ids)
    return Example(prompt, (Unit(prompt, answers),), noise=pair.noise)


def _read_group(line: Mapping[str, Any], max_length: int) -> Example | None:
    group: GroupExample = group_from_json(line)
    if not group.prompt_ids or not all(answer.ids for answer in group.answers):
        raise ValueError("an empty prompt or answer")
    for answer in group.answers:
        if answer.logprobs is not None and len(answer.logprobs) != len(answer.ids):
            raise ValueError("log-probabilities that do not match their answer")
    longest = max_length - len(group.prompt_ids)
    kept = [answer for answer in group.answers if len(answer.ids) <= longest]
    if len(kept) < 2:
        return None
    prompt = tuple(group.prompt_ids)
    advantages = group_advantages([answer.reward for answer in kept])
    answers = tuple(
        ScoredAnswer(
            ids=tuple(answer.ids),
            advantage=advantage,
            reward=answer.reward,
            behaviour=None if answer.logprobs is None else tuple(answer.logprobs),
        )
        for answer, advantage in zip(kept, advantages, strict=True)
    )
    units = tuple(Unit(prompt, (answer.ids,)) for answer in answers)
    return Example(prompt, units, answers=answers)


def _tells(example: Example) -> bool:
    if example.answers:
        return any(abs(answer.advantage) > SMALLEST_ADVANTAGE for answer in example.answers)
    chosen, rejected = example.units[0].answers
    return tuple(chosen) != tuple(rejected)


def steps_of_epoch(count: int, *, per_step: int, seed: int, epoch: int) -> Iterator[Sequence[int]]:
    """Indices of the examples of each step: an order that only seed and epoch decide."""
    order = list(range(count))
    random.Random(f"{seed}:{epoch}").shuffle(order)
    for start in range(0, count, per_step):
        yield order[start : start + per_step]


def all_steps(count: int, config: LearningConfig) -> list[Sequence[int]]:
    """Every step of a run, in order."""
    per_step = config.pairs_per_step if isinstance(config, DPOConfig) else groups_per_step(config)
    return [
        step
        for epoch in range(config.epochs)
        for step in steps_of_epoch(count, per_step=per_step, seed=config.seed, epoch=epoch)
    ]


def groups_per_step(config: LearningConfig) -> int:
    assert isinstance(config, GRPOConfig)
    return config.groups_per_step
