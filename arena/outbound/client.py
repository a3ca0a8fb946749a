"""Sends one request to an address that somebody gave, with a bound on all that comes back.

A name is looked up once, each of its addresses is checked, and the connection goes to the very
address that was checked: a name that says something else a moment later changes nothing. Redirects
are followed on the same host only, and checked again. An operator may allow hosts inside the network
in OUTBOUND_ALLOWED_HOSTS. What the operator's own environment names is trusted: it is asked as it
stands, through the environment's proxies if there are any.
Why: docs/decisions/outbound.md
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urljoin, urlsplit

import httpx
from django.conf import settings
from django.http.request import validate_host

from agents.inference.tls import certificates
from arena.outbound.addresses import is_public

MAX_REDIRECTS = 3
MAX_ADDRESSES = 4  # of one name, each tried until one answers
CONNECT_SECONDS = 5.0
OWN_NAMES_SECONDS = 60.0  # that the addresses of the site's own names are remembered
_KEEPS_METHOD = frozenset({307, 308})
_REDIRECTS = frozenset({301, 302, 303, *_KEEPS_METHOD})
_PORTS = {"http": 80, "https": 443}

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class OutboundRefused(Exception):
    """This address is not asked; the sentence's end says why, without naming the address."""


class OutboundFailed(Exception):
    """The request got no whole reply; the sentence's end says why, without naming the address."""


class OutboundUnreached(OutboundFailed):
    """Nothing was sent."""


@dataclass(frozen=True)
class Outbound:
    """One request. `is_trusted`: the operator named its address, so that it may be inside."""

    method: str
    url: str
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # they may hold a key
    is_trusted: bool = False
    max_bytes: int = 4_000_000  # of the reply's body
    timeout_seconds: float = 60.0  # for all of it, with redirects
    follows: bool = True  # redirects; else a redirect is the reply


@dataclass(frozen=True)
class Inbound:
    """What came back. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


# Of their own: the end of `asyncio.run` waits for the loop's threads, also for a slow lookup.
MAX_LOOKUPS = 64  # at once
_LOOKUPS = ThreadPoolExecutor(MAX_LOOKUPS, "lookup")


async def resolve(host: str, port: int) -> Sequence[str]:
    """The numeric addresses of a name, best first; also of odd spellings, as 0x7f.1 of 127.0.0.1."""
    look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_LOOKUPS, look_up)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


async def send(request: Outbound, *, resolving: Resolve = resolve) -> Inbound:
    """The reply, whatever its status. Raises OutboundRefused and OutboundFailed."""
    try:
        async with asyncio.timeout(request.timeout_seconds):
            return await _follow(request, resolving)
    except TimeoutError:
        raise OutboundFailed(f"it took longer than {request.timeout_seconds:.0f} seconds") from None


def check_url(url: str) -> None:
    """Refuse what no request could be sent to. Raises OutboundRefused; looks nothing up."""
    try:
        parts = urlsplit(url)
        is_known = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        is_known = False
    if not is_known or not url.isascii() or any(mark.isspace() for mark in url):
        raise OutboundRefused("it is not an address that begins with https:// or http://")
    if parts.username or parts.password:
        raise OutboundRefused("it holds a user name or a password")


async def check_target(url: str) -> None:
    """Refuse an address as `send` would, without sending anything. Raises as `send` does."""
    check_url(url)
    await _checked(url, urlsplit(url).hostname or "", resolve)


def is_allowed_inside(url: str) -> bool:
    """Whether the operator lets requests go to this host, wherever it is."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    allowed = {each.lower() for each in settings.ENV.outbound_allowed_hosts}
    return host in allowed or f"{host}:{_port(url)}" in allowed


async def _follow(request: Outbound, resolving: Resolve) -> Inbound:
    method, url, content = request.method, request.url, request.content
    for _ in range(MAX_REDIRECTS + 1):
        reply = await _exchange(request, method, url, content, resolving)
        target = reply.headers.get("location")
        if reply.status not in _REDIRECTS or target is None or not request.follows:
            return reply
        url = _on_same_host(url, target)
        if reply.status not in _KEEPS_METHOD and method != "HEAD":
            method, content = "GET", b""
    raise OutboundFailed(f"it redirects more than {MAX_REDIRECTS} times")


