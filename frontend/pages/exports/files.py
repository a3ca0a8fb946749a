"""The files of an export, for whoever has a link to them: whole, or from where a download was cut off."""

from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponseBase

from agents.errors import NotAvailable
from frontend.pages.edge import public_page
from frontend.pages.exports.ranges import Stretch, file_response
from training.exports.links import GONE, Piece, download_of

CHUNK_BYTES = 256 * 1024


@public_page()
def export_file(request: HttpRequest, key: str, name: str) -> HttpResponseBase:
    """A file, or a stretch of it."""
    download = download_of(key, name)
    if any(isinstance(one.content, Path) and not one.content.exists() for one in download.pieces):
        raise NotAvailable(GONE)
    response = file_response(
        request,
        partial(_content, download.pieces),
        size_bytes=download.size_bytes,
        etag=download.etag,
        name=download.name,
        content_type="application/octet-stream",
    )
    # The address is a key: nobody on the way keeps it or the file.
    response["Cache-Control"] = "private, no-store"
    response["Referrer-Policy"] = "no-referrer"
    return response


async def _content(pieces: Sequence[Piece], wanted: Stretch) -> AsyncIterator[bytes]:
    """Under ASGI a plain iterator would be gathered in memory before its first byte is sent."""
    position = 0
    for piece in pieces:
        begin = max(wanted.begin - position, 0)
        end = min(wanted.end - position, piece.size_bytes)
        position += piece.size_bytes
        if begin >= end:
            continue
        if isinstance(piece.content, bytes):
            yield piece.content[begin:end]
            continue
        with piece.content.open("rb") as file:
            file.seek(begin)
            left = end - begin
            while left and (chunk := await _read(file, min(left, CHUNK_BYTES))):
                left -= len(chunk)
                yield chunk


_read = sync_to_async(lambda file, size: file.read(size), thread_sensitive=False)
