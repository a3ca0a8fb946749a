"""What was asked already, kept line by line, so that a stopped measurement goes on where it was."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from judges.bench.figures import PairOutcome

FORMAT = 1


class OtherPairs(Exception):
    """The file holds outcomes of other pairs or of another judge; the sentence says what to do."""


class Outcomes:
    """A file of outcomes; a line is written before the next pair is counted.

    Its first line says of which pairs it is. A last line that a kill cut short is dropped: its pair is
    asked about again.
    """

    def __init__(self, path: Path, *, pairs_digest: str) -> None:
        self._path, self._header = path, {"format": FORMAT, "pairs_sha256": pairs_digest}

    def __enter__(self) -> Self:
        """Open it, or begin it. Raises OtherPairs, OSError."""
        self._file = self._path.open("a+b")
        self._file.seek(0)
        whole = 0
        for number, line in enumerate(self._file):
            if not line.endswith(b"\n"):
                break
            if number == 0 and _value(line) != self._header:
                self._file.close()
                raise OtherPairs(
                    f"{self._path} holds outcomes of another file of pairs. Choose another --json, or "
                    "delete that file to ask about every pair again."
                )
            whole += len(line)
        self._file.truncate(whole)
        if whole == 0:
            self._write(self._header)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def read(self, judge: str, *, digest: str) -> Iterator[PairOutcome]:
        """What this judge said before. Raises OtherPairs if it was configured otherwise then."""
        known = {each.name for each in fields(PairOutcome)}
        with self._path.open("rb") as file:
            next(file)
            for line in file:
                value = _value(line)
                if value.get("judge") != judge:
                    continue
                if value.get("judge_sha256") != digest:
                    raise OtherPairs(
                        f"{self._path} holds outcomes of {judge} with another configuration. Choose "
                        "another --json, or delete that file to ask about every pair again."
                    )
                kept = {name: said for name, said in value.items() if name in known}
                yield PairOutcome(**kept | {"reasons": tuple(kept["reasons"])})

    def add(self, judge: str, outcome: PairOutcome, *, digest: str) -> None:
        self._write({"judge": judge, "judge_sha256": digest, **asdict(outcome)})

    def _write(self, value: dict[str, Any]) -> None:
        self._file.write(json.dumps(value).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def _value(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
