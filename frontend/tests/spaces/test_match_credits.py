"""From a match to each of its credits in the ledger and back; seasons and their prizes."""

import re
import uuid
from datetime import date

import pytest
from django.test import Client

from arena.credits.wallet import top_up_sandbox
from arena.matches import play
from arena.models import Entry, Match, Season, SeasonPlace, Seat, Transfer
from arena.queries import match_credits, settlement_of
from arena.spaces.seasons import close_season
from arena.tests.builders import make_match, make_space, make_user, play_round
from frontend.tests.builders import play_to_the_end, settled_match, signed_in

pytestmark = pytest.mark.django_db

LINKS = re.compile(r'href="(/wallet/\?line=[0-9a-f-]+)#(line-[0-9a-f-]+)"')
BACK = re.compile(r'href="(/matches/\d+/credits/)#(line-[0-9a-f-]+)"')


def winner_of(match: Match) -> Seat:
    return Seat.objects.select_related("agent__owner").get(match=match, rank=1)


def test_every_credit_of_a_match_is_two_clicks_from_the_statement_and_back() -> None:
    match = settled_match()
    client = signed_in(winner_of(match).agent.owner_id)
    path = f"/matches/{match.id}/credits/"
    assert f'href="{path}"' in client.get(f"/matches/{match.id}/").content.decode()
    page = client.get(path).content.decode()
    links = LINKS.findall(page)
    assert len(links) == 3, "the fee held and paid, and the prize"
    for wallet, line in links:
        assert f'id="{line}"' in client.get(wallet).content.decode()
    back = BACK.findall(client.get("/wallet/").content.decode())
    assert {where for where, _ in back} == {path}
    assert len(back) == 2, "a fee that was paid is one line"
    for _, line in back:
        assert f'id="{line}"' in page


def test_the_movements_are_those_of_the_ledger_and_add_up() -> None:
    match = settled_match()
    moves = match_credits(match.id, viewer=None).movements
    assert len(moves) == Transfer.objects.exclude(code="top_up").count() == 2 + 2 + 2 + 1
    paid = {move.why: 0 for move in moves}
    for move in moves:
        paid[move.why] += move.amount_credits
    assert paid == {
        "Entry fee held": 20,
        "Entry fee paid": 20,
        "Prize": 18,
        "Arena\u2019s share": 2,
    }
    assert not any(move.line_id or move.transfer_id for move in moves), "nobody's own"


def test_a_line_is_found_however_much_came_after_it(client: Client) -> None:
    match = settled_match()
    owner = winner_of(match).agent.owner
    for _ in range(40):
        top_up_sandbox(owner.pk, amount_credits=1, transfer_id=uuid.uuid4())
    entry = Entry.objects.get(match=match, user=owner)
    client.force_login(owner)
    assert f"line-{entry.id}" not in client.get("/wallet/").content.decode()
    assert f'id="line-{entry.id}"' in client.get(f"/wallet/?line={entry.id}").content.decode()
    for odd in ("x", "", str(uuid.uuid4())):
        assert client.get("/wallet/", {"line": odd}).status_code == 200


def test_nobody_learns_anothers_ids_or_opens_anothers_line(client: Client) -> None:
    match = settled_match()
    theirs = [str(each) for each in Transfer.objects.values_list("id", flat=True)]
    stranger = make_user(credits=5)
    client.force_login(stranger)
    page = client.get(f"/matches/{match.id}/credits/").content.decode()
    assert not any(each in page for each in theirs)
    for each in theirs:
        assert each not in client.get(f"/wallet/?line={each}").content.decode().split("<main")[1]


def test_a_cancelled_match_shows_that_every_fee_was_set_free(client: Client) -> None:
    match = make_match()
    play.cancel_match(match.id, reason="?")
    page = client.get(f"/matches/{match.id}/credits/").content.decode()
    assert page.count("Entry fee held") == page.count("Entry fee released") == 2


def test_a_free_match_has_no_movement(client: Client) -> None:
    match = make_match(make_space(entry_fee_credits=0))
    play_to_the_end(match)
    assert "no credit moved" in client.get(f"/matches/{match.id}/credits/").content.decode()
    page = client.get(f"/matches/{match.id}/").content.decode()
    assert "a free match: nobody paid, and nobody gets a prize" in page
    found = settlement_of(match.id)
    assert found is not None
    assert {line.detail for line in found.fees} == {"free"}
    assert client.get("/matches/999999/credits/").status_code == 404


@pytest.mark.parametrize("fee", [0, 10])
def test_only_a_fee_that_was_paid_is_said_to_be_returned(client: Client, fee: int) -> None:
    space = make_space(entry_fee_credits=fee, seat_count=3)
    match = make_match(space)
    play.start_match(match.id)
    for number in (1, 2):
        play_round(match, number, scores={0: 0.9, 1: 0.4, 2: 0.0}, texts={2: ""})
    play.settle_match(match.id)
    page = client.get(f"/matches/{match.id}/").content.decode()
    assert "never answered" in page
    assert ("fee returned" in page) is (fee > 0)
    assert ("a free match" in page) is (fee == 0)
    found = settlement_of(match.id)
    assert found is not None
    assert [line.seat for line in found.returned] == ([2] if fee else [])
    play.cancel_match(make_match(space).id, reason="?")
    page = client.get("/matches/").content.decode()
    assert ">cancelled</span>" in page


def test_the_seasons_of_a_space_show_the_running_month_and_the_past_ones(client: Client) -> None:
    space = settled_match().space
    path = f"/spaces/{space.slug}/seasons/"
    assert f'href="{path}"' in client.get(f"/spaces/{space.slug}/").content.decode()
    page = client.get(path).content.decode()
    assert "1 credit in the pot so far" in page
    assert "Nobody has played 10 matches here this month yet." in page
    assert "The first season here is being played." in page
    season = Season.objects.get()
    SeasonPlace.objects.update(match_count=12)
    assert "If it ended now" in client.get(path).content.decode()
    season.month = date(2020, 1, 1)
    season.save()
    close_season(season.pk)
    page = client.get(path).content.decode()
    assert "January 2020" in page
    assert SeasonPlace.objects.get(place=1).agent.name in page
    assert client.get("/spaces/nowhere/seasons/").status_code == 404
