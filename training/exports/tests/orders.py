"""Exports in tests: ordered, written here and read from their files."""

import json
from typing import Any
from uuid import uuid4

import pyarrow.parquet

from agents.models import Agent
from training.data.harvest import harvest_matches
from training.exports.building import build_export
from training.exports.containers import Container
from training.exports.folders import export_folder
from training.exports.selection import Selection
from training.exports.writing import write_due
from training.models import Export
from training.tests.builders import make_agent, make_match


def learner(*, pairs: int = 3) -> Agent:
    """An agent with so many pairs, from rounds that it won."""
    agent = make_agent()
    make_match([agent, make_agent()], [{0: 1.0, 1: 0.2}] * pairs)
    harvest_matches()
    return agent


def order(agent: Agent, **changes: Any) -> Export:
    """An export that the agent's owner orders."""
    values: dict[str, Any] = {
        "selection": Selection(),
        "format": "preference",
        "container": Container.JSONL,
        "request_id": uuid4(),
    }
    return Export.objects.get(id=build_export(agent.owner_id, **values | changes))


def written(export: Export) -> Export:
    """The export after a worker has done all that waits."""
    while write_due():
        pass
    export.refresh_from_db()
    return export


def rows_of(export: Export) -> list[dict[str, Any]]:
    """The rows of a whole export, in order."""
    rows: list[dict[str, Any]] = []
    for one in export.files:
        path = export_folder(export.pk) / one["name"]
        if path.suffix == ".jsonl":
            rows += [json.loads(line) for line in path.read_text().splitlines()]
        elif path.suffix == ".parquet":
            rows += pyarrow.parquet.read_table(path).to_pylist()
    return rows
