"""Calls of the API in tests."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.http.response import HttpResponseBase
from django.test import Client

from agents.api_tokens import Scope, create_token
from agents.models import ApiToken


class Program:
    """A program with a token of its own, or without one."""

    def __init__(
        self, user_id: int | None = None, scopes: Collection[Scope] = tuple(Scope)
    ) -> None:
        self._client = Client()
        self._headers: dict[str, str] = {}
        if user_id is not None:
            token = create_token(user_id, name="Test", scopes=scopes)
            self._headers["Authorization"] = f"Bearer {token}"

    @classmethod
    def with_token(cls, token: str) -> "Program":
        program = cls()
        program._headers["Authorization"] = f"Bearer {token}"
        return program

    def get(self, path: str, headers: dict[str, str] | None = None) -> Any:
        return self._client.get(f"/api/v1{path}", headers=self._headers | (headers or {}))

    def send(
        self, method: str, path: str, body: Any = None, *, key: str = "", raw: bytes | None = None
    ) -> Any:
        headers = self._headers | ({"Idempotency-Key": key} if key else {})
        data = raw if raw is not None else json.dumps(body).encode()
        return self._client.generic(
            method, f"/api/v1{path}", data, content_type="application/json", headers=headers
        )

    def send_files(
        self, path: str, files: Mapping[str, bytes], fields: Mapping[str, Any], *, key: str = ""
    ) -> Any:
        """As a multipart form whose files are all called "files"."""
        headers = self._headers | ({"Idempotency-Key": key} if key else {})
        data = {"files": [SimpleUploadedFile(*one) for one in files.items()], **fields}
        return self._client.post(f"/api/v1{path}", data, headers=headers)

    def post(self, path: str, body: Any = None, *, key: str = "") -> Any:
        return self.send("POST", path, body, key=key)


def detail_of(response: HttpResponseBase) -> str:
    detail: str = json.loads(response.content)["detail"]  # type: ignore[attr-defined]
    return detail


def only_token(user_id: int) -> ApiToken:
    return ApiToken.objects.get(user_id=user_id)
