"""Environments by the key that a Space stores: ours, families by name, and those of packages.

A key may add settings to a name: see configured.py.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from difflib import get_close_matches

from arena.environments.base import Environment, UnknownEnvironment
from arena.environments.configured import configured

# Raises UnknownEnvironment with a sentence that says why, or KeyError, if it has no such name.
Family = Callable[[str], Environment]


class Registry(Mapping[str, Environment]):
    """A mapping that also makes `FAMILY/NAME` and `NAME?SETTINGS` when it is asked for, once.

    Iteration gives what has been added, no name of a family.
    """

    def __init__(self) -> None:
        self._known: dict[str, Environment] = {}
        self._families: dict[str, tuple[Family, Collection[str]]] = {}
        self._made: dict[str, Environment] = {}

    def add(self, *environments: Environment) -> None:
        for environment in environments:
            if environment.slug in self._known:
                raise ValueError(f"There are two environments {environment.slug!r}.")
            self._known[environment.slug] = environment

    def add_family(self, prefix: str, family: Family, *, names: Collection[str] = ()) -> None:
        """`family` makes the environment that `prefix/NAME` stands for.

        `names` are those that a person who mistypes one may have meant.
        """
        self._families[prefix] = (family, names)

    def __getitem__(self, key: str) -> Environment:
        """Raises UnknownEnvironment."""
        if key in self._known:
            return self._known[key]
        if key not in self._made:
            name, has_settings, settings = key.partition("?")
            self._made[key] = (
                configured(self[name], settings) if has_settings else self._of_family(key)
            )
        return self._made[key]

    def _of_family(self, key: str) -> Environment:
        prefix, _, name = key.partition("/")
        if not name or prefix not in self._families:
            raise self._unknown(key)
        try:
            return self._families[prefix][0](name)
        except UnknownEnvironment:
            raise
        except KeyError:
            raise self._unknown(key) from None

    def problem_with(self, key: str) -> str:
        """A sentence if there is no such environment, else nothing."""
        try:
            self[key]
        except UnknownEnvironment as error:
            return str(error)
        return ""

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and not self.problem_with(key)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._known))

    def __len__(self) -> int:
        return len(self._known)

    def _unknown(self, key: str) -> UnknownEnvironment:
        keys = {known: known for known in self._known}
        for prefix, (_, names) in self._families.items():
            keys |= {
                each: f"{prefix}/{name}" for name in names for each in (name, f"{prefix}/{name}")
            }
        near = dict.fromkeys(keys[each] for each in get_close_matches(key, keys))
        choices = [*sorted(self._known), *(f"{prefix}/NAME" for prefix in self._families)]
        hint = (
            f"Do you mean {' or '.join(near)}?" if near else f"Choose one of {', '.join(choices)}."
        )
        return UnknownEnvironment(f"There is no environment {key!r} on this installation. {hint}")
