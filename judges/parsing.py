"""PURE: what goes into an LLM judge's prompt, and what is accepted from its reply."""

import re
from enum import StrEnum

MAX_FENCED_CHARACTERS = 4_000
_CONTROL_CHARACTER = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\ud800-\udfff]"
)
_CONTROL_TOKEN = re.compile(r"<\|>?|\|>|</?s>|\[/?INST\]|<(?:start|end)_of_turn>", re.IGNORECASE)
_VERDICT = re.compile(r"VERDICT: (A|B|TIE)")


class Choice(StrEnum):
    """What a pairwise judge may say."""

    A = "A"
    B = "B"
    TIE = "TIE"


def fenced(text: str, *, nonce: str) -> str:
    """The text between two markers that its author could not know.

    Control tokens of chat templates are broken up, invisible characters and the nonce removed.
    """
    inner = _CONTROL_CHARACTER.sub("", text[:MAX_FENCED_CHARACTERS])
    # Repeated, so that removing the nonce cannot put another one together.
    while nonce in inner:
        inner = inner.replace(nonce, "")
    inner = _CONTROL_TOKEN.sub(lambda token: " ".join(token.group()), inner)
    return f"[begin {nonce}]\n{inner}\n[end {nonce}]"


def parse_verdict(reply: str) -> Choice | None:
    """The choice in the last line, if that line is a verdict and nothing else; else None."""
    last = reply.rstrip().rpartition("\n")[2].strip()
    found = _VERDICT.fullmatch(last)
    return Choice(found.group(1)) if found else None
