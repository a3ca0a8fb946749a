"""reasoning-gym, of which only the module of one family is loaded.

Its packages import every family as they start, and with them ten libraries that most families don't
need and seconds of a worker's time. So they are made without running them.
"""

import importlib
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Context, DefaultContext, localcontext
from functools import cache
from importlib.util import find_spec, module_from_spec
from typing import Any, Protocol, cast

from arena.environments.base import EnvironmentFault

_ROOT = "reasoning_gym"
SEED = 0
# Matches are played by threads. These are built for each item: one draws kinds of problems for its
# whole size, the other keeps something while it makes an item. The rest only read what they are.
_REBUILT = frozenset(["gsm_symbolic", "tsumego"])


class Problems(Protocol):
    """What reasoning-gym calls a procedural dataset."""

    def __getitem__(self, index: int) -> Mapping[str, Any]: ...

    def score_answer(self, answer: str | None, entry: Mapping[str, Any]) -> float: ...


@dataclass(frozen=True)
class Item:
    """One problem, with the dataset that scores its answers."""

    dataset: Problems
    entry: Mapping[str, Any]  # "question", "answer", "metadata"

    @property
    def question(self) -> str:
        return str(self.entry["question"]).strip()

    @property
    def answer(self) -> str:
        return str(self.entry["answer"])


def make_item(module: str, name: str, level: int, index: int) -> Item:
    """The problem with this index of a family at a level of its curriculum; always the same.

    Raises EnvironmentFault.
    """
    try:
        with unmoved():
            if name in _REBUILT:
                dataset = _build(module, name, level, seed=index)
                return Item(dataset, dataset[0])
            dataset = _kept(module, name, level)
            return Item(dataset, dataset[index])
    except Exception as error:
        raise EnvironmentFault(f"reasoning-gym made no {name} problem: {error}") from error


def unmoved() -> AbstractContextManager[Context]:
    """The usual arithmetic for a while: some families change their thread's precision for good."""
    return localcontext(DefaultContext)


@cache
def _kept(module: str, name: str, level: int) -> Problems:
    return _build(module, name, level, seed=SEED)


def _build(module: str, name: str, level: int, *, seed: int) -> Problems:
    """Levels are narrow: only the highest part of each range that the curriculum widens."""
    _load(module)
    factory = importlib.import_module(f"{_ROOT}.factory")
    curricula = importlib.import_module(f"{_ROOT}.coaching.base_curriculum")
    dataset_class, config_class = factory.DATASETS[name]
    fixed = {"seed": seed, "size": 1}
    if name not in factory.CURRICULA:
        return cast(Problems, dataset_class(config_class(**fixed)))
    curriculum = factory.CURRICULA[name]()
    curriculum.set_global_level(level)
    mode = curricula.RangeAttributeMode.UPPER_BOUND
    context = curricula.DefaultCurriculumContext(mode=mode)
    return cast(Problems, dataset_class(curriculum.generate_configuration(fixed, context)))


@cache
def _load(module: str) -> None:
    """Import one module, such as "arithmetic.chain_sum", which registers its families."""
    parents = module.split(".")[:-1]
    for depth in range(len(parents) + 1):
        _make_package(".".join([_ROOT, *parents[:depth]]))
    importlib.import_module(f"{_ROOT}.{module}")


def _make_package(name: str) -> None:
    if name in sys.modules:
        return
    # Its own __init__ is not run.
    spec = find_spec(name)
    if spec is None:
        raise ModuleNotFoundError(f"{name} is not installed.", name=name)
    sys.modules.setdefault(name, module_from_spec(spec))
