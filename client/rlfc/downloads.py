"""Files from an arena: each appears once it is whole, and one with a digest is taken up where it broke.

The digest is known before, or the arena tells it with the file (`Repr-Digest`, RFC 9530).
"""

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import httpx

from rlfc.connection import TRIES, ArenaError, Connection

READ_BYTES = 1 << 20
_DIGEST = re.compile(r"\bsha-256=:([A-Za-z0-9+/]{43}=):")

Tell = Callable[[int, int], None]  # hears how many bytes of how many are there; of 0: nobody knows


def download(
    connection: Connection,
    path: str,
    to: Path,
    *,
    sha256: str = "",
    tell: Tell = lambda done, size: None,
) -> int:
    """Write what is there to a file, and return its size in bytes. Raises ArenaError.

    With a digest, what an earlier try has left in `to`.part is not fetched again.
    """
    if to.is_dir():
        raise ArenaError(f"{to} is a folder; name a file.")
    part = to.with_name(f"{to.name}.part")
    is_resumed = part.exists()
    try:
        whole = _Whole(sha256)
        for failures in range(1, TRIES + 1):
            try:
                _fetch(connection, path, part, whole, tell)
                break
            except httpx.TransportError:
                if not whole.sha256:
                    part.unlink(missing_ok=True)
                    raise ArenaError("The download broke off; nothing was written.") from None
                if failures == TRIES:
                    raise ArenaError(
                        f"The download broke off; what is there stays in {part}, and the next try goes on from there."
                    ) from None
                connection.pause(failures)
        if whole.sha256 and digest_of_file(part) != whole.sha256:
            part.unlink()
            if is_resumed:  # what was left may have been of another file
                return download(connection, path, to, sha256=sha256, tell=tell)
            raise ArenaError(f"{to.name} is not what its digest says; nothing was written.")
        part.replace(to)
        return to.stat().st_size
    except OSError as error:
        raise ArenaError(f"{to} cannot be written: {error.strerror}.") from None


@dataclass
class _Whole:
    """The digest that the whole file must have; empty while none is known."""

    sha256: str


def _fetch(connection: Connection, path: str, part: Path, whole: _Whole, tell: Tell) -> None:
    done = part.stat().st_size if part.exists() else 0
    # Compressed on its way, a file would not be as long as its manifest says.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
    try:
        with connection.stream(path, headers=headers) as response:
            whole.sha256 = whole.sha256 or _told_digest(response)
            is_rest = response.status_code == 206
            done = done if is_rest else 0
            size = done + int(response.headers.get("Content-Length", 0))
            part.parent.mkdir(parents=True, exist_ok=True)  # a refusal leaves no folder behind
            with part.open("ab" if is_rest else "wb") as file:
                tell(done, size)
                for piece in response.iter_bytes():
                    file.write(piece)
                    done += len(piece)
                    tell(done, size)
    except ArenaError as error:
        if error.status != 416:
            raise
        # Nothing is left to fetch, or the part is no part of it, which only the digest can tell.
        if not whole.sha256:
            part.unlink()
            _fetch(connection, path, part, whole, tell)


def _told_digest(response: httpx.Response) -> str:
    """The SHA-256 of the whole file as its answer tells it, in hexadecimal digits; empty if it does not."""
    told = _DIGEST.search(response.headers.get("Repr-Digest", ""))
    return base64.b64decode(told[1]).hex() if told else ""


def digest_of_file(file: Path) -> str:
    """SHA-256, in hexadecimal digits."""
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while piece := opened.read(READ_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def is_whole(file: Path, sha256: str) -> bool:
    return file.is_file() and digest_of_file(file) == sha256


def place_in(folder: Path, name: str) -> Path:
    """Where a file of that name belongs; a name that leads out of the folder raises ArenaError."""
    parts = PurePosixPath(name).parts
    # On Windows a backslash parts names, and a colon ends a drive or begins a stream of a file.
    if not parts or name.startswith("/") or ".." in parts or set(name) & set("\\:\0"):
        raise ArenaError(f"The arena names a file {name!r}, which leads out of the folder.")
    return folder.joinpath(*parts)
