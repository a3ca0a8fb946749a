"""The names that people choose: which are allowed, how they are stored, which look alike. Pure.

A name is stored in one form (NFC, a straight apostrophe, single spaces) and has a key, which it
shares with every name that looks like it. The keys are unique, not only the names.
"""

import re
import unicodedata

from confusable_homoglyphs.confusables import confusables_data

from agents.errors import InvalidName

MAX_AGENT_NAME_CHARS = 60
MIN_USERNAME_CHARS = 2  # as many Chinese names have
MAX_USERNAME_CHARS = 30
# Hindi, Thai, Hebrew and Vietnamese need up to three above or below a letter; towers of marks run
# over the lines around them.
MAX_MARKS_TOGETHER = 4
# What a column must hold: every character with all its marks.
MAX_AGENT_NAME_CODE_POINTS = MAX_AGENT_NAME_CHARS * (1 + MAX_MARKS_TOGETHER)

TAKEN = "That username is taken, or looks like one that is. Choose another."
AGENT_PUNCTUATION = " _.,'!?&()#+:-"
USERNAME_PUNCTUATION = "_.+'-"
_LOOK_LIKE_OUR_OWN = (
    "admin administrator administration api arena help house info mod moderator null official owner "
    "password rlfc root security staff superuser support sysadmin system undefined webmaster"
)
_APOSTROPHES = str.maketrans(dict.fromkeys("\u2018\u2019\u201b\u02bc\uff07", "'"))
# Letters and marks that show nothing, beside the controls and format characters of category C:
# the default ignorable code points of Unicode's DerivedCoreProperties.txt.
_SHOWS_NOTHING = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)


def stored_form(name: str) -> str:
    """The name as it is stored and looked up, in whichever form it was typed."""
    return unicodedata.normalize("NFC", " ".join(name.split())).translate(_APOSTROPHES)


def visible_length(name: str) -> int:
    """Characters as people count them: a letter with its marks is one."""
    return sum(not _is_mark(character) for character in name)


def name_key(name: str) -> str:
    """What all names share that look like this one, in upper or lower case.

    The skeleton of Unicode's UTS #39 with case and compatibility forms folded. A capital I looks
    like a small L, so that i counts as l, too.
    docs/decisions/name-keys.md says why.
    """
    alike = _skeleton(unicodedata.normalize("NFD", name))
    plain = unicodedata.normalize("NFKD", alike).casefold()
    return unicodedata.normalize("NFC", _skeleton(plain).replace("i", "l"))


def checked_agent_name(name: str) -> str:
    """The name as it is stored. Raises InvalidName."""
    name = stored_form(name)
    if not name:
        raise InvalidName("Give your agent a name.")
    _check_length(name, MAX_AGENT_NAME_CHARS)
    _check_characters(
        name, AGENT_PUNCTUATION, "Use letters, digits, spaces and simple punctuation in the name."
    )
    return name


def checked_username(name: str) -> str:
    """The username as it is stored. Raises InvalidName."""
    name = stored_form(name)
    if "@" in name:
        raise InvalidName("A username must not look like an email address: leave out the @.")
    if visible_length(name) < MIN_USERNAME_CHARS:
        raise InvalidName(f"A username has at least {MIN_USERNAME_CHARS} characters.")
    _check_length(name, MAX_USERNAME_CHARS)
    _check_characters(
        name, USERNAME_PUNCTUATION, "Use letters, digits and any of . _ + ' - in a username."
    )
    if _letters_of(name_key(name)) in _RESERVED:
        raise InvalidName("That username could be taken for the site's own. Choose another.")
    return name


def _check_length(name: str, most: int) -> None:
    if (length := visible_length(name)) > most:
        raise InvalidName(f"The name has {length} characters; at most {most} are allowed.")


def _check_characters(name: str, punctuation: str, rule: str) -> None:
    if any(_is_invisible(character) for character in name):
        raise InvalidName(f"The name has characters in it that nobody sees. {rule}")
    if not all(_is_written(character) or character in punctuation for character in name):
        raise InvalidName(rule)
    if not any(unicodedata.category(character)[0] in "LN" for character in name):
        raise InvalidName("The name needs a letter or a digit.")
    marks = 0
    for before, character in zip(" " + name, name, strict=False):
        marks = marks + 1 if _is_mark(character) else 0
        if marks > MAX_MARKS_TOGETHER or (marks == 1 and before in (" " + punctuation)):
            raise InvalidName("Every accent in the name needs a letter, and no letter needs many.")


def _is_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("M")


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character).startswith("C") or bool(_SHOWS_NOTHING.match(character))


def _is_written(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] == "L" or category in ("Mn", "Mc", "Nd")


def _letters_of(key: str) -> str:
    return "".join(character for character in key if _is_written(character))


def _prototypes() -> dict[str, str]:
    """Each confusable character with the one that stands for all that look like it.

    The table names every pair both ways, and each family is a star: only the character in the
    middle has more than one neighbour. Of a pair the first in Unicode's order stands for both.
    """
    # The table puts marks of direction around characters that are written from right to left.
    table = {
        character.strip("\u200e"): [each["c"].strip("\u200e") for each in alike]
        for character, alike in confusables_data.items()
    }
    found = {}
    for character, alike in table.items():
        if len(character) == len(alike) == 1:
            middle = alike[0]
            if len(middle) > 1 or len(table[middle]) > 1 or middle < character:
                found[character] = middle
    return found


_PROTOTYPES = _prototypes()


def _skeleton(text: str) -> str:
    return "".join(_PROTOTYPES.get(character, character) for character in text)


_RESERVED = frozenset(_letters_of(name_key(word)) for word in _LOOK_LIKE_OUR_OWN.split())
