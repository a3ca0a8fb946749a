"""The environment protocol: make tasks, score answers in code, and solve tasks in code."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from random import Random
from typing import Any, Protocol

from agents.canonical import digest_of
from judges.transcript import Check


class Split(StrEnum):
    """Which tasks may be used for what; the three sets have no prompt in common."""

    TRAIN = "train"  # matches, practice and training
    HELDOUT = "heldout"  # unseen prompts of trained kinds: the gate
    UNSEEN = "unseen"  # kinds that no match ever uses: transfer


@dataclass(frozen=True)
class Task:
    """One question, with everything that scoring needs. JSON in, JSON out."""

    kind: str  # "bullets", "lowercase", ...; reports group by it
    prompt: str  # the user turn, as the model sees it
    data: Mapping[str, Any]  # JSON values only
    split: Split = Split.TRAIN

    @property
    def key(self) -> str:
        """SHA-256 of the content: same key, same task."""
        return digest_of([self.kind, self.prompt, dict(self.data)])

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"data": dict(self.data)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Task":
        return cls(value["kind"], value["prompt"], dict(value["data"]), Split(value["split"]))


@dataclass(frozen=True)
class Score:
    """The environment's own judgement of one answer."""

    value: float  # [0, 1]
    passed: bool  # every check passed
    checks: tuple[Check, ...]


class Environment(Protocol):
    """Pure: the same arguments give the same result."""

    slug: str
    name: str
    max_task_chars: int  # of the longest prompt of any split

    def make_task(self, rng: Random, split: Split) -> Task:
        """Draw a task of the split."""
        ...

    def score(self, task: Task, text: str) -> Score:
        """Check an answer in code. Never raises, whatever the text contains."""
        ...

    def solve(self, task: Task, rng: Random) -> str:
        """Answer in code, as the house's coded competitor does."""
        ...
