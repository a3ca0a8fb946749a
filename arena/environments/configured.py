"""What a Space's environment key may add to a name: `nim?level=2`, `constraints?rules=lowercase,number`.

`level` fixes one of the difficulties, counted from 1 as on pages; an environment may have settings of
its own. Which tasks are held out stays the same, so no Space plays what another asks at its gate.
Environments of packages have no settings: asking them what they have would start their process.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from random import Random
from typing import Any, Protocol, cast, runtime_checkable

from arena.environments.base import Environment, Split, Task, UnknownEnvironment
from arena.environments.games.base import Game
from arena.environments.question import Question

LEVEL = "level"


@runtime_checkable
class Configurable(Protocol):
    """An environment with settings of its own."""

    setting_names: tuple[str, ...]

    def configured(self, settings: Mapping[str, str]) -> Environment:
        """The environment with these settings, of `setting_names`. Raises UnknownEnvironment."""
        ...


class OneLevel:
    """The whole environment but for its difficulties: it has one of them."""

    difficulty_count = 1

    def __init__(self, whole: Environment, level: int) -> None:
        self.whole = whole
        self.slug = f"{whole.slug}{'&' if '?' in whole.slug else '?'}{LEVEL}={level}"
        self.name = f"{whole.name}, level {level}"
        self._difficulty = level - 1

    def __getattr__(self, name: str) -> Any:
        if name == "whole":  # of a copy that is still empty
            raise AttributeError(name)
        return getattr(self.whole, name)

    def make_task(self, rng: Random, split: Split, difficulty: int = 0) -> Task:
        return self.whole.make_task(rng, split, self._difficulty)

    def practice_task(self, rng: Random, split: Split, difficulty: int = 0) -> Task:
        return self.whole.practice_task(rng, split, self._difficulty)


def whole_of(environment: Environment) -> Environment:
    """The environment with all of its difficulties."""
    return environment.whole if isinstance(environment, OneLevel) else environment


def setting_names(environment: Environment) -> tuple[str, ...]:
    """The settings that a key may give it."""
    own = environment.setting_names if isinstance(environment, Configurable) else ()
    return (*own, LEVEL) if environment.difficulty_count > 1 else own


def configured(environment: Environment, text: str) -> Environment:
    """The environment with the settings of a key, `NAME=VALUE` with "&" between them.

    Raises UnknownEnvironment with a sentence.
    """
    if not isinstance(environment, Game | Question):
        raise UnknownEnvironment(f"{environment.slug} has no settings.")
    settings = _read(environment, text)
    level = settings.pop(LEVEL, None)
    if settings and isinstance(environment, Configurable):
        environment = environment.configured(settings)
    return environment if level is None else _at_level(environment, level)


def _read(environment: Environment, text: str) -> dict[str, str]:
    known = setting_names(environment)
    settings: dict[str, str] = {}
    for part in text.split("&"):
        name, _, value = part.partition("=")
        if name not in known:
            near = get_close_matches(name, known)
            hint = f"Do you mean {near[0]}?" if near else f"It has: {', '.join(known) or 'none'}."
            raise UnknownEnvironment(f"{environment.name} has no setting {name!r}. {hint}")
        if name in settings:
            raise UnknownEnvironment(f"The setting {name!r} is given twice.")
        if not value:
            raise UnknownEnvironment(f"The setting {name!r} has no value.")
        settings[name] = value
    return settings


def _at_level(environment: Environment, level: str) -> Environment:
    count = environment.difficulty_count
    if level not in map(str, range(1, count + 1)):
        raise UnknownEnvironment(
            f"{environment.name} has levels from 1 to {count}, not {level!r}."
            if count > 1
            else f"{environment.name} has one level."
        )
    return cast("Environment", OneLevel(environment, int(level)))
