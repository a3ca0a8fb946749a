"""A wall that an import checker cannot see: edges write nothing, they call verbs that do."""

import ast
from pathlib import Path

import pytest

from arena.config.env import REPOSITORY

EDGES = [
    *sorted(REPOSITORY.glob("frontend/pages/*.py")),
    *(
        path
        for room in ("agents", "arena", "judges", "training", "frontend")
        for name in ("consumers", "tasks", "api")
        for path in sorted(REPOSITORY.glob(f"{room}/**/{name}.py"))
    ),
]
WRITES = {
    "atomic",
    "bulk_create",
    "bulk_update",
    "create",
    "delete",
    "get_or_create",
    "save",
    "select_for_update",
    "update_or_create",
}


def writes_in(source: str) -> list[str]:
    return [
        f"line {node.lineno}: {node.func.attr}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in WRITES
    ]


@pytest.mark.parametrize("path", EDGES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_an_edge_opens_no_transaction_and_writes_no_row(path: Path) -> None:
    assert writes_in(path.read_text()) == []


def test_the_check_sees_a_write() -> None:
    assert writes_in("with transaction.atomic():\n    match.save()") == [
        "line 1: atomic",
        "line 2: save",
    ]
