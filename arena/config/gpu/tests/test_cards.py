"""Which GPU is used, from nvidia-smi's own words."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from arena.config.env import REPOSITORY
from arena.config.gpu.cards import NoGpu, cards, chosen, fault

# As `nvidia-smi --query-gpu=index,uuid,name,memory.total,memory.used,driver_version,compute_cap
# --format=csv,noheader,nounits` prints it.
H200 = "0, GPU-5ad5, NVIDIA H200, 143771, 14, 580.95.05, 9.0\n"
TWO = (
    "0, GPU-aaaa, NVIDIA GeForce RTX 4090, 24564, 20110, 580.82.09, 8.9\n"
    "1, GPU-bbbb, NVIDIA GeForce RTX 4090, 24564, 611, 580.82.09, 8.9\n"
)
OLD_DRIVER = "0, GPU-cccc, NVIDIA A10G, 23028, 0, 535.183.01, 8.6\n"
OLD_CARD = "0, GPU-dddd, Tesla T4, 15360, 0, 580.65.06, 7.5\n"
SHARED_MEMORY = "0, GPU-eeee, NVIDIA GB10, [N/A], [N/A], 580.95.05, 12.1\n"
LOST = "0, [GPU is lost], [GPU is lost], [GPU is lost], [GPU is lost], 580.95.05, [GPU is lost]\n"
NO_DRIVER = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that "
    "the latest NVIDIA driver is installed and running.\n"
)


def test_a_gpu_is_read_from_its_line() -> None:
    (card,) = cards(H200)
    assert (card.name, card.memory_mib, card.free_mib) == ("NVIDIA H200", 143771, 143757)
    assert (card.uuid, card.driver, card.capability) == ("GPU-5ad5", "580.95.05", (9, 0))
    assert fault(card) == ""


def test_of_two_gpus_the_one_with_more_free_memory_comes_first() -> None:
    assert [card.uuid for card in chosen("auto", asking=lambda: TWO)] == ["GPU-bbbb", "GPU-aaaa"]


def test_no_gpu_is_asked_for_when_none_is_wanted() -> None:
    def asking() -> str:
        raise AssertionError("nvidia-smi was asked")

    assert chosen("0", asking=asking) == ()


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        pytest.param(OLD_DRIVER, "driver 535.183.01 .* too old .* 580 or newer", id="driver"),
        pytest.param(OLD_CARD, "Tesla T4 cannot compute in bfloat16.*7.5.*8.0", id="capability"),
        pytest.param(SHARED_MEMORY, "NVIDIA GB10, .N/A.*cannot be used", id="memory"),
        pytest.param(LOST, "GPU is lost.*cannot be used", id="lost"),
        pytest.param("", "found no GPU", id="none"),
        pytest.param("<html>", "cannot be used", id="garbage"),
    ],
)
def test_a_gpu_that_cannot_be_used_is_refused_with_its_reason(answer: str, sentence: str) -> None:
    with pytest.raises(NoGpu, match=sentence):
        chosen("auto", asking=lambda: answer)


def test_an_old_card_beside_a_usable_one_is_left_out() -> None:
    mixed = OLD_CARD + H200.replace("0,", "1,", 1)
    assert [card.name for card in chosen("1", asking=lambda: mixed)] == ["NVIDIA H200"]


def decided(tmp_path: Path, wanted: str, smi: str = "") -> tuple[int, str, str]:
    """(status, output, error output) of the file run as the Makefile does, with this nvidia-smi."""
    if smi:
        program = tmp_path / "nvidia-smi"
        program.write_text(smi)
        program.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "arena/config/gpu/cards.py", wanted],
        cwd=REPOSITORY,
        env={"PATH": f"{tmp_path}:{os.defpath}" if smi else str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.strip(), done.stderr


def answering(text: str, *, status: int = 0) -> str:
    return f"#!/bin/sh\ncat <<'END'\n{text}END\nexit {status}\n"


def test_the_build_follows_the_machine(tmp_path: Path) -> None:
    status, build, words = decided(tmp_path, "auto", answering(H200))
    assert (status, build) == (0, "gpu")
    assert "NVIDIA H200 with 140.4 GiB" in words


def test_a_machine_without_a_gpu_takes_the_build_for_cpus_without_a_word(tmp_path: Path) -> None:
    assert decided(tmp_path, "") == (0, "cpu", "")


def test_a_gpu_that_was_asked_for_and_cannot_be_had_stops_the_installation(tmp_path: Path) -> None:
    status, build, words = decided(tmp_path, "1", answering(NO_DRIVER, status=9))
    assert (status, build) == (2, "")
    assert "GPU is 1, but none can be used." in words
    assert "couldn't communicate with the NVIDIA driver" in words


def test_a_driver_that_fails_is_told_and_the_cpu_is_used(tmp_path: Path) -> None:
    status, build, words = decided(tmp_path, "auto", answering(NO_DRIVER, status=9))
    assert (status, build) == (0, "cpu")
    assert "CPUs are used instead" in words


def test_a_made_up_wish_is_refused(tmp_path: Path) -> None:
    status, _, words = decided(tmp_path, "yes")
    assert status == 2
    assert "Set it to 0 for CPUs or to 1 for a GPU" in words


def made(tmp_path: Path, answer: str, **variables: str) -> tuple[int, str]:
    """(status, what it said) of the Makefile's step that chooses the build, in a folder of its own."""
    smi = tmp_path / "bin" / "nvidia-smi"
    smi.parent.mkdir(exist_ok=True)
    smi.write_text(answering(answer))
    smi.chmod(0o755)
    folder = tmp_path / "venv"
    given = {"NEEDED_DISK_GB_GPU": "0", "NEEDED_DISK_GB_CPU": "0", "VENV": str(folder)}
    given |= {"PYTHON": sys.executable, **variables}
    settings = [f"{name}={value}" for name, value in given.items()]
    done = subprocess.run(
        ["make", "--silent", f"{folder}/.done/hardware", *settings],
        cwd=REPOSITORY,
        env={"PATH": f"{smi.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_make_installs_for_the_gpu_that_it_finds_and_says_how_much_that_is(tmp_path: Path) -> None:
    status, words = made(tmp_path, H200)
    assert status == 0
    assert "NVIDIA H200" in words
    assert "4 GB to download" in words
    assert (tmp_path / "venv/.done/hardware").read_text() == "gpu\n"


def test_make_begins_anew_when_another_build_is_wanted_and_only_then(tmp_path: Path) -> None:
    made(tmp_path, H200)
    installed = tmp_path / "venv" / "installed"
    installed.touch()
    assert made(tmp_path, H200, GPU="1")[0] == 0
    assert installed.exists()
    status, words = made(tmp_path, H200, GPU="0")
    assert (status, installed.exists()) == (0, False)
    assert "starting anew" in words
    assert made(tmp_path, H200) == (0, "")  # what was chosen stays
    assert (tmp_path / "venv/.done/hardware").read_text() == "cpu\n"


def test_make_stops_where_the_disk_is_too_small_for_the_build(tmp_path: Path) -> None:
    status, words = made(tmp_path, H200, NEEDED_DISK_GB_GPU="999999")
    assert status != 0
    assert "About 999999 GB of disk space are needed here" in words
    assert not (tmp_path / "venv/.done/hardware").exists()
