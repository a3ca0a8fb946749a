"""The Names and slogans Space: a name or a slogan for a product that is described.

Code sees the form; whether it suits the product is the panel's. Value of an answer, in [0, 1]:

    value = length * demand * (0.8 * originality + 0.2 * plain) * (1 if every gate holds, else 0.1)
    0 if it says nothing

`length` is 1 in the asked range of words and falls below and above it, so that neither a longer
nor a shorter answer within the range is worth more; `demand` is 1 if the asked letter or word is
where it should be, else 0.15; `originality` is how many of its content words the description lacks,
full from a half on; `plain` is 1 without headings and other markup. Gates beside the usual ones:
one line that is finished, no list, no word over and over, and no string that nobody can read.
`passed` says that the gates, the length and the demand hold.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from arena.environments.base import Score, Split, Task
from arena.environments.names.products import PRODUCTS
from arena.environments.question import Question
from arena.environments.text.gates import gated_factor, gates
from arena.environments.text.markup import Reading, read
from arena.environments.text.rubric import fitting, has_list, originality, plain
from arena.environments.text.words import words
from judges.transcript import Check

ORIGINALITY_WEIGHT, PLAIN_WEIGHT = 0.8, 0.2
UNMET_FACTOR, GATED_FACTOR = 0.15, 0.1
MIN_DIFFERENT_SHARE = 0.6  # of the words of an answer
MAX_WORD_LETTERS = 24
SLOGAN_WORDS = ((3, 8), (4, 9), (5, 10))
ENDINGS = ("ly", "io", "ora", "ify", "ster", "ella")
# The letter that a name has to begin with, with a word to put before a coined one.
FIRST_WORDS = {
    word[0]: word
    for word in (
        [
            "Brisk",
            "Clever",
            "Daily",
            "Fresh",
            "Golden",
            "Happy",
            "Lucky",
            "Merry",
            "Nimble",
            "Proud",
            "Royal",
            "Sunny",
            "True",
            "Vivid",
        ]
    )
}
# The word that a slogan has to use, with ways to use it.
SLOGANS: dict[str, tuple[str, ...]] = {
    "morning": ("a better morning to {benefit}", "{benefit} every morning of the week"),
    "time": ("take your time and {benefit}", "it is time to {benefit} again"),
    "home": ("feel at home and {benefit}", "{benefit} and come home happy"),
    "smile": ("{benefit} with a smile", "now smile and {benefit} anywhere"),
    "simple": ("the simple way to {benefit}", "how simple it is to {benefit}"),
    "today": ("try it today and {benefit}", "{benefit} today and every day"),
    "together": ("let us {benefit} together", "{benefit} together and have more fun"),
    "dream": ("you dream, then you {benefit}", "do not just dream, {benefit}"),
    "more": ("worry less and {benefit} more", "{benefit} and want nothing more"),
    "world": ("a whole new world: {benefit}", "{benefit} and see the world anew"),
}


@dataclass(frozen=True)
class NameForm:
    """What is asked for; the task's data fill the texts in."""

    wordings: tuple[str, ...]
    demand: Callable[[Mapping[str, Any], Reading], bool]
    met: str
    unmet: str
    is_slogan: bool = False


def _begins(data: Mapping[str, Any], answer: Reading) -> bool:
    said = words(answer.text)
    return bool(said) and said[0][0] == data["letter"].casefold()


def _all_begin(data: Mapping[str, Any], answer: Reading) -> bool:
    said = words(answer.text)
    return len(said) == 2 and all(word[0] == data["letter"].casefold() for word in said)


def _ends(data: Mapping[str, Any], answer: Reading) -> bool:
    said = words(answer.text)
    return bool(said) and said[-1].endswith(data["ending"])


def _uses(data: Mapping[str, Any], answer: Reading) -> bool:
    return data["word"] in words(answer.text)


def _asks(data: Mapping[str, Any], answer: Reading) -> bool:
    return _uses(data, answer) and answer.text.rstrip('"\u201d').endswith(("?", "\uff1f"))


TRAIN_FORMS: dict[str, NameForm] = {
    "first_letter": NameForm(
        wordings=(
            'Invent a brand name of one or two words for {product}. It begins with "{letter}".',
            'Make up a name for {product}: one or two words, the first letter is "{letter}".',
        ),
        demand=_begins,
        met="begins with {letter}",
        unmet="does not begin with {letter}",
    ),
    "last_letters": NameForm(
        wordings=(
            'Invent a brand name of one or two words for {product}. It ends with "{ending}".',
            'Make up a name for {product}: one or two words, ending with "{ending}".',
        ),
        demand=_ends,
        met="ends with “{ending}”",
        unmet="does not end with “{ending}”",
    ),
    "slogan": NameForm(
        wordings=(
            'Write a slogan of {fewest} to {most} words for {product}. Use the word "{word}".',
            'Advertise {product} with a slogan of {fewest} to {most} words that has the word "{word}".',
        ),
        demand=_uses,
        met="uses “{word}”",
        unmet="does not use “{word}”",
        is_slogan=True,
    ),
}
UNSEEN_FORMS: dict[str, NameForm] = {
    "alliteration": NameForm(
        wordings=(
            'Invent a brand name of two words for {product}. Both words begin with "{letter}".',
        ),
        demand=_all_begin,
        met="has two words that begin with {letter}",
        unmet="is not two words that begin with {letter}",
    ),
    "question": NameForm(
        wordings=(
            'Advertise {product} with a question of {fewest} to {most} words that uses "{word}".',
        ),
        demand=_asks,
        met="asks a question with “{word}”",
        unmet="asks no question with “{word}”",
        is_slogan=True,
    ),
}
NAME_FORMS: dict[str, NameForm] = TRAIN_FORMS | UNSEEN_FORMS


