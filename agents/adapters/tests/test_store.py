import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from django.utils import timezone
from safetensors.numpy import save_file
from safetensors.torch import load_file

from agents.adapters.checks import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    BadAdapter,
    check_adapter,
    linear_shapes,
)
from agents.adapters.store import (
    AdapterCorrupt,
    AdapterMissing,
    adapter_folder,
    check_playable,
    remove_files,
    store_adapter,
)
from agents.models import Adapter, BaseModel

RANK = 4
SHAPES = {"model.layers.0.self_attn.q_proj": (6, 8), "model.layers.0.mlp.down_proj": (8, 10)}


@pytest.fixture
def base_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    folder.mkdir()
    tensors = {f"{module}.weight": np.zeros(shape, np.float32) for module, shape in SHAPES.items()}
    tensors["model.embed_tokens.weight"] = np.zeros((20, 8), np.float32)
    tensors["model.norm.weight"] = np.zeros((8,), np.float32)
    save_file(tensors, folder / "model.safetensors")
    return folder


@pytest.fixture
def store(tmp_path: Path, settings: Any) -> Path:
    settings.ADAPTER_STORE = tmp_path / "store"
    return tmp_path / "store"


def name_of(module: str, side: str) -> str:
    return f"base_model.model.{module}.lora_{side}.weight"


def make_tensors(seed: int = 0) -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(seed)
    tensors = {}
    for module, (outputs, inputs) in SHAPES.items():
        tensors[name_of(module, "A")] = rng.normal(size=(RANK, inputs)).astype(np.float32)
        tensors[name_of(module, "B")] = rng.normal(size=(outputs, RANK)).astype(np.float32)
    return tensors


def make_adapter(
    folder: Path, tensors: dict[str, np.ndarray[Any, Any]] | None = None, **config: Any
) -> Path:
    folder.mkdir(exist_ok=True)
    save_file(make_tensors() if tensors is None else tensors, folder / WEIGHTS_FILE)
    values = {"peft_type": "LORA", "r": RANK, "lora_alpha": 8, "bias": "none"} | config
    (folder / CONFIG_FILE).write_text(json.dumps(values))
    return folder


def make_base(base_folder: Path) -> BaseModel:
    return BaseModel.objects.create(
        slug="tiny", served_name="tiny", name="Tiny", path=str(base_folder)
    )


def test_a_sound_adapter_is_accepted_with_its_facts(tmp_path: Path, base_folder: Path) -> None:
    facts = check_adapter(make_adapter(tmp_path / "a"), base_folder=base_folder)
    assert (facts.rank, facts.alpha) == (RANK, 8)
    assert facts.target_modules == ("down_proj", "q_proj")
    assert facts.size_bytes == (tmp_path / "a" / WEIGHTS_FILE).stat().st_size


def test_layers_of_the_base_exclude_embeddings_and_norms(base_folder: Path) -> None:
    assert linear_shapes(base_folder) == SHAPES


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e6])
@pytest.mark.parametrize("side", ["A", "B"])
def test_values_that_are_not_finite_or_absurd_are_refused(
    tmp_path: Path, base_folder: Path, value: float, side: str
) -> None:
    tensors = make_tensors()
    tensors[name_of("model.layers.0.mlp.down_proj", side)][-1, -1] = value
    with pytest.raises(BadAdapter, match="holds values"):
        check_adapter(make_adapter(tmp_path / "a", tensors), base_folder=base_folder)


@pytest.mark.parametrize(
    "name",
    [
        "base_model.model.model.layers.9.self_attn.q_proj.lora_A.weight",
        "base_model.model.model.embed_tokens.lora_A.weight",
        "base_model.model.lm_head.lora_A.weight",
        "model.layers.0.self_attn.q_proj.lora_A.weight",
        "base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight",
    ],
)
def test_a_tensor_of_a_layer_that_the_base_lacks_is_refused(
    tmp_path: Path, base_folder: Path, name: str
) -> None:
    tensors = make_tensors() | {name: np.zeros((RANK, 8), np.float32)}
    with pytest.raises(BadAdapter, match="no linear layer"):
        check_adapter(make_adapter(tmp_path / "a", tensors), base_folder=base_folder)


def test_a_shape_that_does_not_fit_the_base_is_refused(tmp_path: Path, base_folder: Path) -> None:
    name = name_of("model.layers.0.self_attn.q_proj", "A")
    tensors = make_tensors() | {name: np.zeros((RANK, 9), np.float32)}
    with pytest.raises(BadAdapter, match="has the shape"):
        check_adapter(make_adapter(tmp_path / "a", tensors), base_folder=base_folder)


def test_a_layer_that_could_make_its_model_overflow_is_refused(
    tmp_path: Path, base_folder: Path
) -> None:
    tensors = {name: np.full_like(value, 3.0) for name, value in make_tensors().items()}
    check_adapter(make_adapter(tmp_path / "a", tensors), base_folder=base_folder)
    name = name_of("model.layers.0.self_attn.q_proj", "B")
    tensors[name] = np.full_like(tensors[name], 3_000.0)
    with pytest.raises(BadAdapter, match=r"q_proj could change a weight of the base by \d+,\d+"):
        check_adapter(make_adapter(tmp_path / "b", tensors), base_folder=base_folder)


