import json
from decimal import DefaultContext, localcontext
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arena.environments.base import EnvironmentFault, Split, Task
from arena.environments.conformance import GARBAGE, check
from arena.environments.reasoning.catalogue import OFFERS
from arena.environments.reasoning.family import (
    CONSOLATION,
    MAX_RIGHT_CHARACTERS,
    Reasoning,
    family,
)
from arena.environments.reasoning.library import make_item
from arena.environments.reasoning.shapes import is_of_kind

ANSWERS = 200
EPISODES_OF_EACH = 18  # a thousand of all families together
# Where a score is another than the library's. These families give a little to answers that are wrong,
# which counts as nothing here;
CONSOLING = {
    "advanced_geometry", "calendar_arithmetic", "color_cube_rotation", "complex_arithmetic", "cryptarithm",
    "fraction_simplification", "futoshiki", "gsm_symbolic", "mini_sudoku", "palindrome_generation",
    "power_function", "prime_factorization", "sentence_reordering", "sudoku", "time_intervals", "tsumego",
    "word_sorting",
}  # fmt: skip
# these take texts for answers that are none;
SHAPED = {"complex_arithmetic", "quantum_lock", "spell_backward"}
# and this one's scorer raises at texts that it cannot read, which then score 0.
RAISING = {"prime_factorization"}
NONSENSE = (
    "", " \n\t", "zqx", "I do not know this, sorry.", "\x00" * 50, "\ud800", "<answer></answer>",
    "<answer>zqx</answer>", "1e999999999", "<answer>1e999999999</answer>", "nan", "-inf",
    "<answer>" * 5_000, "answer: " * 5_000, "9" * 100_000, "(" * 5_000, "1/0", "\\boxed{" * 5_000,
    "9**9**9**9**9", "I cannot say.", "nani", "xyzzy", "null", *GARBAGE,
)  # fmt: skip
seeds = st.integers(0, 2**32)
splits = st.sampled_from(list(Split))


def make_task(seed: int, name: str = "chain_sum", split: Split = Split.TRAIN) -> Task:
    environment = family(name)
    return environment.make_task(Random(seed), split, seed % environment.difficulty_count)


def changed(text: str, rng: Random) -> str:
    """The text with some signs replaced, moved or dropped."""
    signs = list(text)
    for _ in range(rng.randrange(3)):
        place = rng.randrange(len(signs)) if signs else 0
        signs[place : place + rng.randrange(2)] = rng.choice(["", "0", "7", "a", signs[:1]])
    return "".join(signs)


@pytest.mark.parametrize("name", OFFERS)
def test_the_score_of_an_answer_is_the_librarys_own(name: str) -> None:
    environment, rng, others, passed = family(name), Random(name), ["1"], 0
    for number in range(ANSWERS // 10):
        task = make_task(number, name)
        item = make_item(OFFERS[name].module, name, task.data["level"], task.data["index"])
        assert item.question == task.prompt
        others.append(item.answer)
        for _ in range(10):
            text = rng.choice([item.answer, changed(item.answer, rng), rng.choice(others)]).strip()
            score = environment.score(task, f"Let me think.\n<answer>{text}</answer>")
            try:
                own = item.dataset.score_answer(text, item.entry)
            except ValueError:
                assert name in RAISING
                own = 0.0
            if name in CONSOLING and own <= CONSOLATION:
                own = 0.0
            if name in SHAPED and not is_of_kind(name, text, item.answer):
                own = 0.0
            assert score.value == own, (text, item.answer)
            assert score.passed == (own == 1.0)
            passed += score.passed
    assert passed > 20


@pytest.mark.parametrize("name", OFFERS)
def test_every_family_solves_its_own_tasks_and_gives_nonsense_nothing(name: str) -> None:
    environment, rng = family(name), Random(1)
    for split in Split:
        task = environment.make_task(rng, split)
        assert len(task.prompt.encode()) <= environment.max_task_chars <= 600
        assert environment.score(task, environment.answer(task, rng)).passed
        for text in NONSENSE:
            score = environment.score(task, text)
            right = task.data["answer"]
            is_near = name in COUNTING and any(sign.isdigit() for sign in text)
            assert score.value == 0.0 or right in text or is_near, (text, right)
            json.dumps([check.detail for check in score.checks]).encode()


# Their scorers give a part to a number that is near: a text that states one is an answer.
COUNTING = {"calendar_arithmetic", "time_intervals"}


@pytest.mark.parametrize(
    ("name", "right", "answers", "garbage"),
    [
        (
            "complex_arithmetic",
            "-8.0 - 14.0i",
            ["-8.0 - 14.0i", "(-8-14i)", "-8-14j", "3", "2.5e1i"],
            ["nan", "inf", "nan + 2i", "9**9", "I do not know", "eight"],
        ),
        (
            "quantum_lock",
            "B \u2192 A \u2192 A",
            ["B \u2192 A \u2192 A", "b, a, a", "BAA", "A"],
            ["I cannot say.", "back", "press A", "0", "?"],
        ),
        (
            "spell_backward",
            "krowegnar",
            ["krowegnar", "KROWEGNAR", "krowegna", "orkwegnar"],
            ["null", "none", "asdf jkl;", "krow egnar!", "kro"],
        ),
    ],
)
def test_only_a_text_of_the_kind_that_was_asked_for_is_an_answer(
    name: str, right: str, answers: list[str], garbage: list[str]
) -> None:
    assert [text for text in answers if not is_of_kind(name, text, right)] == []
    assert [text for text in garbage if is_of_kind(name, text, right)] == []


def test_a_number_is_a_number_in_any_digits_and_none_that_is_no_number_passes() -> None:
    environment = family("complex_arithmetic")
    for seed in range(20):
        task = make_task(seed, "complex_arithmetic")
        assert environment.score(task, "nan").value == 0.0
    assert is_of_kind("complex_arithmetic", "\u0663", "3.0")


@given(seeds, st.sampled_from(["chain_sum", "leg_counting", "syllogism"]), splits)
@settings(max_examples=60)
def test_same_seed_same_task_and_it_survives_json(seed: int, name: str, split: Split) -> None:
    task = make_task(seed, name, split)
    assert task == make_task(seed, name, split)
    again = Task.from_json(json.loads(json.dumps(task.as_json())))
    assert again.key == task.key
    assert family(name).score(again, task.data["answer"]).passed


@pytest.mark.parametrize(
    "name", ["chain_sum", "lcm", "gsm_symbolic", "syllogism", "letter_counting"]
)
def test_splits_share_no_prompt(name: str) -> None:
    environment, rng = family(name), Random(2)
    prompts = {
        split: {
            environment.make_task(rng, split, difficulty).prompt
            for difficulty in range(environment.difficulty_count)
            for _ in range(200 // environment.difficulty_count)
        }
        for split in Split
    }
    assert not prompts[Split.TRAIN] & prompts[Split.HELDOUT]
    assert not prompts[Split.TRAIN] & prompts[Split.UNSEEN]
    assert not prompts[Split.HELDOUT] & prompts[Split.UNSEEN]
    assert min(map(len, prompts.values())) > 20


def test_unseen_tasks_are_of_a_level_above_what_matches_use() -> None:
    environment = family("chain_sum")
    assert environment.difficulty_count == OFFERS["chain_sum"].level_count - 1
    task = environment.make_task(Random(3), Split.UNSEEN)
    assert task.data["level"] == environment.difficulty_count
    with pytest.raises(EnvironmentFault, match="difficulties from 0 to 9"):
        environment.make_task(Random(3), Split.TRAIN, environment.difficulty_count)


def test_a_family_of_one_level_has_the_tasks_of_its_neighbour_as_unseen() -> None:
    for name, offer in OFFERS.items():
        if offer.level_count == 1:
            task = family(name).make_task(Random(4), Split.UNSEEN)
            assert task.kind != name
    assert family("path_star").make_task(Random(4), Split.UNSEEN).kind == "quantum_lock"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 1.5, "x", None, ValueError()])
