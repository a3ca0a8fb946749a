"""The API of an arena as Python functions: plain values in, plain values out."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from rlfc import adapters, exports
from rlfc.agent_file import AgentFile, Plan, changes_between, merged
from rlfc.connection import TIMEOUT_SECONDS, ArenaError, Connection
from rlfc.downloads import Tell, download
from rlfc.settings import read_login

SILENCE_SECONDS = 60.0  # of a followed match, which says at least every ten that it lives
FOLLOW_TRIES = 8  # of a connection in a row that bring no event: the arena may start anew meanwhile
LAST_EVENTS = ("match_settled", "match_cancelled")


class Arena:
    """One arena, seen with one token or without. Every method raises ArenaError.

    What costs credits takes a `key`, a version 4 UUID: what is sent again with it is not paid again.
    """

    def __init__(self, url: str, token: str = "") -> None:
        self.connection = Connection(url, token)
        self.url = self.connection.url

    @classmethod
    def of_login(cls) -> Self:
        """The arena that RLFC_URL and RLFC_TOKEN name, or else the one of `rlfc login`."""
        return cls(*read_login())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.connection.close()

    def get(self, path: str, **query: Any) -> Any:
        """Whatever is there."""
        return self.connection.json("GET", path, params=query)

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Do it, and return what the arena says."""
        return self.connection.json("POST", path, json=body)

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
        found: dict[str, Any] = self.get(f"/spaces/{quote(slug, safe='')}")["space"]
        return found

    def leaderboard(self, slug: str | None = None, *, limit: int = 20) -> list[dict[str, Any]]:
        """Of a Space; without one, over all."""
        path = f"/spaces/{quote(slug, safe='')}/leaderboard" if slug else "/leaderboard"
        return list(self.get(path, limit=limit))

    def agents(self) -> list[dict[str, Any]]:
        """Your own."""
        return list(self.get("/agents"))

    def agent(self, name: str) -> dict[str, Any]:
        """Your agent of that name."""
        for one in self.agents():
            if one["name"].casefold() == name.casefold():
                return one
        raise ArenaError(f"You have no agent named {name}.")

    def versions(self, agent_id: int) -> Iterator[dict[str, Any]]:
        """Newest first."""
        return self.pieces(f"/agents/{agent_id}/versions")

    def version(self, agent_id: int, number: int | None = None) -> dict[str, Any]:
        """The version with that number; without one, the version that plays."""
        for one in self.versions(agent_id):
            if one["number"] == number or (number is None and one["is_current"]):
                return one
        raise ArenaError(f"There is no version {number}.")

    def use(self, agent_id: int, number: int) -> None:
        """Play with that version from the next match on."""
        version_id = self.version(agent_id, number)["version_id"]
        self.post(f"/agents/{agent_id}/versions/{version_id}/use")

    def agent_file(self, agent: Mapping[str, Any]) -> AgentFile:
        """One of your agents, as `agent` finds it, in the words of a file."""
        learning = self.get(f"/agents/{agent['agent_id']}/learning")
        version = self.version(agent["agent_id"])
        return AgentFile(
            name=agent["name"],
            prompt=version["prompt"],
            sampling=version["sampling"],
            is_training_enabled=learning["is_training_enabled"],
            learning=learning["settings"],
        )

    def plan(self, wanted: AgentFile) -> Plan:
        """What must be done so that the agent of that name is what is wanted."""
        mine = [one for one in self.agents() if one["name"].casefold() == wanted.name.casefold()]
        if not mine:
            return Plan(agent=None, wanted=wanted, changes=())
        before = self.agent_file(mine[0])
        after = merged(before, wanted)
        return Plan(agent=mine[0], wanted=after, changes=changes_between(before, after))

    def push(self, plan: Plan) -> tuple[int, str]:
        """Create the agent or change it; its id, and what was done, as a sentence."""
        wanted = plan.wanted
        if plan.agent is None:
            return self._create(wanted), f"{wanted.name} is ready."
        agent_id, number = int(plan.agent["agent_id"]), int(plan.agent["version_number"])
        if any(change.is_of_learning for change in plan.changes):
            self._put_learning(agent_id, wanted)
        if all(change.is_of_learning for change in plan.changes):
            return agent_id, f"{wanted.name} plays on with version {number}."
        new = {"prompt": wanted.prompt, "sampling": wanted.sampling}
        number = self.post(f"/agents/{agent_id}/versions", new)["version"]
        return agent_id, f"Version {number} of {wanted.name} plays from the next match on."

    def _create(self, wanted: AgentFile) -> int:
        given = {
            "name": wanted.name,
            "prompt": wanted.prompt,
            "sampling": wanted.sampling,
            "learning": wanted.learning,
        }
        body = {key: value for key, value in given.items() if value is not None}
        agent_id = int(self.post("/agents", body)["id"])
        if wanted.is_training_enabled is not None:
            self._put_learning(agent_id, wanted)
        return agent_id

    def _put_learning(self, agent_id: int, wanted: AgentFile) -> None:
        body = {
            "settings": wanted.learning or {},
            "is_training_enabled": wanted.is_training_enabled,
        }
        self.connection.json("PUT", f"/agents/{agent_id}/learning", json=body)

    def enter(
        self, agent_id: int, space: str, *, fee_credits: int | None = None, key: str = ""
    ) -> dict[str, Any]:
        """The entry, whose fee is held."""
        body = {"agent_id": agent_id, "space": space, "fee_credits": fee_credits}
        return dict(self.connection.paid("/entries", key, json=body))

    def practise(self, agent_id: int, space: str, *, key: str = "") -> dict[str, Any]:
        """A free match against the house from which nothing follows, and how many more today."""
        path, body = f"/spaces/{quote(space, safe='')}/practice", {"agent_id": agent_id}
        return dict(self.connection.paid(path, key, json=body))

    def entry(self, entry_id: str) -> dict[str, Any]:
        return dict(self.get(f"/entries/{entry_id}"))

    def leave(self, entry_id: str) -> dict[str, Any]:
        """Leave the queue; the fee comes back."""
        return dict(self.post(f"/entries/{entry_id}/leave"))

    def match(self, match_id: int) -> dict[str, Any]:
        return dict(self.get(f"/matches/{match_id}"))

    def round(self, match_id: int, number: int) -> dict[str, Any]:
        return dict(self.get(f"/matches/{match_id}/rounds/{number}"))

    def events(self, match_id: int, *, after: int = 0) -> Iterator[dict[str, Any]]:
        """The match's events as they come, until it is over; a broken connection is taken up again."""
        failures, reason = 0, ""
        while True:
            try:
                for event in self._events_of_one_connection(match_id, after):
                    failures, after = 0, event["seq"]
                    yield event
                    if event["kind"] in LAST_EVENTS:
                        return
                match = self.match(match_id)
                if match["finished_at"] is not None and match["seq"] <= after:
                    return
            except httpx.TransportError:
                reason = ""
            except ArenaError as error:
                if not error.leaves_open:
                    raise
                reason = str(error)
            failures += 1
            if failures == FOLLOW_TRIES:
                sentence = "The connection to the match broke again and again."
                raise ArenaError(f"{sentence} {reason}".strip())
            self.connection.pause(failures)

    def _events_of_one_connection(self, match_id: int, after: int) -> Iterator[dict[str, Any]]:
        timeout = httpx.Timeout(TIMEOUT_SECONDS, read=SILENCE_SECONDS)
        path, query = f"/matches/{match_id}/events", {"after": after}
        with self.connection.stream(path, params=query, timeout=timeout) as response:
            for line in response.iter_lines():
                if line:
                    yield json.loads(line)

    def train(self, agent_id: int, space_id: int, *, key: str = "") -> dict[str, Any]:
        """The run, whose price is held."""
        body = {"agent_id": agent_id, "space_id": space_id}
        return dict(self.connection.paid("/runs", key, json=body))

    def run(self, run_id: int) -> dict[str, Any]:
        return dict(self.get(f"/runs/{run_id}"))

    def wallet(self) -> dict[str, int]:
        return dict(self.get("/wallet"))

    def top_up(self, amount_credits: int, *, key: str = "") -> dict[str, int]:
        """Sandbox credits, where the arena gives them; the balance after it."""
        body = {"amount_credits": amount_credits}
        return dict(self.connection.paid("/wallet/top-ups", key, json=body))

    def download(
        self,
        path: str,
        to: Path,
        *,
        sha256: str = "",
        tell: Tell = lambda done, size: None,
    ) -> int:
        """Write what is there to a file, and return its size in bytes.

        The file appears once it is whole. With its digest, a download that broke off goes on from
        there. `tell` hears how many bytes of how many are there.
        """
        return download(self.connection, path, to, sha256=sha256, tell=tell)

    def save_export(
        self,
        folder: Path | str,
        *,
        format: str = "preference",
        container: str = "parquet",
        key: str = "",
        **selection: Any,
    ) -> Path:
        """Order a dataset, wait until it is written, and fetch it; the folder.

        `selection` are its filters, such as `spaces=["poems"]`; what the folder has of it already is
        not fetched again.
        """
        ordered = exports.order(
            self.connection, format=format, container=container, selection=selection, key=key
        )
        whole = exports.awaited(self.connection, ordered["export"]["export_id"])
        exports.fetch(self.connection, whole, Path(folder))
        return Path(folder)

    def save_adapter(
        self,
        agent_id: int,
        folder: Path | str,
        *,
        number: int | None = None,
        tell: Tell = lambda done, size: None,
    ) -> Path:
        """Fetch the adapter of the version with that number, or of the one that plays; the folder.

        `PeftModel.from_pretrained` loads it. The weights are what the version's digest says.
        """
        version = self.version(agent_id, number)
        path, to = f"/agents/{agent_id}/versions/{version['version_id']}/adapter", Path(folder)
        adapters.fetch(self.connection, path, to, sha256=version["adapter_digest"], tell=tell)
        return to

    def upload_adapter(
        self,
        agent_id: int,
        source: Path | str,
        *,
        space: str,
        key: str = "",
        tell: Tell = lambda done, size: None,
    ) -> dict[str, Any]:
        """Bring in a folder as PEFT saves it, or a zip file, as a new version; its run.

        The gate of the Space judges it, and its price is held.
        """
        return adapters.bring(
            self.connection, agent_id, Path(source), space=space, key=key, tell=tell
        )
