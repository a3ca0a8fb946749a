"""Which token ids of a base model end a turn or steer its chat template.

Read from the base's folder without the training libraries, so that a worker stays light.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from agents.errors import Refused


class BaseUnreadable(Refused):
    """The base model's folder on this machine lacks something: no fault of a run's owner."""


@dataclass(frozen=True)
class ChatTokens:
    """The special tokens of one base model."""

    end_id: int  # ends an assistant's turn
    stop_ids: frozenset[int]  # including end_id; the server stops sampling at any of these
    control_ids: frozenset[int]  # all special tokens

    def canonical(self, ids: Sequence[int], *, is_finished: bool) -> list[int]:
        """The answer as training sees it: with a stop token at the end if it ended by itself.

        vLLM's sampled ids include the stop token (see Generation); a code agent's ids are only
        those of its text; an answer cut off at the maximum length has no end to learn.
        """
        if is_finished and (not ids or ids[-1] not in self.stop_ids):
            return [*ids, self.end_id]
        return list(ids)

    @staticmethod
    def allowed(ids: Sequence[int], allowed: Sequence[Sequence[int]]) -> list[list[int]]:
        """What was allowed for each of the canonical `ids`; [] for a free answer.

        An end of the turn that `canonical` has added was certain.
        """
        if not allowed:
            return []
        return [*map(list, allowed), *([one] for one in ids[len(allowed) :])]

    def is_plain(self, ids: Sequence[int]) -> bool:
        """Whether it has no special token except one stop token at the end."""
        body = ids[:-1] if ids and ids[-1] in self.stop_ids else ids
        return self.control_ids.isdisjoint(body)


def read_chat_tokens(base: Path) -> ChatTokens:
    """The tokens of the base in this folder. Raises BaseUnreadable if its tokenizer names none."""
    try:
        stamp = (base / "tokenizer.json").stat().st_mtime_ns
        return _read(base, stamp)
    except (OSError, ValueError, KeyError, TypeError):
        raise BaseUnreadable(
            "The base model's folder has no tokenizer that names its tokens."
        ) from None


@lru_cache(maxsize=8)
def _read(base: Path, stamp: int) -> ChatTokens:
    added = _json(base / "tokenizer.json")["added_tokens"]
    ids = {token["content"]: int(token["id"]) for token in added}
    eos = _json(base / "tokenizer_config.json")["eos_token"]
    end_id = ids[eos["content"] if isinstance(eos, dict) else eos]
    generation = base / "generation_config.json"
    stops = _json(generation).get("eos_token_id", []) if generation.exists() else []
    return ChatTokens(
        end_id=end_id,
        stop_ids=frozenset([end_id, *(stops if isinstance(stops, list) else [stops])]),
        control_ids=frozenset(int(token["id"]) for token in added if token["special"]),
    )


def _json(path: Path) -> dict[str, Any]:
    value = json.loads(path.read_text())
    if not isinstance(value, dict):
        raise ValueError(f"{path.name} is not a JSON object")
    return value
