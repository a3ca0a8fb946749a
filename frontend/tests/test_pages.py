"""Who sees what: every public page for everybody, and an owner's own things for nobody else."""

import re
import uuid

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from agents.models import Agent, AgentVersion, User
from arena.environments import ENVIRONMENTS
from arena.environments.base import EnvironmentFault
from arena.matches import play
from arena.models import Completion, DifficultyTally, Match
from arena.tests.builders import (
    enter,
    make_agent,
    make_match,
    make_space,
    make_user,
    play_round,
)
from arena.tests.ladder import Ladder
from frontend import drawings
from frontend.tests.builders import (
    HOSTILE,
    make_pair,
    make_run,
    running_match,
    settled_match,
)

pytestmark = pytest.mark.django_db

PUBLIC = ["/", "/how-it-works/", "/spaces/", "/matches/", "/matches/live/", "/accounts/login/",
          "/accounts/signup/", "/accounts/password/reset/"]  # fmt: skip
OWN = ["/agents/", "/agents/new/", "/wallet/", "/accounts/email/", "/accounts/2fa/",
       "/accounts/password/change/", "/accounts/2fa/totp/activate/"]  # fmt: skip


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def first_agent(match: Match) -> Agent:
    return match.seats.select_related("agent__owner").get(index=0).agent


@pytest.mark.parametrize("path", PUBLIC)
def test_public_pages_need_no_account(client: Client, path: str) -> None:
    settled_match()
    assert client.get(path).status_code == 200


def test_a_space_of_several_difficulties_shows_a_task_of_each_pool(client: Client) -> None:
    space = make_space(environment="reasoning/chain_sum")
    for difficulty, solved in enumerate((10, 5, 0)):
        DifficultyTally.objects.create(
            space=space,
            environment=space.environment,
            difficulty=difficulty,
            asked=10,
            solved=solved,
            rating_sum=250,
        )
    page = client.get(f"/spaces/{space.slug}/").text
    shown = re.findall(r"(easy|frontier|hard), level (\d+)", page)
    assert [pool for pool, _ in shown] == ["easy", "frontier", "hard"]
    assert int(shown[0][1]) < int(shown[2][1])
    assert client.get(f"/spaces/{space.slug}/").text.count("What the tasks are like") == 1


