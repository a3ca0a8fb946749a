"""A base model that is quick to train and exact to score: a tiny Llama that finds every token equally likely.

Its output layer is all zeros, under any adapter, so the scripted server knows the log-probability
of each token without computing anything. The tokenizer is the default base model's.
"""

import json
import math
import shutil
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

NAME = "chaos-tiny"
HIDDEN, LAYERS, HEADS, KEY_HEADS, INNER = 16, 1, 4, 2, 32
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def make_base(folder: Path, *, tokenizer_from: Path) -> None:
    """Write the base model's folder. Raises FileNotFoundError without a tokenizer to copy."""
    model = json.loads((tokenizer_from / "config.json").read_text())
    folder.mkdir(parents=True)
    for name in TOKENIZER_FILES:
        shutil.copy(tokenizer_from / name, folder / name)
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "float32",
        "hidden_act": "silu",
        "hidden_size": HIDDEN,
        "intermediate_size": INNER,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KEY_HEADS,
        "head_dim": HIDDEN // HEADS,
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": False,
        "vocab_size": model["vocab_size"],
        "bos_token_id": model["bos_token_id"],
        "eos_token_id": model["eos_token_id"],
        "pad_token_id": model["pad_token_id"],
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    save_file(
        _weights(model["vocab_size"]), folder / "model.safetensors", metadata={"format": "pt"}
    )


def logprob_of_any_token(folder: Path) -> float:
    """In nats."""
    return -math.log(json.loads((folder / "config.json").read_text())["vocab_size"])


def _weights(vocabulary: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)

    def random(*shape: int) -> np.ndarray:
        return rng.normal(0.0, 0.3, shape).astype(np.float32)

    keys = HIDDEN // HEADS * KEY_HEADS
    weights = {
        "model.embed_tokens.weight": random(vocabulary, HIDDEN),
        "model.norm.weight": np.ones(HIDDEN, np.float32),
        "lm_head.weight": np.zeros((vocabulary, HIDDEN), np.float32),
    }
    for layer in range(LAYERS):
        start = f"model.layers.{layer}"
        weights |= {
            f"{start}.self_attn.q_proj.weight": random(HIDDEN, HIDDEN),
            f"{start}.self_attn.k_proj.weight": random(keys, HIDDEN),
            f"{start}.self_attn.v_proj.weight": random(keys, HIDDEN),
            f"{start}.self_attn.o_proj.weight": random(HIDDEN, HIDDEN),
            f"{start}.mlp.gate_proj.weight": random(INNER, HIDDEN),
            f"{start}.mlp.up_proj.weight": random(INNER, HIDDEN),
            f"{start}.mlp.down_proj.weight": random(HIDDEN, INNER),
            f"{start}.input_layernorm.weight": np.ones(HIDDEN, np.float32),
            f"{start}.post_attention_layernorm.weight": np.ones(HIDDEN, np.float32),
        }
    return weights
