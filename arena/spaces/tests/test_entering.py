"""Entering and leaving during all other activity: no deadlock, no stuck credits."""

import hashlib
import threading
import time
import uuid
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from kombu.exceptions import OperationalError

from agents.adapters.checks import CONFIG_FILE, WEIGHTS_FILE
from agents.adapters.store import REFUSAL_HOLDS, note_refusal
from agents.errors import Refused
from agents.models import Adapter, Agent, AgentVersion, User, VersionOrigin
from arena.credits import ledger
from arena.matches import play, seating
from arena.models import Entry, EntryStatus, Match, Seat, Space
from arena.spaces import entering, queue
from arena.tests.builders import (
    at_once,
    enter,
    make_adapter,
    make_agent,
    make_match,
    make_space,
    make_user,
    play_round,
)

pytestmark = pytest.mark.django_db(transaction=True)


def until_somebody_waits_for_a_lock() -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")  # else a transaction looks only once
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if cursor.fetchone()[0]:
                return
        time.sleep(0.01)
    raise AssertionError("nobody came to wait for a lock")


def test_entering_a_space_whose_queue_is_being_seated_does_not_deadlock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The click holds its owner's row and wants the Space; the seating holds the Space."""
    space = make_space()
    owner = make_user(credits=100)
    enter(make_agent(owner), space)
    enter(make_agent(make_user(credits=100)), space)
    another = make_agent(owner)
    queued, entered = queue.queued, threading.Event()

    def click() -> None:
        try:
            enter(another, space)
            entered.set()
        finally:
            connection.close()

    clicking = threading.Thread(target=click)

    def in_the_middle(space: Space) -> dict[uuid.UUID, Entry]:
        clicking.start()
        until_somebody_waits_for_a_lock()
        return queued(space)

    monkeypatch.setattr(seating, "queued", in_the_middle)
    assert len(seating.seat_matches(space.id, rng=Random(1))) == 1
    clicking.join(timeout=30)
    assert entered.is_set()


def test_a_second_click_while_the_first_is_being_seated_does_not_deadlock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The click holds the agent and wants the Space; the seating holds them the other way."""
    space = make_space()
    agents = [make_agent(make_user(credits=100)) for _ in range(2)]
    first = enter(agents[0], space)
    enter(agents[1], space)
    in_the_middle = seating._store
    seating_has_begun = threading.Event()

    def store(*arguments: Any) -> None:
        seating_has_begun.set()
        until_somebody_waits_for_a_lock()
        in_the_middle(*arguments)

    def click() -> uuid.UUID:
        assert seating_has_begun.wait(timeout=10)
        return enter(agents[0], space, entry_id=first)

    monkeypatch.setattr(seating, "_store", store)
    again, made = at_once(
        click,
        lambda: seating.seat_matches(space.id, rng=Random(1)),
    )
    assert again == first
    assert made == [Match.objects.get().id]
    assert Entry.objects.get(id=first).status == EntryStatus.SEATED


def test_freeing_many_entries_while_a_match_settles_does_not_deadlock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Settling locks accounts by id; freeing entries must not lock them in another order."""
    space = make_space()
    match = make_match(space)
    users = [entry.user_id for entry in match.entries.order_by("user_id")]
    play.start_match(match.id)
    play_round(match, 1, scores={0: 1.0, 1: 0.0})
    play_round(match, 2, scores={0: 1.0, 1: 0.0})
    other = make_space()
    # The highest account's entry is cancelled first.
    for position, user_id in enumerate(reversed(users), start=1):
        agent = make_agent(User.objects.get(id=user_id))
        enter(agent, other, entry_id=uuid.UUID(int=position, version=4))
    in_the_middle = ledger.void
    calls: list[uuid.UUID] = []

    def void(transfer_id: uuid.UUID, **arguments: Any) -> Any:
        if calls:
            until_somebody_waits_for_a_lock()
        calls.append(transfer_id)
        return in_the_middle(transfer_id, **arguments)

    monkeypatch.setattr(ledger, "void", void)

    def settle_once_one_is_freed() -> None:
        deadline = time.monotonic() + 10
        while not calls and time.monotonic() < deadline:
            time.sleep(0.01)
        play.settle_match(match.id)

    freed, settled = at_once(
        lambda: entering.close_space(other.id),
        settle_once_one_is_freed,
    )
    assert (freed, settled) == (2, None)
    assert ledger.audit().problems == ()


def make_trained(agent: Agent, store: Path, weights: bytes = b"weights") -> Path:
    """Give the agent an adapter; the file that the store holds for it."""
    digest = hashlib.sha256(weights).hexdigest()
    folder = store / digest[:2] / digest
    folder.mkdir(parents=True)
    (folder / WEIGHTS_FILE).write_bytes(weights)
    (folder / CONFIG_FILE).write_text("{}")
    adapter = make_adapter(agent.base_model, digest=digest)
    parent = agent.current_version
    assert parent is not None
    agent.current_version = AgentVersion.objects.create(
        agent=agent,
        number=2,
        prompt=parent.prompt,
        sampling=parent.sampling,
        adapter=adapter,
        parent=parent,
        origin=VersionOrigin.TRAINED,
    )
    agent.save()
    return folder / WEIGHTS_FILE


