"""The ledger under a state machine, under races, and under replays."""

import itertools
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
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
from arena.models import Account, Transfer, TransferCode
from arena.tests.builders import at_once, make_user

CODE = TransferCode.PRIZE
ONE, STEP, AMOUNT = st.integers(0, 2), st.integers(1, 2), st.integers(1, 80)
CRASH = st.none() | st.integers(0, 14)  # statement before which the process dies
TIMES = st.integers(1, 2)


def transfer(
    source: Account, target: Account, amount: int, *, id: uuid.UUID | None = None
) -> Transfer:
    with transaction.atomic():
        return ledger.transfer(
            id or uuid.uuid4(), debit=source, credit=target, amount=amount, code=CODE
        )


def fund(account: Account, amount: int) -> None:
    transfer(ledger.issuance_account(), account, amount)


def available(account: Account) -> int:
    return ledger.balance(Account.objects.get(id=account.id)).available


@pytest.mark.django_db
def test_a_replayed_transfer_moves_credits_once() -> None:
    a, b = ledger.account_of(make_user().id), ledger.account_of(make_user().id)
    fund(a, 10)
    same = uuid.uuid4()
    first = transfer(a, b, 4, id=same)
    assert transfer(a, b, 4, id=same).id == first.id
    assert (available(a), available(b)) == (6, 4)


@pytest.mark.django_db
def test_an_id_used_for_something_else_is_a_conflict_and_moves_nothing() -> None:
    a, b = ledger.account_of(make_user().id), ledger.account_of(make_user().id)
    fund(a, 10)
    same = uuid.uuid4()
    transfer(a, b, 4, id=same)
    with pytest.raises(ledger.TransferConflict):
        transfer(a, b, 5, id=same)
    assert available(a) == 6


@pytest.mark.django_db
def test_held_credits_cannot_be_spent_and_come_back_when_voided() -> None:
    a, b = ledger.account_of(make_user().id), ledger.account_of(make_user().id)
    fund(a, 10)
    hold_id = uuid.uuid4()
    with transaction.atomic():
        ledger.hold(hold_id, debit=a, credit=b, amount=7, code=CODE)
    with pytest.raises(ledger.InsufficientCredits, match="3 are available"):
        transfer(a, b, 4)
    with transaction.atomic():
        ledger.void(uuid.uuid4(), pending_id=hold_id)
    assert available(a) == 10


@pytest.mark.django_db
def test_a_hold_is_resolved_once() -> None:
    a, b = ledger.account_of(make_user().id), ledger.account_of(make_user().id)
    fund(a, 10)
    hold_id, post_id = uuid.uuid4(), uuid.uuid4()
    with transaction.atomic():
        ledger.hold(hold_id, debit=a, credit=b, amount=7, code=CODE)
    with transaction.atomic():
        ledger.post(post_id, pending_id=hold_id)
        ledger.post(post_id, pending_id=hold_id)
    with pytest.raises(ledger.TransferConflict), transaction.atomic():
        ledger.void(uuid.uuid4(), pending_id=hold_id)
    assert (available(a), available(b)) == (3, 7)


@pytest.mark.django_db
def test_a_part_of_a_hold_is_posted_once_and_the_rest_comes_back() -> None:
    a, b = ledger.account_of(make_user().id), ledger.account_of(make_user().id)
    fund(a, 10)
    hold_id, post_id = uuid.uuid4(), uuid.uuid4()
    with transaction.atomic():
        ledger.hold(hold_id, debit=a, credit=b, amount=7, code=CODE)
    for _ in range(2):
        with transaction.atomic():
            ledger.post(post_id, pending_id=hold_id, amount=3)
    with pytest.raises(ledger.TransferConflict), transaction.atomic():
        ledger.post(post_id, pending_id=hold_id, amount=4)
    assert (available(a), available(b)) == (7, 3)
    assert ledger.audit().problems == ()


