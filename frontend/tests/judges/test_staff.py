"""The staff configure judges, and try them before anything is saved."""

import json
from collections.abc import Iterator
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from agents.models import User
from arena.config.env import Variables
from arena.models import Match, Vote
from arena.outbound.tests.web import Scripted, Web
from frontend.judge_fields import config_form
from frontend.tests.builders import HOSTILE, settled_match, signed_in
from judges.call import KINDS
from judges.endpoints.keys import seal
from judges.models import Endpoint, Judge, JudgeKind

pytestmark = pytest.mark.django_db(transaction=True)

REPLY = {
    "choices": [{"message": {"content": "VERDICT: A"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 100, "completion_tokens": 10},
}


@pytest.fixture
def staff() -> Client:
    return signed_in(User.objects.create_user("chief", is_staff=True).pk)


@pytest.fixture
def endpoint(settings: Settings) -> Iterator[Endpoint]:
    web = Web(lambda path, body: Scripted(body=json.dumps(REPLY).encode()))
    settings.ENV = Variables(outbound_allowed_hosts=[f"127.0.0.1:{web.port}"])
    yield Endpoint.objects.create(
        slug="reader",
        url=f"{web.url}/v1",
        model="big-reader",
        sealed_key=seal("sk-very-secret"),
        prompt_price=Decimal(2),
        completion_price=Decimal(8),
        monthly_cap=Decimal(5),
        last_problem=HOSTILE,
    )
    web.close()


def make_judge() -> Judge:
    return Judge.objects.create(slug="reader", name="Reader", kind=JudgeKind.PAIRWISE)


def form(match: Match, **changes: str) -> dict[str, str]:
    values = {
        "kind": "pairwise",
        "config_endpoints": "reader",
        "space": match.space.slug,
        "rounds": "2",
        "action": "preview",
    }
    return values | changes


PATH = "/site/judges/reader/"
# by kind: its settings without a default
REQUIRED = {
    name: {one for one, setting in kind.config_class.model_fields.items() if setting.is_required()}
    for name, kind in KINDS.items()
}


def test_only_the_staff_find_the_judges_office(staff: Client) -> None:
    make_judge()
    person = signed_in(User.objects.create_user("person").pk)
    for path in (reverse("staff_judges"), PATH):
        assert staff.get(path).status_code == 200
        assert person.get(path).status_code == 404
        assert person.post(path, {"action": "save", "kind": "code"}).status_code in (404, 405)
        assert Client().get(path).status_code == 302
    assert staff.get("/site/judges/nobody/").status_code == 404


def test_the_office_shows_endpoints_without_their_keys(staff: Client, endpoint: Endpoint) -> None:
    page = staff.get(reverse("staff_judges")).content.decode()
    assert "big-reader" in page
    assert "sk-very-secret" not in page
    assert endpoint.sealed_key not in page


def test_a_preview_shows_scores_seconds_and_price_and_records_nothing(
    staff: Client, endpoint: Endpoint
) -> None:
    match = settled_match(text=f"{HOSTILE} words")
    judge = make_judge()
    votes = Vote.objects.count()
    page = staff.post(PATH, form(match)).content.decode()
    assert "2 rounds" in page
    assert "440 tokens, cost 0.001120" in page  # two rounds, two requests each
    assert HOSTILE not in page
    assert Vote.objects.count() == votes
    judge.refresh_from_db()
    assert (judge.config, judge.versions.count()) == ({}, 0)
    assert endpoint.months.get().cost_micros == 1120


def test_saving_makes_a_version_with_what_differs_from_the_defaults(
    staff: Client, endpoint: Endpoint
) -> None:
    match = settled_match()
    judge = make_judge()
    saved = staff.post(PATH, form(match, action="save", config_limit_seconds="30"), follow=True)
    assert "Reader is configured: version 1." in saved.content.decode()
    judge.refresh_from_db()
    assert judge.config["endpoints"] == ["reader"]
    assert judge.config["limit_seconds"] == 30.0
    assert "max_answer_characters" not in judge.config
    assert judge.versions.get().config == judge.config


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"config_limit_seconds": "soon"}, "Must be a number."),
        ({"config_limit_seconds": "0"}, "Must be at least 1."),
        ({"config_limit_seconds": "NaN"}, "Must be a"),
        ({"config_endpoints": "a\nb\nc\nd\ne\nf"}, "Must have at most 4 entries."),
        ({"rounds": "-1"}, "2 rounds"),
        ({"space": "nowhere"}, "That Space has no decided round yet."),
    ],
)
def test_what_a_kind_cannot_use_is_refused_at_its_field(
    staff: Client, endpoint: Endpoint, changes: dict[str, str], sentence: str
) -> None:
    match = settled_match()
    judge = make_judge()
    page = staff.post(PATH, form(match, **changes))
    assert page.status_code == 200
    assert sentence in page.content.decode()
    judge.refresh_from_db()
    assert judge.config == {}


def test_every_kind_has_a_form_that_reads_what_it_shows(staff: Client) -> None:
    make_judge()
    for kind in JudgeKind:
        page = staff.get(f"{PATH}?kind={kind}")
        assert page.status_code == 200, kind
        shown = page.context["form"]
        values = {name: one.initial for name, one in shown.fields.items()}
        again = config_form(kind, None, values)
        if again.is_valid():
            assert again.config == {}, kind
        else:  # what has no default is still to be filled in
            assert set(again.errors) <= {f"config_{name}" for name in REQUIRED[kind]}
    assert staff.get(f"{PATH}?kind=gone").status_code == 200


def test_settings_with_parts_are_typed_as_json() -> None:
    criteria = '[{"name": "clear", "question": "Is it clear?"}]'
    read = config_form("rubric", None, {"config_criteria": criteria, "config_has_reference": "on"})
    assert read.is_valid(), read.errors
    assert read.config["criteria"][0]["name"] == "clear"
    assert read.config["has_reference"] is True
    broken = config_form("rubric", None, {"config_criteria": "[{"})
    assert broken.errors == {"config_criteria": ["Must be a list."]}
