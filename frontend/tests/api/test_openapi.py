"""The API is what its documentation says, whatever one sends."""

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
from frontend.api.api import api
from frontend.api.examples import body_example
from frontend.tests.api.asked import STREAMED, of_a_row
from frontend.tests.two_people import TwoPeople, make_two_people

EXAMPLES = 6  # of each operation
CHECKS = (not_a_server_error, status_code_conformance, response_schema_conformance)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def people() -> TwoPeople:
    return make_two_people()


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
            for given_values in (case.path_parameters, case.body):
                for name in given_values if isinstance(given_values, dict) else ():
                    given_values[name] = of_a_row(people, name) or given_values[name]
            response = case.call(headers=headers)
            case.validate_response(response, checks=list(CHECKS))
            asked += 1

        ask()
    assert asked > 100


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
