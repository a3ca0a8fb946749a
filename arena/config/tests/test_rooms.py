"""The walls that `.ci/rooms.py` holds: each check sees the fault that it is there for.

Edges are checked here alone: they write nothing, they call verbs that do.
"""

import ast
import importlib.util
from pathlib import Path
from types import ModuleType

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
HERE = Path("arena/here.py")
THERE = Path("training/there.py")


@pytest.fixture(scope="module")
def rooms() -> ModuleType:
    spec = importlib.util.spec_from_file_location("rooms", REPOSITORY / ".ci" / "rooms.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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


def test_a_lock_lets_those_pass_who_only_refer_to_the_row(rooms: ModuleType) -> None:
    tree = ast.parse("rows.select_for_update(of=('self',))\nrows.select_for_update(no_key=True)")
    assert list(rooms.locks_with_keys({HERE: tree})) == [
        "arena/here.py:1: select_for_update without no_key"
    ]


def test_every_edge_is_among_the_checked() -> None:
    names = {str(path.relative_to(REPOSITORY)) for path in EDGES}
    assert {"arena/tasks.py", "arena/live/consumers.py", "training/consumers.py"} <= names


def test_a_circle_is_found_however_long_it_is(rooms: ModuleType) -> None:
    line = {"a": {"b"}, "b": {"c"}, "c": set()}
    assert list(rooms.circles(line)) == []
    assert list(rooms.circles(line | {"c": {"a"}})) == ["circle of imports: a, b, c"]


def test_a_late_import_gives_its_reason(rooms: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "late.py"
    path.write_text("def f():\n    import torch  # noqa: PLC0415 it takes seconds\n")
    assert list(rooms.late_imports_without_reason([path])) == []
    path.write_text("def f():\n    import torch  # noqa: PLC0415\n")
    assert list(rooms.late_imports_without_reason([path])) == [
        f"{path}:2: an import inside a function without a reason"
    ]


def test_our_own_names_get_no_alias(rooms: ModuleType) -> None:
    ours = ast.parse("from arena.models import Seat as Chair")
    theirs = ast.parse("from hypothesis import strategies as st")
    assert list(rooms.aliases({HERE: ours, THERE: theirs})) == [
        "arena/here.py:1: Seat gets the alias Chair"
    ]


def test_a_class_name_stands_once(rooms: ModuleType) -> None:
    seat = ast.parse("class Seat: ...\nclass _Own: ...")
    assert list(rooms.same_names({HERE: seat})) == []
    assert list(rooms.same_names({HERE: seat, THERE: seat})) == [
        "the class name Seat is used more than once: arena/here.py:1, training/there.py:1"
    ]


PURE = '"""How it is decided. Pure."""\n'


def test_a_pure_module_reaches_no_framework_by_any_chain(rooms: ModuleType) -> None:
    imports = {"arena.here": {"training.there"}, "training.there": {"django"}}
    claims, does_not = ast.parse(PURE), ast.parse('"""Reads rows."""')
    assert list(rooms.impurities({HERE: does_not}, imports)) == []
    assert list(rooms.impurities({HERE: claims}, imports)) == [
        "arena/here.py: says that it is pure but reaches django"
    ]


def test_a_pure_module_reads_no_clock_and_no_file(rooms: ModuleType) -> None:
    tree = ast.parse(PURE + "def f(path):\n    return datetime.now(), path.read_text()\n")
    assert list(rooms.impurities({HERE: tree}, {})) == [
        "arena/here.py:3: says that it is pure but calls now",
        "arena/here.py:3: says that it is pure but calls read_text",
    ]


def test_a_pure_folder_makes_its_files_pure(rooms: ModuleType) -> None:
    modules = {Path("arena/__init__.py"): ast.parse(PURE), HERE: ast.parse("import django")}
    found = list(rooms.impurities(modules, {"arena.here": {"django"}}))
    assert found == ["arena/here.py: says that it is pure but reaches django"]


def test_what_is_too_long_or_too_much_is_named(rooms: ModuleType, tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.py" for number in range(rooms.MAX_FILES + 1)]
    for path in files:
        path.write_text("x = 1\n")
    files[0].write_text("x = 1\n" * (rooms.MAX_LINES + 1))
    assert list(rooms.oversized(files)) == [
        f"{files[0]}: 401 lines; the limit is 400",
        f"{tmp_path}/: 16 source files; the limit is 15",
    ]
    assert list(rooms.oversized(files[1:])) == []