def test_a_rank_that_differs_from_the_config_is_refused(tmp_path: Path, base_folder: Path) -> None:
    with pytest.raises(BadAdapter, match="has the shape"):
        check_adapter(make_adapter(tmp_path / "a", r=8), base_folder=base_folder)


def test_a_layer_with_only_one_side_is_refused(tmp_path: Path, base_folder: Path) -> None:
    tensors = make_tensors()
    del tensors[name_of("model.layers.0.self_attn.q_proj", "B")]
    with pytest.raises(BadAdapter, match="only one of"):
        check_adapter(make_adapter(tmp_path / "a", tensors), base_folder=base_folder)


def test_weights_of_another_type_are_refused(tmp_path: Path, base_folder: Path) -> None:
    tensors = {name: value.astype(np.float64) for name, value in make_tensors().items()}
    with pytest.raises(BadAdapter, match="type F64"):
        check_adapter(make_adapter(tmp_path / "a", tensors), base_folder=base_folder)


@pytest.mark.parametrize(("bits", "is_fine"), [(0x3F80, True), (0x7FC0, False), (0xFF80, False)])
def test_bfloat16_is_decoded_before_it_is_judged(
    tmp_path: Path, base_folder: Path, bits: int, is_fine: bool
) -> None:
    folder = make_adapter(tmp_path / "a")
    as_uint16 = {name: np.full(v.shape, bits, np.uint16) for name, v in make_tensors().items()}
    save_file(as_uint16, folder / WEIGHTS_FILE)
    content = (folder / WEIGHTS_FILE).read_bytes()
    # "BF16" is one byte longer than "U16": the header's length goes up with it.
    header = content[8 : 8 + int.from_bytes(content[:8], "little")].replace(b'"U16"', b'"BF16"')
    body = content[8 + int.from_bytes(content[:8], "little") :]
    (folder / WEIGHTS_FILE).write_bytes(len(header).to_bytes(8, "little") + header + body)
    if is_fine:
        check_adapter(folder, base_folder=base_folder)
    else:
        with pytest.raises(BadAdapter, match="not finite"):
            check_adapter(folder, base_folder=base_folder)


@pytest.mark.parametrize("name", ["adapter_model.bin", "optimizer.pt", "x.pkl"])
def test_a_pickle_is_refused_without_being_read(
    tmp_path: Path, base_folder: Path, name: str
) -> None:
    folder = make_adapter(tmp_path / "a")
    (folder / name).write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(BadAdapter, match="pickle"):
        check_adapter(folder, base_folder=base_folder)


@pytest.mark.parametrize(
    "change",
    [
        {"r": 65},
        {"r": 0},
        {"r": "4"},
        {"r": True},
        {"lora_alpha": None},
        {"peft_type": "IA3"},
        {"use_dora": True},
        {"use_rslora": True},
        {"bias": "all"},
        {"modules_to_save": ["lm_head"]},
        {"alpha_pattern": {"q_proj": 64}},
    ],
)
def test_a_config_that_is_not_plain_lora_is_refused(
    tmp_path: Path, base_folder: Path, change: dict[str, Any]
) -> None:
    with pytest.raises(BadAdapter, match=CONFIG_FILE):
        check_adapter(make_adapter(tmp_path / "a", **change), base_folder=base_folder)


@pytest.mark.parametrize("text", ["", "{", "[]", '"LORA"'])
def test_a_config_that_is_not_an_object_is_refused(
    tmp_path: Path, base_folder: Path, text: str
) -> None:
    folder = make_adapter(tmp_path / "a")
    (folder / CONFIG_FILE).write_text(text)
    with pytest.raises(BadAdapter, match=CONFIG_FILE):
        check_adapter(folder, base_folder=base_folder)


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_a_truncated_file_is_refused(tmp_path: Path, base_folder: Path, kept: int) -> None:
    folder = make_adapter(tmp_path / "a")
    content = (folder / WEIGHTS_FILE).read_bytes()
    (folder / WEIGHTS_FILE).write_bytes(content[:kept])
    with pytest.raises(BadAdapter, match="truncated"):
        check_adapter(folder, base_folder=base_folder)


@pytest.mark.parametrize("name", [WEIGHTS_FILE, CONFIG_FILE])
def test_a_missing_file_is_named(tmp_path: Path, base_folder: Path, name: str) -> None:
    folder = make_adapter(tmp_path / "a")
    (folder / name).unlink()
    with pytest.raises(BadAdapter, match=name):
        check_adapter(folder, base_folder=base_folder)


def test_an_adapter_without_weights_is_refused(tmp_path: Path, base_folder: Path) -> None:
    with pytest.raises(BadAdapter, match="no weights"):
        check_adapter(make_adapter(tmp_path / "a", {}), base_folder=base_folder)


