"""Files and folders that are there whole or not at all, also after a power cut.

What is not finished stands under another name beside its place. Imports neither Django nor torch:
workers and the processes that they start all write by it.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4


def write_atomically(path: Path, content: str | bytes, *, mode: int = 0o666) -> None:
    """Replace the file: a reader sees the old content or the whole new one. Raises OSError."""
    with _partial(path, content, mode) as partial:
        partial.replace(path)
    sync(path.parent)


def write_once(path: Path, content: str | bytes, *, mode: int = 0o666) -> None:
    """Write the file unless it is there: of several writers the first one counts. Raises OSError."""
    with _partial(path, content, mode) as partial, contextlib.suppress(FileExistsError):
        os.link(partial, path)
    sync(path.parent)


def publish_folder(unfinished: Path, target: Path) -> None:
    """Give a finished folder of plain files its name; both stand on one disk.

    Raises OSError, also where something with content has the name already.
    """
    for path in (*unfinished.iterdir(), unfinished):
        sync(path)
    unfinished.rename(target)
    sync(target.parent)


def sync(path: Path) -> None:
    """Return when the file's or folder's content is on the disk."""
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
