"""The page of blind votes, for anybody: nothing is told before the vote, everything after it."""

import re

import pytest
from django.test import Client

from arena.models import AudienceVote, Match
from arena.review.tests.builders import judged_match, make_judge, owner_of
from arena.states import Uncounted
from arena.tests.builders import make_space
from frontend.pages.spaces import audiences
from frontend.tests.builders import HOSTILE, signed_in
from judges.models import JudgeKind

pytestmark = pytest.mark.django_db


@pytest.fixture
def match() -> Match:
    make_judge("reader", JudgeKind.PAIRWISE)
    space = make_space(panel=[{"judge": "reader", "weight": 1.0}], round_count=2)
    return judged_match(space, judge="reader")


def ballot_on(page: str) -> str:
    found = re.search(r'name="ballot" value="([^"]+)"', page)
    assert found
    return found[1]


def names_of(match: Match) -> list[str]:
    seats = match.seats.select_related("agent__owner")
    return [name for seat in seats for name in (seat.agent.name, seat.agent.owner.username)]


def test_names_come_after_the_vote_only(client: Client, match: Match) -> None:
    page = client.get("/vote/").content.decode()
    assert "Answer 0 of round" in page
    for hidden in (*names_of(match), f"/matches/{match.pk}/", "seat-0", "Reader"):
        assert hidden not in page
    after = client.post("/vote/", {"ballot": ballot_on(page), "choice": "a"}).content.decode()
    for name in names_of(match):
        assert name in after
    assert f"/matches/{match.pk}/" in after
    assert "Next pair" in after
    assert AudienceVote.objects.get().uncounted == ""


def test_the_same_form_sent_again_is_one_vote(client: Client, match: Match) -> None:
    form = {"ballot": ballot_on(client.get("/vote/").content.decode()), "choice": "a"}
    for choice in ("a", "b"):
        assert client.post("/vote/", form | {"choice": choice}).status_code == 200
    assert AudienceVote.objects.get().choice == "a"


def test_who_opened_the_match_first_is_stored_and_not_counted(match: Match) -> None:
    fresh, looked = Client(), Client(REMOTE_ADDR="203.0.113.9")
    ballot = ballot_on(fresh.get("/vote/").content.decode())
    looked.get(f"/matches/{match.pk}/")
    page = looked.post("/vote/", {"ballot": ballot, "choice": "a"}).content.decode()
    assert "You had opened this match before, so your vote does not count." in page
    assert AudienceVote.objects.get().uncounted == Uncounted.OPENED_BEFORE
    assert "Nothing new to vote on" in looked.get("/vote/").content.decode()


def test_an_owner_is_told_that_the_vote_does_not_count(client: Client, match: Match) -> None:
    ballot = ballot_on(client.get("/vote/").content.decode())
    owner = signed_in(owner_of(match)[0])
    page = owner.post("/vote/", {"ballot": ballot, "choice": "b"}).content.decode()
    assert "One of these agents is yours" in page
    assert AudienceVote.objects.get().uncounted == Uncounted.OWN_AGENT


@pytest.mark.parametrize(
    "form",
    [{}, {"choice": "a"}, {"choice": "c", "ballot": "x"}, {"choice": "a", "ballot": "x" * 9}],
)
def test_a_form_that_is_not_ours_leads_to_another_pair(
    client: Client, match: Match, form: dict[str, str]
) -> None:
    answer = client.post("/vote/", form, follow=True)
    assert answer.redirect_chain == [("/vote/", 302)]
    assert not AudienceVote.objects.exists()


def test_a_cookie_that_was_tampered_with_is_an_empty_one(client: Client, match: Match) -> None:
    client.cookies["opened"] = f"{match.pk}:made:up"
    assert "Answer 0 of round" in client.get("/vote/").content.decode()


def test_answers_and_tasks_are_text(client: Client, match: Match) -> None:
    match.rounds.first().completions.update(text=HOSTILE)  # type: ignore[union-attr]
    for row in match.rounds.all():
        row.completions.filter(seat__index=0).update(text=HOSTILE)
        row.task["prompt"] = HOSTILE
        row.save()
    page = client.get("/vote/").content.decode()
    after = client.post("/vote/", {"ballot": ballot_on(page), "choice": "tie"}).content.decode()
    for shown in (page, after):
        assert "<script>alert" not in shown
        assert "&lt;script&gt;alert" in shown


def test_match_and_space_say_what_the_audience_thinks(client: Client, match: Match) -> None:
    assert "nobody has done so yet" in client.get(f"/spaces/{match.space.slug}/").content.decode()
    page = client.get("/vote/").content.decode()
    client.post("/vote/", {"ballot": ballot_on(page), "choice": "a"})
    audiences.clear()
    assert "1 person voted blind" in client.get(f"/matches/{match.pk}/").content.decode()
    assert "from 1 vote)" in client.get("/judges/reader/").content.decode()
    assert "1 vote of 1 voter" in client.get(f"/spaces/{match.space.slug}/").content.decode()


def test_a_tie_is_a_vote_that_the_space_does_not_deny(client: Client, match: Match) -> None:
    page = client.get("/vote/").content.decode()
    client.post("/vote/", {"ballot": ballot_on(page), "choice": "tie"})
    audiences.clear()
    page = client.get(f"/spaces/{match.space.slug}/").content.decode()
    assert "1 vote of 1 voter." in page
    assert "nobody has done so yet" not in page
    assert "agree 0%" not in page


def test_a_coded_space_has_no_audience(client: Client) -> None:
    assert "Vote blind" not in client.get(f"/spaces/{make_space().slug}/").content.decode()
