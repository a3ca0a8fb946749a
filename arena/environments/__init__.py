"""Environments, by the key that a Space stores; they make tasks and score answers in code. Pure."""

from arena.environments.arithmetic.family import Arithmetic
from arena.environments.base import Environment
from arena.environments.constraints.family import Constraints
from arena.environments.poems.family import OpenEnded

ENVIRONMENTS: dict[str, Environment] = {
    environment.slug: environment for environment in (Constraints(), OpenEnded(), Arithmetic())
}
