"""Datasets of an arena: ordered, awaited, and fetched until they are whole."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rlfc.connection import ArenaError, Connection
from rlfc.downloads import Tell, download, is_whole, place_in

POLL_SECONDS = 1.0
MANIFEST_FILE = "manifest.json"
AWAITED = ("waiting", "writing")


def order(
    connection: Connection,
    *,
    format: str,
    container: str,
    selection: Mapping[str, Any],
    key: str = "",
) -> dict[str, Any]:
    """The export, which is then written in the background."""
    body = {"format": format, "container": container, "selection": selection}
    return dict(connection.paid("/exports", key, json=body))


def awaited(
    connection: Connection,
    export_id: int,
    *,
    tell: Callable[[Mapping[str, Any]], None] = lambda line: None,
) -> dict[str, Any]:
    """The export once it is whole; `tell` hears how far it is. Raises ArenaError if it fails."""
    while True:
        found = dict(connection.json("GET", f"/exports/{export_id}"))
        line = found["export"]
        if line["state"] not in AWAITED:
            break
        tell(line)
        time.sleep(POLL_SECONDS)
    if line["state"] != "whole":
        raise ArenaError(f"Export {export_id} is {line['state']}. {line['reason']}".strip())
    return found


def fetch(
    connection: Connection,
    export: Mapping[str, Any],
    folder: Path,
    *,
    tell: Callable[[str], Tell] = lambda name: lambda done, size: None,
) -> Sequence[str]:
    """Fetch what the folder lacks of a whole export; return the names of its files.

    Each file is checked against its digest. `tell` is asked once for each file that is fetched.
    """
    if not export["files"]:
        raise ArenaError("This export has no files (any more): order it anew.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in export["files"]:
            to = place_in(folder, file["name"])
            to.parent.mkdir(parents=True, exist_ok=True)
            if not is_whole(to, file["sha256"]):
                heard = tell(file["name"])
                download(connection, file["url"], to, sha256=file["sha256"], tell=heard)
    except OSError as error:
        raise ArenaError(f"{folder} cannot be written: {error.strerror}.") from None
    return [file["name"] for file in export["files"]]


def lacking(folder: Path) -> list[str]:
    """Which files the manifest in the folder names that are not there, or not whole.

    Raises ArenaError.
    """
    try:
        manifest = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
        files = {one["name"]: one["sha256"] for one in manifest["files"]}
    except OSError as error:
        raise ArenaError(f"{folder / MANIFEST_FILE} cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError):
        raise ArenaError(f"{folder / MANIFEST_FILE} is not the manifest of an export.") from None
    return [name for name, sha256 in files.items() if not is_whole(place_in(folder, name), sha256)]
