"""A zip file that somebody sends is data: its paths, links, sizes and lists decide nothing."""

import contextlib
import io
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZipFile, ZipInfo

import pytest

from agents.adapters import archive
from agents.adapters.archive import SentFile, unpack
from agents.adapters.checks import CONFIG_FILE, WEIGHTS_FILE, BadAdapter

LIMIT = 1_000
BOTH = {CONFIG_FILE: b"{}", WEIGHTS_FILE: b"weights"}


def zip_of(fill: Callable[[ZipFile], object], *, compression: int = ZIP_DEFLATED) -> io.BytesIO:
    file = io.BytesIO()
    with ZipFile(file, "w", compression) as made:
        fill(made)
    return file


def both(made: ZipFile, folder: str = "") -> None:
    for name, content in BOTH.items():
        made.writestr(folder + name, content)


def unpacked(file: io.BytesIO, folder: Path, *, name: str = "mine.zip") -> dict[str, bytes]:
    target = folder / "into"
    target.mkdir()
    file.seek(0)
    unpack([SentFile(name, file)], target, max_weights_bytes=LIMIT)
    return {path.name: path.read_bytes() for path in target.iterdir()}


def test_of_an_archive_the_two_files_are_taken_wherever_they_are(tmp_path: Path) -> None:
    def fill(made: ZipFile) -> None:
        both(made, "run-3/checkpoint/")
        made.writestr("run-3/README.md", "Mine.")
        made.writestr("run-3/tokenizer.json", "{}")

    assert unpacked(zip_of(fill), tmp_path) == BOTH


def test_the_two_files_come_as_they_are_too(tmp_path: Path) -> None:
    sent = [SentFile(name, io.BytesIO(content)) for name, content in BOTH.items()]
    unpack(sent, tmp_path, max_weights_bytes=LIMIT)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == BOTH


def link(made: ZipFile) -> None:
    both(made)
    entry = ZipInfo("passwords")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    made.writestr(entry, "/etc/passwd")


def linked_weights(made: ZipFile) -> None:
    made.writestr(CONFIG_FILE, "{}")
    entry = ZipInfo(WEIGHTS_FILE)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    made.writestr(entry, "/etc/passwd")


def at(path: str) -> Callable[[ZipFile], object]:
    def fill(made: ZipFile) -> None:
        both(made)
        made.writestr(path, "x")

    return fill


def many(made: ZipFile) -> None:
    both(made)
    for number in range(archive.MAX_MEMBERS):
        made.writestr(str(number), "")


def twice(made: ZipFile) -> None:
    both(made, "one/")
    both(made, "two/")


