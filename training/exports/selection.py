"""Which preference pairs a person wants: the filters of a dataset, checked one by one. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import date
from enum import StrEnum
from typing import Any, Self

from training.configs.fields import InvalidConfig

MAX_NAMED = 100  # Spaces, agents or judges
MAX_NAME_CHARS = 50
MAX_LENGTH_DIFFERENCE = 100_000  # tokens
_LARGEST_ID = 2**63 - 1


class Whose(StrEnum):
    """Of whose agents the pairs are."""

    MINE = "mine"
    PUBLIC = "public"  # anybody's, from Spaces whose answers are public data


@dataclass(frozen=True)
class Selection:
    """The filters; each narrows what the others leave. Raises InvalidConfig.

    What exists and what the person may have is checked by `training.exports.rows.check`.
    """

    whose: Whose = Whose.MINE
    spaces: tuple[str, ...] = ()  # slugs; empty: all
    agents: tuple[int, ...] = ()  # ids of the person's own; empty: all
    judges: tuple[str, ...] = ()  # slugs: one of them voted on the round; empty: any
    since: date | None = None  # the pair was made on this day or later, UTC
    until: date | None = None  # on this day or earlier
    least_margin: float = 0.0  # [0, 1]
    least_agreement: float = 0.0  # [0, 1]
    # Between the two answers, in tokens, whichever is the longer.
    least_length_difference: int = 0
    most_length_difference: int | None = None
    with_cut: bool = True  # also pairs whose worse answer was cut off at the maximum length
    only_verified: bool = False  # checks by code say the same as the pair
    dedup: bool = True  # once, what has the same task and the same two texts
    one_per_prompt: bool = False  # the clearest: with the largest margin, then the oldest

    def __post_init__(self) -> None:
        if problems := _contradictions(self):
            raise InvalidConfig(problems)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Missing keys take their defaults; `null` is a missing key. Raises InvalidConfig."""
        problems = {
            _cut(name): f"There is no filter named {_cut(name)!r}."
            for name in value
            if name not in _READERS
        }
        chosen: dict[str, Any] = {}
        for name, (label, read) in _READERS.items():
            if (given := value.get(name)) is None:
                continue
            try:
                chosen[name] = read(given)
            except ValueError as error:
                problems[name] = f"{label} {error}."
        try:
            selection = cls(**chosen)
        except InvalidConfig as error:
            raise InvalidConfig(problems | error.problems) from None
        if problems:
            raise InvalidConfig(problems)
        return selection

    def as_json(self) -> dict[str, Any]:
        return {one.name: _plain(getattr(self, one.name)) for one in fields(self)}


def _contradictions(chosen: Selection) -> dict[str, str]:
    problems = {}
    if chosen.since and chosen.until and chosen.until < chosen.since:
        problems["until"] = "The last day must not come before the first."
    most = chosen.most_length_difference
    if most is not None and most < chosen.least_length_difference:
        problems["most_length_difference"] = (
            "The largest length difference must not be below the least."
        )
    if chosen.whose == Whose.PUBLIC and chosen.agents:
        problems["agents"] = "Public pairs are of everybody’s agents: choose no agents for them."
    return problems


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, StrEnum):
        return value.value
    return list(value) if isinstance(value, tuple) else value


def _cut(name: object) -> str:
    """A name that somebody made up, short enough to be repeated to them."""
    text = str(name)
    return text if len(text) <= MAX_NAME_CHARS else f"{text[:MAX_NAME_CHARS]}…"


def _whose(value: object) -> Whose:
    if not isinstance(value, str) or value not in list(Whose):
        raise ValueError(f"must be one of {', '.join(Whose)}")
    return Whose(value)


def _names(value: object) -> tuple[str, ...]:
    named = _listed(value)
    if any(not isinstance(one, str) or len(one) > MAX_NAME_CHARS for one in named):
        raise ValueError(f"must be names of at most {MAX_NAME_CHARS} characters")
    return tuple(dict.fromkeys(named))


def _ids(value: object) -> tuple[int, ...]:
    named = _listed(value)
    if any(type(one) is not int or not 0 < one <= _LARGEST_ID for one in named):
        raise ValueError("must be numbers of agents")
    return tuple(dict.fromkeys(named))


def _listed(value: object) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise ValueError("must be a list")
    if len(value) > MAX_NAMED:
        raise ValueError(f"must be at most {MAX_NAMED}")
    return list(value)


def _day(value: object) -> date:
    try:
        if isinstance(value, str) and len(value) == len("2026-01-31"):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise ValueError("must be a day such as 2026-01-31")


def _share(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError("must be a number from 0 to 1")
    return float(value)


def _tokens(value: object) -> int:
    if type(value) is not int or not 0 <= value <= MAX_LENGTH_DIFFERENCE:
        raise ValueError(f"must be a whole number of tokens from 0 to {MAX_LENGTH_DIFFERENCE:,}")
    return value


def _yes_or_no(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


_READERS: Mapping[str, tuple[str, Callable[[object], Any]]] = {
    "whose": ("Whose pairs", _whose),
    "spaces": ("Spaces", _names),
    "agents": ("Agents", _ids),
    "judges": ("Judges", _names),
    "since": ("The first day", _day),
    "until": ("The last day", _day),
    "least_margin": ("The least margin", _share),
    "least_agreement": ("The least agreement", _share),
    "least_length_difference": ("The least length difference", _tokens),
    "most_length_difference": ("The largest length difference", _tokens),
    "with_cut": ("Whether cut answers count", _yes_or_no),
    "only_verified": ("Whether only verified pairs count", _yes_or_no),
    "dedup": ("Whether duplicates are left out", _yes_or_no),
    "one_per_prompt": ("Whether there is one pair for each task", _yes_or_no),
}