@pytest.mark.django_db
def test_a_stored_adapter_is_found_by_its_digest(
    tmp_path: Path, base_folder: Path, store: Path
) -> None:
    adapter = store_adapter(
        make_adapter(tmp_path / "a"), base_model=make_base(base_folder), parent=None
    )
    folder = adapter_folder(adapter.digest, verify=True)
    assert folder == store / adapter.digest[:2] / adapter.digest
    assert {path.name for path in folder.iterdir()} == {WEIGHTS_FILE, CONFIG_FILE}
    assert check_adapter(folder, base_folder=base_folder).digest == adapter.digest
    assert not [path for path in store.iterdir() if path.name.startswith(".")]


@pytest.mark.django_db
def test_storing_the_same_weights_again_gives_the_same_row(
    tmp_path: Path, base_folder: Path, store: Path
) -> None:
    base = make_base(base_folder)
    first = store_adapter(make_adapter(tmp_path / "a"), base_model=base, parent=None)
    again = store_adapter(make_adapter(tmp_path / "b"), base_model=base, parent=None)
    assert first.pk == again.pk
    assert Adapter.objects.count() == 1


@pytest.mark.django_db
def test_a_bad_adapter_leaves_neither_row_nor_folder(
    tmp_path: Path, base_folder: Path, store: Path
) -> None:
    tensors = make_tensors()
    tensors[name_of("model.layers.0.mlp.down_proj", "B")][0, 0] = np.nan
    folder = make_adapter(tmp_path / "a", tensors)
    with pytest.raises(BadAdapter):
        store_adapter(folder, base_model=make_base(base_folder), parent=None)
    assert not Adapter.objects.exists()
    assert not store.exists()


@pytest.mark.django_db
def test_a_damaged_stored_file_is_noticed_and_healed_by_storing_again(
    tmp_path: Path, base_folder: Path, store: Path
) -> None:
    base = make_base(base_folder)
    adapter = store_adapter(make_adapter(tmp_path / "a"), base_model=base, parent=None)
    weights = adapter_folder(adapter.digest) / WEIGHTS_FILE
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(AdapterCorrupt, match="damaged"):
        adapter_folder(adapter.digest, verify=True)
    store_adapter(tmp_path / "a", base_model=base, parent=None)
    adapter_folder(adapter.digest, verify=True)


@pytest.mark.django_db
def test_same_weights_with_another_alpha_are_refused(
    tmp_path: Path, base_folder: Path, store: Path
) -> None:
    base = make_base(base_folder)
    store_adapter(make_adapter(tmp_path / "a"), base_model=base, parent=None)
    with pytest.raises(BadAdapter, match="already stored"):
        store_adapter(make_adapter(tmp_path / "b", lora_alpha=16), base_model=base, parent=None)


@pytest.mark.parametrize("digest", ["0" * 64, "", "../../etc", "A" * 64])
def test_an_unknown_digest_is_a_sentence_and_never_a_path(store: Path, digest: str) -> None:
    with pytest.raises(AdapterMissing):
        adapter_folder(digest)


@pytest.mark.django_db
def test_a_store_that_cannot_be_written_keeps_nothing_by_halves(
    tmp_path: Path, base_folder: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space left"):
        store_adapter(make_adapter(tmp_path / "a"), base_model=make_base(base_folder), parent=None)
    assert not list(store.glob(".*"))


@pytest.mark.django_db
@pytest.mark.usefixtures("store")
def test_weights_that_are_made_again_are_no_longer_collected(
    tmp_path: Path, base_folder: Path
) -> None:
    base = make_base(base_folder)
    adapter = store_adapter(make_adapter(tmp_path / "a"), base_model=base, parent=None)
    remove_files(adapter.digest)
    remove_files(adapter.digest)
    Adapter.objects.update(collected_at=timezone.now(), is_removed=True)
    with pytest.raises(AdapterMissing):
        adapter_folder(adapter.digest)
    again = store_adapter(make_adapter(tmp_path / "a2"), base_model=base, parent=None)
    assert again == adapter
    assert (again.collected_at, again.is_removed) == (None, False)
    check_playable(again)


@pytest.mark.django_db
def test_where_servers_play_bfloat16_weights_are_stored_rounded_to_it(
    tmp_path: Path, base_folder: Path, store: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = make_adapter(tmp_path / "a")
    base = make_base(base_folder)
    whole = store_adapter(trained, base_model=base, parent=None)
    monkeypatch.setattr(settings.ENV, "adapter_dtype", "bfloat16")
    rounded = store_adapter(trained, base_model=base, parent=None)
    assert rounded.digest != whole.digest
    assert rounded.size_bytes < whole.size_bytes
    assert store_adapter(trained, base_model=base, parent=None) == rounded
    before, after = (
        load_file(folder / WEIGHTS_FILE) for folder in (trained, adapter_folder(rounded.digest))
    )
    for name, tensor in before.items():
        assert torch.equal(after[name], tensor.to(torch.bfloat16)), name
