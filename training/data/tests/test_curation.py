from dataclasses import replace
from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data import curation
from training.data.curation import (
    MAX_NOISE,
    MAX_OPPONENT_SHARE,
    MAX_PAIRS_PER_TASK,
    Curated,
    HeldOutTasks,
    Limits,
    PairCandidate,
    Reason,
    curate_pairs,
    noise_of,
)

NOTHING_HELD_OUT = HeldOutTasks([])


def make_candidate(pair_id: int, **changes: Any) -> PairCandidate:
    values: dict[str, Any] = {
        "pair_id": pair_id,
        "task": f"task number {pair_id}",
        "task_key": f"key-{pair_id}",
        "prompt_ids": (1, 2, 3),
        "chosen_ids": (10, 11, pair_id),
        "rejected_ids": (20, 21, pair_id),
        "chosen_text": f"a good answer {pair_id}",
        "rejected_text": f"a bad answer {pair_id}",
        "is_fresh": True,
        "opponent_id": 1,
        "is_against_house": False,
        "is_same_base": True,
        "is_plain": True,
    }
    return PairCandidate(**(values | changes))


def curate(
    *newest_first: PairCandidate,
    places: int = 100,
    max_length: int = 512,
    held_out: HeldOutTasks = NOTHING_HELD_OUT,
    coded_share: float = 1.0,
) -> Curated:
    limits = Limits(places=places, max_length=max_length, coded_share=coded_share)
    return curate_pairs(newest_first, limits=limits, held_out=held_out)


def ids(curated: Curated) -> list[int]:
    return [pair.pair_id for pair in curated.kept]


def test_a_pair_with_an_answer_of_who_left_is_left_out_with_that_reason() -> None:
    curated = curate(make_candidate(9, is_erased=True, rejected_ids=()), make_candidate(8))
    assert ids(curated) == [8]
    assert curated.left_out == {Reason.ERASED: 1}


def test_the_newest_pairs_are_kept_oldest_first() -> None:
    curated = curate(*(make_candidate(pair_id) for pair_id in (9, 8, 7, 6)), places=2)
    assert ids(curated) == [8, 9]
    assert curated.left_out == {}, "a pair that found no place is not at fault"


def test_an_older_pair_takes_the_place_of_one_that_is_left_out() -> None:
    curated = curate(
        make_candidate(9), make_candidate(8, is_fresh=False), make_candidate(7),
        places=2,
    )  # fmt: skip
    assert ids(curated) == [7, 9]
    assert curated.left_out == {"stale": 1}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"prompt_ids": ()}, "without_tokens"),
        ({"chosen_ids": ()}, "without_tokens"),
        ({"rejected_ids": ()}, "without_tokens"),
        ({"is_same_base": False}, "other_base"),
        ({"is_plain": False}, "control_tokens"),
        ({"is_fresh": False}, "stale"),
        ({"is_illegal": True}, "illegal"),
        ({"prompt_ids": (1,) * 510}, "too_long"),
        ({"rejected_ids": (1,) * 49}, "length_ratio"),
        ({"chosen_ids": (1,) * 49}, "length_ratio"),
    ],
)
def test_every_pair_that_is_left_out_is_counted_by_its_reason(
    changes: dict[str, Any], reason: str
) -> None:
    curated = curate(make_candidate(2), make_candidate(1, **changes))
    assert ids(curated) == [2]
    assert curated.left_out == {reason: 1}


def test_limits_are_still_allowed() -> None:
    curated = curate(
        make_candidate(2, prompt_ids=(1,) * 509),
        make_candidate(3, rejected_ids=(1,) * 48),
    )
    assert len(curated.kept) == 2


def test_the_same_pair_teaches_once() -> None:
    same = {"chosen_ids": (1, 2), "rejected_ids": (3, 4)}
    curated = curate(make_candidate(3, **same), make_candidate(2, **same), make_candidate(1))
    assert ids(curated) == [1, 3]
    assert curated.left_out == {"duplicate": 1}


def test_the_same_answers_to_another_prompt_are_no_duplicate() -> None:
    same = {"chosen_ids": (1, 2), "rejected_ids": (3, 4)}
    other = make_candidate(1, **same, prompt_ids=(9,))
    assert len(curate(make_candidate(2, **same), other).kept) == 2


def test_nearly_the_same_answers_to_one_task_teach_once() -> None:
    texts = {"chosen_text": "Cats purr.", "rejected_text": "Dogs bark, and so do seals at sea."}
    again = {"chosen_text": "cats  purr", "rejected_text": "dogs bark and so do seals, at sea"}
    curated = curate(
        make_candidate(3, task="About cats.", **texts),
        make_candidate(2, task="about cats", **again),
        make_candidate(1, task="About dogs.", **again),
        make_candidate(0, task="About cats.", **(texts | {"chosen_text": "Cats nap."})),
    )
    assert ids(curated) == [0, 1, 3]
    assert curated.left_out == {"near_duplicate": 1}


