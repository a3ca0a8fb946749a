"""The Tiny stories Space: two to four sentences about a topic, with something that must be in them.

Code sees the form; whether the story has to do with the topic is the panel's. Value of an answer,
in [0, 1]:

    value = length * (0.6 * elements + 0.25 * originality + 0.15 * plain)
                   * (1 if every gate holds, else 0.1)
    0 if it says nothing

`length` is 1 for 2 to 4 sentences of 20 to 70 words together, and falls below and above, so that a
longer story in these bounds is worth no more; `elements` is the share of the demands that are met,
`originality` how many of its content words the prompt lacks, full from a half on; `plain` is 1
without headings and other markup. A story is no list: that is a gate. `passed` says that the gates,
the length and every demand hold.
"""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from arena.environments.base import Score, Split, Task
from arena.environments.question import Question
from arena.environments.stories.elements import ELEMENTS, TRAIN_ELEMENTS, UNSEEN_ELEMENTS
from arena.environments.text.gates import gated_factor, gates
from arena.environments.text.markup import read
from arena.environments.text.rubric import fitting, has_list, originality, plain
from arena.environments.text.sentences import count_sentences
from arena.environments.text.topics import TOPICS
from arena.environments.text.words import bare_words, words
from judges.transcript import Check

ELEMENTS_WEIGHT, ORIGINALITY_WEIGHT, PLAIN_WEIGHT = 0.6, 0.25, 0.15
GATED_FACTOR = 0.1
FEWEST_SENTENCES, MOST_SENTENCES = 2, 4
FEWEST_WORDS, MOST_WORDS = 20, 70
COMBINED = "combined"  # the kind of tasks with more than one demand

_REQUESTS = (
    "Write a tiny story of 2 to 4 sentences about {name}.",
    "Tell a very short story about {name} in 2 to 4 sentences.",
    "Write a story about {name}. It has 2 to 4 sentences.",
)
_HEROES = ("Lena", "Max", "the old keeper", "the young girl", "my neighbor")
_OPENINGS = (
    "{start} {hero} set out to learn why {name} {fact}.",
    "{start} {hero} heard that {name} {fact}.",
    "{start} {hero} told the children that {name} {fact}.",
)
_STARTS = ("One evening", "Once", "On a cold day", "After the rain", "In early spring")
_ENDINGS = (
    "From then on, everything felt a little brighter, even on the darkest days of the year.",
    "It was a small thing, but it stayed in their minds for years, like an old song.",
    "And so the long day came to a quiet end, with one last look at the stars.",
)
_ENDINGS_BY_WORD = {
    "again": "After that long day, nothing in the quiet house was ever the same again.",
    "smile": "After that long day, everybody in the quiet house went to bed with a smile.",
    "friends": "After that long day, the two of them walked back through the fields as friends.",
    "home": "After that long day, the two of them walked slowly through the fields to go home.",
    "rain": "After that long day, the two of them sat by the window and listened to the rain.",
    "dawn": "After that long day, the two of them sat by the window and talked until dawn.",
}


class Stories(Question):
    """Tiny stories; a higher difficulty demands more things at once."""

    slug = "stories"
    name = "Tiny stories"
    max_task_chars = 180
    difficulty_count = 3

    def make_task(self, rng: Random, split: Split, difficulty: int = 0) -> Task:
        known = UNSEEN_ELEMENTS if split is Split.UNSEEN else TRAIN_ELEMENTS
        names = rng.sample(tuple(known), k=difficulty + 1)
        demands = [{"element": name, "word": rng.choice(known[name].choices)} for name in names]
        topic = rng.choice(TOPICS[split])
        asked = " ".join(ELEMENTS[each["element"]].wording.format_map(each) for each in demands)
        return Task(
            kind=names[0] if len(names) == 1 else COMBINED,
            prompt=f"{rng.choice(_REQUESTS).format(name=topic.name)} {asked}",
            data={"topic": topic.name, "facts": list(topic.facts), "demands": demands},
            split=split,
        )

    def score(self, task: Task, text: str) -> Score:
        answer = read(text)
        demands: Sequence[Mapping[str, Any]] = task.data["demands"]
        demanded = {word for each in demands for word in bare_words(each["word"])}
        listed = has_list(answer)
        gated = (
            *gates(answer, task.prompt, demanded=" ".join(demanded)),
            Check("no list", not listed, "is a list" if listed else "is no list"),
        )
        sentences, said = count_sentences(answer), len(words(answer.text))
        length = fitting(sentences, FEWEST_SENTENCES, MOST_SENTENCES) * fitting(
            said, FEWEST_WORDS, MOST_WORDS
        )
        fits = Check(
            "length",
            length == 1,
            f"has {_counted(sentences, 'sentence')}, {_counted(said, 'word')}",
        )
        met = tuple(
            _element_check(each, ELEMENTS[each["element"]].holds(each["word"], answer))
            for each in demands
        )
        own = originality(answer, task.prompt, demanded=demanded)
        original = Check(
            "original", own == 1, f"has {own:.0%} of the words of its own that it needs"
        )
        unmarked = plain(answer)
        value = length * (
            ELEMENTS_WEIGHT * sum(check.passed for check in met) / len(met)
            + ORIGINALITY_WEIGHT * own
            + PLAIN_WEIGHT * unmarked.passed
        )
        holds = all(check.passed for check in gated)
        return Score(
            value=min(1.0, value * gated_factor(gated, GATED_FACTOR)),
            passed=holds and fits.passed and all(check.passed for check in met),
            checks=(fits, *met, original, unmarked, *gated),
        )

    def answer(self, task: Task, rng: Random) -> str:
        demands = {each["element"]: each["word"] for each in task.data["demands"]}
        hero = demands.get("hero") or rng.choice(_HEROES)
        opening = rng.choice(_OPENINGS).format(
            start=demands.get("opening", rng.choice(_STARTS)) + ",",
            hero=hero,
            name=task.data["topic"],
            fact=rng.choice(task.data["facts"]),
        )
        middle = [
            ELEMENTS[name].sentence.format(word=word, hero=hero)
            for name, word in demands.items()
            if name != "hero" and ELEMENTS[name].sentence
        ]
        word = demands.get("ending")
        ending = _ENDINGS_BY_WORD[word] if word else rng.choice(_ENDINGS)
        return " ".join((opening, *middle, ending)[:MOST_SENTENCES])


def _element_check(demand: Mapping[str, Any], holds: bool) -> Check:
    element = ELEMENTS[demand["element"]]
    return Check(
        demand["element"], holds, (element.found if holds else element.missing).format_map(demand)
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
