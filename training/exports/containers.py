"""The files of an export: JSON Lines or Parquet, each there completely or not at all.

Parquet is made from the same lines, so that both hold the same rows.
"""

import hashlib
import io
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Protocol, Self
from uuid import uuid4

import pyarrow as pa
import pyarrow.json
import pyarrow.parquet

from agents.files import sync
from training.exports.formats.columns import Column, ColumnType, ListOf, Scalar, Struct

ROW_GROUP_BYTES = 16 * 2**20  # of JSON


class Container(StrEnum):
    """In what the rows are kept."""

    JSONL = "jsonl"
    PARQUET = "parquet"


@dataclass(frozen=True)
class File:
    """A whole file of an export; its name is its path in the export's folder."""

    name: str
    rows: int
    size_bytes: int
    sha256: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Sink(Protocol):
    """Takes rows into one file."""

    def write(self, lines: Sequence[str]) -> None: ...

    def close(self) -> None: ...


class FileWriter:
    """Writes a file under another name and gives it its own once it is whole and on the disk.

    A context: what ends in an exception leaves nothing behind. Raises OSError.
    """

    def __init__(self, path: Path, *, container: Container, columns: Sequence[Column]) -> None:
        self._path = path
        self._unfinished = path.with_name(f".{path.name}.{uuid4().hex}")
        self._output = _Hashed(self._unfinished.open("xb"))
        self._sink: Sink = _Lines(self._output)
        if container is Container.PARQUET:
            self._sink = _Parquet(self._output, schema_of(columns))
        self.rows = 0

    @property
    def size_bytes(self) -> int:
        """So far; of Parquet without the rows that wait for their group."""
        return self._output.size_bytes

    def write(self, lines: Sequence[str]) -> None:
        self._sink.write(lines)
        self.rows += len(lines)

    def finish(self, name: str) -> File:
        """The whole file, which has its name from now on."""
        self._sink.close()
        self._output.flush()
        os.fsync(self._output.fileno())
        self._output.close()
        self._unfinished.replace(self._path)
        sync(self._path.parent)
        return File(name, self.rows, self._output.size_bytes, self._output.sha256)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._output.closed:
            self._output.is_abandoned = True
            self._sink.close()
            self._output.close()
        self._unfinished.unlink(missing_ok=True)


class _Hashed(io.RawIOBase):
    """A file that is written once from its beginning to its end."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.size_bytes = 0
        self.is_abandoned = False  # nobody reads what is still written

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data)
        if not self.is_abandoned:
            self._digest.update(view)
            self._file.write(view)
        self.size_bytes += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        return self.size_bytes

    def flush(self) -> None:
        if not self._file.closed:
            self._file.flush()

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()
        super().close()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


class _Lines:
    def __init__(self, output: _Hashed) -> None:
        self._output = output

    def write(self, lines: Sequence[str]) -> None:
        if lines:
            self._output.write(("\n".join(lines) + "\n").encode())

    def close(self) -> None:
        pass


class _Parquet:
    """Groups of rows, each of which a reader can take by itself."""

    def __init__(self, output: _Hashed, schema: pa.Schema) -> None:
        self._schema = schema
        self._writer = pyarrow.parquet.ParquetWriter(output, schema, compression="zstd")
        self._waiting: list[pa.Table] = []
        self._waiting_bytes = 0

    def write(self, lines: Sequence[str]) -> None:
        if not lines:
            return
        content = "\n".join(lines).encode()
        self._waiting.append(table_of(content, self._schema))
        self._waiting_bytes += len(content)
        if self._waiting_bytes >= ROW_GROUP_BYTES:
            self._write_group()

    def close(self) -> None:
        if self._waiting:
            self._write_group()
        self._writer.close()

    def _write_group(self) -> None:
        self._writer.write_table(pa.concat_tables(self._waiting))
        self._waiting, self._waiting_bytes = [], 0


def table_of(content: bytes, schema: pa.Schema) -> pa.Table:
    """The rows of JSON Lines with the types of the schema, whatever is in them."""
    return pyarrow.json.read_json(
        pa.BufferReader(content),
        read_options=pyarrow.json.ReadOptions(block_size=max(len(content) + 1, 2**20)),
        parse_options=pyarrow.json.ParseOptions(
            explicit_schema=schema, unexpected_field_behavior="error"
        ),
    )


def schema_of(columns: Sequence[Column]) -> pa.Schema:
    return pa.schema([(column.name, _arrow(column.type)) for column in columns])


def _arrow(kind: ColumnType) -> pa.DataType:
    match kind:
        case Scalar():
            return pa.type_for_alias(kind.value)
        case ListOf(each):
            return pa.list_(_arrow(each))
        case Struct(parts):
            return pa.struct([(name, _arrow(one)) for name, one in parts.items()])
