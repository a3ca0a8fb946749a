"""What an agent's next run in a Space would take and cost."""

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from django.conf import settings
from django.db.models import Count, Max, Q, Subquery, Value
from django.db.models.functions import Coalesce

from agents.models import Agent
from training.configs.configs import LearningConfig, Precision, fitting
from training.configs.fields import InvalidConfig
from training.configs.shares import coded_beside
from training.configs.weights import bfloat16_bytes
from training.methods import DEFAULT, config_from_json, method_of
from training.methods.examples import PAIRS
from training.models import Pair
from training.runs import charges
from training.runs.queries import kept_shape
from training.runs.unlearned import TAUGHT_BY_CODE, unlearned_pairs

MAX_COUNTED = 8_000  # the newest pairs of an agent in a Space, more than any run looks at

_NO_PAIRS: Mapping[str, Any] = {"count": 0, "coded": 0, "last": None, "tasks": 0, "episodes": 0}


@dataclass(frozen=True)
class RunPlan:
    """The next run of an agent in a Space, from its owner's choices and its pairs."""

    method: str
    config: Mapping[str, Any]
    last_pair_id: int
    pair_count: int
    teaching: int  # pairs to learn from, of which the run takes `pair_count`
    surplus: int = 0  # pairs of coded seats above the share that the owner allows
    priced_answers: int = 0
    price_credits: int = 0
    problem: str = ""

    @property
    def above_share(self) -> str:
        """A sentence that accounts for the surplus; empty if there is none."""
        if not self.surplus:
            return ""
        share = f"{self.config['coded_share']:.0%}"
        return (
            f"Not counted: {self.surplus} won by coded seats, which may win at most {share} of a "
            "run's pairs. "
        )


def plans_of(agent: Agent, space_ids: Collection[int]) -> dict[int, RunPlan]:
    """By Space, in as many queries however many there are.

    Needs the agent's base model and current version, with its adapter, loaded.
    """
    if not space_ids:
        return {}
    parent = agent.current_version
    assert parent is not None, "an agent has a version from its creation on"
    rows = unlearned_pairs(parent, space_ids).filter(_newest(agent, space_ids))
    counts = {
        row["space"]: row
        for row in rows.order_by()
        .values("space")
        .annotate(
            count=Count("id"),
            coded=Count("id", filter=TAUGHT_BY_CODE),
            last=Max("id"),
            tasks=Count("round__task_key", distinct=True),
            # An opening is played more than once, and each time another position of it is practised.
            episodes=Count("round", distinct=True, filter=Q(round__turn_limit__gt=1)),
        )
    }
    found = {space_id: counts.get(space_id, _NO_PAIRS) for space_id in space_ids}
    try:
        config = _config_of(agent)
    except InvalidConfig as error:
        problem = f"The training settings are not valid. {error}"
        return {key: _refused(agent, pairs, problem) for key, pairs in found.items()}
    return {key: _plan(config, pairs) for key, pairs in found.items()}


def _newest(agent: Agent, space_ids: Collection[int]) -> Q:
    """Of each Space so many of the agent's pairs that a page can count them."""

    def oldest(space_id: int) -> Coalesce:
        pairs = Pair.objects.filter(agent=agent, space=space_id).order_by("-id").values("id")
        return Coalesce(Subquery(pairs[MAX_COUNTED - 1 : MAX_COUNTED]), Value(0))

    return reduce(or_, (Q(space=each, id__gte=oldest(each)) for each in space_ids))


def _config_of(agent: Agent) -> LearningConfig:
    # A run continues its parent's adapter, which keeps its shape.
    adapter = agent.current_version.adapter if agent.current_version else None
    shape = kept_shape(adapter) if adapter else {}
    config = config_from_json({**agent.learning, **shape, **_sites_precision(agent)})
    if config.rank > (most := agent.base_model.max_lora_rank):
        servers = f"The servers of {agent.base_model} take adapters up to rank {most}."
        raise InvalidConfig({"rank": f"{servers} Lower the LoRA rank."})
    return config


def _sites_precision(agent: Agent) -> dict[str, str]:
    """What the site decides instead of the owner. A run keeps what it was queued with."""
    wanted, folder = settings.ENV.train_precision, agent.base_model.folder
    if wanted in list(Precision):
        return {"precision": wanted}
    if wanted == "fitting" and folder:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            return {"precision": fitting(bfloat16_bytes(folder))}
    return {}


def _plan(config: LearningConfig, pairs: Mapping[str, Any]) -> RunPlan:
    surplus = 0
    if method_of(config).examples is PAIRS:
        others, coded = pairs["count"] - pairs["coded"], pairs["coded"]
        surplus = coded - coded_beside(others, share=config.coded_share, coded=coded)
    count, tasks = pairs["count"] - surplus, max(pairs["tasks"], pairs["episodes"])
    answers = charges.answers_of(config, pairs=count, tasks=tasks)
    return RunPlan(
        method=config.method,
        config=config.as_json(),
        last_pair_id=pairs["last"],
        pair_count=method_of(config).size(config, pairs=count, tasks=tasks).pairs,
        teaching=count,
        surplus=surplus,
        priced_answers=answers,
        price_credits=charges.price_of(answers),
    )


def _refused(agent: Agent, pairs: Mapping[str, Any], problem: str) -> RunPlan:
    return RunPlan(
        method=DEFAULT,
        config=agent.learning,
        last_pair_id=pairs["last"],
        pair_count=pairs["count"],
        teaching=pairs["count"],
        problem=problem,
    )
