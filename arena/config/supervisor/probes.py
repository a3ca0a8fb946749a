"""Is a part of the product ready? Each probe really uses it and returns None or the reason."""

from collections.abc import Callable

import celery
import httpx
import psycopg
import redis
from celery.exceptions import CeleryError
from kombu.exceptions import KombuError
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from agents.inference.abilities import Asker, Wanted

PROBE_TIMEOUT_SECONDS = 2
MAX_REASON_CHARS = 200

Probe = Callable[[], str | None]


def database(url: str, *, create: bool) -> Probe:
    """A connection answers SELECT 1; with `create`, the database itself is created if missing."""

    def probe() -> str | None:
        try:
            if create:
                _create_database(url)
            with psycopg.connect(url, connect_timeout=PROBE_TIMEOUT_SECONDS) as connection:
                connection.execute("SELECT 1")
        except psycopg.Error as error:
            return _short(error)
        return None

    return probe


def _create_database(url: str) -> None:
    name = str(conninfo_to_dict(url)["dbname"])
    maintenance = make_conninfo(url, dbname="postgres", connect_timeout=PROBE_TIMEOUT_SECONDS)
    with psycopg.connect(maintenance, autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        if found.fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def broker(url: str) -> Probe:
    """Valkey answers PING."""

    def probe() -> str | None:
        try:
            with redis.Redis.from_url(url, socket_timeout=PROBE_TIMEOUT_SECONDS) as client:
                client.ping()
        except (redis.RedisError, OSError) as error:
            return _short(error)
        return None

    return probe


def http(url: str, *, path: str, host: str = "") -> Probe:
    """A GET answers 200; `host` sets the Host header, for a server that accepts only that name."""
    headers = {"Host": host} if host else {}

    def probe() -> str | None:
        try:
            answer = httpx.get(
                url + path, headers=headers, timeout=PROBE_TIMEOUT_SECONDS, trust_env=False
            )
        except httpx.HTTPError as error:
            return _short(error)
        return None if answer.status_code == 200 else f"{path} answered {answer.status_code}"

    return probe


def inference(url: str, *, served_name: str, context_tokens: int, key: str) -> Probe:
    """A server of somebody else's can do everything that the arena asks of one."""

    def probe() -> str | None:
        asker = Asker(key)
        try:
            found = asker.abilities(url, Wanted(served_name, context_tokens))
        finally:
            asker.close()
        return f"{url} does not answer" if found.is_away else (found.problem.rstrip(".") or None)

    return probe


def worker(valkey_url: str, *, name: str) -> Probe:
    """The Celery worker of that name answers a ping sent through the broker."""

    def probe() -> str | None:
        try:
            with celery.Celery(broker=valkey_url, set_as_current=False) as app:
                app.conf.broker_connection_timeout = PROBE_TIMEOUT_SECONDS
                answers = app.control.ping([name], timeout=PROBE_TIMEOUT_SECONDS / 2)
        except (redis.RedisError, OSError, CeleryError, KombuError) as error:
            return _short(error)
        return None if answers else "no answer to a ping yet"

    return probe


def always() -> str | None:
    """For a part that cannot be probed: it is ready once it runs."""
    return None


def _short(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:MAX_REASON_CHARS]