def test_boards_with_other_empty_cells_are_other_tasks() -> None:
    texts = {"chosen_text": "5", "rejected_text": "3"}
    boards = ("X O . . .", ". . X O .", "X  O . . .")
    pairs = [make_candidate(9 - n, task=board, **texts) for n, board in enumerate(boards)]
    assert ids(curate(*pairs)) == [8, 9]


def test_one_task_gives_a_bounded_number_of_pairs() -> None:
    curated = curate(*(make_candidate(pair_id, task_key="same") for pair_id in range(20)))
    assert len(curated.kept) == MAX_PAIRS_PER_TASK
    assert curated.left_out == {"task_cap": 20 - MAX_PAIRS_PER_TASK}


def coded(*pair_ids: int) -> list[PairCandidate]:
    return [make_candidate(pair_id, is_coded=True) for pair_id in pair_ids]


def others(*pair_ids: int) -> list[PairCandidate]:
    return [make_candidate(pair_id) for pair_id in pair_ids]


@pytest.mark.parametrize(
    ("share", "kept"),
    [
        (0.5, [7, 8, 9, 17, 18, 19]),
        (0.4, [7, 8, 9, 18, 19]),
        (0.25, [7, 8, 9, 19]),
        (0.0, [7, 8, 9]),
        (1.0, [7, 8, 9, 15, 16, 17, 18, 19]),
    ],
)
def test_coded_seats_teach_no_more_than_their_share_the_newest_first(
    share: float, kept: list[int]
) -> None:
    newest_first = [*coded(19, 18, 17, 16, 15), *others(9, 8, 7)]
    curated = curate(*newest_first, coded_share=share)
    assert ids(curated) == kept
    left_out = 8 - len(kept)
    assert curated.left_out == ({Reason.CODED_SHARE: left_out} if left_out else {})


def test_older_answers_of_others_take_the_places_that_coded_seats_may_not_have() -> None:
    curated = curate(*coded(9, 8, 7, 6), *others(5, 4, 3, 2), places=4, coded_share=0.5)
    assert ids(curated) == [4, 5, 8, 9]
    assert curated.left_out == {Reason.CODED_SHARE: 2}


def test_where_only_coded_seats_were_better_a_share_of_them_is_nothing() -> None:
    assert ids(curate(*coded(3, 2, 1), coded_share=0.9)) == []
    assert ids(curate(*coded(3, 2, 1), coded_share=1.0)) == [1, 2, 3]


def test_a_coded_pair_above_the_share_does_not_keep_out_another_that_says_the_same() -> None:
    said: dict[str, Any] = {"chosen_ids": (7,), "rejected_ids": (8,)}

    def of_task(task: int, pair_id: int, **changes: Any) -> PairCandidate:
        return make_candidate(pair_id, task=f"{task}", prompt_ids=(task,), **said, **changes)

    newer = [of_task(task, 10 + task, is_coded=True) for task in (9, 8, 7)]
    older = [of_task(task, task) for task in (9, 8, 7)]
    curated = curate(*newer, *older, coded_share=0.5)
    assert ids(curated) == [7, 8, 9]
    assert curated.left_out == {Reason.CODED_SHARE: 3}


