"""What a rule of the Constraints Space is: what it demands, in which words, and beside what."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Any

from arena.environments.constraints.checks.finding import Finding, Params
from arena.environments.text.markup import Reading


class Aspect(StrEnum):
    """A side of an answer that one rule at most may settle."""

    COUNT = "count"  # how many sentences, words or lines
    LAYOUT = "layout"
    CASE = "case"
    START = "start"
    END = "end"
    STOPS = "stops"
    COMMAS = "commas"
    CLAUSE = "clause"  # something that is put into a sentence


class Amount(StrEnum):
    """Of what an answer may have more or less."""

    WORDS = "words"
    SENTENCES = "sentences"


def _always(params: Params, name: str) -> bool:
    return True


@dataclass(frozen=True)
class Rule:
    """One verifiable demand on an answer."""

    draw: Callable[[Random], dict[str, Any]]
    wordings: tuple[str, ...]  # format strings over the parameters; follow a request
    check: Callable[[Params, Reading], Finding]
    # Whole prompts over the parameters and the topic's {name}, where a small model follows the
    # rule better when it is part of the request. Empty: request and instruction are two sentences.
    requests: tuple[str, ...] = ()
    # What of an answer the rule settles; two rules that settle the same do not go together.
    settles: frozenset[Aspect] = frozenset()
    adds: frozenset[Amount] = frozenset()  # what keeping it puts into a finished answer
    fixes: frozenset[Amount] = frozenset()  # of what nothing may be put into it afterwards
    is_long: bool = False  # no answer of a few words keeps it
    is_list: bool = False  # its answers may be keywords
    suits: Callable[[Params, str], bool] = _always  # whether a topic of this name may keep it

    def instruction(self, params: Params, rng: Random) -> str:
        return rng.choice(self.wordings).format_map(_shown(params))

    def request(self, params: Params, name: str, rng: Random) -> str:
        return rng.choice(self.requests).format_map({"name": name} | _shown(params))


def go_together(first: Rule, second: Rule) -> bool:
    """Whether one answer may keep both rules, and the solver knows how."""
    return not (
        first.settles & second.settles or first.adds & second.fixes or second.adds & first.fixes
    )


def _shown(params: Params) -> dict[str, Any]:
    return {
        name: _listed(value) if isinstance(value, list | tuple) else value
        for name, value in params.items()
    }


def _listed(values: Sequence[str]) -> str:
    quoted = [f'"{value}"' for value in values]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"
