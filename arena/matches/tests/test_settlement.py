"""Who is ranked, paid and rated at the end of a match, and who only gets the fee back."""

import pytest

from arena.credits import ledger
from arena.matches import play
from arena.models import Rating, RatingChange
from arena.states import MatchStatus
from arena.tests.builders import make_match, make_space, play_round

pytestmark = pytest.mark.django_db(transaction=True)


def available(user_id: int) -> int:
    return ledger.balance(ledger.account_of(user_id)).available


def test_a_seat_that_never_answers_is_refunded_and_neither_ranked_paid_nor_rated() -> None:
    match = make_match(make_space(seat_count=3))
    play.start_match(match.id)
    for number in (1, 2):
        scores = {0: 0.2, 1: 0.9, 2: 0.0}
        play_round(match, number, scores=scores, texts={2: " \u200b…"})
    play.settle_match(match.id)
    seats = list(match.seats.select_related("agent").order_by("index"))
    assert [(seat.rank, seat.prize_credits) for seat in seats] == [(2, 5), (1, 13), (None, 0)]
    assert [available(seat.agent.owner_id) for seat in seats] == [95, 103, 100]
    assert RatingChange.objects.count() == 2
    assert not Rating.objects.filter(agent=seats[2].agent).exists()
    assert ledger.audit().problems == ()


def test_a_match_in_which_fewer_than_two_answer_is_refunded() -> None:
    match = make_match()
    play.start_match(match.id)
    for number in (1, 2):
        play_round(match, number, scores={0: 0.2, 1: 0.9}, texts={1: ""})
    play.settle_match(match.id)
    match.refresh_from_db()
    assert match.status == MatchStatus.CANCELLED
    assert "Fewer than two agents answered" in play.state_of(match).cancel_reason
    assert {available(seat.agent.owner_id) for seat in match.seats.all()} == {100}
    assert not RatingChange.objects.exists()
    assert ledger.audit().problems == ()
