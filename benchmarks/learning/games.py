"""The seeded Spaces whose games `learn_bench --space` takes, by slug. Pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from arena.environments import ENVIRONMENTS
from arena.seeding.spaces import SPACES

GAMES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        space["slug"]: space
        for space in SPACES
        if ENVIRONMENTS[space["environment"]].turn_limit > 1 and space["seat_count"] == 2
    }
)
