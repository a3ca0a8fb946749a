"""What cannot be played is refused in words, whoever brings it, and leaves nothing behind."""

from pathlib import Path

import numpy as np
import pytest

from agents.adapters.archive import SentFile
from agents.adapters.checks import CONFIG_FILE, WEIGHTS_FILE, BadAdapter
from agents.models import Agent, BaseModel
from arena.credits.statement import wallet_balance
from arena.models import Space
from training.adapters.tests.builders import as_sent, bring, kept, sent, some_tensors
from training.tests.builders import CREDITS, make_agent

pytestmark = pytest.mark.django_db


def not_finite(base_folder: Path) -> list[SentFile]:
    tensors = some_tensors(base_folder)
    next(iter(tensors.values()))[0, 0] = np.nan
    return sent(tensors)


def of_another_base(base_folder: Path) -> list[SentFile]:
    tensors = some_tensors(base_folder)
    name = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
    tensors[name] = np.zeros((4, 9), np.float32)
    return sent(tensors)


def with_head(base_folder: Path) -> list[SentFile]:
    name = "base_model.model.lm_head.lora_A.weight"
    return sent(some_tensors(base_folder) | {name: np.zeros((4, 8), np.float32)})


def renamed_pickle(base_folder: Path) -> list[SentFile]:
    config = sent(some_tensors(base_folder))[0].file.read()
    return as_sent({CONFIG_FILE: config, WEIGHTS_FILE: b"\x80\x04\x95cos\nsystem\n(S'true'\ntR."})


def lying_header(base_folder: Path) -> list[SentFile]:
    files = sent(some_tensors(base_folder))
    weights = files[1].file.read()
    lie = weights.replace(b'"shape":[4,8]', b'"shape":[4,9]', 1)
    assert lie != weights
    return as_sent({CONFIG_FILE: files[0].file.read(), WEIGHTS_FILE: lie})


BAD = {
    "values that are not finite": (not_finite, "not finite numbers"),
    "another base": (of_another_base, "rank and base model require"),
    "the LM head": (with_head, "LM head and its embeddings cannot be adapted"),
    "a pickle under another name": (renamed_pickle, "pickle under another name"),
    "a header that lies about lengths": (lying_header, "truncated or not safetensors"),
    "a rank above the servers'": (
        lambda folder: sent(some_tensors(folder, rank=17), r=17),
        "r must be a whole number from 1 to 16",
    ),
    "an alpha with which no run could go on": (
        lambda folder: sent(some_tensors(folder), lora_alpha=257),
        "lora_alpha must be a whole number from 1 to 256",
    ),
    "modules to save": (
        lambda folder: sent(some_tensors(folder), modules_to_save=["lm_head"]),
        "modules_to_save is not supported",
    ),
    "a base changed before the first step": (
        lambda folder: sent(some_tensors(folder), init_lora_weights="pissa_niter_16"),
        "init_lora_weights is not supported",
    ),
    "a config too deep to read": (
        lambda folder: as_sent({CONFIG_FILE: b"[" * 90_000, WEIGHTS_FILE: b""}),
        "not valid JSON",
    ),
    "more weights than the base can have": (
        lambda folder: as_sent({CONFIG_FILE: b"{}", WEIGHTS_FILE: b"x" * 5_010_000}),
        "more than an adapter of this base model can be",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_played_is_refused_in_words_and_leaves_nothing(
    name: str, agent: Agent, space: Space, base_folder: Path
) -> None:
    make, sentence = BAD[name]
    before = kept()
    with pytest.raises(BadAdapter, match=sentence):
        bring(agent, space, make(base_folder))
    assert kept() == before
    assert wallet_balance(agent.owner_id).available == CREDITS


def test_a_base_of_the_same_shape_is_told_by_its_name(
    agent: Agent, space: Space, base_folder: Path
) -> None:
    BaseModel.objects.update(served_name="HuggingFaceTB/SmolLM2-135M-Instruct")
    tensors = some_tensors(base_folder)
    with pytest.raises(BadAdapter, match="was made for HuggingFaceTB/SmolLM2-135M; the agent"):
        bring(agent, space, sent(tensors, base_model_name_or_path="HuggingFaceTB/SmolLM2-135M"))
    own = "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert bring(agent, space, sent(tensors, base_model_name_or_path=own)).pk
    # A folder's name says nothing.
    other = make_agent()
    assert bring(other, space, sent(tensors, base_model_name_or_path="/home/me/model")).pk
