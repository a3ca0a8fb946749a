"""An LLM gives each answer a mark from 1 to 5, with a reason, on each criterion of a rubric.

A mark is the mean of what it could have been, by the probabilities of its token where the server
tells them (G-Eval, Liu et al. 2023): marks alone are coarse, and most answers get the same one. An
answer's score is the weighted mean of its marks, 1 as 0 and 5 as 1. Seats are graded apart, so who
sits where changes nothing. If one answer could not be graded, the judge abstains: a score is
missing, not zero.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from string import Template
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from judges.asking import ask
from judges.fencing import cut_note, fenced, one_line, says_something
from judges.kinds.config import GradingConfig
from judges.kinds.grading import (
    FULL_MARK,
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
from judges.parsing import Unreadable, read_object
from judges.tools import CannotJudge, ChatRequest, Message, Reply, Tools
from judges.transcript import Answer, Ballot, Transcript

PROMPTS = ("rubric_system.txt", "rubric_user.txt", "reference.txt")


class RubricCriterion(BaseModel):
    """One thing that every answer is graded on."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    name: str = Field(
        pattern=r"^\w[\w -]{0,39}$",
        title="Name",
        description="Short; letters, digits, spaces and hyphens.",
    )
    question: str = Field(
        min_length=1,
        max_length=500,
        title="Question",
        description="What the model is to ask of the answer.",
    )
    weight: float = Field(1.0, gt=0.0, le=100.0, title="Weight", description="Among the criteria.")


class RubricConfig(GradingConfig):
    """What a rubric judge's `config` may set."""

    criteria: tuple[RubricCriterion, ...] = Field(
        min_length=1,
        max_length=8,
        title="Criteria",
        description="What each answer is graded on, with the weight of each.",
    )

    @model_validator(mode="after")
    def _has_different_names(self) -> Self:
        if len({criterion.name for criterion in self.criteria}) < len(self.criteria):
            raise ValueError("must give each criterion a name of its own")
        return self


@dataclass(frozen=True)
class Grade:
    """What the model says of one answer, criterion by criterion."""

    marks: Sequence[float]  # 1 to 5
    reasons: Sequence[str]


async def vote(config: RubricConfig, transcript: Transcript, tools: Tools) -> Ballot:
    if not transcript.answers:
        raise CannotJudge("there is nothing to grade")
    reference = reference_for(config.has_reference, transcript.reference)
    names = [criterion.name for criterion in config.criteria]

    def read(said: str, reply: Reply) -> Grade:
        value = read_object(said, is_cut=reply.is_cut)
        if list(value) != names:
            raise Unreadable("its JSON is not of the form that it was asked for")
        found = [marked(each) for each in value.values()]
        marks = expected_marks(said, [mark for mark, _ in found], reply.tokens)
        return Grade(marks, [one_line(each, MAX_REASON_CHARACTERS) for _, each in found])

    async def grade(answer: Answer) -> Grade:
        request = ChatRequest(
            render(transcript.prompt, answer.text, reference, nonce=tools.nonce(), config=config),
            max_tokens=TOKENS_PER_MARK * len(names) + config.thinking_tokens,
            top_logprobs=LIKELIEST if config.has_log_probabilities else 0,
            schema=schema_of(names),
        )
        return await ask(tools, request, read)

    spoken = [answer for answer in transcript.answers if says_something(answer.text)]
    grades = await of_each(spoken, grade)
    return Ballot(
        scores={each.seat: _score(config, grades.get(each.seat)) for each in transcript.answers},
        reasons={each.seat: _reason(names, grades.get(each.seat)) for each in transcript.answers},
        checks={},
    )


def render(
    task: str, answer: str, reference: str, *, nonce: str, config: RubricConfig
) -> list[Message]:
    """The judge's messages; everything untrusted is fenced."""
    form = {each.name: {"reason": "...", "score": "..."} for each in config.criteria}
    system = Template(prompt_text("rubric_system")).substitute(
        criteria="\n".join(f"- {each.name}: {each.question}" for each in config.criteria),
        form=json.dumps(form, ensure_ascii=False).replace('"score": "..."', '"score": 1 to 5'),
    )
    user = Template(prompt_text("rubric_user")).substitute(
        task=fenced(task, nonce=nonce),
        reference=shown_reference(reference, nonce=nonce),
        answer=fenced(answer, nonce=nonce, max_characters=config.max_answer_characters),
        note=cut_note([answer], max_characters=config.max_answer_characters),
    )
    return [{"role": "system", "content": system}, {"role": "user", "content": user}]


def schema_of(names: Sequence[str]) -> Mapping[str, Any]:
    """The JSON Schema of a grade with these criteria."""
    return {
        "type": "object",
        "properties": dict.fromkeys(names, MARK_SCHEMA),
        "required": list(names),
        "additionalProperties": False,
    }


def _score(config: RubricConfig, grade: Grade | None) -> float:
    if grade is None:  # an answer without a word, about which nobody was asked
        return 0.0
    weights = [criterion.weight for criterion in config.criteria]
    weighed = zip(weights, grade.marks, strict=True)
    return min(1.0, fsum(weight * share_of(mark) for weight, mark in weighed) / fsum(weights))


def _reason(names: Sequence[str], grade: Grade | None) -> str:
    if grade is None:
        return "It says nothing."
    lines = zip(names, grade.marks, grade.reasons, strict=True)
    return " ".join(f"{name}, {mark:.1f} of {FULL_MARK}: {said}" for name, mark, said in lines)
