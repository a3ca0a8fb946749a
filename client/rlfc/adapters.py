"""Adapters of an arena: fetched as a folder that PEFT loads, and brought in."""

import io
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Any
from zipfile import BadZipFile, ZipFile

import httpx

from rlfc.connection import TIMEOUT_SECONDS, ArenaError, Connection
from rlfc.downloads import Tell, download, is_whole, place_in

CONFIG_FILE, WEIGHTS_FILE = "adapter_config.json", "adapter_model.safetensors"
CHECK_SECONDS = 300.0  # for which an arena may look at weights before it answers


def fetch(
    connection: Connection,
    path: str,
    to: Path,
    *,
    sha256: str,
    tell: Tell = lambda done, size: None,
) -> None:
    """Fetch an adapter into a folder, or to a file if its name ends in .zip. Raises ArenaError.

    A download that broke off goes on from there, also in the next try. `sha256`: of the weights.
    """
    is_folder = to.suffix != ".zip"
    archive = to / ".adapter.zip" if is_folder else to
    try:
        download(connection, path, archive, tell=tell)
        if is_folder:
            _unpack(archive, to)
            archive.unlink()
            if not is_whole(to / WEIGHTS_FILE, sha256):
                raise ArenaError(f"The weights in {to} are not those of the version.")
    except OSError as error:
        raise ArenaError(f"{to} cannot be written: {error.strerror}.") from None


def _unpack(archive: Path, folder: Path) -> None:
    """The files of the archive's one folder, each of which appears once it is whole."""
    try:
        with ZipFile(archive) as opened:
            for entry in opened.infolist():
                name = PurePosixPath(*PurePosixPath(entry.filename).parts[1:])
                to = place_in(folder, str(name))
                part = to.with_name(f"{to.name}.part")
                to.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(entry) as source, part.open("wb") as copy:
                    shutil.copyfileobj(source, copy)
                part.replace(to)
    except BadZipFile:
        raise ArenaError("The arena sends a damaged zip file.") from None


def bring(
    connection: Connection,
    agent_id: int,
    source: Path,
    *,
    space: str,
    key: str = "",
    tell: Tell = lambda done, size: None,
) -> dict[str, Any]:
    """Upload a folder with an adapter, or a zip file; the run, whose gate's price is held.

    The arena says what it refuses. Raises ArenaError.
    """
    names = _files_of(source)
    try:
        size = sum(file.stat().st_size for file in names)
        with ExitStack() as opened:
            heard = _Heard(size, tell)
            files = [
                ("files", (file.name, opened.enter_context(_Told(file, heard)))) for file in names
            ]
            return dict(
                connection.paid(
                    f"/agents/{agent_id}/adapters",
                    key,
                    files=files,
                    data={"space": space},
                    timeout=httpx.Timeout(TIMEOUT_SECONDS, read=CHECK_SECONDS),
                )
            )
    except OSError as error:
        raise ArenaError(f"{source} cannot be read: {error.strerror}.") from None


def _files_of(source: Path) -> Sequence[Path]:
    if not source.is_dir():
        return [source]
    lacking = [name for name in (CONFIG_FILE, WEIGHTS_FILE) if not (source / name).is_file()]
    if lacking:
        raise ArenaError(f"{source} has no {lacking[0]}, which PEFT saves with its adapters.")
    return [source / CONFIG_FILE, source / WEIGHTS_FILE]


class _Heard:
    """Adds up what is read of several files, of which one may be read again."""

    def __init__(self, size: int, tell: Tell) -> None:
        self._size, self._tell = size, tell
        self._places: dict[Path, int] = {}

    def at(self, file: Path, place: int) -> None:
        self._places[file] = place
        self._tell(sum(self._places.values()), self._size)


class _Told(io.FileIO):
    """A file that says how far it is read."""

    def __init__(self, file: Path, heard: _Heard) -> None:
        super().__init__(file)
        self._file, self._heard = file, heard

    def read(self, size: int | None = -1, /) -> bytes | Any:
        piece = super().read(-1 if size is None else size)
        self._heard.at(self._file, self.tell())
        return piece
