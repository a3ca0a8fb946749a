"""An autopilot's limits: checked against each other, and never passed however long it flies."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arena.credits.brakes import (
    RESTS_AFTER_UNPLAYED,
    AutopilotLimits,
    ChosenSpace,
    EnterNow,
    Record,
    Stop,
    Wait,
    decide,
    problems_with,
)
from arena.states import AdoptionRule, Brake

NOON = datetime(2027, 3, 28, 12, tzinfo=UTC)
DAYS = 200
LIMITS = AutopilotLimits(
    fee_credits=10,
    matches=100,
    matches_a_day=20,
    at_once=4,
    spend_a_day_credits=200,
    stop_loss_credits=50,
    take_profit_credits=100,
    adoption=AdoptionRule.PLAY_ON,
)
RECORD = Record(
    matches=0,
    net_credits=0,
    matches_today=0,
    spent_today_credits=0,
    available_credits=500,
    live_of_owner=0,
    is_busy=False,
)
POEMS = ChosenSpace(1, "Tiny poems", 10, is_open=True)
UNPLAYED_TWICE = {"unplayed_in_a_row": 2, "unplayed_at": NOON, "unplayed_reason": "Refunded."}
CHAIN = ChosenSpace(2, "Chain sums", 5, is_open=True)


def test_it_takes_turns_among_its_spaces() -> None:
    lately, before = NOON - timedelta(minutes=1), NOON - timedelta(minutes=9)
    for first, second, expected in (
        (None, None, 1),
        (lately, None, 2),
        (lately, before, 2),
        (before, lately, 1),
    ):
        choices = [replace(POEMS, entered_at=first), replace(CHAIN, entered_at=second)]
        found = decide(LIMITS, RECORD, choices, now=NOON)
        assert isinstance(found, EnterNow)
        assert found.space_id == expected


@pytest.mark.parametrize(
    ("brake", "limits", "record", "choice"),
    [
        (Brake.RETIRED, {}, {"is_retired": True}, {}),
        (Brake.MATCHES, {}, {"matches": 100}, {}),
        (Brake.TAKE_PROFIT, {}, {"net_credits": 100}, {}),
        (Brake.STOP_LOSS, {}, {"net_credits": -41}, {}),
        (Brake.ADOPTED, {"adoption": AdoptionRule.STOP_AFTER}, {"has_adopted": True}, {}),
        (Brake.CREDITS, {}, {"available_credits": 9}, {}),
        (Brake.FEE, {}, {}, {"fee_credits": 11}),
        (Brake.FEE, {"spend_a_day_credits": 9}, {}, {}),
        (Brake.SPACES_CLOSED, {}, {}, {"is_open": False}),
        (Brake.REFUSED, {}, {}, {"refusal": "The prompt is too long."}),
        (Brake.UNPLAYED, {}, {"unplayed_in_a_row": 5, "unplayed_reason": "Refunded."}, {}),
    ],
)
def test_each_brake_stops_it_with_a_sentence(
    brake: Brake,
    limits: dict[str, Any],
    record: dict[str, Any],
    choice: dict[str, Any],
) -> None:
    found = decide(
        replace(LIMITS, **limits),
        replace(RECORD, **record),
        [replace(POEMS, **choice)],
        now=NOON,
    )
    assert isinstance(found, Stop)
    assert found.brake == brake
    assert found.reason.endswith(".")


@pytest.mark.parametrize(
    ("until", "limits", "record", "choice"),
    [
        (NOON + timedelta(hours=12), {}, {"matches_today": 20}, {}),
        (NOON + timedelta(hours=12), {}, {"spent_today_credits": 191}, {}),
        (NOON + timedelta(days=1), {"adoption": AdoptionRule.WAIT_FOR}, {}, {}),
        (NOON + timedelta(seconds=30), {}, {"is_busy": True}, {}),
        (NOON + timedelta(seconds=30), {}, {"live_of_owner": 4}, {}),
        (NOON + timedelta(seconds=30), {}, {}, {"waits_for_training": True}),
        (NOON + timedelta(seconds=30), {}, {"available_credits": 9, "may_be_paid": True}, {}),
        (NOON + timedelta(minutes=4), {}, UNPLAYED_TWICE, {}),
        (NOON + timedelta(minutes=15), {}, {}, {"refusal": "Its judges rest.", "may_pass": True}),
    ],
)
def test_what_passes_by_itself_makes_it_wait(
    until: datetime,
    limits: dict[str, Any],
    record: dict[str, Any],
    choice: dict[str, Any],
) -> None:
    found = decide(
        replace(LIMITS, **limits),
        replace(RECORD, **record),
        [replace(POEMS, **choice)],
        now=NOON,
    )
    assert isinstance(found, Wait)
    assert found.until == until
    assert found.reason.endswith(".")


@pytest.mark.parametrize(
    ("field_name", "limits"),
    [
        ("fee_credits", {"fee_credits": 9}),
        ("spend_a_day_credits", {"spend_a_day_credits": 9}),
        ("stop_loss_credits", {"stop_loss_credits": 9}),
        ("matches_a_day", {"matches": 19}),
        ("at_once", {"at_once": 9}),
        ("take_profit_credits", {"take_profit_credits": 0}),
    ],
)
def test_contradictory_limits_are_told_at_the_one_to_change(
    field_name: str, limits: dict[str, Any]
) -> None:
    problems = problems_with(replace(LIMITS, **limits), [POEMS, CHAIN], most_at_once=8)
    assert list(problems) == [field_name]
    assert problems_with(LIMITS, [POEMS, CHAIN], most_at_once=8) == {}
    assert list(problems_with(LIMITS, [], most_at_once=8)) == ["spaces"]


@dataclass
class Entered:
    space_id: int
    fee: int
    at: datetime
    ends_at: datetime
    gain: int | None = None  # None: under way
    was_played: bool = True


@dataclass
class World:
    """One agent's autopilot and all that happens around it, drawn from a seed."""

    limits: AutopilotLimits
    rng: Random
    credits: int = 300
    now: datetime = NOON
    entries: list[Entered] = field(default_factory=list)
    choices: dict[int, ChosenSpace] = field(default_factory=lambda: {1: POEMS, 2: CHAIN})
    others_live: int = 0
    has_adopted: bool = False
    adopted_at: datetime | None = None
    stopped: Stop | None = None

    def record(self) -> Record:
        played = [each for each in self.entries if each.was_played]
        today = [each for each in played if each.at.date() == self.now.date()]
        unplayed = 0
        for each in reversed(self.entries):
            if each.was_played:
                break
            unplayed += 1
        is_busy = bool(self.entries) and self.entries[-1].gain is None
        return Record(
            matches=len(played),
            net_credits=sum((each.gain or 0) - each.fee for each in played),
            matches_today=len(today),
            spent_today_credits=sum(each.fee for each in today),
            available_credits=self.credits,
            live_of_owner=self.others_live + is_busy,
            is_busy=is_busy,
            may_be_paid=self.others_live > 0,
            has_adopted=self.has_adopted,
            unplayed_in_a_row=unplayed,
            unplayed_at=self.entries[-1].ends_at if unplayed else None,
            unplayed_reason="Refunded.",
        )

    def happen(self) -> None:
        """What others do until somebody looks at the autopilot again."""
        rng = self.rng
        self.now += timedelta(minutes=rng.choice((1, 5, 30, 180)))
        last = self.entries[-1] if self.entries else None
        if last and last.gain is None and last.ends_at <= self.now:
            last.was_played = rng.random() > 0.1
            last.gain = rng.choice((0, 0, 0, last.fee, 3 * last.fee)) if last.was_played else 0
            self.credits += last.gain if last.was_played else last.fee
        if rng.random() < 0.02:
            self.credits += rng.randrange(200)  # a top-up
        if rng.random() < 0.05:
            self.credits -= rng.randrange(self.credits + 1) // 4  # other agents, training
        if rng.random() < 0.005:
            self.has_adopted = True
        self.others_live = rng.choice((0, 0, 1, 3))
        space_id = rng.choice((1, 2))
        space = self.choices[space_id]
        if rng.random() < 0.02:
            self.choices[space_id] = replace(space, is_open=not space.is_open or space_id == 1)
        if rng.random() < 0.02:
            self.choices[space_id] = replace(space, fee_credits=rng.choice((0, 5, 10, 12)))
        if rng.random() < 0.02:
            self.choices[space_id] = replace(space, waits_for_training=rng.random() < 0.5)

    def act(self) -> None:
        found = decide(self.limits, self.record(), list(self.choices.values()), now=self.now)
        if self.rng.random() < 0.1:
            return  # killed before anything was written
        if isinstance(found, Stop):
            self.stopped = found
        elif isinstance(found, EnterNow):
            self.check(found)
            ends_at = self.now + timedelta(minutes=self.rng.randint(1, 40))
            self.entries.append(Entered(found.space_id, found.fee_credits, self.now, ends_at))
            space = self.choices[found.space_id]
            self.choices[found.space_id] = replace(space, entered_at=self.now)
            self.credits -= found.fee_credits

    def check(self, entering: EnterNow) -> None:
        """Every limit, from what was done and not from what the autopilot was told."""
        limits, space = self.limits, self.choices[entering.space_id]
        fee = space.fee_credits
        assert space.is_open
        assert not space.waits_for_training
        assert entering.fee_credits == fee <= limits.fee_credits
        assert fee <= self.credits
        played = [each for each in self.entries if each.was_played]
        assert all(each.gain is not None for each in self.entries)
        assert len(played) < limits.matches
        days = Counter(each.at.date() for each in played)
        spent = sum(each.fee for each in played if each.at.date() == self.now.date())
        assert days[self.now.date()] < limits.matches_a_day
        assert spent + fee <= limits.spend_a_day_credits
        net = sum((each.gain or 0) - each.fee for each in played)
        assert net - fee >= -limits.stop_loss_credits
        assert limits.take_profit_credits is None or net < limits.take_profit_credits
        assert self.others_live < limits.at_once
        assert not (limits.adoption == AdoptionRule.STOP_AFTER and self.has_adopted)
        assert not (limits.adoption == AdoptionRule.WAIT_FOR and not self.has_adopted)