def test_a_scorer_that_gives_no_share_gives_nothing(
    value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def score_answer(answer: str, entry: object) -> Any:
        if isinstance(value, Exception):
            raise value
        return value

    task = make_task(5)
    item = SimpleNamespace(
        question=task.prompt, entry={}, dataset=SimpleNamespace(score_answer=score_answer)
    )
    monkeypatch.setattr("arena.environments.reasoning.family._kept_item", lambda *args: item)
    assert family("chain_sum").score(task, "12").value == 0.0


def test_an_answer_to_a_problem_that_the_library_makes_no_more_is_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    task = make_task(6)
    monkeypatch.setattr(
        "arena.environments.reasoning.family._kept_item",
        lambda *args: SimpleNamespace(question="Another?"),
    )
    assert family("chain_sum").score(task, task.data["answer"]).passed
    assert not family("chain_sum").score(task, "1").passed


@pytest.mark.parametrize("name", OFFERS)
def test_a_family_keeps_the_promises_of_every_environment(name: str) -> None:
    found = check(family(name), episodes=EPISODES_OF_EACH, tasks=4, max_garbage_score=0.0)
    assert found.problems == []
    assert found.episodes == EPISODES_OF_EACH
    assert EPISODES_OF_EACH * len(OFFERS) >= 1000


def test_a_right_answer_in_hexadecimal_is_no_huge_number() -> None:
    environment, rng = family("bitwise_arithmetic"), Random(9)
    tasks = [environment.make_task(rng, Split.UNSEEN) for _ in range(60)]
    assert any("e" in task.data["answer"].lstrip("0x") for task in tasks)
    assert all(environment.score(task, task.data["answer"]).passed for task in tasks)


def test_no_task_wants_an_answer_of_nothing_or_of_pages() -> None:
    for name in ("ab", "palindrome_partitioning"):
        environment, rng = family(name), Random(10)
        for _ in range(100):
            task = environment.make_task(rng, Split.TRAIN)
            assert 0 < len(task.data["answer"].strip()) <= MAX_RIGHT_CHARACTERS


def test_a_library_that_is_missing_or_fails_is_the_environments_fault() -> None:
    with pytest.raises(EnvironmentFault, match="made no chain_sum problem: No module named"):
        make_item("arithmetic.no_such_module", "chain_sum", 0, 1)
    with pytest.raises(EnvironmentFault, match="made no caesar_cipher problem: rotation must be"):
        make_item(OFFERS["caesar_cipher"].module, "caesar_cipher", 3, 1)


def test_a_family_has_the_numbers_of_its_curriculum() -> None:
    assert Reasoning(OFFERS["gsm_symbolic"]).difficulty_count == 1
    assert Reasoning(OFFERS["aiw"]).difficulty_count == 8
    assert Reasoning(OFFERS["aiw"]).slug == "reasoning/aiw"


def test_problems_do_not_depend_on_what_the_thread_computed_before() -> None:
    """The first family changes the precision of decimals, and the second computes with them."""
    usual = make_item(*place("decimal_chain_sum"), 1, 7).question
    with localcontext() as context:
        make_item(*place("decimal_arithmetic"), 1, 7)
        assert context.prec == DefaultContext.prec
        context.prec = 6
        assert make_item(*place("decimal_chain_sum"), 1, 7).question == usual


def place(name: str) -> tuple[str, str]:
    return OFFERS[name].module, name
