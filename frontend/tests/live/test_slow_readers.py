"""Readers who take their time cost no connection to the database."""

import socket
import urllib.request

import pytest
from django.db import connection

from arena.tests.builders import make_agent
from frontend.pages import downloads
from frontend.tests.builders import signed_in
from frontend.tests.live.serving import pool_of, serving

ROW = {"text": "x" * 100_000}
ROWS = 200  # far more than sockets hold on their way


@pytest.mark.django_db(transaction=True)
def test_a_slow_reader_gives_the_connection_back_before_the_body(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(downloads, "export_pairs", lambda agent_id, viewer: iter([ROW] * ROWS))
    agent = make_agent()
    session = signed_in(agent.owner_id).cookies["sessionid"].value
    with pool_of(1), serving() as port:
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.settimeout(10)
        slow.connect(("127.0.0.1", port))
        path = f"/agents/{agent.pk}/pairs.jsonl"
        slow.sendall(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: sessionid={session}\r\n\r\n".encode()
        )
        assert slow.recv(64).startswith(b"HTTP/1.1 200")
        connection.close()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/matches/", timeout=10) as page:
            assert page.status == 200
        slow.close()
