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
from enum import StrEnum
from string import Template

from judges.fencing import MAX_FENCED_CHARACTERS, cut_note, fenced
from judges.kinds.prompts import prompt_text, shown_reference
from judges.tools import Message
from judges.transcript import Answer


class VerdictForm(StrEnum):
    """How the model is asked to write its verdict."""

    LINE = "line"
    JSON = "json"


@dataclass(frozen=True)
class Layout:
    """How the comparisons of one round are put to a model. Everything untrusted is fenced."""

    task: str
    answers: Sequence[Answer]  # in the order of the first list: see `in_list_order`
    nonce: str  # one for the round: with another in each prompt, prompts would share nothing
    max_listed_characters: int  # of the task and all answers together
    max_answer_characters: int = MAX_FENCED_CHARACTERS
    verdict_form: VerdictForm = VerdictForm.LINE
    reference: str = ""  # shown unless it is empty

    @property
    def is_listed(self) -> bool:
        """Whether all answers stand in every prompt."""
        length = len(self.task) + sum(len(answer.text) for answer in self.answers)
        return len(self.answers) > 2 and length <= self.max_listed_characters

    def render(self, first: Answer, second: Answer) -> list[Message]:
        """The messages that ask to compare the first, called A, with the second, called B."""
        if not self.is_listed:
            return self._messages(
                "pairwise",
                (first, second),
                answer_a=self._fenced(first),
                answer_b=self._fenced(second),
            )
        is_forward = self.answers.index(first) < self.answers.index(second)
        listed = self.answers if is_forward else self.answers[::-1]
        answers = (
            f"Answer {number}:\n{self._fenced(answer)}"
            for number, answer in enumerate(listed, start=1)
        )
        return self._messages(
            "listed",
            listed,
            answers="\n\n".join(answers),
            first=str(listed.index(first) + 1),
            second=str(listed.index(second) + 1),
        )

    def _fenced(self, answer: Answer) -> str:
        most = self.max_answer_characters
        return fenced(answer.text, nonce=self.nonce, max_characters=most)

    def _messages(self, name: str, shown: Sequence[Answer], **values: str) -> list[Message]:
        user = Template(prompt_text(f"{name}_user")).substitute(
            values,
            task=fenced(self.task, nonce=self.nonce),
            reference=shown_reference(self.reference, nonce=self.nonce),
            note=cut_note(
                [answer.text for answer in shown], max_characters=self.max_answer_characters
            ),
        )
        form = prompt_text(f"verdict_{self.verdict_form}")
        system = f"{prompt_text(f'{name}_system')}\n{form}"
        return [{"role": "system", "content": system}, {"role": "user", "content": user}]


def in_list_order(answers: Sequence[Answer]) -> list[Answer]:
    """In an order that only the texts decide, so that nothing depends on who sits where."""
    return sorted(
        answers,
        key=lambda answer: hashlib.sha256(answer.text.encode(errors="replace")).digest(),
    )
