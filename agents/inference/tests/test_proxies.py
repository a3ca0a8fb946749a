"""No proxy from the environment sees what is said to vLLM: its key and people's prompts."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from pytest_django import Settings

from agents.inference.abilities import Asker
from agents.inference.client import Inference
from training.monitoring.site import servers_that_answer


@pytest.fixture(autouse=True)
def _a_proxy_that_refuses(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # taken, and nobody listens
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, address)
            monkeypatch.setenv(name.lower(), address)
        monkeypatch.setenv("NO_PROXY", "")
        monkeypatch.setenv("no_proxy", "")
        yield


@pytest.fixture
def server() -> Iterator[str]:
    class Vllm(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"version": "0.32.0"}).encode())

        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"tokens": [1, 2]}).encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Vllm) as listening:
        threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()


def test_a_match_asks_its_server_directly(server: str) -> None:
    async def scenario() -> list[int]:
        async with Inference((server,), api_key="key") as inference:
            return await inference.count_tokens("base", "what a person wrote")

    assert asyncio.run(scenario()) == [1, 2]


def test_abilities_are_asked_of_the_server_directly(server: str) -> None:
    asker = Asker("key")
    assert asker.version(server) == "0.32.0"
    asker.close()


def test_the_overview_asks_each_server_directly(server: str, settings: Settings) -> None:
    settings.VLLM_URLS = [server]
    assert servers_that_answer() == (True,)
