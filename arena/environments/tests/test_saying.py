"""An answer that says nothing is worth nothing, and whoever says little says something."""

import pytest

from arena.environments import ENVIRONMENTS
from arena.environments.conformance import GARBAGE
from arena.environments.tests.test_reading import ANSWERS, task_of
from arena.environments.text.markup import read
from arena.environments.text.saying import says_something


@pytest.mark.parametrize("coins", [False, True])
@pytest.mark.parametrize("text", GARBAGE, ids=lambda text: repr(text[:20]))
def test_garbage_says_nothing(text: str, coins: bool) -> None:
    assert not says_something(read(text), coins=coins)


@pytest.mark.parametrize(
    "text",
    [
        "Cats.",
        "**267**",
        "There are a few.",
        "catz sleep all dey",
        '{"name": "cats", "fact": null}',
        '{"count": 267}',
        "Cats sleep.<|im_end|><|im_start|>user",
    ],
)
def test_who_says_little_or_says_it_badly_says_something(text: str) -> None:
    assert says_something(read(text))


@pytest.mark.parametrize("word", ["Zantivo", "Flyt", "Glymr", "Brød", "Skär"])
def test_a_word_that_nobody_knows_says_something_only_where_one_is_to_be_coined(word: str) -> None:
    assert not says_something(read(word))
    assert says_something(read(word), coins=True)


def test_of_the_judged_answers_only_one_without_text_says_nothing() -> None:
    silent = [
        row["answer"]
        for row in ANSWERS
        for check in ENVIRONMENTS[row["environment"]].score(task_of(row), row["answer"]).checks
        if check.name == "answers" and not check.passed
    ]
    assert silent == ["<!-- Cats hunt mice at night. -->"]
