"""The ledger's transfer against the bare SQL that any double entry needs: two updates, one insert.

python -m benchmarks.ledger [--transfers 2000]
"""

import argparse
import time
import uuid

import arena.config.testing  # noqa: F401  starts PostgreSQL
import django

django.setup()

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.db import transaction

from agents.models import User
from arena.config.supervisor.machine import this_machine
from arena.credits import ledger
from arena.models import Account, TransferCode

INSERT = """
INSERT INTO arena_transfer
    (id, kind, debit_id, credit_id, amount_credits, code, reference, created_at)
VALUES (%s, 'posted', %s, %s, 1, 'prize', '', now())
"""
DEBIT = "UPDATE arena_account SET debits_posted = debits_posted + 1 WHERE id = %s"
CREDIT = "UPDATE arena_account SET credits_posted = credits_posted + 1 WHERE id = %s"


def ours(source: Account, target: Account, count: int) -> float:
    started = time.perf_counter()
    for _ in range(count):
        with transaction.atomic():
            ledger.transfer(
                uuid.uuid4(), debit=source, credit=target, amount=1, code=TransferCode.PRIZE
            )
    return count / (time.perf_counter() - started)


def bare(source: Account, target: Account, count: int) -> float:
    with psycopg.connect(settings.DATABASE_URL) as connection:
        started = time.perf_counter()
        for _ in range(count):
            with connection.transaction():
                connection.execute(DEBIT, [source.id])
                connection.execute(CREDIT, [target.id])
                connection.execute(INSERT, [uuid.uuid4(), source.id, target.id])
        return count / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transfers", type=int, default=2000)
    count = parser.parse_args().transfers
    call_command("migrate", verbosity=0)
    users = [User.objects.create_user(f"bench-{uuid.uuid4()}") for _ in range(2)]
    source, target = (ledger.account_of(user.id) for user in users)
    with transaction.atomic():
        ledger.transfer(
            uuid.uuid4(),
            debit=ledger.issuance_account(),
            credit=source,
            amount=count * 4,
            code=TransferCode.TOP_UP,
        )
    ours(source, target, count // 10)
    bare(source, target, count // 10)
    with_ledger, with_sql = ours(source, target, count), bare(source, target, count)
    print(this_machine())
    print(f"{count} transfers between two accounts, one connection")
    print(f"our ledger {with_ledger:8.0f} per second")
    print(f"bare SQL   {with_sql:8.0f} per second")
    print(f"ratio      {with_ledger / with_sql:8.2f}")
    assert not ledger.audit().problems


if __name__ == "__main__":
    main()