@pytest.mark.django_db
@pytest.mark.parametrize("amount", [-1, 0, 8])
def test_no_more_than_the_hold_and_no_nothing_is_posted(amount: int) -> None:
    a, b = ledger.account_of(make_user().id), ledger.account_of(make_user().id)
    fund(a, 10)
    hold_id = uuid.uuid4()
    with transaction.atomic():
        ledger.hold(hold_id, debit=a, credit=b, amount=7, code=CODE)
    with pytest.raises(ledger.TransferConflict, match="is of 7 credits"), transaction.atomic():
        ledger.post(uuid.uuid4(), pending_id=hold_id, amount=amount)
    assert available(a) == 3


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "amount", "is_right"),
    [
        ("post", 7, True),
        ("post", 3, True),
        ("post", 8, False),
        ("void", 7, True),
        ("void", 3, False),
    ],
)
def test_the_database_and_the_audit_know_what_a_hold_can_become(
    kind: str, amount: int, is_right: bool
) -> None:
    a, b = ledger.account_of(make_user().id), ledger.account_of(make_user().id)
    fund(a, 10)
    hold_id = uuid.uuid4()
    with transaction.atomic():
        ledger.hold(hold_id, debit=a, credit=b, amount=7, code=CODE)
    row = Transfer(
        id=uuid.uuid4(),
        kind=kind,
        debit=a,
        credit=b,
        amount_credits=amount,
        code=CODE,
        pending_id=hold_id,
    )
    if is_right:
        row.save(force_insert=True)
    else:
        with pytest.raises(IntegrityError, match="its hold"), transaction.atomic():
            row.save(force_insert=True)
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")  # no trigger fires
        row.save(force_insert=True)
    assert is_right == (f"transfer {row.id} differs from its hold" not in ledger.audit().problems)


@pytest.mark.django_db
@pytest.mark.parametrize("verb", ["update", "delete"])
def test_the_database_refuses_to_change_a_transfer(verb: str) -> None:
    fund(ledger.account_of(make_user().id), 10)
    rows = Transfer.objects.all()
    with pytest.raises(IntegrityError, match="immutable"), transaction.atomic():
        rows.update(amount_credits=99) if verb == "update" else rows._raw_delete(rows.db)


@pytest.mark.django_db
def test_the_audit_finds_a_sum_that_was_tampered_with() -> None:
    account = ledger.account_of(make_user().id)
    fund(account, 10)
    assert ledger.audit().problems == ()
    Account.objects.filter(id=account.id).update(credits_posted=11)
    problems = ledger.audit().problems
    assert any(account.key in problem for problem in problems)


@pytest.mark.django_db(transaction=True)
def test_two_spenders_at_once_cannot_spend_the_same_credits() -> None:
    a, b = ledger.account_of(make_user().id), ledger.account_of(make_user().id)
    fund(a, 10)
    outcomes = at_once(lambda: transfer(a, b, 7), lambda: transfer(a, b, 7))
    assert sorted(type(each).__name__ for each in outcomes) == ["InsufficientCredits", "Transfer"]
    assert (available(a), available(b)) == (3, 7)
    assert ledger.audit().problems == ()


@pytest.mark.django_db(transaction=True)
def test_opposite_transfers_at_once_do_not_deadlock() -> None:
    a, b = ledger.account_of(make_user().id), ledger.account_of(make_user().id)
    fund(a, 50)
    fund(b, 50)

    def many(source: Account, target: Account) -> Callable[[], None]:
        def run() -> None:
            for _ in range(20):
                transfer(source, target, 1)

        return run

    assert at_once(many(a, b), many(b, a)) == [None, None]
    assert (available(a), available(b)) == (50, 50)


@pytest.mark.django_db(transaction=True)
def test_post_and_void_of_one_hold_at_once_resolve_it_once() -> None:
    a, b = ledger.account_of(make_user().id), ledger.account_of(make_user().id)
    fund(a, 10)
    hold_id = uuid.uuid4()
    with transaction.atomic():
        ledger.hold(hold_id, debit=a, credit=b, amount=7, code=CODE)

    def resolve(verb: Callable[..., Transfer]) -> Transfer:
        with transaction.atomic():
            return verb(uuid.uuid4(), pending_id=hold_id)

    outcomes = at_once(lambda: resolve(ledger.post), lambda: resolve(ledger.void))
    assert sorted(type(each).__name__ for each in outcomes) == ["Transfer", "TransferConflict"]
    assert ledger.audit().problems == ()


@pytest.mark.django_db(transaction=True)
def test_a_double_clicked_top_up_issues_once() -> None:
    user, same = make_user(), uuid.uuid4()
    click = lambda: wallet.top_up_sandbox(user.id, amount_credits=100, transfer_id=same)
    outcomes = at_once(click, click)
    assert [type(each) for each in outcomes] == [Transfer, Transfer]
    assert available(ledger.account_of(user.id)) == 100


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
