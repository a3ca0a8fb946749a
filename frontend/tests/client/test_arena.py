"""What the client does while an arena is busy, away, or sends only half."""

import hashlib
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from rlfc import Arena, ArenaError
from rlfc.arena import FOLLOW_TRIES
from rlfc.cli import app
from rlfc.connection import TRIES
from rlfc.downloads import place_in
from typer.testing import CliRunner

FILE = bytes(range(256)) * 4096
DIGEST = hashlib.sha256(FILE).hexdigest()
CLIENT = Path(__file__).parents[3] / "client"
KEY = "0b9c4f7e-2d61-4a7c-9f4b-0f3f2a1f5d11"

Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def answering(*answers: Answer) -> Iterator[Arena]:
    """An arena that gives these answers, one after the other, and no more."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            left.pop(0)(self)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        with Arena(f"http://127.0.0.1:{server.server_port}") as arena:
            yield arena
        assert not left
    finally:
        server.shutdown()
        server.server_close()


def says(status: int, body: bytes = b"{}", **headers: str) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in ({"Content_Length": str(len(body))} | headers).items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body)

    return answer


def half_of_the_file(request: BaseHTTPRequestHandler) -> None:
    says(200, FILE[:300_000], Content_Length=str(len(FILE)))(request)
    request.close_connection = True


def the_rest(request: BaseHTTPRequestHandler) -> None:
    assert request.headers["Range"] == "bytes=300000-"
    says(206, FILE[300_000:])(request)


def lines(*seqs: int, last: str = "round_started") -> bytes:
    kinds = ["round_started"] * (len(seqs) - 1) + [last]
    return b"".join(
        b'{"seq": %d, "kind": "%s"}\n' % (seq, kind.encode())
        for seq, kind in zip(seqs, kinds, strict=True)
    )


def test_it_waits_for_as_long_as_a_busy_arena_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("rlfc.connection.time.sleep", waits.append)
    with answering(says(429, Retry_After="7"), says(503, Retry_After="3"), says(200)) as arena:
        assert arena.wallet() == {}
    assert waits == [7, 3]
    with (
        answering(*[says(429, b'{"detail": "Wait."}', Retry_After="9")] * 4) as arena,
        pytest.raises(ArenaError, match=r"Wait\."),
    ):
        arena.wallet()


def test_what_is_paid_is_sent_again_with_the_same_key_which_a_failure_names() -> None:
    keys: list[str] = []

    def breaks(request: BaseHTTPRequestHandler) -> None:
        keys.append(request.headers["Idempotency-Key"])
        request.close_connection = True

    def works(request: BaseHTTPRequestHandler) -> None:
        keys.append(request.headers["Idempotency-Key"])
        says(201)(request)

    with answering(breaks, breaks, works) as arena:
        arena.enter(1, "poems")
    assert len(set(keys)) == 1
    keys.clear()
    with answering(*[breaks] * 4) as arena, pytest.raises(ArenaError) as failed:
        arena.enter(1, "poems")
    assert uuid.UUID(keys[0]).version == 4
    assert keys[0] in str(failed.value)


@pytest.mark.parametrize(
    "act",
    [
        lambda arena: arena.top_up(5, key=KEY),
        lambda arena: arena.practise(1, "poems", key=KEY),
        lambda arena: arena.save_export("pairs", key=KEY),
    ],
)
def test_what_may_have_been_done_behind_a_failure_is_told_with_its_key(
    act: Callable[[Arena], object],
) -> None:
    for answers in ([says(500)], [says(502), says(504)] * 2, [says(503)] * 4):
        with answering(*answers) as arena, pytest.raises(ArenaError, match=KEY):
            act(arena)
    with (
        answering(says(504), says(409, b'{"detail": "Too late."}')) as arena,
        pytest.raises(ArenaError, match=r"^Too late\.$"),
    ):
        act(arena)


def test_ctrl_c_names_the_key_with_which_the_command_is_typed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys: list[str] = []

    def typed(arena: Arena, *words: str) -> tuple[int, str]:
        env = {"RLFC_URL": arena.url, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
        result = CliRunner().invoke(app, list(words), env=env)
        return result.exit_code, result.output

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    def busy(request: BaseHTTPRequestHandler) -> None:
        keys.append(request.headers["Idempotency-Key"])
        says(503)(request)

    def works(request: BaseHTTPRequestHandler) -> None:
        keys.append(request.headers["Idempotency-Key"])
        says(201, b'{"available": 5}')(request)

    with answering(busy) as arena, monkeypatch.context() as patch:
        patch.setattr("rlfc.connection.time.sleep", interrupt)
        status, said = typed(arena, "top-up", "5")
    assert status == 130
    assert keys[0] in said
    with answering(works) as arena:
        assert typed(arena, "top-up", "5", "--key", keys[0]) == (0, "5 credits available\n")
    assert keys[1] == keys[0]


def test_a_change_without_a_key_is_not_sent_twice() -> None:
    def breaks(request: BaseHTTPRequestHandler) -> None:
        request.close_connection = True

    with answering(breaks) as arena, pytest.raises(ArenaError, match="cannot be reached"):
        arena.post("/agents")
    with answering(says(504)) as arena, pytest.raises(ArenaError, match="answered 504"):
        arena.post("/agents")


def test_a_followed_match_is_taken_up_after_the_last_event() -> None:
    paths: list[str] = []

    def sends(body: bytes, *, cut: bool = False) -> Answer:
        def answer(request: BaseHTTPRequestHandler) -> None:
            paths.append(request.path)
            length = len(body) + (100 if cut else 0)
            says(200, body, Content_Length=str(length))(request)
            request.close_connection = True

        return answer

    running = says(200, b'{"finished_at": null, "seq": 4}')
    with answering(
        sends(lines(1, 2), cut=True),
        sends(lines(3)),
        running,
        says(503),
        sends(lines(4, 5, last="match_settled")),
    ) as arena:
        assert [event["seq"] for event in arena.events(7)] == [1, 2, 3, 4, 5]
    assert [path.partition("=")[2] for path in paths] == ["0", "2", "3"]


def test_a_followed_match_outlasts_an_arena_that_starts_anew() -> None:
    def refuses(request: BaseHTTPRequestHandler) -> None:
        request.close_connection = True

    over = says(200, lines(2, last="match_settled"))
    with answering(says(200, lines(1)), *[refuses] * TRIES, says(500), over) as arena:
        assert [event["seq"] for event in arena.events(7)] == [1, 2]
    away = [refuses] * TRIES * FOLLOW_TRIES
    with answering(*away) as arena, pytest.raises(ArenaError, match=r"again and again\. .*reached"):
        list(arena.events(7))
    missing = says(404, b'{"detail": "There is no such match."}')
    with answering(missing) as arena, pytest.raises(ArenaError, match="no such match"):
        list(arena.events(7))


def test_what_is_no_address_is_not_tried_again_and_again() -> None:
    for url in ("nonsense", "ftp://127.0.0.1", "http://", "//127.0.0.1"):
        with pytest.raises(ArenaError, match="is not an address"):
            Arena(url)


def test_a_proxy_that_cannot_be_used_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    for proxy in ("socks5://127.0.0.1:9", "ftp://127.0.0.1:9"):
        monkeypatch.setenv("ALL_PROXY", proxy)
        with pytest.raises(ArenaError, match="proxy cannot be used"):
            Arena("https://arena.example")


def test_a_fault_of_the_client_shows_no_token() -> None:
    breaks = "import httpx; httpx.Client = None; from rlfc.cli import app; app(['wallet'])"
    broken = subprocess.run(
        [sys.executable, "-c", breaks],
        env=os.environ
        | {"RLFC_URL": "https://arena.example", "RLFC_TOKEN": "rlfc_secret"}
        | {"PYTHONPATH": str(CLIENT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "TypeError" in broken.stderr
    assert "rlfc_secret" not in broken.stderr


def test_a_download_goes_on_where_it_broke_and_is_checked(tmp_path: Path) -> None:
    to = tmp_path / "shard.parquet"
    with answering(half_of_the_file, the_rest) as arena:
        assert arena.download("/shard", to, sha256=DIGEST) == len(FILE)
    assert to.read_bytes() == FILE
    with answering(says(200, FILE + b"!")) as arena, pytest.raises(ArenaError, match="digest"):
        arena.download("/shard", tmp_path / "other", sha256=DIGEST)
    assert [file.name for file in tmp_path.iterdir()] == [to.name]


def test_a_download_that_fails_goes_on_in_the_next_try(tmp_path: Path) -> None:
    to = tmp_path / "shard"
    away: Answer = lambda request: setattr(request, "close_connection", True)
    with answering(half_of_the_file, *[away] * 4) as arena, pytest.raises(ArenaError):
        arena.download("/shard", to, sha256=DIGEST)
    assert not to.exists()
    with answering(the_rest) as arena:
        arena.download("/shard", to, sha256=DIGEST)
    assert to.read_bytes() == FILE


def test_a_download_goes_into_a_file_and_not_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in (".", "..", "/"):
        with answering() as arena, pytest.raises(ArenaError, match="is a folder"):
            arena.download("/pairs", Path(folder))
    with answering(says(200, FILE)) as arena:
        arena.download("/pairs", Path("new/pairs.jsonl"))
    assert (tmp_path / "new/pairs.jsonl").read_bytes() == FILE


def test_no_name_leads_out_of_the_folder_on_any_system(tmp_path: Path) -> None:
    assert place_in(tmp_path, "data/a.parquet") == tmp_path / "data/a.parquet"
    for name in ("", ".", "/a", "//a", "a/../b", "a\\b", "C:a", "C:/a", "a:hidden", "a\0"):
        with pytest.raises(ArenaError, match="leads out of the folder"):
            place_in(tmp_path, name)


def test_a_download_without_a_digest_is_whole_or_not_there(tmp_path: Path) -> None:
    with answering(half_of_the_file) as arena, pytest.raises(ArenaError, match="broke off"):
        arena.download("/pairs", tmp_path / "pairs.jsonl")
    assert not list(tmp_path.iterdir())
