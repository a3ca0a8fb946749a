from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.pairs import (
    MAX_PAIRS_PER_ROUND,
    MIN_AGREEMENT,
    MIN_CHOSEN_SCORE,
    MIN_MARGIN,
    JudgedAnswer,
    PairSpec,
    PanelVote,
    make_pairs,
)
from training.states import PairSource
from training.tests.builders import make_answer


def agreed_pairs(answers: Sequence[JudgedAnswer], scores: Mapping[int, float]) -> list[PairSpec]:
    """Of a panel of one judge."""
    return make_pairs(answers, scores, [PanelVote(1.0, scores)])


def test_an_agent_in_the_middle_learns_from_the_best_and_from_its_nearest_win() -> None:
    answers = [make_answer(seat, learns=seat == 1) for seat in range(4)]
    pairs = agreed_pairs(answers, {0: 1.0, 1: 0.5, 2: 0.3, 3: 0.0})
    assert [(pair.chosen_id, pair.rejected_id, pair.source) for pair in pairs] == [
        (1000, 1001, PairSource.OWN_REJECTED),
        (1001, 1002, PairSource.OWN_CHOSEN),
    ]
    assert [pair.margin for pair in pairs] == pytest.approx([0.5, 0.2])


def test_an_agent_that_never_wins_learns_from_the_best_two() -> None:
    answers = [make_answer(seat, learns=seat == 0) for seat in range(4)]
    pairs = agreed_pairs(answers, {0: 0.0, 1: 0.4, 2: 1.0, 3: 0.8})
    assert [pair.chosen_id for pair in pairs] == [1002, 1003]
    assert {pair.rejected_id for pair in pairs} == {1000}


def test_an_answer_by_code_makes_no_pairs_of_its_own_but_teaches_others() -> None:
    answers = [make_answer(0, learns=False), make_answer(1)]
    (pair,) = agreed_pairs(answers, {0: 1.0, 1: 0.0})
    assert (pair.agent_id, pair.chosen_id) == (101, 1000)


def test_ties_and_near_ties_make_no_pairs() -> None:
    answers = [make_answer(0), make_answer(1)]
    assert agreed_pairs(answers, {0: 0.5, 1: 0.5 + MIN_MARGIN / 2}) == []


def test_what_was_refused_at_the_gates_is_nobodys_example() -> None:
    """A copy of the task, worth 0.1, against an answer without words."""
    answers = [make_answer(0), make_answer(1)]
    assert agreed_pairs(answers, {0: 0.0, 1: MIN_CHOSEN_SCORE}) == []
    assert agreed_pairs(answers, {0: 0.0, 1: MIN_CHOSEN_SCORE + 0.01})


def test_a_pair_carries_the_share_of_the_panel_that_prefers_its_better_answer() -> None:
    """Two of three judges put seat 0 first; all three put seat 2 last."""
    answers = [make_answer(seat, learns=seat != 1) for seat in range(3)]
    votes = [
        PanelVote(1.0, {0: 1.0, 1: 0.6, 2: 0.0}),
        PanelVote(2.0, {0: 0.9, 1: 0.5, 2: 0.3}),
        PanelVote(1.0, {0: 0.7, 1: 0.9, 2: 0.1}),
    ]
    pairs = make_pairs(answers, {0: 0.875, 1: 0.625, 2: 0.175}, votes)
    assert {(p.agent_id, p.chosen_id, p.rejected_id): p.agreement for p in pairs} == {
        (100, 1000, 1001): 0.75,
        (100, 1000, 1002): 1.0,
        (102, 1000, 1002): 1.0,
        (102, 1001, 1002): 1.0,
    }


@pytest.mark.parametrize(
    ("others", "agreement"), [(0.5, 0.75), (0.9, 0.5), (0.5 - 1e-4, 0.75)], ids=str
)
def test_a_judges_tie_is_half_for_each_and_a_panel_in_halves_knows_nothing(
    others: float, agreement: float
) -> None:
    answers = [make_answer(0), make_answer(1, learns=False)]
    votes = [PanelVote(1.0, {0: 0.0, 1: 1.0}), PanelVote(1.0, {0: others, 1: 0.5})]
    pairs = make_pairs(answers, {0: others / 2, 1: 0.75}, votes)
    assert [pair.agreement for pair in pairs] == [agreement] * (agreement > MIN_AGREEMENT)


