"""What an owner downloads: an agent's preference pairs and its practised groups, as JSON Lines."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from tempfile import TemporaryFile
from typing import IO, Any

import structlog
from asgiref.sync import sync_to_async
from django.http import HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect

from agents.errors import Refused
from frontend.pages.edge import SignedInRequest, owner_page, refuse
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
    """The rows as a file of known length, so that a download that was cut off cannot look whole.

    It is written to the disk first: a slow reader keeps no database connection, and a fault ends
    in a message, not in half a file.
    """
    file, length = _written(rows, noun)
    return StreamingHttpResponse(
        _in_pieces(file),
        content_type="application/x-ndjson",
        headers={
            "Content-Disposition": f'attachment; filename="agent-{agent_id}-{noun}.jsonl"',
            "Content-Length": str(length),
        },
    )


def _written(rows: Iterable[Mapping[str, Any]], noun: str) -> tuple[IO[bytes], int]:
    """An open file at its beginning, and its length. Raises Refused."""
    file: IO[bytes] = TemporaryFile()  # noqa: SIM115 _in_pieces closes it
    try:
        for line in json_lines(rows):
            file.write(line)
        length = file.tell()
        if not length:
            # Loaders of data sets do not take an empty file.
            raise Refused(f"There are no {noun} to download yet.")
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


async def _in_pieces(file: IO[bytes]) -> AsyncIterator[bytes]:
    """Under ASGI a plain iterator would be gathered in memory before its first byte is sent."""
    with file:
        while piece := await sync_to_async(file.read, thread_sensitive=False)(PIECE_BYTES):
            yield piece
