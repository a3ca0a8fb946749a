"""How the endpoint words a refusal."""

from http import HTTPStatus
from typing import Any

from django.http import JsonResponse

RETRY_SECONDS = 2  # after too many answers at once, or while no model answers


class EndpointError(Exception):
    """A refusal as OpenAI's API has it."""

    def __init__(
        self, status: int, message: str, *, code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param

    @property
    def body(self) -> dict[str, Any]:
        match self.status:
            case HTTPStatus.TOO_MANY_REQUESTS:
                kind = "rate_limit_error"
            case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
                kind = "authentication_error"
            case HTTPStatus.SERVICE_UNAVAILABLE:
                kind = "server_error"
            case _:
                kind = "invalid_request_error"
        said = {"message": str(self), "type": kind, "param": self.param, "code": self.code}
        return {"error": said}

    def response(self) -> JsonResponse:
        response = JsonResponse(self.body, status=self.status)
        if self.status == HTTPStatus.UNAUTHORIZED:
            response["WWW-Authenticate"] = "Bearer"
        if self.status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
            response["Retry-After"] = str(RETRY_SECONDS)
        return response
