"""Rehearsal: a run also holds the adapter close to the plain base on other requests.

The prompts and answers are the base's own (pseudo-rehearsal: Robins 1995, "Catastrophic Forgetting,
Rehearsal and Pseudorehearsal"). At every token of such an answer, the adapter is held to the base's
whole distribution, not only to the sampled token (Li and Hoiem 2016, arXiv:1606.09282).
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from training.methods.examples import Unit, shared_beginning
from training.trainers.job import RehearsalExample
from training.trainers.model.base_model import FrozenBase
from training.trainers.model.lora import AdapterWeights
from training.trainers.model.packing import Row, pack
from training.trainers.stopped import TrainingStopped

# Per step, in addition to the beginning that all prompts share (the agent's own): one or two answers,
# about a third of four pairs.
ROW_TOKENS = 136


@dataclass(frozen=True)
class _Rehearsed:
    row: Row
    base: torch.Tensor  # [H, width] the plain base's hidden states before each answer token


class Rehearsal:
    """The answers in rows; each step takes the next row."""

    def __init__(self, rows: Sequence[_Rehearsed], base: FrozenBase) -> None:
        self._rows = rows
        self._base = base

    def tokens(self, number: int) -> int:
        """Tokens that step `number` (from 0) computes in addition to its examples."""
        return len(self._at(number).row.ids)

    def divergence(self, number: int, adapter: AdapterWeights) -> torch.Tensor:
        """Scalar: KL(base || adapted) of the next token, averaged over the step's row."""
        taken = self._at(number)
        return self._base.divergences(taken.row, adapter, taken.base).mean()

    def _at(self, number: int) -> _Rehearsed:
        return self._rows[number % len(self._rows)]


def read_rehearsal(path: Path, *, vocabulary: int) -> list[Unit]:
    """The answers of a file of RehearsalExamples. Raises TrainingStopped."""
    try:
        found = [RehearsalExample(**json.loads(line)) for line in path.read_text().splitlines()]
        units = [Unit(tuple(one.prompt_ids), (tuple(one.ids),)) for one in found]
        if not all(
            unit.prompt_ids and unit.answer_tokens and _are_known(unit, vocabulary)
            for unit in units
        ):
            raise ValueError("an empty text, or a token that the base does not know")
    except (OSError, ValueError, TypeError) as error:
        raise TrainingStopped("This run's rehearsal texts cannot be read.") from error
    return units


def rehearse(units: Sequence[Unit], base: FrozenBase) -> Iterator[_Rehearsed]:
    """The plain base's hidden states for these units, row by row; `units` is not empty."""
    prompts = [tuple(unit.prompt_ids) for unit in units]
    # A prefix shared by the first and last in sorted order is shared by all.
    shared = shared_beginning(min(prompts), max(prompts))
    for row in pack(units, max_tokens=shared + ROW_TOKENS):
        with torch.no_grad():  # not around the yield, which would disable the caller's gradients
            hidden = base.hidden_states(row, None)
        yield _Rehearsed(row, hidden)


def _are_known(unit: Unit, vocabulary: int) -> bool:
    return all(0 <= token < vocabulary for ids in (unit.prompt_ids, *unit.answers) for token in ids)