class Names(Question):
    """Names and slogans."""

    slug = "names"
    name = "Names and slogans"
    max_task_chars = 140

    def make_task(self, rng: Random, split: Split, difficulty: int = 0) -> Task:
        kind = rng.choice(tuple(UNSEEN_FORMS if split is Split.UNSEEN else TRAIN_FORMS))
        product = rng.choice(PRODUCTS[split])
        fewest, most = rng.choice(SLOGAN_WORDS) if NAME_FORMS[kind].is_slogan else (1, 2)
        asked = {
            "product": product.description,
            "letter": rng.choice(tuple(FIRST_WORDS)),
            "ending": rng.choice(ENDINGS),
            "word": rng.choice(tuple(SLOGANS)),
            "fewest": fewest,
            "most": most,
        }
        prompt = rng.choice(NAME_FORMS[kind].wordings).format_map(asked)
        known = {"stems": list(product.stems), "benefits": list(product.benefits)}
        return Task(kind, prompt, {**asked, **known}, split)

    def score(self, task: Task, text: str) -> Score:
        form, data, answer = NAME_FORMS[task.kind], task.data, read(text)
        said = words(answer.text)
        gated = (
            *gates(answer, task.prompt, demanded=data["word"], function_share=0.0, coins=True),
            _one_line(answer),
            _varied(said),
            _readable(said),
        )
        length = fitting(len(said), data["fewest"], data["most"])
        asked = f"{data['fewest']} to {data['most']} were asked for"
        fits = Check("length", length == 1, f"has {len(said)} words ({asked})")
        met = form.demand(data, answer)
        demand = Check("demand", met, (form.met if met else form.unmet).format_map(data))
        demanded = {data["word"]} if form.is_slogan else set()
        own = originality(answer, data["product"], demanded=demanded)
        original = Check(
            "original", own == 1, f"has {own:.0%} of the words of its own that it needs"
        )
        unmarked = plain(answer)
        value = length * (ORIGINALITY_WEIGHT * own + PLAIN_WEIGHT * unmarked.passed)
        value *= 1.0 if met else UNMET_FACTOR
        holds = all(check.passed for check in gated)
        return Score(
            value=min(1.0, value * gated_factor(gated, GATED_FACTOR)),
            passed=holds and fits.passed and met,
            checks=(fits, demand, original, unmarked, *gated),
        )

    def answer(self, task: Task, rng: Random) -> str:
        form, data = NAME_FORMS[task.kind], task.data
        if form.is_slogan:
            return _slogan(data, rng, end="?" if form.demand is _asks else ".")
        stem, ending = rng.choice(data["stems"]), data["ending"]
        if form.demand is _ends:
            return f"{stem}{ending}".capitalize()
        if form.demand is _all_begin:
            stem = data["letter"] + stem.lstrip("bcdfghjklmnpqrstvwxyz")
        return f"{FIRST_WORDS[data['letter']]} {stem.capitalize()}{rng.choice(ENDINGS)}"


def _slogan(data: Mapping[str, Any], rng: Random, *, end: str) -> str:
    drawn = [
        template.format(benefit=benefit)
        for template in SLOGANS[data["word"]]
        for benefit in data["benefits"]
    ]
    fitting_ones = [
        slogan for slogan in drawn if data["fewest"] <= len(words(slogan)) <= data["most"]
    ]
    slogan = rng.choice(fitting_ones)
    return slogan[0].upper() + slogan[1:] + end


def _one_line(answer: Reading) -> Check:
    lines = [line for line in answer.lines if words(line.text)]
    passed = (
        len(lines) == 1 and not has_list(answer) and not answer.text.rstrip().endswith((":", ","))
    )
    return Check("one line", passed, "is one line" if passed else "is not one finished line")


def _varied(said: list[str]) -> Check:
    passed = len(set(said)) >= MIN_DIFFERENT_SHARE * len(said)
    return Check("varied", passed, "is varied" if passed else "says one word over and over")


def _readable(said: list[str]) -> Check:
    passed = all(len(word) <= MAX_WORD_LETTERS for word in said)
    return Check("readable", passed, "can be read" if passed else "has a word that nobody can read")
