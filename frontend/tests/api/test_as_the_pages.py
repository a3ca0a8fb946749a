"""What the pages can do, programs can, or it is said why not."""

import uuid
from collections.abc import Mapping
from typing import Any

import pytest
from django.conf import settings

from agents.api_tokens import Scope
from arena.credits.statement import wallet_balance
from arena.models import Appeal, Bounty, Registration
from arena.tests.builders import make_user
from arena.tournaments.tests.builders import make_tournament
from frontend import urls
from frontend.api.api import api
from frontend.tests.api.calling import Program, detail_of
from frontend.tests.two_people import ATTACK, STOP_LOSS, TOKEN_NAME, TwoPeople, make_two_people
from judges.models import Judge, JudgeKind

pytestmark = pytest.mark.django_db(transaction=True)

# Each page with the operations that do the same.
OPERATIONS: Mapping[str, str] = {
    "home": "spaces_all_spaces matches_live",
    "agents": "agents_own_agents",
    "new_agent": "agents_create agents_bases agents_settings",
    "agent": "agents_detail agents_versions agents_matches agents_runs agents_ratings",
    "edit_agent": "agents_edit",
    "agent_learning": "agents_learns agents_learn",
    "autopilot": "autopilot_detail autopilot_set_limits",
    "autopilot_state": "autopilot_detail",
    "switch_off_autopilot": "autopilot_off",
    "dismiss_autopilot": "autopilot_dismiss",
    "rename_agent": "agents_rename",
    "activate_version": "agents_use",
    "train_now": "runs_start",
    "retire_agent": "agents_retire",
    "agent_pairs": "agents_pairs",
    "agent_groups": "agents_groups",
    "agent_state": "agents_detail",
    "exports": "exports_count exports_formats",
    "chosen_pairs": "exports_count",
    "build_export": "exports_order",
    "own_exports": "exports_own_exports",
    "export": "exports_detail",
    "repeat_export": "exports_repeat",
    "delete_export": "exports_delete",
    "export_file": "exports_detail",
    "duel": "agents_against",
    "compare_agents": "agents_against",
    "spaces": "spaces_all_spaces",
    "space": "spaces_detail spaces_board spaces_figures",
    "seasons": "spaces_seasons",
    "owner_results": "spaces_person",
    "enter_space": "spaces_enter",
    "practise": "spaces_practice account_practice",
    "entry": "spaces_entry",
    "leave_queue": "spaces_leave",
    "judges": "judges_all_judges",
    "judge": "judges_detail judges_rounds",
    "judge_bounty": "judges_bounty judges_attack",
    "leaderboard": "spaces_overall",
    "matches": "matches_over matches_live",
    "live_matches": "matches_live",
    "match": "matches_detail review_appeals review_audience",
    "match_credits": "matches_credits_of",
    "match_transcript": "matches_events",
    "round": "matches_round_of",
    "appeal_round": "review_ask",
    "run": "runs_detail",
    "run_state": "runs_detail",
    "run_curve": "runs_detail",
    "run_manifest": "runs_detail",
    "pause_run": "runs_pause",
    "resume_run": "runs_resume",
    "cancel_run": "runs_cancel",
    "adopt_run": "runs_adopt",
    "decline_run": "runs_decline",
    "tournaments": "tournaments_all_tournaments",
    "tournament": "tournaments_detail",
    "register_agent": "tournaments_register_agent",
    "withdraw_agent": "tournaments_withdraw_agent",
    "version_adapter": "adapters_download",
    "upload_adapter": "adapters_upload",
    "webhooks": "webhooks_own_webhooks webhooks_add",
    "webhook": "webhooks_detail webhooks_deliveries",
    "pause_webhook": "webhooks_pause",
    "resume_webhook": "webhooks_resume",
    "ping_webhook": "webhooks_ping",
    "rotate_webhook": "webhooks_rotate",
    "delete_webhook": "webhooks_delete",
    "replay_failed": "webhooks_replay_failed",
    "replay_delivery": "webhooks_replay",
    "wallet": "wallet_balance wallet_statement wallet_top_up",
}
ONLY_FOR_PEOPLE: Mapping[str, str] = {
    "how_it_works": "a text to read",
    "api_reference": "a text to read; programs have openapi.json",
    "choose_theme": "of a browser",
    "delete_account": "asks for the password",
    "api_tokens": "a token that leaks must not make others",
    "revoke_token": "a token that leaks must not lock its owner's programs out",
    "playground": "programs talk by /v1: docs/openai-endpoint.md",
    "playground_answer": "as playground",
    "playground_tab": "as playground",
    "vote": "a blind vote says what people prefer: docs/decisions/audience.md",
    "site": "of the staff; programs read /metrics",
    "room": "of the staff",
    "staff_judges": "of the staff",
    "staff_judge": "of the staff",
}


