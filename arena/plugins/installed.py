"""Which environments the installed packages offer, read from their metadata alone: nothing is imported."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points

GROUP = "rlfc.environments"  # of entry points


class NotInstalled(Exception):
    """No package offers the environment, or several do; the message is a sentence."""


def offered() -> Mapping[str, Sequence[EntryPoint]]:
    """Every name with the entry points that claim it."""
    found: dict[str, list[EntryPoint]] = defaultdict(list)
    for one in entry_points(group=GROUP):
        found[one.name].append(one)
    return found


def entry_point(name: str) -> EntryPoint:
    """The one entry point of this name. Raises NotInstalled."""
    found = offered().get(name, ())
    if not found:
        raise NotInstalled(f"No installed package offers the environment {name!r}.")
    if len(found) > 1:
        packages = " and ".join(sorted(origin(one) for one in found))
        raise NotInstalled(f"The environment {name!r} is offered by {packages}; uninstall one.")
    return found[0]


def origin(one: EntryPoint) -> str:
    """The package and its version."""
    return f"{one.dist.name} {one.dist.version}" if one.dist else "an unknown package"
