"""Checks of addresses in environment variables. Pure."""

from urllib.parse import parse_qs, urlsplit

# By the variable's field: the schemes that it takes, and an example.
KINDS = {
    "database_url": ({"postgresql", "postgres"}, "postgresql://user:pw@host:5432/name"),
    "judge_url": ({"http", "https"}, "https://judge.example/v1"),
    "email_url": ({"smtp", "smtps"}, "smtps://user:password@mail.example:465"),
}


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


def checked_valkey_url(value: str | None) -> str | None:
    """The value; with TLS, it says that certificates are checked, which Celery does only if told."""
    # Celery knows neither valkey:// nor unix://.
    checked_url(value, {"redis", "rediss"}, "redis://localhost:6379/0")
    if value is None:
        return None
    parts = urlsplit(value)
    if parts.scheme == "redis" or "ssl_cert_reqs" in parse_qs(parts.query):
        return value
    return f"{value}{'&' if parts.query else '?'}ssl_cert_reqs=required"
