"""Environments by the key that a Space stores."""

from arena.environments.base import Environment
from arena.environments.constraints import Constraints

ENVIRONMENTS: dict[str, Environment] = {"constraints": Constraints()}