@pytest.mark.parametrize(
    ("fill", "sentence"),
    [
        (at("../../outside"), "leads out of it"),
        (at("/etc/cron.d/mine"), "leads out of it"),
        (at("a/../../b"), "leads out of it"),
        (at("..\\outside"), "leads out of it"),
        (at("C:outside"), "leads out of it"),
        (at(f"../{WEIGHTS_FILE}.x"), "leads out of it"),
        (link, "is a link or a device"),
        (linked_weights, "is a link or a device"),
        (at("training_args.bin"), "may be a pickle"),
        (at("optimizer.PT"), "may be a pickle"),
        (many, "lists more files"),
        (twice, "twice; send one adapter"),
        (lambda made: made.writestr(CONFIG_FILE, "{}"), f"has no {WEIGHTS_FILE}"),
        (lambda made: made.writestr(WEIGHTS_FILE, "w"), f"has no {CONFIG_FILE}"),
        (lambda made: made.writestr("readme", ""), "The adapter has no"),
    ],
)
def test_what_an_adapter_would_not_hold_is_refused(
    fill: Callable[[ZipFile], object], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(BadAdapter, match=sentence):
        unpacked(zip_of(fill), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"into"}, "nothing is outside"


def test_a_bomb_is_refused_by_what_it_says_and_by_what_comes_out(tmp_path: Path) -> None:
    def fill(made: ZipFile) -> None:
        made.writestr(CONFIG_FILE, "{}")
        made.writestr(WEIGHTS_FILE, b"\0" * 50_000_000)

    file = zip_of(fill)
    assert len(file.getvalue()) < 60_000
    with pytest.raises(BadAdapter, match="larger than 1,000 bytes"):
        unpacked(file, tmp_path)
    liar = bytearray(file.getvalue())
    for place, before in ((22, b"PK\x03\x04"), (24, b"PK\x01\x02")):  # both say 7 bytes
        at = liar.rindex(before)
        struct.pack_into("<I", liar, at + place, 7)
    (tmp_path / "into").rmdir()
    with pytest.raises(BadAdapter, match=r"damaged|larger"):
        unpacked(io.BytesIO(bytes(liar)), tmp_path)
    assert (tmp_path / "into" / WEIGHTS_FILE).stat().st_size <= LIMIT


def test_a_list_of_files_that_would_fill_the_memory_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(made: ZipFile) -> None:
        for number in range(3000):
            made.writestr(str(number), "")

    file = zip_of(fill)

    def opened(*_: object) -> ZipFile:
        raise AssertionError("its list was read")

    monkeypatch.setattr(archive, "ZipFile", opened)
    with pytest.raises(BadAdapter, match="lists more files"):
        unpacked(file, tmp_path)


def test_an_unusual_compression_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadAdapter, match="compressed in an unusual way"):
        unpacked(zip_of(both, compression=ZIP_BZIP2), tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK", b"not a zip", b"PK\x05\x06" + b"\xff" * 18])
def test_what_is_no_zip_is_said_to_be_none(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(BadAdapter, match=r"damaged, or not one|lists more files"):
        unpacked(io.BytesIO(content), tmp_path)


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.95])
def test_a_zip_cut_in_the_middle_is_damaged(cut: float, tmp_path: Path) -> None:
    whole = zip_of(both).getvalue()
    with pytest.raises(BadAdapter, match="damaged, or not one"):
        unpacked(io.BytesIO(whole[: int(len(whole) * cut)]), tmp_path)


@pytest.mark.parametrize("place", range(0, 400, 7))
def test_no_flipped_byte_breaks_out_of_words(place: int, tmp_path: Path) -> None:
    whole = bytearray(zip_of(both).getvalue())
    whole[place % len(whole)] ^= 0xFF
    with contextlib.suppress(BadAdapter):
        unpacked(io.BytesIO(bytes(whole)), tmp_path)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["../../adapter_model.safetensors"], "is none of the files"),
        (["adapter_model.bin"], "may be a pickle"),
        (["weights.pt", CONFIG_FILE], "may be a pickle"),
        ([CONFIG_FILE, "model.safetensors"], "is none of the files"),
        ([CONFIG_FILE, CONFIG_FILE], "came twice"),
        ([CONFIG_FILE], f"has no {WEIGHTS_FILE}"),
        ([], "has no"),
        (["x" * 500], "is none of the files"),
        (["a.zip", "b.zip"], "is none of the files"),
    ],
)
def test_a_files_name_is_compared_and_never_a_path(
    names: list[str], sentence: str, tmp_path: Path
) -> None:
    target = tmp_path / "a" / "b"
    target.mkdir(parents=True)
    with pytest.raises(BadAdapter, match=sentence) as refused:
        unpack([SentFile(name, io.BytesIO(b"{}")) for name in names], target, max_weights_bytes=9)
    assert len(str(refused.value)) < 300
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.parent != target] == []


def test_what_is_written_here_is_read_here(tmp_path: Path) -> None:
    file = io.BytesIO()
    archive.write_archive(
        file, "mine", [archive.ArchivedFile(name, content) for name, content in BOTH.items()]
    )
    assert zipfile.is_zipfile(file)
    assert unpacked(file, tmp_path) == BOTH
