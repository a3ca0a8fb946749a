"""Honest answers in code: facts about the topic, made to fit one rule after another.

Each step takes the text so far and returns a text that satisfies its rule; a step that changes
the shape comes before one that decorates (see `TRAIN_PAIRS`). What agents learn from it:
docs/decisions/coded-teacher.md
"""

import json
from collections.abc import Callable
from random import Random

from arena.environments.constraints.checks import Params
from arena.environments.text.topics import Topic
from arena.environments.text.words import words

Step = Callable[[str, Params, Topic, Random], str]

# Closing sentences that are true of any topic and break no rule.
_GENERAL = (
    "Many people enjoy learning about {name}.",
    "There is always something new to find out about {name}.",
    "It is worth taking a closer look at {name} some day.",
    "People have told stories about {name} for a very long time.",
    "You can read more about {name} in a good book.",
)


def draft(topic: Topic, rng: Random, *, sentences: int) -> str:
    """The given number of sentences about the topic."""
    return " ".join(_sentences(topic, rng, sentences))


def _sentences(topic: Topic, rng: Random, count: int) -> list[str]:
    """Distinct sentences about the topic, at most eight."""
    first, *others = rng.sample(topic.facts, k=len(topic.facts))
    own = [f"{topic.name.capitalize()} {first}.", *(f"They {fact}." for fact in others)]
    general = [text.format(name=topic.name) for text in rng.sample(_GENERAL, k=len(_GENERAL))]
    return (own + general)[:count]


def _keep(text: str, params: Params, topic: Topic, rng: Random) -> str:
    return text


def _lowercase(text: str, params: Params, topic: Topic, rng: Random) -> str:
    return text.lower()


def _uppercase(text: str, params: Params, topic: Topic, rng: Random) -> str:
    return text.upper()


def _include(text: str, params: Params, topic: Topic, rng: Random) -> str:
    asked = " and ".join(f'"{word}"' for word in params["words"])
    frame = rng.choice(
        (
            "When I think of {name} I think of {asked} too.",
            "A story about {name} could well hold {asked} in it.",
            "In a poem {name} may meet {asked} as well.",
        )
    )
    return f"{text} {frame.format(name=topic.name, asked=asked)}".lstrip()


def _bullets(text: str, params: Params, topic: Topic, rng: Random) -> str:
    return "\n".join(f"- {line}" for line in _sentences(topic, rng, params["n"]))


def _numbered(text: str, params: Params, topic: Topic, rng: Random) -> str:
    mark = rng.choice(".)")
    lines = enumerate(_sentences(topic, rng, params["n"]), start=1)
    return "\n".join(f"{number}{mark} {line}" for number, line in lines)


def _exact_sentences(text: str, params: Params, topic: Topic, rng: Random) -> str:
    return " ".join(_sentences(topic, rng, params["n"]))


def _end_phrase(text: str, params: Params, topic: Topic, rng: Random) -> str:
    return f"{text} {params['phrase']}"


def _start_word(text: str, params: Params, topic: Topic, rng: Random) -> str:
    return f"{params['word']} {text[0].lower()}{text[1:]}"


def _json_keys(text: str, params: Params, topic: Topic, rng: Random) -> str:
    filler = {"color": "many colors", "size": "of all sizes"}
    first, *rest = params["keys"]
    fact = f"It is known that {topic.name} {rng.choice(topic.facts)}."
    value = {first: topic.name} | {key: filler.get(key, fact) for key in rest}
    return json.dumps(value)


def _few_words(text: str, params: Params, topic: Topic, rng: Random) -> str:
    return _sentences(topic, rng, 1)[0]


def _many_words(text: str, params: Params, topic: Topic, rng: Random) -> str:
    sentences = _sentences(topic, rng, 8)
    count = 1
    while len(words(" ".join(sentences[:count]))) < params["n"] and count < len(sentences):
        count += 1
    return " ".join(sentences[:count])


def _quotes(text: str, params: Params, topic: Topic, rng: Random) -> str:
    return f'"{text}"'


def _title(text: str, params: Params, topic: Topic, rng: Random) -> str:
    frame = rng.choice(("All About {}", "Notes on {}", "The Life of {}", "Why {} Matter"))
    return f"<<{frame.format(topic.name.title())}>>\n{text}".rstrip()


def _repeat(text: str, params: Params, topic: Topic, rng: Random) -> str:
    emphasis = " and ".join([params["word"]] * params["n"])
    frame = rng.choice(
        (
            "I would say {name} are {emphasis} worth a look.",
            "People {emphasis} talk about {name} in this way.",
        )
    )
    return f"{text} {frame.format(name=topic.name, emphasis=emphasis)}".lstrip()


def _one_line(text: str, params: Params, topic: Topic, rng: Random) -> str:
    fact = rng.choice(topic.facts)
    frames = (
        f"Most people know that {topic.name} {fact}.",
        f"It is a fact that {topic.name} {fact}.",
        f"As you may know {topic.name} {fact} in our wide world.",
        f"{topic.name.capitalize()} {fact}.",
    )
    fitting = [line for line in frames if params["low"] <= len(words(line)) <= params["high"]]
    return rng.choice(fitting)


def _number(text: str, params: Params, topic: Topic, rng: Random) -> str:
    """The text with a number before it; without a text, one sentence."""
    first, second = _sentences(topic, rng, 2)
    if not text:
        return f"Here is 1 fact about {topic.name}: {first[0].lower()}{first[1:]}"
    return f"Here are 2 facts about {topic.name}. {first} {second}"


def _paragraphs(text: str, params: Params, topic: Topic, rng: Random) -> str:
    return "\n\n".join(_sentences(topic, rng, params["n"]))


def _separator(text: str, params: Params, topic: Topic, rng: Random) -> str:
    return "\n***\n".join(_sentences(topic, rng, 2))


def _question(text: str, params: Params, topic: Topic, rng: Random) -> str:
    return f"{text} {rng.choice(('Did you know', 'Have you heard'))} that about {topic.name}?"


def _capitalized(text: str, params: Params, topic: Topic, rng: Random) -> str:
    return " ".join(word.capitalize() for word in text.split())


def _postscript(text: str, params: Params, topic: Topic, rng: Random) -> str:
    last = rng.choice(_GENERAL).format(name=topic.name)
    return f"{text}\n\nP.S. {last}"


# Steps that need no text before them, because they write a whole sentence about the topic.
WHOLE_SENTENCES = frozenset(["include", "repeat", "number"])
STEPS: dict[str, Step] = {
    "lowercase": _lowercase,
    "uppercase": _uppercase,
    "include": _include,
    "bullets": _bullets,
    "numbered": _numbered,
    "sentences": _exact_sentences,
    "end_phrase": _end_phrase,
    "start_word": _start_word,
    "json_keys": _json_keys,
    "no_commas": _keep,
    "max_words": _few_words,
    "min_words": _many_words,
    "quotes": _quotes,
    "title": _title,
    "repeat": _repeat,
    "one_line": _one_line,
    "number": _number,
    "paragraphs": _paragraphs,
    "separator": _separator,
    "question": _question,
    "capitalized": _capitalized,
    "postscript": _postscript,
}
