from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, pairwise, permutations
from math import fsum
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.panel import (
    TIE_TOLERANCE,
    PanelVerdict,
    combine,
    places_of,
    preference,
    rank,
    tied_below,
)
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
    assert verdict == PanelVerdict({0: 0.75, 1: 0.25}, ((0,), (1,)), agreement=0.0, alpha=-0.5)


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


def all_pairs(order: Sequence[int]) -> dict[tuple[int, int], int]:
    """What a judge says that has this order, best first."""
    seats = range(len(order))
    return {
        (first, second): 1 if order.index(first) < order.index(second) else -1
        for first in seats
        for second in seats
        if first < second
    }


def test_a_lone_judges_scores_are_the_verdicts_to_the_last_bit() -> None:
    scores = {0: 0.1 + 0.2, 1: 1 / 3, 2: 0.7}
    for weight in (0.3, 1.0, 7.0):
        verdict = combine([(weight, make_ballot(scores)), (0.0, make_ballot({0: 1.0}))])
        assert verdict is not None
        assert verdict.scores == scores
        assert verdict.alpha is None


def test_a_judge_with_a_compressed_scale_does_not_lose_its_voice() -> None:
    wide = make_ballot({0: 1.0, 1: 0.0, 2: 0.0})
    narrow = make_ballot({0: 0.45, 1: 0.55, 2: 0.45})
    verdict = combine([(1.0, wide), (3.0, narrow)])
    assert verdict is not None
    assert verdict.ranking[0] == (1,)


@given(panels(), st.floats(0.2, 1.0), st.floats(0.0, 1.0))
def test_how_a_judge_spreads_its_scores_never_turns_the_order(
    panel: list[tuple[float, Ballot]], scale: float, place: float
) -> None:
    weight, first = panel[0]
    if not first.scores or max(first.scores.values()) - min(first.scores.values()) < 0.5:
        return  # so that it stays far from the wobble
    shift = place * (1 - scale)
    told = make_ballot({seat: shift + scale * score for seat, score in first.scores.items()})
    before, after = combine(panel), combine([(weight, told), *panel[1:]])
    assert before is not None
    assert after is not None
    for one, other in combinations(first.scores, 2):
        turned = [preference(verdict.scores, None, one, other) for verdict in (before, after)]
        assert sorted(filter(None, turned)) != [-1, 1]


@given(panels())
def test_what_all_judges_prefer_is_never_ranked_below(panel: list[tuple[float, Ballot]]) -> None:
    verdict = combine(panel)
    if verdict is None:
        return
    voted = [ballot for _, ballot in panel if ballot.scores]
    for one, other in permutations(verdict.scores, 2):
        if all(ballot.scores[one] >= ballot.scores[other] for ballot in voted):
            assert verdict.scores[one] >= verdict.scores[other] - 1e-9


@given(panels(), st.randoms(use_true_random=False), st.booleans())
def test_which_seat_is_which_never_changes_the_verdict(
    panel: list[tuple[float, Ballot]], random: Random, compares: bool
) -> None:
    seats = sorted({seat for _, ballot in panel for seat in ballot.scores})
    if compares:
        order = random.sample(seats, len(seats))
        scores = {seat: float(order.index(seat) == 0) for seat in seats}
        panel = [*panel, (2.0, replace(make_ballot(scores), comparisons=all_pairs(order)))]
    names = random.sample(seats, len(seats))

    def renamed(ballot: Ballot) -> Ballot:
        scores = {names[seat]: score for seat, score in ballot.scores.items()}
        if ballot.comparisons is None:
            return replace(ballot, scores=scores)
        said = {
            (min(names[one], names[two]), max(names[one], names[two])): preferred
            * (1 if names[one] < names[two] else -1)
            for (one, two), preferred in ballot.comparisons.items()
        }
        return replace(ballot, scores=scores, comparisons=said)

    before = combine(panel)
    after = combine([(weight, renamed(ballot)) for weight, ballot in panel])
    if before is None:
        assert after is None
        return
    assert after is not None
    assert {names[seat]: score for seat, score in before.scores.items()} == after.scores
    assert (before.agreement, before.alpha) == (after.agreement, after.alpha)


def test_with_comparisons_in_the_panel_every_judges_preferences_are_weighed_as_comparisons() -> (
    None
):
    reader = replace(make_ballot({0: 1.0, 1: 0.5, 2: 0.0}), comparisons=all_pairs([0, 1, 2]))
    checker = make_ballot({0: 0.55, 1: 0.6, 2: 0.57})
    verdict = combine([(1.0, reader), (1.5, checker)])
    assert verdict is not None
    # Of the 5 points of its two pairs, seat 0 wins 2, seat 1 wins 4, seat 2 wins 1.5; by the mean
    # of the scores, seat 0 would be the first.
    assert verdict.ranking == ((1,), (0,), (2,))
    assert fsum(verdict.scores.values()) / 3 == pytest.approx((0.5 + 1.5 * 1.72 / 3) / 2.5)


def test_two_judges_who_always_disagree_tie_every_seat() -> None:
    one, other = make_ballot({0: 0.9, 1: 0.6, 2: 0.1}), make_ballot({0: 0.1, 1: 0.6, 2: 0.9})
    verdict = combine([(1.0, one), (1.0, other)])
    assert verdict is not None
    assert verdict.scores[0] == pytest.approx(verdict.scores[2])
    assert verdict.alpha is not None
    assert verdict.alpha < 0
    tied = tied_below(verdict, 0.4)
    assert (tied.ranking, tied.is_split) == (((0, 1, 2),), True)
    assert len(set(tied.scores.values())) == 1
    assert tied.alpha == verdict.alpha


def test_a_panel_that_agrees_enough_and_a_lone_judge_keep_their_verdict() -> None:
    alone = combine([(1.0, make_ballot({0: 0.9, 1: 0.1}))])
    agreed = combine([(1.0, make_ballot({0: 0.9, 1: 0.1})), (1.0, make_ballot({0: 0.8, 1: 0.7}))])
    assert alone is not None
    assert agreed is not None
    assert tied_below(alone, 1.0) is alone
    assert tied_below(agreed, 1.0) is agreed
    assert not agreed.is_split
