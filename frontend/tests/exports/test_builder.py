"""The page that builds a dataset: what it shows, what it refuses, and nobody else's pairs."""

import re

import pytest
from django.test import Client
from django.utils.http import urlencode

from agents.models import Agent, Engine
from arena.models import Completion, Round, Space
from arena.states import DataLicence
from frontend.tests.builders import HOSTILE
from training.exports.tests.builders import make_pair, play
from training.tests.builders import make_agent, make_space

BUTTON = re.compile(r"<button[^>]*data-key>")

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent(client: Client) -> Agent:
    """With three pairs, and signed in."""
    agent = make_agent()
    play(agent, make_agent(engine=Engine.CODE), rounds=3)
    client.force_login(agent.owner)
    return agent


def page(client: Client, **filters: str | int) -> str:
    return client.get(f"/exports/?{urlencode(filters)}").content.decode()


def test_the_page_counts_draws_and_shows_ones_own_pairs(client: Client, agent: Agent) -> None:
    shown = page(client)
    assert ">3</span> pairs" in shown
    assert "3 tasks, 1 Space." in shown
    assert shown.count("write about cats in lowercase.") == 3
    assert 'class="draw-primary" width="100' in shown


def test_every_filter_of_the_address_is_kept_in_the_form(client: Client, agent: Agent) -> None:
    space = Space.objects.get()
    shown = page(
        client,
        spaces=space.slug,
        agents=agent.pk,
        judges="code",
        since="2026-01-31",
        least_margin="0.25",
        without_cut="on",
    )
    assert 'value="2026-01-31"' in shown
    assert 'value="0.25"' in shown
    assert f'value="{space.slug}"' in shown
    assert shown.count(" checked") == 5  # one of them: whose pairs


def test_the_part_that_follows_the_filters_is_the_same_as_on_the_page(
    client: Client, agent: Agent
) -> None:
    part = client.get("/exports/chosen/?least_margin=0.4").content.decode()
    assert ">3</span> pairs" in part
    assert "<html" not in part
    # Except the button, whose request has an id of its own.
    whole, *others = (BUTTON.sub("", one) for one in (page(client, least_margin="0.4"), part))
    assert others[0].strip() in whole


def test_what_matches_nothing_cannot_be_built(client: Client, agent: Agent) -> None:
    shown = page(client, least_margin="0.9")
    assert "No pair matches." in shown
    assert "Build the dataset" not in shown
    assert "Build the dataset" in page(client)


def test_other_formats_say_which_filters_they_know_and_count_what_they_are_made_of(
    client: Client, agent: Agent
) -> None:
    Round.objects.update(turn_limit=4)
    assert ">3</span> games" in page(client, format="episodes")
    assert "practised" in page(client, format="groups")
    shown = page(client, format="groups", least_margin="0.5")
    assert "is not chosen by least_margin" in shown
    assert "Build the dataset" not in shown


@pytest.mark.parametrize(
    ("filters", "sentence"),
    [
        ({"since": "2999-01-01"}, "The first day is still to come"),
        ({"since": "2026-02-01", "until": "2026-01-01"}, "must not come before the first"),
        ({"since": "soon"}, "Choose a day such as 2026-01-31."),
        ({"spaces": "nowhere"}, "There is no such Space."),
        ({"agents": "999999999999999999999"}, "You have no such agent."),
        ({"agents": "x" * 3_000}, "You have no such agent."),
        ({"judges": "nobody"}, "There is no such judge."),
        ({"least_margin": "2"}, "Choose a number from 0 to 1."),
        ({"least_margin": "nan"}, "Enter a number."),
        ({"least_length_difference": "-1"}, "Choose a number from 0 to 100,000."),
        ({"whose": "theirs"}, "Choose one of the two."),
        ({"format": "csv\x00"}, "There is no such format."),
        ({"container": "zip"}, "Choose one of the two."),
        ({"spaces": "\x00"}, "There is no such Space."),
        ({"until": "2026-01-01\x00"}, "Choose a day such as 2026-01-31."),
        (
            {"least_length_difference": "9", "most_length_difference": "8"},
            "The largest length difference must not be below the least.",
        ),
    ],
)
def test_a_wrong_filter_is_told_at_its_field(
    client: Client, agent: Agent, filters: dict[str, str], sentence: str
) -> None:
    shown = page(client, **filters)
    assert sentence in shown
    assert "x" * 1_000 not in shown


def test_anothers_agent_cannot_be_chosen(client: Client, agent: Agent) -> None:
    other = make_pair().agent
    shown = page(client, agents=other.pk)
    assert "You have no such agent." in shown
    assert other.name not in shown


def test_public_pairs_show_no_prompt_and_no_pair_of_a_private_space(
    client: Client, agent: Agent
) -> None:
    private = make_space()
    Space.objects.filter(pk=private.pk).update(data_licence=DataLicence.NONE)
    hidden = make_pair(space=private)
    stranger = make_agent(prompt="Mine alone.")
    play(stranger, make_agent(engine=Engine.CODE))
    shown = page(client, whose="public")
    assert ">4</span> pairs" in shown
    assert "Mine alone." not in shown
    assert hidden.chosen.text not in shown
    assert "are not public data" in page(client, whose="public", spaces=private.slug)


def test_hostile_answers_are_shown_as_text(client: Client, agent: Agent) -> None:
    Completion.objects.update(text=HOSTILE)
    shown = page(client)
    assert "<script>alert(1)" not in shown
    assert "&lt;script&gt;alert(1)" in shown


def test_datasets_are_found_from_the_menu_the_agent_and_the_space(
    client: Client, agent: Agent
) -> None:
    assert 'href="/exports/"' in client.get("/", follow=True).content.decode()
    assert (
        f'href="/exports/?agents={agent.pk}"' in client.get(f"/agents/{agent.pk}/").content.decode()
    )
    space = Space.objects.get()
    assert (
        f'href="/exports/?whose=public&amp;spaces={space.slug}"'
        in client.get(f"/spaces/{space.slug}/").content.decode()
    )
