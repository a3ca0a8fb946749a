"""Every operation, asked for what it gives: by the owner it is done as the document says, by nobody else."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema_rs
import pytest
from django.conf import settings
from django.db import transaction

from agents.models import User
from arena.tests.builders import make_agent, make_user
from frontend.api.api import api
from frontend.tests.api.asked import HOOK, RUNS, STREAMED, asked
from frontend.tests.api.calling import Program, detail_of
from frontend.tests.api.weights import with_weights
from frontend.tests.two_people import TwoPeople, all_rows, make_two_people
from training.models import TrainingRun

pytestmark = pytest.mark.django_db

# What they make is the caller's own.
OWN = {"agents_create", "wallet_top_up", "judges_attack", "exports_order", "webhooks_add"}
# What the owner has nothing of.
REFUSED: Mapping[str, str] = {"agents_groups": "There are no groups to download yet."}


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> TwoPeople:
    monkeypatch.setattr(settings.ENV, "training_pairs", 8)
    monkeypatch.setattr(settings.ENV, "training_price", 1)
    monkeypatch.setattr(settings.ENV, "outbound_allowed_hosts", [urlsplit(HOOK).netloc])
    monkeypatch.setattr(settings.ENV, "webhooks_over_http", True)
    found = make_two_people()
    make_agent(make_user(is_house=True))  # against whom one practises
    return with_weights(found, monkeypatch, tmp_path)


@cache
def document() -> Any:
    return api.get_openapi_schema()


def operations() -> Iterator[tuple[str, str, str, Any]]:
    """(name, method, path, what the document says)"""
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            if path != STREAMED:
                yield operation["operationId"], method, path, operation


def problems_of(response: Any, operation: Any) -> list[str]:
    """In what the answer is not a success that the document knows."""
    documented = operation["responses"].get(response.status_code)
    if response.status_code >= 300 or documented is None:
        return [response.content.decode()]
    content = documented.get("content", {})
    kind = response["Content-Type"].partition(";")[0]
    if content and kind not in content:
        return [f"{kind} is not documented"]
    if kind != "application/json" or not content:
        return []
    rules = content[kind]["schema"] | {"components": document()["components"]}
    found = jsonschema_rs.validator_for(rules).iter_errors(response.json())
    return [str(error) for error in found]


def test_the_owner_gets_from_every_operation_what_its_document_says(people: TwoPeople) -> None:
    program = Program(people.owner_id)
    problems: list[str] = []
    for name, method, path, operation in operations():
        before = transaction.savepoint()
        TrainingRun.objects.filter(id=people.run_id).update(**RUNS.get(name, {}))
        response = asked(program, people, name=name, method=method, path=path)
        if name in REFUSED:
            assert (response.status_code, detail_of(response)) == (409, REFUSED[name])
            continue
        problems += [
            f"{name}: {response.status_code} {one}" for one in problems_of(response, operation)
        ]
        transaction.savepoint_rollback(before)
    assert not problems, "\n".join(problems)


def test_strangers_get_nothing_private_from_any_operation_and_change_nothing(
    people: TwoPeople,
) -> None:
    staff = User.objects.create_user("chief", is_staff=True)
    programs = {"rival": Program(people.rival_id), "staff": Program(staff.pk)}
    for program in (Program(people.owner_id), *programs.values()):
        program.get("/wallet")  # the token's first use is noted
    programs["anonymous"] = Program()
    before, count = all_rows(), 0
    for name, method, path, operation in operations():
        for who, program in programs.items():
            if who != "anonymous" and name in OWN:
                continue
            response = asked(program, people, name=name, method=method, path=path)
            case = f"{name}, {who}: {response.status_code} {response.content.decode()}"
            assert response.status_code in (200, 401, 404), case
            if operation.get("security"):
                assert response.status_code == 401 or who != "anonymous", case
            assert not [secret for secret in people.secrets if secret in case], case
            count += 1
    assert all_rows() == before
    assert count > 200
