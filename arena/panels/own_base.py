"""Which judges run on the base model of a Space's agents, and who judges there without them.

Models prefer what they would have said themselves. Why: docs/decisions/panel-ranking.md
"""

from collections.abc import Collection, Iterable, Mapping

from django.conf import settings

from agents.models import BaseModel
from arena.models import Space
from judges.call import KINDS
from judges.kinds.config import ARENA_BASE, BadConfig, ModelConfig, read_config
from judges.models import Endpoint, Judge

_RULE_CHECKER = (("code", 1.0),)


def members_of(space: Space) -> tuple[tuple[str, float], ...]:
    """The judges of a Space's panel, by slug, with their weights.

    Without those on the agents' own base if the Space excludes them; if none is left, the rule
    checker judges.
    """
    members = tuple((str(chair["judge"]), float(chair["weight"])) for chair in space.panel)
    if not space.excludes_same_base:
        return members
    judges = Judge.objects.filter(slug__in=[slug for slug, _ in members])
    own = on_base(models_of(judges), space.base_model)
    return tuple(one for one in members if one[0] not in own) or _RULE_CHECKER


def on_base(models: Mapping[str, Collection[str]], base: BaseModel) -> frozenset[str]:
    """Of the judges with these models, by slug, those that run on this base model."""
    names = {_plain(name) for name in (base.served_name, base.slug, base.name) if name}
    return frozenset(
        slug for slug, asked in models.items() if any(_plain(name) in names for name in asked)
    )


def bases_of(judge: Judge) -> tuple[str, ...]:
    """Names of the base models of this arena that the judge runs on."""
    models = models_of([judge])
    rows = BaseModel.objects.filter(is_active=True).order_by("id")
    return tuple(base.name for base in rows if on_base(models, base))


def models_of(judges: Iterable[Judge]) -> dict[str, frozenset[str]]:
    """By slug of the judge, the names of the models that it asks: none if it asks none."""
    found, named = {}, {}
    for judge in judges:
        found[judge.slug], named[judge.slug] = _asked(judge)
    slugs = {slug for endpoints in named.values() for slug in endpoints}
    model_of = {ARENA_BASE: settings.ENV.base_model}
    if slugs - model_of.keys():
        model_of |= dict(Endpoint.objects.filter(slug__in=slugs).values_list("slug", "model"))
    return {
        slug: asked | {model_of[each] for each in named[slug] if each in model_of}
        for slug, asked in found.items()
    }


def _asked(judge: Judge) -> tuple[frozenset[str], tuple[str, ...]]:
    """Names of models that it asks without an endpoint's row, and the slugs of its endpoints."""
    if judge.kind not in KINDS:
        return frozenset(), ()
    try:
        config = read_config(KINDS[judge.kind].config_class, judge.config)
    except BadConfig:  # it abstains, so it asks none
        return frozenset(), ()
    environment, endpoints = settings.ENV, config.asked_endpoints()
    models = {environment.base_model} if config.asks_base() else set()
    if isinstance(config, ModelConfig) and not endpoints and environment.judge_model:
        models.add(environment.judge_model)
    return frozenset(models), endpoints


def _plain(name: str) -> str:
    """Without the publisher: HuggingFaceTB/SmolLM2-135M-Instruct is smollm2-135m-instruct."""
    return name.rpartition("/")[2].casefold()
