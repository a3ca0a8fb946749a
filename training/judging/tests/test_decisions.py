from random import Random

import pytest

from training.judging.decisions import OrderOutcome, accuracy_of, certified_kinds, decide_judge


def heard(kind: str, rights: list[float], *, pairs: int = 1) -> list[OrderOutcome]:
    return [
        OrderOutcome(f"{kind} {number}", kind, right)
        for number, right in enumerate(rights)
        for _ in range(pairs)
    ]


def test_a_kind_is_certified_where_the_lower_bound_of_its_accuracy_is_enough() -> None:
    natural = [
        *heard("sure", [1.0] * 40),
        *heard("likely", [1.0] * 30 + [0.0] * 10),  # 0.75, but it may be 0.6
        *heard("rare", [1.0] * 9),
    ]
    assert list(certified_kinds(natural)) == ["sure"]


def test_many_pairs_of_a_few_prompts_certify_nothing() -> None:
    assert certified_kinds(heard("lists", [1.0] * 9, pairs=50)) == {}
    accuracy = accuracy_of(heard("lists", [1.0] * 9, pairs=50))
    assert accuracy is not None
    assert (accuracy.prompts, accuracy.pairs) == (9, 450)


def test_without_pairs_there_is_no_accuracy() -> None:
    assert accuracy_of([]) is None


@pytest.mark.parametrize(
    ("rights", "is_adopted", "sentence"),
    [
        ([1.0] * 45 + [0.0] * 15, True, "better than chance"),
        ([1.0] * 32 + [0.0] * 28, False, "may be chance"),
        ([1.0] * 20, False, "Only 20 held-out prompts"),
    ],
)
def test_the_first_version_has_to_beat_chance(
    rights: list[float], is_adopted: bool, sentence: str
) -> None:
    decision = decide_judge(heard("any", rights), None, rng=Random(1))
    assert decision.is_adopted is is_adopted
    assert sentence in decision.reason


@pytest.mark.parametrize(
    ("new", "old", "is_adopted"),
    [
        ([1.0] * 80 + [0.0] * 20, [1.0] * 70 + [0.0] * 30, True),
        ([1.0] * 80 + [0.0] * 20, [1.0] * 80 + [0.0] * 20, True),
        ([1.0] * 70 + [0.0] * 30, [1.0] * 80 + [0.0] * 20, False),
        # The same mean, of quite other prompts: it may well be worse.
        ([1.0] * 50 + [0.0] * 50, [0.0] * 50 + [1.0] * 50, False),
    ],
)
def test_a_later_version_must_not_agree_less_than_the_one_in_use(
    new: list[float], old: list[float], is_adopted: bool
) -> None:
    decision = decide_judge(heard("any", new), heard("any", old), rng=Random(1))
    assert decision.is_adopted is is_adopted
