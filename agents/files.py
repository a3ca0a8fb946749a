"""Files and folders that appear completely or not at all, even after a power cut.

Until it is finished, content is kept next to its place under another name. Imports neither Django
nor torch, because workers and the processes that they start all use it.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4


def write_atomically(path: Path, content: str | bytes, *, mode: int = 0o666) -> None:
    """Replace the file: a reader sees the old content or all of the new. Raises OSError."""
    with _partial(path, content, mode) as partial:
        partial.replace(path)
    sync(path.parent)


def write_once(path: Path, content: str | bytes, *, mode: int = 0o666) -> None:
    """Write the file unless it exists; of several writers, the first one wins. Raises OSError."""
    with _partial(path, content, mode) as partial, contextlib.suppress(FileExistsError):
        os.link(partial, path)
    sync(path.parent)


def publish_folder(unfinished: Path, target: Path) -> None:
    """Give a finished folder of plain files its final name, on the same disk.

    Raises OSError, also if something with content already has the name.
    """
    for path in (*unfinished.iterdir(), unfinished):
        sync(path)
    unfinished.rename(target)
    sync(target.parent)


def sync(path: Path) -> None:
    """Return once the file's or folder's content is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _partial(path: Path, content: str | bytes, mode: int) -> Iterator[Path]:
    partial = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with open(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        yield partial
    finally:
        partial.unlink(missing_ok=True)
