"""Signing up and in by our rules for names, and mail that cannot be sent."""

import html
import smtplib
import threading
from typing import Any

import pytest
from django.core.mail.backends.base import BaseEmailBackend
from django.test import Client

from agents.models import User
from arena.config.accounts import AccountAdapter
from arena.tests.builders import at_once, make_user

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "plain-violet-otter"


class Refusing(BaseEmailBackend):
    def send_messages(self, *_: Any) -> int:
        raise smtplib.SMTPSenderRefused(550, b"who are you?", "arena@rlfc.invalid")


def test_a_mail_server_that_refuses_is_told_and_the_page_goes_on(
    client: Client, settings: Any
) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.Refusing"
    user = make_user()
    user.email = "somebody@example.org"
    user.save()
    page = client.post("/accounts/password/reset/", {"email": user.email}, follow=True)
    assert page.status_code == 200
    assert "The email could not be sent" in page.content.decode()


def sign_up(username: str, email: str) -> tuple[int, str]:
    """The answer's status and page."""
    answer = Client().post(
        "/accounts/signup/", {"username": username, "email": email, "password1": PASSWORD}
    )
    return answer.status_code, html.unescape(answer.content.decode())


@pytest.mark.parametrize(
    ("username", "words"),
    [
        ("rul\u0435r", "looks like one that is"),
        ("\uff32\uff35\uff2c\uff25\uff32", "looks like one that is"),
        ("ruler", "looks like one that is"),
        ("ruler@rlfc.invalid", "email address"),
        ("admin", "the site's own"),
        ("ru\u200bler", "nobody sees"),
    ],
)
def test_a_username_that_deceives_is_refused_at_sign_up(username: str, words: str) -> None:
    User.objects.create_user("Ruler", "ruler@rlfc.invalid")
    status, page = sign_up(username, "new@rlfc.invalid")
    assert (status, words in page) == (200, True)
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    ("username", "typed"),
    [
        ("Zoe\u0308", "zo\xeb"),
        ("Zo\xeb", "Zoe\u0308"),
        ("O\u2019Brien", "O'Brien"),
        ("O'Brien", "o\u2019brien"),
        ("\u0939\u093f\u0928\u094d\u0926\u0940", "new@rlfc.invalid"),
    ],
)
def test_people_sign_in_by_name_in_any_form_or_by_mail(username: str, typed: str) -> None:
    assert sign_up(username, "new@rlfc.invalid")[0] == 302
    answer = Client().post("/accounts/login/", {"login": typed, "password": PASSWORD})
    assert answer.status_code == 302


def test_of_two_who_want_one_username_at_once_one_gets_the_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    both_looked, save = threading.Barrier(2), AccountAdapter.save_user

    def save_together(*args: Any, **options: Any) -> Any:
        both_looked.wait(timeout=10)
        return save(*args, **options)

    monkeypatch.setattr(AccountAdapter, "save_user", save_together)
    answers = at_once(
        lambda: sign_up("ruler", "a@rlfc.invalid"), lambda: sign_up("rul\u0435r", "b@rlfc.invalid")
    )
    assert sorted(status for status, _ in answers) == [200, 302]
    page = next(page for status, page in answers if status == 200)
    assert "looks like one that is" in page
    assert 'value="a@rlfc.invalid"' in page or 'value="b@rlfc.invalid"' in page, "kept to try again"
    assert User.objects.count() == 1


def test_the_administration_refuses_a_lookalike_with_a_sentence(client: Client) -> None:
    client.force_login(User.objects.create_superuser("root"))
    User.objects.create_user("Ruler")
    other = User.objects.create_user("other")
    answer = client.post(
        f"/admin/agents/user/{other.pk}/change/", {"username": "rul\u0435r", "password": "x"}
    )
    assert answer.status_code == 200
    assert "looks like one that is" in answer.content.decode()
    answer = client.post(
        "/admin/agents/user/add/",
        {"username": "rul\u0435r", "usable_password": "false", "password1": "", "password2": ""},
    )
    assert answer.status_code == 200
    assert "looks like one that is" in answer.content.decode()
