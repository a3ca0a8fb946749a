"""The base model's folder: whole or absent, and right for chat."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agents import convert
from arena.config.env import REPOSITORY


def test_a_finished_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / convert.MARKER).write_text("{}")
    assert convert.convert(tmp_path) is False
    assert [path.name for path in tmp_path.iterdir()] == [convert.MARKER]


def test_an_interrupted_conversion_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(source: Path, folder: Path) -> None:
        folder.mkdir()
        (folder / "tokenizer.json").write_text("{}")
        raise KeyboardInterrupt

    monkeypatch.setattr(convert, "_unpack", interrupted)
    with pytest.raises(KeyboardInterrupt):
        convert.convert(tmp_path / "models" / "base")
    assert list((tmp_path / "models").iterdir()) == []


def test_something_else_in_the_way_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unpacked(source: Path, folder: Path) -> None:
        folder.mkdir()
        (folder / convert.MARKER).write_text("{}")

    monkeypatch.setattr(convert, "_unpack", unpacked)
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "diary.txt").write_text("mine")
    with pytest.raises(convert.CannotConvert, match="remove it"):
        convert.convert(tmp_path / "base")
    assert (tmp_path / "base" / "diary.txt").read_text() == "mine"


def test_too_little_disk_is_said_with_the_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convert, "NEEDED_BYTES", 10**18)
    with pytest.raises(convert.CannotConvert, match="MB are free"):
        convert.convert(tmp_path / "base")


@pytest.mark.vllm
def test_the_converted_model_keeps_its_chat_template_and_its_end_of_turn(tmp_path: Path) -> None:
    folder = tmp_path / "base"
    command = [sys.executable, "-m", "agents.convert", "--to", str(folder)]
    subprocess.run(command, check=True, cwd=REPOSITORY)
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["added_tokens"]
    ids = {token["content"]: token["id"] for token in vocabulary}
    generation = json.loads((folder / "generation_config.json").read_text())
    assert generation["eos_token_id"] == ids[convert.END_OF_TURN]
    assert convert.END_OF_TURN in (folder / "chat_template.jinja").read_text()
