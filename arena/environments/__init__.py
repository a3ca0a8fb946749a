"""Environments by the key that a Space stores."""

from arena.environments.arithmetic import Arithmetic
from arena.environments.base import Environment
from arena.environments.constraints import Constraints
from arena.environments.open_ended import OpenEnded

ENVIRONMENTS: dict[str, Environment] = {
    environment.slug: environment for environment in (Constraints(), OpenEnded(), Arithmetic())
}
