"""The filters of a dataset: each wrong one gets a sentence, and JSON gives them back."""

from typing import Any

import pytest

from training.configs.fields import InvalidConfig
from training.exports.selection import MAX_NAMED, Selection, Whose

CHOSEN: dict[str, Any] = {
    "whose": "mine",
    "spaces": ["poems", "sums"],
    "agents": [3, 4],
    "judges": ["code"],
    "since": "2026-01-31",
    "until": "2026-02-01",
    "least_margin": 0.25,
    "least_agreement": 0.5,
    "least_length_difference": 2,
    "most_length_difference": 40,
    "with_cut": False,
    "only_verified": True,
    "dedup": False,
    "one_per_prompt": True,
}


def test_a_selection_survives_json() -> None:
    assert Selection.from_json(CHOSEN).as_json() == CHOSEN
    assert Selection.from_json(Selection().as_json()) == Selection()


def test_missing_filters_take_everything_of_ones_own() -> None:
    chosen = Selection.from_json({})
    assert chosen.whose == Whose.MINE
    narrowed = (chosen.spaces, chosen.agents, chosen.judges, chosen.since, chosen.until)
    assert not any(narrowed)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("whose", "theirs", "Whose pairs must be one of mine, public."),
        ("whose", 1, "Whose pairs must be one of mine, public."),
        ("spaces", "poems", "Spaces must be a list."),
        ("spaces", [1], "Spaces must be names of at most 50 characters."),
        ("spaces", ["x" * 5_000_000], "Spaces must be names of at most 50 characters."),
        ("spaces", ["x"] * (MAX_NAMED + 1), "Spaces must be at most 100."),
        ("agents", ["3"], "Agents must be numbers of agents."),
        ("agents", [True], "Agents must be numbers of agents."),
        ("agents", [0], "Agents must be numbers of agents."),
        ("agents", [10**30], "Agents must be numbers of agents."),
        ("since", "yesterday", "The first day must be a day such as 2026-01-31."),
        ("since", "2026-02-30", "The first day must be a day such as 2026-01-31."),
        ("until", 20260131, "The last day must be a day such as 2026-01-31."),
        ("least_margin", float("nan"), "The least margin must be a number from 0 to 1."),
        ("least_margin", True, "The least margin must be a number from 0 to 1."),
        ("least_agreement", 1.5, "The least agreement must be a number from 0 to 1."),
        (
            "least_length_difference",
            -1,
            "The least length difference must be a whole number of tokens from 0 to 100,000.",
        ),
        (
            "most_length_difference",
            1.5,
            "The largest length difference must be a whole number of tokens from 0 to 100,000.",
        ),
        ("with_cut", "yes", "Whether cut answers count must be true or false."),
        ("colour", 1, "There is no filter named 'colour'."),
    ],
)
def test_a_wrong_filter_is_told_in_a_sentence(name: str, value: object, sentence: str) -> None:
    with pytest.raises(InvalidConfig) as refused:
        Selection.from_json({name: value})
    assert refused.value.problems == {name: sentence}


def test_every_wrong_filter_gets_its_own_sentence() -> None:
    with pytest.raises(InvalidConfig) as refused:
        Selection.from_json({"whose": "x", "since": "x", "dedup": "x"})
    assert refused.value.problems.keys() == {"whose", "since", "dedup"}


def test_a_made_up_name_is_repeated_only_in_part() -> None:
    with pytest.raises(InvalidConfig) as refused:
        Selection.from_json({"x" * 5_000_000: 1})
    assert len(str(refused.value)) < 100


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ({"since": "2026-02-01", "until": "2026-01-31"}, "until"),
        ({"least_length_difference": 5, "most_length_difference": 4}, "most_length_difference"),
        ({"whose": "public", "agents": [1]}, "agents"),
    ],
)
def test_filters_that_contradict_each_other_are_refused(value: dict[str, Any], name: str) -> None:
    with pytest.raises(InvalidConfig) as refused:
        Selection.from_json(value)
    assert refused.value.problems.keys() == {name}
