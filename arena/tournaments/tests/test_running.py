"""Whole tournaments against the real database: they end, and every credit finds its place."""

from collections.abc import Sequence
from random import Random

import pytest
from django.db.models import Sum
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.models import Agent
from arena import sweeping
from arena.credits import ledger
from arena.credits.tests.test_ledger_machine import dying_before
from arena.matches import play
from arena.matches.events import MatchSeated
from arena.matches.match import MatchState
from arena.models import (
    Match,
    MatchEvent,
    Pairing,
    Rating,
    Seat,
    Space,
    Tournament,
)
from arena.spaces.committing import STOCK
from arena.states import MatchStatus, Outcome, TournamentFormat, TournamentStatus
from arena.tests.builders import make_agent, make_user, play_round
from arena.tournaments import registering, running
from arena.tournaments.running import advance_tournament, cancel_tournament, start_tournament
from arena.tournaments.tests.builders import (
    closes,
    end_match,
    is_due,
    make_tournament,
    open_pairings,
    register,
)

pytestmark = pytest.mark.django_db(transaction=True)
ENDINGS = (Outcome.FIRST, Outcome.SECOND, Outcome.DRAW, Outcome.VOID)


def wallet(user_id: int) -> ledger.Balance:
    return ledger.balance(ledger.account_of(user_id))


def purse_is_empty(tournament: Tournament) -> bool:
    account = ledger.purse_of(tournament.pk)
    return ledger.balance(account) == ledger.Balance(0, 0) and account.credits_pending == 0


def started(tournament: Tournament) -> None:
    is_due(tournament)
    start_tournament(tournament.pk)
    tournament.refresh_from_db()


def played(tournament: Tournament, outcome: Outcome = Outcome.FIRST) -> None:
    """To its end, every match with this outcome."""
    for _ in range(100):
        advance_tournament(tournament.pk)
        tournament.refresh_from_db()
        if tournament.status != TournamentStatus.RUNNING:
            return
        for pairing in open_pairings(tournament):
            end_match(pairing, outcome)
    raise AssertionError("the tournament does not end")


