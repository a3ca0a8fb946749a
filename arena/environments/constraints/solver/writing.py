"""Writes an answer in code: sentences are chosen, laid out, and then touched rule by rule.

What agents learn from it: docs/decisions/coded-teacher.md
"""

from collections.abc import Mapping
from random import Random
from typing import Any

from arena.environments.constraints.solver.sentences import CHOICES, FILTERS, pool
from arena.environments.constraints.solver.touches import LAYOUTS, TOUCHES
from arena.environments.text.topics import Topic
from arena.environments.text.words import mentions


def write(
    rules: Mapping[str, Mapping[str, Any]],
    topic: Topic,
    rng: Random,
    *,
    sentences: int,
    mixed: bool = False,
) -> str:
    """An answer that keeps the rules, which go together; `sentences` long unless one says.

    rules: {name: parameters}. With no sentences, what a rule adds is the whole answer. `mixed`: not
    the topic's own facts first, which may say too much in the same words.
    """
    usable = pool(topic, rng, mixed=mixed)
    for name, params in rules.items():
        if name in FILTERS:
            usable = [each for each in usable if FILTERS[name](params, each)]
            usable.sort(key=lambda each: not mentions(each, topic.stems))  # the topic comes first
    chosen = usable[:sentences]
    for name, params in rules.items():
        if name in CHOICES:
            chosen = CHOICES[name](usable, params, topic, rng)
    text = " ".join(chosen)
    for name, params in rules.items():
        if name in LAYOUTS:
            text = LAYOUTS[name](chosen, params, rng)
    for name, touch in TOUCHES.items():
        if name in rules:
            text = touch(text, rules[name], topic, rng)
    return text
