"""Tokens of the API."""

from datetime import timedelta

import pytest
from django.utils import timezone

from agents import api_tokens
from agents.api_tokens import (
    Scope,
    account_of,
    caller_of,
    create_token,
    revoke_token,
    tokens_of,
)
from agents.errors import NotAvailable, Refused
from agents.leaving import erase_account, leave
from agents.models import ApiToken
from arena.tests.builders import make_user
from frontend.tests.api.calling import only_token

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_token_speaks_for_its_user_until_it_is_revoked() -> None:
    user = make_user()
    token = create_token(user.pk, name=" Night shift ", scopes=[Scope.READ])
    found = caller_of(token)
    assert found is not None
    assert found.user_id == user.pk
    assert set(found.scopes) == {Scope.READ}
    (line,) = tokens_of(user.pk)
    assert line.name == "Night shift"
    assert line.last_used_at is not None
    assert token.startswith(line.beginning)
    assert line.beginning != token
    revoke_token(user.pk, token_id=line.token_id)
    assert caller_of(token) is None
    assert tokens_of(user.pk) == ()


def test_a_scope_of_a_newer_release_is_ignored() -> None:
    user = make_user()
    token = create_token(user.pk, name="Mine", scopes=[Scope.READ, Scope.PLAY])
    ApiToken.objects.update(scopes=["read", "fly", "play"])
    known = (Scope.READ, Scope.PLAY)
    found = caller_of(token)
    assert found is not None
    assert found.scopes == set(known)
    assert [line.scopes for line in tokens_of(user.pk)] == [known]
    assert account_of(user.pk, token_id=found.token_id).scopes == known


def test_the_database_holds_nothing_with_which_one_could_sign_in() -> None:
    user = make_user()
    token = create_token(user.pk, name="Mine", scopes=list(Scope))
    row = only_token(user.pk)
    assert token not in str([getattr(row, field.attname) for field in ApiToken._meta.fields])
    assert caller_of(row.digest) is None


def test_a_token_ends_with_its_last_day() -> None:
    user = make_user()
    token = create_token(user.pk, name="Short", scopes=[Scope.READ], days=1)
    assert caller_of(token) is not None
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert caller_of(token) is None


def test_who_leaves_leaves_no_token_behind() -> None:
    user = make_user()
    user.set_password("correct horse")
    user.save()
    token = create_token(user.pk, name="Mine", scopes=[Scope.READ])
    leave(user.pk, password="correct horse")
    assert caller_of(token) is None
    with pytest.raises(NotAvailable):
        create_token(user.pk, name="Again", scopes=[Scope.READ])
    erase_account(user.pk)
    assert not ApiToken.objects.filter(user=user).exists()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"name": "  "}, "Give the token a name"),
        ({"name": "x" * 61}, "Give the token a name"),
        ({"name": "a\x00b"}, "Give the token a name"),
        ({"name": "a\ud800b"}, "Give the token a name"),
        ({"scopes": []}, "Choose at least one thing"),
        ({"days": 0}, "valid for 1 to 366 days"),
        ({"days": 10**9}, "valid for 1 to 366 days"),
    ],
)
def test_what_makes_no_token_is_refused_in_words(values: dict[str, object], sentence: str) -> None:
    given = {"name": "Mine", "scopes": [Scope.READ]} | values
    with pytest.raises(Refused, match=sentence):
        create_token(make_user().pk, **given)  # type: ignore[arg-type]


def test_a_user_has_only_so_many_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_tokens, "MAX_TOKENS_OF_USER", 1)
    user = make_user()
    create_token(user.pk, name="One", scopes=[Scope.READ])
    with pytest.raises(Refused, match="Revoke one first"):
        create_token(user.pk, name="Two", scopes=[Scope.READ])
