"""Links to the files of an export: they need no session, and end by themselves."""

import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.core import signing
from django.utils import timezone

from agents.errors import NotAvailable
from training.exports.containers import File
from training.exports.folders import export_folder
from training.models import Export
from training.states import ExportState

LINKS_LAST = timedelta(hours=24)
ARCHIVE = "dataset.tar"
GONE = "This link has expired. Make a new one on the page of the export."
UNKNOWN = "There is no such file."
_SALT = "training.exports.links"


@dataclass(frozen=True)
class Piece:
    """A part of a download: bytes, or a whole file of the disk."""

    size_bytes: int
    content: bytes | Path


@dataclass(frozen=True)
class Download:
    """What a link leads to."""

    name: str
    pieces: Sequence[Piece]
    etag: str

    @property
    def size_bytes(self) -> int:
        return sum(one.size_bytes for one in self.pieces)


def link_key(export: Export, *, now: datetime) -> tuple[str, datetime]:
    """What a link to the files has in its address, and until when it leads there."""
    assert export.expires_at is not None, "only whole exports have links"
    until = min(now + LINKS_LAST, export.expires_at)
    key = signing.dumps({"export": export.pk, "until": int(until.timestamp())}, salt=_SALT)
    return key, until


def download_of(key: str, name: str) -> Download:
    """The file with this name, or all of them as one archive. For the system: whoever has the link.

    Raises NotAvailable.
    """
    try:
        told = signing.loads(key, salt=_SALT)
    except signing.BadSignature:
        raise NotAvailable(UNKNOWN) from None
    export = Export.objects.filter(id=told["export"], state=ExportState.WHOLE).first()
    if export is None or timezone.now().timestamp() > told["until"]:
        raise NotAvailable(GONE)
    files = {one["name"]: File(**one) for one in export.files}
    if name == ARCHIVE:
        return _archive(export, list(files.values()))
    if (file := files.get(name)) is None:
        raise NotAvailable(UNKNOWN)
    piece = Piece(file.size_bytes, export_folder(export.pk) / name)
    return Download(Path(name).name, [piece], file.sha256)


def _archive(export: Export, files: Sequence[File]) -> Download:
    """All files, uncompressed, so that its length is known and a download can go on in the middle.

    The manifest comes last: an archive that has it is whole.
    """
    assert export.finished_at is not None
    pieces: list[Piece] = []
    for file in files:
        info = tarfile.TarInfo(f"export-{export.pk}/{file.name}")
        info.size, info.mtime = file.size_bytes, int(export.finished_at.timestamp())
        pieces.append(_bytes(info.tobuf(tarfile.PAX_FORMAT)))
        pieces.append(Piece(file.size_bytes, export_folder(export.pk) / file.name))
        pieces.append(_bytes(bytes(-file.size_bytes % tarfile.BLOCKSIZE)))
    pieces.append(_bytes(bytes(2 * tarfile.BLOCKSIZE)))
    return Download(f"export-{export.pk}.tar", pieces, f"{files[-1].sha256}-tar")


def _bytes(content: bytes) -> Piece:
    return Piece(len(content), content)
