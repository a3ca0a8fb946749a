"""Pages of tournaments: registering, withdrawing, watching."""

import uuid

import pytest
from django.conf import settings
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from agents.models import User
from arena import sweeping
from arena.credits import ledger
from arena.models import Match, Registration, Tournament
from arena.queries import settlement_of, statement_page, tournament_cards, tournament_view
from arena.states import Outcome, TournamentFormat
from arena.tests.builders import make_agent, make_user
from arena.tournaments import registering
from arena.tournaments.running import advance_tournament, cancel_tournament, start_tournament
from arena.tournaments.tests.builders import (
    end_match,
    is_due,
    make_tournament,
    open_pairings,
    register,
)
from frontend.tests.builders import signed_in

pytestmark = pytest.mark.django_db(transaction=True)
POLL = {"HTTP_HX_REQUEST": "true"}


def running(kind: TournamentFormat, *, entrants: int) -> Tournament:
    tournament = make_tournament(format=kind)
    for _ in range(entrants):
        register(tournament)
    is_due(tournament)
    start_tournament(tournament.pk)
    advance_tournament(tournament.pk)
    return tournament


def text_of(client: Client, path: str, **headers: str) -> str:
    response = client.get(path, **headers)  # type: ignore[arg-type]
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def test_a_person_registers_sees_the_fee_held_and_withdraws() -> None:
    tournament = make_tournament()
    agent = make_agent(make_user(credits=100))
    client = signed_in(agent.owner_id)
    path = f"/tournaments/{tournament.pk}/"
    assert "Register for 10 credits" in text_of(client, path)
    form = {"agent": agent.pk, "entry_id": uuid.uuid4(), "fee": 10}
    for _ in range(2):
        assert client.post(f"{path}register/", form).headers["Location"] == path
    page = text_of(client, path)
    assert "is registered. Its fee of 10 credits is held until the start." in page
    (line, *_) = statement_page(agent.owner_id).lines
    assert (line.title, line.tournament_id) == ("Tournament fee held", tournament.pk)
    registration = Registration.objects.get()
    client.post(f"/registrations/{registration.pk}/withdraw/")
    assert "Register for 10 credits" in text_of(client, path)
    assert ledger.balance(ledger.account_of(agent.owner_id)).available == 100
    (line, *_) = statement_page(agent.owner_id).lines
    assert line.title == "Tournament fee returned"
    register(tournament, make_agent(User.objects.get(id=agent.owner_id)))
    (_, returned, *_) = statement_page(agent.owner_id).lines
    assert returned.detail == f"{agent.name} did not play in {tournament.name}."


def test_a_refusal_is_shown_on_the_page_and_holds_nothing() -> None:
    tournament = make_tournament()
    owner = make_user(credits=100)
    for agent in [make_agent(owner) for _ in range(2)]:
        form = {"agent": agent.pk, "entry_id": uuid.uuid4(), "fee": 3}
        response = signed_in(owner.pk).post(f"/tournaments/{tournament.pk}/register/", form)
        assert response.status_code == 422
        assert "costs 10 credits, not 3" in response.content.decode()
        assert f'<option value="{agent.pk}" selected>' in response.content.decode()
    assert not Registration.objects.exists()


def test_the_prize_table_has_the_tournaments_own_numbers() -> None:
    tournament = make_tournament(fewest_entrants=4)
    register(tournament)
    table = tournament_view(tournament.pk, viewer=None).prizes
    assert table is not None
    assert (table.entrants, table.pool_credits, table.rake_credits) == (4, 40, 4)
    assert table.prizes_credits == (19, 10, 7)
    page = text_of(Client(), f"/tournaments/{tournament.pk}/")
    assert "With 4 paying agents, the fees make a pool of 40 credits." in page


@pytest.mark.parametrize("kind", list(TournamentFormat))
def test_a_window_of_one_minute_is_not_told_as_several(kind: TournamentFormat) -> None:
    tournament = make_tournament(format=kind, window_minutes=1)
    page = text_of(Client(), f"/tournaments/{tournament.pk}/")
    assert "1 minute" in page
    assert "1 minutes" not in page


