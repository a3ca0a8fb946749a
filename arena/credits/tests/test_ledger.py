"""The ledger under a state machine, under races, and under replays."""

import uuid
from collections.abc import Callable

import pytest
from django.db import IntegrityError, connection, transaction

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
    with pytest.raises(ledger.InsufficientCredits, match="available: 3"):
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
