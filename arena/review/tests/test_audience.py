"""Blind votes: what is shown, which votes count, and what they say of panels and judges."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from django.utils import timezone

from agents.errors import NotAvailable, Refused
from agents.models import User
from arena.matches import play
from arena.models import AudienceVote, Completion, Match, Round, Seat
from arena.queries import audience_of_judge, audience_of_match, audience_of_space, blind_result
from arena.review import audience
from arena.review.audience import cast_blind_vote
from arena.review.ballots import BlindBallot, BlindPair, Voter, next_pair, seal, unseal
from arena.review.labels import audience_labels
from arena.review.tests.builders import judged_match, judged_space, make_judge, owner_of
from arena.states import BlindChoice, Uncounted
from arena.tests.builders import make_match, make_space, make_user, play_round
from judges.models import JudgeKind

pytestmark = pytest.mark.django_db

ADDRESS = "203.0.113.7"
ANONYMOUS = Voter(None, ADDRESS)


def opinion_match(**changes: Any) -> Match:
    """Settled, and judged by one judge that has an opinion: the first seat won every round."""
    make_judge("reader", JudgeKind.PAIRWISE)
    space = make_space(panel=[{"judge": "reader", "weight": 1.0}], **changes)
    return judged_match(space, judge="reader")


def shown(voter: Voter = ANONYMOUS, *, opened: tuple[int, ...] = ()) -> BlindPair:
    pair = next_pair(voter, opened=opened, rng=Random(1))
    assert pair is not None
    return pair


def cast(
    match: Match,
    *,
    a: int = 0,
    b: int = 1,
    choice: BlindChoice = BlindChoice.A,
    number: int = 1,
    user_id: int | None = None,
    address: str = ADDRESS,
    opened: tuple[int, ...] = (),
) -> AudienceVote:
    round_id = Round.objects.get(match=match, number=number).pk
    ballot = BlindBallot(uuid.uuid4(), round_id, (a, b))
    return cast_blind_vote(user_id, address=address, ballot=ballot, choice=choice, opened=opened)


def test_a_pair_tells_neither_who_wrote_it_nor_what_the_panel_said() -> None:
    match = opinion_match()
    pair = shown()
    told = repr(pair)
    for seat in Seat.objects.filter(match=match).select_related("agent__owner"):
        assert seat.agent.name not in told
        assert seat.agent.owner.username not in told
    assert set(pair.texts) == {
        f"Answer {seat} of round {pair.prompt and Round.objects.get(id=pair.ballot.round_id).number}."
        for seat in (0, 1)
    }


def test_both_orders_are_shown() -> None:
    opinion_match()
    orders = set()
    for seed in range(20):
        pair = next_pair(ANONYMOUS, opened=(), rng=Random(seed))
        assert pair is not None
        orders.add(pair.ballot.seats)
    assert orders == {(0, 1), (1, 0)}


def coded() -> Match:
    return judged_match(make_space(), judge="code")


def still_running() -> Match:
    make_judge("reader", JudgeKind.PAIRWISE)
    match = make_match(make_space(panel=[{"judge": "reader", "weight": 1.0}]))
    play.start_match(match.pk)
    play_round(match, 1, scores={0: 0.9, 1: 0.1}, judge="reader")
    return match


def held_out() -> Match:
    match = opinion_match()
    for row in match.rounds.all():
        row.task["split"] = "heldout"
        row.save()
    return match


def of_a_leaver() -> Match:
    match = opinion_match()
    User.objects.filter(id=owner_of(match)[0]).update(leaving_since=timezone.now())
    return match


def alike() -> Match:
    match = opinion_match()
    Completion.objects.filter(round__match=match).update(text="The same.")
    return match


def silent() -> Match:
    match = opinion_match()
    Completion.objects.filter(round__match=match, seat__index=1).update(text=" ")
    return match


@pytest.mark.parametrize(
    "make",
    [coded, still_running, held_out, of_a_leaver, alike, silent],
    ids=lambda one: one.__name__,
)
def test_only_different_answers_of_finished_judged_matches_are_shown(
    make: Callable[[], Match],
) -> None:
    make()
    assert next_pair(ANONYMOUS, opened=(), rng=Random(1)) is None


@pytest.mark.parametrize("make", [still_running, held_out, silent], ids=lambda one: one.__name__)
def test_what_may_not_be_shown_cannot_be_voted_on(make: Callable[[], Match]) -> None:
    with pytest.raises(NotAvailable):
        cast(make())
    assert not AudienceVote.objects.exists()


def test_nobody_is_shown_an_own_answer_an_opened_match_or_a_pair_again() -> None:
    match = opinion_match(round_count=1)
    assert next_pair(Voter(owner_of(match)[0], ADDRESS), opened=(), rng=Random(1)) is None
    assert next_pair(ANONYMOUS, opened=(match.pk,), rng=Random(1)) is None
    assert shown().ballot.round_id == match.rounds.get().pk
    cast(match)
    assert next_pair(ANONYMOUS, opened=(), rng=Random(1)) is None
    assert shown(Voter(make_user().pk, ADDRESS))


def test_the_first_vote_of_a_voter_on_a_pair_stands() -> None:
    match = opinion_match()
    first = cast(match, choice=BlindChoice.A)
    again = cast(match, a=1, b=0, choice=BlindChoice.A)
    assert again.pk == first.pk
    assert AudienceVote.objects.get().preferred == 0


@pytest.mark.parametrize(
    ("addresses", "voters"),
    [
        (("203.0.113.7", "203.0.113.7"), 1),
        (("203.0.113.7", "203.0.113.8"), 2),
        (("2001:db8::1", "2001:db8::ffff:1"), 1),  # one /64
        (("2001:db8::1", "2001:db8:0:1::1"), 2),
    ],
)
def test_who_is_not_signed_in_has_one_vote_for_a_network(
    addresses: tuple[str, str], voters: int
) -> None:
    match = opinion_match()
    for address in addresses:
        cast(match, address=address)
    assert AudienceVote.objects.count() == voters
    assert not any(address in repr(AudienceVote.objects.values()) for address in addresses)


def test_a_network_has_so_many_votes_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audience, "OF_NETWORK_A_DAY", 1)
    match = opinion_match()
    cast(match)
    with pytest.raises(Refused, match=r"cast all 1 votes for one day.*Sign in"):
        cast(match, number=2)
    cast(match, number=2, user_id=make_user().pk)
    AudienceVote.objects.update(created_at=timezone.now() - timedelta(days=2))
    assert cast(match, number=2)


def test_votes_of_owners_of_those_who_looked_and_after_the_names_do_not_count() -> None:
    match = opinion_match(seat_count=3, prize_percents=[70, 30, 0])
    owner = cast(match, user_id=owner_of(match)[0])
    looked = cast(match, user_id=make_user().pk, opened=(match.pk,))
    before, after = cast(match), cast(match, a=0, b=2)
    assert [each.uncounted for each in (owner, looked, before, after)] == [
        Uncounted.OWN_AGENT,
        Uncounted.OPENED_BEFORE,
        "",
        Uncounted.NAMES_SHOWN,
    ]
    assert audience_of_space(match.space_id).votes == 1


def test_agreement_counts_where_voter_and_panel_prefer_one_answer() -> None:
    match = opinion_match()
    for number, (choice, a, b) in enumerate(
        [
            (BlindChoice.A, 0, 1),  # with the panel
            (BlindChoice.B, 1, 0),  # with it, shown the other way round
            (BlindChoice.A, 1, 0),  # against it
            (BlindChoice.TIE, 0, 1),
            (BlindChoice.BOTH_BAD, 0, 1),
        ]
    ):
        cast(match, a=a, b=b, choice=choice, address=f"203.0.113.{number}")
    found = audience_of_space(match.space_id)
    assert (found.votes, found.voters) == (5, 5)
    assert (found.panel.agreed, found.panel.count) == (2, 3)
    low, high = found.panel.interval
    assert low < 2 / 3 < high
    (of_judge,) = found.judges
    assert (of_judge.slug, of_judge.agreement) == ("reader", found.panel)
    assert audience_of_judge("reader") == found.panel
    (of_round,) = audience_of_match(match.pk)
    assert (of_round.number, of_round.voters, of_round.panel) == (1, 5, found.panel)


def test_the_result_uncovers_names_scores_and_what_others_chose() -> None:
    match = opinion_match()
    cast(match, address="203.0.113.1", choice=BlindChoice.B)
    result = blind_result(cast(match, a=1, b=0, choice=BlindChoice.A).pk)
    a, b = result.seats
    assert (a.seat, b.seat) == (1, 0)
    assert (a.is_chosen, a.is_preferred, b.is_preferred) == (True, False, True)
    assert (result.panel_choice, result.agrees, result.voters) == ("b", False, 2)
    assert (a.share, b.share) == (1.0, 0.0)
    assert a.competitor.name == Seat.objects.get(match=match, index=1).agent.name


def test_a_seal_that_was_tampered_with_or_is_old_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ballot = BlindBallot(uuid.uuid4(), 7, (1, 0))
    assert unseal(seal(ballot)) == ballot
    for wrong in ("", "x", seal(ballot)[:-1], "9" * 5000):
        with pytest.raises(Refused):
            unseal(wrong)
    monkeypatch.setattr("arena.review.ballots.SEAL_SECONDS", -1)
    with pytest.raises(Refused, match="too long ago"):
        unseal(seal(ballot))


def test_most_voters_of_a_pair_make_a_label_and_an_even_split_makes_none() -> None:
    match = opinion_match()
    for host, choice in enumerate((BlindChoice.B, BlindChoice.B, BlindChoice.A, BlindChoice.TIE)):
        cast(match, choice=choice, address=f"203.0.113.{host}")
    for host, choice in enumerate((BlindChoice.B, BlindChoice.A)):
        cast(match, number=2, choice=choice, address=f"203.0.113.{host}")
    (label,) = audience_labels()
    assert (label.better, label.worse) == ("Answer 1 of round 1.", "Answer 0 of round 1.")
    assert (label.votes, label.share) == (3, 2 / 3)


def test_votes_move_no_credit_and_no_rating() -> None:
    match = opinion_match()
    space = judged_space()
    before = list(Seat.objects.values("rank", "score", "prize_credits"))
    cast(match, choice=BlindChoice.B)
    assert list(Seat.objects.values("rank", "score", "prize_credits")) == before
    assert audience_of_space(space.pk).votes == 0
