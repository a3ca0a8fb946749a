"""Parents, data and runs that cannot be learned from: each with its sentence."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from agents.adapters.checks import CONFIG_FILE, WEIGHTS_FILE
from training.configs.configs import Precision, Targets
from training.trainers.job import ADAPTER_FOLDER
from training.trainers.model.base_model import choose_device, load_base
from training.trainers.model.lora import plan_adapter
from training.trainers.progress import check_converges
from training.trainers.rehearsal import read_rehearsal
from training.trainers.stopped import TrainingStopped
from training.trainers.tests.builders import (
    VOCABULARY,
    result_of,
    save_tiny_base,
    some_groups,
    some_pairs,
    train,
    write_job,
    write_lines,
)


def with_parent(
    tmp_path: Path, tiny_base: Path, config: dict[str, Any], tensors: dict[str, np.ndarray]
) -> Path:
    parent = tmp_path / "parent"
    parent.mkdir()
    save_file(tensors, parent / WEIGHTS_FILE)
    (parent / CONFIG_FILE).write_text(json.dumps(config))
    return write_job(tmp_path / "job", tiny_base, parent=parent)


@pytest.fixture
def parent_files(tiny_base: Path, tmp_path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    train(write_job(tmp_path / "first", tiny_base, epochs=1))
    folder = tmp_path / "first" / ADAPTER_FOLDER
    return json.loads((folder / CONFIG_FILE).read_text()), load_file(folder / WEIGHTS_FILE)


def refusal(folder: Path) -> str:
    train(folder)
    assert not (folder / ADAPTER_FOLDER).exists()
    return str(result_of(folder)["error"])


def test_parents_that_do_not_fit_are_refused_with_a_sentence(
    tiny_base: Path, tmp_path: Path, parent_files: tuple[dict[str, Any], dict[str, np.ndarray]]
) -> None:
    config, tensors = parent_files
    name = next(iter(tensors))
    broken: dict[str, tuple[dict[str, Any], dict[str, np.ndarray], str]] = {
        "rank": (config | {"r": 2}, tensors, "does not fit this base model at rank 2"),
        "layer": (config, tensors | {"model.layers.9.x": tensors[name]}, "another base model"),
        "half": (config, {name: tensors[name]}, "another base model"),
        "config": ({}, tensors, "cannot be read"),
        "nan": (config, tensors | {name: tensors[name] * np.nan}, "Training diverged at step 1"),
    }
    folders = {}
    for label, (its_config, its_tensors, _) in broken.items():
        (tmp_path / label).mkdir()
        folders[label] = with_parent(tmp_path / label, tiny_base, its_config, its_tensors)
    other = save_tiny_base(tmp_path / "other", hidden=16)
    folders["other base"] = with_parent(tmp_path / "other", other, config, tensors)
    pickled = with_parent(tmp_path, tiny_base, config, tensors)
    (tmp_path / "parent" / "adapter_model.bin").write_bytes(b"\x80\x04.")
    train(*(folder for label, folder in folders.items() if label != "other base"), pickled)
    for label, (_, _, sentence) in broken.items():
        assert sentence in result_of(folders[label])["error"]
        assert not (folders[label] / ADAPTER_FOLDER).exists()
    assert "may run code" in result_of(pickled)["error"]
    assert "does not fit this base model" in refusal(folders["other base"])


def test_bad_data_is_refused_with_a_sentence(tiny_base: Path, tmp_path: Path) -> None:
    same = [pair | {"rejected_ids": pair["chosen_ids"]} for pair in some_pairs(3)]
    equal = some_groups(2)
    for group in equal:
        for answer in group["answers"]:
            answer["reward"] = 1.0
    cases: dict[str, tuple[Any, dict[str, Any], str]] = {
        "same": (same, {}, "in every pair, both answers are the same"),
        "equal": (equal, {"method": "grpo"}, "in every group, all answers have the same score"),
        "long": ([some_pairs(1)[0] | {"chosen_ids": [1] * 70}], {}, "longer than the longest"),
        "text": ([{"prompt": "a"}], {}, "cannot be read"),
        "tokens": (
            [some_pairs(1)[0] | {"chosen_ids": [10**6]}],
            {},
            "tokens that the base model does not know",
        ),
    }
    folders = {
        name: write_job(tmp_path / name, tiny_base, lines=lines, **config)
        for name, (lines, config, _) in cases.items()
    }
    train(*folders.values())
    for name, (_, _, sentence) in cases.items():
        assert sentence in result_of(folders[name])["error"]


@pytest.mark.parametrize(
    "line", [{}, {"prompt_ids": [], "ids": [1]}, {"prompt_ids": [1], "ids": [10**6]}, {"ids": "a"}]
)
def test_rehearsal_that_cannot_be_read_is_refused_with_a_sentence(
    tmp_path: Path, line: dict[str, Any]
) -> None:
    path = write_lines(tmp_path / "rehearsal.jsonl", [line])
    with pytest.raises(TrainingStopped, match="rehearsal texts cannot be read"):
        read_rehearsal(path, vocabulary=VOCABULARY)


def test_targets_that_the_base_lacks_are_named() -> None:
    with pytest.raises(TrainingStopped, match="no layers that attention could adapt"):
        plan_adapter(Targets.ATTENTION, rank=4, alpha=8, shapes={"model.mixer": (8, 8)})


@pytest.mark.parametrize(
    ("losses", "grad_norm", "kl", "sentence"),
    [
        ([1.0, math.nan], 1.0, 0.0, "step 2: the loss or its gradient is not a finite number"),
        ([1.0], math.inf, 0.0, "step 1: the loss or its gradient"),
        ([1.0, 3.0, 9.5], 1.0, 0.0, "step 3: the loss rose from 1.00 to 9.50"),
        ([1.0, 1.0], 1.0, 25.0, "step 2: the new version has drifted too far from its parent"),
    ],
)
def test_a_run_that_diverges_is_stopped_with_the_reason(
    losses: list[float], grad_norm: float, kl: float, sentence: str
) -> None:
    with pytest.raises(TrainingStopped, match=sentence) as stopped:
        check_converges(losses, grad_norm=grad_norm, kl=kl)
    assert str(stopped.value).endswith("Try a lower learning rate. The parent version stays.")


def test_a_run_that_gets_somewhat_worse_goes_on() -> None:
    check_converges([1.0, 8.5], grad_norm=100.0, kl=15.0)


def test_a_base_that_cannot_be_read_names_no_file_of_the_machine_to_the_owner(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(TrainingStopped, match=r"^The base model cannot be read; the trainer's log"):
        load_base(tmp_path, precision=Precision.BF16, device=choose_device("cpu"))
    assert str(tmp_path) in capsys.readouterr().err
