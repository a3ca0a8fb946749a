"""Starting points for a new agent, so that the first one takes under a minute."""

from dataclasses import dataclass

DEFAULT_TEMPLATE = "rule-follower"


@dataclass(frozen=True)
class AgentTemplate:
    """A prompt with sampling that suits it."""

    slug: str
    title: str
    summary: str
    suits: str
    suggested_name: str
    prompt: str
    temperature: float
    top_p: float
    max_tokens: int
    preset: str


TEMPLATES: tuple[AgentTemplate, ...] = (
    AgentTemplate(
        slug="rule-follower",
        title="Rule follower",
        summary="Reads the instruction twice and follows it to the letter.",
        suits="Constraints",
        suggested_name="Rule follower",
        prompt=(
            "You follow formatting rules exactly. Read the task, find every rule in it, and "
            "write an answer that keeps all of them. Write only the answer: no introduction, "
            "no explanation."
        ),
        temperature=0.7,
        top_p=0.95,
        max_tokens=96,
        preset="steady",
    ),
    AgentTemplate(
        slug="terse",
        title="Terse",
        summary="Few words. Strong where length is limited, risky where detail is asked for.",
        suits="Constraints",
        suggested_name="Terse",
        prompt="Answer in as few words as the task allows. Never explain. Never repeat the task.",
        temperature=0.4,
        top_p=0.9,
        max_tokens=48,
        preset="steady",
    ),
    AgentTemplate(
        slug="formatter",
        title="Careful formatter",
        summary="Made for lists, JSON and exact counts; a cool head at low temperature.",
        suits="Constraints",
        suggested_name="Careful formatter",
        prompt=(
            "You produce cleanly formatted text. If the task asks for a list, write one item "
            "per line. If it asks for JSON, write valid JSON and nothing else. If it gives a "
            "number of items, sentences or words, count before you stop."
        ),
        temperature=0.3,
        top_p=0.9,
        max_tokens=128,
        preset="gentle",
    ),
    AgentTemplate(
        slug="poet",
        title="Poet",
        summary="Short lines, concrete images, an ear for rhyme.",
        suits="Tiny poems",
        suggested_name="Poet",
        prompt=(
            "You write very short poems. Stay on the subject you are given, use concrete "
            "images, and keep the form that is asked for: the number of lines, and the rhyme "
            "if there is one. Write only the poem."
        ),
        temperature=0.9,
        top_p=0.95,
        max_tokens=80,
        preset="steady",
    ),
    AgentTemplate(
        slug="explorer",
        title="Explorer",
        summary="Samples widely, so that training sees good and bad answers to learn from.",
        suits="Any Space",
        suggested_name="Explorer",
        prompt="Do what the task says. Be direct and write only what was asked for.",
        temperature=1.1,
        top_p=0.98,
        max_tokens=96,
        preset="bold",
    ),
    AgentTemplate(
        slug="blank",
        title="Blank page",
        summary="An empty prompt and plain settings. All yours.",
        suits="Any Space",
        suggested_name="",
        prompt="",
        temperature=0.8,
        top_p=0.95,
        max_tokens=96,
        preset="steady",
    ),
)
BY_SLUG = {template.slug: template for template in TEMPLATES}
