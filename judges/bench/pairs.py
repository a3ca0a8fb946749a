"""Labelled pairs from a file: a JSON object on each line with prompt, chosen, rejected and id."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

FIELDS = ("id", "prompt", "chosen", "rejected")
MAX_LINE_BYTES = 8_000_000
MAX_TEXT_CHARACTERS = 200_000  # of a prompt or an answer; judges show their models less
MAX_ID_CHARACTERS = 200
MAX_TOLD = 20  # bad lines that a survey tells of one by one
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # which some editors put before the first line


@dataclass(frozen=True)
class LabelledPair:
    """Two answers to a prompt, and which of them people found better."""

    id: str
    prompt: str
    chosen: str
    rejected: str


@dataclass(frozen=True)
class BadLine:
    """A line that is no labelled pair, and what is wrong with it."""

    number: int  # from 1
    problem: str  # a sentence without its full stop

    def __str__(self) -> str:
        return f"Line {self.number:,}: {self.problem}."


@dataclass(frozen=True)
class Survey:
    """What a file holds."""

    pairs: int
    bad: int
    told: tuple[BadLine, ...]  # the first bad lines
    digest: str  # SHA-256 of the whole file


def survey(path: Path) -> Survey:
    """Read the whole file, keeping none of its texts. Raises OSError."""
    pairs, bad = 0, 0
    told: list[BadLine] = []
    for found in read_lines(path):
        if isinstance(found, LabelledPair):
            pairs += 1
            continue
        bad += 1
        if len(told) < MAX_TOLD:
            told.append(found)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Survey(pairs, bad, tuple(told), digest)


def read_lines(path: Path) -> Iterator[LabelledPair | BadLine]:
    """The file's pairs in their order, one in memory at a time; blank lines are passed over."""
    first_lines: dict[str, int] = {}  # id -> line
    with path.open("rb") as file:
        for number, line in enumerate(_lines(file), start=1):
            if number == 1:
                line = line.removeprefix(_BYTE_ORDER_MARK)
            if not line.strip():
                continue
            try:
                pair = _pair(line)
            except ValueError as problem:
                yield BadLine(number, str(problem))
                continue
            if pair.id in first_lines:
                yield BadLine(
                    number, f"the id {pair.id!r} was used on line {first_lines[pair.id]:,} before"
                )
                continue
            first_lines[pair.id] = number
            yield pair


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Lines as JSONL has them: only a line feed ends one. Of an endless one, what shows its length."""
    while line := file.readline(MAX_LINE_BYTES + 1):
        rest = line
        while not rest.endswith(b"\n") and len(rest) > MAX_LINE_BYTES:
            rest = file.readline(MAX_LINE_BYTES + 1)
        yield line


def _pair(line: bytes) -> LabelledPair:
    """Raises ValueError with a sentence."""
    if len(line) > MAX_LINE_BYTES:
        raise ValueError(f"it is longer than {MAX_LINE_BYTES:,} bytes")
    try:
        text = line.rstrip().decode()
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON ({error.msg} at character {error.pos + 1:,})") from None
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON that can be read") from None
    if not isinstance(value, dict):
        raise ValueError(f"it is {_named(value)}, where an object with {_listed(FIELDS)} belongs")
    if missing := [name for name in FIELDS if name not in value]:
        raise ValueError(f"it has no {_listed(missing)}")
    pair = LabelledPair(_identifier(value["id"]), *(_text(value, name) for name in FIELDS[1:]))
    if pair.chosen.strip() == pair.rejected.strip():
        raise ValueError("chosen and rejected are the same answer")
    return pair


def _identifier(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"its id is {_named(value)}, where a text or a whole number belongs")
    found = str(value)
    if not found.strip():
        raise ValueError("its id is empty")
    if len(found) > MAX_ID_CHARACTERS:
        raise ValueError(f"its id has {len(found):,} characters; at most {MAX_ID_CHARACTERS} fit")
    return found


def _text(value: Mapping[str, Any], name: str) -> str:
    text = value[name]
    if not isinstance(text, str):
        hint = ": give the text of the last message" if isinstance(text, list) else ""
        raise ValueError(f"its {name} is {_named(text)}, where a text belongs{hint}")
    if not text.strip():
        raise ValueError(f"its {name} is empty")
    if len(text) > MAX_TEXT_CHARACTERS:
        raise ValueError(
            f"its {name} has {len(text):,} characters; at most {MAX_TEXT_CHARACTERS:,} fit"
        )
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError(f"its {name} holds half a character (a lone surrogate)")
    return text


def _named(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case _:
            return "an object"


def _listed(names: tuple[str, ...] | list[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"it holds {name}, which is not JSON")
