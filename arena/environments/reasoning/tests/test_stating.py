import pytest

from arena.environments.reasoning.stating import MAX_STATED_CHARACTERS, stated


@pytest.mark.parametrize(
    ("text", "right", "found"),
    [
        ("7", "7", "7"),
        ("The answer is 7.", "7", "7"),
        ("3 + 4 = 7", "7", "7"),
        ("First 3, then 4.\nAnswer: **7**", "7", "7"),
        ("It is 7", "12", "7"),
        ("So x = 1,250.", "1250", "1,250"),
        ("Final answer: \\boxed{-3}", "-3", "-3"),
        ("3 + 4\n#### 7\n", "7", "7"),
        ("I think.\n\n`yes`", "Yes", "Yes"),
        ("Therefore, the answer is yes.", "Yes", "Yes"),
        ("It must be\nAlice", "Bob", "Alice"),
        ("<answer> 7 apples </answer> Good luck!", "7", "7 apples"),
        ("Answer: 5\nAnswer: 7", "7", "7"),
        ("The answer:", "7", "The answer:"),
        ("1 2\n3 4", "1 2\n3 5", "1 2\n3 4"),
        ("Here:\nAnswer:\n1 2\n3 4\n", "1 2\n3 4", "1 2\n3 4"),
        ("", "7", ""),
    ],
)
def test_an_answer_is_read_in_the_shape_of_the_right_one(text: str, right: str, found: str) -> None:
    assert stated(text, right) == found


def test_what_is_stated_is_bounded() -> None:
    assert len(stated("9" * 100_000, "7")) <= MAX_STATED_CHARACTERS
    assert len(stated(f"<answer>{'9' * 3_000}</answer>", "7")) <= MAX_STATED_CHARACTERS
