"""Mail to people: if the mail server fails, the page says so instead of breaking."""

from typing import Any

import structlog
from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from django.contrib import messages

log = structlog.get_logger(__name__)


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """allauth's own adapter, except for mail that cannot be sent."""

    def send_mail(self, template_prefix: str, email: str, given: dict[str, Any]) -> None:
        """Send the mail, or say on the next page that it could not be sent."""
        try:
            super().send_mail(template_prefix, email, given)
        except OSError as error:  # smtplib's errors are of this kind
            log.error("mail_failed", mail=template_prefix, error=type(error).__name__)
            sentence = "The email could not be sent. Please try again later."
            messages.error(context.request, sentence)
