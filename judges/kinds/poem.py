"""Form and relevance of an open-ended answer: a poem, a tiny story, a slogan.

This is not taste: no figure here says how good an answer is.

An answer that fails a gate (the environment's gates, or too little to do with the prompt) gets
at most `GATED_CEILING` times its form. Any other gets

    OPEN_FLOOR + (1 - OPEN_FLOOR) * (weighted mean of form, relevance and PMI)

form: the environment's score. relevance: cosine of prompt and answer, counted above the cut.
PMI: how much likelier the base model finds the answer's beginning after this prompt than after an
empty one, (logprob(beginning | prompt) - logprob(beginning | empty)) / `pmi_tokens`, squashed by a
logistic curve. It is highest for copies of the prompt, which is why a gate refuses those. Whatever
follows the beginning is told by the beginning rather than by the prompt: a mean over all tokens
would only fall with the answer's length. An answer of a few words has no beginning to measure: a
judge of names gives PMI no weight, and the base model is not asked. A judge of debates gives form no
weight: code does not score a debate.

Measured: docs/decisions/poem-judge.md
"""

import asyncio
from collections.abc import Sequence
from math import exp
from typing import ClassVar, Self

from pydantic import Field, model_validator

from judges.kinds.config import KindConfig
from judges.tools import CannotJudge, Tools
from judges.transcript import Answer, Ballot, Check, Transcript

OPEN_FLOOR = 0.25
GATED_CEILING = 0.15
FULL_RELEVANCE = 0.7  # the cosine at which relevance counts in full
MAX_ANSWER_CHARACTERS = 2_000  # the rest is ignored
_CONCURRENT_ANSWERS = 4


class PoemConfig(KindConfig):
    """What a judge's `config` may set; weights need not sum to 1."""

    LIMIT_SECONDS: ClassVar[float] = 90.0

    form_weight: float = Field(
        0.5, ge=0.0, title="Weight of form", description="Of the environment's own score."
    )
    relevance_weight: float = Field(
        0.25, ge=0.0, title="Weight of relevance", description="Of closeness to the task."
    )
    pmi_weight: float = Field(
        0.25,
        ge=0.0,
        title="Weight of fit",
        description="Of how much likelier the task makes the answer's beginning to the base model.",
    )
    relevance_cut: float = Field(
        0.25,
        ge=-1.0,
        le=1.0,
        title="Least relevance",
        description="The cosine under which an answer has too little to do with the task.",
    )
    pmi_tokens: int = Field(
        24,
        gt=0,
        title="Tokens of the beginning",
        description="What a shorter answer lacks counts as 0 nats.",
    )
    pmi_center: float = Field(
        0.7, title="Middle of fit", description="Nats per token at which fit counts one half."
    )
    pmi_scale: float = Field(
        0.25, gt=0.0, title="Scale of fit", description="Nats per token from one half to 0.73."
    )
    gates: tuple[str, ...] = Field(
        (),
        title="Gates",
        description="Names of the environment's checks that refuse an answer instead of grading it.",
    )

    def asks_base(self) -> bool:
        return self.pmi_weight > 0

    @model_validator(mode="after")
    def _weighs_something(self) -> Self:
        if self.total_weight <= 0:
            raise ValueError("needs a weight that is more than 0")
        return self

    @property
    def total_weight(self) -> float:
        return self.form_weight + self.relevance_weight + self.pmi_weight


async def vote(settings: PoemConfig, transcript: Transcript, tools: Tools) -> Ballot:
    texts = [answer.text[:MAX_ANSWER_CHARACTERS].strip() for answer in transcript.answers]
    cosines = await _cosines(transcript.prompt, texts, tools)
    slots = asyncio.Semaphore(_CONCURRENT_ANSWERS)

    async def judge(answer: Answer, text: str, cosine: float) -> tuple[float, tuple[Check, ...]]:
        if answer.score is None and settings.form_weight > 0:
            raise CannotJudge("the environment does not score this answer's form")
        form = answer.score or 0.0
        relevant = Check(
            "relevance", cosine >= settings.relevance_cut, f"is {cosine:.2f} close to the task"
        )
        gates = [check for check in answer.checks if check.name in settings.gates]
        if not (relevant.passed and all(check.passed for check in gates)):
            return GATED_CEILING * form, (relevant,)
        cut = settings.relevance_cut
        relevance = min(1.0, max(0.0, (cosine - cut) / max(FULL_RELEVANCE - cut, 1e-6)))
        weighed = settings.form_weight * form + settings.relevance_weight * relevance
        found: tuple[Check, ...] = (relevant,)
        if settings.pmi_weight > 0:
            async with slots:
                pmi = await _pmi(transcript.prompt, text, tools, max_tokens=settings.pmi_tokens)
            squashed = 1 / (1 + exp(-_clipped((pmi - settings.pmi_center) / settings.pmi_scale)))
            weighed += settings.pmi_weight * squashed
            detail = (
                f"is at its beginning {pmi:+.2f} nats per token likelier as an answer to this task "
                "than to none"
            )
            found = (relevant, Check("fits the task", squashed >= 0.5, detail))
        return OPEN_FLOOR + (1 - OPEN_FLOOR) * weighed / settings.total_weight, found

    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(judge(answer, text, cosine))
            for answer, text, cosine in zip(transcript.answers, texts, cosines, strict=True)
        ]
    scores: dict[int, float] = {}
    reasons: dict[int, str] = {}
    checks: dict[int, tuple[Check, ...]] = {}
    for answer, task in zip(transcript.answers, tasks, strict=True):
        score, found = task.result()
        scores[answer.seat] = score
        checks[answer.seat] = (*answer.checks, *found)
        reasons[answer.seat] = _reason(checks[answer.seat])
    return Ballot(scores=scores, reasons=reasons, checks=checks)


async def _cosines(prompt: str, texts: Sequence[str], tools: Tools) -> list[float]:
    """Cosines in the order of the texts; a blank text counts as 0."""
    asked = [text for text in texts if text]
    found = iter(await tools.relevance(prompt, asked) if asked else [])
    return [next(found) if text else 0.0 for text in texts]


async def _pmi(prompt: str, text: str, tools: Tools, *, max_tokens: int) -> float:
    """Nats per token that the prompt adds to the likelihood of the text's first tokens."""
    asked, tokens = await tools.logprob(
        [{"role": "user", "content": prompt}], text, max_tokens=max_tokens
    )
    alone, _ = await tools.logprob([{"role": "user", "content": ""}], text, max_tokens=max_tokens)
    if tokens <= 0:
        raise CannotJudge("the base model found no tokens in an answer")
    return (asked - alone) / max_tokens


def _clipped(value: float) -> float:
    return max(-30.0, min(30.0, value))


def _reason(checks: Sequence[Check]) -> str:
    failed = [check.detail for check in checks if not check.passed]
    if failed:
        return f"Weak: it {'; it '.join(failed)}."
    return f"Keeps the form: it {'; it '.join(check.detail for check in checks[:2])}."
