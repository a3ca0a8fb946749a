"""What serves and what trains, decided by the settings, the installation and the GPUs."""

import json
from pathlib import Path
from typing import Any

import pytest

from arena.config.env import Variables
from arena.config.gpu.cards import NoGpu, cards
from arena.config.gpu.hardware import SMOLLM2, Hardware, base_shape, hardware, loss
from arena.config.gpu.tests.test_cards import H200, OLD_DRIVER, TWO
from arena.config.supervisor import parts
from arena.config.supervisor.errors import LocalError
from arena.config.supervisor.parts import Options, choose_endpoints, plan


def decided(
    answer: str = H200,
    *,
    serves: bool = True,
    trains: bool = True,
    for_gpus: bool = True,
    **settings: Any,
) -> Hardware:
    return hardware(
        Variables(_env_file=None, **settings),
        serves=serves,
        trains=trains,
        asking=lambda: answer,
        for_gpus=lambda: for_gpus,
    )


def test_one_gpu_serves_and_trains_and_says_how_its_memory_is_shared() -> None:
    found = decided()
    assert found.serving == found.training
    assert found.plan
    assert "NVIDIA H200 with 140.4 GiB" in found.notes[0]
    assert found.notes[-1] == found.plan.sentence


def test_of_two_gpus_one_serves_and_the_other_trains() -> None:
    found = decided(TWO)
    assert (found.serving, found.training) == (cards(TWO)[1], cards(TWO)[0])
    assert found.plan
    assert found.plan.training_mib == 0


def test_training_on_cpus_leaves_the_gpu_to_serving() -> None:
    found = decided(train_device="cpu")
    assert found.serving
    assert found.training is None


def test_servers_of_others_leave_the_gpu_to_training() -> None:
    found = decided(vllm_url=["http://gpu:8000"])
    assert found.serving is None
    assert found.training


@pytest.mark.parametrize(
    "started", [{"serves": False, "trains": False}, {"gpu": "0", "for_gpus": False}]
)
def test_nothing_is_used_that_nobody_needs(started: dict[str, Any]) -> None:
    assert decided(**started) == Hardware()


def test_a_gpu_that_was_asked_for_and_cannot_be_had_stops_the_start() -> None:
    with pytest.raises(LocalError, match=r"GPU is 1, but none can be used. The driver"):
        decided(OLD_DRIVER, gpu="1")


def test_builds_for_gpus_do_not_start_without_one() -> None:
    with pytest.raises(LocalError, match=r"cannot serve on CPUs. .*too old.* make install GPU=0"):
        decided(OLD_DRIVER)


def test_builds_for_cpus_beside_a_gpu_say_how_to_use_it() -> None:
    found = decided(for_gpus=False)
    assert found.serving is None
    assert "make install GPU=1" in found.notes[0]
    with pytest.raises(LocalError, match="the builds for CPUs are installed"):
        decided(for_gpus=False, gpu="1")


def test_a_gpu_that_somebody_else_uses_is_refused_before_anything_starts() -> None:
    with pytest.raises(LocalError, match=r"NVIDIA H200 has too little memory.*other programs hold"):
        decided(H200.replace("143771, 14", "143771, 142000"))


def test_a_lost_gpu_is_named() -> None:
    (card,) = cards(H200)
    assert loss(card, asking=lambda: H200) == ""
    assert "does not list it any more" in loss(card, asking=lambda: TWO)

    def failing() -> str:
        raise NoGpu("nvidia-smi failed: GPU is lost.")

    assert loss(card, asking=failing).endswith("is gone. nvidia-smi failed: GPU is lost.")


def test_the_server_and_the_trainer_get_their_gpus_and_nobody_else_one(tmp_path: Path) -> None:
    environment = Variables(_env_file=None, rlfc_home=tmp_path, train_device="cuda")
    options, found = Options(free_ports=True), decided(TWO)
    planned = {
        part.name: part
        for part in plan(environment, options, choose_endpoints(environment, options), found)
    }
    server = planned[parts.INFERENCE]
    assert server.command[1:3] == ("-m", "vllm.entrypoints.openai.api_server")
    assert found.plan
    assert f"{found.plan.share:.3f}" in server.command
    assert "--block-size" not in server.command
    assert server.variables["CUDA_VISIBLE_DEVICES"] == "GPU-bbbb"
    assert "VLLM_CPU_KVCACHE_SPACE" not in server.variables
    assert planned[parts.TRAIN_WORKER].variables["CUDA_VISIBLE_DEVICES"] == "GPU-aaaa"
    assert planned[parts.TRAIN_WORKER].variables["TRAIN_DEVICE"] == "cuda"
    assert found.variables == {
        "CUDA_VISIBLE_DEVICES": "",
        "ADAPTER_DTYPE": "bfloat16",
        "TRAIN_PRECISION": "fitting",
    }


def test_what_a_person_has_chosen_stays() -> None:
    found = decided(adapter_dtype="float32", train_precision="chosen")
    assert not {"ADAPTER_DTYPE", "TRAIN_PRECISION"} & found.variables.keys()


def test_a_bases_shape_is_read_from_its_folder(tmp_path: Path) -> None:
    config = {
        "hidden_size": 576,
        "num_hidden_layers": 30,
        "intermediate_size": 1536,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "torch_dtype": "float32",
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes(bytes(2000))
    shape = base_shape(tmp_path)
    assert shape.weight_bytes == 1000
    assert (shape.layers, shape.head_size) == (SMOLLM2.layers, SMOLLM2.head_size)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"hidden_size": "wide"}'])
def test_a_base_that_says_nothing_of_its_shape_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(LocalError, match="does not describe a decoder model"):
        base_shape(tmp_path)
