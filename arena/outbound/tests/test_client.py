"""Requests to addresses that somebody gave, against a real server that must not be reached."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest
from pytest_django import Settings

from arena.config.env import Variables
from arena.outbound import client
from arena.outbound.client import Inbound, Outbound, OutboundFailed, OutboundRefused, send
from arena.outbound.tests.web import Scripted, Web

ELSEWHERE = "http://elsewhere.example"


class Answers:
    """What the server says next; without a script it says {}."""

    def __init__(self) -> None:
        self.script: list[Scripted] = []

    def __call__(self, path: str, body: bytes) -> Scripted:
        return self.script.pop(0) if self.script else Scripted()


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def web(answers: Answers) -> Iterator[Web]:
    web = Web(answers)
    yield web
    web.close()


@pytest.fixture
def allowed(web: Web, settings: Settings) -> None:
    settings.ENV = Variables(outbound_allowed_hosts=[f"127.0.0.1:{web.port}"])


def sent(request: Outbound, *, names: Sequence[Sequence[str]] = ()) -> Inbound:
    """`names`: what the name leads to, look-up after look-up; none: the system is asked."""
    if not names:
        return asyncio.run(send(request))
    found = iter(names)

    async def resolving(host: str, port: int) -> Sequence[str]:
        return next(found)

    return asyncio.run(send(request, resolving=resolving))


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "0.0.0.0", "[::ffff:127.0.0.1]"],
)
def test_an_address_inside_is_refused_before_anything_is_sent(web: Web, host: str) -> None:
    with pytest.raises(OutboundRefused, match="not public") as refused:
        sent(Outbound("POST", f"http://{host}:{web.port}/"))
    assert host not in str(refused.value)
    assert web.asked == []


@pytest.mark.parametrize("form", ["127.0.0.1", "127.0.0.1:{port}"])
def test_an_operator_allows_a_host_inside(web: Web, settings: Settings, form: str) -> None:
    settings.ENV = Variables(outbound_allowed_hosts=[form.format(port=web.port)])
    reply = sent(Outbound("POST", f"{web.url}/v1", b"hello", {"X-Key": "k"}))
    assert (reply.status, reply.body) == (200, b"{}")
    ((method, path, headers, body),) = web.asked
    assert (method, path, body) == ("POST", "/v1", b"hello")
    assert (headers["X-Key"], headers["Host"]) == ("k", f"127.0.0.1:{web.port}")


def test_what_the_operators_environment_names_is_asked_as_it_stands(web: Web) -> None:
    assert sent(Outbound("GET", web.url, is_trusted=True)).status == 200


@pytest.fixture
def all_of_this_machine_is_public(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["arena.example"]  # no name of its own leads here
    monkeypatch.setattr(client, "is_public", lambda address: address == "127.0.0.1")


@pytest.mark.usefixtures("all_of_this_machine_is_public")
def test_the_connection_goes_to_the_address_that_was_checked(web: Web) -> None:
    """The name is not known to this machine: nothing but the checked address can lead here."""
    url = f"{ELSEWHERE}:{web.port}/"
    assert sent(Outbound("GET", url), names=[["127.0.0.1"], ["10.0.0.1"]]).status == 200
    assert web.asked[0][2]["Host"] == f"elsewhere.example:{web.port}"


@pytest.mark.usefixtures("all_of_this_machine_is_public")
@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["127.0.0.1", "10.0.0.1"]])
def test_a_name_that_leads_inside_is_refused_even_with_an_address_outside(
    web: Web, addresses: list[str]
) -> None:
    with pytest.raises(OutboundRefused, match="not public"):
        sent(Outbound("GET", f"{ELSEWHERE}:{web.port}/"), names=[addresses])
    assert web.asked == []


@pytest.mark.usefixtures("all_of_this_machine_is_public")
def test_a_name_that_changes_before_a_redirect_is_checked_again(web: Web, answers: Answers) -> None:
    answers.script = [Scripted(307, headers={"Location": "/next"})]
    with pytest.raises(OutboundRefused, match="not public"):
        sent(Outbound("GET", f"{ELSEWHERE}:{web.port}/"), names=[["127.0.0.1"], ["192.168.0.1"]])
    assert len(web.asked) == 1


@pytest.mark.usefixtures("all_of_this_machine_is_public")
@pytest.mark.parametrize(
    ("own_names", "host"),
    [
        (["arena.example"], "arena.example"),
        ([".arena.example"], "www.arena.example"),
        (["127.0.0.1"], "elsewhere.example"),  # where the site's own name leads
    ],
)
def test_the_way_back_to_the_site_itself_is_refused(
    web: Web, settings: Settings, own_names: list[str], host: str
) -> None:
    settings.ALLOWED_HOSTS = own_names
    with pytest.raises(OutboundRefused, match="back to this site"):
        sent(Outbound("GET", f"http://{host}:{web.port}/"), names=[["127.0.0.1"]])
    assert web.asked == []


@pytest.mark.usefixtures("allowed")
def test_a_redirect_that_is_not_followed_is_the_reply(web: Web, answers: Answers) -> None:
    answers.script = [Scripted(302, headers={"Location": "/next"})]
    assert sent(Outbound("POST", web.url, follows=False)).status == 302
    assert len(web.asked) == 1


@pytest.mark.usefixtures("allowed")
@pytest.mark.parametrize("follows", [False, True])
def test_a_redirect_to_what_is_no_name_is_a_connection_that_broke(
    web: Web, answers: Answers, follows: bool
) -> None:
    answers.script = [Scripted(302, headers={"Location": "https://xn--a/"})]
    with pytest.raises(OutboundFailed, match="broke"):
        sent(Outbound("POST", web.url, follows=follows))


@pytest.mark.usefixtures("allowed")
@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data/",
        "https://judge.example/v1",
        "http://127.0.0.1:1/",
        "//localhost/x",
        "file:///etc/passwd",
        "http://[",
    ],
)
def test_a_redirect_to_another_host_is_refused(web: Web, answers: Answers, target: str) -> None:
    answers.script = [Scripted(302, headers={"Location": target})]
    with pytest.raises(OutboundRefused, match="redirects"):
        sent(Outbound("POST", web.url, headers={"Authorization": "Bearer secret"}))
    assert len(web.asked) == 1


@pytest.mark.usefixtures("allowed")
def test_a_redirect_on_the_same_host_is_followed_within_a_bound(web: Web, answers: Answers) -> None:
    answers.script = [Scripted(307, headers={"Location": "/moved"})]
    assert sent(Outbound("POST", f"{web.url}/v1", b"body")).status == 200
    assert [(path, body) for _, path, _, body in web.asked] == [
        ("/v1", b"body"),
        ("/moved", b"body"),
    ]
    answers.script = [Scripted(307, headers={"Location": "/again"})] * 9
    with pytest.raises(OutboundFailed, match="redirects more than 3 times"):
        sent(Outbound("POST", web.url))


@pytest.mark.usefixtures("allowed")
@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Scripted(body=b"x" * 101), "longer than 100 bytes"),
        (lambda: Scripted(headers={"Content-Encoding": "gzip"}), "compressed"),
        (lambda: Scripted(until=threading.Event()), "longer than 0 seconds"),
    ],
)
def test_what_comes_back_is_bounded(
    web: Web, answers: Answers, make: Callable[[], Scripted], sentence: str
) -> None:
    script = make()
    answers.script = [script]
    limit = 0.3 if script.until else 30.0
    try:
        with pytest.raises(OutboundFailed, match=sentence):
            sent(Outbound("GET", web.url, max_bytes=100, timeout_seconds=limit))
    finally:
        if script.until is not None:
            script.until.set()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "judge.example",
        "ftp://judge.example",
        "http://",
        "http://[",
        "http://a b/",
        "http://x:0/",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(OutboundRefused, match="not an address"):
        sent(Outbound("GET", url))


def test_an_address_with_a_password_in_it_is_refused() -> None:
    with pytest.raises(OutboundRefused, match="password"):
        sent(Outbound("GET", "http://user:pass@judge.example/"))


def test_a_request_never_shows_its_headers() -> None:
    assert "secret" not in repr(Outbound("GET", ELSEWHERE, headers={"Authorization": "secret"}))


def test_a_server_that_is_away_is_said_to_be(settings: Settings) -> None:
    settings.ENV = Variables(outbound_allowed_hosts=["127.0.0.1"])
    with pytest.raises(OutboundFailed, match="cannot be reached"):
        sent(Outbound("GET", "http://127.0.0.1:1/"))
    with pytest.raises(OutboundFailed, match="not known"):
        sent(Outbound("GET", "http://no-such-name.invalid/"))
