"""PURE: what goes into an LLM judge's prompt, and what is accepted from its reply."""

import re
from enum import StrEnum

MAX_FENCED_CHARACTERS = 4_000
# Characters that are not visible: format characters, tags, fillers that Unicode counts as letters.
INVISIBLE = re.compile(
    "[\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    "\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ue000-\uf8ff]")
_CONTROL_TOKEN = re.compile(
    r"<\|>?|\|>|[<\u2039]\uff5c|\uff5c[>\u203a]|</?s>|\[/?INST\]|<</?SYS>>"
    r"|<(?:start|end)_of_turn>|<(?:bos|eos|pad|unk)>",
    re.IGNORECASE,
)
# Marks of emphasis and headings: a verdict among them is the judge's own. One between quotation
# marks is somebody else's, and stays unread.
_EMPHASIS = re.compile(r"[*_#]+")
_VERDICT = re.compile(
    r"(?:FINAL )?VERDICT ?: ?(?P<open>[\[(])?(?:ANSWER )?(?P<choice>A|B|TIE)(?(open)[\])])[.!]?",
    re.IGNORECASE | re.ASCII,
)


class Choice(StrEnum):
    """What a pairwise judge may say."""

    A = "A"
    B = "B"
    TIE = "TIE"


def fenced(text: str, *, nonce: str) -> str:
    """The text between two markers that its author could not have known.

    Control tokens of chat templates are broken up, invisible characters and the nonce removed.
    """
    inner = _CONTROL_CHARACTER.sub("", INVISIBLE.sub("", text[:MAX_FENCED_CHARACTERS]))
    # Repeated, because removing one nonce can put together another.
    while nonce in inner:
        inner = inner.replace(nonce, "")
    inner = _CONTROL_TOKEN.sub(lambda token: " ".join(token.group()), inner)
    return f"[begin {nonce}]\n{inner}\n[end {nonce}]"


def parse_verdict(reply: str, *, is_cut: bool = False) -> Choice | None:
    """The choice in the last line, if that line is a verdict and nothing else; else None.

    If the reply `is_cut`, that line must have its line break: "VERDICT: A" could have been going to
    be "VERDICT: A or B".
    """
    if is_cut and not reply.rstrip(" ").endswith("\n"):
        return None
    last = reply.rstrip().rpartition("\n")[2]
    found = _VERDICT.fullmatch(_EMPHASIS.sub("", last).strip())
    return Choice(found["choice"].upper()) if found else None