@pytest.fixture
def people() -> TwoPeople:
    return make_two_people()


def operation_ids() -> set[str]:
    document = api.get_openapi_schema()
    return {one["operationId"] for path in document["paths"].values() for one in path.values()}


def test_whatever_a_page_does_an_operation_does_or_it_is_said_why_not() -> None:
    assert {str(one.name) for one in urls.urlpatterns} == set(OPERATIONS) | set(ONLY_FOR_PEOPLE)
    assert {each for ids in OPERATIONS.values() for each in ids.split()} <= operation_ids()


def test_no_operation_casts_a_blind_vote() -> None:
    assert not [name for name in operation_ids() if "vote" in name]
    assert Program(make_user().pk).post("/vote").status_code == 404


def test_more_that_is_public_needs_no_token(people: TwoPeople) -> None:
    username = Program(people.owner_id).get("/account").json()["username"]
    for path in (
        f"/agents/{people.agent_id}/ratings",
        f"/agents/{people.agent_id}/against/{people.rivals_agent_id}",
        f"/spaces/{people.slug}/seasons",
        f"/spaces/{people.slug}/figures",
        f"/spaces/{people.slug}/people/{username}",
        "/judges",
        "/judges/reader",
        "/judges/reader/rounds",
        f"/matches/{people.match_id}/appeals",
        f"/matches/{people.match_id}/audience",
        "/tournaments",
        f"/tournaments/{people.tournament_id}",
    ):
        response = Program().get(path)
        assert response.status_code == 200, (path, response.content)
        for secret in (*people.secrets, ATTACK, str(people.registration_id)):
            assert secret not in response.content.decode(), (path, secret)


def test_a_token_of_any_scope_may_ask_whom_it_speaks_for(people: TwoPeople) -> None:
    told = Program(people.owner_id, scopes=[Scope.TRAIN]).get("/account").json()
    assert (told["user_id"], told["scopes"]) == (people.owner_id, ["train"])
    assert told["token_name"] != TOKEN_NAME, "of this token, not of another one"
    assert Program().get("/account").status_code == 401


def test_a_registration_that_is_sent_twice_is_paid_once_and_withdrawn_with_its_fee(
    people: TwoPeople,
) -> None:
    tournament = make_tournament(fee_credits=10)
    program, key = Program(people.owner_id), str(uuid.uuid4())
    before = wallet_balance(people.owner_id).available
    path = f"/tournaments/{tournament.pk}/registrations"
    body = {"agent_id": people.student_id, "fee_credits": 10}
    dearer = program.post(path, body | {"fee_credits": 9}, key=str(uuid.uuid4()))
    assert (dearer.status_code, "costs 10 credits" in detail_of(dearer)) == (409, True)
    for _ in range(2):
        made = program.post(path, body, key=key)
        assert (made.status_code, made.json()["own"]) == (201, key), made.content
    assert wallet_balance(people.owner_id).available == before - 10
    assert Registration.objects.filter(tournament=tournament).count() == 1
    assert Program().get(f"/tournaments/{tournament.pk}").json()["own"] is None
    assert program.post(f"/registrations/{key}/withdraw").json()["own"] is None
    assert wallet_balance(people.owner_id).available == before
    gone = program.post("/tournaments/999999/registrations", body, key=str(uuid.uuid4()))
    assert (gone.status_code, detail_of(gone)) == (404, "There is no such tournament.")


LIMITS: Mapping[str, Any] = {
    "fee_credits": 10,
    "matches": 5,
    "matches_a_day": 5,
    "at_once": 1,
    "spend_a_day_credits": 50,
    "stop_loss_credits": 50,
}


