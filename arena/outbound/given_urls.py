"""Checks of addresses in environment variables. Each raises ValueError with the end of a sentence."""

from collections.abc import Callable, Mapping
from functools import partial
from urllib.parse import parse_qs, urlsplit

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict


def checked_url(value: str, schemes: set[str], example: str) -> str:
    """The value as it was given."""
    try:
        parts = urlsplit(value)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        raise ValueError(f"is not a URL; for example {example}") from None
    if parts.scheme not in schemes or not port_is_valid or not (parts.netloc or parts.path):
        raise ValueError(f"is not a URL of this kind; for example {example}")
    return value


def _of_postgresql(value: str) -> str:
    """The value as it was given."""
    scheme, is_url, rest = value.partition("://")
    if not (is_url and rest and scheme in {"postgresql", "postgres"}):
        raise ValueError(
            "is not a URL of this kind; for example postgresql://user:pw@host:5432/name"
        )
    try:
        conninfo_to_dict(value)
    except ProgrammingError:  # its words may hold the password
        raise ValueError(
            "is not a URL that PostgreSQL takes: its parameters must be PostgreSQL's own, and a % in "
            "a password is written %25"
        ) from None
    return value


def _of_valkey(value: str) -> str:
    """The value; with TLS, it says that certificates are checked, which Celery does only if told."""
    # Celery knows neither valkey:// nor unix://.
    checked_url(value, {"redis", "rediss"}, "redis://localhost:6379/0")
    parts = urlsplit(value)
    if parts.scheme == "redis" or "ssl_cert_reqs" in parse_qs(parts.query):
        return value
    return f"{value}{'&' if parts.query else '?'}ssl_cert_reqs=required"


def _of_sentry(value: str) -> str:
    """The value as it was given."""
    from sentry_sdk.utils import Dsn  # noqa: PLC0415 only where it is configured

    try:
        Dsn(value)
    except ValueError:
        raise ValueError(
            "is not an address of Sentry; for example https://key@sentry.example/1"
        ) from None
    return value


# By the variable's field.
CHECKS: Mapping[str, Callable[[str], str]] = {
    "database_url": _of_postgresql,
    "valkey_url": _of_valkey,
    "sentry_dsn": _of_sentry,
    "judge_url": partial(
        checked_url, schemes={"http", "https"}, example="https://judge.example/v1"
    ),
    "email_url": partial(
        checked_url, schemes={"smtp", "smtps"}, example="smtps://user:password@mail.example:465"
    ),
}
