from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.panel import TIE_TOLERANCE, PanelVerdict, combine, places_of, preference, rank
from judges.transcript import Ballot

unit = st.floats(0, 1)
weights = st.floats(0.01, 100)


def make_ballot(scores: dict[int, float], *, error: str = "") -> Ballot:
    return Ballot(scores=scores, reasons={}, checks={}, error=error)


ABSTENTION = make_ballot({}, error="timed out")


@st.composite
def panels(draw: st.DrawFn) -> list[tuple[float, Ballot]]:
    seats = range(draw(st.integers(1, 6)))
    votes = st.fixed_dictionaries(dict.fromkeys(seats, unit)).map(make_ballot)
    return draw(
        st.lists(st.tuples(weights, st.one_of(votes, st.just(ABSTENTION))), min_size=1, max_size=5)
    )


@given(panels(), st.randoms(use_true_random=False))
def test_order_of_judges_never_changes_the_verdict(
    panel: list[tuple[float, Ballot]], random: Random
) -> None:
    shuffled = list(panel)
    random.shuffle(shuffled)
    assert combine(shuffled) == combine(panel)


@given(panels())
def test_scores_lie_between_the_lowest_and_highest_vote(
    panel: list[tuple[float, Ballot]],
) -> None:
    verdict = combine(panel)
    if verdict is None:
        assert all(not ballot.scores for _, ballot in panel)
        return
    for seat, score in verdict.scores.items():
        votes = [ballot.scores[seat] for _, ballot in panel if ballot.scores]
        assert min(votes) - 1e-9 <= score <= max(votes) + 1e-9
        assert 0.0 <= score <= 1.0
    assert 0.0 <= verdict.agreement <= 1.0


@given(panels(), weights)
def test_abstention_changes_nothing(panel: list[tuple[float, Ballot]], weight: float) -> None:
    assert combine([*panel, (weight, ABSTENTION)]) == combine(panel)


@given(st.dictionaries(st.integers(0, 7), unit, min_size=1))
def test_ranking_holds_every_seat_once_and_never_puts_a_clearly_lower_score_first(
    scores: dict[int, float],
) -> None:
    groups = rank(scores)
    assert sorted(seat for group in groups for seat in group) == sorted(scores)
    for better, worse in pairwise(groups):
        assert max(scores[seat] for seat in better) > max(scores[seat] for seat in worse)
    for group in groups:
        values = [scores[seat] for seat in group]
        assert max(values) - min(values) <= TIE_TOLERANCE


def test_nobody_voting_is_no_verdict() -> None:
    assert combine([]) is None
    assert combine([(1.0, ABSTENTION)]) is None
    assert combine([(0.0, make_ballot({0: 1.0}))]) is None


def test_heavier_judge_pulls_the_score() -> None:
    verdict = combine([(3.0, make_ballot({0: 1.0, 1: 0.0})), (1.0, make_ballot({0: 0.0, 1: 1.0}))])
    assert verdict == PanelVerdict(scores={0: 0.75, 1: 0.25}, ranking=((0,), (1,)), agreement=0.0)


def test_single_judge_agrees_with_itself() -> None:
    verdict = combine([(1.0, make_ballot({0: 0.2, 1: 0.9, 2: 0.2}))])
    assert verdict is not None
    assert verdict.ranking == ((1,), (0, 2))
    assert verdict.agreement == 1.0


def test_agreement_counts_pairs_of_seats() -> None:
    first, second = make_ballot({0: 0.9, 1: 0.5, 2: 0.1}), make_ballot({0: 0.9, 1: 0.1, 2: 0.5})
    verdict = combine([(1.0, first), (1.0, second)])
    assert verdict is not None
    assert verdict.agreement == pytest.approx(2 / 3)


def test_a_pair_that_nobody_compared_is_no_agreement() -> None:
    """Seats 0 and 1 have equal scores because nobody could read who of them is better."""
    comparing = replace(make_ballot({0: 0.0, 1: 0.0, 2: 1.0}), comparisons={(0, 2): -1, (1, 2): -1})
    other = replace(make_ballot({0: 0.5, 1: 0.5, 2: 0.0}), comparisons={(0, 2): 1, (1, 2): -1})
    verdict = combine([(1.0, comparing), (1.0, other)])
    assert verdict is not None
    assert verdict.agreement == 0.5


def test_a_judge_that_compares_is_asked_what_it_said_not_what_it_scored() -> None:
    said = {(0, 1): 0, (0, 2): 1}
    scores = {0: 0.75, 1: 0.5, 2: 0.0}
    assert preference(scores, said, 0, 1) == 0
    assert [preference(scores, said, *pair) for pair in [(0, 2), (2, 0)]] == [1, -1]
    assert preference(scores, said, 1, 2) is None
    assert preference(scores, None, 1, 2) == 1


@pytest.mark.parametrize("scores", [{0: 1.5, 1: 0.0}, {0: float("nan"), 1: 0.0}, {0: 0.5}])
def test_malformed_ballot_is_refused(scores: dict[int, float]) -> None:
    with pytest.raises(ValueError, match=r"seats|outside"):
        combine([(1.0, make_ballot({0: 0.5, 1: 0.5})), (1.0, make_ballot(scores))])


def test_tied_seats_share_the_better_place_and_the_next_one_is_counted_after_them() -> None:
    assert places_of([[2], [0, 3], [1]]) == {2: 1, 0: 2, 3: 2, 1: 4}
