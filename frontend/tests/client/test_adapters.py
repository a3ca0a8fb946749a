"""Adapters are taken home and brought in from a terminal."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from rlfc import Arena
from rlfc.adapters import CONFIG_FILE, WEIGHTS_FILE
from rlfc.downloads import digest_of_file
from safetensors.numpy import save_file

from agents.models import AgentVersion, BaseModel
from arena.models import Space
from frontend.tests.client.terminals import Terminal
from training.adapters.tests.builders import (
    small_base,
    some_config,
    some_tensors,
    stored_version,
    zipped,
)
from training.models import TrainingRun
from training.states import UPLOAD
from training.tests.builders import make_agent, make_base, make_space

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def version(settings: Any, tmp_path: Path) -> AgentVersion:
    settings.ADAPTER_STORE, settings.RUN_STORE = tmp_path / "store", tmp_path / "runs"
    base_folder = small_base(tmp_path / "base")
    make_base(str(base_folder))
    return stored_version(make_agent(), base_folder, tmp_path)


def made_elsewhere(folder: Path, **config: Any) -> Path:
    """An adapter as PEFT saves it."""
    folder.mkdir()
    base_folder = Path(BaseModel.objects.get(slug="tiny").path)
    save_file(some_tensors(base_folder, seed=9), folder / WEIGHTS_FILE)
    (folder / CONFIG_FILE).write_text(json.dumps(some_config(**config)))
    (folder / "optimizer.pt").write_bytes(b"not sent")
    return folder


def test_an_adapter_is_fetched_as_a_folder_or_a_zip_file(
    version: AgentVersion, port: int, tmp_path: Path
) -> None:
    agent, terminal = version.agent, Terminal(port, version.agent.owner_id, tmp_path)
    nowhere = tmp_path / "none"
    none = terminal.type("adapter", "download", agent.name, "--out", str(nowhere), status=1)
    assert "Version 1 has no adapter" in none
    assert not nowhere.exists()
    wanted = ("adapter", "download", agent.name, "--version", "2", "--out")
    home = tmp_path / "home"
    assert f"{home} is whole." in terminal.type(*wanted, str(home))
    assert {file.name for file in home.iterdir()} == {
        WEIGHTS_FILE,
        CONFIG_FILE,
        "README.md",
        "version.json",
    }
    assert version.adapter is not None
    assert digest_of_file(home / WEIGHTS_FILE) == version.adapter.digest
    terminal.type(*wanted, str(tmp_path / "home.zip"))
    assert (tmp_path / "home.zip").read_bytes().startswith(b"PK")
    assert not list(tmp_path.glob("*.part"))
    assert not list(tmp_path.glob(".*"))


def test_an_adapter_is_fetched_into_the_folder_where_one_is(
    version: AgentVersion, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal(port, version.agent.owner_id, tmp_path)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    wanted = ("adapter", "download", version.agent.name, "--out", ".", "--version")
    assert "Version 1 has no adapter" in terminal.type(*wanted, "1", status=1)
    terminal.type(*wanted, "2")
    assert {file.name for file in here.iterdir()} == {
        WEIGHTS_FILE,
        CONFIG_FILE,
        "README.md",
        "version.json",
    }


def test_what_broke_off_goes_on_and_what_is_left_of_another_file_is_no_harm(
    version: AgentVersion, port: int, tmp_path: Path
) -> None:
    terminal = Terminal(port, version.agent.owner_id, tmp_path)
    to, part = tmp_path / "home.zip", tmp_path / "home.zip.part"
    told: list[tuple[int, int]] = []
    with Arena(terminal.url, terminal.token) as arena:

        def fetched() -> bytes:
            told.clear()
            arena.save_adapter(
                version.agent_id, to, number=2, tell=lambda done, size: told.append((done, size))
            )
            return to.read_bytes()

        whole = fetched()
        for left, began in (
            (whole[:300], [300]),
            (whole, [0]),
            (b"x" * 300, [300, 0]),
            (b"x" * (len(whole) + 9), [0]),
        ):
            part.write_bytes(left)
            assert fetched() == whole
            assert [done for done, _ in told if done in (0, 300)] == began
            assert {size for _, size in told} <= {len(whole)}


def test_an_adapter_is_brought_in_once_for_each_key(
    version: AgentVersion, port: int, tmp_path: Path
) -> None:
    agent, space = version.agent, make_space()
    terminal = Terminal(port, agent.owner_id, tmp_path)
    folder = made_elsewhere(tmp_path / "mine")
    command = ("adapter", "upload", agent.name, space.slug, str(folder), "--key")
    key = "0b9c4f7e-2d61-4a7c-9f4b-0f3f2a1f5d11"
    said = terminal.type(*command, key, "--no-follow")
    assert f"Version 3 of {agent.name} waits for the gate." in said
    assert re.search(r"Run \d+ is queued", said)
    run = json.loads(terminal.type(*command, key, "--json"))
    assert (run["method"], run["child_number"]) == (UPLOAD, 3)
    assert TrainingRun.objects.filter(agent=agent).count() == 1


def test_a_zip_file_is_brought_in_with_its_bytes_told(
    version: AgentVersion, port: int, tmp_path: Path
) -> None:
    space, folder = make_space(), made_elsewhere(tmp_path / "mine")
    contents = {name: (folder / name).read_bytes() for name in (CONFIG_FILE, WEIGHTS_FILE)}
    (sent,) = zipped(contents)
    sent.file.seek(0)
    file = tmp_path / "mine.zip"
    file.write_bytes(sent.file.read())
    terminal = Terminal(port, version.agent.owner_id, tmp_path)
    told: list[tuple[int, int]] = []
    with Arena(terminal.url, terminal.token) as arena:
        run = arena.upload_adapter(
            version.agent_id,
            file,
            space=space.slug,
            tell=lambda done, size: told.append((done, size)),
        )
    assert run["status"] == "queued"
    size = file.stat().st_size
    assert told[-1] == (size, size)


def test_what_is_no_adapter_is_refused_in_words(
    version: AgentVersion, port: int, tmp_path: Path
) -> None:
    agent, space = version.agent, make_space()
    terminal = Terminal(port, agent.owner_id, tmp_path)
    pickle = tmp_path / "adapter_model.bin"
    pickle.write_bytes(b"\x80\x04.")
    empty = tmp_path / "empty"
    empty.mkdir()
    wide = made_elsewhere(tmp_path / "wide", r=17)
    for source, sentence in (
        (pickle, "adapters must be safetensors"),
        (empty, f"has no {CONFIG_FILE}"),
        (tmp_path / "none.zip", "cannot be read"),
        (wide, "r must be a whole number from 1 to 16"),
    ):
        said = terminal.type("adapter", "upload", agent.name, space.slug, str(source), status=1)
        assert sentence in said, source
    said = terminal.type("adapter", "upload", agent.name, "nowhere", str(wide), status=1)
    assert "Choose an open Space" in said
    assert not TrainingRun.objects.exists()
    assert Space.objects.count() == 1
