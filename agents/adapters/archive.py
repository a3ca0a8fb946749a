"""Adapters as zip files: written as a folder that is ready to use, and unpacked without trusting them.

Of an archive that somebody sends, two files are read and written under names of our own. Their sizes are
counted as they come, so that what an archive says about itself decides nothing.
"""

import shutil
import stat
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from agents.adapters.checks import (
    CONFIG_FILE,
    MAX_CONFIG_BYTES,
    PICKLES,
    WEIGHTS_FILE,
    BadAdapter,
)

MAX_MEMBERS = 200
MAX_DIRECTORY_BYTES = 100_000  # the list of an archive's files, which is read whole
PIECE_BYTES = 256 * 1024

_MAX_COMMENT_BYTES = 65_535
_END, _END_BYTES, _END_OF_64 = b"PK\x05\x06", 22, b"PK\x06\x07"
_SHOWN_CHARS = 80  # of a file's name
_ENCRYPTED = 0x1


@dataclass(frozen=True)
class ArchivedFile:
    """A file of an archive; large content is a path, from which it is copied."""

    name: str
    content: bytes | Path


@dataclass(frozen=True)
class SentFile:
    """A file as somebody sent it; its name is only compared, never used as a path."""

    name: str
    file: IO[bytes]

    @property
    def shown(self) -> str:
        return shown(self.name)


def shown(name: str) -> str:
    """A name that somebody chose, for a sentence."""
    plain = "".join(char if char.isprintable() else "?" for char in name)
    return plain if len(plain) <= _SHOWN_CHARS else f"{plain[:_SHOWN_CHARS]}\u2026"


def write_archive(target: IO[bytes], folder: str, members: Iterable[ArchivedFile]) -> None:
    """Write a zip with one folder. The same members give the same bytes. Raises OSError."""
    with ZipFile(target, "w", ZIP_STORED) as archive:  # weights don't get smaller
        for member in members:
            entry = ZipInfo(f"{folder}/{member.name}")
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            if isinstance(member.content, bytes):
                archive.writestr(entry, member.content)
            else:
                entry.file_size = member.content.stat().st_size
                with member.content.open("rb") as source, archive.open(entry, "w") as copy:
                    shutil.copyfileobj(source, copy, PIECE_BYTES)


def unpack(sent: Sequence[SentFile], folder: Path, *, max_weights_bytes: int) -> None:
    """Write the adapter's two files into the folder, from themselves or from one zip with them.

    Raises BadAdapter with a sentence, or OSError if they cannot be written.
    """
    limits = {WEIGHTS_FILE: max_weights_bytes, CONFIG_FILE: MAX_CONFIG_BYTES}
    for one in sent:
        refuse_pickle(one.name)
    if len(sent) == 1 and sent[0].name.lower().endswith(".zip"):
        _unzip(sent[0].file, folder, limits)
        return
    for one in sent:
        if one.name not in limits:
            raise BadAdapter(
                f"{one.shown} is none of the files of an adapter. Send {CONFIG_FILE} and {WEIGHTS_FILE}, "
                "or one zip file with both."
            )
        if (folder / one.name).exists():
            raise BadAdapter(f"{one.name} came twice.")
        _copy(one.file, folder / one.name, max_bytes=limits[one.name])
    _refuse_incomplete(folder)


def refuse_pickle(name: str) -> None:
    """Raise BadAdapter if the name is that of a pickle."""
    if PurePosixPath(name.lower()).suffix in PICKLES:
        raise BadAdapter(
            f"{shown(name)} may be a pickle, which can run code when it is read; adapters must be "
            "safetensors."
        )


def _unzip(file: IO[bytes], folder: Path, limits: dict[str, int]) -> None:
    _check_directory(file)
    try:
        with ZipFile(file) as archive:
            for entry in _wanted(archive, limits):
                with archive.open(entry) as source:
                    name = PurePosixPath(entry.filename).name
                    _copy(source, folder / name, max_bytes=limits[name])
    except (BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError):
        raise BadAdapter("The zip file is damaged, or not one.") from None
    _refuse_incomplete(folder)


def _check_directory(file: IO[bytes]) -> None:
    """Refuse an archive whose list of files would fill the memory: it is read whole."""
    size = file.seek(0, 2)
    start = file.seek(max(0, size - _MAX_COMMENT_BYTES - _END_BYTES - len(_END_OF_64) - 16))
    tail = file.read(size - start)
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < _END_BYTES:
        raise BadAdapter("The zip file is damaged, or not one.")
    directory_bytes = int.from_bytes(tail[at + 12 : at + 16], "little")
    if directory_bytes > MAX_DIRECTORY_BYTES or _END_OF_64 in tail[max(0, at - 20) : at]:
        raise BadAdapter("The zip file lists more files than an adapter has.")
    file.seek(0)


def _wanted(archive: ZipFile, limits: dict[str, int]) -> list[ZipInfo]:
    """The entries to unpack, once no other entry is suspicious."""
    entries = archive.infolist()
    if len(entries) > MAX_MEMBERS:
        raise BadAdapter("The zip file lists more files than an adapter has.")
    found: dict[str, ZipInfo] = {}
    for entry in entries:
        _check_entry(entry)
        name = PurePosixPath(entry.filename).name
        if entry.is_dir() or name not in limits:
            continue
        if name in found:
            raise BadAdapter(f"The zip file holds {name} twice; send one adapter at a time.")
        if entry.file_size > limits[name]:
            raise _too_large(name, limits[name])
        found[name] = entry
    return list(found.values())


def _check_entry(entry: ZipInfo) -> None:
    path = PurePosixPath(entry.filename)
    # As it stands in the file: zipfile cuts names at NUL and turns backslashes on some systems.
    raw = entry.orig_filename
    if path.is_absolute() or ".." in path.parts or "\\" in raw or ":" in raw or "\x00" in raw:
        raise BadAdapter(f"The zip file holds a path that leads out of it: {shown(raw)}.")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise BadAdapter(
            f"{shown(raw)} is a link or a device; a zip file may hold plain files only."
        )
    if entry.flag_bits & _ENCRYPTED:
        raise BadAdapter("The zip file is encrypted.")
    if entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise BadAdapter(
            "The zip file is compressed in an unusual way; use the usual one, deflate."
        )
    refuse_pickle(entry.filename)


def _copy(source: IO[bytes], target: Path, *, max_bytes: int) -> None:
    written = 0
    with target.open("xb") as copy:
        while piece := source.read(PIECE_BYTES):
            written += len(piece)
            if written > max_bytes:
                raise _too_large(target.name, max_bytes)
            copy.write(piece)


def _too_large(name: str, max_bytes: int) -> BadAdapter:
    return BadAdapter(
        f"{name} is larger than {max_bytes:,} bytes, more than an adapter of this base model can be."
    )


def _refuse_incomplete(folder: Path) -> None:
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if not (folder / name).exists():
            raise BadAdapter(f"The adapter has no {name}.")
