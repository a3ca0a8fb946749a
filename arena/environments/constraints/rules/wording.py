"""Rules about the words of an answer, which a short one can keep as well as a long one."""

from random import Random
from typing import Any

from arena.environments.constraints.checks import characters, wording
from arena.environments.constraints.checks.finding import Params
from arena.environments.constraints.rules.draws import nothing
from arena.environments.constraints.rules.rule import Amount, Aspect, Rule
from arena.environments.text.words import words

_BOTH = frozenset(Amount)
_INCLUDED = words(
    "light water small old green morning friend simple world quiet strong summer family color "
    "music winter gentle bright careful secret ancient favorite journey wonder"
)
_REPEATED = words("very always often many really great never little")
_STARTS = (
    "Today",
    "Indeed",
    "Often",
    "Clearly",
    "Sometimes",
    "Imagine",
    "Perhaps",
    "Everyone",
    "Truly",
    "Once",
)
_ENDINGS = (
    "That is all.",
    "The end.",
    "Thank you for reading.",
    "Now you know.",
    "I hope this helps.",
    "What a world!",
)
_AVOIDED = words("they are is it can many people the and very")
_INITIALS = "bfgmps"


def _draw_include(rng: Random) -> dict[str, Any]:
    asked = rng.sample(_INCLUDED, rng.choice((1, 1, 2)))
    return {"words": asked, "noun": "the word" if len(asked) == 1 else "the words"}


def _draw_initials(rng: Random) -> dict[str, Any]:
    return {"letter": rng.choice(_INITIALS), "n": rng.randrange(3, 5)}


def _is_no_word_of(params: Params, name: str) -> bool:
    return params["unwanted"] not in words(name)


WORDING_RULES: dict[str, Rule] = {
    "include": Rule(
        _draw_include,
        ("Use {noun} {words}.", "Include {noun} {words} in your answer."),
        wording.include,
        (
            "Write one sentence about {name} with {noun} {words}.",
            "Write one sentence about {name}. Use {noun} {words}.",
            "Tell me about {name} using {noun} {words}.",
        ),
        settles=frozenset([Aspect.CLAUSE]),
        adds=frozenset([Amount.WORDS]),
    ),
    "end_phrase": Rule(
        lambda rng: {"phrase": rng.choice(_ENDINGS)},
        (
            "End with exactly these words: {phrase}",
            'The last words of your answer must be "{phrase}"',
        ),
        wording.end_phrase,
        (
            "Write one sentence about {name} and then write: {phrase}",
            'Write one sentence about {name}. Finish with the words "{phrase}"',
            "Say one thing about {name} and end with: {phrase}",
        ),
        settles=frozenset([Aspect.END, Aspect.CASE, Aspect.STOPS]),
        adds=_BOTH,
    ),
    "start_word": Rule(
        lambda rng: {"word": rng.choice(_STARTS)},
        ('Start with the word "{word}".', 'The first word of your answer must be "{word}".'),
        wording.start_word,
        (
            'Write one sentence about {name}, beginning with "{word}"',
            'Write one sentence about {name} that starts with the word "{word}".',
            'Tell me about {name}, starting with "{word}"',
        ),
        settles=frozenset([Aspect.START, Aspect.CASE]),
        adds=frozenset([Amount.WORDS]),
    ),
    "repeat": Rule(
        lambda rng: {"word": rng.choice(_REPEATED), "n": 2},
        (
            'Use the word "{word}" at least {n} times.',
            'The word "{word}" must appear {n} times or more.',
        ),
        wording.repeat,
        (
            'Write one sentence about {name}. Use the word "{word}" at least twice.',
            'Write about {name} and use the word "{word}" at least twice.',
        ),
        settles=frozenset([Aspect.CLAUSE]),
        adds=frozenset([Amount.WORDS]),
    ),
    "number": Rule(
        nothing,
        (
            "Include at least one number written in digits.",
            "Your answer must contain a number in digits, such as 7.",
        ),
        characters.number,
        (
            "Write one sentence about {name} with a number in it, such as 7.",
            "Tell me about {name} in one sentence and give a number.",
            "How many {name} are there? Answer in one sentence with a number in digits.",
        ),
        settles=frozenset([Aspect.CLAUSE]),
        adds=frozenset([Amount.WORDS]),
    ),
    "avoid": Rule(
        lambda rng: {"unwanted": rng.choice(_AVOIDED)},
        (
            'Do not use the word "{unwanted}".',
            'Your answer must not contain the word "{unwanted}".',
        ),
        wording.avoid,
        (
            'Write one sentence about {name} without the word "{unwanted}".',
            'Tell me about {name} in one sentence. Do not use the word "{unwanted}".',
        ),
        settles=frozenset([Aspect.CLAUSE]),
        fixes=frozenset([Amount.WORDS]),
        suits=_is_no_word_of,
    ),
    "initials": Rule(
        _draw_initials,
        (
            'Use at least {n} different words that begin with "{letter}".',
            'At least {n} different words must begin with the letter "{letter}".',
        ),
        wording.initials,
        (
            'Write one sentence about {name} with {n} or more words that begin with "{letter}".',
            'Tell me about {name}. Use at least {n} different words that begin with "{letter}".',
        ),
        settles=frozenset([Aspect.CLAUSE]),
        adds=frozenset([Amount.WORDS]),
    ),
}