@pytest.mark.parametrize(("bound", "staking"), [(30, 4), (29, 1)])
def test_before_the_start_the_house_stakes_as_much_as_it_will(
    monkeypatch: pytest.MonkeyPatch, bound: int, staking: int
) -> None:
    monkeypatch.setattr(settings.ENV, "house_stake", bound)
    house = make_user(is_house=True)
    for _ in range(4):
        make_agent(house)
    tournament = make_tournament(fewest_entrants=4, is_filled_by_house=True)
    pools = []
    for _ in range(2):
        table = tournament_view(tournament.pk, viewer=None).prizes
        assert table is not None
        pools.append((table.entrants, table.pool_credits))
        if not Registration.objects.exists():
            register(tournament)
    is_due(tournament)
    sweeping.run_tournaments()
    table = tournament_view(tournament.pk, viewer=None).prizes
    assert table is not None
    assert pools == [(staking, 10 * staking)] * 2 == [(table.entrants, table.pool_credits)] * 2


def test_the_prize_table_has_what_is_paid_though_somebody_withdraws() -> None:
    tournament = running(TournamentFormat.BRACKET, entrants=3)
    gone = Registration.objects.get(seed=3)
    registering.withdraw(gone.user_id, registration_id=gone.pk)
    table = tournament_view(tournament.pk, viewer=None).prizes
    assert table is not None
    assert (table.entrants, table.pool_credits) == (2, 30)
    for _ in range(2):
        for pairing in open_pairings(tournament):
            end_match(pairing, Outcome.FIRST)
        advance_tournament(tournament.pk)
    placed = Registration.objects.filter(prize_credits__gt=0).order_by("place")
    assert table.prizes_credits == tuple(placed.values_list("prize_credits", flat=True))


@pytest.mark.parametrize("kind", TournamentFormat)
def test_anybody_can_watch_a_tournament_from_its_start_to_its_end(kind: TournamentFormat) -> None:
    tournament, visitor = running(kind, entrants=5), Client()
    path = f"/tournaments/{tournament.pk}/"
    for _ in range(30):
        for pairing in open_pairings(tournament):
            assert f"/matches/{pairing.match_id}/" in text_of(visitor, path, **POLL)
            end_match(pairing, Outcome.FIRST)
        advance_tournament(tournament.pk)
        tournament.refresh_from_db()
    Tournament.objects.filter(status="running").update(started_at="2026-01-01T00:00Z")
    for pairing in open_pairings(tournament):
        end_match(pairing, Outcome.FIRST)
    advance_tournament(tournament.pk)
    page = text_of(visitor, path)
    assert "Won by" in page
    assert "hx-trigger" not in page
    assert "Won by" in text_of(visitor, "/tournaments/", **POLL)
    assert [card.status for card in tournament_cards()] == ["over"]


def test_a_bracket_is_drawn_round_by_round_with_byes_and_the_match_for_third_place() -> None:
    tournament = running(TournamentFormat.BRACKET, entrants=6)
    view = tournament_view(tournament.pk, viewer=None)
    assert [(each.name, len(each.ties)) for each in view.rounds] == [
        ("Quarterfinals", 4),
        ("Semifinals", 2),
        ("Final", 1),
    ]
    assert [tie.is_bye for tie in view.rounds[0].ties] == [True, False, True, False]
    assert view.third_place is not None
    assert view.third_place.match_id is None


def test_a_streak_is_shown_in_the_standings_of_an_arena() -> None:
    tournament, visitor = running(TournamentFormat.ARENA, entrants=4), Client()
    for _ in range(3):
        for pairing in open_pairings(tournament):
            best = min(pairing.first, pairing.second or pairing.first, key=lambda e: e.seed or 0)
            is_first = best.pk == pairing.first_id
            end_match(pairing, Outcome.FIRST if is_first else Outcome.SECOND)
        advance_tournament(tournament.pk)
    assert "3 in a row" in text_of(visitor, f"/tournaments/{tournament.pk}/", **POLL)


