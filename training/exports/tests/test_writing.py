"""An export is written once, whole, and goes on where a worker died."""

import errno
import json
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings as django_settings
from django.utils import timezone

from agents.errors import NotAvailable, Refused
from arena.leases import LeaseLost
from arena.models import Completion
from training.data.harvest import harvest_matches
from training.exports import writing
from training.exports.building import MAX_LIVE, delete_export, repeat_export
from training.exports.containers import Container, FileWriter
from training.exports.folders import export_folder
from training.exports.formats import pairs
from training.exports.tests.orders import learner, order, rows_of, written
from training.models import Export, Pair
from training.states import ExportState
from training.tests.builders import make_agent, make_match

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def store(settings: Any, tmp_path: Path) -> None:
    settings.EXPORT_STORE = tmp_path / "exports"


@pytest.mark.parametrize("container", Container)
def test_an_export_has_every_pair_once_with_the_digests_of_its_files(container: str) -> None:
    agent = learner(pairs=5)
    export = written(order(agent, container=container))
    assert export.state == ExportState.WHOLE
    rows = rows_of(export)
    found = [row["pair"] for row in rows]
    assert found == list(
        Pair.objects.filter(agent=agent).order_by("id").values_list("id", flat=True)
    )
    assert rows[0]["prompt"][0] == {"role": "system", "content": "Answer briefly."}
    for one in export.files:
        content = (export_folder(export.pk) / one["name"]).read_bytes()
        assert (len(content), sha256(content).hexdigest()) == (one["size_bytes"], one["sha256"])
    assert [one["name"] for one in export.files][-1] == "manifest.json"
    assert export.manifest["rows"] == 5


def test_both_containers_hold_the_same_rows() -> None:
    agent = learner(pairs=3)
    lines, table = (written(order(agent, container=one)) for one in Container)
    assert rows_of(lines) == rows_of(table)


TEXTS = [
    "one\u2028two\u2029three\u0085four\x0bfive\x1csix\r\nseven",
    "\u0645\u0631\u062d\u0628\u0627 \u202eright to left\u202c \u05e9\u05dc\u05d5\u05dd",
    "\U0001f469\u200d\U0001f680 \U0001f600 e\u0301 \ufeff\ufffe\U0010ffff",
    '"}\\n, {"prompt": []} \\u0000 \\ud800',
]


@pytest.mark.parametrize("container", Container)
def test_texts_of_every_script_and_line_end_come_back_as_they_were(container: str) -> None:
    agent = learner(pairs=len(TEXTS))
    answers = Completion.objects.filter(seat__agent=agent).order_by("round__number")
    for answer, text in zip(answers, TEXTS, strict=True):
        Completion.objects.filter(id=answer.pk).update(text=text)
    rows = rows_of(written(order(agent, container=container)))
    assert [row["chosen"][0]["content"] for row in rows] == TEXTS


def test_files_take_turns_so_that_nobody_waits_behind_a_large_export(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writing, "FILE_ROWS", 2)
    monkeypatch.setattr(pairs, "PAGE_ROWS", 2)
    large, small = order(learner(pairs=6)), order(learner(pairs=1))
    assert writing.write_due()
    assert writing.write_due()
    small.refresh_from_db()
    large.refresh_from_db()
    assert (small.state, large.state) == (ExportState.WHOLE, ExportState.WRITING)
    assert [one["rows"] for one in written(large).files if one["rows"]] == [2, 2, 2]


def test_a_full_disk_postpones_with_a_sentence_and_the_export_goes_on_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    export = order(learner())
    real = FileWriter.write

    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(FileWriter, "write", refuse)
    for _ in range(2 * writing.MAX_ATTEMPTS):
        assert writing.write_due()
        export.refresh_from_db()
        assert (export.state, export.reason) == (ExportState.WRITING, writing.NO_ROOM)
        Export.objects.update(lease_expires_at=timezone.now())
    assert list((export_folder(export.pk) / "data").iterdir()) == [], "no half file stays"
    monkeypatch.setattr(FileWriter, "write", real)
    assert (written(export).state, export.reason) == (ExportState.WHOLE, "")


