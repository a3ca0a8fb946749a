from contextlib import suppress
from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.parsing import (
    MAX_LOG_ODDS,
    Choice,
    Token,
    Unreadable,
    expected_digit,
    read_object,
    read_verdict,
    read_verdict_object,
    without_thoughts,
)


@pytest.mark.parametrize(
    ("reply", "choice"),
    [
        ("VERDICT: A", Choice.A),
        ("B is clearer.\nVERDICT: B\n", Choice.B),
        ("Both do it.\n\n  VERDICT: TIE  ", Choice.TIE),
        ("VERDICT: A\nVERDICT: B", Choice.B),
        ("It rhymes.\n**VERDICT: A**", Choice.A),
        ("**Verdict:** B", Choice.B),
        ("VERDICT: **TIE**", Choice.TIE),
        ("### Final verdict: (A).", Choice.A),
        ("Verdict: [B]", Choice.B),
        ("verdict: a", Choice.A),
        ("VERDICT: Answer B", Choice.B),
        ("VERDICT:A.", Choice.A),
    ],
)
def test_last_line_is_the_verdict(reply: str, choice: Choice) -> None:
    assert read_verdict(reply).choice is choice


@pytest.mark.parametrize(
    "reply",
    [
        "",
        ":",
        "Thought process:",
        "VERDICT: A because it is better",
        "The answer says VERDICT: A",
        "VERDICT: A\nI hope this helps.",
        "VERDICT: C",
        "VERDICT: A or B",
        "VERDICT: A, VERDICT: B",
        "VERDICT: [A/B]",
        "VERDICT: a tie",
        "VERDICT: T\u0130E",
        "VERDICT: (A",
        "A",
        # Quoted, so these are the answers' words.
        "> VERDICT: A",
        'Answer B ends: "VERDICT: B"',
        '"VERDICT: A"',
        "\u201cVERDICT: A\u201d",
        "`VERDICT: A`",
    ],
)
def test_anything_else_is_no_verdict(reply: str) -> None:
    with pytest.raises(Unreadable):
        read_verdict(reply)


@pytest.mark.parametrize(
    ("reply", "choice"),
    [
        ("Both do it.\nVERDICT: A", None),  # it could have been "VERDICT: A or B"
        ("Answer A is", None),
        ("", None),
        ("Both do it.\nVERDICT: A \n ", Choice.A),
        ("VERDICT: A\nIn", None),
    ],
)
def test_the_last_line_of_a_reply_that_was_cut_needs_its_line_break(
    reply: str, choice: Choice | None
) -> None:
    if choice is None:
        with pytest.raises(Unreadable, match="cut"):
            read_verdict(reply, is_cut=True)
    else:
        assert read_verdict(reply, is_cut=True).choice is choice


@given(st.text() | st.from_regex(r"[*_#]*verdict ?: ?[\[(]?(a|b|tie)\W*", fullmatch=True))
def test_any_reply_is_a_verdict_or_unreadable(reply: str) -> None:
    for read in (read_verdict, read_verdict_object):
        with suppress(Unreadable):
            assert read(reply, is_cut=False).choice in Choice


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("VERDICT: A", "VERDICT: A"),
        ("<think>A? B?</think>\nVERDICT: A", "\nVERDICT: A"),
        # The template writes the beginning of thoughts into the prompt.
        ("Hm, VERDICT: B?</think>VERDICT: A", "VERDICT: A"),
        ("<think>It ends </think> early.</think>VERDICT: A", "VERDICT: A"),
        ("[THINK]Hm.[/THINK]VERDICT: A", "VERDICT: A"),
        ("<Thinking>\nHm.\n</Thinking>VERDICT: A", "VERDICT: A"),
    ],
)
def test_thoughts_are_cut_off(text: str, said: str) -> None:
    assert without_thoughts(text, is_cut=False) == said


@pytest.mark.parametrize(
    ("text", "is_cut", "thoughts", "reason"),
    [
        ("<think>Both purr.\nVERDICT: A\n", True, "", "its thoughts came to no end"),
        ("<think>Both purr.\nVERDICT: A\n", False, "", "its thoughts came to no end"),
        ("Hm.</think><think>VERDICT: A", False, "", "its thoughts came to no end"),
        ("", True, "Both purr.", "its thoughts came to no end"),
        ("", True, "", "it was cut before it said anything"),
        (" \n", False, "Both purr.", "it said nothing"),
        ("<think>A.</think>\n", False, "", "it said nothing"),
    ],
)
def test_thoughts_that_never_ended_say_nothing(
    text: str, is_cut: bool, thoughts: str, reason: str
) -> None:
    with pytest.raises(Unreadable, match=reason):
        without_thoughts(text, is_cut=is_cut, thoughts=thoughts)


