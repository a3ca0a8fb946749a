"""How a chat is sampled: people may ask for more than what plays in matches."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Self

from agents.errors import Refused
from agents.inference.client import Sampling
from agents.prompts import UNSTORABLE, UNSTORABLE_TOLD

MAX_CHAT_TOKENS = 1024  # of one answer
MAX_STOPS = 4
MAX_STOP_CHARS = 100


class BadValue(Refused):
    """A value that cannot be used; `name` is what it was given as."""

    def __init__(self, name: str, sentence: str) -> None:
        super().__init__(sentence)
        self.name = name


@dataclass(frozen=True)
class ChatSampling(Sampling):
    """A version's sampling with what a request changes. An answer ends before a text of `stop`."""

    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, sentence in self._faults():
            raise BadValue(name, sentence)

    def problems(self) -> list[str]:
        return [sentence for _, sentence in self._faults()]

    @classmethod
    def of(cls, stored: Mapping[str, Any], **changes: Any) -> Self:
        """A version's stored sampling with the changes that are not None. Raises BadValue."""
        own = Sampling.from_json(stored)
        given = {name: value for name, value in changes.items() if value is not None}
        return cls(**(own.as_json() | given))

    def _faults(self) -> list[tuple[str, str]]:
        """(name, sentence) of each value out of range; `isfinite` and comparisons catch NaN."""
        found = []
        if not (isfinite(self.temperature) and 0 <= self.temperature <= 2):
            found.append(("temperature", "temperature must be between 0 and 2."))
        if not 0 < self.top_p <= 1:
            found.append(("top_p", "top_p must be above 0 and at most 1."))
        if not 1 <= self.max_tokens <= MAX_CHAT_TOKENS:
            found.append(("max_tokens", f"max_tokens must be between 1 and {MAX_CHAT_TOKENS:,}."))
        if len(self.stop) > MAX_STOPS or not all(
            0 < len(each) <= MAX_STOP_CHARS for each in self.stop
        ):
            found.append(
                ("stop", f"stop takes up to {MAX_STOPS} texts of 1 to {MAX_STOP_CHARS} characters.")
            )
        if any(UNSTORABLE.search(each) for each in self.stop):
            found.append(("stop", UNSTORABLE_TOLD))
        return found
