"""A match page's places, compared with those that the settlement pays for."""

import pytest

from arena.matches import play
from arena.models import Completion, Match, Seat, Space
from arena.queries import match_snapshot, recent_matches, round_view
from arena.queries.rounds import ReadLine
from arena.tests.builders import make_match, play_round

pytestmark = pytest.mark.django_db(transaction=True)


def standings(match: Match) -> list[int]:
    return [seat.standing for seat in match_snapshot(match.id).seats]


def test_before_the_first_verdict_everybody_shares_the_first_place() -> None:
    assert standings(make_match()) == [1, 1]


@pytest.mark.parametrize(
    ("second", "places"),
    [
        (0.504, [1, 1]),  # judges wobble by more: a tie, and both share the prize of two places
        (0.51, [2, 1]),
    ],
)
def test_a_running_match_ranks_its_seats_as_the_settlement_will(
    second: float, places: list[int]
) -> None:
    match = make_match()
    play.start_match(match.id)
    for number in (1, 2):
        play_round(match, number, scores={0: 0.5, 1: second})
        assert standings(match) == places
    play.settle_match(match.id)
    rows = Seat.objects.filter(match=match).order_by("index")
    assert list(rows.values_list("rank", flat=True)) == places
    assert standings(match) == places


def test_a_card_has_the_rounds_of_its_match_whatever_the_space_plays_now() -> None:
    match = make_match()
    play.cancel_match(match.id, reason="?")
    Space.objects.update(round_count=7)
    assert [card.round_count for card in recent_matches()] == [2]


def test_a_page_says_how_many_comparisons_a_judge_could_read() -> None:
    match = make_match()
    play.start_match(match.id)
    play_round(match, 1, scores={0: 0.5, 1: 0.5}, comparisons={})
    play_round(match, 2, scores={0: 1.0, 1: 0.0}, comparisons={(0, 1): 1})
    assert round_view(match.id, 1).partly_read == (ReadLine("Code", read=0, asked=1),)
    assert round_view(match.id, 2).partly_read == ()


def test_a_page_marks_an_answer_that_was_cut_off() -> None:
    match = make_match()
    play.start_match(match.id)
    play_round(match, 1, scores={0: 0.5, 1: 0.5})
    Completion.objects.filter(round__match=match, seat__index=1).update(finish_reason="length")
    assert [cell.is_cut for cell in round_view(match.id, 1).cells] == [False, True]


def test_a_round_without_a_verdict_does_not_thin_out_the_others() -> None:
    match = make_match()
    play.start_match(match.id)
    play_round(match, 1, scores={0: 0.5, 1: 0.507})
    play_round(match, 2, scores=None)
    assert standings(match) == [2, 1]  # by the mean of one round, not of two
