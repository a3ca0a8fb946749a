"""The pages of an autopilot: switched on and off, told in plain words, its picture drawn."""

from typing import Any

import pytest
from django.test import Client

from agents.models import Agent
from agents.roster import retire_agent
from arena import sweeping
from arena.models import Autopilot, Entry, Match, Space
from arena.states import Brake
from arena.tests.builders import make_agent, make_space, make_user
from frontend.tests.builders import play_to_the_end, signed_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def space() -> Space:
    make_agent(make_user(is_house=True))
    return make_space(round_count=1, name="Tiny <b>poems</b>")


@pytest.fixture
def agent() -> Agent:
    return make_agent(make_user(credits=500))


@pytest.fixture
def client(agent: Agent) -> Client:
    return signed_in(agent.owner_id)


def form(space: Space, **changes: Any) -> dict[str, Any]:
    values = {
        "spaces": [space.slug],
        "fee_credits": 10,
        "matches": 2,
        "matches_a_day": 2,
        "at_once": 1,
        "spend_a_day_credits": 100,
        "stop_loss_credits": 100,
        "take_profit_credits": "",
        "adoption": "play_on",
    }
    return {f"limits-{name}": value for name, value in (values | changes).items()}


def read(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200
    return response.content.decode()


def play_one() -> None:
    sweeping.fly_autopilots()
    sweeping.seat_queues()
    play_to_the_end(Match.objects.latest("id"))


def test_an_owner_switches_it_on_and_sees_what_it_earned(
    client: Client, agent: Agent, space: Space
) -> None:
    path = f"/agents/{agent.pk}/autopilot/"
    assert "It has never been on" in read(client, path)
    assert client.post(path, form(space), follow=True).redirect_chain == [(path, 302)]
    assert "It enters its next Space within seconds." in read(client, path)
    play_one()
    play_one()
    sweeping.fly_autopilots()
    page = read(client, path)
    assert "It has played 2 matches, all you allowed." in page
    assert "Credits won or lost over 2 matches, between 0 and" in page
    assert page.count(">Match ") == 2
    assert "<b>poems" not in page


def test_no_control_hides_a_method_of_its_form(client: Client, agent: Agent, space: Space) -> None:
    page = read(client, f"/agents/{agent.pk}/autopilot/")
    assert 'name="limits-matches"' in page
    assert 'name="matches"' not in page


def test_what_stopped_it_is_told_until_it_is_dismissed(
    client: Client, agent: Agent, space: Space
) -> None:
    client.post(f"/agents/{agent.pk}/autopilot/", form(space, matches=1, matches_a_day=1))
    assert "is on." in read(client, "/agents/")
    play_one()
    sweeping.fly_autopilots()
    sentence = "It has played 1 match, all you allowed."
    for path in ("/agents/", f"/agents/{agent.pk}/", f"/agents/{agent.pk}/autopilot/state/?card"):
        assert sentence in read(client, path)
    client.post(f"/agents/{agent.pk}/autopilot/dismiss/")
    assert sentence not in read(client, "/agents/")
    assert ">Dismiss" not in read(client, f"/agents/{agent.pk}/")


def test_switching_off_is_no_notice(client: Client, agent: Agent, space: Space) -> None:
    client.post(f"/agents/{agent.pk}/autopilot/", form(space))
    page = client.post(f"/agents/{agent.pk}/autopilot/off/", follow=True).content.decode()
    assert "The autopilot is off." in page
    assert "You switched it off." in page
    assert "autopilot stopped" not in read(client, "/agents/")
    assert Autopilot.objects.get().brake == Brake.OWNER


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"spaces": []}, "Choose at least one Space that it may enter."),
        ({"spend_a_day_credits": 9}, "this would not pay for a single one."),
        ({"stop_loss_credits": 9}, "this would stop it before its first match."),
        ({"matches_a_day": 3}, "That is more than the 2 matches that you allow in all."),
        ({"at_once": 9}, "Choose a number from 1 to 8."),
        ({"take_profit_credits": 0}, "Choose a number from 1 to 100,000."),
        ({"matches": "many"}, "Enter a whole number."),
        ({"adoption": "?"}, "Select a valid choice."),
    ],
)
def test_limits_that_cannot_be_are_told_at_the_field(
    client: Client, agent: Agent, space: Space, changes: dict[str, Any], sentence: str
) -> None:
    response = client.post(f"/agents/{agent.pk}/autopilot/", form(space, **changes))
    assert response.status_code == 422
    assert sentence in response.content.decode()
    assert not Autopilot.objects.exists()


def test_without_credits_the_form_says_so(space: Space) -> None:
    agent = make_agent(make_user(credits=9))
    response = signed_in(agent.owner_id).post(f"/agents/{agent.pk}/autopilot/", form(space))
    assert response.status_code == 422
    assert "You have 9 credits, and its next match costs 10." in response.content.decode()


def test_limits_changed_while_it_flies_keep_what_it_did(
    client: Client, agent: Agent, space: Space
) -> None:
    path = f"/agents/{agent.pk}/autopilot/"
    client.post(path, form(space, matches=5))
    play_one()
    client.post(path, form(space, matches=3))
    assert Entry.objects.get().autopilot == Autopilot.objects.get()
    assert "1 of 3" in read(client, path)


def test_saving_limits_of_one_that_has_stopped_meanwhile_starts_no_new_one(
    client: Client, agent: Agent, space: Space
) -> None:
    path = f"/agents/{agent.pk}/autopilot/"
    assert 'name="was_on"' not in read(client, path)
    client.post(path, form(space))
    assert 'name="was_on" value="yes"' in read(client, path)
    client.post(f"{path}off/")
    late = client.post(path, form(space, matches=5) | {"was_on": "yes"})
    assert late.status_code == 422
    assert "It has stopped meanwhile. Nothing was changed" in late.content.decode()
    assert 'name="was_on"' not in late.content.decode()
    assert Autopilot.objects.get().stopped_at is not None
    client.post(path, form(space))
    assert Autopilot.objects.filter(stopped_at=None).count() == 1


def test_a_retired_agents_page_shows_what_it_did_without_a_form(
    client: Client, agent: Agent, space: Space
) -> None:
    path = f"/agents/{agent.pk}/autopilot/"
    client.post(path, form(space))
    retire_agent(agent.owner_id, agent_id=agent.pk)
    sweeping.fly_autopilots()
    page = read(client, path)
    assert "The agent was retired." in page
    assert "Switch on" not in page
    assert client.post(path, form(space)).status_code == 404
    assert "The agent was retired." in read(client, f"/agents/{agent.pk}/")