async def _exchange(
    request: Outbound, method: str, url: str, content: bytes, resolving: Resolve
) -> Inbound:
    check_url(url)
    host = urlsplit(url).hostname or ""
    addresses = [host] if request.is_trusted else await _checked(url, host, resolving)
    target = httpx.URL(url)
    # The name stays in Host and in TLS, which checks the certificate against it.
    headers = {**request.headers, "Host": target.netloc.decode(), "Accept-Encoding": "identity"}
    extensions = {"sni_hostname": host} if target.scheme == "https" else {}
    timeout = httpx.Timeout(request.timeout_seconds, connect=CONNECT_SECONDS)
    async with httpx.AsyncClient(
        timeout=timeout, verify=certificates(), trust_env=request.is_trusted
    ) as http:
        for place, address in enumerate(addresses, start=1):
            try:
                sent = http.build_request(
                    method,
                    target.copy_with(host=address),
                    headers=headers,
                    content=content,
                    extensions=extensions,
                )
                return await _read(http, sent, max_bytes=request.max_bytes)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                if place == len(addresses):
                    why = f"it cannot be reached ({type(error).__name__})"
                    raise OutboundUnreached(why) from None
            except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
                # A ValueError: httpx reads the target of a redirect even if nobody follows it, and
                # some names cannot be read. Without its text: a page shows this, and the text may
                # hold the address.
                raise OutboundFailed(f"the connection broke ({type(error).__name__})") from None
    raise OutboundFailed("its name leads to no address")


async def _checked(url: str, host: str, resolving: Resolve) -> list[str]:
    try:
        addresses = await resolving(host, _port(url))
    except (OSError, UnicodeError):
        raise OutboundUnreached("its name is not known") from None
    if is_allowed_inside(url):
        return list(addresses)[:MAX_ADDRESSES]
    # Of all: a name with one address outside and one inside is a trap.
    if not all(map(is_public, addresses)):
        raise OutboundRefused(
            "it leads into a network that is not public; the operator allows hosts in "
            "OUTBOUND_ALLOWED_HOSTS"
        )
    # From inside, the site's own public address may open doors that it does not open to others.
    if _is_own_name(host) or not (await _own_addresses()).isdisjoint(addresses):
        raise OutboundRefused(
            "it leads back to this site; the operator allows hosts in OUTBOUND_ALLOWED_HOSTS"
        )
    return list(addresses)[:MAX_ADDRESSES]


def _is_own_name(host: str) -> bool:
    names = [name for name in settings.ALLOWED_HOSTS if name != "*"]
    return validate_host(host.rstrip(".").lower(), names)


async def _own_addresses() -> frozenset[str]:
    """Where the site's own names lead, looked up at most once in OWN_NAMES_SECONDS."""
    return await _own.addresses(tuple(name for name in settings.ALLOWED_HOSTS if "." in name[1:]))


class _Own:
    """What the site's names led to a moment ago."""

    def __init__(self) -> None:
        self._known: tuple[tuple[str, ...], float, frozenset[str]] | None = None

    async def addresses(self, names: tuple[str, ...]) -> frozenset[str]:
        now = time.monotonic()
        if self._known and self._known[0] == names and now - self._known[1] < OWN_NAMES_SECONDS:
            return self._known[2]
        found: set[str] = set()
        for name in names:
            with contextlib.suppress(OSError, UnicodeError):
                found.update(await resolve(name.lstrip("."), _PORTS["https"]))
        self._known = (names, now, frozenset(found))
        return self._known[2]


_own = _Own()


async def _read(http: httpx.AsyncClient, request: httpx.Request, *, max_bytes: int) -> Inbound:
    response = await http.send(request, stream=True)
    try:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise OutboundFailed("its reply is compressed, though plain text was asked for")
        body = bytearray()
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > max_bytes:
                raise OutboundFailed(f"its reply is longer than {max_bytes} bytes")
        return Inbound(response.status_code, dict(response.headers), bytes(body))
    finally:
        await response.aclose()


def _on_same_host(url: str, location: str) -> str:
    try:
        target = urljoin(url, location)
        stays = _origin(target) == _origin(url)
    except ValueError:
        stays = False
    if not stays:
        raise OutboundRefused("it redirects to another host")
    return target


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), _port(url)


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or _PORTS.get(parts.scheme, 0)
