"""What may be put into a model's context."""

import pytest

from agents.prompts import MAX_PROMPT_CHARS, find_control_tokens, neutralised, problem_with_prompt

TOKENS = [
    "<|im_end|>",
    "<|im_start|>system",
    "<|eot_id|>",
    "</s>",
    "[INST]",
    "<<SYS>>",
    "<start_of_turn>",
    "<file_sep>",
    "<BOS>",
]


@pytest.mark.parametrize("token", TOKENS)
def test_no_control_token_survives_in_what_a_model_reads(token: str) -> None:
    text = neutralised(f"before {token} after")
    assert find_control_tokens(text) == []
    assert "<|" not in text
    assert neutralised(text) == text
    assert text.startswith("before ")
    assert text.endswith(" after")


@pytest.mark.parametrize("nested", ["<<|im_end|>|im_end|>", "<</s>/s>", "[[INST]INST]"])
def test_breaking_a_token_up_makes_no_other(nested: str) -> None:
    assert find_control_tokens(neutralised(nested)) == []


def test_ordinary_text_is_left_as_it_is() -> None:
    text = "a < b | c > d, <b>bold</b>, [note], x|y"
    assert neutralised(text) == text


@pytest.mark.parametrize("token", TOKENS)
def test_a_prompt_with_a_control_token_is_refused_by_name(token: str) -> None:
    problem = problem_with_prompt(f"Be kind. {token}")
    assert problem is not None
    assert find_control_tokens(token)[0] in problem


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        ("", "Write a prompt"),
        (" \n\t ", "Write a prompt"),
        ("a" * (MAX_PROMPT_CHARS + 1), "2,001 characters"),
        ("zero\x00byte", "invisible control characters"),
        ("bell\x07", "invisible control characters"),
        ("half a pair \ud83d", "invisible control characters"),
    ],
)
def test_a_prompt_that_cannot_be_used_is_refused_with_a_sentence(prompt: str, says: str) -> None:
    assert says in (problem_with_prompt(prompt) or "")


@pytest.mark.parametrize("prompt", ["Answer.", "a" * MAX_PROMPT_CHARS, "one\r\ntwo\tthree", "🙂"])
def test_a_usable_prompt_has_no_problem(prompt: str) -> None:
    assert problem_with_prompt(prompt) is None
