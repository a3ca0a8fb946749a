"""How a training setting is declared: default, label, explanation and range. Pure."""

import math
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from enum import StrEnum
from typing import Any, ClassVar, Self, get_type_hints

from agents.errors import Refused


class InvalidConfig(Refused):
    """A setting is out of its range; `problems` maps its name to a sentence."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(" ".join(problems.values()))
        self.problems = dict(problems)


@dataclass(frozen=True)
class SettingHelp:
    """What a form shows for one setting."""

    name: str
    label: str
    explanation: str
    default: Any
    kind: type
    low: float | None
    high: float | None
    choices: tuple[str, ...]


def setting(
    default: Any,
    label: str,
    explanation: str,
    *,
    low: float | None = None,
    high: float | None = None,
) -> Any:
    """A dataclass field that forms can show and that JSON is validated against."""
    told = {"label": label, "explanation": explanation, "low": low, "high": high}
    return field(default=default, metadata=told)


@dataclass(frozen=True)
class Settings:
    """A frozen dataclass of `setting` fields, each an int, a float or a StrEnum."""

    method: ClassVar[str] = ""

    def __post_init__(self) -> None:
        problems = {
            one.name: sentence
            for one in fields(self)
            if (sentence := _problem(getattr(self, one.name), one))
        }
        if problems := problems or self.contradictions():
            raise InvalidConfig(problems)

    def contradictions(self) -> dict[str, str]:
        """Sentences for values that are in range but contradict each other."""
        return {}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Missing keys take their defaults; unknown keys and wrong types are refused."""
        known = {one.name: one for one in fields(cls)}
        kinds = get_type_hints(cls)
        problems = {
            name: f"There is no training setting named {name!r}."
            for name in value
            if name not in known and name != "method"
        }
        chosen: dict[str, Any] = {}
        for name in value.keys() & known.keys():
            try:
                chosen[name] = _typed(value[name], kinds[name])
            except ValueError as error:
                problems[name] = f"{known[name].metadata['label']} {error}."
        if problems:
            try:
                cls(**chosen)
            except InvalidConfig as error:
                problems |= error.problems
            raise InvalidConfig(problems)
        return cls(**chosen)

    def as_json(self) -> dict[str, Any]:
        return {"method": str(self.method)} | {
            one.name: value.value if isinstance(value, StrEnum) else value
            for one in fields(self)
            for value in (getattr(self, one.name),)
        }

    @classmethod
    def described(cls) -> tuple[SettingHelp, ...]:
        """Every setting, in the order a form shows them."""
        kinds = get_type_hints(cls)
        return tuple(
            SettingHelp(
                name=one.name,
                label=one.metadata["label"],
                explanation=one.metadata["explanation"],
                default=one.default,
                kind=kinds[one.name],
                low=one.metadata["low"],
                high=one.metadata["high"],
                choices=tuple(kinds[one.name]) if issubclass(kinds[one.name], StrEnum) else (),
            )
            for one in fields(cls)
        )


def _typed(value: object, kind: type) -> Any:
    if issubclass(kind, StrEnum):
        if isinstance(value, str) and value in list(kind):
            return kind(value)
        raise ValueError(f"must be one of {', '.join(kind)}")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    if kind is int:
        if isinstance(value, float) and not value.is_integer():
            raise ValueError("must be a whole number")
        return int(value)
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _problem(value: object, one: Field[Any]) -> str:
    low, high = one.metadata["low"], one.metadata["high"]
    if low is None or not isinstance(value, int | float):
        return ""
    if low <= value <= high:  # false for NaN
        return ""
    return f"{one.metadata['label']} must be between {low:g} and {high:g}."
