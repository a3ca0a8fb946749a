"""Orders exports and takes them back."""

import shutil
import uuid

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet, Sum
from django.utils import timezone

from agents.errors import NotAvailable, Refused
from agents.models import User
from arena.nudges import WRITE_EXPORTS, nudge_on_commit
from training.configs.fields import InvalidConfig
from training.exports.containers import Container
from training.exports.folders import export_folder
from training.exports.formats import FORMATS
from training.exports.formats.base import unknown_filters
from training.exports.rows import check
from training.exports.selection import Selection
from training.models import Export
from training.states import LIVE_EXPORTS, REPEATABLE_EXPORTS, ExportState

MAX_LIVE = 3  # exports of one owner that wait or are being written
MAX_KEPT = 100  # of one owner, also expired ones: they delete what they no longer need
NOT_YOURS = "You have no such export."


def build_export(
    user_id: int,
    *,
    selection: Selection,
    format: str,
    container: str,
    request_id: uuid.UUID,
) -> int:
    """Order an export and return its id; the same request finds the same export. Raises Refused."""
    if problems := _problems(selection, format, container):
        raise InvalidConfig(problems)
    check(selection, user_id)
    wanted = {"selection": selection.as_json(), "format": format, "container": container}
    with transaction.atomic(durable=True):
        owner = _locked_owner(user_id)
        own = _own(owner.pk)
        if known := own.filter(request_id=request_id).first():
            if {name: getattr(known, name) for name in wanted} != wanted:
                raise Refused("This request was made before with another dataset. Make a new one.")
            return known.pk
        if own.count() >= MAX_KEPT:
            raise Refused(f"You have {MAX_KEPT} exports, which is the most. Delete one first.")
        _check_room(owner.pk)
        export = Export.objects.create(
            owner=owner, request_id=request_id, up_to_id=FORMATS[format].newest_id(), **wanted
        )
        nudge_on_commit(WRITE_EXPORTS)
    return export.pk


def repeat_export(user_id: int, *, export_id: int) -> None:
    """Write an export that failed, or whose files are gone, of what there is today. Raises Refused."""
    export = _own(user_id).filter(id=export_id).first()
    if export is None:
        raise NotAvailable(NOT_YOURS)
    check(Selection.from_json(export.selection), user_id)
    with transaction.atomic(durable=True):
        owner = _locked_owner(user_id)
        _check_room(owner.pk)
        ended = _own(user_id).filter(id=export_id, state__in=REPEATABLE_EXPORTS)
        is_repeated = ended.update(
            state=ExportState.WAITING,
            up_to_id=FORMATS[export.format].newest_id(),
            after_id=0,
            rows_written=0,
            rows_estimated=None,
            files=[],
            size_bytes=0,
            tally={},
            manifest={},
            reason="",
            attempts=0,
            turn_at=timezone.now(),
            finished_at=None,
            expires_at=None,
        )
        if not is_repeated:
            raise Refused("Only an export that failed, or whose files are gone, is written again.")
        nudge_on_commit(WRITE_EXPORTS)


def delete_export(user_id: int, *, export_id: int) -> None:
    """Delete an export with its files, also one that is being written; its links end at once."""
    with transaction.atomic(durable=True):
        count, _ = _own(user_id).filter(id=export_id).delete()
        if not count:
            raise NotAvailable(NOT_YOURS)
    # Whoever is writing it finds no row any more, and removes what is left.
    shutil.rmtree(export_folder(export_id), ignore_errors=True)


def stored_bytes(owner_id: int) -> int:
    """What the files of the owner's exports take."""
    return _own(owner_id).aggregate(total=Sum("size_bytes"))["total"] or 0


def problem_with_room(owner_id: int) -> str:
    """A sentence if the owner's exports take all that they may, or nothing."""
    most = settings.ENV.quota_exports_mb
    used = stored_bytes(owner_id) / 1e6
    if used < most:
        return ""
    return (
        f"Your exports take {used:,.0f} MB, and {most:,} MB may be kept. Delete one, or wait: their "
        f"files go after {settings.ENV.retain_exports_days} days."
    )


def _own(owner_id: int) -> QuerySet[Export]:
    return Export.objects.filter(owner_id=owner_id)


def _locked_owner(owner_id: int) -> User:
    """Two orders of one person at once count each other. Raises NotAvailable."""
    users = User.objects.select_for_update(no_key=True)
    owner = users.filter(id=owner_id, leaving_since=None).first()
    if owner is None:
        raise NotAvailable("There is no such account.")
    return owner


def _problems(selection: Selection, format: str, container: str) -> dict[str, str]:
    problems = {}
    if format not in FORMATS:
        problems["format"] = f"The format must be one of {', '.join(FORMATS)}."
    else:
        problems = unknown_filters(selection, FORMATS[format])
    if container not in list(Container):
        problems["container"] = f"The container must be one of {', '.join(Container)}."
    return problems


def _check_room(owner_id: int) -> None:
    if _own(owner_id).filter(state__in=LIVE_EXPORTS).count() >= MAX_LIVE:
        raise Refused(f"{MAX_LIVE} of your exports are not ready yet. Wait for one, or delete one.")
    if problem := problem_with_room(owner_id):
        raise Refused(problem)
