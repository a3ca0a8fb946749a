"""A body that is too large, or for which the disk has no room, is answered with a sentence."""

import asyncio
import errno
import json
from collections.abc import Mapping
from typing import Any

import pytest
from django.urls import reverse

from arena.config import bodies
from arena.config.bodies import BodyLimit

UPLOAD = "/api/v1/agents/7/adapters"


async def read_whole(scope: Any, receive: Any, send: Any) -> None:
    """Stands for the pages, which read the body first."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"taken"})


def sending(
    pieces: list[bytes],
    *,
    path: str = "/wallet/",
    method: str = "POST",
    declared: int | None = None,
    to: Any = read_whole,
) -> tuple[int, bytes, int]:
    """Status, answer, and how many pieces were read."""
    sent: list[Mapping[str, Any]] = []
    left = list(pieces)

    async def receive() -> dict[str, Any]:
        body = left.pop(0) if left else b""
        return {"type": "http.request", "body": body, "more_body": bool(left)}

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    length = [] if declared is None else [(b"content-length", str(declared).encode())]
    scope = {"type": "http", "method": method, "path": path, "headers": length}
    asyncio.run(BodyLimit(to)(scope, receive, send))
    return sent[0]["status"], sent[1]["body"], len(pieces) - len(left)


def test_what_fits_is_taken() -> None:
    assert sending([b"a", b"b"])[:2] == (200, b"taken")


@pytest.mark.parametrize("declared", [None, 10**9, 3])
def test_what_is_too_large_is_refused_whatever_it_says_of_its_length(
    declared: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "MAX_BODY_BYTES", 100)
    status, answer, read = sending([b"x" * 60] * 9, declared=declared)
    assert (status, read) == (413, 9)
    assert b"larger than 100 bytes" in answer


def test_nothing_of_what_says_that_it_is_too_large_reaches_the_pages() -> None:
    async def fail(*_: Any) -> None:
        raise AssertionError

    assert sending([b"x"], declared=bodies.MAX_BODY_BYTES + 1, to=fail)[0] == 413


def test_an_adapter_may_be_larger_than_a_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_BODY_BYTES", 10)
    pieces = [b"x" * 60] * 3
    assert sending(pieces, path=UPLOAD)[0] == 200
    assert sending(pieces, path="/agents/7/upload/")[0] == 200
    assert sending(pieces, path="/agents/7/edit/")[0] == 413
    assert sending(pieces, path=f"{UPLOAD}/more")[0] == 413


def test_a_program_reads_the_refusal_as_it_reads_all_others() -> None:
    _, answer, _ = sending([b"x"], path=UPLOAD, declared=bodies.MAX_UPLOAD_BYTES + 1)
    assert "larger than 500,000,000 bytes" in json.loads(answer)["detail"]


def test_a_disk_without_room_for_the_body_is_a_sentence() -> None:
    async def full(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        raise OSError(errno.ENOSPC, "No space left on device")

    status, answer, _ = sending([b"a", b"b"], path=UPLOAD, to=full)
    assert status == 503
    assert "no room on its disk" in json.loads(answer)["detail"]


@pytest.mark.parametrize(
    ("what", "method", "path", "other_method"),
    [
        ("UPLOADS", "POST", UPLOAD, "GET"),
        ("DOWNLOADS", "GET", "/api/v1/agents/7/versions/8/adapter", "POST"),
        ("DOWNLOADS", "HEAD", "/agents/7/versions/8/adapter.zip", "POST"),
        ("DOWNLOADS", "GET", "/agents/7/pairs.jsonl", "POST"),
    ],
)
def test_what_fills_the_disk_is_bounded_for_each_network_and_in_all(
    what: str, method: str, path: str, other_method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, f"MAX_{what}_AT_ONCE", 3)
    monkeypatch.setattr(bodies, f"MAX_{what}_OF_NETWORK", 2)
    done = asyncio.Event()

    async def wait(scope: Any, receive: Any, send: Any) -> None:
        await done.wait()

    async def nothing() -> dict[str, Any]:
        return {"type": "http.request"}

    limited, answers = BodyLimit(wait), list[int]()

    async def send(message: Mapping[str, Any]) -> None:
        if "status" in message:
            answers.append(message["status"])

    def asked(client: str, method: str = method) -> Any:
        scope = {"type": "http", "method": method, "path": path, "headers": []}
        return limited(scope | {"client": (client, 1)}, nothing, send)

    async def all_of_them() -> None:
        async with asyncio.TaskGroup() as group:
            for client in ("192.0.2.1", "192.0.2.1", "192.0.2.2"):
                group.create_task(asked(client))
            group.create_task(asked("192.0.2.1", other_method))
            await asyncio.sleep(0)
            await asked("192.0.2.1")
            await asked("192.0.2.3")
            done.set()
        await asked("192.0.2.1")

    asyncio.run(all_of_them())
    assert answers == [503, 503]


def test_the_paths_that_are_bounded_are_those_of_the_pages() -> None:
    for name, ids in (("agent_pairs", [7]), ("agent_groups", [7]), ("version_adapter", [7, 8])):
        assert bodies._DOWNLOADS.fullmatch(reverse(name, args=ids))
    assert bodies._UPLOADS.fullmatch(reverse("upload_adapter", args=[7]))


@pytest.mark.parametrize(
    ("bound", "declared", "status"),
    [("IDLE_SECONDS", 1, 408), ("UPLOAD_SECONDS", 1, 408), ("DRAIN_SECONDS", 10**9, 413)],
)
def test_a_body_of_which_nothing_more_comes_is_not_waited_for(
    bound: str, declared: int, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, bound, 0.01)
    sent: list[Mapping[str, Any]] = []

    async def never() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    length = [(b"content-length", str(declared).encode())]
    scope = {"type": "http", "method": "POST", "path": UPLOAD, "headers": length}
    asyncio.run(BodyLimit(read_whole)(scope, never, send))
    assert sent[0]["status"] == status
