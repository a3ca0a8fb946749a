"""A worker that is killed in the middle of a file leaves an export that another one ends."""

import os
import signal
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from arena.config.env import REPOSITORY
from training.exports import writing
from training.exports.folders import export_folder
from training.exports.formats import pairs
from training.exports.tests.orders import learner, order, rows_of, written
from training.models import Export, Pair
from training.states import ExportState

WRITE_AND_STALL = """
import sys, time
from pathlib import Path
import django
django.setup()
from django.conf import settings
from training.exports import writing
from training.exports.containers import FileWriter
from training.exports.formats import pairs
settings.EXPORT_STORE = Path(sys.argv[1])
writing.FILE_ROWS = pairs.PAGE_ROWS = 2
writing.write_due()  # the first file is whole
real = FileWriter.finish
def stall(self, name):
    self._output.flush()
    print("in the second file", flush=True)
    time.sleep(600)
FileWriter.finish = stall
writing.write_due()
"""


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_another_worker_goes_on_after_the_last_whole_file(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EXPORT_STORE = tmp_path / "exports"
    agent = learner(pairs=5)
    export = order(agent)
    name = connection.settings_dict["NAME"]
    url = os.environ["DATABASE_URL"].replace("/rlfc?", f"/{name}?")
    worker = subprocess.Popen(
        [sys.executable, "-c", WRITE_AND_STALL, str(settings.EXPORT_STORE)],
        cwd=REPOSITORY,
        env={**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "arena.config.settings"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert worker.stdout is not None
    try:
        assert "in the second file" in worker.stdout.readline()
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        worker.stdout.close()
    export.refresh_from_db()
    first = export.files[0]
    assert (export.state, len(export.files)) == (ExportState.WRITING, 1)
    assert export.rows_written == 4, "what is shown counts the file in progress"
    assert not writing.write_due(), "the dead worker's lease stands"

    Export.objects.update(lease_expires_at=timezone.now())
    monkeypatch.setattr(writing, "FILE_ROWS", 2)
    monkeypatch.setattr(pairs, "PAGE_ROWS", 2)
    assert written(export).state == ExportState.WHOLE
    assert export.rows_written == 5
    assert export.files[0] == first, "what was whole was not written again"
    ids = list(Pair.objects.filter(agent=agent).order_by("id").values_list("id", flat=True))
    assert [row["pair"] for row in rows_of(export)] == ids
    folder = export_folder(export.pk)
    for one in export.files:
        content = (folder / one["name"]).read_bytes()
        assert sha256(content).hexdigest() == one["sha256"]
    halves = [path for path in folder.rglob(".*") if path.is_file()]
    assert halves == [], "what the dead worker had begun is gone"