def test_a_change_is_drawn_once_however_many_watch(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    tournament, visitor = running(TournamentFormat.BRACKET, entrants=8), Client()
    path = f"/tournaments/{tournament.pk}/"
    before = text_of(visitor, path, **POLL)
    with django_assert_max_num_queries(3):
        assert text_of(visitor, path, **POLL) == before
    (first, *_) = open_pairings(tournament)
    end_match(first, Outcome.FIRST)
    advance_tournament(tournament.pk)
    assert text_of(visitor, path, **POLL) != before


def test_a_match_of_a_tournament_leads_to_it_and_has_no_fees_of_its_own() -> None:
    tournament = running(TournamentFormat.BRACKET, entrants=2)
    match = Match.objects.get(pairing__tournament=tournament)
    page = text_of(Client(), f"/matches/{match.pk}/")
    assert f'href="/tournaments/{tournament.pk}/"' in page
    (pairing,) = open_pairings(tournament)
    end_match(pairing, Outcome.FIRST)
    assert settlement_of(match.pk) is None


def test_a_start_is_shown_in_utc_for_the_script_to_turn_into_local_time() -> None:
    tournament = make_tournament(starts_at="2026-12-01T18:00Z")
    page = text_of(Client(), f"/tournaments/{tournament.pk}/")
    wanted = '<time datetime="2026-12-01T18:00:00+00:00" data-local-time>Tue 1 Dec 2026, 18:00 UTC'
    assert wanted in page


def test_one_that_was_cancelled_before_its_start_claims_neither_start_nor_pool_nor_places() -> None:
    tournament = make_tournament(is_filled_by_house=True, fewest_entrants=4)
    path, visitor = f"/tournaments/{tournament.pk}/", Client()
    register(tournament)
    cancel_tournament(tournament.pk, reason="The judge is away.")
    page = text_of(visitor, path)
    for true in ("was to start", "Registered", ">No.<", "The judge is away."):
        assert true in page, true
    for false in ("began", "make a pool", "Standings", "Place<"):
        assert false not in page, false
    Registration.objects.update(withdrawn_at=tournament.starts_at)
    page = text_of(visitor, path)
    assert "Nobody was registered." in page
    assert "House agents fill up" not in page


def test_one_that_was_cancelled_while_it_ran_keeps_its_standings_but_no_pool() -> None:
    tournament = running(TournamentFormat.SWISS, entrants=3)
    cancel_tournament(tournament.pk, reason="The judge is away.")
    page = text_of(Client(), f"/tournaments/{tournament.pk}/")
    assert "began" in page
    assert "Standings" in page
    assert "make a pool" not in page


def test_a_page_drawn_before_the_start_is_loaded_anew_after_it() -> None:
    tournament, visitor = make_tournament(), Client()
    for _ in range(2):
        register(tournament)
    path = f"/tournaments/{tournament.pk}/"
    poll = f"{path}?was=announced"
    assert f'hx-get="{poll}"' in text_of(visitor, path)
    assert f'hx-get="{poll}"' in text_of(visitor, poll, **POLL)
    is_due(tournament)
    start_tournament(tournament.pk)
    answer = visitor.get(poll, **POLL)  # type: ignore[arg-type]
    assert (answer.status_code, answer.headers["HX-Refresh"]) == (204, "true")
    assert f'hx-get="{path}?was=running"' in text_of(visitor, path)
    assert f'hx-get="{path}?was=running"' in text_of(visitor, f"{path}?was=running", **POLL)


def test_who_withdraws_on_a_page_of_before_the_start_does_not_lose_the_fee_unseen() -> None:
    tournament = make_tournament()
    registration, _ = register(tournament), register(tournament)
    browser = signed_in(registration.user_id)
    page, verb = f"/tournaments/{tournament.pk}/", f"/registrations/{registration.pk}/withdraw/"
    assert 'name="before_start"' in text_of(browser, page)
    is_due(tournament)
    start_tournament(tournament.pk)
    refused = browser.post(verb, {"before_start": "yes"}, follow=True).content.decode()
    assert "has begun meanwhile, and a fee does not come back any more." in refused
    registration.refresh_from_db()
    assert registration.withdrawn_at is None
    shown = text_of(browser, page)
    assert 'name="before_start"' not in shown
    assert "and your agent wins no prize, even if it has finished playing." in shown
    browser.post(verb)
    registration.refresh_from_db()
    assert registration.withdrawn_at is not None