def test_no_pair_says_what_no_comparison_said() -> None:
    """Scores alone put 0 before 1 before 2; of 0 and 1 nothing was read, and 2 held 1 to a tie."""
    answers = [make_answer(seat) for seat in range(4)]
    scores = {0: 1.0, 1: 0.75, 2: 0.5, 3: 0.0}
    said = {(0, 2): 1, (0, 3): 1, (1, 2): 0, (1, 3): 1, (2, 3): -1}
    pairs = make_pairs(answers, scores, [PanelVote(1.0, scores, said)])
    assert {(pair.chosen_id, pair.rejected_id) for pair in pairs} == {
        (1000, 1002),
        (1000, 1003),
        (1001, 1003),
    }


def test_a_judge_that_read_nothing_of_a_pair_neither_supports_nor_disputes_it() -> None:
    answers = [make_answer(0), make_answer(1, learns=False)]
    votes = [PanelVote(1.0, {0: 0.0, 1: 1.0}), PanelVote(9.0, {0: 0.5, 1: 0.5}, {})]
    (pair,) = make_pairs(answers, {0: 0.45, 1: 0.55}, votes)
    assert pair.agreement == 1.0


@pytest.mark.parametrize(
    "winner",
    [
        make_answer(1, ""),
        make_answer(1, "  \n"),
        make_answer(1, is_answered=False),
        make_answer(1, is_complete=False),
        make_answer(1, "answer  of seat 0"),
        make_answer(1, "word " * 100),
        make_answer(1, "x" * 9000),
    ],
    ids=["empty", "blank", "failed", "cut off", "same words", "far longer", "huge"],
)
def test_an_answer_that_cannot_teach_is_never_chosen(winner: JudgedAnswer) -> None:
    pairs = agreed_pairs([make_answer(0), winner], {0: 0.0, 1: 1.0})
    assert pairs == []


@pytest.mark.parametrize("allowed", [True, False])
def test_an_answer_that_was_cut_off_is_the_worse_one_only_where_the_space_allows_it(
    allowed: bool,
) -> None:
    answers = [make_answer(0, is_complete=False), make_answer(1), make_answer(2)]
    scores = {0: 0.0, 1: 1.0, 2: 0.5}
    pairs = make_pairs(answers, scores, [PanelVote(1.0, scores)], from_cut_answers=allowed)
    of_complete = {(1001, 1002)}
    of_cut = {(1001, 1000), (1002, 1000)}
    assert {(pair.chosen_id, pair.rejected_id) for pair in pairs} == (
        of_complete | of_cut if allowed else of_complete
    )


def test_an_own_answer_that_failed_is_no_example_of_a_bad_answer() -> None:
    answers = [make_answer(0, "", is_answered=False), make_answer(1, learns=False)]
    assert agreed_pairs(answers, {0: 0.0, 1: 1.0}) == []


def test_a_seat_without_a_score_takes_no_part() -> None:
    answers = [make_answer(0), make_answer(1), make_answer(2)]
    pairs = agreed_pairs(answers, {0: 0.0, 1: 1.0})
    assert {id for pair in pairs for id in (pair.chosen_id, pair.rejected_id)} == {1000, 1001}


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8), st.lists(st.text(), min_size=8))
def test_pairs_hold_their_bounds_whatever_the_round(scores: list[float], texts: list[str]) -> None:
    answers = [make_answer(seat, texts[seat]) for seat in range(len(scores))]
    pairs = agreed_pairs(answers, dict(enumerate(scores)))
    for answer in answers:
        own = [pair for pair in pairs if pair.agent_id == answer.agent_id]
        assert len(own) <= MAX_PAIRS_PER_ROUND
        for pair in own:
            assert MIN_MARGIN <= pair.margin <= 1
            assert (pair.chosen_id == answer.completion_id) == (
                pair.source is PairSource.OWN_CHOSEN
            )
            assert answer.completion_id in (pair.chosen_id, pair.rejected_id)
            assert pair.chosen_id != pair.rejected_id
    assert len({(p.agent_id, p.chosen_id, p.rejected_id) for p in pairs}) == len(pairs)
