"""A file or folder is there whole or not at all, whatever happens while it is written."""

import os
import threading
from pathlib import Path

import pytest

from agents.files import publish_folder, write_atomically, write_once


def fail(*_: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What reached the disk, in order, by name; a partial file's is that of its place."""
    names: list[str] = []
    fsync = os.fsync

    def note(handle: int) -> None:
        names.append(Path(f"/proc/self/fd/{handle}").resolve().name)
        fsync(handle)

    monkeypatch.setattr(os, "fsync", note)
    return names


@pytest.mark.parametrize("content", ["änders", b"\x00\xff"])
def test_a_file_is_replaced_and_nothing_is_left_beside_it(
    tmp_path: Path, content: str | bytes
) -> None:
    path = tmp_path / "file"
    path.write_text("before")
    write_atomically(path, content)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_text("before")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, "after")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_the_content_is_on_the_disk_before_the_name_and_then_the_name_is(
    tmp_path: Path, synced: list[str]
) -> None:
    write_atomically(tmp_path / "file", "content")
    assert [name.startswith(".file.") for name in synced] == [True, False]
    assert synced[1] == tmp_path.name


def test_a_file_that_is_written_once_keeps_the_first_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_once(path, "first")
    write_once(path, "second")
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_many_writers_at_once_agree_on_one_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    writers = [
        threading.Thread(target=write_once, args=[path, f"{number}" * 1000]) for number in range(8)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=30)
    assert len(path.read_text()) == 1000
    assert len(set(path.read_text())) == 1
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("write", [write_atomically, write_once])
def test_a_secret_is_never_readable_by_others(tmp_path: Path, write: object) -> None:
    assert callable(write)
    write(tmp_path / "secret", "word", mode=0o600)
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_a_folder_gets_its_name_when_its_files_are_on_the_disk(
    tmp_path: Path, synced: list[str]
) -> None:
    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()
    (unfinished / "weights").write_text("w")
    publish_folder(unfinished, tmp_path / "whole")
    assert [path.name for path in tmp_path.rglob("*")] == ["whole", "weights"]
    assert synced == ["weights", "unfinished", tmp_path.name]


def test_a_folder_never_replaces_one_with_content(tmp_path: Path) -> None:
    for name in ("unfinished", "whole"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "content").write_text(name)
    with pytest.raises(OSError, match="not empty"):
        publish_folder(tmp_path / "unfinished", tmp_path / "whole")
    assert (tmp_path / "whole" / "content").read_text() == "whole"
