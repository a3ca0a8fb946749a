"""The Tiny poems Space: a short poem in a given form about a topic.

Code can only see the form. Value of an answer, in [0, 1]:

    value = (0.35 * lines + 0.45 * pattern + 0.2 * balance) * (1 if every gate holds, else 0.2)
    0 if it says nothing

`lines` is 1 at the requested number of lines, 1/2 if off by one, and so on; `pattern` is the share
of the requested rhymes (or acrostic letters) that are there; `balance` is the shortest line over
the longest, in syllables. If no pattern is requested, its weight goes to the other two. `passed`
says that the gates hold: that the answer is a poem at all, not how good its form is.
"""

from collections.abc import Sequence
from itertools import product
from random import Random

from arena.environments.base import Score, Split, Task
from arena.environments.poems.forms import (
    Form,
    balance,
    initials,
    is_verse,
    rhymes,
    syllables,
    verse_lines,
)
from arena.environments.question import Question
from arena.environments.text.gates import gated_factor, gates
from arena.environments.text.markup import read
from arena.environments.text.rhymes import BY_INITIAL, LINE_SYLLABLES, RHYMES
from arena.environments.text.topics import TOPICS
from judges.transcript import Check

LINES_WEIGHT, PATTERN_WEIGHT, BALANCE_WEIGHT = 0.35, 0.45, 0.2
GATED_FACTOR = 0.2
# Of the longest line's syllables: only a check for spectators, since the value is graded.
BALANCED = 0.6

TRAIN_FORMS: dict[str, Form] = {
    "couplet": Form(
        lines=2,
        scheme="aa",
        wordings=(
            "Write a rhyming couplet about {name}: two lines that rhyme.",
            "Write a poem of two rhyming lines about {name}.",
        ),
    ),
    "aabb": Form(
        lines=4,
        scheme="aabb",
        wordings=(
            "Write a poem of four lines about {name}. Lines 1 and 2 rhyme, lines 3 and 4 rhyme.",
            "Write a four-line poem about {name} made of two rhyming couplets.",
        ),
    ),
    "abab": Form(
        lines=4,
        scheme="abab",
        wordings=(
            "Write a poem of four lines about {name}. Lines 1 and 3 rhyme, lines 2 and 4 rhyme.",
            "Write a four-line poem about {name} with the rhyme scheme ABAB.",
        ),
    ),
    "three_lines": Form(
        lines=3,
        wordings=(
            "Write a poem of exactly three short lines about {name}.",
            "Write a tiny poem about {name}. It must have three lines.",
        ),
    ),
}
UNSEEN_FORMS: dict[str, Form] = {
    "abba": Form(
        lines=4,
        scheme="abba",
        wordings=(
            "Write a poem of four lines about {name}. Lines 1 and 4 rhyme, lines 2 and 3 rhyme.",
        ),
    ),
    "tercet": Form(
        lines=3,
        scheme="aaa",
        wordings=("Write a poem of three lines about {name}. All three lines rhyme.",),
    ),
    "acrostic": Form(
        lines=4,
        acrostic=True,
        wordings=(
            'Write a four-line poem about {name}. The first letters of the lines spell "{word}".',
        ),
    ),
}
FORMS: dict[str, Form] = TRAIN_FORMS | UNSEEN_FORMS
ACROSTIC_WORDS = ("hope", "calm", "star", "song", "wild", "home", "glow", "dust", "rain", "life")


