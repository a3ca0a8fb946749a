"""Autopilots enter within their limits, whoever acts at once and whatever dies."""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents import leaving, roster
from agents.errors import NotAvailable, Refused
from agents.models import Agent, User
from arena import sweeping
from arena.credits import ledger, wallet
from arena.credits.brakes import AutopilotLimits, BadLimits
from arena.credits.statement import wallet_balance
from arena.matches import play
from arena.models import Autopilot, Entry, EntryStatus, Match, Space
from arena.spaces import autopilot, entering
from arena.states import AdoptionRule, Brake
from arena.tests.builders import (
    at_once,
    enter,
    make_agent,
    make_space,
    make_user,
    plans_of,
    play_round,
)
from frontend.tests.builders import make_offer
from training.runs.steering import adopt_offered

pytestmark = pytest.mark.django_db(transaction=True)

LIMITS = AutopilotLimits(
    fee_credits=10,
    matches=50,
    matches_a_day=20,
    at_once=4,
    spend_a_day_credits=200,
    stop_loss_credits=100,
    take_profit_credits=None,
    adoption=AdoptionRule.PLAY_ON,
)


@pytest.fixture
def space() -> Space:
    """With a house agent, so that a match can be made of one entry."""
    make_agent(make_user(is_house=True))
    return make_space(round_count=1, other_fees_credits=[])


@pytest.fixture
def agent() -> Agent:
    return make_agent(make_user(credits=500))


def switched_on(agent: Agent, *spaces: Space, **limits: Any) -> Autopilot:
    return autopilot.switch_on(
        agent.owner_id,
        agent_id=agent.pk,
        space_slugs=[space.slug for space in spaces],
        limits=replace(LIMITS, **limits),
    )


def swept() -> None:
    sweeping.fly_autopilots()
    sweeping.seat_queues()


def play_out(*, wins: bool, texts: Mapping[int, str] | None = None) -> None:
    """Every seated match, to its end; the entrant sits first."""
    for match in Match.objects.filter(status="seated"):
        play.start_match(match.pk)
        play_round(match, 1, scores={0: 0.9 if wins else 0.1, 1: 0.5}, texts=texts)
        play.settle_match(match.pk)


def look_later(by: timedelta) -> None:
    """As if so much time had passed."""
    for row in Autopilot.objects.all():
        row.due_at -= by
        row.started_at -= by
        row.save()
    for entry in Entry.objects.all():
        Entry.objects.filter(id=entry.pk).update(created_at=entry.created_at - by)
    Match.objects.exclude(finished_at=None).update(finished_at=timezone.now() - by)


def brake_of(agent: Agent) -> tuple[str, str]:
    stopped = Autopilot.objects.filter(agent=agent).latest("id")
    return stopped.brake, stopped.stop_reason


def test_it_enters_match_after_match_until_a_limit(agent: Agent, space: Space) -> None:
    switched_on(agent, space, matches=3, matches_a_day=3)
    for _ in range(5):
        swept()
        play_out(wins=True)
    entries = Entry.objects.filter(agent=agent)
    assert [entry.status for entry in entries] == [EntryStatus.FINISHED] * 3
    assert brake_of(agent) == (Brake.MATCHES, "It has played 3 matches, all you allowed.")
    assert ledger.audit().problems == ()


def test_many_days_of_sweeps_pass_no_limit(agent: Agent, space: Space) -> None:
    other = make_space(round_count=1, entry_fee_credits=6)
    on = switched_on(
        agent,
        space,
        other,
        matches_a_day=4,
        spend_a_day_credits=25,
        matches=14,
        stop_loss_credits=30,
    )
    for _ in range(5):
        for _ in range(6):
            swept()
            play_out(wins=False)
        spent = sum(
            entry.fee_credits
            for entry in Entry.objects.filter(created_at__gte=timezone.now() - timedelta(hours=12))
        )
        assert spent <= 25
        look_later(timedelta(days=1))
        assert wallet_balance(agent.owner_id).available >= 500 - 30
    assert Entry.objects.count() <= 14
    on.refresh_from_db()
    assert on.brake in {Brake.STOP_LOSS, Brake.MATCHES}


def test_two_sweeps_at_once_enter_once(agent: Agent, space: Space) -> None:
    on = switched_on(agent, space)
    entered = at_once(*[lambda: autopilot.fly(on.pk)] * 3)
    assert sorted(entered) == [False, False, True]
    assert Entry.objects.count() == 1


