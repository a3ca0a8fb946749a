"""Lists in pieces: each tells the cursor of the next one."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar

from ninja import Query, Schema
from ninja.errors import HttpError
from pydantic import Field

MAX_LIMIT = 100
MAX_CURSOR_CHARS = 200

T = TypeVar("T")

Cursor = Annotated[
    str,
    Query(
        "",
        max_length=MAX_CURSOR_CHARS,
        description="The `next_cursor` of the piece before; empty for the first.",
    ),
]
Limit = Annotated[int, Query(20, ge=1, le=MAX_LIMIT, description="Entries of one piece.")]


class Page(Schema, Generic[T]):
    """A piece of a list, newest first."""

    items: list[T]
    next_cursor: str | None = Field(description="For the next piece; null after the last one.")


def page_of(rows: Sequence[T], limit: int, *, mark: Callable[[T], str], noun: str) -> Page[T]:
    """A piece of the rows, of which there is one more than the limit if another piece follows.

    `mark` says where a row stands in the list.
    """
    shown = list(rows[:limit])
    more = len(rows) > limit
    return Page(items=shown, next_cursor=cursor_at(noun, mark(shown[-1])) if more else None)


def mark_of(cursor: str, *, noun: str) -> str:
    """Where the piece begins, as `mark` said it; empty for the first. Raises HttpError."""
    if not cursor:
        return ""
    try:
        text = base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error):
        text = ""
    found, _, mark = text.partition(" ")
    if found != noun or not mark:
        raise HttpError(400, "This cursor does not belong to this list.")
    return mark


def id_of(cursor: str, *, noun: str) -> int | None:
    """The id after which the piece begins; None for the first. Raises HttpError."""
    mark = mark_of(cursor, noun=noun)
    if not mark:
        return None
    if not mark.isdecimal() or len(mark) > 18:
        raise HttpError(400, "This cursor does not belong to this list.")
    return int(mark)


def cursor_at(noun: str, mark: str) -> str:
    return base64.urlsafe_b64encode(f"{noun} {mark}".encode()).decode()
