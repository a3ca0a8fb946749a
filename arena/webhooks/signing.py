"""Signatures as the Standard Webhooks specification has them. Pure.

Source: https://github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence

PREFIX = "whsec_"
SECRET_BYTES = 32


def as_secret(key: bytes) -> str:
    """The key as its owner is shown it, and as libraries that verify take it."""
    return PREFIX + base64.b64encode(key).decode()


def signed_headers(
    body: str, *, event_id: str, at_seconds: int, secrets: Sequence[str]
) -> Mapping[str, str]:
    """The three headers of a delivery; each of the secrets signs. `at_seconds`: of Unix time."""
    signatures = [_signature(body, event_id, at_seconds, secret) for secret in secrets]
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(at_seconds),
        "webhook-signature": " ".join(signatures),
    }


def _signature(body: str, event_id: str, at_seconds: int, secret: str) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    content = f"{event_id}.{at_seconds}.{body}".encode()
    return "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
