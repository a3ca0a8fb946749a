"""Events are stored with what they tell of: both or neither, one for each owner."""

from datetime import date
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.db import transaction
from pytest_django import Settings

from agents.models import Agent
from arena.matches import play
from arena.matches.practice.practising import practise
from arena.models import Delivery, Match, Webhook
from arena.states import HookEvent, MatchStatus
from arena.tests.builders import make_agent, make_match, make_space, make_user
from arena.tournaments.running import cancel_tournament
from arena.tournaments.tests.builders import make_tournament, register
from arena.webhooks import outbox
from arena.webhooks.hooks import add_webhook
from arena.webhooks.sending import send_due
from arena.webhooks.tests.builders import Receiver, make_hook
from frontend.tests.builders import make_offer, play_to_the_end
from training.exports.selection import Selection
from training.exports.tests.orders import learner, order, written
from training.exports.writing import NOTHING
from training.runs.moves import apply_event, locked_run
from training.states import RunEvent, RunStatus

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    cache.clear()
    monkeypatch.setattr("arena.nudges.current_app.send_task", lambda *args, **options: None)


def agents_of(match: Match) -> list[Agent]:
    seats = match.seats.select_related("agent__owner").order_by("index")
    return [seat.agent for seat in seats]


def test_each_owner_with_a_seat_is_told_of_the_own_seats_only(receiver: Receiver) -> None:
    match = make_match()
    winner, loser = agents_of(match)
    make_hook(receiver, winner.owner)
    make_hook(receiver, loser.owner)
    play_to_the_end(match)
    send_due()
    told = {body["data"]["seats"][0]["agent_id"]: body["data"] for body in receiver.bodies}
    assert set(told) == {winner.pk, loser.pk}
    assert told[winner.pk]["status"] == MatchStatus.SETTLED
    (seat,) = told[winner.pk]["seats"]
    assert (seat["rank"], seat["version"]) == (1, 1)
    assert seat["prize_credits"] > 0
    assert {body["type"] for body in receiver.bodies} == {"match.finished"}
    ids = [headers["webhook-id"] for headers, _ in receiver.got]
    assert len(set(ids)) == 2


def test_a_cancelled_match_is_told_with_its_reason(receiver: Receiver) -> None:
    match = make_match()
    make_hook(receiver, agents_of(match)[0].owner)
    play.cancel_match(match.pk, reason="The server was away.")
    send_due()
    (body,) = receiver.bodies
    assert body["data"]["status"] == MatchStatus.CANCELLED
    assert body["data"]["reason"] == f"The server was away. {play.REFUNDED}"
    assert body["data"]["is_practice"] is False


def test_a_practice_match_is_told_as_what_it_is(receiver: Receiver) -> None:
    space, agent = make_space(), make_agent()
    make_agent(make_user(is_house=True))
    make_hook(receiver, agent.owner)
    asked = practise(agent.owner_id, agent_id=agent.pk, space_slug=space.slug, practice_id=uuid4())
    play.cancel_match(asked.match_id, reason="The server was away.")
    send_due()
    (body,) = receiver.bodies
    assert (body["data"]["match_id"], body["data"]["is_practice"]) == (asked.match_id, True)


def test_who_wants_other_events_is_not_told(receiver: Receiver) -> None:
    match = make_match()
    owner = agents_of(match)[0].owner
    add_webhook(owner.pk, url=receiver.url, events=[HookEvent.TOURNAMENT_ENDED])
    play.cancel_match(match.pk, reason="The server was away.")
    assert not Delivery.objects.exists()


def test_a_kill_between_the_event_and_its_end_stores_neither(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    match = make_match()
    make_hook(receiver, agents_of(match)[0].owner)
    store = outbox._store

    def killed(deliveries: list[Delivery]) -> None:
        store(deliveries)
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(outbox, "_store", killed)
        with pytest.raises(KeyboardInterrupt):
            play.cancel_match(match.pk, reason="The server was away.")
    match.refresh_from_db()
    assert match.status == MatchStatus.SEATED
    assert not Delivery.objects.exists()
    play.cancel_match(match.pk, reason="The server was away.")
    assert Delivery.objects.count() == 1, "stored before anybody sends it: a kill loses nothing"


def test_a_webhook_deleted_while_a_match_ends_does_not_keep_it_from_ending(
    receiver: Receiver,
) -> None:
    match = make_match()
    hook, _ = make_hook(receiver, agents_of(match)[0].owner)
    stale = Webhook.objects.get(id=hook.pk)
    Webhook.objects.filter(id=hook.pk).update(url="", deleted_at=match.created_at)
    Delivery.objects.bulk_create(
        [Delivery(webhook=stale, event_id="0" * 32, kind=HookEvent.PING, body="{}")]
    )
    play.cancel_match(match.pk, reason="The server was away.")
    send_due()
    assert receiver.got == []


@pytest.mark.parametrize(
    ("event", "status"),
    [(RunEvent.ADOPT, RunStatus.ADOPTED), (RunEvent.REJECT, RunStatus.REJECTED)],
)
def test_the_owner_is_told_when_a_run_is_decided(
    receiver: Receiver, event: RunEvent, status: RunStatus
) -> None:
    match = make_match()
    agent = agents_of(match)[0]
    make_hook(receiver, agent.owner)
    run = make_offer(agent, match.space)
    with transaction.atomic():
        apply_event(locked_run(run.pk), event, reason="So it was decided.")
    send_due()
    (body,) = receiver.bodies
    assert body["type"] == "run.decided"
    assert (body["data"]["run_id"], body["data"]["status"]) == (run.pk, status)
    child = run.child_version
    assert child is not None
    assert body["data"]["version"] == child.number


def test_who_was_registered_is_told_when_a_tournament_ends(receiver: Receiver) -> None:
    match = make_match()
    agent = agents_of(match)[0]
    make_hook(receiver, agent.owner)
    tournament = make_tournament(match.space, fee_credits=0)
    register(tournament, agent)
    cancel_tournament(tournament.pk, reason="It rains.")
    send_due()
    (body,) = receiver.bodies
    assert body["type"] == "tournament.ended"
    assert body["data"]["entrants"][0]["agent_id"] == agent.pk
    assert "It rains." in body["data"]["note"]


def test_the_owner_is_told_once_when_an_export_is_ready_or_fails(
    receiver: Receiver, settings: Settings, tmp_path: Path
) -> None:
    settings.EXPORT_STORE = tmp_path / "exports"
    agent = learner()
    make_hook(receiver, agent.owner)
    whole = written(order(agent))
    failed = written(order(agent, selection=Selection(until=date(2000, 1, 1))))
    send_due()
    told = [(body["type"], body["data"]) for body in receiver.bodies]
    assert {kind for kind, _ in told} == {"export.finished"}
    ready, broken = (data for _, data in told)
    assert (ready["export_id"], ready["state"], ready["rows"]) == (whole.pk, "whole", 3)
    assert whole.expires_at
    assert ready["expires_at"] == whole.expires_at.isoformat()
    assert (broken["export_id"], broken["state"]) == (failed.pk, "failed")
    assert broken["reason"] == NOTHING
