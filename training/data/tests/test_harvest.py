"""From a match that was played and settled to the pairs that its agents get."""

import pytest

from arena.matches import play
from arena.models import Completion, Verdict, Vote
from arena.tests.builders import make_match, make_space, play_round
from judges.models import Judge, JudgeKind
from training.data.harvest import harvest_matches
from training.data.provenance import provenance
from training.models import Pair

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("allowed", [True, False])
def test_a_space_says_whether_pairs_come_from_answers_that_were_cut_off(allowed: bool) -> None:
    match = make_match(make_space(round_count=1, pairs_from_cut_answers=allowed))
    play.start_match(match.id)
    play_round(match, 1, scores={0: 1.0, 1: 0.0})
    play.settle_match(match.id)
    Completion.objects.filter(seat__index=1).update(finish_reason="length")
    harvest_matches()
    assert Pair.objects.exists() is allowed


def test_a_comparison_that_was_not_read_gives_no_pair() -> None:
    match = make_match(make_space(seat_count=3, round_count=1))
    play.start_match(match.id)
    said = {(0, 1): 1, (1, 2): 1}
    play_round(match, 1, scores={0: 1.0, 1: 0.5, 2: 0.0}, comparisons=said)
    play.settle_match(match.id)
    harvest_matches()
    pairs = Pair.objects.values_list("chosen__seat__index", "rejected__seat__index")
    assert set(pairs) == set(said)


def test_a_judge_that_read_nothing_of_two_answers_is_not_named_among_the_votes_on_them() -> None:
    match = make_match(make_space(round_count=1))
    play.start_match(match.id)
    play_round(match, 1, scores={0: 1.0, 1: 0.0})
    reader = Judge.objects.create(slug="reader", name="Reader", kind=JudgeKind.PAIRWISE)
    scores = {"0": 0.5, "1": 0.5}
    Vote.objects.create(round=match.rounds.get(), judge=reader, scores=scores, comparisons=[])
    play.settle_match(match.id)
    harvest_matches()
    pair = Pair.objects.earliest("id")
    assert [vote["judge"] for vote in provenance(pair)["judge_votes"]] == ["code"]
    assert pair.agreement == 1.0


def test_a_round_whose_judges_agree_too_little_gives_no_pair() -> None:
    match = make_match(make_space(round_count=2))
    play.start_match(match.id)
    for number in (1, 2):
        play_round(match, number, scores={0: 0.9, 1: 0.1})
    Verdict.objects.filter(round__match=match, round__number=1).update(is_split=True)
    play.settle_match(match.id)
    assert harvest_matches() == 1
    assert set(Pair.objects.values_list("round__number", flat=True)) == {2}
