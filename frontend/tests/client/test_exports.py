"""A dataset is ordered, followed, fetched and mended from a terminal."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from frontend.tests.client.terminals import Terminal
from training.exports.tests.orders import learner, written
from training.models import Export

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _store(settings: Any, tmp_path: Path) -> None:
    settings.EXPORT_STORE = tmp_path / "exports"


def test_a_dataset_is_ordered_fetched_and_said_to_be_whole(port: int, tmp_path: Path) -> None:
    agent = learner(pairs=3)
    terminal = Terminal(port, agent.owner_id, tmp_path)
    out = str(tmp_path / "data")
    order = ("export", "new", "--container", "jsonl", "--agent", agent.name, "--no-wait")
    said = terminal.type(*order, "--least-margin", "0.1")
    (export_id,) = re.findall(r"Export (\d+) is ordered", said)
    export = Export.objects.get(id=export_id)
    assert export.selection["least_margin"] == 0.1
    assert export.selection["agents"] == [agent.pk]
    written(export)
    assert "is whole." in terminal.type("export", "fetch", export_id, "--out", out)
    (shard,) = Path(out).rglob("*.jsonl")
    rows = [json.loads(line) for line in shard.read_text().splitlines()]
    assert len(rows) == 3
    shard.write_bytes(shard.read_bytes()[:-1])
    lacks = terminal.type("export", "check", out, status=1)
    assert "lacks" in lacks
    assert shard.name in lacks
    assert "is whole." in terminal.type("export", "fetch", export_id, "--out", out)
    assert re.search(rf"{export_id} +preference +jsonl +whole +3", terminal.type("export", "list"))
    assert shard.name in terminal.type("export", "show", export_id)
    assert "preference" in terminal.type("export", "formats")
    for words in (("list",), ("show", export_id), ("formats",)):
        json.loads(terminal.type("export", *words, "--json"))
    assert "is deleted" in terminal.type("export", "delete", export_id)
    assert "no such export" in terminal.type("export", "show", export_id, status=1)


def test_filters_that_cannot_be_are_refused_in_words(port: int, tmp_path: Path) -> None:
    agent = learner(pairs=1)
    terminal = Terminal(port, agent.owner_id, tmp_path)
    for words, sentence in (
        (("--least-margin", "3"), "least_margin"),
        (("--since", "yesterday"), "since"),
        (("--format", "nothing"), "format"),
        (("--agent", "Nobody"), "You have no agent named Nobody."),
        (("--key", "1"), "Idempotency-Key"),
    ):
        assert sentence in terminal.type("export", "new", "--no-wait", *words, status=1)
    assert not Export.objects.exists()
    assert "cannot be read" in terminal.type("export", "check", str(tmp_path), status=1)
