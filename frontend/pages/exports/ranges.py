"""Files of known length: whole, or from where a download was cut off."""

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True)
class Stretch:
    """The bytes from `begin` up to, not including, `end`."""

    begin: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.begin


def file_response(
    request: HttpRequest,
    content: Callable[[Stretch], AsyncIterator[bytes]],
    *,
    size_bytes: int,
    etag: str,
    name: str,
    content_type: str,
) -> HttpResponseBase:
    """A file, or a stretch of it, of known length, so that half a file cannot look whole."""
    etag = f'"{etag}"'
    wanted = _wanted(request, size_bytes, etag)
    if wanted is None:
        response: HttpResponseBase = HttpResponse(status=416)
        response["Content-Range"] = f"bytes */{size_bytes}"
        return response
    response = StreamingHttpResponse(content(wanted), content_type=content_type)
    if wanted.size < size_bytes:
        response.status_code = 206
        response["Content-Range"] = f"bytes {wanted.begin}-{wanted.end - 1}/{size_bytes}"
    response["Content-Length"] = str(wanted.size)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Accept-Ranges"] = "bytes"
    response["ETag"] = etag
    return response


def _wanted(request: HttpRequest, size: int, etag: str) -> Stretch | None:
    """What the request asks for; all of it where the header says nothing that we know.

    None: it lies outside the file.
    """
    whole = Stretch(0, size)
    found = _RANGE.fullmatch(request.headers.get("Range", "").replace(" ", ""))
    if found is None or request.headers.get("If-Range", etag) != etag:
        return whole
    first, last = found.groups()
    if first:
        stretch = Stretch(int(first), min(int(last) + 1, size) if last else size)
    elif last:
        stretch = Stretch(max(0, size - int(last)), size)
    else:
        return whole
    return stretch if 0 <= stretch.begin < stretch.end else None
