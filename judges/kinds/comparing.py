"""The prompts of one round's comparisons, laid out so that a server computes what they share once.

A server that caches prefixes computes only what follows the longest beginning that it has seen. So
the task and all answers come first, the same in many prompts, and last comes which two are meant:

    system, task, answer 1, ..., answer n | compare answer i with answer j

There are two lists, the second in the opposite order, and in each the earlier answer of a pair is
called A: a judge that favours a place, in the list or in the question, contradicts itself, which is
a tie. Two answers, or answers too long for one prompt, are shown without the others.
Why, and what it saves: docs/decisions/judge-prefixes.md
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Template

from judges.parsing import fenced
from judges.tools import Message
from judges.transcript import Answer

_PROMPTS = Path(__file__).resolve().parents[1] / "prompts"


@dataclass(frozen=True)
class Layout:
    """How the comparisons of one round are put to a model. Everything untrusted is fenced."""

    task: str
    answers: Sequence[Answer]  # in the order of the first list: see `in_list_order`
    nonce: str  # one for the round: with another in each prompt, prompts would share nothing
    max_listed_characters: int  # of the task and all answers together

    @property
    def is_listed(self) -> bool:
        """Whether all answers stand in every prompt."""
        length = len(self.task) + sum(len(answer.text) for answer in self.answers)
        return len(self.answers) > 2 and length <= self.max_listed_characters

    def render(self, first: Answer, second: Answer) -> list[Message]:
        """The messages that ask to compare the first, called A, with the second, called B."""
        if not self.is_listed:
            return render(self.task, first.text, second.text, nonce=self.nonce)
        is_forward = self.answers.index(first) < self.answers.index(second)
        listed = self.answers if is_forward else self.answers[::-1]
        answers = (
            f"Answer {number}:\n{fenced(answer.text, nonce=self.nonce)}"
            for number, answer in enumerate(listed, start=1)
        )
        return _messages(
            "listed",
            task=fenced(self.task, nonce=self.nonce),
            answers="\n\n".join(answers),
            first=str(listed.index(first) + 1),
            second=str(listed.index(second) + 1),
        )


def in_list_order(answers: Sequence[Answer]) -> list[Answer]:
    """In an order that only the texts decide, so that nothing depends on who sits where."""
    return sorted(
        answers,
        key=lambda answer: hashlib.sha256(answer.text.encode(errors="replace")).digest(),
    )


def render(task: str, answer_a: str, answer_b: str, *, nonce: str) -> list[Message]:
    """The messages that show two answers and no other."""
    return _messages(
        "pairwise",
        task=fenced(task, nonce=nonce),
        answer_a=fenced(answer_a, nonce=nonce),
        answer_b=fenced(answer_b, nonce=nonce),
    )


def _messages(name: str, **values: str) -> list[Message]:
    user = Template(_prompt(f"{name}_user.txt")).substitute(values)
    return [
        {"role": "system", "content": _prompt(f"{name}_system.txt")},
        {"role": "user", "content": user},
    ]


@cache
def _prompt(name: str) -> str:
    return (_PROMPTS / name).read_text()
