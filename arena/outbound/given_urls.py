"""Checks of addresses in environment variables. Pure."""

from urllib.parse import urlsplit


def checked_url(value: str | None, schemes: set[str], example: str) -> str | None:
    """The value as it was given. Raises ValueError with the end of a sentence."""
    if value is None:
        return None
    try:
        parts = urlsplit(value)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        raise ValueError(f"is not a URL; for example {example}") from None
    if parts.scheme not in schemes or not port_is_valid or not (parts.netloc or parts.path):
        raise ValueError(f"is not a URL of this kind; for example {example}")
    return value
