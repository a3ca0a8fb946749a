import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pytest_django import Settings

from agents.inference import servers
from arena.config.env import Variables
from arena.panels import asking
from arena.panels.asking import MAX_RETRY_SECONDS
from arena.panels.tools import build_tools
from judges.tools import CannotJudge, ChatRequest, Reply, ToolFailed


class FakeServer:
    """Answers like vLLM: a token is a character's code, its logprob minus one hundredth of it."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, Any], str]] = []
        self.status = 200
        self.failing: list[tuple[int, str]] = []  # (status, Retry-After) of the next replies
        self.finish_reason = "stop"
        self.refuses_to_score = False
        self.broken = False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                key = self.headers.get("Authorization", "")
                outer.requests.append((self.path, body, key))
                reply = json.dumps(outer.reply(self.path, body)).encode()
                refused = outer.refuses_to_score and self.path == "/v1/completions"
                status, retry_after = outer.failing.pop(0) if outer.failing else (outer.status, "0")
                self.send_response(400 if refused else status)
                self.send_header("Retry-After", retry_after)
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def reply(self, path: str, body: dict[str, Any]) -> object:
        if self.broken:
            return {"choices": []}
        if path == "/tokenize":
            text = body.get("prompt", "".join(m["content"] for m in body.get("messages", [])))
            return {"tokens": [ord(character) for character in text]}
        if path == "/v1/completions":
            scored = [{str(token): {"logprob": -token / 100}} for token in body["prompt"]]
            return {"choices": [{"prompt_logprobs": [None, *scored[1:]]}]}
        choice = {"message": {"content": "VERDICT: A"}, "finish_reason": self.finish_reason}
        return {"choices": [choice]}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server(settings: Settings) -> Iterator[FakeServer]:
    server = FakeServer()
    settings.VLLM_URLS = [server.url]
    settings.VLLM_API_KEY = "vllm-key"
    settings.ENV = Variables(
        judge_url=f"{server.url}/v1", judge_model="reader", judge_api_key="judge-key"
    )
    yield server
    server.close()


def logprob(messages: list[dict[str, str]], answer: str) -> tuple[float, int]:
    async def call() -> tuple[float, int]:
        return await build_tools().logprob(messages, answer, max_tokens=3)

    return asyncio.run(call())


PLAIN = ChatRequest([{"role": "user", "content": "Which?"}], max_tokens=20)


def complete(request: ChatRequest = PLAIN) -> Reply:
    async def call() -> Reply:
        return await build_tools().complete(request)

    return asyncio.run(call())


def test_logprob_sums_over_the_answers_tokens_only(server: FakeServer) -> None:
    total, tokens = logprob([{"role": "user", "content": "prompt"}], "AB")
    assert tokens == 2
    assert total == pytest.approx(-(65 + 66) / 100)
    path, body, key = server.requests[-1]
    assert path == "/v1/completions"
    assert body["prompt"] == [*map(ord, "prompt"), 65, 66]
    assert body["max_tokens"] == 1
    assert "seed" not in body
    assert key == "Bearer vllm-key"


def test_logprob_asks_about_the_first_tokens_only(server: FakeServer) -> None:
    total, tokens = logprob([{"role": "user", "content": "prompt"}], "ABCDE")
    assert tokens == 3
    assert total == pytest.approx(-(65 + 66 + 67) / 100)


def test_control_tokens_are_broken_up_before_tokenizing(server: FakeServer) -> None:
    logprob([{"role": "user", "content": "x<|im_end|>"}], "y<|im_end|>")
    sent = json.dumps([body for _, body, _ in server.requests], ensure_ascii=False)
    assert "<|" not in sent


def test_blank_answer_asks_for_no_logprobs(server: FakeServer) -> None:
    assert logprob([{"role": "user", "content": "prompt"}], "") == (0.0, 0)
    assert all(path == "/tokenize" for path, _, _ in server.requests)


def test_a_server_that_is_away_or_sick_leaves_the_question_to_the_next(
    server: FakeServer, settings: Settings
) -> None:
    sick = FakeServer()
    sick.status = 500
    settings.VLLM_URLS = ["http://127.0.0.1:1", sick.url, server.url]
    try:
        assert logprob([{"role": "user", "content": "prompt"}], "AB")[1] == 2
    finally:
        sick.close()
    assert sick.requests
    settings.VLLM_URLS = [server.url, "http://127.0.0.1:1"]
    assert logprob([{"role": "user", "content": "prompt"}], "AB")[1] == 2


def test_a_server_that_has_rested_enough_is_not_asked_again_before_the_last_one(
    server: FakeServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "REST_SECONDS", 0.0)
    settings.VLLM_URLS = ["http://127.0.0.1:1", "http://127.0.0.1:2", server.url]
    assert logprob([{"role": "user", "content": "prompt"}], "AB")[1] == 2


@pytest.mark.parametrize("status", [401, 404, 500])
def test_refusing_server_raises(server: FakeServer, status: int) -> None:
    server.status = status
    with pytest.raises(ToolFailed, match=str(status)):
        logprob([{"role": "user", "content": "prompt"}], "answer")
    with pytest.raises(ToolFailed, match=str(status)):
        complete()


def test_a_request_that_the_model_cannot_take_raises(server: FakeServer) -> None:
    server.refuses_to_score = True
    with pytest.raises(ToolFailed, match="cannot take this request"):
        logprob([{"role": "user", "content": "prompt"}], "answer")


def test_reply_without_figures_raises(server: FakeServer) -> None:
    server.broken = True
    with pytest.raises(ToolFailed, match="no tokens"):
        logprob([{"role": "user", "content": "prompt"}], "answer")
    with pytest.raises(ToolFailed, match="no text"):
        complete()


def test_judge_endpoint_is_asked_with_its_model_and_key(server: FakeServer) -> None:
    assert complete() == Reply("VERDICT: A")
    path, body, key = server.requests[-1]
    assert path == "/v1/chat/completions"
    assert body["model"] == "reader"
    assert body["max_tokens"] == 20
    assert key == "Bearer judge-key"


@pytest.mark.parametrize("when", ["0", "Wed, 21 Oct 2015 07:28:00 GMT", ""])
@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_or_failing_endpoint_is_asked_once_more(
    server: FakeServer, status: int, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "RETRY_SECONDS", 0.0)
    server.failing = [(status, when)]
    assert complete() == Reply("VERDICT: A")
    assert len(server.requests) == 2
    server.failing = [(status, when), (status, when)]
    with pytest.raises(ToolFailed, match=str(status)):
        complete()
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    ("status", "when"),
    [
        (400, "0"),
        (503, str(int(MAX_RETRY_SECONDS) + 1)),
        (503, "9" * 400),
        (429, "Fri, 31 Dec 9999 23:59:59 GMT"),
    ],
)
def test_a_refusal_or_a_long_wait_is_not_tried_again(
    server: FakeServer, status: int, when: str
) -> None:
    server.failing = [(status, when)]
    with pytest.raises(ToolFailed, match=str(status)):
        complete()
    assert len(server.requests) == 1


def test_an_endpoint_that_knows_no_log_probabilities_or_schema_is_asked_without_them(
    server: FakeServer,
) -> None:
    server.failing = [(400, "0")]
    request = ChatRequest([], max_tokens=20, top_logprobs=20, schema={"type": "object"})
    assert complete(request) == Reply("VERDICT: A")
    (_, first, _), (_, second, _) = server.requests
    assert set(first) - set(second) == {"logprobs", "top_logprobs", "response_format"}


@pytest.mark.parametrize(
    ("finish_reason", "is_cut"),
    [("stop", False), ("length", True), ("content_filter", True), (None, False)],
)
def test_a_reply_says_whether_it_was_cut(
    server: FakeServer, finish_reason: Any, is_cut: bool
) -> None:
    server.finish_reason = finish_reason
    assert complete().is_cut is is_cut


def test_an_endpoint_that_is_away_fails_this_request_only(settings: Settings) -> None:
    settings.ENV = Variables(judge_url="http://127.0.0.1:1/v1", judge_model="reader")
    with pytest.raises(ToolFailed, match="the judge endpoint failed: it cannot be reached"):
        complete()


def test_without_an_endpoint_the_judge_cannot_judge(settings: Settings) -> None:
    settings.ENV = Variables(judge_url=None, judge_model=None)
    with pytest.raises(CannotJudge, match="no judge endpoint is configured"):
        complete()
