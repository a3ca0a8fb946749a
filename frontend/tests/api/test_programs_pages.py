"""The pages about the API: tokens, and what can be asked."""

import re

import pytest
from django.test import Client

from agents.api_tokens import Scope, caller_of, create_token, tokens_of
from arena.tests.builders import make_user
from frontend.tests.builders import signed_in

pytestmark = pytest.mark.django_db(transaction=True)

TOKENS = "/account/tokens/"


def test_a_new_token_is_shown_once_and_works() -> None:
    user = make_user()
    browser = signed_in(user.pk)
    made = browser.post(TOKENS, {"name": "Night", "may": ["read", "play"], "days": "30"})
    assert made.status_code == 200
    assert made["Cache-Control"] == "no-store"
    found = re.search(r"<code>(rlfc_[\w-]{43})</code>", made.content.decode())
    assert found is not None
    caller = caller_of(found[1])
    assert caller is not None
    assert set(caller.scopes) == {Scope.READ, Scope.PLAY}
    assert found[1] not in browser.get(TOKENS).content.decode()
    (line,) = tokens_of(user.pk)
    assert line.expires_at is not None
    browser.post(f"{TOKENS}{line.token_id}/revoke/")
    assert caller_of(found[1]) is None
    assert "Programs that use it are refused" in browser.get(TOKENS).content.decode()


def test_a_form_that_makes_no_token_says_why() -> None:
    browser = signed_in(make_user().pk)
    for values, sentence in (
        ({"name": "Night"}, "Choose at least one thing that the token may do."),
        ({"name": "Night", "may": ["everything"]}, "Select a valid choice"),
        ({"name": "", "may": ["read"]}, "This field is required."),
        ({"name": "x" * 61, "may": ["read"]}, "at most 60 characters"),
        ({"name": "Night", "may": ["read"], "days": "7"}, "Select a valid choice"),
    ):
        page = browser.post(TOKENS, {"days": "30"} | values)
        assert page.status_code == 422
        assert sentence in page.content.decode()


def test_nobody_revokes_or_sees_anothers_token() -> None:
    owner, other = make_user(), make_user()
    token = create_token(owner.pk, name="Umbrella", scopes=[Scope.READ])
    (line,) = tokens_of(owner.pk)
    browser = signed_in(other.pk)
    assert browser.post(f"{TOKENS}{line.token_id}/revoke/").status_code == 404
    assert "Umbrella" not in browser.get(TOKENS).content.decode()
    assert caller_of(token) is not None
    assert Client().get(TOKENS).status_code == 302


def test_the_page_lists_every_operation() -> None:
    page = Client().get("/api/").content.decode()
    document = Client().get("/api/v1/openapi.json").json()
    assert len(document["paths"]) > 30
    for path, operations in document["paths"].items():
        assert path in page
        for one in operations.values():
            assert one["summary"] in page
    assert document["openapi"].startswith("3.1")
