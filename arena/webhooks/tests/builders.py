"""Webhooks on a real server of this machine."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from pytest_django import Settings

from agents.models import User
from arena.config.env import Variables
from arena.models import Delivery, Webhook
from arena.outbound.tests.web import Scripted, Web
from arena.tests.builders import make_user
from arena.webhooks.hooks import CHOICES, add_webhook


class Receiver:
    """Answers what its script says, else 200, and keeps what it got."""

    def __init__(self) -> None:
        self.script: list[Scripted] = []
        self.web = Web(self._answer)

    def _answer(self, path: str, body: bytes) -> Scripted:
        return self.script.pop(0) if self.script else Scripted()

    @property
    def url(self) -> str:
        return f"{self.web.url}/hook"

    @property
    def got(self) -> list[tuple[Mapping[str, str], bytes]]:
        return [(headers, body) for _, _, headers, body in self.web.asked]

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(body) for _, body in self.got]


def allow(settings: Settings, receiver: Receiver) -> None:
    """Let webhooks reach the receiver, which is inside the network and speaks plain HTTP."""
    settings.ENV = Variables(
        outbound_allowed_hosts=[f"127.0.0.1:{receiver.web.port}"], webhooks_over_http=True
    )


def make_hook(receiver: Receiver, owner: User | None = None) -> tuple[Webhook, str]:
    """A webhook of all events, and its secret."""
    owner = owner or make_user()
    hook_id, secret = add_webhook(owner.pk, url=receiver.url, events=CHOICES)
    return Webhook.objects.get(id=hook_id), secret


def make_delivery(hook: Webhook, **values: Any) -> Delivery:
    given: dict[str, Any] = {"kind": "ping", "body": '{"type": "ping"}'}
    return Delivery.objects.create(webhook=hook, **(given | values))


def is_signed(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """As a receiver checks it, by the specification and not by our code."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    given = {name.lower(): value for name, value in headers.items()}
    content = f"{given['webhook-id']}.{given['webhook-timestamp']}.".encode() + body
    right = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    return f"v1,{right}" in given["webhook-signature"].split(" ")