def test_a_space_whose_environment_fails_has_a_page_without_its_tasks(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(Ladder):
        @property
        def difficulty_count(self) -> int:  # type: ignore[override]
            raise EnvironmentFault("Its process ended.")

    monkeypatch.setitem(ENVIRONMENTS._known, "ladder", Broken())
    page = client.get(f"/spaces/{make_space(environment='ladder').slug}/")
    assert page.status_code == 200
    assert "How hard the tasks are" not in page.text


def test_a_space_says_whether_coded_seats_teach(client: Client) -> None:
    coded, models = make_space(), make_space(has_coded_seats=False)
    page = client.get(f"/spaces/{coded.slug}/").content.decode()
    assert "at most one</dd>" in page
    assert "what share of a run&rsquo;s better answers may come from it: half, unless" in page
    page = client.get(f"/spaces/{models.slug}/").content.decode()
    assert "none</dd>" in page
    assert "No seat answers by code" in page


@pytest.mark.parametrize("path", OWN)
def test_own_pages_ask_for_a_sign_in_and_then_show(client: Client, path: str) -> None:
    assert client.get(path).status_code == 302
    assert signed_in(make_user()).get(path).status_code in {200, 302}


@pytest.mark.parametrize("path", ["/agents/", "/agents/new/", "/wallet/"])
def test_own_pages_show_for_a_new_user(path: str) -> None:
    make_space()
    assert signed_in(make_user()).get(path).status_code == 200


def test_home_sends_a_signed_in_user_to_their_agents() -> None:
    assert signed_in(make_user()).get("/").headers["Location"] == "/agents/"


def test_pages_of_a_settled_match_show_for_everybody(client: Client) -> None:
    match = settled_match()
    agent = first_agent(match)
    run = make_run(agent, match.space)
    paths = [
        f"/matches/{match.id}/",
        f"/matches/{match.id}/?round=2",
        f"/matches/{match.id}/?round=99",
        f"/matches/{match.id}/rounds/1/",
        f"/spaces/{match.space.slug}/",
        f"/matches/?space={match.space.slug}",
        f"/matches/?before={match.id}",
        f"/agents/{agent.id}/",
        f"/runs/{run.id}/",
        f"/runs/{run.id}/state/",
        f"/runs/{run.id}/curve.json",
        f"/runs/{run.id}/manifest.json",
    ]
    for visitor in (client, signed_in(make_user()), signed_in(agent.owner)):
        for path in paths:
            assert visitor.get(path).status_code == 200, path


def test_a_settled_match_explains_every_credit(client: Client) -> None:
    match = settled_match()
    page = client.get(f"/matches/{match.id}/").content.decode()
    assert "pool 20 = arena 2 + prizes 18" in page
    assert "70% of the pot for rank 1" in page
    assert page.count("Entry fee, ") == 2


def test_a_running_match_shows_the_newest_round_and_streams(client: Client) -> None:
    match = running_match()
    page = client.get(f"/matches/{match.id}/").content.decode()
    assert f'data-seq="{match.seq}" data-live="yes"' in page
    assert 'id="match-round" data-round="2"' in page
    assert page.count("data-streaming") == 2
    assert "data-chunks" not in page


def test_a_run_in_progress_shows_its_step(client: Client) -> None:
    match = settled_match()
    run = make_run(first_agent(match), match.space, status="training", gate={})
    page = client.get(f"/runs/{run.id}/").content.decode()
    assert "Step 2 of 4" in page
    assert 'data-final="no"' in page


@pytest.mark.parametrize(
    "path",
    ["/matches/9/", "/matches/9/rounds/1/", "/matches/9/rounds/0/", "/agents/9/", "/runs/9/",
     "/spaces/none/", "/matches/99999999999999999999999/", "/agents/99999999999999999999999/",
     "/runs/9/curve.json"],
)  # fmt: skip
def test_what_does_not_exist_is_a_404(client: Client, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    "query",
    ["?space=%00", "?space=<script>", "?before=%00", "?before=-1", "?before=9" * 40, "?before=²"],
)
def test_odd_filters_are_ignored(client: Client, query: str) -> None:
    assert client.get("/matches/" + query).status_code == 200


@pytest.mark.parametrize("agent", ["9" * 5000, "x", "²", "-1"])
def test_an_odd_choice_of_agent_is_ignored(agent: str) -> None:
    path = f"/spaces/{make_space().slug}/?agent={agent}"
    assert signed_in(make_agent().owner).get(path).status_code == 200


def test_who_signs_in_after_a_click_comes_back_to_the_page_of_the_form(client: Client) -> None:
    """A form cannot be sent from the sign-in page: its own address would answer 405."""
    path = f"/spaces/{make_space().slug}/"
    response = client.post(f"{path}enter/", headers={"Referer": f"http://testserver{path}"})
    assert response.headers["Location"] == f"/accounts/login/?next={path}"
    refused = client.post(f"{path}enter/", headers={"Referer": f"http://testserver{path}enter/"})
    assert refused.headers["Location"] == f"/accounts/login/?next={path}enter/"
    user = signed_in(make_user())
    assert user.get(f"{path}enter/").headers["Location"] == path
    response = client.post(f"{path}enter/", headers={"Referer": "http://["})
    assert response.headers["Location"] == "/accounts/login/?next=/"
    response = client.get("/wallet/?before=x")
    assert response.headers["Location"] == "/accounts/login/?next=/wallet/%3Fbefore%3Dx"


@pytest.mark.parametrize("query", ["?before=x", "?before=2026-13-99T00:00:00Z", "?before=%00"])
def test_odd_statement_positions_are_ignored(query: str) -> None:
    assert signed_in(make_user()).get("/wallet/" + query).status_code == 200


def test_others_never_see_prompts_or_pairs(client: Client) -> None:
    match = settled_match()
    agent = first_agent(match)
    make_pair(agent, match)
    assert agent.current_version is not None
    secret = "Answer."
    assert agent.current_version.prompt == secret
    version_prompt = f">{secret}</p>"
    owner_page = signed_in(agent.owner).get(f"/agents/{agent.id}/").content.decode()
    assert version_prompt in owner_page
    assert "Download 1 pair<" in owner_page
    for visitor in (client, signed_in(make_user())):
        page = visitor.get(f"/agents/{agent.id}/").content.decode()
        assert version_prompt not in page
        assert "pairs.jsonl" not in page


def test_a_round_says_what_was_cut_off_and_what_could_not_be_compared(client: Client) -> None:
    match = make_match()
    play.start_match(match.id)
    play_round(match, 1, scores={0: 0.5, 1: 0.5}, comparisons={})
    page = client.get(reverse("round", kwargs={"match_id": match.id, "number": 1}))
    assert (
        "Code could read 0 of 1 comparisons; the others count for nobody." in page.content.decode()
    )
    assert "Cut off" not in page.content.decode()
    Completion.objects.filter(round__match=match, seat__index=1).update(finish_reason="length")
    drawings.fragments.clear()  # no event says so
    again = client.get(reverse("round", kwargs={"match_id": match.id, "number": 1}))
    assert again.content.decode().count("Cut off at the maximum length.") == 1


def test_only_the_owner_reaches_an_agents_workshop() -> None:
    agent = make_agent(make_user())
    stranger = signed_in(make_user())
    version = agent.current_version_id
    for name in (
        "edit_agent",
        "agent_learning",
        "rename_agent",
        "retire_agent",
        "agent_pairs",
        "agent_state",
    ):
        path = reverse(name, kwargs={"agent_id": agent.id})
        assert stranger.get(path).status_code == 404, path
        # Without pairs, the owner is told so on the agent's page.
        expected = 302 if name == "agent_pairs" else 200
        assert signed_in(agent.owner).get(path).status_code == expected, path
    for path in (
        reverse("activate_version", kwargs={"agent_id": agent.id, "version_id": version}),
        reverse("train_now", kwargs={"agent_id": agent.id}),
        reverse("retire_agent", kwargs={"agent_id": agent.id}),
    ):
        assert stranger.post(path, {"space": "1"}).status_code == 404, path


def test_only_the_owner_reaches_an_entry() -> None:
    agent = make_agent(make_user(credits=50))
    entry_id = enter(agent, make_space())
    assert signed_in(make_user()).get(f"/entries/{entry_id}/").status_code == 404
    assert signed_in(agent.owner).get(f"/entries/{entry_id}/").status_code == 200
    assert signed_in(agent.owner).get(f"/entries/{uuid.uuid4()}/").status_code == 404


def test_a_seated_entry_leads_to_its_match() -> None:
    match = settled_match()
    entry = match.entries.select_related("user").first()
    assert entry is not None
    client = signed_in(entry.user)
    assert client.get(f"/entries/{entry.id}/").headers["Location"] == f"/matches/{match.id}/"
    fragment = client.get(f"/entries/{entry.id}/", headers={"HX-Request": "true"})
    assert fragment.headers["HX-Leave-For"] == f"/matches/{match.id}/"


def test_a_retired_agent_can_be_looked_at_and_not_changed() -> None:
    agent = make_agent(make_user())
    client = signed_in(agent.owner)
    assert client.post(f"/agents/{agent.id}/retire/").status_code == 302
    Agent.objects.update(is_training_enabled=False)
    page = client.get(f"/agents/{agent.id}/")
    assert page.status_code == 200
    for path in (f"/agents/{agent.id}/edit/", f"/agents/{agent.id}/learning/"):
        assert path not in page.content.decode()
        assert client.get(path).status_code == 404
    assert client.post(f"/agents/{agent.id}/edit/", {"prompt": "x"}).status_code == 404


def test_untrusted_text_is_never_markup(client: Client) -> None:
    match = settled_match(text=HOSTILE)
    agent = first_agent(match)
    Agent.objects.filter(id=agent.id).update(name=HOSTILE[:60])
    run = make_run(agent, match.space, reason=HOSTILE)
    owner = signed_in(agent.owner)
    for path in (
        f"/matches/{match.id}/",
        f"/matches/{match.id}/rounds/1/",
        f"/runs/{run.id}/",
        f"/agents/{agent.id}/",
        f"/agents/{agent.id}/edit/",
        f"/spaces/{match.space.slug}/",
        "/matches/",
        "/agents/",
        "/wallet/",
    ):
        page = owner.get(path).content.decode()
        assert "<script>alert" not in page, path
        assert "<img src=x" not in page, path
        assert "14</textarea>" not in page, path
    assert (
        "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7|add:7 }}"
        in client.get(f"/matches/{match.id}/").content.decode()
    )


@pytest.mark.parametrize("path", ["/", "/matches/", "/accounts/login/", "/nowhere/"])
def test_pages_carry_a_policy_without_inline_code(client: Client, path: str) -> None:
    response = client.get(path)
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    page = response.content.decode()
    assert " style=" not in page
    assert " onclick=" not in page
    assert "<style" not in page


def test_the_number_of_queries_does_not_grow_with_the_lists(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    space = make_space()
    for _ in range(6):
        settled_match(space)
    with django_assert_max_num_queries(9):
        client.get("/matches/")
    with django_assert_max_num_queries(14):
        client.get(f"/spaces/{space.slug}/")
    with django_assert_max_num_queries(12):
        client.get("/")


def test_the_number_of_queries_does_not_grow_with_the_agents(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    owner = make_user()
    for _ in range(8):
        make_agent(owner)
    client = signed_in(owner)
    with django_assert_max_num_queries(18):
        client.get("/agents/")


def test_the_theme_is_kept_in_a_cookie_and_drawn_at_the_first_render(client: Client) -> None:
    response = client.post("/theme/", {"theme": "dark"}, headers={"Referer": "http://x/matches/"})
    assert response.headers["Location"] == "/matches/"
    assert 'data-theme="ember"' in client.get("/").content.decode()
    client.post("/theme/", {"theme": '"><script>'})
    assert 'data-theme="ember"' in client.get("/").content.decode()


@pytest.mark.parametrize("referer", ["http://x//evil.example/", "http://["])
def test_the_theme_switch_never_leads_off_the_site(client: Client, referer: str) -> None:
    response = client.post("/theme/", {"theme": "light"}, headers={"Referer": referer})
    assert response.headers["Location"] == "/"


def test_versions_are_paged(client: Client) -> None:
    agent = make_agent()
    first = agent.current_version
    assert first is not None
    for number in range(2, 46):
        AgentVersion.objects.create(
            agent=agent, number=number, prompt="x", sampling=first.sampling, origin="edited",
            parent=first,
        )  # fmt: skip
    seen: list[int] = []
    path = f"/agents/{agent.id}/"
    for _ in range(3):
        page = client.get(path).content.decode()
        seen += map(int, re.findall(r'<span class="font-semibold">v(\d+)</span>', page))
        path = f"/agents/{agent.id}/?before={seen[-1]}"
    assert seen == list(range(45, 0, -1))
    assert "Earlier versions" not in page
    assert "Newest" in page
    for nonsense in ("%00", "-1", "9" * 40, "²"):
        assert client.get(f"/agents/{agent.id}/?before={nonsense}").status_code == 200
