"""What the documentation names exists: paths, names in files, links, and decision pages."""

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings

from agents.models import VersionOrigin
from arena.config.env import REPOSITORY
from arena.environments.base import Split
from arena.models import EntryStatus, SpaceStatus, TransferKind
from arena.states import CompletionStatus, MatchStatus, RoundStatus
from training.states import RunStatus

DECISIONS = REPOSITORY / "docs" / "decisions"
DOCUMENTS = [REPOSITORY / "README.md", *sorted(REPOSITORY.glob("docs/**/*.md"))]
_CODE_BLOCK = re.compile(r"^(?: {4}|```).*$", re.MULTILINE)
_TICKED = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(r"(?P<path>[\w.-]+(?:/[\w.-]+)*/?)(?::(?P<name>[A-Za-z_][\w.]*))?")
_LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)[^)]*\)")


@cache
def known_files() -> frozenset[str]:
    """Files of the repository; untracked ones count as well, ignored ones do not."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    return frozenset(path for path in listed.stdout.splitlines() if (REPOSITORY / path).exists())


@cache
def known_folders() -> frozenset[str]:
    return frozenset(str(folder) for path in known_files() for folder in Path(path).parents)


def looks_like_a_path(text: str) -> bool:
    """Whether it starts in a folder of the repository's root, or is a file there."""
    first = text.partition("/")[0]
    return first in known_folders() if "/" in text else text.endswith((".py", ".md", ".toml"))


def missing_in(document: str) -> list[str]:
    """Whatever a document names in backticks as a path or `path:name` and that does not exist."""
    found = []
    for ticked in _TICKED.findall(_CODE_BLOCK.sub("", document)):
        match = _PATH.fullmatch(ticked)
        if match is None or not looks_like_a_path(match["path"]):
            continue
        if not is_there(match["path"].rstrip("/"), match["name"]):
            found.append(ticked)
    return found


def is_there(path: str, name: str | None) -> bool:
    """Whether the repository has the path, and the file every part of the dotted name."""
    if name is None:
        return path in known_files() | known_folders()
    source = (REPOSITORY / path).read_text() if path in known_files() else ""
    return all(re.search(rf"\b{re.escape(part)}\b", source) for part in name.split("."))


def named(document: Path) -> str:
    return str(document.relative_to(REPOSITORY))


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_path_and_name_in_a_document_exists(document: Path) -> None:
    assert missing_in(document.read_text()) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_link_in_a_document_leads_to_a_file(document: Path) -> None:
    targets = _LINK.findall(document.read_text())
    assert [target for target in targets if not (document.parent / target).exists()] == []


def test_the_check_sees_a_path_and_a_name_that_are_not_there() -> None:
    document = "`arena/nowhere.py` `arena/access.py:no_such_verb` `arena/access.py` `n/a` `a b/c`"
    assert missing_in(document) == ["arena/nowhere.py", "arena/access.py:no_such_verb"]


OPERATING = (REPOSITORY / "docs" / "operating.md").read_text()
STORES = ("ADAPTER_STORE", "JUDGE_STORE", "RUN_STORE", "EXPORT_STORE")
NOT_BACKED_UP = {"EXPORT_STORE"}  # what is in it can be ordered again


@pytest.mark.parametrize("store", STORES)
def test_it_is_said_where_each_kind_of_file_is(store: str) -> None:
    assert f"`{getattr(settings, store).relative_to(settings.HOME)}/`" in OPERATING


@pytest.mark.parametrize("has_trained", [True, False])
@pytest.mark.parametrize("has_file_of_key", [True, False])
def test_the_commands_of_a_backup_bring_every_file_back(
    tmp_path: Path, has_trained: bool, has_file_of_key: bool
) -> None:
    section = OPERATING.partition("\n## Backup\n")[2].partition("\n## ")[0]
    commands = re.findall(r"^    (mkdir .*|test .*|tar .*)$", section, re.MULTILINE)
    *backup, restore = commands
    home, kept = tmp_path / "var", set()
    home.mkdir()
    if has_file_of_key:  # with SECRET_KEY there is none
        (home / "secret_key").touch()
        kept.add(Path("secret_key"))
    if has_trained:
        stores = {name: getattr(settings, name).relative_to(settings.HOME) for name in STORES}
        for folder in stores.values():
            (home / folder / "1").mkdir(parents=True)
            (home / folder / "1" / "file").touch()
        kept |= {stores[name] / "1" / "file" for name in stores.keys() - NOT_BACKED_UP}
    subprocess.run(["sh", "-ec", "\n".join(backup)], cwd=tmp_path, check=True)
    home.rename(tmp_path / "lost")
    subprocess.run(["sh", "-ec", restore], cwd=tmp_path, check=True)
    assert {path.relative_to(home) for path in home.rglob("*") if path.is_file()} == kept


