"""A statement's pages: together they show every line once, whatever arrives in between."""

import uuid

import pytest
from django.db import transaction
from django.utils import timezone

from arena.credits import ledger
from arena.credits.statement import PAGE_ROWS, StatementMark, statement_page
from arena.models import Transfer, TransferCode
from arena.tests.builders import make_user

pytestmark = pytest.mark.django_db


def pay(user_id: int, count: int) -> None:
    with transaction.atomic():
        for _ in range(count):
            ledger.transfer(
                uuid.uuid4(),
                debit=ledger.issuance_account(),
                credit=ledger.account_of(user_id),
                amount=1,
                code=TransferCode.TOP_UP,
            )


def test_lines_of_one_moment_are_all_shown_while_others_arrive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    user, moment = make_user(), timezone.now()
    with monkeypatch.context() as stopped:
        stopped.setattr(timezone, "now", lambda: moment)
        pay(user.pk, 2 * PAGE_ROWS + 5)
    known = {str(each) for each in Transfer.objects.values_list("id", flat=True)}
    seen: list[str] = []
    mark: StatementMark | None = None
    for _ in range(3):
        page = statement_page(user.pk, before=mark)
        seen += [line.transfer_id for line in page.lines]
        mark = page.next_before
        pay(user.pk, 1)
    assert mark is None
    assert len(seen) == len(known)
    assert set(seen) == known


def test_a_mark_is_read_as_it_was_written() -> None:
    mark = StatementMark(timezone.now(), uuid.uuid4())
    assert StatementMark.read(str(mark)) == mark
    ahead = StatementMark.read(f"2026-01-01T00:00:00+23:00~{mark.transfer_id}")
    assert ahead is not None
    assert ahead.at.isoformat() == "2025-12-31T01:00:00+00:00"
    early = f"0001-01-01T00:00:00+23:00~{mark.transfer_id}"
    for text in (early, "", "~", str(mark.at), f"2026-11-28T00:00:00~{uuid.uuid4()}", f"{mark}~"):
        assert StatementMark.read(text) is None
