"""One value, one text, one digest: the identity of events, tasks and manifests. Pure."""

import hashlib
import json


def canonical_json(value: object) -> str:
    """The value as JSON: keys sorted, ASCII only. Equal values give equal texts."""
    return json.dumps(value, sort_keys=True)


def digest_of(value: object) -> str:
    """SHA-256 of the value's canonical JSON, in hex."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def text_digest(text: str) -> str:
    """SHA-256 of the text itself, in hex: `printf %s TEXT | sha256sum`."""
    return hashlib.sha256(text.encode()).hexdigest()
