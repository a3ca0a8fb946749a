"""What programs get, and what they are told when they do not."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents.api_tokens import Scope, revoke_token
from agents.models import Agent, BaseModel
from arena.credits.statement import wallet_balance
from arena.models import Entry, Match
from arena.tests.builders import make_agent, make_base_model, make_space, make_user
from frontend.api import edge
from frontend.tests.api.calling import Program, detail_of, only_token
from frontend.tests.two_people import PROMPT, TwoPeople, all_rows, make_two_people
from training.models import Export, TrainingRun
from training.states import ExportState

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def people() -> TwoPeople:
    return make_two_people()


def test_what_is_public_needs_no_token(people: TwoPeople) -> None:
    anybody = Program()
    for path in (
        "/spaces",
        "/matches",
        "/matches/live",
        "/leaderboard",
        f"/spaces/{people.slug}",
        f"/spaces/{people.slug}/leaderboard",
        f"/agents/{people.agent_id}",
        f"/agents/{people.agent_id}/versions",
        f"/agents/{people.agent_id}/matches",
        f"/agents/{people.agent_id}/runs",
        f"/matches/{people.match_id}",
        f"/matches/{people.match_id}/rounds/1",
        f"/matches/{people.match_id}/credits",
        f"/runs/{people.run_id}",
        "/agents/base-models",
        "/agents/learning",
    ):
        response = anybody.get(path)
        assert response.status_code == 200, (path, response.content)
        for secret in people.secrets:
            assert secret not in response.content.decode(), (path, secret)


def test_only_its_owners_token_reads_a_prompt(people: TwoPeople) -> None:
    path = f"/agents/{people.agent_id}/versions"
    assert PROMPT in Program(people.owner_id).get(path).content.decode()
    for other in (
        Program(people.rival_id),
        Program(people.owner_id, scopes=[Scope.AGENTS]),  # may write, but not read
    ):
        assert PROMPT not in other.get(path).content.decode()


def test_a_token_does_only_what_its_scopes_say(people: TwoPeople) -> None:
    reader = Program(people.owner_id, scopes=[Scope.READ])
    response = reader.post(f"/agents/{people.agent_id}/retire")
    assert response.status_code == 403
    assert "lacks the scope \u201cagents\u201d" in detail_of(response)
    assert Agent.objects.get(id=people.agent_id).retired_at is None


def test_a_token_that_may_only_read_orders_and_deletes_no_export(people: TwoPeople) -> None:
    reader = Program(people.owner_id, scopes=[Scope.READ])
    assert reader.get("/exports").status_code == 200
    for response in (
        reader.post("/exports", {"selection": {}}),
        reader.post("/exports/1/repeat"),
        reader.send("DELETE", "/exports/1"),
    ):
        assert response.status_code == 403
        assert "lacks the scope \u201cexport\u201d" in detail_of(response)


def test_the_links_of_an_export_are_for_tokens_that_may_read() -> None:
    owner, key = make_user(), str(uuid.uuid4())
    new = {"format": "preference", "container": "jsonl", "selection": {}}
    ordering = Program(owner.pk, [Scope.EXPORT])
    export_id = ordering.post("/exports", new, key=key).json()["export"]["export_id"]
    Export.objects.filter(id=export_id).update(
        state=ExportState.WHOLE,
        expires_at=timezone.now() + timedelta(days=1),
        files=[{"name": "pairs.jsonl", "rows": 1, "size_bytes": 1, "sha256": "0" * 64}],
    )
    for program, count in ((ordering, 0), (Program(owner.pk, [Scope.EXPORT, Scope.READ]), 1)):
        told = program.post("/exports", new, key=key).json()
        assert (len(told["files"]), bool(told["archive_url"])) == (count, bool(count))


def test_without_a_valid_token_nothing_private_is_told() -> None:
    user = make_user()
    program = Program(user.pk)
    assert program.get("/wallet").status_code == 200
    revoke_token(user.pk, token_id=only_token(user.pk).pk)
    for caller in (Program(), program, Program.with_token("rlfc_made-up"), Program.with_token("")):
        response = caller.get("/wallet")
        assert response.status_code == 401
        assert response["WWW-Authenticate"] == "Bearer"


def test_a_token_that_is_not_valid_is_told_so_where_none_is_needed() -> None:
    assert Program.with_token("rlfc_made-up").get("/spaces").status_code == 401


def test_another_persons_agent_looks_as_if_it_did_not_exist(people: TwoPeople) -> None:
    rival = Program(people.rival_id)
    rival.get("/wallet")  # the token's first use is noted
    before = all_rows()
    for response in (
        rival.post(f"/agents/{people.agent_id}/retire"),
        rival.get(f"/entries/{people.entry_id}"),
        rival.post(f"/runs/{people.run_id}/adopt"),
        rival.post(f"/agents/{people.agent_id}/versions", {"prompt": "Taken over."}),
    ):
        assert response.status_code == 404, response.content
    assert all_rows() == before


def test_an_agent_is_made_edited_and_retired() -> None:
    make_base_model()
    program = Program(make_user().pk)
    made = program.post("/agents", {"name": "Ada", "prompt": "Answer in one line."})
    assert made.status_code == 201, made.content
    path = f"/agents/{made.json()['id']}"
    edited = program.post(f"{path}/versions", {"prompt": "Answer.", "sampling": {"top_p": 0.5}})
    assert edited.json() == {"version": 2}
    assert program.send("PUT", f"{path}/name", {"name": "Ada II"}).status_code == 200
    learning = {"is_training_enabled": False, "settings": {"method": "dpo", "rank": 8}}
    assert program.send("PUT", f"{path}/learning", learning).json()["settings"]["rank"] == 8
    (card,) = program.get("/agents").json()
    assert (card["name"], card["version_number"]) == ("Ada II", 2)
    (newer, older) = program.get(f"{path}/versions").json()["items"]
    assert (newer["sampling"]["top_p"], older["prompt"]) == (0.5, "Answer in one line.")
    assert program.post(f"{path}/retire").status_code == 204
    assert program.post(f"{path}/retire").status_code == 404


@pytest.mark.parametrize(
    ("body", "field", "sentence"),
    [
        ({"name": "A", "prompt": "x", "sampling": {"temperature": 9}}, "sampling.temperature", ""),
        ({"name": "A\x00", "prompt": "x"}, "name", "Remove the NUL characters"),
        ({"name": "A", "prompt": "a\x00b"}, "prompt", "Remove the NUL characters"),
        ({"name": "A\ud800", "prompt": "x"}, "name", "unicode"),
        ({"name": "A", "prompt": "x" * 10_000}, "prompt", ""),
        ({"name": "A"}, "prompt", "Field required."),
        ({"name": "A", "prompt": "x", "learning": {"rank": 10**6}}, "rank", ""),
        ({"name": "A", "prompt": "x", "learning": {"speed": 1}}, "speed", "There is no training"),
        ({"name": "A", "prompt": "x", "learning": {"\ud800": 1}}, "\ud800", "There is no training"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(
    body: dict[str, Any], field: str, sentence: str
) -> None:
    make_base_model()
    response = Program(make_user().pk).post("/agents", body)
    assert response.status_code == 422, response.content
    (error,) = response.json()["errors"]
    assert error["field"] == field
    assert sentence in error["message"]


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'"x"', b"\xff", b'{"name": "\\ud800"}', b"NaN"])
def test_a_body_that_is_not_what_is_expected_is_refused(raw: bytes) -> None:
    response = Program(make_user().pk).send("POST", "/agents", raw=raw)
    assert response.status_code in (400, 422)
    assert detail_of(response)


def entering(user_id: int) -> tuple[Program, dict[str, Any], Callable[[], int]]:
    """A program of a user with 100 credits, what it sends to enter for 10, and what is left."""
    space = make_space(entry_fee_credits=10)
    agent = make_agent(None)
    Agent.objects.filter(pk=agent.pk).update(owner_id=user_id)
    body = {"agent_id": agent.pk, "space": space.slug}
    return Program(user_id), body, lambda: wallet_balance(user_id).available


def test_an_entry_that_is_sent_twice_is_paid_once() -> None:
    program, body, left = entering(make_user(credits=100).pk)
    key = str(uuid.uuid4())
    first, second = (program.post("/entries", body, key=key) for _ in range(2))
    assert first.status_code == second.status_code == 201, first.content
    assert first.json()["entry_id"] == second.json()["entry_id"] == key
    assert left() == 90
    assert Entry.objects.count() == 1
    assert program.get(f"/entries/{key}").json()["status"] == "queued"
    assert program.post(f"/entries/{key}/leave").json()["status"] == "cancelled"
    assert left() == 100


@pytest.mark.parametrize("key", ["", "1", "2c1743a3-9130-11f0-8b3e-0242ac120002", "x" * 5000])
def test_what_costs_credits_needs_a_key_of_its_own(key: str) -> None:
    program, body, left = entering(make_user(credits=100).pk)
    assert program.post("/entries", body, key=key).status_code == 422
    assert left() == 100


def test_an_entry_that_cannot_be_paid_is_a_402() -> None:
    program, body, _ = entering(make_user(credits=9).pk)
    response = program.post("/entries", body, key=str(uuid.uuid4()))
    assert response.status_code == 402
    assert "Not enough credits" in detail_of(response)


def test_terms_that_have_changed_hold_nothing() -> None:
    program, body, left = entering(make_user(credits=100).pk)
    response = program.post("/entries", body | {"terms": "99 places 100"}, key=str(uuid.uuid4()))
    assert response.status_code == 409
    assert "Nothing was held" in detail_of(response)
    assert left() == 100


def test_a_run_that_is_requested_twice_is_one_run(people: TwoPeople) -> None:
    program, key = Program(people.owner_id), str(uuid.uuid4())
    body = {"agent_id": people.student_id, "space_id": people.space_id}
    before = TrainingRun.objects.count()
    first, second = (program.post("/runs", body, key=key) for _ in range(2))
    assert first.status_code == 201, first.content
    assert first.json()["run_id"] == second.json()["run_id"]
    assert TrainingRun.objects.count() == before + 1
    run_id = first.json()["run_id"]
    assert program.post(f"/runs/{run_id}/pause").json()["status"] == "paused"
    other = program.post("/runs", body | {"space_id": people.space_id + 1}, key=key)
    assert other.status_code == 409
    again = program.post("/runs", body, key=str(uuid.uuid4()))
    assert again.status_code == 409, "it is in training already"


def test_credits_and_what_moved_them() -> None:
    user = make_user()
    program, key = Program(user.pk), str(uuid.uuid4())
    for _ in range(2):
        topped = program.post("/wallet/top-ups", {"amount_credits": 50}, key=key)
        assert topped.status_code == 201
        assert topped.json()["available"] == 50
    for _ in range(31):
        program.post("/wallet/top-ups", {"amount_credits": 1}, key=str(uuid.uuid4()))
    first = program.get("/wallet/statement").json()
    rest = program.get(f"/wallet/statement?cursor={first['next_cursor']}").json()
    lines = [*first["items"], *rest["items"]]
    assert sum(line["change_credits"] for line in lines) == 81
    assert len({line["transfer_id"] for line in lines}) == 32
    assert rest["next_cursor"] is None


def test_a_list_is_read_piece_by_piece() -> None:
    space = make_space()
    ids = [
        Match.objects.create(space=space, round_count=1, status="cancelled").pk for _ in range(5)
    ]
    found: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        piece = Program().get(f"/matches?limit=2&cursor={cursor}&space={space.slug}").json()
        found += [match["match_id"] for match in piece["items"]]
        cursor = piece["next_cursor"]
    assert found == ids[::-1]


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "%00",
        "bWF0Y2hlcyA=",
        "dmVyc2lvbnMgMw==",
        "bWF0Y2hlcyBuaW5l",
        "\u2028",
        "bWF0Y2hlcyA" + "5" * 40,
    ],
)
def test_a_cursor_that_somebody_made_up_is_refused(cursor: str) -> None:
    response = Program().get(f"/matches?cursor={cursor}")
    assert response.status_code == 400
    assert "does not belong to this list" in detail_of(response)


def test_an_unchanged_answer_comes_without_a_body() -> None:
    make_space()
    first = Program().get("/spaces")
    again = Program().get("/spaces", {"If-None-Match": first["ETag"]})
    assert again.status_code == 304
    assert again.content == b""
    make_space()
    assert Program().get("/spaces", {"If-None-Match": first["ETag"]}).status_code == 200


def test_each_answer_says_how_many_requests_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "REQUESTS_WITH_TOKEN", 2)
    # One window for the whole test.
    monkeypatch.setattr(edge, "WINDOW_SECONDS", 10**9)
    program = Program(make_user().pk)
    assert [program.get("/spaces")["RateLimit-Remaining"] for _ in range(2)] == ["1", "0"]
    refused = program.get("/spaces")
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) > 0
    assert Program(make_user().pk).get("/spaces").status_code == 200, "others are not held up"


def test_a_base_model_that_is_not_offered_is_refused() -> None:
    base = make_base_model()
    BaseModel.objects.update(is_active=False)
    body = {"name": "Ada", "prompt": "Answer.", "base_model_id": base.pk}
    response = Program(make_user().pk).post("/agents", body)
    assert response.status_code == 422
    assert detail_of(response) == "There is no such base model."


@pytest.mark.parametrize(
    "path", ["/agents/0", "/agents/-1", f"/matches/{2**63}", "/runs/" + "9" * 5000]
)
def test_ids_that_no_row_has_are_refused_in_words(path: str) -> None:
    response = Program().get(path)
    assert response.status_code in (404, 422)
