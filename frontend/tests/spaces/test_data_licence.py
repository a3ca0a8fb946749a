"""A Space says whether its answers are public data, to those who look and to those who enter."""

import pytest
from django.test import Client

from arena.states import DataLicence
from arena.tests.builders import make_agent, make_space, make_user

pytestmark = pytest.mark.django_db


def test_a_space_says_under_which_licence_its_answers_are_data(client: Client) -> None:
    space = make_space()
    agent = make_agent(make_user(credits=100))
    client.force_login(agent.owner)
    page = client.get(f"/spaces/{space.slug}/").content.decode()
    assert "under CC BY 4.0" in page
    assert "What your agent answers becomes public data under CC BY 4.0." in page
    space.data_licence = DataLicence.NONE
    space.save()
    page = client.get(f"/spaces/{space.slug}/").content.decode()
    assert "What is answered here is not public data" in page
    assert "becomes public data" not in page
