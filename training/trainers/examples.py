"""The examples of one run, read from its dataset file, and their order."""

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from training.configs.configs import LearningConfig
from training.methods import method_of
from training.methods.examples import Example
from training.trainers.stopped import TrainingStopped


def read_examples(path: Path, config: LearningConfig, *, vocabulary: int) -> list[Example]:
    """The examples that teach something, with token ids below `vocabulary`.

    Raises TrainingStopped.
    """
    kind = method_of(config).examples
    try:
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        found = [kind.read(line, config.max_length) for line in lines]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise TrainingStopped("The examples of this run cannot be read.") from error
    if not found:
        raise TrainingStopped("There is nothing to learn from: this run has no examples.")
    fitting = [example for example in found if example is not None]
    if not fitting:
        raise TrainingStopped(
            f"Every example is longer than the longest sequence, {config.max_length} tokens. Raise "
            "that setting."
        )
    if not all(0 <= token < vocabulary for example in fitting for token in example.tokens()):
        raise TrainingStopped("The examples contain tokens that the base model does not know.")
    telling = [example for example in fitting if example.prefers]
    if not telling:
        raise TrainingStopped(kind.nothing_preferred)
    return telling


def steps_of_epoch(count: int, *, per_step: int, seed: int, epoch: int) -> Iterator[Sequence[int]]:
    """Indices of each step's examples, in an order that depends only on seed and epoch."""
    order = list(range(count))
    random.Random(f"{seed}:{epoch}").shuffle(order)
    for start in range(0, count, per_step):
        yield order[start : start + per_step]


def all_steps(count: int, config: LearningConfig) -> list[Sequence[int]]:
    """Every step of a run, in order."""
    per_step = method_of(config).examples_per_step(config)
    return [
        step
        for epoch in range(config.epochs)
        for step in steps_of_epoch(count, per_step=per_step, seed=config.seed, epoch=epoch)
    ]
