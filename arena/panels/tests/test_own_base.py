"""Judges that run on the base model of a Space's agents are told apart, and may be kept out."""

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from arena.models import Space
from arena.panels.own_base import members_of, models_of, on_base
from arena.queries import space_card
from arena.tests.builders import make_base_model, make_match, make_space
from judges.models import Endpoint, Judge, JudgeKind

pytestmark = pytest.mark.django_db(transaction=True)


def same_base_space(**changes: object) -> Space:
    """A Space whose panel has code, a reader of another model, and one of the agents' own."""
    for slug, model in (
        ("own", f"Somebody/{make_base_model().served_name.upper()}"),
        ("else", "x"),
    ):
        Endpoint.objects.create(slug=f"at-{slug}", url="https://example.com/v1", model=model)
        Judge.objects.create(
            slug=slug,
            name=slug.title(),
            kind=JudgeKind.PAIRWISE,
            config={"endpoints": [f"at-{slug}"]},
        )
    chairs = [{"judge": slug, "weight": 2.0} for slug in ("own", "else")]
    return make_space(panel=[{"judge": "code", "weight": 1.0}, *chairs], **changes)


def test_a_judge_is_on_the_agents_base_by_the_name_of_its_model_whoever_publishes_it() -> None:
    space = same_base_space()
    models = models_of(Judge.objects.all())
    assert models["code"] == frozenset()
    assert on_base(models, space.base_model) == {"own"}


def test_a_formula_over_the_bases_probabilities_counts_as_the_base() -> None:
    for slug, weight in (("asks", 0.25), ("asks-not", 0.0)):
        Judge.objects.create(
            slug=slug, name=slug, kind=JudgeKind.POEM, config={"pmi_weight": weight}
        )
    models = models_of(Judge.objects.filter(kind=JudgeKind.POEM))
    assert models == {"asks": {settings.ENV.base_model}, "asks-not": frozenset()}


def test_a_judge_that_was_trained_here_is_on_the_arenas_base() -> None:
    for slug, digest in (("taught", "a" * 64), ("untaught", "")):
        config = {"digest": digest}
        Judge.objects.create(slug=slug, name=slug, kind=JudgeKind.LEARNED, config=config)
    models = models_of(Judge.objects.filter(kind=JudgeKind.LEARNED))
    assert models == {"taught": {settings.ENV.base_model}, "untaught": frozenset()}


def test_a_judge_with_a_broken_configuration_asks_no_model() -> None:
    Judge.objects.create(slug="odd", name="Odd", kind=JudgeKind.PAIRWISE, config={"what": 1})
    Judge.objects.create(slug="gone", name="Gone", kind="unknown")
    assert models_of(Judge.objects.all()) == {"odd": frozenset(), "gone": frozenset()}


def test_a_space_keeps_judges_of_its_own_base_unless_it_excludes_them() -> None:
    space = same_base_space()
    assert [slug for slug, _ in members_of(space)] == ["code", "own", "else"]
    space.excludes_same_base = True
    space.save()
    assert members_of(space) == (("code", 1.0), ("else", 2.0))
    seated = make_match(space).events.get(seq=1).payload
    assert seated["panel"] == [["code", 1.0], ["else", 2.0]]


def test_where_the_exclusion_leaves_nobody_the_rule_checker_judges() -> None:
    space = same_base_space(excludes_same_base=True)
    space.panel = [{"judge": "own", "weight": 3.0}]
    assert members_of(space) == (("code", 1.0),)


def test_the_pages_of_the_space_and_of_the_judge_say_so(client: Client) -> None:
    space = same_base_space()
    flags = {line.slug: line.is_own_base for line in space_card(space.slug).panel}
    assert flags == {"code": False, "own": True, "else": False}
    page = client.get(reverse("space", kwargs={"slug": space.slug})).content.decode()
    assert page.count("the agents&rsquo; own base model") == 1
    assert "stays out" not in page
    Space.objects.filter(id=space.id).update(excludes_same_base=True)
    page = client.get(reverse("space", kwargs={"slug": space.slug})).content.decode()
    assert page.count("it stays out of this panel") == 1
    judge = client.get(reverse("judge", kwargs={"judge": "own"})).content.decode()
    assert f"It runs on {space.base_model.name}, the base model of agents here" in judge
    other = client.get(reverse("judge", kwargs={"judge": "else"})).content.decode()
    assert "the base model of agents" not in other
