"""The judges in every new installation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from judges.kinds.config import ARENA_BASE


@dataclass(frozen=True)
class DefaultJudge:
    """Values of one `judges.models.Judge` row."""

    slug: str
    name: str
    kind: str  # of judges.models.JudgeKind
    description: str
    config: Mapping[str, Any] = field(default_factory=dict)


# How a small model is asked for a verdict: it writes no prose that ends in one.
ASKED_SMALL: Mapping[str, Any] = {
    "verdict_form": "json",
    "max_listed_characters": 0,
    "max_answer_characters": 1_000,
}
_OPEN_GATES = ("answers", "own words", "no repetition", "sentences", "no speech to judges")

DEFAULT_JUDGES: tuple[DefaultJudge, ...] = (
    DefaultJudge(
        slug="code",
        name="Rule checker",
        kind="code",
        description=(
            "Checks in code what the task asked for. A pass beats every failure; among passes, "
            "varied, finished and original wording counts a little."
        ),
    ),
    DefaultJudge(
        slug="form-and-relevance",
        name="Form and relevance",
        kind="poem",
        description=(
            "Refuses copies, prose and off-topic answers. Then it weighs the requested form, "
            "closeness to the task, and how much likelier the task makes the poem to the base "
            "model. It measures form and relevance, not taste."
        ),
        config={"gates": [*_OPEN_GATES, "verse", "new"]},
    ),
    DefaultJudge(
        slug="story-form-and-relevance",
        name="Form and relevance of stories",
        kind="poem",
        description=(
            "Refuses copies, lists and off-topic answers. Then it weighs length and what was "
            "demanded, closeness to the task, and how much likelier the task makes the story to "
            "the base model. It measures form and relevance, not taste."
        ),
        config={"gates": [*_OPEN_GATES, "no list", "new"], "relevance_cut": 0.35},
    ),
    DefaultJudge(
        slug="name-form-and-relevance",
        name="Form and relevance of names",
        kind="poem",
        description=(
            "Refuses copies, lists and answers that have nothing to do with the product. Then it "
            "weighs length, what was demanded and originality against closeness to the task. It "
            "measures form and relevance, not taste."
        ),
        config={
            # A name is judged by how close it is to its product only if it is as was asked: a coined
            # word is close to nothing, so that whatever was close would stand above it.
            "gates": [*_OPEN_GATES, "one line", "varied", "readable", "length", "demand"],
            "pmi_weight": 0.0,
            "relevance_cut": 0.12,
        },
    ),
    DefaultJudge(
        slug="speech-relevance",
        name="Relevance of speeches",
        kind="poem",
        description=(
            "How close a seat's speeches are to the motion. It refuses what has nothing to do with "
            "it, and cannot tell who is right: a debate needs a reader beside it."
        ),
        config={"form_weight": 0.0, "pmi_weight": 0.0, "relevance_weight": 1.0},
    ),
    DefaultJudge(
        slug="pairwise-llm",
        name="Pairwise reader",
        kind="pairwise",
        description=(
            "A language model compares the answers in pairs, each pair in both orders; where "
            "the orders disagree, the pair is a tie. It needs an endpoint in JUDGE_URL and "
            "abstains without one."
        ),
    ),
    DefaultJudge(
        slug="rubric-llm",
        name="Rubric reader",
        kind="rubric",
        description=(
            "A language model marks each answer from 1 to 5 on whether it does the task, whether it "
            "is right, and whether it is clear, and says why. It needs an endpoint and abstains "
            "without one."
        ),
        config={
            "criteria": [
                {
                    "name": "does the task",
                    "question": "Does it do all that the task asks, and nothing else?",
                    "weight": 3.0,
                },
                {"name": "right", "question": "Is what it says right?", "weight": 2.0},
                {"name": "clear", "question": "Is it easy to read?", "weight": 1.0},
            ]
        },
    ),
    DefaultJudge(
        slug="process-llm",
        name="Step reader",
        kind="process",
        description=(
            "A language model marks each step of an answer from 1 to 5 and says why; the answer is "
            "worth its weakest step. It needs an endpoint and abstains without one."
        ),
    ),
    DefaultJudge(
        slug="bare-reader",
        name="Bare reader",
        kind="pairwise",
        description=(
            "The base model that agents start from, asked as it is which of two answers is better. "
            "It sits on no panel: it shows what becomes of a judge that cannot judge."
        ),
        config={"endpoints": [ARENA_BASE], **ASKED_SMALL},
    ),
)