class OpenEnded(Question):
    """Tiny poems."""

    slug = "open_ended"
    name = "Tiny poems"
    max_task_chars = 120

    def make_task(self, rng: Random, split: Split, difficulty: int = 0) -> Task:
        kind = rng.choice(tuple(UNSEEN_FORMS if split is Split.UNSEEN else TRAIN_FORMS))
        topic = rng.choice(TOPICS[split])
        word = rng.choice(ACROSTIC_WORDS) if FORMS[kind].acrostic else ""
        prompt = rng.choice(FORMS[kind].wordings).format(name=topic.name, word=word.upper())
        return Task(kind=kind, prompt=prompt, data={"topic": topic.name, "word": word}, split=split)

    def score(self, task: Task, text: str) -> Score:
        answer = read(text)
        lines = verse_lines(answer)
        form = FORMS[task.kind]
        verse = is_verse(lines)
        gated = (
            *gates(answer, task.prompt),
            Check("verse", verse, "is written in lines" if verse else "is not written in lines"),
        )
        passed = all(check.passed for check in gated)
        count = 1 / (1 + abs(len(lines) - form.lines)) if lines else 0.0
        found = "1 line" if len(lines) == 1 else f"{len(lines)} lines"
        asked = f"has {found} ({form.lines} were asked for)"
        count_check = Check("lines", len(lines) == form.lines, asked)
        even = balance(lines)
        even_check = Check(
            "balance",
            even >= BALANCED,
            f"has a shortest line with {even:.0%} of the longest one's syllables",
        )
        pattern = _pattern(form, task.data["word"], lines)
        if pattern is None:
            weights = LINES_WEIGHT + BALANCE_WEIGHT
            value = (LINES_WEIGHT * count + BALANCE_WEIGHT * even) / weights
            checks = (count_check, even_check, *gated)
        else:
            share, check = pattern
            value = LINES_WEIGHT * count + PATTERN_WEIGHT * share + BALANCE_WEIGHT * even
            checks = (count_check, check, even_check, *gated)
        return Score(
            value=min(1.0, value * gated_factor(gated, GATED_FACTOR)),
            passed=passed,
            checks=checks,
        )

    def answer(self, task: Task, rng: Random) -> str:
        form, name = FORMS[task.kind], task.data["topic"]
        lines = (
            _acrostic(task.data["word"], name, rng) if form.acrostic else _rhymed(form, name, rng)
        )
        return "\n".join(lines)


def _pattern(form: Form, word: str, lines: Sequence[str]) -> tuple[float, Check] | None:
    """Share of the requested pattern that is there, or None if none was requested."""
    if form.acrostic:
        share = sum(a == b for a, b in zip(initials(lines), word, strict=False)) / len(word)
        found = initials(lines)[: len(word)].upper()
        return share, Check(
            "acrostic", share == 1, f"spells “{found}” ({word.upper()} was asked for)"
        )
    pairs = form.rhyming_pairs
    if not pairs:
        return None
    rhyming = sum(
        second < len(lines) and rhymes(lines[first], lines[second]) for first, second in pairs
    )
    detail = f"rhymes in {rhyming} of the {len(pairs)} pairs of lines asked for"
    return rhyming / len(pairs), Check("rhyme", rhyming == len(pairs), detail)


def _rhymed(form: Form, name: str, rng: Random) -> list[str]:
    """Lines from one family where they must rhyme; the first line names the topic."""
    scheme = form.scheme or "abc"[: form.lines]
    families = rng.sample(RHYMES, k=len(set(scheme)))
    lines: list[str] = []
    for letter in scheme:
        family = families[sorted(set(scheme)).index(letter)]
        naming = not lines
        fitting = [line.format(name=name) for line in family if ("{name}" in line) == naming]
        unused = [line for line in fitting if line not in lines]
        lines.append(rng.choice(_of_length(unused, LINE_SYLLABLES)))
    return lines


def _acrostic(word: str, name: str, rng: Random) -> list[str]:
    choices = [
        [line.format(name=name) for line in lines]
        for lines in product(*(BY_INITIAL[letter] for letter in word))
        if sum("{name}" in line for line in lines) == 1
    ]
    most = max(map(balance, choices))
    return rng.choice([lines for lines in choices if balance(lines) == most])


def _of_length(lines: Sequence[str], wanted: int) -> list[str]:
    """The lines whose syllables are nearest to what is wanted."""
    distances = [abs(syllables(line) - wanted) for line in lines]
    least = min(distances)
    return [line for line, distance in zip(lines, distances, strict=True) if distance == least]
