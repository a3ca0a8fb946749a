"""The part of vLLM that talks use, on a port of its own; it says what a test wants, and may be held."""

import json
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

PATIENCE_SECONDS = 30.0
POLL_SECONDS = 0.02


class ModelServer:
    """A word is a token. It stops after `hold_after` words until it is let go on, or is left."""

    def __init__(self) -> None:
        self.text = "Cats purr softly while seven rivers bend."
        self.status = 200  # of chats
        self.breaks_after: int | None = None  # words, then the connection is cut
        self.hold_after: int | None = None
        self.is_holding = threading.Event()
        self.go_on = threading.Event()
        self.was_left = threading.Event()
        self.asked: list[dict[str, Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                try:
                    if self.path == "/tokenize":
                        self._reply({"tokens": _ids(_words_of(body["messages"]))})
                    elif self.path == "/v1/chat/completions":
                        outer.asked.append(body)
                        self._chat(body)
                    else:
                        self._reply({})
                except ConnectionError:
                    outer.was_left.set()

            def _chat(self, body: dict[str, Any]) -> None:
                if outer.status != 200:
                    self._reply({"error": {"message": "scripted"}}, status=outer.status)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                prompt_ids = _ids(_words_of(body["messages"]))
                self._chunk({"prompt_token_ids": prompt_ids, "choices": []})
                words = outer.text.split(" ")
                kept = words[: body["max_tokens"]]
                for number, word in enumerate(kept, start=1):
                    if outer.breaks_after == number:
                        return
                    ends = "stop" if len(kept) == len(words) else "length"
                    self._chunk(
                        {
                            "choices": [
                                {
                                    "delta": {"content": word if number == 1 else f" {word}"},
                                    "token_ids": [number],
                                    "logprobs": {"content": [{"logprob": -0.5}]},
                                    "finish_reason": ends if number == len(kept) else None,
                                }
                            ]
                        }
                    )
                    if outer.hold_after == number:
                        self._hold()
                self.wfile.write(b"data: [DONE]\n\n")

            def _hold(self) -> None:
                outer.is_holding.set()
                while not outer.go_on.is_set():
                    readable, _, _ = select.select([self.connection], [], [], POLL_SECONDS)
                    if readable and not self.connection.recv(1, socket.MSG_PEEK):
                        raise ConnectionResetError

            def _chunk(self, chunk: dict[str, Any]) -> None:
                self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())

            def _reply(self, content: dict[str, Any], *, status: int = 200) -> None:
                said = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def model_serving(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    """The server, as the only one of the site."""
    server = ModelServer()
    monkeypatch.setattr("django.conf.settings.VLLM_URLS", [server.url])
    try:
        yield server
    finally:
        server.close()


def _words_of(messages: list[dict[str, str]]) -> list[str]:
    return [word for message in messages for word in message["content"].split()]


def _ids(words: list[str]) -> list[int]:
    return list(range(len(words)))