def test_a_pair_of_others_that_is_left_out_costs_one_more_pass_and_not_one_for_each_coded_pair(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passes = []

    def counted(*args: Any, **kwargs: Any) -> Curated:
        passes.append(curate_once(*args, **kwargs))
        return passes[-1]

    curate_once = curation._curated
    monkeypatch.setattr(curation, "_curated", counted)
    newest_first = [*coded(*range(200, 40, -1)), *others(*range(40, 0, -1))]
    newest_first[-1] = make_candidate(1, is_fresh=False)
    curated = curate(*newest_first, places=80, coded_share=0.5)
    assert ids(curated) == [*range(2, 41), *range(162, 201)]
    assert curated.left_out == {Reason.CODED_SHARE: 160 - 39, Reason.STALE: 1}
    assert len(passes) == 2


def test_coded_seats_of_the_house_above_its_cap_take_no_more_than_their_share() -> None:
    pairs = opponents({7: 60, 8: 3, 9: 3}, house=7)
    pairs = [replace(pair, is_coded=pair.opponent_id == 7) for pair in pairs]
    curated = curate(*pairs, places=35, coded_share=0.8)
    assert of_opponent(curated, 7) == 24
    assert len(curated.kept) == 30
    assert curated.left_out == {Reason.CODED_SHARE: 36}


@given(
    st.lists(st.booleans(), max_size=30),
    st.integers(1, 20),
    st.integers(0, 10).map(lambda tenths: tenths / 10),
)
def test_the_share_holds_for_whatever_is_kept(
    are_coded: list[bool], places: int, share: float
) -> None:
    pairs = [
        make_candidate(len(are_coded) - number, is_coded=is_coded)
        for number, is_coded in enumerate(are_coded)
    ]
    curated = curate(*pairs, places=places, coded_share=share)
    count = sum(pair.is_coded for pair in curated.kept)
    assert count <= share * len(curated.kept) + 1e-9
    plain = [pair.pair_id for pair in pairs if not pair.is_coded]
    kept = [pair.pair_id for pair in curated.kept if not pair.is_coded]
    assert kept == sorted(plain[: len(kept)]), "never at the cost of a newer one of the others"


def opponents(counts: dict[int, int], *, house: int | None = None) -> list[PairCandidate]:
    """The given number of pairs against each opponent; those against the first are the newest."""
    order = [opponent for opponent, count in counts.items() for _ in range(count)]
    return [
        make_candidate(1000 - place, opponent_id=opponent, is_against_house=opponent == house)
        for place, opponent in enumerate(order)
    ]


def of_opponent(curated: Curated, opponent: int) -> int:
    return sum(pair.opponent_id == opponent for pair in curated.kept)


def test_one_opponent_gets_a_bounded_share_of_the_places() -> None:
    curated = curate(*opponents({7: 30, 8: 5, 9: 1}), places=20)
    assert of_opponent(curated, 7) == 12
    assert len(curated.kept) == 18
    assert curated.left_out == {"opponent_cap": 18}


def test_two_opponents_share_as_they_come() -> None:
    curated = curate(*opponents({7: 19, 8: 1}), places=20)
    assert len(curated.kept) == 20


def test_the_house_fills_the_places_that_the_others_leave_empty() -> None:
    curated = curate(*opponents({7: 30, 8: 5, 9: 1}, house=7), places=20)
    assert of_opponent(curated, 7) == 14
    assert len(curated.kept) == 20
    assert curated.left_out == {"opponent_cap": 16}


@pytest.mark.parametrize("is_coded", [False, True])
def test_the_house_takes_no_place_that_another_can_fill(is_coded: bool) -> None:
    pairs = opponents({7: 30, 8: 10, 9: 10}, house=7)
    curated = curate(*(replace(pair, is_coded=is_coded) for pair in pairs), places=20)
    assert of_opponent(curated, 7) == 12
    assert len(curated.kept) == 20


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6), st.booleans()), max_size=60),
    st.integers(1, 30),
)
def test_curation_keeps_what_it_does_not_count(
    drawn: list[tuple[int, int, bool]], places: int
) -> None:
    pairs = [
        make_candidate(
            len(drawn) - place,
            opponent_id=opponent,
            is_against_house=opponent == 0,
            task_key=f"key-{task}",
            is_fresh=is_fresh,
        )
        for place, (opponent, task, is_fresh) in enumerate(drawn)
    ]
    curated = curate(*pairs, places=places)
    assert len(curated.kept) <= places
    if len(curated.kept) < places:
        assert len(curated.kept) + sum(curated.left_out.values()) == len(pairs)
    assert ids(curated) == sorted(set(ids(curated)))
    if len({opponent for opponent, _, _ in drawn}) >= 3:
        cap = ceil(MAX_OPPONENT_SHARE * places)
        assert all(of_opponent(curated, opponent) <= cap for opponent in range(1, 5))


def test_noise_grows_with_disagreement_and_stays_below_a_coin_toss() -> None:
    assert noise_of(1.0) == 0
    assert noise_of(0.8) == pytest.approx(0.2)
    assert noise_of(0.5) == MAX_NOISE < 0.5


HELD_OUT = HeldOutTasks(
    ["Tell me about cats in one sentence. Use at most 20 words.", "What is 23 + 45?"]
)


@pytest.mark.parametrize(
    "prompt",
    [
        "Tell me about cats in one sentence. Use at most 20 words.",
        "tell me about CATS, in one sentence; use at most 20 words",
        "Hello! Tell me about cats in one sentence. Use at most 20 words. Thank you.",
        "What is 23+45",
    ],
)
def test_a_held_out_task_is_found_in_other_clothes(prompt: str) -> None:
    assert HELD_OUT.contain(prompt)


@pytest.mark.parametrize(
    "prompt",
    [
        "Tell me about dogs in one sentence. Use at most 20 words.",
        "Tell me about cats in one sentence. Use at most 30 words.",
        "What is 23 - 45?",
        "What is 23 + 46?",
        "Tell me about cats.",
        "",
    ],
)
def test_another_task_of_the_same_template_is_not_held_out(prompt: str) -> None:
    assert not HELD_OUT.contain(prompt)


def test_a_held_out_task_is_left_out_and_counted() -> None:
    curated = curate(
        make_candidate(2), make_candidate(1, task="what is 23 + 45"), held_out=HELD_OUT
    )
    assert ids(curated) == [2]
    assert curated.left_out == {"held_out": 1}
