"""Keys are stored encrypted, and a newer secret takes over without a stop."""

import pytest
from django.core.management import call_command
from pydantic import SecretStr
from pytest_django import Settings

from judges.endpoints.keys import KeyUnreadable, opened, reseal_all, seal
from judges.models import Endpoint


class Secrets:
    """The part of the environment that keys need."""

    def __init__(self, *secrets: str) -> None:
        self.encryption_keys = [SecretStr(secret) for secret in secrets]


def test_a_stored_key_is_unreadable_without_its_secret(settings: Settings) -> None:
    settings.ENV = Secrets("first")
    sealed = seal("sk-1")
    assert "sk-1" not in sealed
    assert opened(sealed) == "sk-1"
    settings.ENV = Secrets("second")
    with pytest.raises(KeyUnreadable):
        opened(sealed)


def test_without_secrets_of_its_own_the_sites_secret_serves(settings: Settings) -> None:
    settings.ENV = Secrets()
    settings.SECRET_KEY = "site"
    sealed = seal("sk-1")
    assert opened(sealed) == "sk-1"
    settings.SECRET_KEY = "other"
    with pytest.raises(KeyUnreadable):
        opened(sealed)


def test_no_key_stays_no_key(settings: Settings) -> None:
    settings.ENV = Secrets("first")
    assert (seal(""), opened("")) == ("", "")


@pytest.mark.django_db
def test_keys_are_sealed_anew_so_that_an_older_secret_may_go(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.ENV = Secrets("old")
    for slug in ("one", "two"):
        Endpoint.objects.create(slug=slug, url="https://x.example", sealed_key=seal(slug))
    Endpoint.objects.create(slug="open", url="https://x.example")
    settings.ENV = Secrets("new", "old")
    call_command("reseal_keys")
    assert "Encrypted 2 keys" in capsys.readouterr().out
    settings.ENV = Secrets("new")
    assert [opened(row.sealed_key) for row in Endpoint.objects.order_by("id")] == ["one", "two", ""]


@pytest.mark.django_db
def test_a_key_that_no_secret_opens_stays_and_is_told(settings: Settings) -> None:
    settings.ENV = Secrets("lost")
    Endpoint.objects.create(slug="lost", url="https://x.example", sealed_key=seal("a"))
    settings.ENV = Secrets("old")
    Endpoint.objects.create(slug="kept", url="https://x.example", sealed_key=seal("b"))
    settings.ENV = Secrets("new", "old")
    with pytest.raises(KeyUnreadable):
        reseal_all()
    settings.ENV = Secrets("new")
    assert opened(Endpoint.objects.get(slug="kept").sealed_key) == "b"
