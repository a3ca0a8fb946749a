"""What an owner downloads: an agent's pairs and practised groups as JSON Lines, an adapter as a zip."""

import base64
import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from functools import partial
from tempfile import TemporaryFile
from typing import IO, Any

import structlog
from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect

from agents.adapters.archive import write_archive
from agents.errors import Refused
from frontend.pages.edge import SignedInRequest, owner_page, refuse
from frontend.pages.exports.ranges import Stretch, file_response
from training.adapters.folder import adapter_of
from training.data.dataset import json_lines
from training.data.pair_dataset import export_pairs
from training.practice.group_dataset import export_groups

PIECE_BYTES = 256 * 1024

log = structlog.get_logger(__name__)


@owner_page()
def pairs(request: SignedInRequest, agent_id: int) -> HttpResponseBase:
    """The agent's preference pairs, as TRL's DPOTrainer reads them."""
    return _or_back(request, agent_id, pairs_of)


@owner_page()
def groups(request: SignedInRequest, agent_id: int) -> HttpResponseBase:
    """The groups that the agent practised on, each of its answers with its reward."""
    return _or_back(request, agent_id, groups_of)


@owner_page()
def adapter(request: SignedInRequest, agent_id: int, version_id: int) -> HttpResponseBase:
    """A version's weights as a folder that PEFT and vLLM load, with its card."""
    return _or_back(
        request,
        agent_id,
        lambda agent_id, asker_id: zip_of(request, agent_id, version_id, asker_id),
    )


def zip_of(request: HttpRequest, agent_id: int, version_id: int, asker_id: int) -> HttpResponseBase:
    """A download of a version's adapter, or the rest of one, with its digest. Raises Refused."""
    folder = adapter_of(agent_id, version_id, viewer=asker_id)
    file, length = _written(partial(write_archive, folder=folder.name, members=folder.members))
    digest = hashlib.file_digest(file, "sha256")  # type: ignore[arg-type]
    response = file_response(
        request,
        partial(_in_pieces, file),
        size_bytes=length,
        etag=digest.hexdigest(),
        name=f"{folder.name}.zip",
        content_type="application/zip",
    )
    # RFC 9530: of the whole file, whatever stretch of it this is.
    response["Repr-Digest"] = f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    return response


def pairs_of(agent_id: int, asker_id: int) -> HttpResponseBase:
    """A download of the agent's preference pairs. Raises Refused."""
    return _download(export_pairs(agent_id, viewer=asker_id), agent_id=agent_id, noun="pairs")


def groups_of(agent_id: int, asker_id: int) -> HttpResponseBase:
    """A download of the groups that the agent practised on. Raises Refused."""
    return _download(export_groups(agent_id, viewer=asker_id), agent_id=agent_id, noun="groups")


def _or_back(
    request: SignedInRequest, agent_id: int, download: Callable[[int, int], HttpResponseBase]
) -> HttpResponseBase:
    try:
        return download(agent_id, request.user.pk)
    except Refused as error:
        refuse(request, error)
        return redirect("agent", agent_id=agent_id)


def _download(rows: Iterable[Mapping[str, Any]], *, agent_id: int, noun: str) -> HttpResponseBase:
    def write(file: IO[bytes]) -> None:
        for line in json_lines(rows):
            file.write(line)
        if not file.tell():
            # Loaders of data sets do not take an empty file.
            raise Refused(f"There are no {noun} to download yet.")

    file, length = _written(write)
    name = f"agent-{agent_id}-{noun}.jsonl"
    return _as_download(file, length, name=name, content_type="application/x-ndjson")


def _as_download(
    file: IO[bytes], length: int, *, name: str, content_type: str
) -> StreamingHttpResponse:
    """The file, of known length, so that a download that was cut off cannot look whole."""
    return StreamingHttpResponse(
        _in_pieces(file, Stretch(0, length)),
        content_type=content_type,
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Content-Length": str(length),
        },
    )


def _written(write: Callable[[IO[bytes]], None]) -> tuple[IO[bytes], int]:
    """An open file at its beginning, and its length. Raises Refused.

    It is written to the disk first: a slow reader keeps no database connection, and a fault ends
    in a message, not in half a file.
    """
    file: IO[bytes] = TemporaryFile()  # noqa: SIM115 _in_pieces closes it
    try:
        write(file)
        length = file.tell()
        file.seek(0)
    except OSError as error:
        file.close()
        log.exception("download_not_written")
        raise Refused(
            "The server has no room on its disk to prepare the download. Try again later."
        ) from error
    except BaseException:
        file.close()
        raise
    return file, length


async def _in_pieces(file: IO[bytes], wanted: Stretch) -> AsyncIterator[bytes]:
    """Under ASGI a plain iterator would be gathered in memory before its first byte is sent."""
    read, left = sync_to_async(file.read, thread_sensitive=False), wanted.size
    with file:
        file.seek(wanted.begin)
        while left and (piece := await read(min(left, PIECE_BYTES))):
            left -= len(piece)
            yield piece
