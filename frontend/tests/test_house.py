"""The house's agents are known by a mark that no name can imitate."""

import pytest
from django.test import Client

from agents.models import Agent, User
from arena.models import Match
from frontend import drawings
from frontend.tests.builders import settled_match, signed_in

pytestmark = pytest.mark.django_db(transaction=True)

MARK = '<span class="sr-only">of the </span>house</span>'


def pages_of(match: Match, agent: Agent) -> dict[str, str]:
    drawings.fragments.clear()  # names changed without an event of the match
    one = (f"/matches/{match.pk}/", f"/spaces/{match.space.slug}/", f"/agents/{agent.pk}/")
    paths = ("/", "/matches/", *one)
    return {path: Client().get(path).content.decode() for path in paths}


def test_only_agents_of_the_house_are_marked_as_its_own_on_every_page() -> None:
    match = settled_match()
    agent = match.seats.get(index=0).agent
    Agent.objects.filter(pk=agent.pk).update(name="House Solver")
    User.objects.filter(pk=agent.owner_id).update(username="house")
    marked = {path: page.count(MARK) for path, page in pages_of(match, agent).items()}
    assert set(marked.values()) == {0}, "a name makes nobody the house"

    User.objects.filter(pk=agent.owner_id).update(is_house=True, username="arena-keeper")
    Agent.objects.filter(pk=agent.pk).update(name="Solver")
    pages = pages_of(match, agent)
    assert all(page.count(MARK) >= 1 for page in pages.values()), {
        path: page.count(MARK) for path, page in pages.items()
    }
    other = match.seats.get(index=1).agent
    assert "against Solver (house)" in Client().get(f"/agents/{other.pk}/").content.decode()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Ru\u200bler", "nobody sees"),
        ("कि" * 61, "61 characters"),
        ("Rul\u0435r", "looks like it"),
    ],
)
def test_a_refused_name_is_explained_at_the_field_when_an_agent_is_renamed(
    name: str, words: str
) -> None:
    match = settled_match()
    agent = match.seats.get(index=0).agent
    Agent.objects.create(owner=agent.owner, name="Ruler", base_model=agent.base_model)
    client = signed_in(agent.owner_id)
    answer = client.post(f"/agents/{agent.pk}/rename/", {"name": name}, follow=True)
    assert words in answer.content.decode()
    assert Agent.objects.get(pk=agent.pk).name == agent.name
