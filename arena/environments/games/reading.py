"""Which legal move a text names: "4", "[4]", "I play [4]." and "**4**" all name the move 4. Pure.

A move is named where its words stand one after the other, in capitals or not, with any marks or
spaces between letters and digits: "A2", "a 2" and "A: 2" are one move. What stands in square
brackets or between double asterisks counts before the rest of the text. "I do not accept" does not
name the move "accept".
"""

import re
from collections.abc import Sequence

from arena.environments.base import IllegalTurn

MAX_LISTED_MOVES = 12

# A number with its sign and decimals is one word, so that "4.5" and "-4" don't name the move 4.
_WORD = re.compile(r"(?<![^\W_])-\d+(?:[.,]\d+)*|\d+(?:[.,]\d+)*|[^\W\d_]+")
_MARKED = re.compile(r"\[([^\[\]]{1,40})\]|\*\*([^*]{1,40})\*\*")

_DENIALS = frozenset(["not", "never", "cannot", "t"])  # "t" as in "won't"

_Words = tuple[str, ...]


def read_move(text: str, moves: Sequence[str]) -> str:
    """The one of the legal moves that the text names; time is linear in the text.

    Raises IllegalTurn if it names none of them, or several.
    """
    known = {_words(move): move for move in moves}
    marked = _named(known, [_words(first or second) for first, second in _MARKED.findall(text)])
    named = marked or _named(known, [_words(text)])
    if len(named) == 1:
        return named.pop()
    fault = "names several legal moves" if named else "names no legal move"
    raise IllegalTurn(f"The answer {fault}. Legal: {listed(moves)}.")


def listed(moves: Sequence[str]) -> str:
    """The moves as a phrase; a long list is cut."""
    shown = ", ".join(moves[:MAX_LISTED_MOVES])
    left_out = len(moves) - MAX_LISTED_MOVES
    return f"{shown} and {left_out} more" if left_out > 0 else shown


def _words(text: str) -> _Words:
    return tuple(_WORD.findall(text.casefold()))


def _is_denied(words: _Words, at: int) -> bool:
    """Whether the move that begins at this word is said not to be played."""
    return at > 0 and words[at - 1] in _DENIALS


def _named(known: dict[_Words, str], passages: list[_Words]) -> set[str]:
    """The moves that stand in the passages; of two that begin together, the longer one."""
    lengths = sorted({len(move) for move in known}, reverse=True)
    named = set()
    for words in passages:
        at = 0
        while at < len(words):
            found = next((n for n in lengths if words[at : at + n] in known), 0)
            if found and not _is_denied(words, at):
                named.add(known[words[at : at + found]])
            at += found or 1
    return named