def test_an_agent_whose_adapter_is_damaged_is_refused_before_anybody_is_bothered(
    settings: Any, tmp_path: Path
) -> None:
    settings.ADAPTER_STORE = tmp_path
    space, agent = make_space(), make_agent(make_user(credits=100))
    weights = make_trained(agent, tmp_path)
    weights.write_bytes(weights.read_bytes()[:3])
    with pytest.raises(Refused, match=f"{agent.name} cannot play.*damaged.*earlier version"):
        enter(agent, space)
    weights.unlink()
    with pytest.raises(Refused, match="not in the adapter store"):
        enter(agent, space)
    assert not Entry.objects.exists()
    weights.write_bytes(b"weights")
    enter(agent, space)


def test_an_adapter_that_a_server_refused_rests_for_an_hour(settings: Any, tmp_path: Path) -> None:
    settings.ADAPTER_STORE = tmp_path
    space, agent = make_space(), make_agent(make_user(credits=100))
    digest = make_trained(agent, tmp_path).parent.name
    note_refusal(digest, "The server has no room for rank 64.")
    with pytest.raises(
        Refused, match=r"cannot play\. The server has no room for rank 64\. Go back"
    ):
        enter(agent, space)
    assert not Entry.objects.exists()
    Adapter.objects.update(refused_at=F("refused_at") - REFUSAL_HOLDS)
    enter(agent, space)


def test_an_entry_that_is_sent_again_is_answered_though_its_agent_may_no_longer_enter(
    settings: Any, tmp_path: Path
) -> None:
    settings.ADAPTER_STORE = tmp_path
    space, agent = make_space(), make_agent(make_user(credits=100))
    digest, same = make_trained(agent, tmp_path).parent.name, uuid.uuid4()
    enter(agent, space, entry_id=same)
    note_refusal(digest, "The server has no room for rank 64.")
    assert enter(agent, space, entry_id=same) == same


def test_a_version_that_cannot_play_is_found_when_seating_and_refunded_alone(
    settings: Any, tmp_path: Path
) -> None:
    settings.ADAPTER_STORE = tmp_path
    space = make_space()
    agents = [make_agent(make_user(credits=100)) for _ in range(3)]
    entries = [enter(agent, space) for agent in agents]
    digest = make_trained(
        agents[0], tmp_path
    ).parent.name  # another version than the one that entered
    note_refusal(digest, "The inference server refused this agent's adapter.")
    (match_id,) = seating.seat_matches(space.id, rng=Random(1))
    assert set(Seat.objects.filter(match_id=match_id).values_list("agent", flat=True)) == {
        agents[1].pk,
        agents[2].pk,
    }
    entry = Entry.objects.get(id=entries[0])
    assert entry.status == EntryStatus.CANCELLED
    assert entry.cancel_reason.startswith(f"{agents[0].name} cannot play. The inference server")
    assert ledger.balance(ledger.account_of(entry.user_id)) == ledger.Balance(100, 0)


def test_a_key_that_was_used_is_refused_for_another_fee() -> None:
    agent, space = make_agent(make_user(credits=100)), make_space(other_fees_credits=[50])
    first = enter(agent, space, fee=50)
    for fee in (50, None):
        assert enter(agent, space, entry_id=first, fee=fee) == first
    with pytest.raises(Refused, match="already used for something else"):
        enter(agent, space, entry_id=first, fee=10)
    assert ledger.balance(ledger.account_of(agent.owner_id)) == ledger.Balance(50, 50)


def test_an_entry_stands_though_the_broker_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr("arena.nudges.current_app.send_task", refuse)
    entry_id = enter(make_agent(make_user(credits=100)), make_space())
    assert Entry.objects.get(id=entry_id).status == EntryStatus.QUEUED


def test_the_entries_of_one_owner_that_live_at_once_are_bounded_over_all_spaces() -> None:
    owner, spaces = make_user(credits=1_000), [make_space(), make_space()]
    for number in range(entering.MAX_LIVE_ENTRIES):
        enter(make_agent(owner), spaces[number % 2])
    one_more = make_agent(owner)
    held = ledger.balance(ledger.account_of(owner.id)).held
    with pytest.raises(Refused, match="8 of your agents are already waiting or playing"):
        enter(one_more, spaces[0])
    assert ledger.balance(ledger.account_of(owner.id)).held == held
    entering.leave_queue(owner.id, entry_id=Entry.objects.filter(user=owner)[0].id)
    enter(one_more, spaces[0])
    enter(make_agent(make_user(credits=100)), spaces[0])  # nobody else is held back


def test_two_entries_of_one_owner_at_once_do_not_pass_the_bound_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(entering, "MAX_LIVE_ENTRIES", 1)
    owner, spaces = make_user(credits=100), [make_space(), make_space()]
    agents = [make_agent(owner), make_agent(owner)]
    outcomes = at_once(lambda: enter(agents[0], spaces[0]), lambda: enter(agents[1], spaces[1]))
    assert sum(isinstance(each, uuid.UUID) for each in outcomes) == 1
    assert sum(isinstance(each, Refused) for each in outcomes) == 1
    assert Entry.objects.count() == 1


def test_the_house_may_enter_as_often_as_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entering, "MAX_LIVE_ENTRIES", 1)
    house, space = make_user(credits=100, is_house=True), make_space()
    for _ in range(2):
        enter(make_agent(house), space)
