"""The sentences that an answer in code is made of, and how many of them a rule wants."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

from arena.environments.constraints.checks.finding import Params
from arena.environments.text.topics import Topic
from arena.environments.text.words import bare_words, words

# Takes the sentences that there are, best first; returns those of the answer.
Choice = Callable[[list[str], Params, Topic, Random], list[str]]

# They are true of any topic and break no rule. The first five read as language by themselves.
GENERAL = (
    "Many people enjoy learning about {name}.",
    "There is always something new to find out about {name}.",
    "It is worth taking a closer look at {name} some day.",
    "People have told stories about {name} for a very long time.",
    "You can read more about {name} in a good book.",
    "We meet {name} in songs from distant lands.",
    "Children often draw {name} in bright colors.",
    "Old photographs show {name} from years ago.",
    "Some of us think of {name} with a smile.",
    "Good teachers like to talk about {name} in class.",
    "Nobody knows all about {name} yet.",
    "Writers often begin with {name}.",
    "My friends like {name}.",
    "The time that one spends with {name} goes fast.",
)


def pool(topic: Topic, rng: Random, *, mixed: bool = False) -> list[str]:
    """Different sentences about the topic, of which the first names it: its own facts before what is
    true of any topic, or all of them `mixed`.
    """
    first, *others = rng.sample(topic.facts, k=len(topic.facts))
    own = [f"{topic.name.capitalize()} {first}.", *(f"They {fact}." for fact in others)]
    general = [text.format(name=topic.name) for text in rng.sample(GENERAL, k=len(GENERAL))]
    if not mixed:
        return own + general
    naming = rng.choice([own[0], *general])
    later = [each for each in own + general if each != naming]
    return [naming, *rng.sample(later, k=len(later))]


# Whether a sentence may be used at all.
FILTERS: dict[str, Callable[[Params, str], bool]] = {
    "avoid": lambda params, sentence: params["unwanted"] not in bare_words(sentence),
    "no_letter": lambda params, sentence: params["letter"] not in sentence.casefold(),
}


def lower_first(sentence: str) -> str:
    return f"{sentence[0].lower()}{sentence[1:]}"


def _exactly(sentences: list[str], params: Params, topic: Topic, rng: Random) -> list[str]:
    return sentences[: params["n"]]


def _at_least(sentences: list[str], params: Params, topic: Topic, rng: Random) -> list[str]:
    return sentences[: params["n"] + rng.randrange(2)]


def _one(sentences: list[str], params: Params, topic: Topic, rng: Random) -> list[str]:
    return sentences[:1]


def _two(sentences: list[str], params: Params, topic: Topic, rng: Random) -> list[str]:
    return sentences[:2]


def _until(sentences: list[str], least: int) -> list[str]:
    count = 1
    while len(words(" ".join(sentences[:count]))) < least and count < len(sentences):
        count += 1
    return sentences[:count]


def _min_words(sentences: list[str], params: Params, topic: Topic, rng: Random) -> list[str]:
    return _until(sentences, params["n"])


def _word_range(sentences: list[str], params: Params, topic: Topic, rng: Random) -> list[str]:
    return _until(sentences, params["low"])


def _growing(sentences: list[str], params: Params, topic: Topic, rng: Random) -> list[str]:
    by_size = {len(words(each)): each for each in reversed(sentences)}
    sizes = sorted(rng.sample(sorted(by_size), k=params["n"]))
    return [by_size[size] for size in sizes]


def _short_sentences(sentences: list[str], params: Params, topic: Topic, rng: Random) -> list[str]:
    return [each for each in sentences if len(words(each)) <= params["most"]][: params["n"]]


_OPENINGS = {
    "A": ("As people know,", "All in all,", "As a rule,", "Any child knows that", "At times"),
    "I": ("It is said that", "I know that", "In short", "I have read that", "In fact"),
    "M": ("Most people know that", "Many say that", "My books say that", "Maybe", "Mostly"),
    "S": ("Some say that", "Surely", "Stories tell that", "Still", "So"),
    "T": ("The truth is that", "Think of this:", "To be sure", "Today", "Then"),
    "W": ("We know that", "When you ask, we say that", "Well", "Wise people say that", "What a joy:"),
}  # fmt: skip


def _sentence_starts(sentences: list[str], params: Params, topic: Topic, rng: Random) -> list[str]:
    openings = rng.sample(_OPENINGS[params["letter"]], k=params["n"])
    chosen = zip(openings, sentences[: params["n"]], strict=True)
    return [f"{opening.replace(',', '')} {lower_first(each)}" for opening, each in chosen]


def _one_line(sentences: list[str], params: Params, topic: Topic, rng: Random) -> list[str]:
    fact = rng.choice(topic.facts)
    frames = (
        f"Most people know that {topic.name} {fact}.",
        f"It is a fact that {topic.name} {fact}.",
        f"As you may know {topic.name} {fact} in our wide world.",
        f"{topic.name.capitalize()} {fact}.",
    )
    fitting = [line for line in frames if params["low"] <= len(words(line)) <= params["high"]]
    return [rng.choice(fitting)]


_ONE_WORD = ("Fascinating.", "Wonderful.", "Remarkable.", "Useful.", "Interesting.")
# By the number of words beside the topic's name.
_EXACT = {
    1: ("Wonderful {name}.", "Remarkable {name}."),
    2: ("{Name} are wonderful.", "{Name} are useful.", "{Name} deserve attention."),
    3: ("{Name} are truly wonderful.", "{Name} are worth knowing."),
    4: ("{Name} are well worth knowing.", "{Name} deserve a closer look."),
    6: ("{Name} are well worth knowing for everyone.",),
    7: ("{Name} are well worth knowing for all people.",),
    8: ("{Name} are well worth knowing for all people today.",),
    9: ("{Name} are well worth knowing for people of any age.",),
    10: ("{Name} are well worth knowing for all people of any age.",),
    11: ("{Name} are well worth knowing for all people of any age today.",),
}


def _exact_words(sentences: list[str], params: Params, topic: Topic, rng: Random) -> list[str]:
    if params["n"] == 1:
        return [rng.choice(_ONE_WORD)]
    frame = rng.choice(_EXACT[params["n"] - len(words(topic.name))])
    return [frame.format(name=topic.name, Name=topic.name.capitalize())]


def _json_keys(sentences: list[str], params: Params, topic: Topic, rng: Random) -> list[str]:
    filler = {"color": "many colors", "size": "of all sizes"}
    first, *rest = params["keys"]
    fact = f"It is known that {topic.name} {rng.choice(topic.facts)}."
    value: dict[str, Any] = {first: topic.name} | {key: filler.get(key, fact) for key in rest}
    return [json.dumps(value)]


def _labels(sentences: list[str], params: Params, topic: Topic, rng: Random) -> list[str]:
    first, *rest = params["keys"]
    # The first row names the topic: what follows need not.
    filled = zip(rest, sentences[1:], strict=False)
    rows = [f"{first}: {topic.name}", *(f"{key}: {sentence}" for key, sentence in filled)]
    return ["\n".join(rows)]


_QUESTIONS = (
    "What is worth knowing about {name}?",
    "What do {name} have to offer?",
    "Why do people like {name}?",
)


def _question_answer(sentences: list[str], params: Params, topic: Topic, rng: Random) -> list[str]:
    asked = rng.choice(_QUESTIONS).format(name=topic.name)
    return [asked, *sentences[: rng.choice((1, 2))]]


CHOICES: dict[str, Choice] = {
    "bullets": _exactly,
    "columns": _exactly,
    "exact_words": _exact_words,
    "growing": _growing,
    "json_keys": _json_keys,
    "labels": _labels,
    "line_ends": _exactly,
    "lines": _exactly,
    "max_words": _one,
    "min_sentences": _at_least,
    "min_words": _min_words,
    "numbered": _exactly,
    "one_line": _one_line,
    "paragraphs": _exactly,
    "question_answer": _question_answer,
    "roman": _exactly,
    "sentence_starts": _sentence_starts,
    "sentences": _exactly,
    "separator": _two,
    "short_sentences": _short_sentences,
    "word_range": _word_range,
}