BEHIND_TLS = """
import json, sys
from django.http import HttpResponse
from django.middleware.security import SecurityMiddleware
from django.test import RequestFactory
page = SecurityMiddleware(lambda request: HttpResponse())
request = RequestFactory().get("/", headers=json.loads(sys.argv[1]))
print(page(request).status_code, request.get_host())
"""


def test_behind_the_proxy_of_the_example_pages_are_not_redirected_without_end() -> None:
    site = (REPOSITORY / "docs" / "examples" / "nginx.conf").read_text()
    headers = dict(re.findall(r"proxy_set_header ([\w-]+) +\$(\w+);", site))
    given = {"host": "arena.example", "remote_addr": "192.0.2.1", "scheme": "https"}
    sent = {name: given[value] for name, value in headers.items() if value in given}
    assert {"Host", "X-Forwarded-For", "X-Forwarded-Proto"} == sent.keys()
    answered = subprocess.run(
        [sys.executable, "-c", BEHIND_TLS, json.dumps(sent)],
        cwd=REPOSITORY,
        env=os.environ | {"HTTPS_ONLY": "true", "ALLOWED_HOSTS": "arena.example"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert answered.stdout.split() == ["200", "arena.example"]


def test_the_documented_prometheus_asks_under_a_name_that_is_served() -> None:
    (target,) = re.findall(r'targets: \["(.*)"\]', OPERATING)
    example = (REPOSITORY / "compose.env.example").read_text()
    (served,) = re.findall(r"^ALLOWED_HOSTS=(.*)$", example, re.MULTILINE)
    assert target.partition(":")[0] in served.split(",")


VOCABULARY = {
    *("Agent", "AgentVersion", "Adapter", "Space", "Entry", "Match", "Seat", "Round", "Task"),
    *("Completion", "Judge", "Panel", "Vote", "Verdict", "Pair", "TrainingRun", "Transfer", "Hold"),
    *("Rating", "Frame", "Event", "Rollout", "RehearsalText", "Environment", "Group", "Job"),
}
STATES = (
    *(MatchStatus, RoundStatus, CompletionStatus, EntryStatus, SpaceStatus),
    *(RunStatus, TransferKind, VersionOrigin, Split),
)


def vocabulary() -> str:
    text = (REPOSITORY / "docs" / "architecture.md").read_text()
    return text.partition("## Vocabulary")[2].partition("## ")[0]


def test_the_vocabulary_has_every_noun_and_every_row() -> None:
    rows = {
        model.__name__
        for model in apps.get_models()
        if model.__module__.split(".")[0] in ("agents", "arena", "judges", "training")
    }
    found = vocabulary()
    assert {noun for noun in VOCABULARY | rows if not re.search(rf"\b{noun}\b", found)} == set()


def test_the_vocabulary_has_every_state() -> None:
    found = vocabulary()
    assert {
        state.value for states in STATES for state in states if state.value not in found
    } == set()


def test_every_decision_is_listed() -> None:
    listed = set(_LINK.findall((DECISIONS / "README.md").read_text()))
    pages = {path.name for path in DECISIONS.glob("*.md")} - {"README.md"}
    assert {name for name in listed if "/" not in name} == pages


def test_the_code_leads_to_every_decision_and_to_no_other() -> None:
    sources = [path for path in known_files() if path.endswith(".py")]
    found: set[str] = set()
    for path in sources:
        found |= set(re.findall(r"docs/decisions/([\w-]+\.md)", (REPOSITORY / path).read_text()))
    assert found == {path.name for path in DECISIONS.glob("*.md")} - {"README.md"}
