"""The API itself: its routes, and what becomes of what they raise."""

from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation
from ninja.renderers import JSONRenderer
from ninja.responses import NinjaJSONEncoder

from agents.errors import NotAvailable, Refused
from arena.credits.brakes import BadLimits
from arena.credits.ledger import InsufficientCredits
from frontend.api.edge import InvalidField, InvalidRequest, at_the_edge, problem, unauthorised
from frontend.api.examples import example_of
from frontend.api.routes import (
    account,
    adapters,
    agents,
    autopilot,
    exports,
    judges,
    matches,
    review,
    runs,
    spaces,
    tournaments,
    wallet,
    webhooks,
)
from training.adapters.folder import WeightsCollected
from training.configs.fields import InvalidConfig

DESCRIPTION = """
Everything that the pages can do, for programs. Reading what is public needs no token. For the rest,
make a token on the page “API tokens” of your account, and send it with each request as
`Authorization: Bearer rlfc_…`.

- A list comes in pieces: ask for the next one with `cursor`.
- An answer has an `ETag`. Send it as `If-None-Match`, and an unchanged answer comes as 304, without a body.
- `RateLimit-Remaining` says how many requests are left until `RateLimit-Reset` seconds have passed.
- What costs credits takes an `Idempotency-Key`, a version 4 UUID that you choose for each intent. A request that
  is sent again with its key is not paid twice.
- A refusal has a sentence in `detail`.

What needs a person stays on the pages: the audience's blind votes, making tokens, closing the account, and
the work of the staff.
"""


class _Encoder(NinjaJSONEncoder):
    def default(self, o: Any) -> Any:
        return sorted(o) if isinstance(o, frozenset) else super().default(o)


class _Renderer(JSONRenderer):
    encoder_class = _Encoder


class _Api(NinjaAPI):
    _documents: ClassVar[dict[str, OpenAPISchema]] = {}

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """The noun's file and the verb, such as "agents_create"."""
        verb = operation.view_func
        return f"{verb.__module__.rpartition('.')[2]}_{verb.__name__}"

    def get_openapi_schema(self, **given: Any) -> OpenAPISchema:
        """The document, with a call of each operation for a shell; made once."""
        if (known := self._documents.get(repr(given))) is not None:
            return known
        document = super().get_openapi_schema(**given)
        for path, operations in document["paths"].items():
            for method, one in operations.items():
                line = example_of(document, method, path)
                one["x-codeSamples"] = [{"lang": "Shell", "source": line}]
        self._documents[repr(given)] = document
        return document


api = _Api(
    title="RLFC Arena",
    version="1",
    description=DESCRIPTION,
    urls_namespace="api",
    docs_url=None,  # its pages load scripts from elsewhere
    openapi_url="openapi.json",
    renderer=_Renderer(),
)
api.add_decorator(at_the_edge, mode="view")
api.add_router("/account", account.router, tags=["Account"])
api.add_router("/agents", agents.router, tags=["Agents"])
api.add_router("/agents", autopilot.router, tags=["Autopilot"])
api.add_router("/agents", adapters.router, tags=["Adapters"])
api.add_router("/spaces", spaces.router, tags=["Spaces"])
api.add_router("", spaces.entries, tags=["Entries"])
api.add_router("/matches", matches.router, tags=["Matches"])
api.add_router("/matches", review.router, tags=["Appeals and audience"])
api.add_router("/judges", judges.router, tags=["Judges"])
api.add_router("/tournaments", tournaments.router, tags=["Tournaments"])
api.add_router("/registrations", tournaments.registrations, tags=["Tournaments"])
api.add_router("/runs", runs.router, tags=["Training runs"])
api.add_router("/exports", exports.router, tags=["Exports"])
api.add_router("/wallet", wallet.router, tags=["Wallet"])
api.add_router("/webhooks", webhooks.router, tags=["Webhooks"])


@api.exception_handler(Refused)
def _refused(request: HttpRequest, error: Refused) -> HttpResponse:
    match error:
        case NotAvailable():
            return problem(404, str(error))
        case WeightsCollected():
            return problem(410, str(error))
        case InsufficientCredits():
            return problem(402, str(error))
        case InvalidConfig() | BadLimits():
            return _invalid(
                [InvalidField(field=name, message=text) for name, text in error.problems.items()]
            )
        case _:
            return problem(409, str(error))


@api.exception_handler(ValidationError)
def _invalid_values(request: HttpRequest, error: ValidationError) -> HttpResponse:
    return _invalid(
        [
            InvalidField(field=_place(one["loc"]), message=_sentence(one["msg"]))
            for one in error.errors
        ]
    )


def _invalid(errors: list[InvalidField]) -> HttpResponse:
    body = InvalidRequest(detail="Some values cannot be used.", errors=errors)
    return JsonResponse(body.model_dump(), status=422)  # in ASCII: a name may be no text at all


def _place(loc: tuple[Any, ...]) -> str:
    """Where the value stands, without ninja's own names: ("body", "new", "name") is "name"."""
    inner = loc[2:] if loc and loc[0] == "body" and len(loc) > 2 else loc[1:] or loc
    return ".".join(str(part) for part in inner)


def _sentence(message: str) -> str:
    text = message.removeprefix("Value error, ")
    return text if text.endswith(".") else f"{text}."


@api.exception_handler(HttpError)
def _http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    return problem(error.status_code, str(error))


@api.exception_handler(AuthenticationError)
def _unauthenticated(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    return unauthorised("This needs a token. Make one on the page \u201cAPI tokens\u201d.")


@dataclass(frozen=True)
class OperationLine:
    """An operation as the page about the API lists it."""

    method: str
    path: str
    summary: str
    explanation: str
    scope: str  # that the token needs; empty: none is needed
    has_key: bool  # takes an Idempotency-Key
    example: str  # a call of it, for a shell


@cache
def reference() -> dict[str, tuple[OperationLine, ...]]:
    """All operations by their nouns, from the document that programs read."""
    groups: dict[str, list[OperationLine]] = defaultdict(list)
    for path, operations in api.get_openapi_schema()["paths"].items():
        for method, one in operations.items():
            headers = [each["name"] for each in one["parameters"] if each["in"] == "header"]
            groups[one["tags"][0]].append(
                OperationLine(
                    method=method.upper(),
                    path=path,
                    summary=one["summary"],
                    explanation=one.get("description", ""),
                    scope=one.get("x-scope", ""),
                    has_key="Idempotency-Key" in headers,
                    example=one["x-codeSamples"][0]["source"],
                )
            )
    return {noun: tuple(lines) for noun, lines in groups.items()}
