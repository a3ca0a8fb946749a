"""The house's agents, which fill empty seats: three that play by code, and four prompts. Pure.

Those that play by code do so in a share of their turns, and answer with their base model in the others:
three strengths, measured by `manage.py house_strengths`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class HouseMember:
    """Values of one agent of the house."""

    name: str
    prompt: str
    temperature: float = 0.8
    code_percent: int = 0  # of its answers come from code; 0: none


HOUSE_AGENTS = (
    HouseMember("House Master", "Plays by code nineteen times in twenty.", code_percent=95),
    HouseMember(
        "House Solver",
        "Plays by code six times in ten, and as its base model otherwise.",
        code_percent=60,
    ),
    HouseMember(
        "House Apprentice",
        "Plays by code one time in four, and as its base model otherwise.",
        code_percent=25,
    ),
    HouseMember("House Plain", "Answer the request exactly as it is asked."),
    HouseMember("House Terse", "Answer in as few words as the request allows.", temperature=0.7),
    HouseMember(
        "House Careful",
        "Read the request twice. Keep every rule it states. Answer with nothing else.",
        temperature=0.6,
    ),
    HouseMember(
        "House Lively", "Answer the request with life and colour, in short.", temperature=1.0
    ),
)
