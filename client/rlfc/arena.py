"""The API of an arena as Python functions: plain values in, plain values out."""

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

TRIES = 4  # of one request, while the arena or the way to it is busy
PAUSE_SECONDS = 1.0  # before the second try; it doubles
LONGEST_PAUSE_SECONDS = 60.0
TIMEOUT_SECONDS = 30.0
SILENCE_SECONDS = 60.0  # of a followed match, which says at least every ten that it lives
LAST_EVENTS = ("match_settled", "match_cancelled")


class ArenaError(Exception):
    """The arena refused, or cannot be reached; the sentence says why. `status` is 0 without an answer."""

    def __init__(self, sentence: str, *, status: int = 0) -> None:
        super().__init__(sentence)
        self.status = status


class Arena:
    """One arena, seen with one token or without. Every method raises ArenaError."""

    def __init__(self, url: str, token: str = "") -> None:
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            self._http = httpx.Client(
                base_url=f"{self.url}/api/v1", headers=headers, timeout=TIMEOUT_SECONDS
            )
        except (httpx.InvalidURL, UnicodeEncodeError):
            raise ArenaError("The address or the token holds characters that none has.") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        """Whatever is there."""
        return self._json("GET", path, params=query)

    def pieces(self, path: str, **query: Any) -> Iterator[Any]:
        """Each entry of a list that comes in pieces."""
        cursor: str | None = ""
        while cursor is not None:
            page = self.get(path, cursor=cursor, **query)
            yield from page["items"]
            cursor = page["next_cursor"]

    def spaces(self) -> list[dict[str, Any]]:
        return list(self.get("/spaces"))

    def space(self, slug: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"/spaces/{slug}")["space"]
        return found

    def agents(self) -> list[dict[str, Any]]:
        """Your own."""
        return list(self.get("/agents"))

    def agent(self, name: str) -> dict[str, Any]:
        """Your agent of that name."""
        for one in self.agents():
            if one["name"].casefold() == name.casefold():
                return one
        raise ArenaError(f"You have no agent named {name}.")

    def push(self, settings: Mapping[str, Any]) -> tuple[int, str]:
        """Create the agent, or bring the one of that name to these settings.

        Returns its id and what was done, as a sentence.
        """
        known = {"name", "prompt", "sampling", "learning"}
        if unknown := sorted(settings.keys() - known):
            raise ArenaError(
                f"There is no setting named {unknown[0]}; there are {', '.join(sorted(known))}."
            )
        if not isinstance(name := settings.get("name"), str):
            raise ArenaError("Give the agent a name.")
        mine = [one for one in self.agents() if one["name"].casefold() == name.casefold()]
        if not mine:
            made = self._json("POST", "/agents", json=dict(settings))
            return int(made["id"]), f"{name} is ready."
        agent_id = int(mine[0]["agent_id"])
        wanted = {"prompt": settings.get("prompt", ""), "sampling": settings.get("sampling", {})}
        before = mine[0]["version_number"]
        now = self._json("POST", f"/agents/{agent_id}/versions", json=wanted)["version"]
        if "learning" in settings:
            body = {
                "is_training_enabled": mine[0]["is_training_enabled"],
                "settings": settings["learning"],
            }
            self._json("PUT", f"/agents/{agent_id}/learning", json=body)
        if now == before:
            return agent_id, f"{name} plays on with version {now}."
        return agent_id, f"Version {now} of {name} plays from the next match on."

    def enter(
        self, agent_id: int, space: str, *, fee_credits: int | None = None, key: str = ""
    ) -> dict[str, Any]:
        """The entry, whose fee is held. What is sent again with its key is not paid twice."""
        body = {"agent_id": agent_id, "space": space, "fee_credits": fee_credits}
        return dict(self._paid("/entries", body, key))

    def entry(self, entry_id: str) -> dict[str, Any]:
        return dict(self.get(f"/entries/{entry_id}"))

    def leave(self, entry_id: str) -> dict[str, Any]:
        """Leave the queue; the fee comes back."""
        return dict(self._json("POST", f"/entries/{entry_id}/leave"))

    def match(self, match_id: int) -> dict[str, Any]:
        return dict(self.get(f"/matches/{match_id}"))

    def events(self, match_id: int, *, after: int = 0) -> Iterator[dict[str, Any]]:
        """The match's events as they come, until it is over; a broken connection is taken up again."""
        failures = 0
        while True:
            try:
                for event in self._events_of_one_connection(match_id, after):
                    failures, after = 0, event["seq"]
                    yield event
                    if event["kind"] in LAST_EVENTS:
                        return
                if self.match(match_id)["finished_at"] is not None:
                    return
            except httpx.TransportError:
                failures += 1
                if failures == TRIES:
                    raise ArenaError("The connection to the match broke again and again.") from None
                time.sleep(PAUSE_SECONDS * 2**failures)

    def _events_of_one_connection(self, match_id: int, after: int) -> Iterator[dict[str, Any]]:
        timeout = httpx.Timeout(TIMEOUT_SECONDS, read=SILENCE_SECONDS)
        path = f"/matches/{match_id}/events"
        with self._http.stream("GET", path, params={"after": after}, timeout=timeout) as response:
            if response.status_code != 200:
                response.read()
                raise _refusal(response)
            for line in response.iter_lines():
                if line:
                    yield json.loads(line)

    def train(self, agent_id: int, space_id: int, *, key: str = "") -> dict[str, Any]:
        """The run, whose price is held. What is sent again with its key is not paid twice."""
        return dict(self._paid("/runs", {"agent_id": agent_id, "space_id": space_id}, key))

    def run(self, run_id: int) -> dict[str, Any]:
        return dict(self.get(f"/runs/{run_id}"))

    def wallet(self) -> dict[str, int]:
        return dict(self.get("/wallet"))

    def download(
        self, path: str, to: Path, *, tell: Callable[[int, int], None] = lambda done, size: None
    ) -> int:
        """Write what is there to a file, and return its size in bytes.

        The file appears once it is whole. `tell` hears how many bytes of how many are there.
        """
        part = to.with_name(f"{to.name}.part")
        try:
            with self._http.stream("GET", path) as response:
                if response.status_code != 200:
                    response.read()
                    raise _refusal(response)
                size, done = int(response.headers.get("Content-Length", 0)), 0
                with part.open("wb") as file:
                    for piece in response.iter_bytes():
                        file.write(piece)
                        done += len(piece)
                        tell(done, size)
        except httpx.TransportError:
            part.unlink(missing_ok=True)
            raise ArenaError("The download broke off; nothing was written.") from None
        except OSError as error:
            raise ArenaError(f"{part} cannot be written: {error.strerror}.") from None
        part.replace(to)
        return done

    def _paid(self, path: str, body: Mapping[str, Any], key: str) -> Any:
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        return self._json("POST", path, json=body, headers=headers)

    def _json(self, method: str, path: str, **options: Any) -> Any:
        response = self._answer(method, path, **options)
        if response.status_code == 204:
            return None
        if not response.is_success:
            raise _refusal(response)
        try:
            return response.json()
        except ValueError:
            raise ArenaError(f"{self.url} does not answer like an arena.") from None

    def _answer(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Tried again while the arena is busy, or if sending it twice does no harm."""
        is_repeatable = method != "POST" or "Idempotency-Key" in options.get("headers", {})
        for place in range(1, TRIES + 1):
            pause = PAUSE_SECONDS * 2 ** (place - 1)
            try:
                response = self._http.request(method, path, **options)
            except httpx.TransportError as error:
                if place == TRIES or not is_repeatable:
                    raise ArenaError(
                        f"{self.url} cannot be reached ({type(error).__name__})."
                    ) from None
            except httpx.InvalidURL:
                raise ArenaError(f"{self.url} is not an address.") from None
            else:
                if response.status_code not in (429, 503) or place == TRIES:
                    return response
                asked = response.headers.get("Retry-After", "")
                pause = float(asked) if asked.isdecimal() else pause
            time.sleep(min(pause, LONGEST_PAUSE_SECONDS))
        raise AssertionError("the last try returns or raises")


def _refusal(response: httpx.Response) -> ArenaError:
    try:
        told = response.json()
        sentence = " ".join(
            [
                told["detail"],
                *(f"{one['field']}: {one['message']}" for one in told.get("errors", [])),
            ]
        )
    except (ValueError, KeyError, TypeError):
        sentence = f"{response.url.host} answered {response.status_code}, not like an arena."
    return ArenaError(sentence, status=response.status_code)
