"""Logging, configured once for every process: readable lines on a terminal, JSON otherwise.

Never logged: cookies, secrets, and text by people or models.
"""

import re
import sys
from typing import Any

import structlog
from django.http import HttpRequest
from structlog.typing import EventDict, Processor, WrappedLogger

SECRET_WORDS = ("password", "secret", "token", "cookie", "authorization", "api_key", "session")
# Links that are keys: whoever has one can set a password, or download a dataset.
KEY_LINK = re.compile(r"(/password/reset/key/|/confirm-email/|/exports/files/)[^/?]+")
# PostgreSQL's second sentence about a refused row quotes the row, line breaks included. In a repr its
# line break is escaped; in the trace of an exception group, bars stand before each line.
ROW = re.compile(
    r"(?:\\n|\n[ |]*)DETAIL: .*?"
    r"(?=\n\n(?:The above exception|During handling)|\n[ |]*\+-|\Z)",
    re.DOTALL,
)
WRITTEN_WORDS = ("prompt", "completion", "messages", "answer", "body")
REMOVED = "[removed]"


def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Remove values named like secrets or somebody's text; cut query strings and keys in links."""
    for name in event:
        lowered = name.lower()
        is_count = isinstance(event[name], int | float)
        if not is_count and any(word in lowered for word in SECRET_WORDS + WRITTEN_WORDS):
            event[name] = REMOVED
    event.pop("color_message", None)  # uvicorn's second copy of its event
    if isinstance(request := event.get("request"), HttpRequest):  # in lines of Django's own
        event["request"] = f"{request.method} {request.path}"
    for name in ("request", "path"):
        if isinstance(asked := event.get(name), str):
            event[name] = _without_key(asked.partition("?")[0])
    if isinstance(said := event.get("event"), str):  # Django's own names the path
        event["event"] = _without_key(said)
    return event


def _without_key(text: str) -> str:
    return KEY_LINK.sub(rf"\1{REMOVED}", text)


def without_rows(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Remove the rows that PostgreSQL refused, wherever an error is quoted."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = ROW.sub(f"\nDETAIL: {REMOVED}", value)
    return event


SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    redact,
]


def configure_structlog() -> None:
    structlog.configure(
        processors=[*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def logging_settings(level: str) -> dict[str, Any]:
    """Django's LOGGING: everything goes through one formatter to stderr."""
    ending: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if sys.stderr.isatty():
        ending.append(structlog.dev.ConsoleRenderer())
    else:
        ending += [structlog.processors.format_exc_info, without_rows]
        ending.append(structlog.processors.JSONRenderer())
    quiet = {"level": "WARNING"}
    # uvicorn installs its own handlers before Django is loaded; these entries undo that.
    through_root = {"handlers": [], "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structlog": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": ending,
                "foreign_pre_chain": SHARED,
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structlog"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "uvicorn": through_root,
            "uvicorn.error": through_root,
            "uvicorn.access": quiet,  # the request's own line says more
            "httpx": quiet,  # would log every request to vLLM
            "httpcore": quiet,
            "asyncio": quiet,
            "celery.worker.strategy": quiet,  # "task received", for each sweep
            "celery.app.trace": quiet,  # "task succeeded"
        },
    }


def configure_sentry(dsn: str) -> None:
    """Send errors to Sentry, without bodies, cookies, queries, keys in links or local variables."""
    import sentry_sdk  # noqa: PLC0415 only where it is configured

    sentry_sdk.init(dsn=dsn, **sentry_settings())


def sentry_settings() -> dict[str, Any]:
    """What of sentry_sdk's options keeps people's data from it."""
    return {
        "send_default_pii": False,
        "max_request_body_size": "never",
        "include_local_variables": False,
        "before_send": _without_secrets,
    }


def _without_secrets(event: Any, _: Any) -> Any:
    """An event of Sentry without the request's query, and without keys in any of its texts."""
    event.get("request", {}).pop("query_string", None)
    return _scrubbed(event)


def _scrubbed(value: Any) -> Any:
    match value:
        case str():
            return ROW.sub(f"\nDETAIL: {REMOVED}", _without_key(value))
        case dict():
            return {name: _scrubbed(each) for name, each in value.items()}
        case list() | tuple():
            return [_scrubbed(each) for each in value]
        case _:
            return value
