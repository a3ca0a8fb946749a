"""HTTP to an arena: waits while it is busy, and turns refusals into sentences."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

TRIES = 4  # of one request, while the arena or the way to it is busy
PAUSE_SECONDS = 1.0  # before the second try; it doubles
LONGEST_PAUSE_SECONDS = 60.0
TIMEOUT_SECONDS = 30.0
BUSY = (429, 503)
AWAY = (502, 504)  # a proxy's words: the arena may have done it


class ArenaError(Exception):
    """The arena refused, or cannot be reached; the sentence says why. `status` is 0 without an answer."""

    def __init__(self, sentence: str, *, status: int = 0) -> None:
        super().__init__(sentence)
        self.status = status

    @property
    def leaves_open(self) -> bool:
        """Whether it says nothing about the request: it may have been done, or may be done later."""
        return self.status in (0, 429) or self.status >= 500


class Connection:
    """Requests under /api/v1 of one arena. Every method raises ArenaError.

    `on_wait` hears for how many seconds a request waits before it is sent again.
    """

    def __init__(self, url: str, token: str = "") -> None:
        self.url = url.rstrip("/")
        self.on_wait: Callable[[float], None] = lambda seconds: None
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            self._http = httpx.Client(
                base_url=f"{self.url}/api/v1", headers=headers, timeout=TIMEOUT_SECONDS
            )
            # Links to files may lead elsewhere, and the token is not shown there.
            self._anonymous = httpx.Client(timeout=TIMEOUT_SECONDS)
        except (httpx.InvalidURL, UnicodeEncodeError):
            raise ArenaError("The address or the token holds characters that none has.") from None
        except (ImportError, ValueError) as error:  # of SOCKS without its package, or of no proxy
            raise ArenaError(f"The environment's proxy cannot be used. {error}") from None
        if self._http.base_url.scheme not in ("http", "https") or not self._http.base_url.host:
            raise _no_address(self.url)

    def close(self) -> None:
        self._http.close()
        self._anonymous.close()

    def json(self, method: str, path: str, **options: Any) -> Any:
        """The answer, which is None where there is nothing to say."""
        response = self._answer(method, path, **options)
        if response.status_code == 204:
            return None
        try:
            return response.json()
        except ValueError:
            raise ArenaError(f"{self.url} does not answer like an arena.") from None

    def paid(self, path: str, key: str, **options: Any) -> Any:
        """What is to be done only once: what is sent again with its key is not done again.

        A failure that leaves open whether it was done names the key, and so does Ctrl-C.
        """
        key = key or str(uuid.uuid4())
        unknown = f"Whether it was done is not known: send it again with the key {key}, and it is done once."
        try:
            return self.json("POST", path, headers={"Idempotency-Key": key}, **options)
        except ArenaError as error:
            if not error.leaves_open:
                raise
            raise ArenaError(f"{error} {unknown}", status=error.status) from None
        except KeyboardInterrupt:
            raise KeyboardInterrupt(unknown) from None

    @contextmanager
    def stream(self, path: str, **options: Any) -> Iterator[httpx.Response]:
        """An answer to be read piece by piece; also of a link, which starts with its scheme.

        Its reader meets httpx.TransportError if it is cut.
        """
        response = self._answer("GET", path, is_streamed=True, **options)
        try:
            yield response
        finally:
            response.close()

    def pause(self, failures: int, *, asked: str = "") -> None:
        """Wait before the next try; for as many seconds as the arena asked, if it did."""
        seconds = float(asked) if asked.isdecimal() else PAUSE_SECONDS * 2 ** (failures - 1)
        seconds = min(seconds, LONGEST_PAUSE_SECONDS)
        self.on_wait(seconds)
        time.sleep(seconds)

    def _answer(
        self, method: str, path: str, *, is_streamed: bool = False, **options: Any
    ) -> httpx.Response:
        """Sent again while the arena is busy, or if sending it twice does no harm."""
        http = self._http if path.startswith("/") else self._anonymous
        is_repeatable = method != "POST" or "Idempotency-Key" in options.get("headers", {})
        for place in range(1, TRIES + 1):
            asked = ""
            try:
                request = http.build_request(method, path, **options)
                response = http.send(request, stream=is_streamed)
                if not response.is_success:
                    response.read()
            except httpx.UnsupportedProtocol:
                raise _no_address(self.url) from None
            except httpx.TransportError as error:
                if place == TRIES or not is_repeatable:
                    name = type(error).__name__
                    raise ArenaError(f"{self.url} cannot be reached ({name}).") from None
            except httpx.InvalidURL:
                raise _no_address(self.url) from None
            else:
                if response.is_success:
                    return response
                is_passing = response.status_code in (BUSY + AWAY if is_repeatable else BUSY)
                if not is_passing or place == TRIES:
                    raise _refusal(response)
                asked = response.headers.get("Retry-After", "")
            self.pause(place, asked=asked)
        raise AssertionError("the last try returns or raises")


def _no_address(url: str) -> ArenaError:
    return ArenaError(f"{url} is not an address, such as https://arena.example.")


def _refusal(response: httpx.Response) -> ArenaError:
    try:
        told = response.json()
        fields = (f"{one['field']}: {one['message']}" for one in told.get("errors", []))
        sentence = " ".join([told["detail"], *fields])
    except (ValueError, KeyError, TypeError, AttributeError):
        sentence = f"{response.url.host} answered {response.status_code}, not like an arena."
        if there := response.headers.get("Location"):
            sentence = f"{sentence} It leads on to {there}."
    return ArenaError(sentence, status=response.status_code)
