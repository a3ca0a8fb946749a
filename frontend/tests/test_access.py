"""Every route, asked for by strangers with the owner's ids: nothing private, nothing changed.

A route that is missing from the table fails the test.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from channels.exceptions import StopConsumer
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, get_resolver, reverse

from agents.models import User
from arena.config.asgi import application
from arena.config.env import Variables
from arena.live import stream
from arena.models import MatchEvent
from frontend import urls
from frontend.drawings import draw
from frontend.tests.builders import signed_in
from frontend.tests.two_people import (
    EXPORTED,
    HOOK_URL,
    PRICE,
    PROMPT,
    SEED,
    STOP_LOSS,
    TOKEN_NAME,
    TwoPeople,
    all_rows,
    make_two_people,
)
from training.runs.moves import publish_run

pytestmark = pytest.mark.django_db


class Access(StrEnum):
    PUBLIC = "anybody may look"
    SIGNED_IN = "everybody their own, with an account"
    OWNER = "to others it does not exist"
    STAFF = "to others than the staff it does not exist"
    LINK = "to nobody without the key of a link"


ROUTES: Mapping[str, Access] = {
    "home": Access.PUBLIC,
    "how_it_works": Access.PUBLIC,
    "judges": Access.PUBLIC,
    "judge": Access.PUBLIC,
    "choose_theme": Access.PUBLIC,
    "delete_account": Access.SIGNED_IN,
    "api_tokens": Access.SIGNED_IN,
    "revoke_token": Access.OWNER,
    "webhooks": Access.SIGNED_IN,
    "webhook": Access.OWNER,
    "pause_webhook": Access.OWNER,
    "resume_webhook": Access.OWNER,
    "ping_webhook": Access.OWNER,
    "rotate_webhook": Access.OWNER,
    "delete_webhook": Access.OWNER,
    "replay_failed": Access.OWNER,
    "replay_delivery": Access.OWNER,
    "api_reference": Access.PUBLIC,
    "agents": Access.SIGNED_IN,
    "new_agent": Access.SIGNED_IN,
    "agent": Access.PUBLIC,
    "edit_agent": Access.OWNER,
    "agent_learning": Access.OWNER,
    "rename_agent": Access.OWNER,
    "activate_version": Access.OWNER,
    "train_now": Access.OWNER,
    "retire_agent": Access.OWNER,
    "autopilot": Access.OWNER,
    "autopilot_state": Access.OWNER,
    "switch_off_autopilot": Access.OWNER,
    "dismiss_autopilot": Access.OWNER,
    "agent_pairs": Access.OWNER,
    "agent_groups": Access.OWNER,
    "version_adapter": Access.OWNER,
    "upload_adapter": Access.OWNER,
    "agent_state": Access.OWNER,
    "export_file": Access.LINK,
    "spaces": Access.PUBLIC,
    "space": Access.PUBLIC,
    "owner_results": Access.PUBLIC,
    "seasons": Access.PUBLIC,
    "enter_space": Access.SIGNED_IN,
    "practise": Access.SIGNED_IN,
    "entry": Access.OWNER,
    "leave_queue": Access.OWNER,
    "duel": Access.PUBLIC,
    "leaderboard": Access.PUBLIC,
    "compare_agents": Access.PUBLIC,
    "matches": Access.PUBLIC,
    "live_matches": Access.PUBLIC,
    "match": Access.PUBLIC,
    "match_credits": Access.PUBLIC,
    "match_transcript": Access.PUBLIC,
    "round": Access.PUBLIC,
    "appeal_round": Access.OWNER,
    "run": Access.PUBLIC,
    "run_state": Access.PUBLIC,
    "run_curve": Access.PUBLIC,
    "run_manifest": Access.PUBLIC,
    "pause_run": Access.OWNER,
    "resume_run": Access.OWNER,
    "cancel_run": Access.OWNER,
    "adopt_run": Access.OWNER,
    "decline_run": Access.OWNER,
    "site": Access.STAFF,
    "room": Access.STAFF,
    "staff_judges": Access.STAFF,
    "staff_judge": Access.STAFF,
    "tournaments": Access.PUBLIC,
    "tournament": Access.PUBLIC,
    "register_agent": Access.SIGNED_IN,
    "withdraw_agent": Access.OWNER,
    "vote": Access.PUBLIC,
    "wallet": Access.SIGNED_IN,
    "judge_bounty": Access.SIGNED_IN,
    "exports": Access.SIGNED_IN,
    "own_exports": Access.SIGNED_IN,
    "build_export": Access.SIGNED_IN,
    "export": Access.OWNER,
    "repeat_export": Access.OWNER,
    "delete_export": Access.OWNER,
    "chosen_pairs": Access.SIGNED_IN,
    "playground": Access.SIGNED_IN,
    "playground_answer": Access.SIGNED_IN,
    "playground_tab": Access.SIGNED_IN,
}
# Where the owner sees what the walk looks for: if it were nowhere, the walk could not fail.
OWNERS_FIND: Mapping[str, str] = {
    "agent": PROMPT,
    "api_tokens": TOKEN_NAME,
    "webhooks": HOOK_URL,
    "webhook": HOOK_URL,
    "export": EXPORTED,
    "edit_agent": PROMPT,
    "agent_learning": str(SEED),
    "autopilot": str(STOP_LOSS),
    "playground": "Secretive",
    "run": f"{PRICE:,}",
    "run_state": f"{PRICE:,}",
}
SOCKETS = {"ws/matches/<int:pk>/", "ws/runs/<int:pk>/", ""}  # the last one closes


@pytest.fixture
def people() -> TwoPeople:
    return make_two_people()


def patterns() -> dict[str, URLPattern]:
    return {str(pattern.name): pattern for pattern in urls.urlpatterns}


def path_of(name: str, people: TwoPeople) -> str:
    """The route with the owner's ids."""
    ids: dict[str, Any] = {
        "agent_id": people.agent_id,
        "other_id": people.rivals_agent_id,
        "version_id": people.version_id,
        "entry_id": people.entry_id,
        "match_id": people.match_id,
        "run_id": people.run_id,
        "token_id": people.token_id,
        "hook_id": people.hook_id,
        "export_id": people.export_id,
        "request_id": people.entry_id,
        "delivery_id": people.delivery_id,
        "tournament_id": people.tournament_id,
        "registration_id": people.registration_id,
        "slug": "reader" if name == "staff_judge" else people.slug,
        "judge": "reader",
        "username": User.objects.get(id=people.owner_id).username,
        "number": 1,
        "key": "made-up",
        "name": "data/train-00000.jsonl",
    }
    return reverse(name, kwargs={key: ids[key] for key in patterns()[name].pattern.converters})


