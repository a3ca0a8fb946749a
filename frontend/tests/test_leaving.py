"""A person deletes the account: nothing that they wrote is left, and nothing that others need is lost."""

from functools import partial
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from allauth.account.models import EmailAddress
from django.contrib.sessions.models import Session
from django.db import IntegrityError, transaction
from django.test import Client

from agents.errors import Refused
from agents.leaving import leave
from agents.models import Agent, AgentVersion, User
from agents.roster import create_agent
from arena.credits import ledger, wallet
from arena.credits.statement import wallet_balance
from arena.matches import play, seating
from arena.matches.events import event_digest
from arena.models import Completion, Entry, EntryStatus, Match, MatchEvent, MatchStatus, Transfer
from arena.tests.builders import SAMPLING, at_once, enter, make_agent, make_space, make_user
from frontend.tests.builders import play_to_the_end, signed_in
from frontend.tests.two_people import (
    ATTACK,
    HOOK_URL,
    PROMPT,
    TOKEN_NAME,
    TwoPeople,
    all_rows,
    make_two_people,
)
from training.data.harvest import harvest_matches
from training.data.pair_dataset import export_pairs
from training.models import Pair, TrainingRun
from training.runs.leaving import erase_leavers
from training.runs.starting import request_run
from training.states import LIVE_STATUSES, RunStatus

pytestmark = pytest.mark.django_db

PASSWORD = "only-mine-to-give"
ADDRESS = "person@example.org"


@pytest.fixture
def people(settings: Any, tmp_path: Any) -> TwoPeople:
    settings.RUN_STORE = tmp_path / "runs"
    people = make_two_people()
    give_account(people.owner_id)
    return people


def give_account(user_id: int) -> User:
    user = User.objects.get(id=user_id)
    user.set_password(PASSWORD)
    user.email = ADDRESS
    user.save()
    EmailAddress.objects.create(user=user, email=ADDRESS, primary=True)
    return user


def assert_chains_verify() -> None:
    digests: dict[int, str] = {}
    for event in MatchEvent.objects.order_by("match_id", "seq"):
        digests[event.match_id] = event_digest(
            digests.get(event.match_id, ""),
            match_id=event.match_id,
            seq=event.seq,
            kind=event.kind,
            payload=event.payload,
        )
        assert digests[event.match_id] == event.digest
    played = Match.objects.exclude(
        head_digest=""
    )  # the others are rows of builders, without events
    assert digests == dict(played.values_list("id", "head_digest"))


def test_nothing_that_the_person_wrote_is_left_and_everything_still_adds_up(
    people: TwoPeople, settings: Any
) -> None:
    Completion.objects.filter(seat__agent_id=people.agent_id).update(text="Zanzibar it is.")
    request_run(people.owner_id, agent_id=people.student_id, space_id=people.space_id)
    folder = settings.RUN_STORE / str(people.run_id)
    folder.mkdir(parents=True)
    (folder / "dataset.jsonl").write_text(PROMPT)
    name = User.objects.get(id=people.owner_id).username
    before = Transfer.objects.count()
    leave(people.owner_id, password=PASSWORD)
    assert erase_leavers() == 1
    rows = repr(all_rows())
    for words in (
        PROMPT,
        ATTACK,
        TOKEN_NAME,
        HOOK_URL,
        "Zanzibar",
        "Secretive",
        "Student",
        "An answer of practice.",
        ADDRESS,
        name,
    ):
        assert words not in rows, words
    assert not folder.exists()
    assert not EmailAddress.objects.exists()
    assert_chains_verify()
    assert ledger.audit().problems == ()
    assert wallet_balance(people.owner_id) == ledger.Balance(available=0, held=0)
    assert Transfer.objects.count() > before
    assert not TrainingRun.objects.filter(
        agent__owner_id=people.owner_id, status__in=LIVE_STATUSES
    ).exists()
    assert Entry.objects.get(id=people.entry_id).status == EntryStatus.CANCELLED
    assert erase_leavers() == 0


