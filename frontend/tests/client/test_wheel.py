"""The wheel of the client works beside nothing but what it says that it needs."""

import shutil
import subprocess
import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from arena.tests.builders import make_user
from frontend.tests.client.terminals import Terminal

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

CLIENT = Path(__file__).parents[3] / "client"
TIMEOUT_SECONDS = 120


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with the client, as its wheel installs it, and with what it says that it needs."""
    source, folder = tmp_path / "source", tmp_path / "site"
    shutil.copytree(
        CLIENT, source, ignore=shutil.ignore_patterns("__pycache__")
    )  # builds leave files
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    offline = ["--no-index", "--no-deps"]
    wheel = [*pip, "wheel", *offline, "--no-build-isolation", "-w", str(tmp_path), str(source)]
    subprocess.run(wheel, check=True, timeout=TIMEOUT_SECONDS)
    (built,) = tmp_path.glob("rlfc-*.whl")
    subprocess.run(
        [*pip, "install", *offline, "--target", str(folder), str(built)],
        check=True,
        timeout=TIMEOUT_SECONDS,
    )
    (metadata,) = folder.glob("rlfc-*.dist-info")
    for needed in _needed(Distribution.at(metadata), seen=set()):
        for top in {file.parts[0] for file in needed.files or () if file.parts[0] != ".."}:
            place = folder / top
            if not place.exists():
                place.symlink_to(Path(str(needed.locate_file(top))))
    return folder


def _needed(of: Distribution, *, seen: set[str]) -> list[Distribution]:
    found = []
    for line in of.requires or ():
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        if requirement.name not in seen:
            seen.add(requirement.name)
            needed = distribution(requirement.name)
            found += [needed, *_needed(needed, seen=seen)]
    return found


def test_the_wheel_needs_nothing_that_it_does_not_name(
    installed: Path, port: int, tmp_path: Path
) -> None:
    terminal = Terminal(port, make_user(credits=70).pk, tmp_path)

    def run(*arguments: str) -> str:
        # -S: no site-packages of this environment, where our own packages and others' are.
        done = subprocess.run(
            [sys.executable, "-S", *arguments],
            cwd=tmp_path,
            env=terminal.env | {"PYTHONPATH": str(installed)},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    absent = ("django", "celery", "arena", "frontend")
    look = (
        "import rlfc, importlib.util as u; print(rlfc.__file__, [n for n in {} if u.find_spec(n)])"
    )
    assert run("-c", look.format(absent)) == f"{installed / 'rlfc/__init__.py'} []\n"
    command = str(installed / "bin/rlfc")
    assert "enter" in run(command, "--help")
    assert run(command, "wallet") == "70 credits available, 0 held\n"
