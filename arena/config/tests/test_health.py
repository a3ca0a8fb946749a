"""/health/ and the log's discretion."""

import io
import json
import logging
import sys
from typing import Any

import pytest
import sentry_sdk
from django.conf import LazySettings
from django.db import IntegrityError, connection
from django.http import HttpResponseNotFound
from django.test import Client, RequestFactory
from django.utils.log import log_response

from arena.config import logs


@pytest.mark.django_db
def test_health_is_200_when_database_and_valkey_answer(client: Client) -> None:
    answer = client.get("/health/")
    assert answer.status_code == 200
    assert answer.json() == {"database": True, "valkey": True}


@pytest.mark.django_db
def test_health_names_what_is_down_without_its_address(
    client: Client, settings: LazySettings
) -> None:
    settings.VALKEY_URL = "redis://:hunter2@127.0.0.1:1/0"
    answer = client.get("/health/")
    assert answer.status_code == 503
    assert answer.json() == {"database": True, "valkey": False}


def test_secrets_cookies_and_texts_are_removed_from_log_lines() -> None:
    line = {
        "event": "request_finished",
        "request": "GET /accounts/reset/?key=abc",
        "user_password": "hunter2",
        "Cookie": "sessionid=1",
        "VLLM_API_KEY": "k",
        "prompt": "what a person wrote",
        "prompt_tokens": 12,
        "agent_id": 3,
    }
    assert logs.redact(logging.getLogger(), "info", line) == {
        "event": "request_finished",
        "request": "GET /accounts/reset/",
        "user_password": logs.REMOVED,
        "Cookie": logs.REMOVED,
        "VLLM_API_KEY": logs.REMOVED,
        "prompt": logs.REMOVED,
        "prompt_tokens": 12,
        "agent_id": 3,
    }
    path = {"path": "/exports/files/a:signed:key/dataset.tar?part=2"}
    assert logs.redact(logging.getLogger(), "info", path)["path"] == (
        f"/exports/files/{logs.REMOVED}/dataset.tar"
    )
    for link in ("password/reset/key/3-abc-123/", "confirm-email/MQ:1abc:def/"):
        mailed = {"request": f"GET /accounts/{link}"}
        assert logs.redact(logging.getLogger(), "info", mailed)["request"] == (
            f"GET /accounts/{link.rsplit('/', 2)[0]}/{logs.REMOVED}/"
        )


def formatter() -> logging.Formatter:
    settings = logs.logging_settings("INFO")["formatters"]["structlog"].copy()
    made: logging.Formatter = settings.pop("()")(**settings)
    return made


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/exports/files/a:signed:key/dataset.tar", f"/exports/files/{logs.REMOVED}/dataset.tar"),
        ("/accounts/confirm-email/MQ:1abc:key/", f"/accounts/confirm-email/{logs.REMOVED}/"),
        ("/nowhere/", "/nowhere/"),
    ],
)
def test_keys_and_queries_are_removed_from_djangos_own_lines(
    path: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(formatter())
    logger = logging.getLogger("django.request")
    monkeypatch.setattr(logger, "handlers", [handler])
    request = RequestFactory().get(path, {"key": "a key of the query"})
    missing = HttpResponseNotFound()
    log_response(
        "%s: %s", "Not Found", request.path, response=missing, request=request, logger=logger
    )
    line = handler.stream.getvalue()
    assert "key" not in line
    written = json.loads(line)
    assert (written["event"], written["request"]) == (f"Not Found: {shown}", f"GET {shown}")


def test_what_sentry_is_sent_holds_no_key_query_or_row() -> None:
    sent: list[Any] = []
    client = sentry_sdk.Client(
        dsn="http://public@localhost/1",
        transport=sent.append,
        **logs.sentry_settings(),
    )
    link = "/exports/files/a-key/data.jsonl"
    event: Any = {
        "message": f"Not Found: {link}",
        "request": {"url": f"https://arena.example{link}", "query_string": "key=a-key"},
        "breadcrumbs": {"values": [{"message": f"GET {link}"}]},
        "logentry": {"message": str({"error": "violates a check\nDETAIL:  Failing row: (a-key)."})},
        "exception": {"values": [{"value": "violates a check\nDETAIL:  Failing row: (a-key)."}]},
    }
    client.capture_event(event)
    client.close()
    told = json.dumps(sent, default=str)
    assert "Not Found: /exports/files/[removed]/data.jsonl" in told
    assert "a-key" not in told


@pytest.mark.django_db
def test_a_row_that_the_database_refuses_stays_out_of_the_log() -> None:
    written = "by a\n\nperson"
    try:
        with connection.cursor() as cursor:
            cursor.execute("CREATE TEMPORARY TABLE texts (text text CHECK (text = ''))")
            cursor.execute("INSERT INTO texts VALUES (%s)", [written])
    except IntegrityError:
        failure = sys.exc_info()
    refusal = failure[1]
    assert isinstance(refusal, IntegrityError)
    record = logging.LogRecord("django", logging.ERROR, "", 0, "failed", None, failure)
    trace = json.loads(formatter().format(record))["exception"]
    assert trace.count("violates check constraint") == 2, "of psycopg and of Django"
    assert "in test_a_row_that" in trace.rpartition("violates")[0]
    assert "person" not in trace
    # As Celery and django-structlog quote it, and as it comes out of a task group.
    quoted = logging.LogRecord("celery", logging.ERROR, "", 0, "raised %r", (refusal,), None)
    quoted.error = str(refusal)
    try:
        raise ExceptionGroup("seats", [refusal])
    except ExceptionGroup:
        grouped = logging.LogRecord("celery", logging.ERROR, "", 0, "", None, sys.exc_info())
    for line in map(formatter().format, (quoted, grouped)):
        assert "violates check constraint" in line
        assert "person" not in line


def test_logs_of_libraries_leave_as_json_too() -> None:
    record = logging.LogRecord("celery", logging.WARNING, "", 0, "lost %s", ("it",), None)
    written = json.loads(formatter().format(record))
    assert (written["event"], written["level"], written["logger"]) == (
        "lost it",
        "warning",
        "celery",
    )
