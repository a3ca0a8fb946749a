"""Downloads of what agents learned from: whole, or told not to be."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient

from agents.models import Agent
from arena.models import Match
from arena.tests.builders import make_user
from frontend.pages import downloads
from frontend.tests.builders import make_pair, signed_in

pytestmark = pytest.mark.django_db

ROWS = [{"text": "one"}, {"text": "two\u2028lines"}, {"text": "three"}]


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "export_groups", lambda agent_id, viewer: iter(ROWS))


def download(agent: Agent, name: str) -> tuple[Any, list[bytes]]:
    """The response and its pieces, as a server sends them."""
    client = AsyncClient()
    client.force_login(agent.owner)

    async def read() -> tuple[Any, list[bytes]]:
        response: Any = await client.get(f"/agents/{agent.pk}/{name}.jsonl")
        return response, [piece async for piece in response]

    return async_to_sync(read)()


def test_pairs_are_downloaded_by_their_owner_only(agent: Agent, match: Match) -> None:
    pair = make_pair(agent, match)
    path = f"/agents/{agent.pk}/pairs.jsonl"
    assert signed_in(make_user().pk).get(path).status_code == 404
    response, pieces = download(agent, "pairs")
    filename = f"agent-{agent.pk}-pairs.jsonl"
    assert response.headers["Content-Disposition"] == f'attachment; filename="{filename}"'
    (line,) = b"".join(pieces).splitlines()
    assert json.loads(line)["pair"] == pair.pk


def test_a_download_names_its_length_so_that_half_a_file_cannot_look_whole(
    agent: Agent, rows: None
) -> None:
    response, pieces = download(agent, "groups")
    whole = b"".join(pieces)
    assert response.headers["Content-Length"] == str(len(whole))
    assert [json.loads(line) for line in whole.decode().splitlines()] == ROWS


def test_a_download_is_sent_in_small_pieces(
    agent: Agent, rows: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "PIECE_BYTES", 16)
    _, pieces = download(agent, "groups")
    assert len(pieces) > len(ROWS)
    assert max(len(piece) for piece in pieces) == 16


@pytest.mark.parametrize("name", ["pairs", "groups"])
def test_nothing_to_download_is_a_sentence_and_no_empty_file(agent: Agent, name: str) -> None:
    client = signed_in(agent.owner_id)
    page = client.get(f"/agents/{agent.pk}/{name}.jsonl", follow=True)
    assert page.redirect_chain == [(f"/agents/{agent.pk}/", 302)]
    assert f"There are no {name} to download yet." in page.content.decode()


def test_a_full_disk_is_a_sentence_and_leaves_no_file_behind(
    agent: Agent, rows: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(rows: object) -> Iterator[bytes]:
        yield b"one line\n"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(downloads, "json_lines", refuse)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    client = signed_in(agent.owner_id)
    page = client.get(f"/agents/{agent.pk}/groups.jsonl", follow=True)
    assert "no room on its disk" in page.content.decode()
    assert list(tmp_path.iterdir()) == []
