"""Webhooks: addresses that are told of events."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import ConfigDict, Field

from agents.api_tokens import Scope
from arena.states import MAX_HOOK_URL_CHARS, HookEvent
from arena.webhooks import hooks, records
from arena.webhooks.records import DeliveryLine, HookLine
from frontend.api.edge import answers, needs, user_id
from frontend.api.paging import Cursor, Limit, Page, id_of, page_of
from frontend.api.values import RowId, Text

router = Router()


class NewWebhook(Schema):
    """An address, and what it is told of."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"url": "https://bots.example/arena", "events": ["match.finished"]}
        }
    )

    url: Text = Field(max_length=MAX_HOOK_URL_CHARS, description="Begins with https://.")
    events: list[HookEvent] = Field(max_length=20)


class CreatedWebhook(Schema):
    """The secret is told this once."""

    hook_id: int
    secret: str


class NewSecret(Schema):
    """Signs from now on; the one before signs, too, for a day."""

    secret: str


class Replayed(Schema):
    """How many deliveries are sent again."""

    count: int


@router.get("", response=answers(list[HookLine]), **needs(Scope.WEBHOOKS), summary="Your webhooks")
def own_webhooks(request: HttpRequest) -> Any:
    return list(records.webhooks_of(user_id(request)))


@router.post(
    "",
    response=answers(CreatedWebhook, status=201),
    **needs(Scope.WEBHOOKS),
    summary="Add a webhook",
)
def add(request: HttpRequest, new: NewWebhook) -> Any:
    hook_id, secret = hooks.add_webhook(user_id(request), url=new.url, events=new.events)
    return Status(201, {"hook_id": hook_id, "secret": secret})


@router.get("/{hook_id}", response=answers(HookLine), **needs(Scope.WEBHOOKS), summary="A webhook")
def detail(request: HttpRequest, hook_id: RowId) -> Any:
    return records.webhook_view(hook_id, viewer=user_id(request))


@router.delete(
    "/{hook_id}",
    response=answers(None, status=204),
    **needs(Scope.WEBHOOKS),
    summary="Delete a webhook",
)
def delete(request: HttpRequest, hook_id: RowId) -> Any:
    hooks.delete_webhook(user_id(request), hook_id=hook_id)
    return Status(204, None)


def _changing(verb: Callable[..., None], name: str, summary: str) -> None:
    @router.post(
        f"/{{hook_id}}/{name}",
        response=answers(HookLine),
        **needs(Scope.WEBHOOKS),
        summary=summary,
        operation_id=f"webhooks_{name}",
    )
    def change(request: HttpRequest, hook_id: RowId) -> Any:
        verb(user_id(request), hook_id=hook_id)
        return records.webhook_view(hook_id, viewer=user_id(request))


_changing(hooks.pause_webhook, "pause", "Pause a webhook")
_changing(hooks.resume_webhook, "resume", "Resume a webhook")
_changing(hooks.ping_webhook, "ping", "Send a ping to a webhook")


@router.post(
    "/{hook_id}/secret",
    response=answers(NewSecret),
    **needs(Scope.WEBHOOKS),
    summary="Rotate a webhook’s secret",
)
def rotate(request: HttpRequest, hook_id: RowId) -> Any:
    return {"secret": hooks.rotate_secret(user_id(request), hook_id=hook_id)}


@router.get(
    "/{hook_id}/deliveries",
    response=answers(Page[DeliveryLine]),
    **needs(Scope.WEBHOOKS),
    summary="What a webhook was told",
)
def deliveries(request: HttpRequest, hook_id: RowId, cursor: Cursor, limit: Limit) -> Any:
    before = id_of(cursor, noun="deliveries")
    rows = records.deliveries_of(hook_id, viewer=user_id(request), before=before, limit=limit + 1)
    return page_of(rows, limit, mark=lambda row: str(row.delivery_id), noun="deliveries")


@router.post(
    "/{hook_id}/deliveries/{delivery_id}/replay",
    response=answers(Replayed),
    **needs(Scope.WEBHOOKS),
    summary="Send a delivery again",
)
def replay(request: HttpRequest, hook_id: RowId, delivery_id: RowId) -> Any:
    """Under the same id."""
    records.replay_delivery(user_id(request), hook_id=hook_id, delivery_id=delivery_id)
    return {"count": 1}


@router.post(
    "/{hook_id}/replay",
    response=answers(Replayed),
    **needs(Scope.WEBHOOKS),
    summary="Send again what was given up",
)
def replay_failed(request: HttpRequest, hook_id: RowId) -> Any:
    """Oldest first, as much as may wait."""
    return {"count": records.replay_failed(user_id(request), hook_id=hook_id)}
