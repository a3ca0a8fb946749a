"""PURE: what is accepted from a reply of a judge's model, and why the rest says nothing."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import exp, fsum, log
from typing import Any, NoReturn

# Log-odds beyond these are cut: what a server did not list is unlikely, not impossible.
MAX_LOG_ODDS = 4.6  # 99 to 1
_NEVER = exp(-2 * MAX_LOG_ODDS)
# Marks of emphasis and headings: a verdict among them is the judge's own. One between quotation
# marks is somebody else's, and stays unread.
_EMPHASIS = re.compile(r"[*_#]+")
_VERDICT = re.compile(
    r"(?:FINAL )?VERDICT ?: ?(?P<open>[\[(])?(?:ANSWER )?(?P<choice>A|B|TIE)(?(open)[\])])[.!]?",
    re.IGNORECASE | re.ASCII,
)
_THOUGHT_NAME = "(?:think|thinking|thought|thoughts|reasoning)"
_THOUGHT_BEGINS = re.compile(rf"\s*(?:<{_THOUGHT_NAME}>|\[THINK\])", re.IGNORECASE)
_THOUGHT_ENDS = re.compile(rf"</{_THOUGHT_NAME}>|\[/THINK\]", re.IGNORECASE)
_CODE_BLOCK = re.compile(
    r"```(?:json)?[ \t\r]*\n(?P<inside>.*)\n[ \t\r]*```", re.DOTALL | re.IGNORECASE
)

# A token of a reply, and natural log-probabilities of the likeliest ones in its place
Token = tuple[str, Mapping[str, float]]


class Unreadable(Exception):
    """A reply says nothing that can be read as asked; the message ends a sentence on the judge."""


class Choice(StrEnum):
    """What a pairwise judge may say."""

    A = "A"
    B = "B"
    TIE = "TIE"


@dataclass(frozen=True)
class ReadChoice:
    """What a comparison says."""

    choice: Choice
    log_odds: float | None = None  # natural, of A against B; None: the server told none


def without_thoughts(text: str, *, is_cut: bool, thoughts: str = "") -> str:
    """What the model said after it had thought. Raises Unreadable if it did not come to that.

    `thoughts` are those that the server keeps apart. Others stand before the answer, up to a mark
    of their end; some models' templates write the mark of their beginning into the prompt.
    """
    ends = list(_THOUGHT_ENDS.finditer(text))
    said = text[ends[-1].end() :] if ends else text
    if _THOUGHT_BEGINS.match(said) or (is_cut and thoughts and not said.strip()):
        raise Unreadable("its thoughts came to no end within its room of tokens")
    if not said.strip():
        raise Unreadable("it was cut before it said anything" if is_cut else "it said nothing")
    return said


def read_verdict(said: str, *, is_cut: bool = False, tokens: Sequence[Token] = ()) -> ReadChoice:
    """The choice in the last line, if that line is a verdict and nothing else.

    If the reply `is_cut`, that line must have its line break: "VERDICT: A" could have been going to
    be "VERDICT: A or B". Raises Unreadable.
    """
    if is_cut and not said.rstrip(" ").endswith("\n"):
        raise Unreadable("its reply was cut before its verdict had ended")
    last = said.rstrip().rpartition("\n")[2]
    found = _VERDICT.fullmatch(_EMPHASIS.sub("", last).strip())
    if found is None:
        raise Unreadable("its last line is no verdict")
    choice = Choice(found["choice"].upper())
    place = last.upper().rindex(choice)
    return ReadChoice(choice, _log_odds(_likeliest_at(tokens, last, place)))


def read_verdict_object(said: str, *, is_cut: bool, tokens: Sequence[Token] = ()) -> ReadChoice:
    """The same of a reply that is the JSON object {"reason", "verdict"}. Raises Unreadable."""
    value = read_object(said, is_cut=is_cut)
    verdict = value.get("verdict")
    if (
        set(value) != {"reason", "verdict"}
        or not isinstance(verdict, str)
        or verdict not in set(Choice)
    ):
        raise Unreadable("its JSON holds no verdict of the form that it was asked for")
    choice = Choice(verdict)
    written = said.rstrip()
    name = written.rindex('"verdict"')
    place = written.index(choice, name + len('"verdict"'))
    return ReadChoice(choice, _log_odds(_likeliest_at(tokens, written[name:], place - name)))


def read_object(said: str, *, is_cut: bool) -> dict[str, Any]:
    """The JSON object that is the whole reply, or its one block of code. Raises Unreadable."""
    block = _CODE_BLOCK.fullmatch(said.strip())
    try:
        value = json.loads(
            block["inside"] if block else said,
            parse_constant=_refuse_constant,
            object_pairs_hook=_without_repeats,
        )
    except (ValueError, RecursionError):
        raise Unreadable(
            "its JSON was cut before it had ended" if is_cut else "its reply is not the JSON asked"
        ) from None
    if not isinstance(value, dict):
        raise Unreadable("its reply is no JSON object")
    return value


def expected_digit(
    tokens: Sequence[Token], before: str, digit: int, *, digits: Sequence[int]
) -> float | None:
    """Mean of the digits, each by how likely it was where the reply has `digit` after `before`.

    None if the server told no probabilities there.
    """
    likeliest = _likeliest_at(tokens, f"{before}{digit}", len(before))
    masses = _masses(likeliest, {str(each): str(each) for each in digits})
    total = fsum(masses.values())
    if total <= 0.0:
        return None
    return fsum(int(each) * mass for each, mass in masses.items()) / total


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return value


def _likeliest_at(tokens: Sequence[Token], written: str, place: int) -> Mapping[str, float]:
    """What the model could have written at this place of the last such text; {} if it is not known."""
    joined = "".join(text for text, _ in tokens)
    start = joined.rfind(written)
    if start < 0:
        return {}
    return next(
        (likeliest for end, likeliest in _ends(tokens) if end > start + place),
        {},
    )


def _ends(tokens: Sequence[Token]) -> Iterator[tuple[int, Mapping[str, float]]]:
    end = 0
    for text, likeliest in tokens:
        end += len(text)
        yield end, likeliest


def _masses(likeliest: Mapping[str, float], words: Mapping[str, str]) -> dict[str, float]:
    """Probability of each meaning, by the words that a token without its marks may be."""
    masses: dict[str, float] = {}
    for text, logprob in likeliest.items():
        meaning = words.get(re.sub(r"[\W_]+", "", text).upper())
        if meaning is not None:
            masses[meaning] = masses.get(meaning, 0.0) + exp(logprob)
    return masses


def _log_odds(likeliest: Mapping[str, float]) -> float | None:
    words = {"A": Choice.A, "B": Choice.B, **dict.fromkeys(("T", "TI", "TIE"), Choice.TIE)}
    masses = _masses(likeliest, words)
    if not masses:
        return None
    half_tie = masses.get(Choice.TIE, 0.0) / 2
    one, other = (masses.get(choice, 0.0) + half_tie + _NEVER for choice in (Choice.A, Choice.B))
    return max(-MAX_LOG_ODDS, min(MAX_LOG_ODDS, log(one / other)))
