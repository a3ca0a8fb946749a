"""Keeps the keys of endpoints encrypted: whoever reads the database or a backup cannot use them.

Fernet: AES-128 in CBC mode with HMAC-SHA-256. The secrets are ENCRYPTION_KEYS, the newest first; each of
them still opens, and the first one seals. Without any, one is made from SECRET_KEY.
"""

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from judges.endpoints.models import Endpoint

_PURPOSE = b"rlfc endpoint keys:"  # SECRET_KEY signs other things, too


class KeyUnreadable(Exception):
    """A stored key was sealed with a secret that is gone."""


def seal(key: str) -> str:
    """The key as it is stored; an empty one stays empty."""
    return _box().encrypt(key.encode()).decode() if key else ""


def opened(sealed: str) -> str:
    """The key itself. Raises KeyUnreadable."""
    try:
        return _box().decrypt(sealed.encode()).decode() if sealed else ""
    except InvalidToken:
        raise KeyUnreadable from None


def reseal_all() -> int:
    """Seal every key with the newest secret, so that older ones may go; how many there were.

    A key that no secret opens stays as it is. Raises KeyUnreadable after all others are done.
    """
    unreadable = count = 0
    for endpoint_id, sealed in Endpoint.objects.exclude(sealed_key="").values_list(
        "id", "sealed_key"
    ):
        try:
            again = seal(opened(sealed))
        except KeyUnreadable:
            unreadable += 1
            continue
        # Whoever entered another key meanwhile sealed it with the newest secret.
        count += Endpoint.objects.filter(id=endpoint_id, sealed_key=sealed).update(sealed_key=again)
    if unreadable:
        raise KeyUnreadable
    return count


def _box() -> MultiFernet:
    secrets = [key.get_secret_value() for key in settings.ENV.encryption_keys]
    return MultiFernet([_fernet(secret) for secret in secrets or [settings.SECRET_KEY]])


def _fernet(secret: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(_PURPOSE + secret.encode()).digest()))
