"""The files of an export, for whoever has a link to them: whole, or from where a download was cut off."""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from agents.errors import NotAvailable
from frontend.pages.edge import public_page
from training.exports.links import GONE, Piece, download_of

CHUNK_BYTES = 256 * 1024
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True)
class _Stretch:
    """The bytes from `begin` up to, not including, `end`."""

    begin: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.begin


@public_page()
def export_file(request: HttpRequest, key: str, name: str) -> HttpResponseBase:
    """A file, or a stretch of it, of known length, so that half a file cannot look whole."""
    download = download_of(key, name)
    if any(isinstance(one.content, Path) and not one.content.exists() for one in download.pieces):
        raise NotAvailable(GONE)
    etag = f'"{download.etag}"'
    wanted = _wanted(request, download.size_bytes, etag)
    if wanted is None:
        response: HttpResponseBase = HttpResponse(status=416)
        response["Content-Range"] = f"bytes */{download.size_bytes}"
        return response
    response = StreamingHttpResponse(
        _content(download.pieces, wanted), content_type="application/octet-stream"
    )
    if wanted.size < download.size_bytes:
        response.status_code = 206
        last = wanted.end - 1
        response["Content-Range"] = f"bytes {wanted.begin}-{last}/{download.size_bytes}"
    response["Content-Length"] = str(wanted.size)
    response["Content-Disposition"] = f'attachment; filename="{download.name}"'
    response["Accept-Ranges"] = "bytes"
    response["ETag"] = etag
    # The address is a key: nobody on the way keeps it or the file.
    response["Cache-Control"] = "private, no-store"
    response["Referrer-Policy"] = "no-referrer"
    return response


def _wanted(request: HttpRequest, size: int, etag: str) -> _Stretch | None:
    """What the request asks for; all of it where the header says nothing that we know.

    None: it lies outside the file.
    """
    whole = _Stretch(0, size)
    found = _RANGE.fullmatch(request.headers.get("Range", "").replace(" ", ""))
    if found is None or request.headers.get("If-Range", etag) != etag:
        return whole
    first, last = found.groups()
    if first:
        stretch = _Stretch(int(first), min(int(last) + 1, size) if last else size)
    elif last:
        stretch = _Stretch(max(0, size - int(last)), size)
    else:
        return whole
    return stretch if 0 <= stretch.begin < stretch.end else None


async def _content(pieces: Sequence[Piece], wanted: _Stretch) -> AsyncIterator[bytes]:
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
