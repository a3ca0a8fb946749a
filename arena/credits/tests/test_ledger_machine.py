"""The whole ledger under a state machine, whose every verb may die between any two statements."""

import itertools
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from arena.credits import ledger, wallet
from arena.credits.tests.test_ledger import CODE, available, transfer
from arena.models import Account, Transfer
from arena.tests.builders import make_user

ONE, STEP, AMOUNT = st.integers(0, 2), st.integers(1, 2), st.integers(1, 80)
CRASH = st.none() | st.integers(0, 14)  # statement before which the process dies
TIMES = st.integers(1, 2)


class Crash(Exception):
    """The process died here; its connection is gone, and with it what it had not committed."""


def dying_before(statement: int, call: Callable[[], object]) -> bool:
    """Call, and die before that statement of it, from 0; False for a call with fewer, which ended."""
    seen = itertools.count()

    def die(execute: Callable[..., Any], *arguments: Any) -> Any:
        if next(seen) == statement:
            connection.connection.close()
            raise Crash
        return execute(*arguments)

    try:
        with connection.execute_wrapper(die):
            call()
    except Crash:
        connection.close()
        return True
    return False


class LedgerMachine(RuleBasedStateMachine):
    """Every verb of the ledger, in any order, beside a plain dictionary for each of its notions.

    Before each verb succeeds, it may die between any two of its statements, which must leave no
    trace; afterwards it may be called again, which must change nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.users = [make_user().id for _ in range(3)]
        self.circulating = ledger.audit().credits_in_circulation
        self.available = dict.fromkeys(self.users, 0)
        self.held = dict.fromkeys(self.users, 0)
        self.pending: dict[uuid.UUID, tuple[int, int, int]] = {}
        self.transfers = Transfer.objects.count()
        for user in self.users:
            self.tops_up(user, 100, None, 1)

    def happens(
        self, call: Callable[[], object], crash: int | None, times: int, *, is_refused: bool = False
    ) -> None:
        if crash is not None and dying_before(
            crash, lambda: self.tried(call, is_refused=is_refused)
        ):
            self.agrees_with_the_model()
        for _ in range(times):
            self.tried(call, is_refused=is_refused)

    def tried(self, call: Callable[[], object], *, is_refused: bool) -> None:
        try:
            with transaction.atomic():
                call()
        except ledger.InsufficientCredits:
            assert is_refused
        else:
            assert not is_refused

    def two_of(self, first: int, step: int) -> tuple[int, int]:
        return self.users[first], self.users[(first + step) % 3]

    def one_pending(self, data: st.DataObject) -> uuid.UUID:
        return data.draw(st.sampled_from(list(self.pending)))

    def tops_up(self, user: int, amount: int, crash: int | None, times: int) -> None:
        given = uuid.uuid4()

        def top_up() -> None:
            wallet.top_up_sandbox(user, amount_credits=amount, transfer_id=given)

        if crash is not None and dying_before(crash, top_up):
            self.agrees_with_the_model()
        for _ in range(times):
            top_up()
        self.available[user] += amount
        self.circulating += amount
        self.transfers += 1

    @rule(first=ONE, amount=AMOUNT, crash=CRASH, times=TIMES)
    def is_topped_up(self, first: int, amount: int, crash: int | None, times: int) -> None:
        self.tops_up(self.users[first], amount, crash, times)

    @rule(first=ONE, step=STEP, amount=AMOUNT, crash=CRASH, times=TIMES)
    def moves(self, first: int, step: int, amount: int, crash: int | None, times: int) -> None:
        a, b = self.two_of(first, step)
        same = uuid.uuid4()
        is_poor = amount > self.available[a]

        def move() -> None:
            transfer(ledger.account_of(a), ledger.account_of(b), amount, id=same)

        self.happens(move, crash, times, is_refused=is_poor)
        if not is_poor:
            self.available[a] -= amount
            self.available[b] += amount
            self.transfers += 1

    @rule(first=ONE, amount=AMOUNT, crash=CRASH, times=TIMES)
    def pays_both_others(self, first: int, amount: int, crash: int | None, times: int) -> None:
        """Several transfers of one transaction, as a settlement makes them: all or none."""
        a, b, c = (self.users[(first + step) % 3] for step in range(3))
        ids = uuid.uuid4(), uuid.uuid4()
        is_poor = 2 * amount > self.available[a]

        def pay() -> None:
            for same, receiver in zip(ids, (b, c), strict=True):
                transfer(ledger.account_of(a), ledger.account_of(receiver), amount, id=same)

        self.happens(pay, crash, times, is_refused=is_poor)
        if not is_poor:
            self.available[a] -= 2 * amount
            self.available[b] += amount
            self.available[c] += amount
            self.transfers += 2

    @rule(first=ONE, step=STEP, amount=AMOUNT, crash=CRASH, times=TIMES)
    def holds(self, first: int, step: int, amount: int, crash: int | None, times: int) -> None:
        a, b = self.two_of(first, step)
        hold_id = uuid.uuid4()
        is_poor = amount > self.available[a]

        def hold() -> None:
            debit, credit = ledger.account_of(a), ledger.account_of(b)
            ledger.hold(hold_id, debit=debit, credit=credit, amount=amount, code=CODE)

        self.happens(hold, crash, times, is_refused=is_poor)
        if not is_poor:
            self.available[a] -= amount
            self.held[a] += amount
            self.pending[hold_id] = (a, b, amount)
            self.transfers += 1

    @precondition(lambda self: self.pending)
    @rule(data=st.data(), crash=CRASH, times=TIMES)
    def posts(self, data: st.DataObject, crash: int | None, times: int) -> None:
        hold_id = self.one_pending(data)
        a, b, held = self.pending[hold_id]
        part = data.draw(st.none() | st.integers(1, held))
        resolution = uuid.uuid4()
        self.happens(lambda: ledger.post(resolution, pending_id=hold_id, amount=part), crash, times)
        del self.pending[hold_id]
        self.held[a] -= held
        self.available[a] += held - (part or held)
        self.available[b] += part or held
        self.transfers += 1

    @precondition(lambda self: self.pending)
    @rule(data=st.data(), crash=CRASH, times=TIMES)
    def voids(self, data: st.DataObject, crash: int | None, times: int) -> None:
        hold_id = self.one_pending(data)
        a, _, held = self.pending[hold_id]
        resolution = uuid.uuid4()
        self.happens(lambda: ledger.void(resolution, pending_id=hold_id), crash, times)
        del self.pending[hold_id]
        self.held[a] -= held
        self.available[a] += held
        self.transfers += 1

    @invariant()
    def agrees_with_the_model(self) -> None:
        rows = {row.owner_id: row for row in Account.objects.filter(owner__in=self.users)}
        balances = {user: ledger.balance(rows[user]) for user in self.users}
        assert {user: each.available for user, each in balances.items()} == self.available
        assert {user: each.held for user, each in balances.items()} == self.held
        audited = ledger.audit()
        assert audited.problems == ()
        assert audited.credits_in_circulation == self.circulating
        assert audited.transfers == self.transfers


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_any_sequence_of_verbs_and_crashes_keeps_every_sum_right() -> None:
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=15,
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("statement", range(5))
def test_a_death_between_two_statements_of_a_transfer_leaves_no_trace(statement: int) -> None:
    a, b = (ledger.account_of(make_user(credits=10).id) for _ in range(2))
    same = uuid.uuid4()
    assert dying_before(statement, lambda: transfer(a, b, 4, id=same))
    assert (available(a), available(b)) == (10, 10)
    transfer(a, b, 4, id=same)
    assert (available(a), available(b)) == (6, 14)
