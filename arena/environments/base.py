"""What an environment is: it makes tasks, scores answers by code, and can answer itself."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from random import Random
from typing import Any, Protocol

from agents.canonical import digest_of
from judges.transcript import Check


class Split(StrEnum):
    """Which tasks may be used for what; the three sets share no prompt."""

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
    """The environment's own opinion of one answer."""

    value: float  # [0, 1]
    passed: bool  # every check passed
    checks: tuple[Check, ...]


class Environment(Protocol):
    """Pure: the same arguments give the same result."""

    slug: str
    name: str

    def make_task(self, rng: Random, split: Split) -> Task:
        """Draw a task of the split."""
        ...

    def score(self, task: Task, text: str) -> Score:
        """Check an answer by code. Never raises, whatever the text holds."""
        ...

    def solve(self, task: Task, rng: Random) -> str:
        """Answer by code, as the house's coded competitor does."""
        ...
