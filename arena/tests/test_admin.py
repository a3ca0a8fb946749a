"""Administration: forms that catch nonsense, and closing that frees the fees."""

import html
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from agents.models import BaseModel, User
from arena.config.env import Variables
from arena.credits import ledger
from arena.environments.tests.small_games import Count
from arena.models import Entry, EntryStatus, SpaceStatus, Tournament
from arena.states import TournamentStatus
from arena.tests.builders import enter, make_agent, make_space, make_user
from arena.tests.playing import add_games
from arena.tournaments.tests.builders import make_tournament, register
from judges.endpoints.keys import opened
from judges.models import Endpoint, Judge

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def administrator(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root", "root@rlfc.invalid", "pw"))
    return client


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("environment", "chess"),
        ("environment", "reasoning/coin_flip"),  # its scorer cannot tell
        ("restricts_moves", True),  # its environment asks questions
        ("panel", []),
        ("panel", [{"judge": "code", "weight": 0}]),
        ("panel", [{"judge": "code", "weight": float("nan")}]),
        ("panel", {"judge": "code"}),
        ("panel", [{"judge": "oracle", "weight": 1.0}]),
        ("panel", [{"judge": "code", "weight": 1.0}, {"judge": "code", "weight": 2.0}]),
        ("prize_percents", [70, 20]),
        ("prize_percents", [150, -50]),
        ("prize_percents", "100"),
        ("other_fees_credits", [-1]),
        ("other_fees_credits", [10.5]),
        ("other_fees_credits", [1, 2, 3, 4, 5]),
        ("other_fees_credits", 0),
        ("prize_rule", "lottery"),
    ],
)
def test_a_space_that_matches_would_stumble_over_is_not_valid(field: str, value: Any) -> None:
    space = make_space()
    setattr(space, field, value)
    with pytest.raises(ValidationError) as caught:
        space.full_clean()
    assert field in caught.value.message_dict


def test_a_duel_has_two_seats() -> None:
    space = make_space(prize_rule="duel")
    space.full_clean()
    space.seat_count = 3
    with pytest.raises(ValidationError, match="A duel is between 2 seats"):
        space.full_clean()


def test_tasks_and_answers_of_a_space_leave_room_for_prompts() -> None:
    space = make_space(environment="debate")
    space.full_clean()
    BaseModel.objects.filter(id=space.base_model_id).update(context_tokens=1024)
    space.refresh_from_db()
    with pytest.raises(ValidationError, match="256 must be left for an agent's prompt") as caught:
        space.full_clean()
    assert "max_tokens" in caught.value.message_dict


def test_a_space_whose_game_lists_its_moves_may_restrict_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_games(monkeypatch, Count())
    space = make_space(environment="count")
    space.restricts_moves = True
    space.full_clean()


def test_closing_by_the_administrator_frees_the_fees_of_those_who_wait(
    administrator: Client,
) -> None:
    space, agent = make_space(), make_agent(make_user(credits=100))
    entry_id = enter(agent, space)
    page = administrator.post(
        reverse("admin:arena_space_changelist"),
        {"action": "close", "_selected_action": [space.id]},
        follow=True,
    )
    assert "1 waiting entries were cancelled" in page.content.decode()
    space.refresh_from_db()
    assert space.status == SpaceStatus.CLOSED
    assert Entry.objects.get(id=entry_id).status == EntryStatus.CANCELLED
    assert ledger.balance(ledger.account_of(agent.owner_id)) == ledger.Balance(100, 0)
    administrator.post(
        reverse("admin:arena_space_changelist"),
        {"action": "open", "_selected_action": [space.id]},
    )
    space.refresh_from_db()
    assert space.status == SpaceStatus.OPEN


@pytest.mark.parametrize("name", ["arena_space", "agents_basemodel", "agents_user", "judges_judge"])
def test_administration_opens_for_administrators_only(
    client: Client, administrator: Client, name: str
) -> None:
    make_space()
    url = reverse(f"admin:{name}_changelist")
    assert administrator.get(url).status_code == 200
    assert Client().get(url).status_code == 302


def test_administrators_sign_in_where_everybody_does() -> None:
    """Django's own form knows neither the second factor nor the limit on tries."""
    visitor = Client()
    for answer in (visitor.get("/admin/login/"), visitor.post("/admin/login/")):
        assert answer.headers["Location"].startswith("/accounts/login/?next=")
    visitor.force_login(make_user())
    assert visitor.get("/admin/login/").status_code == 403


def test_names_that_links_panels_and_events_use_stay_as_they_were_created(
    administrator: Client,
) -> None:
    space = make_space()
    for row in (space, Judge.objects.get(slug="code")):
        kind = row._meta.model_name
        url = reverse(f"admin:{row._meta.app_label}_{kind}_change", args=[row.pk])
        form = administrator.get(url).context["adminform"].form
        assert "slug" not in form.fields
    assert "slug" in administrator.get(reverse("admin:arena_space_add")).context["adminform"].fields


def tournament_form(**changes: Any) -> dict[str, Any]:
    values = {
        "name": "Sunday cup",
        "space": make_space().pk,
        "format": "bracket",
        "window_minutes": 60,
        "fee_credits": 10,
        "rake_percent": 10,
        "prize_percents": "[100]",
        "fewest_entrants": 4,
        "most_entrants": 16,
        "is_filled_by_house": "on",
        "day": "2099-03-29",
        "at": "18:00",
        "time_zone": "Europe/Berlin",
    }
    return values | changes


