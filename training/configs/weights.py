"""How large a base model's weights are, from its folder."""

import json
from pathlib import Path

BYTES_A_WEIGHT = {"float32": 4, "bfloat16": 2, "float16": 2}


def bfloat16_bytes(folder: Path) -> int:
    """Bytes of the weights in bfloat16, in whatever type they are stored.

    Raises OSError, ValueError, KeyError or TypeError for a folder that does not say.
    """
    config = json.loads((folder / "config.json").read_text())
    stored = BYTES_A_WEIGHT[config.get("dtype") or config.get("torch_dtype") or "bfloat16"]
    weights = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    return weights * 2 // stored
