"""Which texts can be an answer at all, where a family's own scorer reads any text as one. Pure.

reasoning-gym compares spellings letter by letter, takes any A, B or C for a button that is pressed, and
takes "nan" for every complex number. Of an answer of the kind that was asked for, it is the oracle.
"""

import re

_COMPLEX = re.compile(r"[-+.()\s\dije]+", re.IGNORECASE)
_BUTTONS = re.compile(r"\W*[a-c](?:\W*[a-c])*\W*", re.IGNORECASE)


def is_of_kind(name: str, given: str, right: str) -> bool:
    """Whether the text given in this family can be an answer where `right` is the right one."""
    match name:
        case "complex_arithmetic":
            return _COMPLEX.fullmatch(given) is not None
        case "quantum_lock":
            return _BUTTONS.fullmatch(given) is not None
        case "spell_backward":
            is_as_long = abs(len(given) - len(right)) <= 1  # a letter forgotten or said twice
            return is_as_long and set(given.casefold()) <= set(right.casefold())
        case _:
            return True
