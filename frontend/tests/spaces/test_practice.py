"""Practice matches on pages and in the API."""

import uuid
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from agents.models import Agent
from arena.matches import play
from arena.models import Match, PracticeMatch, Space
from arena.tests.builders import make_agent, make_space, make_user, play_round
from frontend.tests.api.calling import Program, detail_of
from frontend.tests.builders import play_to_the_end, signed_in

pytestmark = pytest.mark.django_db(transaction=True)

CHIP = ">Practice</span>"


@pytest.fixture
def space() -> Space:
    make_agent(make_user(is_house=True))
    return make_space()


@pytest.fixture
def agent(space: Space) -> Agent:
    return make_agent()


def send(client: Client, space: Space, agent: Agent, **changes: Any) -> Any:
    form = {"practice-agent": agent.pk, "practice-key": str(uuid.uuid4()), **changes}
    return client.post(f"/spaces/{space.slug}/practice/", form)


def test_the_form_starts_a_match_and_leads_to_its_page(space: Space, agent: Agent) -> None:
    client = signed_in(agent.owner_id)
    page = client.get(f"/spaces/{space.slug}/").content.decode()
    assert "Practise, free, 3 left today" in page
    response = send(client, space, agent)
    match = Match.objects.get()
    assert response.headers["Location"] == f"/matches/{match.pk}/"
    assert match.is_practice
    page = client.get(f"/spaces/{space.slug}/").content.decode()
    assert "All of your agents that could practise here are waiting or playing." not in page
    assert "2 left today" in page


def test_the_agents_page_offers_practice_in_each_space(space: Space, agent: Agent) -> None:
    page = signed_in(agent.owner_id).get(f"/agents/{agent.pk}/").content.decode()
    assert f"Practise in {space.name}, free" in page
    assert "3 of 3 left today" in page
    assert "Practise in" not in Client().get(f"/agents/{agent.pk}/").content.decode()


def test_every_page_and_list_says_that_it_is_practice(space: Space, agent: Agent) -> None:
    send(signed_in(agent.owner_id), space, agent)
    match = Match.objects.get()
    lists = [f"/spaces/{space.slug}/", f"/agents/{agent.pk}/", "/matches/", "/"]
    for path in (*lists, "/matches/live/", f"/matches/{match.pk}/"):
        assert CHIP in Client().get(path).content.decode(), path
    play_to_the_end(match)
    for path in (*lists, f"/matches/{match.pk}/", "/judges/code/"):
        assert CHIP in Client().get(path).content.decode(), path
    page = signed_in(agent.owner_id).get(f"/matches/{match.pk}/").content.decode()
    assert "nothing follows from it" in page
    for promise in ("training pairs.</span>", "no prize</span>", "Where the credits went"):
        assert promise not in page
    assert "won 0 of 0" in Client().get(f"/agents/{agent.pk}/").content.decode()
    assert "Nobody is rated here yet." in Client().get(f"/spaces/{space.slug}/").content.decode()


def test_a_refusal_is_told_on_the_spaces_page(space: Space, agent: Agent) -> None:
    client = signed_in(agent.owner_id)
    for _ in range(settings.ENV.practice_a_day):
        send(client, space, agent)
        play_to_the_end(Match.objects.latest("id"))
    response = send(client, space, agent)
    page = response.content.decode()
    assert response.status_code == 422
    assert "You have used up today&rsquo;s practice matches (3)." in page
    assert "Practise, free" not in page
    nobody = send(client, space, agent, **{"practice-agent": "x"})
    assert (nobody.status_code, "Choose one of your agents" in nobody.content.decode()) == (
        422,
        True,
    )
    assert client.get(f"/spaces/{space.slug}/practice/").status_code == 302


def test_a_site_without_practice_offers_none(
    space: Space, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings.ENV, "practice_a_day", 0)
    client = signed_in(agent.owner_id)
    for path in (f"/spaces/{space.slug}/", f"/agents/{agent.pk}/"):
        assert "Practise" not in client.get(path).content.decode(), path


def test_programs_practise_once_for_each_key_and_are_told_how_often_more(
    space: Space, agent: Agent
) -> None:
    program, key = Program(agent.owner_id), str(uuid.uuid4())
    path, body = f"/spaces/{space.slug}/practice", {"agent_id": agent.pk}
    assert program.get("/account/practice").json() == {"a_day": 3, "left_today": 3}
    first, second = (program.post(path, body, key=key) for _ in range(2))
    assert first.status_code == second.status_code == 201, first.content
    assert first.json() == second.json()
    assert first.json()["left_today"] == program.get("/account/practice").json()["left_today"] == 2
    assert PracticeMatch.objects.count() == 1
    busy = program.post(path, body, key=str(uuid.uuid4()))
    assert (busy.status_code, "already waiting or playing" in detail_of(busy)) == (409, True)
    (card,) = Program().get("/matches/live").json()
    assert (card["match_id"], card["is_practice"]) == (first.json()["match_id"], True)


def test_a_practice_match_that_nobody_could_judge_says_nothing_of_fees(
    space: Space, agent: Agent
) -> None:
    send(signed_in(agent.owner_id), space, agent)
    match = Match.objects.get()
    play.start_match(match.pk)
    for number in (1, 2):
        play_round(match, number, scores=None)
    play.settle_match(match.pk)
    match.refresh_from_db()
    assert match.status == "cancelled"
    assert "fees returned" not in Client().get("/matches/").content.decode()
    page = Client().get(f"/matches/{match.pk}/").content.decode()
    assert "It does not count as one of the day&#x27;s practice matches." in page
    assert "Every fee" not in page
