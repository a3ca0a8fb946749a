"""Keeps keys and other secrets encrypted: whoever reads the database or a backup cannot use them.

Fernet: AES-128 in CBC mode with HMAC-SHA-256. The secrets are ENCRYPTION_KEYS, the newest first; each of
them still opens, and the first one seals. Without any, one is made from SECRET_KEY.
"""

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.apps import apps
from django.conf import settings

SEALED = "sealed_"  # begins the name of each column that holds one
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
    for model in apps.get_models():
        for field in model._meta.fields:
            if not field.name.startswith(SEALED):
                continue
            rows = model._default_manager.all()
            stored = rows.exclude(**{field.name: ""}).values_list("pk", field.name)
            for pk, sealed in stored:
                try:
                    again = seal(opened(sealed))
                except KeyUnreadable:
                    unreadable += 1
                    continue
                # Whoever entered another key meanwhile sealed it with the newest secret.
                unchanged = rows.filter(**{"pk": pk, field.name: sealed})
                count += unchanged.update(**{field.name: again})
    if unreadable:
        raise KeyUnreadable
    return count


def _box() -> MultiFernet:
    secrets = [key.get_secret_value() for key in settings.ENV.encryption_keys]
    return MultiFernet([_fernet(secret) for secret in secrets or [settings.SECRET_KEY]])


def _fernet(secret: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(_PURPOSE + secret.encode()).digest()))