def test_a_file_that_fails_again_and_again_ends_its_export_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    export = order(learner())
    monkeypatch.setattr(writing, "_write_file", lambda *_, **__: 1 / 0)
    for _ in range(writing.MAX_ATTEMPTS):
        assert writing.write_due()
        Export.objects.update(lease_expires_at=timezone.now())
    export.refresh_from_db()
    assert (export.state, export.reason) == (ExportState.FAILED, writing.BROKEN)
    assert not writing.write_due()


def test_nothing_to_export_is_a_sentence_and_no_empty_file() -> None:
    agent = learner()
    Pair.objects.all().delete()
    export = written(order(agent))
    assert (export.state, export.reason) == (ExportState.FAILED, writing.NOTHING)
    assert not export_folder(export.pk).exists()


def test_the_same_request_orders_once_and_another_dataset_needs_another_one() -> None:
    agent, request = learner(), uuid4()
    first = order(agent, request_id=request)
    assert order(agent, request_id=request).pk == first.pk
    with pytest.raises(Refused, match="with another dataset"):
        order(agent, request_id=request, container=Container.PARQUET)


def test_what_failed_is_written_again_of_what_there_is_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    agent = learner()
    with monkeypatch.context() as broken:
        broken.setattr(writing, "MAX_ATTEMPTS", 0)
        failed = written(order(agent))
    assert failed.state == ExportState.FAILED
    again = make_match([agent, make_agent()], [{0: 1.0, 1: 0.2}])
    harvest_matches()
    repeat_export(agent.owner_id, export_id=failed.pk)
    with pytest.raises(Refused, match="Only an export that failed"):
        repeat_export(agent.owner_id, export_id=failed.pk)
    whole = written(failed)
    assert (whole.state, whole.reason, whole.rows_estimated) == (ExportState.WHOLE, "", 4)
    assert rows_of(whole)[-1]["match"] == again.pk
    Export.objects.filter(id=whole.pk).update(state=ExportState.EXPIRED, files=[], size_bytes=0)
    repeat_export(agent.owner_id, export_id=whole.pk)
    assert written(whole).state == ExportState.WHOLE


@pytest.mark.parametrize(("format", "rows"), [("preference", 3), ("unpaired", 6), ("groups", None)])
def test_how_many_rows_there_will_be_is_known_before_the_first(
    format: str, rows: int | None
) -> None:
    assert written(order(learner(), format=format)).rows_estimated == rows


def test_one_person_has_only_so_many_exports_under_way() -> None:
    agent = learner()
    for _ in range(MAX_LIVE):
        order(agent)
    with pytest.raises(Refused, match="not ready yet"):
        order(agent)


def test_exports_take_no_more_room_than_their_owner_has() -> None:
    agent = learner()
    export = written(order(agent))
    Export.objects.filter(id=export.pk).update(
        size_bytes=django_settings.ENV.quota_exports_mb * 10**6
    )
    with pytest.raises(Refused, match="Your exports take"):
        order(agent)


def test_an_export_that_is_deleted_while_it_is_written_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    agent = learner()
    export = order(agent)
    real = FileWriter.write

    def delete_and_write(self: FileWriter, lines: Any) -> None:
        delete_export(agent.owner_id, export_id=export.pk)
        export_folder(export.pk).mkdir(parents=True, exist_ok=True)  # the writer's next file
        real(self, lines)

    monkeypatch.setattr(FileWriter, "write", delete_and_write)
    assert writing.write_due()
    assert not export_folder(export.pk).exists()
    with pytest.raises(NotAvailable):
        delete_export(agent.owner_id, export_id=export.pk)


def test_what_was_played_after_the_order_is_not_in_it() -> None:
    agent = learner()
    export = order(agent)
    newest = Pair.objects.latest("id")
    Pair.objects.filter(id=newest.pk).update(id=newest.pk + 1000)
    assert newest.pk + 1000 not in [row["pair"] for row in rows_of(written(export))]


def test_a_worker_that_lost_its_lease_writes_nothing_into_the_row() -> None:
    export = order(learner())
    held = writing._claim()
    assert held is not None
    Export.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert written(export).state == ExportState.WHOLE
    with pytest.raises(LeaseLost):
        held.record(rows_written=7)
    assert json.dumps(export.manifest)
