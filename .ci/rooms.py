"""Checks walls that ruff, mypy and import-linter do not see; `make lint` runs it.

1. No import cycles between files, not even through an import inside a function.
2. Every import inside a function gives its reason: `# noqa: PLC0415 the reason`.
3. No alias for a name of our own, and no two classes of one name.
4. A module that says "Pure." in the first paragraph of its documentation, or whose folder does,
   reaches no framework, network, database or clock by any chain of imports, and reads no file.
5. No file over MAX_LINES lines, no folder with more than MAX_FILES source files of its own.
6. No lock makes those wait who only refer to the row: foreign keys are checked at a commit, when
   the locks of the order are long taken.
"""

import ast
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import grimp

ROOMS = ("agents", "arena", "frontend", "judges", "training")
MAX_LINES = 400
MAX_FILES = 15
SOURCES = {".py", ".ts", ".css", ".html"}
NOT_WRITTEN_BY_HAND = re.compile(r"(^|/)migrations/|\.lock$|package-lock\.json$")
IMPURE_PACKAGES = frozenset(
    {
        "asgiref", "asyncio", "celery", "channels", "django", "httpx", "os", "psycopg", "redis",
        "requests", "secrets", "socket", "subprocess", "threading", "time",
    }
)  # fmt: skip
IMPURE_CALLS = frozenset({"now", "utcnow", "today", "open", "read_text", "write_text"})
LATE_IMPORT = re.compile(r"noqa: PLC0415(.*)")

Problems = Iterator[str]


def main() -> int:
    """Print one problem per line; return 1 if there are any."""
    sys.path.insert(0, ".")  # where grimp looks for the rooms
    paths = [Path(name) for name in _git_files() if not NOT_WRITTEN_BY_HAND.search(name)]
    modules = {path: ast.parse(path.read_text()) for path in paths if path.suffix == ".py"}
    graph = grimp.build_graph(
        *ROOMS, include_external_packages=True, exclude_type_checking_imports=True
    )
    imports = {
        name: set(graph.find_modules_directly_imported_by(name))
        for name in graph.modules
        if not graph.is_module_squashed(name)
    }
    problems = [
        *circles({name: found for name, found in imports.items() if not _is_test(name)}),
        *late_imports_without_reason(paths),
        *aliases(modules),
        *same_names(modules),
        *impurities(modules, imports),
        *oversized(paths),
        *locks_with_keys({p: tree for p, tree in modules.items() if "tests" not in p.parts}),
    ]
    for problem in problems:
        print(problem)
    return bool(problems)


def circles(imports: Mapping[str, set[str]]) -> Problems:
    """Files that import each other, directly or indirectly."""
    reach = {name: _reachable(name, imports) for name in imports}
    seen: set[frozenset[str]] = set()
    for name in sorted(imports):
        circle = frozenset(other for other in reach[name] if name in reach.get(other, ()))
        if circle and circle not in seen:
            seen.add(circle)
            yield f"circle of imports: {', '.join(sorted(circle))}"


def late_imports_without_reason(paths: Iterable[Path]) -> Problems:
    """ruff's PLC0415 finds imports inside functions; silencing it needs a reason."""
    for path in paths:
        if path.suffix != ".py" or path == Path(__file__).relative_to(Path.cwd()):
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if (found := LATE_IMPORT.search(line)) and not found[1].strip():
                yield f"{path}:{number}: an import inside a function without a reason"


def aliases(modules: Mapping[Path, ast.Module]) -> Problems:
    """One word, one thing: our own names keep their names wherever they are imported."""
    for path, tree in modules.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ROOMS:
                for one in node.names:
                    if one.asname:
                        yield f"{path}:{node.lineno}: {one.name} gets the alias {one.asname}"


def same_names(modules: Mapping[Path, ast.Module]) -> Problems:
    """No two public classes with the same name outside tests."""
    places: dict[str, list[str]] = defaultdict(list)
    for path, tree in modules.items():
        if path.parts[0] not in ROOMS or "tests" in path.parts:
            continue
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(f"{path}:{node.lineno}")
    for name, found in sorted(places.items()):
        # Django finds a command by exactly this name.
        if len(found) > 1 and name != "Command":
            yield f"the class name {name} is used more than once: {', '.join(found)}"


def impurities(modules: Mapping[Path, ast.Module], imports: Mapping[str, set[str]]) -> Problems:
    """Pure modules that reach something impure."""
    pure_folders = {
        path.parent for path in modules if path.name == "__init__.py" and is_pure(modules[path])
    }
    for path, tree in modules.items():
        if "tests" in path.parts or not (is_pure(tree) or pure_folders.intersection(path.parents)):
            continue
        name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        reached = _reachable(name, imports) & IMPURE_PACKAGES
        if reached:
            yield f"{path}: says that it is pure but reaches {', '.join(sorted(reached))}"
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _called(node) in IMPURE_CALLS:
                yield f"{path}:{node.lineno}: says that it is pure but calls {_called(node)}"


def is_pure(tree: ast.Module) -> bool:
    """Whether the module's documentation says so, in its first paragraph."""
    first = (ast.get_docstring(tree) or "").partition("\n\n")[0]
    return bool(re.search(r"\b(Pure|PURE)[.:]", first))


def oversized(paths: Iterable[Path]) -> Problems:
    """Files and folders too large to take in at one sitting."""
    folders: Counter[Path] = Counter()
    for path in paths:
        if path.suffix not in SOURCES:
            continue
        lines = path.read_text().count("\n")
        if lines > MAX_LINES:
            yield f"{path}: {lines} lines; the limit is {MAX_LINES}"
        folders[path.parent] += path.name != "__init__.py"
    for folder, count in sorted(folders.items()):
        if count > MAX_FILES:
            yield f"{folder}/: {count} source files; the limit is {MAX_FILES}"


def locks_with_keys(modules: Mapping[Path, ast.Module]) -> Problems:
    """Row locks without `no_key`."""
    for path, tree in modules.items():
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and _called(node) == "select_for_update"
                and not any(word.arg == "no_key" for word in node.keywords)
            ):
                yield f"{path}:{node.lineno}: select_for_update without no_key"


def _git_files() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        check=True,
        capture_output=True,
        text=True,
    )
    return [name for name in listed.stdout.split("\0") if name and Path(name).is_file()]


def _reachable(start: str, imports: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for name in imports.get(waiting.pop(), ()):
            if name not in found:
                found.add(name)
                waiting.append(name)
    return found


def _is_test(name: str) -> bool:
    return ".tests" in name or name.endswith("conftest")


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


if __name__ == "__main__":
    sys.exit(main())