LIMITS_OF_ANYBODY = st.builds(
    AutopilotLimits,
    fee_credits=st.integers(10, 20),
    matches=st.integers(10, 400),
    matches_a_day=st.integers(1, 10),
    at_once=st.integers(1, 4),
    spend_a_day_credits=st.integers(10, 80),
    stop_loss_credits=st.integers(10, 300),
    take_profit_credits=st.none() | st.integers(1, 300),
    adoption=st.sampled_from(AdoptionRule),
)


@settings(max_examples=25, deadline=None)
@given(limits=LIMITS_OF_ANYBODY, seed=st.integers(0, 2**32))
def test_left_alone_for_200_days_it_never_passes_a_limit(
    limits: AutopilotLimits, seed: int
) -> None:
    world = World(limits, Random(seed))
    while world.now < NOON + timedelta(days=DAYS) and world.stopped is None:
        world.happen()
        world.act()
    assert world.entries or world.stopped or limits.adoption == AdoptionRule.WAIT_FOR


def test_a_row_of_refunds_ends() -> None:
    record, now = RECORD, NOON
    for count in range(1, len(RESTS_AFTER_UNPLAYED) + 2):
        record = replace(record, unplayed_in_a_row=count, unplayed_at=now, unplayed_reason="Away.")
        found = decide(LIMITS, record, [POEMS], now=now)
        if isinstance(found, Stop):
            assert found.brake == Brake.UNPLAYED
            return
        assert isinstance(found, Wait)
        now = found.until
        assert isinstance(decide(LIMITS, record, [POEMS], now=now), EnterNow)
    raise AssertionError("it would enter for ever")
