"""Environments by the key that a Space stores: ours, families by name, and those of packages."""

from collections.abc import Callable, Iterator, Mapping

from arena.environments.base import Environment, EnvironmentFault

Family = Callable[[str], Environment]  # raises KeyError for a name that it does not know


class UnknownEnvironment(EnvironmentFault, KeyError):
    """No environment has this key on this installation, any more or at all."""

    def __init__(self, key: str) -> None:
        super().__init__(f"There is no environment {key!r} on this installation.")

    def __str__(self) -> str:
        return str(self.args[0])


class Registry(Mapping[str, Environment]):
    """A mapping that also makes `FAMILY/NAME` when it is asked for, once.

    Iteration gives what has been added, not every name of a family.
    """

    def __init__(self) -> None:
        self._known: dict[str, Environment] = {}
        self._families: dict[str, Family] = {}

    def add(self, *environments: Environment) -> None:
        for environment in environments:
            if environment.slug in self._known:
                raise ValueError(f"There are two environments {environment.slug!r}.")
            self._known[environment.slug] = environment

    def add_family(self, prefix: str, family: Family) -> None:
        """`family` makes the environment that `prefix/NAME` stands for."""
        self._families[prefix] = family

    def __getitem__(self, key: str) -> Environment:
        if key not in self._known:
            prefix, slash, name = key.partition("/")
            if not (slash and name and prefix in self._families):
                raise UnknownEnvironment(key)
            try:
                self._known[key] = self._families[prefix](name)
            except KeyError:
                raise UnknownEnvironment(key) from None
        return self._known[key]

    def __contains__(self, key: object) -> bool:
        try:
            return isinstance(key, str) and bool(self[key])
        except KeyError:
            return False

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._known))

    def __len__(self) -> int:
        return len(self._known)
