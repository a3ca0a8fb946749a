"""What a rule does to an answer in code whose sentences are chosen: its lines, words and letters."""

import re
from collections.abc import Callable
from random import Random

from arena.environments.constraints.checks.finding import Params
from arena.environments.constraints.solver.sentences import GENERAL, lower_first
from arena.environments.text.topics import Topic

Layout = Callable[[list[str], Params, Random], str]
Touch = Callable[[str, Params, Topic, Random], str]

_ROMAN = ("I", "II", "III", "IV", "V")
_ORDINALS = ("First", "Second", "Third", "Fourth")


def _numbered(sentences: list[str], params: Params, rng: Random) -> str:
    mark = rng.choice(".)")
    return "\n".join(f"{n}{mark} {each}" for n, each in enumerate(sentences, start=1))


LAYOUTS: dict[str, Layout] = {
    "bullets": lambda sentences, params, rng: "\n".join(f"- {each}" for each in sentences),
    "numbered": _numbered,
    "lines": lambda sentences, params, rng: "\n".join(sentences),
    "paragraphs": lambda sentences, params, rng: "\n\n".join(sentences),
    "separator": lambda sentences, params, rng: "\n***\n".join(sentences),
    "roman": lambda sentences, params, rng: "\n".join(
        f"{numeral}. {each}" for numeral, each in zip(_ROMAN, sentences, strict=False)
    ),
    "columns": lambda sentences, params, rng: "\n".join(
        f"{ordinal} | {each}" for ordinal, each in zip(_ORDINALS, sentences, strict=False)
    ),
    "line_ends": lambda sentences, params, rng: "\n".join(
        f"{each.rstrip('.')}{params['mark']}" for each in sentences
    ),
}


def _into(text: str, clause: str) -> str:
    """The text with the clause at the end of its last sentence."""
    end = max(text.rfind(mark) for mark in ".!?")
    return f"{text[:end]}{clause}{text[end:]}"


def _include(text: str, params: Params, topic: Topic, rng: Random) -> str:
    asked = " and ".join(f'"{word}"' for word in params["words"])
    clauses = (
        " and {asked} may come to mind with them",
        " and a poem on them may well hold {asked} in it",
    )
    return _into(text, rng.choice(clauses).format(asked=asked))


def _repeat(text: str, params: Params, topic: Topic, rng: Random) -> str:
    said = " and ".join([f'"{params["word"]}"'] * params["n"])
    return _into(text, rng.choice((" and I say {} of them", " and one may hear {}")).format(said))


def _number(text: str, params: Params, topic: Topic, rng: Random) -> str:
    clauses = (" and there are at least {} kinds", " and I can name {} more things of this sort")
    return _into(text, rng.choice(clauses).format(rng.randrange(2, 10)))


def _percent(text: str, params: Params, topic: Topic, rng: Random) -> str:
    clauses = (" and perhaps {}% of us know it", " in about {}% of what one reads")
    return _into(text, rng.choice(clauses).format(rng.randrange(20, 100, 5)))


def _iso_date(text: str, params: Params, topic: Topic, rng: Random) -> str:
    date = f"20{rng.randrange(10, 25)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}"
    return _into(text, f" as I wrote on {date}")


_BY_LETTER = {
    "b": "big bold brave bright",
    "f": "fast fine friendly funny",
    "g": "gentle good grand great",
    "m": "mellow merry mild modern",
    "p": "peaceful plain pretty proud",
    "s": "silent small soft strong",
}


def _initials(text: str, params: Params, topic: Topic, rng: Random) -> str:
    return _into(text, f" and make us think of {_BY_LETTER[params['letter']]} things")


def _semicolon(text: str, params: Params, topic: Topic, rng: Random) -> str:
    return _into(text, rng.choice(("; that is worth knowing", "; so much is known")))


def _parentheses(text: str, params: Params, topic: Topic, rng: Random) -> str:
    return _into(text, rng.choice((" (as many people know)", " (or so it is said)")))


def _ellipsis(text: str, params: Params, topic: Topic, rng: Random) -> str:
    return _into(text, " and so on..").strip()


def _first_last(text: str, params: Params, topic: Topic, rng: Random) -> str:
    word = rng.choice(("today", "often", "still"))
    return _into(f"{word.capitalize()} {lower_first(text)}", f" and more {word}")


def _exclaim(text: str, params: Params, topic: Topic, rng: Random) -> str:
    return re.sub(r"(?<=[A-Za-z)\"])\.(?=\s|$|\")", "!", text)


def _start_word(text: str, params: Params, topic: Topic, rng: Random) -> str:
    return f"{params['word']} {lower_first(text)}"


def _title(text: str, params: Params, topic: Topic, rng: Random) -> str:
    frame = rng.choice(("All About {}", "Notes on {}", "The Life of {}", "Why {} Matter"))
    return f"<<{frame.format(topic.name.title())}>>\n{text}".rstrip()


def _highlight(text: str, params: Params, topic: Topic, rng: Random) -> str:
    return re.sub(r"\b[A-Za-z]{2,}\b", r"*\g<0>*", text, count=params["n"])


def _question(text: str, params: Params, topic: Topic, rng: Random) -> str:
    return f"{text} {rng.choice(('Did you know', 'Have you heard'))} that about {topic.name}?"


def _postscript(text: str, params: Params, topic: Topic, rng: Random) -> str:
    return f"{text}\n\nP.S. {rng.choice(GENERAL[:5]).format(name=topic.name)}"


# In the order in which they are made: clauses before stops, words before their letters.
TOUCHES: dict[str, Touch] = {
    "include": _include,
    "repeat": _repeat,
    "number": _number,
    "percent": _percent,
    "iso_date": _iso_date,
    "initials": _initials,
    "semicolon": _semicolon,
    "parentheses": _parentheses,
    "ellipsis": _ellipsis,
    "first_last": _first_last,
    "exclaim": _exclaim,
    "start_word": _start_word,
    "highlight": _highlight,
    "title": _title,
    "question": _question,
    "postscript": _postscript,
    "lowercase": lambda text, params, topic, rng: text.lower(),
    "uppercase": lambda text, params, topic, rng: text.upper(),
    "capitalized": lambda text, params, topic, rng: " ".join(
        word.capitalize() for word in text.split()
    ),
    "end_phrase": lambda text, params, topic, rng: f"{text} {params['phrase']}",
    "quotes": lambda text, params, topic, rng: f'"{text}"',
}
