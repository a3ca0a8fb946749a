import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arena.environments.arithmetic.family import OPERATIONS, PAIRS, Arithmetic
from arena.environments.base import Split, Task

ENVIRONMENT = Arithmetic()
seeds = st.integers(0, 2**32)
splits = st.sampled_from(list(Split))


def make_task(answer: int = 7) -> Task:
    return Task("sum", "What is 3 + 4?", {"numbers": [3, 4], "answer": answer})


@given(seeds, splits)
def test_the_solver_passes_and_repeating_the_task_does_not(seed: int, split: Split) -> None:
    rng = Random(seed)
    task = ENVIRONMENT.make_task(rng, split)
    assert ENVIRONMENT.score(task, ENVIRONMENT.answer(task, rng)).passed
    assert not ENVIRONMENT.score(task, task.prompt).passed
    assert not any(ENVIRONMENT.score(task, str(number)).passed for number in task.data["numbers"])


@given(seeds, splits)
def test_same_seed_same_task_and_it_survives_json(seed: int, split: Split) -> None:
    task = ENVIRONMENT.make_task(Random(seed), split)
    assert task == ENVIRONMENT.make_task(Random(seed), split)
    assert Task.from_json(json.loads(json.dumps(task.as_json()))) == task


def test_splits_share_no_pair_of_numbers_in_either_order() -> None:
    for kind, held_out in PAIRS[Split.HELDOUT].items():
        trained = PAIRS[Split.TRAIN][kind]
        assert held_out
        assert not {frozenset(pair) for pair in held_out} & {frozenset(pair) for pair in trained}
        assert sorted([*held_out, *trained]) == sorted(OPERATIONS[kind].pairs)
    assert not set(PAIRS[Split.UNSEEN]) & set(PAIRS[Split.TRAIN])


@given(seeds, seeds, splits, splits)
def test_splits_share_no_prompt(one: int, other: int, first: Split, second: Split) -> None:
    prompts = [
        ENVIRONMENT.make_task(Random(seed), split).prompt
        for seed, split in ((one, first), (other, second))
    ]
    assert first is second or prompts[0] != prompts[1]


def test_every_kind_has_enough_heldout_tasks_for_a_gate() -> None:
    rng = Random(1)
    drawn = {ENVIRONMENT.make_task(rng, Split.HELDOUT).key for _ in range(4000)}
    assert len(drawn) > 100


@pytest.mark.parametrize(
    "text",
    [
        "7",
        "3 + 4 = 7",
        "The answer is 7.",
        "3+4=7",
        "10-3=7",
        "It is 7.0!",
        "**7**",
        "x = 7\n",
        "seven",
        "Three plus four is seven.",
        "7, that is 3 + 4",
    ],
)
def test_the_last_number_counts_whatever_stands_before_it(text: str) -> None:
    assert ENVIRONMENT.score(make_task(), text).passed


@pytest.mark.parametrize(
    "text",
    ["", "eight", "seventy", "The answer is -7", "= \u22127", "7 or 8", "17", "7.5", "3 + 4", "77"],
)
def test_another_last_number_or_none_fails(text: str) -> None:
    score = ENVIRONMENT.score(make_task(), text)
    assert (score.value, score.passed) == (0.0, False)
    assert score.checks[0].detail


@given(seeds, splits, st.text(max_size=300))
def test_any_text_is_scored_without_error(seed: int, split: Split, text: str) -> None:
    score = ENVIRONMENT.score(ENVIRONMENT.make_task(Random(seed), split), text)
    assert score.value == float(score.passed)


@pytest.mark.parametrize(
    "text",
    ["9" * 100_000, "-" * 100_000, "1." * 50_000, "\ud800 7\x00", "\u0667", "7e5", "\u00b2"],
    ids=lambda text: repr(text[:8]),
)
def test_hostile_text_is_scored_without_error(text: str) -> None:
    score = ENVIRONMENT.score(make_task(answer=12), text)
    assert not score.passed
    json.dumps([check.detail for check in score.checks]).encode()