def form_of(people: TwoPeople) -> dict[str, Any]:
    """Fields of every form of the product, as whole as they can be with the owner's ids."""
    return {
        "agent": people.agent_id,
        "agents": people.agent_id,
        "entry_id": people.entry_id,
        "practice-agent": people.agent_id,
        "practice-key": people.entry_id,
        "fee": 10,
        "space": people.space_id,
        "name": "Taken over",
        "prompt": "Taken over.",
        "temperature": "0.5",
        "top_p": "0.5",
        "max_tokens": "16",
        "limits-spaces": people.slug,
        "limits-fee_credits": "10",
        "limits-matches": "5",
        "limits-matches_a_day": "5",
        "limits-at_once": "1",
        "limits-spend_a_day_credits": "50",
        "limits-stop_loss_credits": "50",
        "limits-adoption": "play_on",
        "amount": "5",
        "transfer_id": people.transfer_id,
    }


def asked(client: Client, method: str, name: str, people: TwoPeople) -> HttpResponse:
    path = path_of(name, people)
    response = client.get(path) if method == "GET" else client.post(path, form_of(people))
    assert isinstance(response, HttpResponse), "a stranger is never sent a download"
    return response


def test_every_route_says_who_may_see_it() -> None:
    assert set(ROUTES) == set(patterns())


def test_strangers_see_nothing_private_on_any_route_and_change_nothing(people: TwoPeople) -> None:
    chief = User.objects.create_user("chief", is_staff=True)
    visitors = {
        "anonymous": Client(),
        "rival": signed_in(people.rival_id),
        "staff": signed_in(chief.pk),
    }
    before, secrets = all_rows(), people.secrets
    for name, access in ROUTES.items():
        for who, visitor in visitors.items():
            case, is_known = f"{name}, {who}", who != "anonymous"
            # What the staff does there is in frontend/tests/judges/test_staff.py.
            methods = ("GET",) if (access, who) == (Access.STAFF, "staff") else ("GET", "POST")
            answers = [asked(visitor, method, name, people) for method in methods]
            for answer in answers:
                shown = f"{answer.headers} {answer.content.decode()}"
                assert not [secret for secret in secrets if secret in shown], case
            acted = [answer for answer in answers if answer.status_code != 405]
            assert acted, case
            match access:
                case Access.LINK:
                    assert {answer.status_code for answer in acted} == {404}, case
                case Access.STAFF if who == "staff":
                    assert {answer.status_code for answer in acted} == {200}, case
                case Access.OWNER | Access.STAFF if is_known:
                    assert {answer.status_code for answer in acted} == {404}, case
                case Access.OWNER | Access.STAFF | Access.SIGNED_IN if not is_known:
                    for answer in acted:
                        assert answer.headers["Location"].startswith("/accounts/login/"), case
                case _:
                    assert {answer.status_code for answer in acted} <= {200, 302, 422}, case
    assert all_rows() == before