def test_every_page_of_who_left_still_answers_and_says_that_the_answer_is_erased(
    people: TwoPeople,
) -> None:
    leave(people.owner_id, password=PASSWORD)
    erase_leavers()
    rival = signed_in(people.rival_id)
    for path in (
        "/",
        f"/matches/{people.match_id}/",
        f"/agents/{people.agent_id}/",
        f"/runs/{people.run_id}/",
        f"/spaces/{people.slug}/",
        f"/agents/{people.rivals_agent_id}/",
    ):
        assert rival.get(path, follow=True).status_code == 200, path
    page = rival.get(f"/matches/{people.match_id}/rounds/1/").content.decode()
    assert "Erased, because its author has left." in page
    assert f"[deleted agent {people.agent_id}]" in page


def test_the_page_says_what_is_lost_and_asks_for_the_password(people: TwoPeople) -> None:
    browser = Client()
    browser.force_login(User.objects.get(id=people.owner_id))
    page = browser.get("/account/delete/").content.decode()
    assert f"{people.balance:,} credits" in page
    assert "1 place in a queue" in page
    wrong = browser.post("/account/delete/", {"password": "not it"})
    assert wrong.status_code == 422
    assert "That is not your password." in wrong.content.decode()
    assert User.objects.get(id=people.owner_id).is_active
    assert browser.post("/account/delete/", {"password": PASSWORD}).headers["Location"] == "/"
    assert browser.get("/wallet/").headers["Location"].startswith("/accounts/login/")
    assert not browser.login(
        username=User.objects.get(id=people.owner_id).username, password=PASSWORD
    )


def test_other_sessions_of_who_leaves_end_at_once_and_are_erased(people: TwoPeople) -> None:
    elsewhere = signed_in(people.owner_id)
    rival = signed_in(people.rival_id)
    leave(people.owner_id, password=PASSWORD)
    assert elsewhere.get("/wallet/").headers["Location"].startswith("/accounts/login/")
    erase_leavers()
    assert Session.objects.count() == 1
    assert rival.get("/wallet/").status_code == 200


def test_a_match_that_is_live_is_played_to_its_end_before_its_answers_are_erased() -> None:
    space = make_space()
    leaver, rival = make_user(credits=100), make_user(credits=100)
    give_account(leaver.pk)
    agents = [make_agent(owner) for owner in (leaver, rival)]
    for agent in agents:
        enter(agent, space)
    (match_id,) = seating.seat_matches(space.pk, rng=Random(1))
    match = Match.objects.get(id=match_id)
    leave(leaver.pk, password=PASSWORD)
    assert erase_leavers() == 0
    assert AgentVersion.objects.get(agent=agents[0]).prompt
    play_to_the_end(match)
    assert match.status == MatchStatus.SETTLED
    assert erase_leavers() == 1
    assert not AgentVersion.objects.get(agent=agents[0]).prompt
    assert set(Completion.objects.filter(seat__agent=agents[0]).values_list("text", flat=True)) == {
        ""
    }
    assert all(Completion.objects.filter(seat__agent=agents[1]).values_list("text", flat=True))
    assert_chains_verify()
    assert ledger.audit().problems == ()
    assert wallet_balance(leaver.pk).available == 0


def test_a_match_that_is_refunded_meanwhile_returns_the_fee_before_the_rest_is_given_up() -> None:
    space = make_space()
    leaver = make_user(credits=100)
    give_account(leaver.pk)
    for owner in (leaver, make_user(credits=100)):
        enter(make_agent(owner), space)
    (match_id,) = seating.seat_matches(space.pk, rng=Random(1))
    leave(leaver.pk, password=PASSWORD)
    play.cancel_match(match_id, reason="The inference server did not come back in time.")
    assert erase_leavers() == 1
    given_up = Transfer.objects.get(code="forfeit")
    assert given_up.amount_credits == 100
    assert ledger.audit().problems == ()


def test_a_sweep_that_dies_in_the_middle_is_made_up_for_by_the_next(
    people: TwoPeople, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: int) -> None:
        raise OSError("killed")

    leave(people.owner_id, password=PASSWORD)
    with monkeypatch.context() as patch:
        patch.setattr("training.runs.leaving.forfeit", broken)
        assert erase_leavers() == 0
    assert User.objects.get(id=people.owner_id).left_at is None
    assert erase_leavers() == 1
    assert PROMPT not in repr(all_rows())