def test_agents_of_one_owner_count_together_however_many_sweeps_run(space: Space) -> None:
    owner = make_user(credits=500)
    flights = [switched_on(make_agent(owner), space, at_once=1) for _ in range(3)]
    entered = at_once(*[lambda on=on: autopilot.fly(on.pk) for on in flights])
    assert sorted(entered) == [False, False, True]
    assert Entry.objects.count() == 1


def test_a_worker_that_dies_before_the_commit_leaves_nothing(
    agent: Agent, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    on = switched_on(agent, space)
    with monkeypatch.context() as patch:
        patch.setattr(entering, "nudge_sweep_on_commit", lambda: 1 / 0)  # all is written by then
        with pytest.raises(ZeroDivisionError):
            autopilot.fly(on.pk)
    assert not Entry.objects.exists()
    assert ledger.audit().credits_held == 0
    assert autopilot.fly(on.pk)


def test_one_that_fails_does_not_hold_up_the_others(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, sound = (switched_on(make_agent(make_user(credits=50)), space) for _ in range(2))
    decide = autopilot.decision_of

    def decision_of(row: Autopilot, *arguments: Any, **options: Any) -> Any:
        return 1 / 0 if row.pk == broken.pk else decide(row, *arguments, **options)

    monkeypatch.setattr(autopilot, "decision_of", decision_of)
    assert sweeping.fly_autopilots() == 1
    assert Entry.objects.get().autopilot_id == sound.pk
    assert autopilot.due_autopilots(limit=9) == [], "it rests before it is tried again"


def test_who_entered_least_recently_is_next(space: Space) -> None:
    first, second, third = (switched_on(make_agent(make_user(credits=50)), space) for _ in range(3))
    assert autopilot.due_autopilots(limit=2) == [first.pk, second.pk]
    autopilot.fly(first.pk)
    Entry.objects.update(status=EntryStatus.FINISHED)
    assert autopilot.due_autopilots(limit=3) == [second.pk, third.pk, first.pk]


def test_thousands_at_rest_cost_nothing(agent: Agent, space: Space) -> None:
    on = switched_on(agent, space)
    tomorrow = timezone.now() + timedelta(days=1)
    users = User.objects.bulk_create(User(username=f"u{number}") for number in range(500))
    agents = Agent.objects.bulk_create(
        Agent(owner=user, name="Rests", base_model=agent.base_model) for user in users
    )
    values = {each: getattr(LIMITS, each) for each in LIMITS.__dataclass_fields__}
    Autopilot.objects.bulk_create(
        Autopilot(
            agent=each,
            due_at=tomorrow,
            **values,
            **({"stopped_at": tomorrow, "brake": Brake.OWNER} if number % 2 else {}),
        )
        for number, each in enumerate(agents)
    )
    (plan,) = plans_of(lambda: autopilot.due_autopilots(limit=40))
    assert "autopilot_due" in plan
    assert "Sort" not in plan
    with CaptureQueriesContext(connection) as captured:
        assert autopilot.due_autopilots(limit=40) == [on.pk]
    assert len(captured) == 1


def test_a_waiting_one_stops_when_its_space_closes(agent: Agent, space: Space) -> None:
    switched_on(agent, space, matches_a_day=1, matches=5)
    swept()
    play_out(wins=True)
    swept()
    assert brake_of(agent)[0] == ""  # it waits for tomorrow
    entering.close_space(space.pk)
    swept()
    assert brake_of(agent) == (Brake.SPACES_CLOSED, f"{space.name} was closed.")


def test_a_fee_that_rose_stops_it(agent: Agent, space: Space) -> None:
    switched_on(agent, space)
    Space.objects.update(entry_fee_credits=11)
    swept()
    assert brake_of(agent) == (
        Brake.FEE,
        f"{space.name} now costs 11 credits, and you allow at most 10 for a match.",
    )
    assert not Entry.objects.exists()


def test_it_pays_the_highest_fee_that_is_allowed(agent: Agent) -> None:
    tiers = make_space(entry_fee_credits=5, other_fees_credits=[0, 8, 50])
    switched_on(agent, tiers)
    swept()
    assert Entry.objects.get().fee_credits == 8


@pytest.mark.parametrize("leaves", [False, True])
def test_it_ends_with_its_agent(agent: Agent, space: Space, leaves: bool) -> None:
    owner = agent.owner
    owner.set_password("secret")
    owner.save()
    switched_on(agent, space, matches_a_day=1, matches=5)
    swept()
    play_out(wins=True)
    swept()
    if leaves:
        leaving.leave(owner.pk, password="secret")
    else:
        roster.retire_agent(owner.pk, agent_id=agent.pk)
    swept()
    assert brake_of(agent) == (Brake.RETIRED, "The agent was retired.")


def test_it_stops_after_an_adoption(agent: Agent, space: Space) -> None:
    switched_on(agent, space, adoption=AdoptionRule.STOP_AFTER)
    offer = make_offer(agent, space)
    adopt_offered(agent.owner_id, run_id=offer.pk)
    swept()
    assert brake_of(agent)[0] == Brake.ADOPTED
    assert not Entry.objects.exists()


def test_it_waits_for_an_adoption(
    agent: Agent, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The version that is adopted here has no weights in the store.
    monkeypatch.setattr(autopilot, "check_plays", lambda *_, **__: None)
    switched_on(agent, space, adoption=AdoptionRule.WAIT_FOR)
    swept()
    assert not Entry.objects.exists()
    assert autopilot.due_autopilots(limit=9) == []
    offer = make_offer(agent, space)
    adopt_offered(agent.owner_id, run_id=offer.pk)
    swept()
    assert Entry.objects.count() == 1


def test_leaving_the_queue_switches_it_off(agent: Agent) -> None:
    switched_on(agent, make_space(house_fill_seconds=600))
    swept()
    entering.leave_queue(agent.owner_id, entry_id=Entry.objects.get().pk)
    assert brake_of(agent) == (Brake.OWNER, "You took its entry out of the queue.")
    swept()
    assert Entry.objects.count() == 1


def test_a_fee_that_came_back_is_not_lost(agent: Agent, space: Space) -> None:
    on = switched_on(agent, space)
    swept()
    match = Match.objects.get()
    play.start_match(match.pk)
    play.cancel_match(match.pk, reason="No server answered.")
    record = autopilot.record_of(on, agent, now=timezone.now())
    assert (record.matches, record.net_credits, record.spent_today_credits) == (0, 0, 0)
    assert record.unplayed_in_a_row == 1
    assert record.unplayed_reason.startswith("No server answered. Every fee was refunded")
    swept()
    assert Entry.objects.count() == 1, "it rests first"


def test_limits_of_a_day_hold_across_switching_off_and_on(agent: Agent, space: Space) -> None:
    switched_on(agent, space, matches_a_day=1, matches=5)
    swept()
    play_out(wins=True)
    autopilot.switch_off(agent.owner_id, agent_id=agent.pk)
    switched_on(agent, space, matches_a_day=1, matches=5)
    swept()
    assert Entry.objects.count() == 1
    look_later(timedelta(days=1))
    swept()
    assert Entry.objects.count() == 2


def test_what_is_entered_by_hand_is_not_counted(agent: Agent, space: Space) -> None:
    on = switched_on(agent, space, matches=1, matches_a_day=1)
    enter(agent, space)
    swept()
    play_out(wins=False)
    record = autopilot.record_of(on, agent, now=timezone.now())
    assert (record.matches, record.net_credits, record.matches_today) == (0, 0, 0)
    swept()
    assert Entry.objects.filter(autopilot=on).count() == 1


def test_without_credits_it_is_not_switched_on_and_later_stops(space: Space) -> None:
    agent = make_agent(make_user(credits=9))
    with pytest.raises(Refused, match=r"You have 9 credits, and its next match costs 10\. Top up"):
        switched_on(agent, space)
    assert not Autopilot.objects.exists()
    wallet.top_up_sandbox(agent.owner_id, amount_credits=10, transfer_id=uuid.uuid4())
    switched_on(agent, space)
    swept()
    swept()
    assert brake_of(agent)[0] == "", "its match may bring credits"
    play_out(wins=False)
    swept()
    assert brake_of(agent)[0] in {Brake.CREDITS, ""}
    assert Entry.objects.filter(status=EntryStatus.FINISHED).exists()


def test_what_cannot_be_is_refused_at_the_field(agent: Agent, space: Space) -> None:
    with pytest.raises(BadLimits) as refused:
        switched_on(agent, space, spend_a_day_credits=5, matches=2)
    assert set(refused.value.problems) == {"spend_a_day_credits", "matches_a_day"}
    entering.close_space(space.pk)
    with pytest.raises(BadLimits, match="has closed"):
        switched_on(agent, space)
    with pytest.raises(NotAvailable):
        autopilot.switch_on(
            make_user().pk, agent_id=agent.pk, space_slugs=[space.slug], limits=LIMITS
        )
    assert not Autopilot.objects.exists()
