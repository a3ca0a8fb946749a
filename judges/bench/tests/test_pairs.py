import json
from pathlib import Path
from typing import Any

import pytest

from judges.bench.pairs import (
    MAX_LINE_BYTES,
    MAX_TEXT_CHARACTERS,
    MAX_TOLD,
    BadLine,
    LabelledPair,
    read_lines,
    survey,
)


def line(**changes: Any) -> bytes:
    value = {"id": "1", "prompt": "Cats?", "chosen": "They purr.", "rejected": "No."} | changes
    return json.dumps({name: given for name, given in value.items() if given is not ...}).encode()


def read(tmp_path: Path, *lines: bytes) -> list[LabelledPair | BadLine]:
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    return list(read_lines(path))


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (b"prompt,chosen", "it is not JSON (Expecting value at character 1)"),
        (b'{"id": "1", "prompt"', "it is not JSON (Expecting ':' delimiter at character 21)"),
        (b"[" * 100_000, "it is not JSON that can be read"),
        (b'{"id": NaN}', "it is not JSON that can be read"),
        (b'{"id": 1' + b"0" * 5000 + b"}", "it is not JSON that can be read"),
        (b"\xff\xfe{}", "it is not UTF-8"),
        (
            b"[1, 2]",
            "it is a list, where an object with id, prompt, chosen and rejected belongs",
        ),
        (line(chosen=...), "it has no chosen"),
        (line(id=..., prompt=..., rejected=...), "it has no id, prompt and rejected"),
        (line(id=None), "its id is null, where a text or a whole number belongs"),
        (line(id=True), "its id is true or false, where a text or a whole number belongs"),
        (line(id=1.5), "its id is a number, where a text or a whole number belongs"),
        (line(id=" "), "its id is empty"),
        (line(id="x" * 201), "its id has 201 characters; at most 200 fit"),
        (line(prompt=3), "its prompt is a number, where a text belongs"),
        (
            line(chosen=[{"role": "user", "content": "Cats?"}]),
            "its chosen is a list, where a text belongs: give the text of the last message",
        ),
        (line(prompt=""), "its prompt is empty"),
        (line(rejected=" \n"), "its rejected is empty"),
        (
            line(chosen="x" * (MAX_TEXT_CHARACTERS + 1)),
            "its chosen has 200,001 characters; at most 200,000 fit",
        ),
        (line(chosen="\ud800"), "its chosen holds half a character (a lone surrogate)"),
        (line(rejected="They purr.\n"), "chosen and rejected are the same answer"),
        (b"x" * (MAX_LINE_BYTES + 10), "it is longer than 8,000,000 bytes"),
    ],
)
def test_a_bad_line_is_named_with_its_number_and_what_is_wrong(
    tmp_path: Path, bad: bytes, problem: str
) -> None:
    found = read(tmp_path, line(), bad, line(id="3"))
    assert [str(one) for one in found if isinstance(one, BadLine)] == [f"Line 2: {problem}."]
    assert [one.id for one in found if isinstance(one, LabelledPair)] == ["1", "3"]


def test_an_id_that_was_used_before_is_told_with_its_first_line(tmp_path: Path) -> None:
    *_, last = read(tmp_path, line(), line(id=2), b"", line(id="2"))
    assert str(last) == "Line 4: the id '2' was used on line 2 before."


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    text = "one\u2028two\u2029three\x85four\x0cfive"
    value = {"id": "1", "prompt": text, "chosen": text, "rejected": "No."}
    (pair,) = read(tmp_path, json.dumps(value, ensure_ascii=False).encode())
    assert isinstance(pair, LabelledPair)
    assert pair.chosen == text


def test_files_of_other_systems_are_read(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + line() + b"\r\n\r\n" + line(id="2") + b"\r\n" + line(id="3"))
    assert [one.id for one in read_lines(path) if isinstance(one, LabelledPair)] == ["1", "2", "3"]


def test_a_survey_tells_of_the_first_bad_lines_and_counts_all(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(line() + b"\n" + b"{}\n" * 1_000)
    found = survey(path)
    assert (found.pairs, found.bad, len(found.told)) == (1, 1_000, MAX_TOLD)
