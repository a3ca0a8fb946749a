"""The ledger under a state machine, under races, and under replays."""

import uuid
from collections.abc import Callable

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from arena.credits import ledger, wallet
from arena.models import Account, Transfer, TransferCode
from arena.tests.builders import at_once, make_user

CODE = TransferCode.PRIZE


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


class LedgerMachine(RuleBasedStateMachine):
    """Random transfers, holds and resolutions, compared with a model made of two dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self.outer = transaction.atomic()
        self.outer.__enter__()
        self.accounts = [ledger.account_of(make_user().id) for _ in range(3)]
        for account in self.accounts:
            fund(account, 100)
        self.available = [100, 100, 100]
        self.held = [0, 0, 0]
        self.pending: dict[uuid.UUID, tuple[int, int, int]] = {}

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.outer.__exit__(None, None, None)

    def refused_if(self, expected: bool, call: Callable[[], object]) -> None:
        try:
            with transaction.atomic():
                call()
        except ledger.InsufficientCredits:
            assert expected
        else:
            assert not expected

    @rule(a=st.integers(0, 2), step=st.integers(1, 2), amount=st.integers(1, 80))
    def moves(self, a: int, step: int, amount: int) -> None:
        b = (a + step) % 3
        poor = amount > self.available[a]
        self.refused_if(poor, lambda: transfer(self.accounts[a], self.accounts[b], amount))
        if not poor:
            self.available[a] -= amount
            self.available[b] += amount

    @rule(a=st.integers(0, 2), step=st.integers(1, 2), amount=st.integers(1, 80))
    def holds(self, a: int, step: int, amount: int) -> None:
        b, hold_id = (a + step) % 3, uuid.uuid4()
        poor = amount > self.available[a]
        self.refused_if(
            poor,
            lambda: ledger.hold(
                hold_id,
                debit=self.accounts[a],
                credit=self.accounts[b],
                amount=amount,
                code=CODE,
            ),
        )
        if not poor:
            self.available[a] -= amount
            self.held[a] += amount
            self.pending[hold_id] = (a, b, amount)

    @rule(data=st.data(), replays=st.booleans())
    def posts(self, data: st.DataObject, replays: bool) -> None:
        if not self.pending:
            return
        hold_id = data.draw(st.sampled_from(sorted(self.pending, key=list(self.pending).index)))
        a, b, held = self.pending.pop(hold_id)
        part = data.draw(st.none() | st.integers(1, held))
        resolution = uuid.uuid4()
        for _ in range(2 if replays else 1):
            ledger.post(resolution, pending_id=hold_id, amount=part)
        self.held[a] -= held
        self.available[a] += held - (part or held)
        self.available[b] += part or held

    @rule(data=st.data(), replays=st.booleans())
    def voids(self, data: st.DataObject, replays: bool) -> None:
        if not self.pending:
            return
        hold_id = data.draw(st.sampled_from(sorted(self.pending, key=list(self.pending).index)))
        a, _, amount = self.pending.pop(hold_id)
        resolution = uuid.uuid4()
        for _ in range(2 if replays else 1):
            ledger.void(resolution, pending_id=hold_id)
        self.held[a] -= amount
        self.available[a] += amount

    @invariant()
    def agrees_with_the_model(self) -> None:
        rows = Account.objects.in_bulk([account.id for account in self.accounts])
        balances = [ledger.balance(rows[account.id]) for account in self.accounts]
        assert [each.available for each in balances] == self.available
        assert [each.held for each in balances] == self.held
        audited = ledger.audit()
        assert audited.problems == ()
        assert audited.credits_in_circulation == 300


@pytest.mark.slow
@pytest.mark.django_db
def test_any_sequence_of_transfers_keeps_every_sum_right() -> None:
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=25,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
