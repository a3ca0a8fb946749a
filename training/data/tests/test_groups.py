from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.curation import Reason
from training.data.groups import GroupAnswer, Member, Source, choose_members, make_group

PLAYED = [Member(Source.PLAYED, 1)]


def others(count: int) -> list[Member]:
    return [Member(Source.SHARED, 100 + number) for number in range(count)]


def make_answer(number: int, reward: float, **changes: Any) -> GroupAnswer:
    """An own answer, or a shared one with source=Source.SHARED."""
    source = changes.pop("source", Source.PRACTISED)
    values: dict[str, Any] = {
        "prompt_ids": [1, 2, 3] if source.is_own else [7],
        "ids": [10, number],
        "logprobs": [-0.1, -0.2] if source.is_own else None,
    }
    return GroupAnswer(member=Member(source, number), reward=reward, **(values | changes))


def test_a_group_is_own_answers_and_a_share_of_the_others() -> None:
    members = choose_members(PLAYED, others(6), rollouts=8, share=4, rng=Random(0))
    assert [one.source for one in members] == (
        [Source.PLAYED] + [Source.PRACTISED] * 3 + [Source.SHARED] * 4
    )


def test_the_agent_itself_answers_what_the_others_have_too_few_of() -> None:
    members = choose_members(PLAYED, others(1), rollouts=8, share=4, rng=Random(0))
    assert [one.id for one in members if one.source == Source.PRACTISED] == list(range(6))


def test_without_sharing_all_answers_are_the_agents_own() -> None:
    members = choose_members(PLAYED, others(6), rollouts=4, share=0, rng=Random(0))
    assert len(members) == 4
    assert all(one.source.is_own for one in members)


@given(
    st.integers(0, 3), st.integers(0, 9), st.integers(2, 32), st.integers(0, 31), st.integers(0, 99)
)
def test_every_group_has_its_size_and_no_answer_twice(
    played: int, external: int, rollouts: int, share: int, seed: int
) -> None:
    share = min(share, rollouts - 1)
    own = [Member(Source.PLAYED, number) for number in range(played)]
    members = choose_members(
        own, others(external), rollouts=rollouts, share=share, rng=Random(seed)
    )
    assert len(members) == rollouts
    assert len(set(members)) == rollouts
    assert sum(not one.source.is_own for one in members) == min(share, external)
    practised = [one.id for one in members if one.source == Source.PRACTISED]
    assert practised == list(range(len(practised)))


def test_shared_answers_are_drawn_uniformly_and_again_the_same_by_the_same_seed() -> None:
    def draw(seed: int) -> list[int]:
        members = choose_members([], others(4), rollouts=3, share=1, rng=Random(seed))
        return [one.id for one in members if one.source == Source.SHARED]

    drawn = [draw(seed)[0] for seed in range(400)]
    assert drawn == [draw(seed)[0] for seed in range(400)]
    assert all(70 < drawn.count(one.id) < 130 for one in others(4))


def test_a_group_keeps_its_answers_in_order_under_the_agents_own_prompt() -> None:
    answers = [make_answer(0, 0.0), make_answer(1, 1.0, source=Source.SHARED)]
    group = make_group(answers, max_length=100)
    assert group.problem is None
    assert group.prompt_ids == [1, 2, 3]
    assert list(group.answers) == answers
    assert group.left_out == {}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ids": []}, Reason.WITHOUT_TOKENS),
        ({"logprobs": [-0.1]}, Reason.WITHOUT_TOKENS),
        ({"prompt_ids": [1, 2]}, Reason.OTHER_PROMPT),
        ({"ids": [4] * 8, "logprobs": [-0.1] * 8}, Reason.TOO_LONG),
    ],
)
def test_an_answer_that_cannot_be_learned_from_leaves_the_group_and_is_counted(
    changes: dict[str, Any], reason: Reason
) -> None:
    answers = [make_answer(0, 0.5, **changes), make_answer(1, 0.0), make_answer(2, 1.0)]
    group = make_group(answers, max_length=10)
    assert [one.member.id for one in group.answers] == [1, 2]
    assert group.left_out == {reason.value: 1}
    assert group.problem is None


def test_the_longest_answer_allowed_stays() -> None:
    answers = [make_answer(0, 0.0), make_answer(1, 1.0)]
    assert make_group(answers, max_length=5).problem is None
    assert make_group(answers, max_length=4).problem == Reason.TOO_FEW_ANSWERS


@pytest.mark.parametrize("rewards", [(0.0, 0.0, 0.0), (0.7, 0.7, 0.7), (0.700, 0.701, 0.704)])
def test_answers_that_the_panel_cannot_tell_apart_teach_nothing(rewards: tuple[float, ...]) -> None:
    group = make_group([make_answer(n, r) for n, r in enumerate(rewards)], max_length=100)
    assert group.problem == Reason.SAME_SCORES


def test_own_answers_that_all_fail_learn_from_a_shared_one() -> None:
    answers = [make_answer(0, 0.0), make_answer(1, 0.0), make_answer(2, 0.9, source=Source.SHARED)]
    assert make_group(answers, max_length=100).problem is None


def test_answers_of_others_alone_are_no_group() -> None:
    shared = [make_answer(n, n / 2, source=Source.SHARED) for n in range(3)]
    assert make_group(shared, max_length=100).problem == Reason.TOO_FEW_ANSWERS
    one_too_long = make_answer(9, 0.1, ids=[4] * 200, logprobs=[-1.0] * 200)
    assert make_group([*shared, one_too_long], max_length=100).problem == Reason.TOO_FEW_ANSWERS
