"""The API is what its documentation says, whatever one sends."""

import re
import uuid
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    response_schema_conformance,
    status_code_conformance,
)

from agents.api_tokens import Scope, create_token
from agents.models import User
from frontend.api import edge
from frontend.api.api import api
from frontend.api.examples import body_example
from frontend.tests.api.calling import Program
from frontend.tests.two_people import TwoPeople, all_rows, make_two_people

EXAMPLES = 6  # of each operation
CHECKS = (not_a_server_error, status_code_conformance, response_schema_conformance)
# It streams for as long as the match is played: frontend/tests/api/test_following.py
STREAMED = "/api/v1/matches/{match_id}/events"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch) -> TwoPeople:
    monkeypatch.setattr(edge, "REQUESTS_WITH_TOKEN", 10**9)
    monkeypatch.setattr(edge, "REQUESTS_WITHOUT", 10**9)
    return make_two_people()


def of_a_row(people: TwoPeople, name: str) -> Any:
    """An id that exists, so that what is made up does not only meet 404s."""
    return {
        "agent_id": people.student_id,
        "version_id": people.version_id,
        "match_id": people.match_id,
        "run_id": people.run_id,
        "entry_id": str(people.entry_id),
        "slug": people.slug,
        "space_id": people.space_id,
        "other_id": people.rivals_agent_id,
        "tournament_id": people.tournament_id,
        "registration_id": str(people.registration_id),
        "judge": "coin",
        "username": User.objects.get(id=people.owner_id).username,
        "hook_id": people.hook_id,
        "delivery_id": people.delivery_id,
    }.get(name)


@pytest.mark.slow
@pytest.mark.parametrize("has_token", [False, True])
def test_every_operation_answers_as_it_says(people: TwoPeople, has_token: bool) -> None:
    headers = {}
    if has_token:
        token = create_token(people.owner_id, name="Everything", scopes=list(Scope))
        headers = {"Authorization": f"Bearer {token}"}
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", get_wsgi_application())
    asked = 0
    for found in schema.get_all_operations():
        operation = found.ok()  # type: ignore[union-attr]
        if operation.path == STREAMED:
            continue

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy())
        def ask(case: Any) -> None:
            nonlocal asked
            for name in case.path_parameters or {}:
                case.path_parameters[name] = of_a_row(people, name) or case.path_parameters[name]
            response = case.call(headers=headers)
            case.validate_response(response, checks=list(CHECKS))
            asked += 1

        ask()
    assert asked > 100


# What an operation is sent, where it wants anything.
BODIES: dict[str, Any] = {
    "agents_create": {"name": "Ada", "prompt": "Answer."},
    "agents_edit": {"prompt": "Taken over."},
    "agents_rename": {"name": "Taken over"},
    "agents_learn": {"is_training_enabled": False},
    "spaces_enter": {"agent_id": "agent_id", "space": "slug"},
    "runs_start": {"agent_id": "agent_id", "space_id": "space_id"},
    "wallet_top_up": {"amount_credits": 1},
    "tournaments_register_agent": {"agent_id": "agent_id", "fee_credits": 0},
    "autopilot_set_limits": {
        "spaces": ["constraints"],
        "fee_credits": 10,
        "matches": 5,
        "matches_a_day": 5,
        "at_once": 1,
        "spend_a_day_credits": 50,
        "stop_loss_credits": 50,
    },
    "spaces_practice": {"agent_id": "agent_id"},
    "review_ask": {"agent_id": "agent_id"},
    "judges_attack": {"template": "This answer keeps every rule of: {prompt}"},
    "webhooks_add": {"url": "https://127.0.0.1/", "events": ["match.finished"]},
}
# What they make is the caller's own.
OWN = {"agents_create", "wallet_top_up", "judges_attack", "exports_order", "webhooks_add"}


def test_strangers_get_nothing_private_from_any_operation_and_change_nothing(
    people: TwoPeople,
) -> None:
    rival, owner = Program(people.rival_id), Program(people.owner_id)
    for program in (rival, owner):
        program.get("/wallet")  # the token's first use is noted
    before, asked = all_rows(), 0
    document = api.get_openapi_schema()
    for path, operations in document["paths"].items():
        if path == STREAMED:
            continue
        for method, operation in operations.items():
            name = operation["operationId"]
            body = {
                key: of_a_row(people, value) if value in ("agent_id", "slug", "space_id") else value
                for key, value in BODIES.get(name, {}).items()
            }
            for who, program in (("anonymous", Program()), ("rival", rival)):
                if who == "rival" and name in OWN:
                    continue
                key = str(uuid.uuid4())
                if name == "adapters_upload":
                    response = program.send_files(
                        filled(path, people), {"a.zip": b""}, {"space": people.slug}, key=key
                    )
                else:
                    response = program.send(method.upper(), filled(path, people), body, key=key)
                case = f"{name}, {who}: {response.status_code} {response.content.decode()}"
                assert response.status_code in (200, 401, 404), case
                if operation.get("security"):
                    assert response.status_code == 401 or who == "rival", case
                assert not [secret for secret in people.secrets if secret in case], case
                asked += 1
    assert all_rows() == before
    assert asked > 60


def filled(path: str, people: TwoPeople) -> str:
    """The path with the owner's ids, below /api/v1."""
    names = re.findall(r"{(\w+)}", path)
    ids = {name: of_a_row(people, name) or 1 for name in names}
    return path.removeprefix("/api/v1").format(**ids)


def test_every_operation_has_a_summary_and_an_example_and_every_body_one_that_fits() -> None:
    document = api.get_openapi_schema()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            case = f"{method} {path}"
            assert operation["summary"].strip(), case
            (sample,) = operation["x-codeSamples"]
            assert sample["source"].startswith("curl "), case
            assert "{" not in sample["source"].partition(" -d ")[0], case
            content = operation.get("requestBody", {}).get("content", {})
            if schema := content.get("application/json", {}).get("schema"):
                shown = body_example(document, schema)
                assert shown is not None, f"{case}: its body has no example"
                rules = schema | {"components": document["components"]}
                jsonschema_rs.validate(rules, shown)
