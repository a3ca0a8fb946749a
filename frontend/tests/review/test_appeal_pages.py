"""Appeals on the page of a match: who is offered one, and what everybody can read of it."""

import pytest
from django.test import Client

from agents.models import Agent
from arena.models import Appeal, Match
from arena.review.hearing import hear_appeal
from arena.review.tests.builders import ask, judged_match, owner_of, panel_says
from arena.tests.builders import make_user
from frontend.tests.builders import HOSTILE, settled_match, signed_in

pytestmark = pytest.mark.django_db(transaction=True)


def page(client: Client, match: Match) -> str:
    return client.get(f"/matches/{match.pk}/").content.decode()


def test_an_owner_appeals_on_the_page_and_everybody_reads_the_outcome(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    match = judged_match()
    user_id, agent_id = owner_of(match)
    owner = signed_in(user_id)
    assert "Appeal round 2" in page(owner, match)
    path = f"/matches/{match.pk}/rounds/2/appeal/"
    answer = owner.post(path, {"agent": agent_id}, follow=True)
    assert "Another panel looks at round 2. The fee of 5 credits is held" in answer.content.decode()
    assert "Another panel is reading" in page(client, match)
    assert "Appeal round 2" not in page(owner, match)
    assert "Appeal round 1" in page(owner, match)
    panel_says(monkeypatch, {0: 0.2, 1: 0.8})
    hear_appeal(Appeal.objects.get().pk)
    for reader in (client, owner):
        shown = page(reader, match)
        assert "The order changed: fee of 5 returned" in shown
        assert "Said of 1." in shown


def test_nobody_is_offered_an_appeal_for_anothers_agent(client: Client) -> None:
    match = judged_match()
    stranger = signed_in(make_user(credits=100).pk)
    for visitor in (client, stranger):
        assert "Appeal round" not in page(visitor, match)
    path = f"/matches/{match.pk}/rounds/1/appeal/"
    assert stranger.post(path, {"agent": owner_of(match)[1]}).status_code == 404
    for agent in ("", "x", "9" * 5000):
        assert stranger.post(path, {"agent": agent}).status_code == 404
    assert not Appeal.objects.exists()


def test_who_sat_in_a_coded_match_reads_why_it_cannot_be_appealed(client: Client) -> None:
    match = settled_match()
    sentence = "Code decided this round by rules that anybody can check."
    owner = signed_in(owner_of(match)[0])
    assert page(owner, match).count(sentence) == 1
    assert sentence not in page(client, match)
    path = f"/matches/{match.pk}/rounds/1/appeal/"
    answer = owner.post(path, {"agent": owner_of(match)[1]}, follow=True)
    assert sentence in answer.content.decode()


def test_what_judges_and_owners_write_is_text(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    match = judged_match()
    Agent.objects.filter(id=owner_of(match)[1]).update(name=HOSTILE[:80])
    panel_says(monkeypatch, {0: 0.2, 1: 0.8})
    asked = ask(match)
    hear_appeal(asked.pk)
    asked.votes.update(reasons={"0": HOSTILE}, error="")
    shown = page(client, match)
    assert "<script>alert" not in shown
    assert "&lt;script&gt;alert" in shown