def test_a_tournament_is_announced_at_a_local_time(administrator: Client) -> None:
    path = reverse("admin:arena_tournament_add")
    assert administrator.post(path, tournament_form()).status_code == 302
    announced = Tournament.objects.get()
    assert announced.starts_at.isoformat() == "2099-03-29T16:00:00+00:00"
    change = reverse("admin:arena_tournament_change", args=[announced.pk])
    assert administrator.post(change, tournament_form(name="Other")).status_code == 403


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"day": "2020-01-01"}, "That start is in the past"),
        ({"at": "02:30"}, "go forward and skip 02:30"),
        ({"time_zone": "Europe/Atlantis"}, "There is no time zone"),
        ({"fewest_entrants": 1}, "greater than or equal to 2"),
        ({"fewest_entrants": 20}, "At least as many as the fewest entrants"),
        ({"prize_percents": "[50]"}, "add up to 100"),
        ({"space": ""}, "required"),
        ({"format": "swiss", "window_minutes": ""}, "required"),
    ],
)
def test_a_tournament_that_cannot_be_played_is_refused_with_a_sentence(
    administrator: Client, changes: dict[str, Any], sentence: str
) -> None:
    path = reverse("admin:arena_tournament_add")
    response = administrator.post(path, tournament_form(**changes))
    assert response.status_code == 200
    assert sentence in html.unescape(response.content.decode())
    assert not Tournament.objects.exists()


def test_matches_of_a_tournament_cannot_be_played_where_they_wait_or_by_three() -> None:
    waits, three = make_space(waits_for_training=True), make_space(environment="public_goods")
    for space in (waits, three):
        with pytest.raises(ValidationError) as caught:
            make_tournament(space).full_clean()
        assert "space" in caught.value.message_dict


def test_calling_a_tournament_off_returns_the_fees(administrator: Client) -> None:
    tournament = make_tournament()
    registration = register(tournament)
    data = {"action": "call_off", "_selected_action": [tournament.pk]}
    administrator.post(reverse("admin:arena_tournament_changelist"), data)
    tournament.refresh_from_db()
    assert (tournament.status, tournament.note) == (
        TournamentStatus.CANCELLED,
        "It was called off. Every fee was returned.",
    )
    assert ledger.balance(ledger.account_of(registration.user_id)).held == 0


def test_the_administration_makes_versions_of_judges_and_refuses_what_a_kind_cannot_use(
    administrator: Client,
) -> None:
    path = reverse("admin:judges_judge_add")
    values = {"name": "Reader", "slug": "reader", "kind": "poem", "config": '{"taste": 1}'}
    refused = administrator.post(path, values)
    assert "Its configuration has unknown names: taste." in refused.content.decode()
    assert administrator.post(path, values | {"config": "{}"}).status_code == 302
    judge = Judge.objects.get(slug="reader")
    change = reverse("admin:judges_judge_change", args=[judge.pk])
    changed = values | {"config": '{"relevance_cut": 0.5}'}
    assert administrator.post(change, changed).status_code == 302
    assert list(judge.versions.order_by("number").values_list("config", flat=True)) == [
        {},
        {"relevance_cut": 0.5},
    ]


def endpoint_form(**changes: Any) -> dict[str, Any]:
    values = {
        "slug": "reader",
        "url": "http://127.0.0.1:8000/v1/",
        "model": "big-reader",
        "key": "sk-very-secret",
        "timeout_seconds": 30,
        "prompt_price": "0.15",
        "completion_price": "0.6",
        "monthly_cap": "5",
        "is_active": "on",
    }
    return values | changes


def test_an_endpoints_key_goes_in_and_never_comes_out(
    administrator: Client, settings: Settings
) -> None:
    settings.ENV = Variables(outbound_allowed_hosts=["127.0.0.1:8000"])
    path = reverse("admin:judges_endpoint_add")
    assert administrator.post(path, endpoint_form()).status_code == 302
    row = Endpoint.objects.get()
    assert (row.url, opened(row.sealed_key)) == ("http://127.0.0.1:8000/v1", "sk-very-secret")
    change = reverse("admin:judges_endpoint_change", args=[row.pk])
    page = administrator.get(change).content.decode()
    assert "sk-very-secret" not in page
    assert row.sealed_key not in page
    administrator.post(change, endpoint_form(key="", timeout_seconds=40, model="other"))
    row.refresh_from_db()
    assert (row.timeout_seconds, row.model) == (40, "big-reader")
    assert opened(row.sealed_key) == "sk-very-secret"
    administrator.post(change, endpoint_form(key="", forgets_key="on"))
    row.refresh_from_db()
    assert row.sealed_key == ""


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"url": "http://127.0.0.1:5432/v1"}, "a network that is not public"),
        ({"url": "http://169.254.169.254/v1"}, "a network that is not public"),
        ({"url": "file:///etc/passwd"}, "not an address that begins with https://"),
        ({"url": "https://user:pass@judge.example/v1"}, "a user name or a password"),
        ({"key": "a\u2028b"}, "an HTTP header cannot carry"),
        ({"monthly_cap": "-1"}, "cannot be negative"),
        ({"timeout_seconds": "0"}, "at least one second"),
    ],
)
def test_an_endpoint_that_could_not_be_asked_is_refused_with_a_sentence(
    administrator: Client, settings: Settings, changes: dict[str, Any], sentence: str
) -> None:
    settings.ENV = Variables(outbound_allowed_hosts=["127.0.0.1:8000"])
    page = administrator.post(reverse("admin:judges_endpoint_add"), endpoint_form(**changes))
    assert sentence in page.content.decode()
    assert not Endpoint.objects.exists()
