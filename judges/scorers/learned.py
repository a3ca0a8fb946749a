"""Scores answers with judges that were trained here; a process of its own.

    python -m judges.scorers.learned BASE_FOLDER

reads one request per line on stdin and writes one reply per line on stdout, both JSON:

    {"folder": str, "prompt": str, "texts": [str, ...]}  ->  {"scores": [float, ...]} or {"error": str}

A folder holds an adapter in PEFT's format and head.safetensors: weight [width] and bias [1], float32.
A score is of use only beside others of the same prompt. After loading the base, it writes
{"ready": true}; it ends when its stdin does.
"""

import os
import signal
import sys
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from judges.scorers.encoding import Encoder
from judges.scorers.protocol import MAX_TEXTS
from judges.scorers.serving import serve

MAX_JUDGES = 4  # adapters kept in memory; the one that was used longest ago makes room
BATCH = 16  # sequences computed at once
HEAD_FILE = "head.safetensors"


class LearnedJudges:
    """One base in memory, and the adapters and heads of the judges that were used last."""

    def __init__(self, base: Path) -> None:
        self._encoder = Encoder(AutoTokenizer.from_pretrained(base, local_files_only=True))
        self._model: Any = AutoModelForCausalLM.from_pretrained(
            base, dtype=torch.bfloat16, local_files_only=True
        ).eval()
        self._is_adapted = False
        self._heads: OrderedDict[str, dict[str, torch.Tensor]] = OrderedDict()
        self._count = 0
        self._names: dict[str, str] = {}  # by folder

    @torch.inference_mode()
    def scores(self, folder: str, prompt: str, texts: Sequence[str]) -> list[float]:
        """Raises OSError or ValueError if the folder holds no judge over this base."""
        head = self._use(folder)
        sequences = self._encoder.sequences(prompt, texts)
        found: list[float] = []
        for start in range(0, len(sequences), BATCH):
            states = self._states(sequences[start : start + BATCH])
            found += (states.float() @ head["weight"] + head["bias"]).tolist()
        return found

    def _states(self, sequences: Sequence[Sequence[int]]) -> torch.Tensor:
        """[sequences, width] of each one's last token."""
        longest = max(map(len, sequences))
        ids = torch.zeros(len(sequences), longest, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, sequence in enumerate(sequences):
            ids[row, : len(sequence)] = torch.tensor(sequence)
            mask[row, : len(sequence)] = 1
        # The layers hold the adapter; the head over the vocabulary is not asked.
        inner = self._model.get_base_model().model
        hidden: torch.Tensor = inner(
            input_ids=ids, attention_mask=mask, use_cache=False
        ).last_hidden_state  # [sequences, tokens, width]
        return hidden[torch.arange(len(sequences)), mask.sum(1) - 1]

    def _use(self, folder: str) -> dict[str, torch.Tensor]:
        if folder in self._heads:
            self._heads.move_to_end(folder)
            self._model.set_adapter(self._names[folder])
            return self._heads[folder]
        head = load_file(Path(folder) / HEAD_FILE)
        if not all(bool(tensor.isfinite().all()) for tensor in head.values()):
            raise ValueError("its head is not finite")
        self._count += 1
        name = f"judge{self._count}"
        if self._is_adapted:
            self._model.load_adapter(folder, adapter_name=name)
        else:
            self._model = PeftModel.from_pretrained(self._model, folder, adapter_name=name).eval()
            self._is_adapted = True
        self._model.set_adapter(name)
        self._heads[folder], self._names[folder] = head, name
        if len(self._heads) > MAX_JUDGES:
            oldest, _ = self._heads.popitem(last=False)
            self._model.delete_adapter(self._names.pop(oldest))
        return head

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The reply to one request. Raises ValueError, KeyError or TypeError for a bad one."""
        folder, prompt, texts = request["folder"], request["prompt"], request["texts"]
        if not all(isinstance(text, str) for text in (folder, prompt, *texts)):
            return {"error": "folder, prompt and texts must be strings"}
        if not 0 < len(texts) <= MAX_TEXTS:
            return {"error": f"give 1 to {MAX_TEXTS} texts"}
        try:
            return {"scores": self.scores(folder, prompt, texts)}
        except OSError as error:
            return {"error": f"the judge's files cannot be read ({type(error).__name__})"}


def main() -> None:
    # Ctrl-C is for the worker; this process ends with its stdin.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(5)  # answers to people come before scores
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // 2))
    transformers_logging.disable_progress_bar()
    # What a library prints must not end up between the replies.
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    serve(LearnedJudges(Path(sys.argv[1])).answer, sys.stdin.buffer, replies)


if __name__ == "__main__":
    main()