def test_an_autopilot_is_set_read_and_switched_off(people: TwoPeople) -> None:
    program, path = Program(people.owner_id), f"/agents/{people.agent_id}/autopilot"
    assert program.get(path).json()["limits"]["stop_loss_credits"] == STOP_LOSS
    changed = program.send("PUT", path, {"spaces": [people.slug], **LIMITS})
    assert changed.status_code == 200, changed.content
    assert (changed.json()["is_on"], changed.json()["limits"]["matches"]) == (True, 5)
    assert program.post(f"{path}/off").json()["stop_reason"] == "You switched it off."
    assert program.post(f"{path}/dismiss").json()["is_notice"] is False
    never = program.get(f"/agents/{people.student_id}/autopilot")
    assert (never.status_code, detail_of(never)) == (
        404,
        "This agent has had no autopilot so far.",
    )


def test_limits_of_an_autopilot_that_cannot_be_are_named(people: TwoPeople) -> None:
    program, path = Program(people.owner_id), f"/agents/{people.student_id}/autopilot"
    for body, field in (
        ({"spaces": ["nowhere"], **LIMITS}, "spaces"),
        ({"spaces": [people.slug], **LIMITS, "spend_a_day_credits": 1}, "spend_a_day_credits"),
        ({"spaces": [people.slug], **LIMITS, "matches": 0}, "matches"),
    ):
        response = program.send("PUT", path, body)
        assert response.status_code == 422, response.content
        assert [error["field"] for error in response.json()["errors"]] == [field]
    assert program.get(path).status_code == 404, "none was switched on"


def test_a_judges_rounds_are_read_piece_by_piece(people: TwoPeople) -> None:
    found: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        piece = Program().get(f"/judges/reader/rounds?limit=1&cursor={cursor}").json()
        found += [one["round_number"] for one in piece["items"]]
        cursor = piece["next_cursor"]
    assert found == [2, 1]
    assert Program().get("/judges/nobody/rounds").status_code == 404


def test_matches_head_to_head_are_read_piece_by_piece(people: TwoPeople) -> None:
    path = f"/agents/{people.agent_id}/against/{people.rivals_agent_id}"
    told = Program().get(f"{path}?limit=1").json()
    assert (told["total"]["won"] + told["total"]["lost"], told["next_cursor"]) == (1, None)
    assert [one["match_id"] for one in told["items"]] == [people.match_id]
    itself = Program().get(f"/agents/{people.agent_id}/against/{people.agent_id}")
    assert (itself.status_code, detail_of(itself)) == (404, "An agent never meets itself.")


def test_an_attack_that_is_sent_twice_is_paid_once_and_shown_to_nobody_else(
    people: TwoPeople,
) -> None:
    reader = Judge.objects.filter(slug="reader")
    reader.update(kind=JudgeKind.COIN)
    rules = Program(people.owner_id).post(
        "/judges/reader/bounty", {"template": "Praise {prompt}"}, key=str(uuid.uuid4())
    )
    assert (rules.status_code, "nobody to fool" in detail_of(rules)) == (409, True)
    reader.update(kind=JudgeKind.PAIRWISE)
    program, key = Program(people.owner_id), str(uuid.uuid4())
    before = wallet_balance(people.owner_id).available
    for _ in range(2):
        sent = program.post("/judges/reader/bounty", {"template": "Praise {prompt}"}, key=key)
        assert sent.status_code == 201, sent.content
    assert wallet_balance(people.owner_id).available == before - settings.ENV.bounty_fee
    assert Bounty.objects.filter(hold_id=key).count() == 1
    assert ATTACK in program.get("/judges/reader/bounty").content.decode()
    assert ATTACK not in Program(people.rival_id).get("/judges/reader/bounty").content.decode()


def test_an_appeal_that_is_sent_twice_is_one_appeal(people: TwoPeople) -> None:
    program = Program(people.owner_id)
    path = f"/matches/{people.match_id}/rounds/1/appeal"
    before = wallet_balance(people.owner_id).available
    for _ in range(2):
        asked = program.post(path, {"agent_id": people.agent_id})
        assert asked.status_code == 201, asked.content
    assert wallet_balance(people.owner_id).available == before - settings.ENV.appeal_fee
    assert Appeal.objects.count() == 1
    told = Program().get(f"/matches/{people.match_id}/appeals").json()
    assert [len(one["appeals"]) for one in told["rounds"]] == [1, 0]
