"""Mail that cannot be sent ends no page."""

import smtplib
from typing import Any

import pytest
from django.core.mail.backends.base import BaseEmailBackend
from django.test import Client

from arena.tests.builders import make_user

pytestmark = pytest.mark.django_db


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
