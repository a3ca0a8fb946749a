"""Accounts: usernames by our rules, and a page that says so when the mail server fails."""

from typing import Any

import structlog
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.forms import SignupForm
from allauth.account.views import SignupView
from allauth.core import context
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.http import HttpRequest

from agents.errors import InvalidName
from agents.models import User
from agents.names import TAKEN, checked_username, name_key, stored_form

log = structlog.get_logger(__name__)


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """allauth's own adapter, except for names and for mail that cannot be sent."""

    def clean_username(self, username: str, shallow: bool = False) -> str:
        """The username as it is stored; `shallow` asks for no look into the database."""
        try:
            username = checked_username(username)
        except InvalidName as error:
            raise ValidationError(str(error)) from None
        if not shallow and (
            User.objects.filter(username__iexact=username).exists()
            or User.objects.filter(username_key=name_key(username)).exists()
        ):
            raise ValidationError(TAKEN)
        return username

    def authenticate(self, request: HttpRequest, **credentials: Any) -> Any:
        """A username is found in whichever form it was typed."""
        if username := credentials.get("username"):
            credentials["username"] = stored_form(username)
        return super().authenticate(request, **credentials)

    def send_mail(self, template_prefix: str, email: str, given: dict[str, Any]) -> None:
        """Send the mail, or say on the next page that it could not be sent."""
        try:
            super().send_mail(template_prefix, email, given)
        except OSError as error:  # smtplib's errors are of this kind
            log.error("mail_failed", mail=template_prefix, error=type(error).__name__)
            sentence = "The email could not be sent. Please try again later."
            messages.error(context.request, sentence)


class SignUp(SignupView):  # type: ignore[misc]
    """allauth's own page, except that the slower of two people who want one username is told so."""

    def form_valid(self, form: SignupForm) -> Any:
        try:
            return super().form_valid(form)
        except IntegrityError:
            try:
                form.clean_username()
            except ValidationError as error:
                form.add_error("username", error)
                return self.form_invalid(form)
            raise
