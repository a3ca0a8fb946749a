"""Attacks that people submit as templates, and whether one is known already. Pure."""

import unicodedata
from collections.abc import Iterable
from functools import cache
from random import Random

from judges.attacks import ATTACKS
from judges.attacks.base import Attack, Shown
from judges.attacks.likeness import are_nearly_one
from judges.fencing import INVISIBLE

PLACEHOLDER = "{prompt}"
MAX_TEMPLATE_CHARACTERS = 2_000
MAX_TEXT_CHARACTERS = 8_000  # of what a template becomes
_SEEDS = 40  # of each attack of the suite: it draws among a few texts


def attack_of(template: str) -> Attack:
    """The attack that says the template, with the prompt where the placeholder stands."""

    def attack(shown: Shown, rng: Random) -> str:
        return template.replace(PLACEHOLDER, shown.prompt)[:MAX_TEXT_CHARACTERS]

    return attack


def is_known(template: str, earlier: Iterable[str]) -> bool:
    """Whether the suite or one of the `earlier` templates says nearly the same."""
    bare = _bare(template)
    return any(
        bare == _bare(known) or are_nearly_one(template, known)
        for known in (*_of_suite(), *earlier)
    )


@cache
def _of_suite() -> frozenset[str]:
    shown = Shown(PLACEHOLDER)
    return frozenset(
        attack(shown, Random(seed)) for attack in ATTACKS.values() for seed in range(_SEEDS)
    ) - {""}


def _bare(text: str) -> str:
    """Only the letters and digits, so that blanks and marks make no new attack; all if there are none."""
    shown = unicodedata.normalize("NFKC", INVISIBLE.sub("", text)).casefold()
    return "".join(filter(str.isalnum, shown)) or "".join(shown.split())
