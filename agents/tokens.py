"""How many tokens a text takes of a base model's context.

Counted with the tokenizer in the base's folder, without the training libraries. Where that folder
is not (the base is not converted yet, or only served elsewhere), nothing can be counted: the limit
on characters holds alone, and the count is made up for when an agent enters a Space.
"""

from functools import lru_cache
from pathlib import Path

import structlog
from tokenizers import Tokenizer

from agents.models import BaseModel

# What a chat template puts around the two messages and before the answer, generously.
TEMPLATE_TOKENS = 32

log = structlog.get_logger(__name__)


def count_tokens(base: BaseModel, text: str) -> int | None:
    """Tokens of the text; None if the base's tokenizer is not here."""
    ids = text_ids(base, text)
    return None if ids is None else len(ids)


def text_ids(base: BaseModel, text: str) -> list[int] | None:
    """Token ids of the text without special tokens; None if the base's tokenizer is not here."""
    if base.folder is None:
        return None
    file = base.folder / "tokenizer.json"
    try:
        tokenizer = _read(file, file.stat().st_mtime_ns)
    except OSError:
        return None
    return list(tokenizer.encode(text, add_special_tokens=False).ids) if tokenizer else None


def prompt_room(base: BaseModel, *, exchange_tokens: int) -> int:
    """Tokens that a prompt may have beside a task and its answer of this length."""
    return max(0, base.context_tokens - TEMPLATE_TOKENS - exchange_tokens)


@lru_cache(maxsize=8)
def _read(file: Path, stamp: int) -> Tokenizer | None:
    try:
        return Tokenizer.from_file(str(file))
    except Exception:
        log.warning("tokenizer_unreadable", file=str(file), exc_info=True)
        return None
