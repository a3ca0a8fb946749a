from contextlib import suppress
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.environments.base import IllegalTurn
from arena.environments.games.reading import MAX_LISTED_MOVES, read_move

SQUARES = ("1", "2", "4", "12")
HEAPS = ("A1", "A2", "B1")


@pytest.mark.parametrize(
    "text",
    [
        "4",
        "[4]",
        "I play [4].",
        "**4**",
        "<b>4</b>",
        "- 4",
        "(4)\n",
        "4 is free, so I take 4.",
        "3 is taken, so 4",
        "[col 4]",
        "4th",
        "Not 1 and not 2: [4]",
        "1 or 2 or **4**",
        "[12345678] 4",
    ],
)
def test_an_answer_that_names_one_legal_move_is_that_move(text: str) -> None:
    assert read_move(text, SQUARES) == "4"


@pytest.mark.parametrize("text", ["A2", "a2", "A 2", "[A: 2]", "I take 'A-2'", "A2, so A2", "a\n2"])
def test_letters_and_digits_of_one_move_may_stand_apart(text: str) -> None:
    assert read_move(text, HEAPS) == "A2"


def test_a_word_in_capitals_is_the_word() -> None:
    assert read_move("I CHECK!", ("check", "bet")) == "check"


def test_of_two_moves_that_begin_together_the_longer_one_is_read() -> None:
    moves = ("raise", "raise 2", "raise 2 red")
    assert read_move("I raise 2, red", moves) == "raise 2 red"
    assert read_move("I raise", moves) == "raise"


@pytest.mark.parametrize(
    "text", ["", "five", "3", "-4", "4.5", "1,2", "44", "\u0664", "\ud800\x00"]
)
def test_an_answer_that_names_no_legal_move_is_refused_with_those_that_are(text: str) -> None:
    with pytest.raises(
        IllegalTurn, match=r"^The answer names no legal move\. Legal: 1, 2, 4, 12\.$"
    ):
        read_move(text, SQUARES)


@pytest.mark.parametrize(
    "text", ["I do not accept.", "I won't accept", "never accept", "cannot ACCEPT"]
)
def test_a_move_that_is_denied_is_not_named(text: str) -> None:
    with pytest.raises(IllegalTurn, match="names no legal move"):
        read_move(text, ("accept", "deny"))
    assert read_move(f"{text} I deny", ("accept", "deny")) == "deny"


@pytest.mark.parametrize("text", ["1 or 4", "[1] [4]", "**1** and [2]", "1\n2"])
def test_an_answer_that_names_several_moves_is_refused(text: str) -> None:
    with pytest.raises(IllegalTurn, match="names several legal moves"):
        read_move(text, SQUARES)


def test_a_long_list_of_moves_is_cut_in_the_sentence() -> None:
    moves = [str(number) for number in range(MAX_LISTED_MOVES + 30)]
    with pytest.raises(IllegalTurn, match=r"0, 1, .* and 30 more\.$"):
        read_move("", moves)


@given(st.text(max_size=300))
def test_any_text_is_a_legal_move_or_refused(text: str) -> None:
    with suppress(IllegalTurn):
        assert read_move(text, HEAPS) in HEAPS


@pytest.mark.parametrize(
    "text", ["4", "[", "]", "*", "[*", "4.", "-", "-4", "a", " ", "\u0130", "A1", "**4"]
)
def test_repeated_characters_are_read_in_linear_time(text: str) -> None:
    began = perf_counter()
    with suppress(IllegalTurn):
        read_move(text * (65536 // len(text)), (*SQUARES, *HEAPS))
    assert perf_counter() - began < 1