def test_the_owner_is_let_in_wherever_strangers_are_not(people: TwoPeople) -> None:
    """Else a route that is broken for everybody would look as if it were closed to strangers."""
    owner = signed_in(people.owner_id)
    for name, access in ROUTES.items():
        answer = owner.get(path_of(name, people))
        if answer.status_code != 405:  # it only acts: test_access_of_verbs.py does so as the owner
            is_closed = access in (Access.STAFF, Access.LINK)
            assert (answer.status_code == 404) == is_closed, name


def test_what_is_no_page_is_known_and_closed_to_everybody_who_is_not_meant(
    people: TwoPeople, settings: Any
) -> None:
    assert [str(one.pattern) for one in get_resolver().url_patterns] == [
        "admin/",  # arena/tests/test_admin.py
        "accounts/signup/",
        "accounts/",
        "health/",
        "metrics",
        "api/v1/",  # frontend/tests/api/test_operations.py
        "v1/",  # frontend/tests/openai/
        "",
    ]
    chief = User.objects.create_user("chief", is_staff=True)
    settings.ENV = Variables(metrics_token="scrape-me")
    visitors = [Client(), *map(signed_in, (people.rival_id, people.owner_id, chief.pk))]
    assert {visitor.get("/metrics").status_code for visitor in visitors} == {401}
    for visitor in visitors[:3]:
        assert visitor.get("/admin/").status_code == 302
    for app in ("agents", "arena", "judges", "training"):  # to the staff without permissions
        assert visitors[3].get(f"/admin/{app}/").status_code in (403, 404), app
    health = Client().get("/health/").content.decode()
    assert not [secret for secret in people.secrets if secret in health]


@pytest.mark.parametrize("name", sorted(OWNERS_FIND))
def test_the_owner_finds_there_what_strangers_do_not(name: str, people: TwoPeople) -> None:
    page = asked(signed_in(people.owner_id), "GET", name, people).content.decode()
    assert OWNERS_FIND[name] in page


def test_only_the_owner_finds_balance_and_entry(people: TwoPeople) -> None:
    owner, rival = signed_in(people.owner_id), signed_in(people.rival_id)
    assert f"{people.balance:,}" in owner.get("/wallet/").content.decode()
    link = f"/entries/{people.entry_id}/"
    assert link in asked(owner, "GET", "agent", people).content.decode()
    assert link not in asked(rival, "GET", "agent", people).content.decode()


def test_who_signs_in_sees_only_their_own(people: TwoPeople) -> None:
    rival = signed_in(people.rival_id)
    for name in ("agents", "wallet", "enter_space"):
        page = rival.get(path_of(name, people), follow=True).content.decode()
        assert "Secretive" not in page, name
        assert not [secret for secret in people.secrets if secret in page], name


@pytest.mark.parametrize("name", ["autopilot_state", "own_exports", "export", "entry"])
def test_a_page_left_open_after_signing_out_is_loaded_anew_not_the_sign_in_put_into_it(
    name: str, people: TwoPeople
) -> None:
    answer = Client().get(path_of(name, people), HTTP_HX_REQUEST="true")
    assert (answer.status_code, answer.headers.get("HX-Refresh")) == (204, "true")


def test_sockets_tell_nothing_private(people: TwoPeople, monkeypatch: pytest.MonkeyPatch) -> None:
    found = application.application_mapping["websocket"].application.routes
    assert {str(one.pattern) for one in found} == SOCKETS
    sent = [stream.event_message(row) for row in MatchEvent.objects.filter(match=people.match_id)]
    assert len(sent) > 10
    sent.append(draw(people.match_id, 0).line)
    monkeypatch.setattr("training.runs.moves.publish", lambda _, line: sent.append(line))
    publish_run(people.run_id)
    assert f'"id": {people.run_id}' in sent[-1]
    assert not [secret for secret in people.secrets if secret in "\n".join(sent)]


@pytest.mark.parametrize("path", ["/ws/nothing/", "/ws/matches/abc/", f"/ws/runs/{'9' * 5_000}/"])
def test_a_socket_at_no_known_path_is_closed_without_a_fault(path: str) -> None:
    sent: list[str] = []

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message["type"])
        raise StopConsumer

    headers = [(b"origin", b"http://testserver"), (b"host", b"testserver")]
    scope = {"type": "websocket", "path": path, "headers": headers, "query_string": b""}
    async_to_sync(application)(scope, receive, send)
    assert sent == ["websocket.close"]
