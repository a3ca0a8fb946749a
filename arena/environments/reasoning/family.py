"""One family of reasoning-gym's problems, with its own curriculum and its own scorer.

Value of an answer: what the family's scorer gives it, in [0, 1]. Up to CONSOLATION it is what some
scorers give to any text at all, and counts as nothing; so does a score that is no number from 0 to 1,
and an answer on which the scorer fails, or which is not of the kind that was asked for (`shapes.py`).

Difficulties are the levels of the family's curriculum but the highest, which no match uses: its tasks are
UNSEEN. A family with one level has the tasks of the catalogue's next family there. The hash of a prompt
says of which split it may be, so the same prompt is never in two. Why:
docs/decisions/reasoning-families.md
"""

import hashlib
import math
import re
from difflib import get_close_matches
from functools import lru_cache
from random import Random

from arena.environments.base import EnvironmentFault, Score, Split, Task, UnknownEnvironment
from arena.environments.question import Question
from arena.environments.reasoning.catalogue import OFFERS, REFUSED, Offer
from arena.environments.reasoning.library import Item, make_item, unmoved
from arena.environments.reasoning.shapes import is_of_kind
from arena.environments.reasoning.stating import stated
from judges.transcript import Check

CONSOLATION = 0.1
MAX_SHOWN_CHARACTERS = 60
MAX_DRAWS = 1_000
MAX_RIGHT_CHARACTERS = 300  # longer ones are more than most agents may say
_KEPT_ITEMS = 256
_INDEX_BITS = 31
# Of a hundred prompts, whose hash decides.
_HELDOUT_PERCENT, _UNSEEN_PERCENT = 25, 25
# Exact arithmetic on such a number takes all day.
_HUGE_EXPONENT = re.compile(r"(?<!\w)\d+\.?\d*[eE][-+]?\d{4}")


class Reasoning(Question):
    """Problems of one family."""

    def __init__(self, offer: Offer) -> None:
        self._offer = offer
        self._other = offer if offer.level_count > 1 else _next_to(offer)
        self.slug = f"reasoning/{offer.name}"
        self.name = f"Reasoning: {offer.name.replace('_', ' ')}"
        self.max_task_chars = max(offer.max_task_chars, self._other.max_task_chars)
        self.difficulty_count = max(1, offer.level_count - 1)

    def make_task(self, rng: Random, split: Split, difficulty: int = 0) -> Task:
        if not 0 <= difficulty < self.difficulty_count:
            raise EnvironmentFault(
                f"{self.name} has difficulties from 0 to {self.difficulty_count - 1}."
            )
        offer, level = self._offer, difficulty
        if split is Split.UNSEEN:
            offer, level = self._other, self._other.level_count - 1
        for _ in range(MAX_DRAWS):
            index = rng.getrandbits(_INDEX_BITS)
            item = make_item(offer.module, offer.name, level, index)
            prompt = item.question
            fits = len(prompt.encode()) <= offer.max_task_chars and (
                0 < len(item.answer.strip()) <= MAX_RIGHT_CHARACTERS
            )
            if fits and _split_of(prompt) is split:
                return Task(
                    kind=offer.name,
                    prompt=prompt,
                    data={"level": level, "index": index, "answer": item.answer},
                    split=split,
                )
        raise EnvironmentFault(f"{self.name} gave no {split} task in {MAX_DRAWS} draws.")

    def score(self, task: Task, text: str) -> Score:
        right = str(task.data["answer"])
        given = stated(text, right)
        item = _kept_item(task.kind, task.data["level"], task.data["index"])
        # Another version of the library may make another problem of this index.
        is_same = item.question == task.prompt
        value = _value(task.kind, item, given, right) if is_same else float(given == right)
        passed = value >= 1.0
        detail = f"answers {_shown(given)} ({_shown(right)} is right)" if given else "has no answer"
        return Score(value, passed, (Check("answer", passed, detail),))

    def answer(self, task: Task, rng: Random) -> str:
        return f"<answer>{task.data['answer']}</answer>"


def family(name: str) -> Reasoning:
    """The family that a Space stores as "reasoning/NAME". Raises UnknownEnvironment."""
    if name in REFUSED:
        raise UnknownEnvironment(f"reasoning-gym's {name} is not offered: {REFUSED[name]}.")
    if name not in OFFERS:
        near = get_close_matches(name, [*OFFERS, *REFUSED])
        hint = f" Do you mean {' or '.join(near)}?" if near else ""
        raise UnknownEnvironment(f"reasoning-gym has no family {name!r}.{hint}")
    return Reasoning(OFFERS[name])


def _next_to(offer: Offer) -> Offer:
    """The next family of the same group, or of the next group where it is alone."""
    offers = list(OFFERS.values())
    place = offers.index(offer)
    in_order = [*offers[place + 1 :], *offers[:place]]
    return next((each for each in in_order if each.group == offer.group), in_order[0])


def _split_of(prompt: str) -> Split:
    percent = int.from_bytes(hashlib.sha256(prompt.encode()).digest()[:8]) % 100
    if percent < _HELDOUT_PERCENT:
        return Split.HELDOUT
    return Split.UNSEEN if percent < _HELDOUT_PERCENT + _UNSEEN_PERCENT else Split.TRAIN


@lru_cache(_KEPT_ITEMS)
def _kept_item(name: str, level: int, index: int) -> Item:
    return make_item(OFFERS[name].module, name, level, index)


def _value(name: str, item: Item, given: str, right: str) -> float:
    if not given or (given != right and _HUGE_EXPONENT.search(given)):
        return 0.0
    if not is_of_kind(name, given, right):
        return 0.0
    try:
        with unmoved():
            value = float(item.dataset.score_answer(given, item.entry))
    except Exception:  # noqa: BLE001 whatever a library's scorer does with a text, the text is to blame
        return 0.0
    return value if math.isfinite(value) and CONSOLATION < value <= 1.0 else 0.0


def _shown(text: str) -> str:
    line = " / ".join(text.splitlines())
    return line if len(line) <= MAX_SHOWN_CHARACTERS else f"{line[: MAX_SHOWN_CHARACTERS - 1]}…"
