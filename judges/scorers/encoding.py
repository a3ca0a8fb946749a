"""The tokens of a task and its answers for a learned judge: the same in training and in service."""

from collections.abc import Sequence
from typing import Any

MAX_PROMPT_TOKENS = 512
MAX_ANSWER_TOKENS = 256
_MARK = "\x02"  # in no chat template


class Encoder:
    """A base model's tokenizer and chat template."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        turn = [{"role": "user", "content": _MARK}]
        shown = tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
        before, _, after = shown.partition(_MARK)
        self._before: list[int] = tokenizer(before, add_special_tokens=False)["input_ids"]
        self._after: list[int] = tokenizer(after, add_special_tokens=False)["input_ids"]

    def prompt_ids(self, prompt: str) -> list[int]:
        """The task as the user's turn, up to where the answer begins."""
        return self._before + self._plain(prompt)[:MAX_PROMPT_TOKENS] + self._after

    def answer_ids(self, text: str) -> list[int]:
        """The answer, of which a long one loses its end, and the token that ends a turn."""
        return [*self._plain(text)[:MAX_ANSWER_TOKENS], self._tokenizer.eos_token_id]

    def sequences(self, prompt: str, texts: Sequence[str]) -> list[list[int]]:
        """For each text what the judge reads; its last token's state is what is scored."""
        asked = self.prompt_ids(prompt)
        return [asked + self.answer_ids(text) for text in texts]

    def _plain(self, text: str) -> list[int]:
        """Ids of untrusted text: a special token that is written in it is only letters."""
        # A lone surrogate is legal in JSON and in Python but not in the tokenizer.
        clean = text.encode(errors="replace").decode()
        ids: list[int] = self._tokenizer(
            clean, add_special_tokens=False, split_special_tokens=True
        )["input_ids"]
        return ids
