"""Credits."""

from typing import Any

from django.http import HttpRequest
from ninja import Router, Status
from ninja.errors import HttpError

from agents.api_tokens import Scope
from arena.credits.ledger import Balance
from arena.credits.wallet import top_up_sandbox
from arena.queries import StatementLine, StatementMark, statement_page, wallet_balance
from frontend.api.edge import answers, needs, user_id
from frontend.api.paging import Cursor, Page, cursor_at, mark_of
from frontend.api.values import IdempotencyKey, TopUp

router = Router()


@router.get("", response=answers(Balance), **needs(Scope.READ), summary="Your credits")
def balance(request: HttpRequest) -> Any:
    return wallet_balance(user_id(request))


@router.get(
    "/statement",
    response=answers(Page[StatementLine]),
    **needs(Scope.READ),
    summary="What moved your credits",
)
def statement(request: HttpRequest, cursor: Cursor) -> Any:
    mark = mark_of(cursor, noun="statement")
    before = StatementMark.read(mark)
    if mark and before is None:
        raise HttpError(400, "This cursor does not belong to this list.")
    page = statement_page(user_id(request), before=before)
    next_cursor = cursor_at("statement", str(page.next_before)) if page.next_before else None
    return {"items": list(page.lines), "next_cursor": next_cursor}


@router.post(
    "/top-ups",
    response=answers(Balance, status=201),
    **needs(Scope.PLAY),
    summary="Top up with sandbox credits",
)
def top_up(request: HttpRequest, new: TopUp, idempotency_key: IdempotencyKey) -> Any:
    top_up_sandbox(user_id(request), amount_credits=new.amount_credits, transfer_id=idempotency_key)
    return Status(201, wallet_balance(user_id(request)))