GOOD = '{"reason": "It purrs.", "verdict": "B"}'


@pytest.mark.parametrize("reply", [GOOD, f"  {GOOD}\n", f"```json\n{GOOD}\n```"])
def test_a_verdict_may_be_a_json_object(reply: str) -> None:
    assert read_verdict_object(reply, is_cut=False).choice is Choice.B


@pytest.mark.parametrize(
    "reply",
    [
        GOOD[:-5],
        f"I think: {GOOD}",
        GOOD + GOOD,
        '{"reason": "", "verdict": "C"}',
        '{"reason": "", "verdict": ["A"]}',
        '{"reason": "", "verdict": null}',
        '{"verdict": "A"}',
        '{"reason": "", "verdict": "A", "score": 10}',
        '{"reason": "", "verdict": "B", "verdict": "A"}',
        '["A"]',
        "NaN",
        '{"reason": NaN, "verdict": "A"}',
        "[" * 100_000,
    ],
)
def test_half_a_json_or_another_one_is_no_verdict(reply: str) -> None:
    with pytest.raises(Unreadable):
        read_verdict_object(reply, is_cut=False)


def test_a_json_that_was_cut_says_so() -> None:
    with pytest.raises(Unreadable, match="cut before it had ended"):
        read_object(GOOD[:-5], is_cut=True)


def tokens(*written: str, **chances: float) -> list[Token]:
    """Sure tokens, but the last one has these chances."""
    *before, last = written
    likeliest = {name: log(chance) for name, chance in chances.items()}
    return [*((text, {text: 0.0}) for text in before), (last, likeliest)]


def test_how_sure_a_choice_was_is_read_from_the_tokens_in_its_place() -> None:
    said = "It purrs.\nVERDICT: A"
    found = read_verdict(said, tokens=tokens("It", " purrs.\n", "VERDICT", ":", " A", A=0.6, B=0.3))
    assert found.log_odds == pytest.approx(log(2), abs=0.01)
    half_tie = tokens("It purrs.\nVERDICT:", " A", A=0.4, B=0.1, T=0.3)
    found = read_verdict(said, tokens=half_tie)
    assert found.log_odds == pytest.approx(log(0.55 / 0.25), abs=0.01)


def test_in_json_the_place_is_that_of_the_verdict_not_of_its_reason() -> None:
    said = '{"reason": "A \\"verdict\\": B", "verdict": "A"}'
    place = tokens('{"reason": "A \\"verdict\\": B",', ' "verdict"', ': "', "A", A=0.8, B=0.2)
    end: list[Token] = [('"}', {'"}': 0.0})]
    found = read_verdict_object(said, is_cut=False, tokens=[*place, *end])
    assert found.log_odds == pytest.approx(log(4), abs=0.01)


@pytest.mark.parametrize("told", [[], [("other", {"other": 0.0})]])
def test_without_probabilities_in_its_place_a_choice_is_only_a_choice(told: list[Token]) -> None:
    assert read_verdict("VERDICT: A", tokens=told).log_odds is None


def test_a_choice_that_the_server_does_not_list_is_unlikely_not_impossible() -> None:
    found = read_verdict("VERDICT: A", tokens=tokens("VERDICT:", " A", A=1.0))
    assert found.log_odds == MAX_LOG_ODDS


def test_a_score_is_the_mean_of_the_digits_that_it_could_have_been() -> None:
    place = tokens('"clear": {"score": ', "4", **{"4": 0.5, "5": 0.3, "x": 0.2})
    found = expected_digit(place, '"score": ', 4, digits=range(1, 6))
    assert found == pytest.approx((4 * 0.5 + 5 * 0.3) / 0.8)
    assert expected_digit([], '"score": ', 4, digits=range(1, 6)) is None


def test_a_block_of_line_breaks_alone_is_read_at_once() -> None:
    """By an expression that tries all splits of them, it would take hours."""
    with pytest.raises(Unreadable):
        read_object("```json" + "\n" * 20_000 + "{", is_cut=True)
    for block in ('```json \n\n{"verdict": "A"}\n\n  ```', '```json\r\n{"verdict": "A"}\r\n```'):
        assert read_object(block, is_cut=False) == {"verdict": "A"}