def test_pairs_against_erased_answers_teach_nobody(people: TwoPeople) -> None:
    rivals = Agent.objects.get(id=people.rivals_agent_id)
    assert Pair.objects.filter(agent=rivals).exists()
    assert list(export_pairs(rivals.pk, viewer=people.rival_id))
    leave(people.owner_id, password=PASSWORD)
    erase_leavers()
    assert list(export_pairs(rivals.pk, viewer=people.rival_id)) == []


def test_a_match_of_who_left_that_is_harvested_later_makes_no_pairs() -> None:
    space = make_space()
    leaver = make_user(credits=100)
    give_account(leaver.pk)
    for owner in (leaver, make_user(credits=100)):
        enter(make_agent(owner), space)
    (match_id,) = seating.seat_matches(space.pk, rng=Random(1))
    play_to_the_end(Match.objects.get(id=match_id))
    leave(leaver.pk, password=PASSWORD)
    erase_leavers()
    assert harvest_matches() == 1
    assert not Pair.objects.exists()


def test_who_is_leaving_makes_nothing_new(people: TwoPeople) -> None:
    leave(people.owner_id, password=PASSWORD)
    base = Agent.objects.get(id=people.agent_id).base_model_id
    with pytest.raises(Refused, match="being deleted"):
        create_agent(
            people.owner_id,
            name="Late",
            base_model_id=base,
            prompt="Late.",
            sampling=SAMPLING,
            learning={},
        )
    with pytest.raises(Refused, match="being deleted"):
        wallet.top_up_sandbox(people.owner_id, amount_credits=1, transfer_id=uuid4())


def test_of_a_version_only_the_prompt_may_go_and_only_of_who_leaves(people: TwoPeople) -> None:
    versions = AgentVersion.objects.filter(agent_id=people.agent_id)

    def refuses(**change: Any) -> None:
        with pytest.raises(IntegrityError, match="immutable"), transaction.atomic():
            versions.update(**change)

    refuses(prompt="")
    leave(people.owner_id, password=PASSWORD)
    refuses(prompt="Other words.")
    refuses(prompt="", sampling={})
    refuses(number=77)
    with pytest.raises(IntegrityError, match="immutable"), transaction.atomic():
        versions.filter(children=None)._raw_delete(versions.db)
    assert versions.update(prompt="")


def test_an_administrator_and_the_house_stay() -> None:
    for change in ({"is_staff": True}, {"is_house": True}):
        user = give_account(make_user().pk)
        User.objects.filter(id=user.pk).update(**change)
        EmailAddress.objects.all().delete()
        with pytest.raises(Refused):
            leave(user.pk, password=PASSWORD)


def test_a_run_that_is_evaluated_when_its_owner_leaves_ends_without_a_version(
    people: TwoPeople,
) -> None:
    TrainingRun.objects.filter(id=people.run_id).update(
        status=RunStatus.EVALUATING, gate={}, price_credits=0
    )
    leave(people.owner_id, password=PASSWORD)
    assert erase_leavers() == 1
    assert TrainingRun.objects.get(id=people.run_id).status == RunStatus.CANCELLED


@pytest.mark.django_db(transaction=True)
def test_who_leaves_at_the_moment_of_entering_gets_the_fee_back_or_is_refused() -> None:
    space = make_space()
    leaver = make_user(credits=100)
    give_account(leaver.pk)
    agents = [make_agent(leaver) for _ in range(3)]
    calls = [partial(enter, agent, space) for agent in agents]
    outcomes = at_once(partial(leave, leaver.pk, password=PASSWORD), *calls)
    assert outcomes[0] is None
    assert all(isinstance(one, UUID | Refused) for one in outcomes[1:])
    seating.seat_matches(space.pk, rng=Random(1))
    assert erase_leavers() == 1
    assert not Entry.objects.exclude(status=EntryStatus.CANCELLED).exists()
    assert ledger.audit().problems == ()
    assert ledger.audit().credits_held == 0
    assert Transfer.objects.get(code="forfeit").amount_credits == 100