@pytest.fixture
def _light_seats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Matches without events, which cost a fraction; the other tests have whole ones."""

    def seated(space: Space, sides: Sequence[Sequence[Agent]]) -> list[int]:
        matches = Match.objects.bulk_create(Match(space=space, round_count=1) for _ in sides)
        Seat.objects.bulk_create(
            Seat(match=match, index=index, agent=agent, version=agent.current_version)
            for match, agents in zip(matches, sides, strict=True)
            for index, agent in enumerate(agents)
        )
        return [match.pk for match in matches]

    seating = MatchSeated("", "", (), 1, 0, (100,), ())
    unplayed = MatchState(MatchStatus.CANCELLED, seating)
    monkeypatch.setattr(running, "seat_given", seated)
    monkeypatch.setattr(running, "state_of", lambda match: unplayed)


@pytest.mark.parametrize("kind", TournamentFormat)
@settings(max_examples=2, deadline=None)
@given(entrants=st.integers(2, 64), seed=st.integers(0, 2**32), fee=st.sampled_from([0, 7]))
@pytest.mark.usefixtures("_light_seats")
def test_tournaments_with_random_results_withdrawals_and_kills_end_with_each_credit_placed(
    kind: TournamentFormat, entrants: int, seed: int, fee: int
) -> None:
    rng = Random(seed)
    agents = list(Agent.objects.filter(owner__is_house=False).order_by("id"))
    agents += [make_agent(make_user(credits=1000)) for _ in range(entrants - len(agents))]
    tournament = make_tournament(format=kind, fee_credits=fee)
    before = ledger.audit().credits_in_circulation
    for agent in agents[:entrants]:
        register(tournament, agent)
    is_due(tournament)
    dying_before(rng.randint(0, 40), lambda: start_tournament(tournament.pk))
    start_tournament(tournament.pk)
    closing = rng.randint(2, 6)
    for step in range(60):
        if rng.random() < 0.3:
            dying_before(rng.randint(0, 40), lambda: advance_tournament(tournament.pk))
        advance_tournament(tournament.pk)
        tournament.refresh_from_db()
        if tournament.status != TournamentStatus.RUNNING:
            break
        for pairing in open_pairings(tournament):
            if rng.random() < 0.8:
                end_match(pairing, rng.choice(ENDINGS))
        if rng.random() < 0.4:
            gone = rng.choice(list(tournament.registrations.all()))
            registering.withdraw(gone.user_id, registration_id=gone.id)
        if step == closing:
            closes(tournament)
    assert tournament.status in {TournamentStatus.OVER, TournamentStatus.CANCELLED}
    assert purse_is_empty(tournament)
    audit = ledger.audit()
    assert audit.problems == ()
    assert (audit.credits_in_circulation, audit.credits_held) == (before, 0)
    if tournament.status == TournamentStatus.OVER:
        places = tournament.registrations.order_by("place").values_list("place", flat=True)
        assert list(places) == list(range(1, entrants + 1))
        paid = tournament.registrations.aggregate(sum=Sum("prize_credits"))["sum"]
        assert paid == fee * entrants - fee * entrants // 10


@pytest.mark.parametrize("verb", ["start", "end"])
def test_a_tournament_survives_a_death_before_each_statement_of_its_start_and_end(
    verb: str,
) -> None:
    tournament = make_tournament(prize_percents=[100])
    first, second = register(tournament), register(tournament)
    is_due(tournament)
    call = start_tournament
    if verb == "end":
        start_tournament(tournament.pk)
        advance_tournament(tournament.pk)
        end_match(Pairing.objects.get(tournament=tournament), Outcome.FIRST)
        call = advance_tournament
    deaths = 0
    while dying_before(deaths, lambda: call(tournament.pk)):
        deaths += 1
        tournament.refresh_from_db()
        before = TournamentStatus.ANNOUNCED if verb == "start" else TournamentStatus.RUNNING
        assert tournament.status == before
        assert ledger.audit().problems == ()
    assert deaths > 10
    played(tournament)
    assert wallet(first.user_id).available == 100 - 10 + 18
    assert wallet(second.user_id).available == 90
    assert purse_is_empty(tournament)


def test_the_fee_is_held_and_comes_back_to_who_withdraws_before_the_start_only() -> None:
    tournament = make_tournament()
    early, late, other = (register(tournament) for _ in range(3))
    assert wallet(early.user_id) == ledger.Balance(available=90, held=10)
    registering.withdraw(early.user_id, registration_id=early.id)
    registering.withdraw(early.user_id, registration_id=early.id)
    assert wallet(early.user_id) == ledger.Balance(available=100, held=0)
    started(tournament)
    registering.withdraw(late.user_id, registration_id=late.id)
    played(tournament)
    assert wallet(late.user_id).available == 90
    assert wallet(other.user_id).available == 90 + 18


def test_a_tournament_with_one_entry_is_cancelled_with_a_sentence_and_the_fee_returned() -> None:
    tournament = make_tournament()
    alone = register(tournament)
    started(tournament)
    assert tournament.status == TournamentStatus.CANCELLED
    assert tournament.note == (
        "At least 2 agents were needed, and only 1 came. Every fee was returned."
    )
    assert wallet(alone.user_id) == ledger.Balance(available=100, held=0)
    start_tournament(tournament.pk)
    advance_tournament(tournament.pk)
    assert ledger.audit().problems == ()


def test_a_bracket_that_outlasts_its_window_ends_with_places_as_they_stand() -> None:
    tournament = make_tournament(prize_percents=[100])
    agents = [register(tournament) for _ in range(4)]
    started(tournament)
    advance_tournament(tournament.pk)
    for pairing in open_pairings(tournament):
        end_match(pairing, Outcome.SECOND)
    advance_tournament(tournament.pk)  # makes the final and the match for third place
    closes(tournament)
    advance_tournament(tournament.pk)
    tournament.refresh_from_db()
    assert tournament.status == TournamentStatus.RUNNING  # what is being played counts
    for pairing in open_pairings(tournament):
        end_match(pairing, Outcome.DRAW)
    advance_tournament(tournament.pk)
    tournament.refresh_from_db()
    assert tournament.status == TournamentStatus.OVER
    assert "window closed" in tournament.note
    best = tournament.registrations.get(place=1)
    assert best.seed == 3  # of the two in the final, the better seed
    assert best.prize_credits == 36
    assert len(agents) == 4


def test_a_tournament_of_which_no_match_could_be_finished_returns_every_fee() -> None:
    tournament = make_tournament()
    entered = [register(tournament) for _ in range(3)]
    started(tournament)
    played(tournament, Outcome.VOID)
    assert tournament.status == TournamentStatus.CANCELLED
    assert [wallet(each.user_id).available for each in entered] == [100, 100, 100]
    assert purse_is_empty(tournament)


def test_losing_by_withdrawal_what_was_never_seated_is_not_playing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(running, "seat_given", lambda space, sides: [])
    tournament = make_tournament()
    entered = [register(tournament) for _ in range(4)]
    started(tournament)
    advance_tournament(tournament.pk)
    registering.withdraw(entered[0].user_id, registration_id=entered[0].id)
    advance_tournament(tournament.pk)
    assert Pairing.objects.filter(outcome__in=[Outcome.FIRST, Outcome.SECOND]).count() == 1
    closes(tournament)
    advance_tournament(tournament.pk)
    tournament.refresh_from_db()
    assert tournament.status == TournamentStatus.CANCELLED
    assert [wallet(each.user_id).available for each in entered] == [100] * 4


def test_a_tournament_whose_time_passed_while_the_arena_was_off_is_cancelled() -> None:
    tournament = make_tournament(window_minutes=1)
    entered = [register(tournament) for _ in range(2)]
    Tournament.objects.update(starts_at="2020-01-01T00:00Z")
    sweeping.run_tournaments()
    tournament.refresh_from_db()
    assert tournament.status == TournamentStatus.CANCELLED
    assert wallet(entered[0].user_id).available == 100


def test_the_house_fills_up_to_the_fewest_stakes_as_people_do_and_wins_for_the_house() -> None:
    house = make_user(is_house=True)
    for _ in range(4):
        make_agent(house)
    tournament = make_tournament(fewest_entrants=4, is_filled_by_house=True)
    person = register(tournament)
    started(tournament)
    assert tournament.registrations.count() == 4
    played(tournament)
    pool = 40
    won = tournament.registrations.aggregate(sum=Sum("prize_credits"))["sum"]
    assert won == pool - 4
    person.refresh_from_db()
    assert wallet(person.user_id).available == 90 + person.prize_credits
    assert purse_is_empty(tournament)
    assert ledger.audit().problems == ()


def test_without_people_the_house_plays_for_nothing() -> None:
    house = make_user(is_house=True)
    for _ in range(3):
        make_agent(house)
    tournament = make_tournament(
        fewest_entrants=3, is_filled_by_house=True, format=TournamentFormat.SWISS
    )
    started(tournament)
    played(tournament)
    assert tournament.status == TournamentStatus.OVER
    assert ledger.balance(ledger.house_account()).available == 0


def test_seeds_follow_ratings_and_matches_cost_nothing_but_count_for_ratings() -> None:
    tournament = make_tournament()
    weak, strong = register(tournament), register(tournament)
    space = tournament.space
    Rating.objects.create(agent=strong.agent, space=space, mu=30, sigma=2, match_count=5)
    started(tournament)
    advance_tournament(tournament.pk)
    strong.refresh_from_db()
    assert strong.seed == 1
    match = Match.objects.get(pairing__tournament=tournament)
    play.start_match(match.id)
    play_round(match, 1, scores={0: 0.9, 1: 0.2})
    play_round(match, 2, scores={0: 0.9, 1: 0.2})
    play.settle_match(match.id)
    advance_tournament(tournament.pk)
    tournament.refresh_from_db()
    assert tournament.registrations.get(place=1) == strong
    assert Rating.objects.get(agent=weak.agent).match_count == 1
    assert ledger.audit().problems == ()


def test_who_never_says_a_word_loses_to_who_does_even_as_the_better_seed() -> None:
    tournament = make_tournament()
    register(tournament)
    register(tournament)
    started(tournament)
    advance_tournament(tournament.pk)
    match = Match.objects.get(pairing__tournament=tournament)
    play.start_match(match.id)
    for number in (1, 2):
        play_round(match, number, scores={0: 0.5, 1: 0.5}, texts={0: "", 1: "Words."})
    play.settle_match(match.id)
    assert Match.objects.get(id=match.id).status == "cancelled"
    advance_tournament(tournament.pk)
    assert tournament.registrations.get(place=1).seed == 2


def test_more_pairings_than_committed_secrets_are_seated_sweep_by_sweep() -> None:
    tournament = make_tournament(fee_credits=0, format=TournamentFormat.SWISS)
    for _ in range(2 * STOCK + 2):
        register(tournament, make_agent())
    started(tournament)
    advance_tournament(tournament.pk)
    assert len(open_pairings(tournament)) == STOCK
    advance_tournament(tournament.pk)
    assert len(open_pairings(tournament)) == STOCK + 1
    seatings = MatchEvent.objects.filter(kind="match_seated", match__space=tournament.space)
    assert len(set(seatings.values_list("payload__task_commitment", flat=True))) == len(seatings)


def test_an_agent_that_cannot_play_at_the_moment_stays_in(monkeypatch: pytest.MonkeyPatch) -> None:
    tournament = make_tournament()
    entered = [register(tournament) for _ in range(4)]
    started(tournament)
    monkeypatch.setattr(
        "arena.tournaments.running.problem_with", lambda agent: "Its weights are away."
    )
    advance_tournament(tournament.pk)
    assert tournament.registrations.filter(withdrawn_at=None).count() == len(entered)


def test_an_agent_that_is_retired_on_the_way_loses_what_is_left() -> None:
    tournament = make_tournament()
    entered = [register(tournament) for _ in range(4)]
    started(tournament)
    advance_tournament(tournament.pk)
    retired = tournament.registrations.get(seed=1)
    Agent.objects.filter(id=retired.agent_id).update(retired_at="2026-01-01T00:00Z")
    for pairing in open_pairings(tournament):
        end_match(pairing, Outcome.FIRST)
    played(tournament)
    assert tournament.registrations.get(place=1).seed == 2
    retired.refresh_from_db()
    assert retired.prize_credits == 0
    assert len(entered) == 4


def test_the_staff_may_call_a_running_tournament_off_and_every_fee_comes_back() -> None:
    tournament = make_tournament()
    entered = [register(tournament) for _ in range(2)]
    started(tournament)
    advance_tournament(tournament.pk)
    cancel_tournament(tournament.pk, reason="The judges are away.")
    cancel_tournament(tournament.pk, reason="Twice.")
    tournament.refresh_from_db()
    assert tournament.note == "The judges are away. Every fee was returned."
    assert [wallet(each.user_id).available for each in entered] == [100, 100]
    assert purse_is_empty(tournament)
