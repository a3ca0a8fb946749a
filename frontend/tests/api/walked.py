"""What the walk over verbs and reads calls, and those of webhooks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from arena.talks.charging import tab_of
from arena.talks.naming import model_name, named_versions, own_version
from arena.talks.talking import plan_talk
from arena.webhooks import hooks, records
from frontend.tests.two_people import HOOK_URL, TwoPeople

Ids = Callable[[TwoPeople], Mapping[str, Any]]


@dataclass(frozen=True)
class Verb:
    """A function that acts for `user_id`, and the owner's ids to call it with."""

    act: Callable[..., Any]
    ids: Ids
    run: Mapping[str, Any] = field(default_factory=dict)  # what the run must be for its owner
    changes: bool = True  # what it gives its owner, else it only finds a row


@dataclass(frozen=True)
class Read:
    """A function that leaves out what its viewer may not see."""

    look: Callable[..., Any]
    ids: Ids
    hidden: Callable[[TwoPeople], str]  # what of it only the owner gets


def of_hook(people: TwoPeople) -> Mapping[str, Any]:
    return {"hook_id": people.hook_id}


HOOK_VERBS = (
    Verb(hooks.pause_webhook, of_hook),
    Verb(hooks.resume_webhook, of_hook),
    Verb(hooks.ping_webhook, of_hook),
    Verb(hooks.rotate_secret, of_hook),
    Verb(hooks.delete_webhook, of_hook),
    Verb(hooks.own_locked_hook, of_hook, changes=False),
    Verb(records.replay_failed, of_hook),
    Verb(
        records.replay_delivery,
        lambda people: {"hook_id": people.hook_id, "delivery_id": people.delivery_id},
    ),
)
HOOK_READS = (
    Read(records.webhooks_of, lambda people: {}, lambda people: HOOK_URL),
    Read(records.webhook_view, of_hook, lambda people: HOOK_URL),
    Read(records.stopped_webhooks, lambda people: {}, lambda people: "1"),
    Read(
        records.deliveries_of,
        lambda people: {"hook_id": people.hook_id, "limit": 5},
        lambda people: HOOK_URL,
    ),
)


def _own_model(people: TwoPeople, **more: Any) -> Mapping[str, Any]:
    return {"name": model_name(people.agent_id, 1)} | more


TALK_VERBS = (
    Verb(own_version, _own_model, changes=False),
    Verb(
        plan_talk,
        lambda people: _own_model(
            people, messages=[{"role": "user", "content": "Hello."}], changes={}
        ),
        changes=False,
    ),
)
TALK_READS = (
    Read(named_versions, lambda people: {}, lambda people: model_name(people.agent_id, 1)),
    Read(tab_of, lambda people: {}, lambda people: f"available_credits={people.balance}"),
)
