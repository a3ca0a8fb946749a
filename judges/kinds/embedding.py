"""Closeness of an answer to its task, by itself: the graded cosine of their embeddings.

The embeddings are those of an endpoint, or of the model that comes with every installation. Copies of
the task are closest to it: the gates refuse those where the environment looks for them. An answer
that fails a gate, or is not close enough, gets at most `GATED_CEILING` times its grade.
"""

from collections.abc import Sequence

from pydantic import Field, model_validator

from judges.kinds.config import MAX_ENDPOINTS, KindConfig
from judges.kinds.poem import FULL_RELEVANCE, GATED_CEILING, MAX_ANSWER_CHARACTERS, OPEN_FLOOR
from judges.kinds.pooled import cosine, vectors_of
from judges.tools import CannotJudge, Tools
from judges.transcript import Ballot, Check, Transcript

MAX_PROMPT_CHARACTERS = 4_000


class EmbeddingConfig(KindConfig):
    """What an embedding judge's `config` may set."""

    endpoints: tuple[str, ...] = Field(
        (),
        max_length=MAX_ENDPOINTS,
        title="Endpoints",
        description="Short names of endpoints that answer /embeddings; the next one is asked if one "
        "fails. None: the small model that comes with every installation.",
    )
    relevance_cut: float = Field(
        0.25,
        ge=-1.0,
        le=1.0,
        title="Least relevance",
        description="The cosine under which an answer has too little to do with the task.",
    )
    full_relevance: float = Field(
        FULL_RELEVANCE,
        ge=-1.0,
        le=1.0,
        title="Full relevance",
        description="The cosine from which on closeness counts in full; above the least one.",
    )
    gates: tuple[str, ...] = Field(
        (),
        title="Gates",
        description="Names of the environment's checks that refuse an answer instead of grading it.",
    )
    limit_seconds: float = Field(
        90.0, ge=1.0, le=600.0, title="Time limit", description="Seconds for a vote on one round."
    )

    @model_validator(mode="after")
    def _leaves_room(self) -> "EmbeddingConfig":
        if self.full_relevance <= self.relevance_cut:
            raise ValueError("needs a full relevance above the least one")
        return self

    def time_limit_seconds(self) -> float:
        return self.limit_seconds

    def asked_endpoints(self) -> tuple[str, ...]:
        return self.endpoints


async def vote(config: EmbeddingConfig, transcript: Transcript, tools: Tools) -> Ballot:
    texts = [answer.text[:MAX_ANSWER_CHARACTERS].strip() for answer in transcript.answers]
    asked = [text for text in texts if text]
    if not asked:
        raise CannotJudge("no answer has any text")
    found = iter(await _cosines(config, transcript.prompt, asked, tools))
    scores: dict[int, float] = {}
    checks: dict[int, tuple[Check, ...]] = {}
    for answer, text in zip(transcript.answers, texts, strict=True):
        close = next(found) if text else 0.0
        span = config.full_relevance - config.relevance_cut
        grade = min(1.0, max(0.0, (close - config.relevance_cut) / span))
        gates = [check for check in answer.checks if check.name in config.gates]
        is_relevant = bool(text) and close >= config.relevance_cut
        is_open = is_relevant and all(check.passed for check in gates)
        scores[answer.seat] = (
            OPEN_FLOOR + (1 - OPEN_FLOOR) * grade if is_open else GATED_CEILING * grade
        )
        told = Check("relevance", is_relevant, f"is {close:.2f} close to the task")
        checks[answer.seat] = (*gates, told)
    return Ballot(
        scores=scores,
        reasons={seat: _reason(found) for seat, found in checks.items()},
        checks=checks,
    )


async def _cosines(
    config: EmbeddingConfig, prompt: str, texts: Sequence[str], tools: Tools
) -> list[float]:
    if not config.endpoints:
        return await tools.relevance(prompt, texts)
    body = {"input": [prompt[:MAX_PROMPT_CHARACTERS], *texts], "encoding_format": "float"}
    reply = await tools.exchange("/embeddings", body, config.endpoints)
    first, *others = vectors_of(reply.value, count=len(texts) + 1)
    return [cosine(first, other) for other in others]


def _reason(checks: Sequence[Check]) -> str:
    failed = [check.detail for check in checks if not check.passed]
    if failed:
        return f"Weak: it {'; it '.join(failed)}."
    return f"It {checks[-1].detail}."
