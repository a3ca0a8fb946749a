"""Administration: forms that catch nonsense, and closing that frees the fees."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from agents.models import User
from arena.credits import ledger
from arena.environments.tests.small_games import Count
from arena.models import Entry, EntryStatus, SpaceStatus
from arena.tests.builders import enter, make_agent, make_space, make_user
from arena.tests.playing import add_games
from judges.models import Judge

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
