"""An agent as a TOML file, and what would change to make an agent what its file says."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from rlfc.connection import ArenaError


@dataclass(frozen=True)
class AgentFile:
    """What a file says of an agent; None: it says nothing of it, and the agent keeps what it has."""

    name: str
    prompt: str | None = None
    sampling: Mapping[str, Any] | None = None
    is_training_enabled: bool | None = None
    learning: Mapping[str, Any] | None = None

    @classmethod
    def read(cls, file: Path) -> Self:
        """Raises ArenaError."""
        try:
            return cls.of(tomllib.loads(file.read_text(encoding="utf-8")))
        except OSError as error:
            raise ArenaError(f"{file} cannot be read: {error.strerror}.") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ArenaError(f"{file} is not TOML: {error}.") from None

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """From the values of a file. Raises ArenaError."""
        kinds = {
            "name": (str, "text"),
            "prompt": (str, "text"),
            "sampling": (dict, "a table"),
            "is_training_enabled": (bool, "true or false"),
            "learning": (dict, "a table"),
        }
        for key, value in settings.items():
            if key not in kinds:
                raise ArenaError(
                    f"There is no setting named {key}; there are {', '.join(sorted(kinds))}."
                )
            kind, words = kinds[key]
            if not isinstance(value, kind):
                raise ArenaError(f"{key} must be {words}.")
        if not settings.get("name"):
            raise ArenaError("Give the agent a name.")
        return cls(**settings)


@dataclass(frozen=True)
class Change:
    """One value that becomes another; None: the default."""

    name: str
    before: Any
    after: Any

    @property
    def is_of_learning(self) -> bool:
        return self.name.startswith("learning.") or self.name == "is_training_enabled"


@dataclass(frozen=True)
class Plan:
    """What makes an agent what is wanted; `agent` is None if there is none of that name yet."""

    agent: Mapping[str, Any] | None
    wanted: AgentFile
    changes: tuple[Change, ...]


def merged(before: AgentFile, wanted: AgentFile) -> AgentFile:
    """What the agent becomes: what the file leaves out stays as it is.

    With another method, the settings of learning that the file leaves out take their defaults.
    """
    old, new = before.learning or {}, wanted.learning or {}
    stays = new.get("method", old.get("method")) == old.get("method")
    enabled = wanted.is_training_enabled
    return AgentFile(
        name=before.name,
        prompt=before.prompt if wanted.prompt is None else wanted.prompt,
        sampling={**(before.sampling or {}), **(wanted.sampling or {})},
        is_training_enabled=before.is_training_enabled if enabled is None else enabled,
        learning={**old, **new} if stays else new,
    )


def changes_between(before: AgentFile, after: AgentFile) -> tuple[Change, ...]:
    """What differs."""
    found = [
        Change("prompt", before.prompt, after.prompt),
        *_differences("sampling", before.sampling or {}, after.sampling or {}),
        Change("is_training_enabled", before.is_training_enabled, after.is_training_enabled),
        *_differences("learning", before.learning or {}, after.learning or {}),
    ]
    return tuple(change for change in found if change.before != change.after)


def _differences(noun: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    names = [*before, *(name for name in after if name not in before)]
    return [Change(f"{noun}.{name}", before.get(name), after.get(name)) for name in names]
