"""What a column of a dataset holds, fixed before the first row is known. Pure.

A file in which a column has only empty lists then still loads beside another.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Scalar(StrEnum):
    """A single value, by the name that Arrow and the Hugging Face hub give its type."""

    TEXT = "string"
    WHOLE = "int64"
    ID = "int32"
    NUMBER = "float64"
    FLAG = "bool"


@dataclass(frozen=True)
class ListOf:
    """Any number of values of one type."""

    each: "ColumnType"


@dataclass(frozen=True)
class Struct:
    """Named values."""

    parts: Mapping[str, "ColumnType"]


ColumnType: TypeAlias = Scalar | ListOf | Struct


@dataclass(frozen=True)
class Column:
    """A column with a sentence on what it means."""

    name: str
    type: ColumnType
    meaning: str


TOKENS = ListOf(Scalar.ID)
MESSAGES = ListOf(Struct({"role": Scalar.TEXT, "content": Scalar.TEXT}))


def described(kind: ColumnType) -> str:
    """The type in words, as Arrow writes it."""
    match kind:
        case Scalar():
            return kind.value
        case ListOf(each):
            return f"list<{described(each)}>"
        case Struct(parts):
            inner = ", ".join(f"{name}: {described(one)}" for name, one in parts.items())
            return f"struct<{inner}>"
