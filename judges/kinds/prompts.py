"""The texts in judges/prompts, and what several kinds put into them."""

from functools import cache
from pathlib import Path
from string import Template

from judges.fencing import fenced
from judges.tools import CannotJudge

_FOLDER = Path(__file__).resolve().parents[1] / "prompts"


@cache
def prompt_text(name: str) -> str:
    """The file of this name, without its ending."""
    return (_FOLDER / f"{name}.txt").read_text()


def reference_for(is_wanted: bool, reference: str) -> str:
    """The reference answer if the model is to see it. CannotJudge if there is none."""
    if not is_wanted:
        return ""
    if not reference.strip():
        raise CannotJudge("there is no reference answer to this task")
    return reference


def shown_reference(reference: str, *, nonce: str) -> str:
    """The reference answer as it stands in a prompt, or nothing if it is empty."""
    if not reference:
        return ""
    return Template(prompt_text("reference")).substitute(reference=fenced(reference, nonce=nonce))
