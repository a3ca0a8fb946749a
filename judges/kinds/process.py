"""An LLM gives each step of an answer a mark from 1 to 5: the process, not only its end.

An answer is worth its least step, or the product of its steps (Lightman et al. 2023, "Let's verify
step by step", use the product). Steps are cut by code (`judges.kinds.steps`), so the model cannot choose what
it grades. Marks are read as the rubric's are.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from math import prod
from string import Template
from typing import Any

from pydantic import Field

from judges.asking import ask
from judges.fencing import cut_note, fenced, one_line, says_something
from judges.kinds.config import GradingConfig
from judges.kinds.grading import (
    LIKELIEST,
    MARK_SCHEMA,
    MAX_REASON_CHARACTERS,
    TOKENS_PER_MARK,
    expected_marks,
    marked,
    of_each,
    share_of,
)
from judges.kinds.prompts import prompt_text, reference_for, shown_reference
from judges.kinds.steps import Span, step_spans
from judges.parsing import Unreadable, read_object
from judges.tools import CannotJudge, ChatRequest, Message, Reply, Tools
from judges.transcript import Answer, Ballot, StepScore, Transcript

PROMPTS = ("process_system.txt", "process_user.txt", "reference.txt")


class StepsValue(StrEnum):
    """What an answer is worth by its steps."""

    LEAST = "least"
    PRODUCT = "product"


class ProcessConfig(GradingConfig):
    """What a process judge's `config` may set."""

    value: StepsValue = Field(
        StepsValue.LEAST,
        title="Value of an answer",
        description="least: that of its worst step. product: all steps multiplied, so that a long "
        "answer has to be right throughout.",
    )


async def vote(config: ProcessConfig, transcript: Transcript, tools: Tools) -> Ballot:
    if not transcript.answers:
        raise CannotJudge("there is nothing to grade")
    reference = reference_for(config.has_reference, transcript.reference)
    most = config.max_answer_characters

    async def grade(answer: Answer) -> tuple[StepScore, ...]:
        spans = step_spans(answer.text[:most])

        def read(said: str, reply: Reply) -> tuple[StepScore, ...]:
            found = _marks(read_object(said, is_cut=reply.is_cut), len(spans))
            marks = expected_marks(said, [mark for mark, _ in found], reply.tokens)
            return tuple(
                StepScore(*span, share_of(mark), one_line(reason, MAX_REASON_CHARACTERS))
                for span, mark, (_, reason) in zip(spans, marks, found, strict=True)
            )

        request = ChatRequest(
            render(
                transcript.prompt,
                answer.text,
                spans,
                reference,
                nonce=tools.nonce(),
                config=config,
            ),
            max_tokens=TOKENS_PER_MARK * len(spans) + config.thinking_tokens,
            top_logprobs=LIKELIEST if config.has_log_probabilities else 0,
            schema=schema_of(len(spans)),
        )
        return await ask(tools, request, read)

    spoken = [answer for answer in transcript.answers if says_something(answer.text[:most])]
    steps = await of_each(spoken, grade)
    return Ballot(
        scores={each.seat: _value(config, steps.get(each.seat)) for each in transcript.answers},
        reasons={each.seat: _reason(steps.get(each.seat)) for each in transcript.answers},
        checks={},
        steps=steps,
    )


def render(
    task: str,
    answer: str,
    spans: Sequence[Span],
    reference: str,
    *,
    nonce: str,
    config: ProcessConfig,
) -> list[Message]:
    """The judge's messages; everything untrusted is fenced, each step by itself."""
    most = config.max_answer_characters
    steps = (
        f"Step {number}:\n{fenced(answer[begin:end], nonce=nonce, max_characters=most)}"
        for number, (begin, end) in enumerate(spans, start=1)
    )
    user = Template(prompt_text("process_user")).substitute(
        task=fenced(task, nonce=nonce),
        reference=shown_reference(reference, nonce=nonce),
        steps="\n\n".join(steps),
        note=cut_note([answer], max_characters=most),
        count=str(len(spans)),
    )
    return [
        {"role": "system", "content": prompt_text("process_system")},
        {"role": "user", "content": user},
    ]


def schema_of(steps: int) -> Mapping[str, Any]:
    """The JSON Schema of the marks of so many steps."""
    marks = {"type": "array", "items": MARK_SCHEMA, "minItems": steps, "maxItems": steps}
    return {
        "type": "object",
        "properties": {"steps": marks},
        "required": ["steps"],
        "additionalProperties": False,
    }


def _marks(value: Mapping[str, Any], count: int) -> list[tuple[int, str]]:
    given = value.get("steps")
    if set(value) != {"steps"} or not isinstance(given, list):
        raise Unreadable("its JSON is not of the form that it was asked for")
    if len(given) != count:
        raise Unreadable(f"it gave {len(given)} marks to {count} steps")
    return [marked(each) for each in given]


def _value(config: ProcessConfig, steps: Sequence[StepScore] | None) -> float:
    if not steps:  # an answer without a word, about which nobody was asked
        return 0.0
    scores = [step.score for step in steps]
    return min(scores) if config.value is StepsValue.LEAST else prod(scores)


def _reason(steps: Sequence[StepScore] | None) -> str:
    if not steps:
        return "It says nothing."
    number, worst = min(enumerate(steps, start=1), key=lambda numbered: numbered[1].score)
    return f"Of {len(steps)} steps, step {number} is the weakest: {worst.reason}"
