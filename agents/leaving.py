"""A person leaves: the account closes at once, and later what it held of them is erased.

training.runs.leaving says when. Rows stay wherever others' records rest on them: a name that says
nothing takes the person's place. docs/decisions/leaving.md
"""

from collections.abc import Sequence

import structlog
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Model
from django.utils import timezone

from agents.errors import NotAvailable, Refused
from agents.models import Agent, AgentVersion, ApiToken, User

BATCH = 500  # rows of one transaction

log = structlog.get_logger(__name__)


def leave(user_id: int, *, password: str) -> None:
    """Close the account for good and retire its agents. Raises Refused with a sentence.

    Nobody can sign in to it any more, and its sessions end. What is under way ends by its rules;
    then `erase_account` follows.
    """
    user = User.objects.filter(id=user_id, leaving_since=None).first()
    if user is None:
        raise NotAvailable("There is no such account.")
    if user.is_staff or user.is_house:
        raise Refused("An administrator's account cannot be deleted. Give up that role first.")
    if not user.check_password(password):
        raise Refused("That is not your password. Nothing was deleted.")
    now = timezone.now()
    with transaction.atomic(durable=True):
        # The owner's lock first, then the agents', as on entering a Space.
        user = User.objects.select_for_update(no_key=True).get(id=user_id)
        agents = Agent.objects.filter(owner=user, retired_at=None).order_by("id")
        ids = list(agents.select_for_update(no_key=True).values_list("id", flat=True))
        Agent.objects.filter(id__in=ids).update(retired_at=now)
        user.leaving_since = user.leaving_since or now
        user.is_active = False
        user.set_unusable_password()  # which every session of the account was bound to
        user.save(update_fields=["leaving_since", "is_active", "password"])
    log.info("account_closed", user_id=user_id)


def erase_account(owner_id: int) -> None:
    """Erase prompts, names, addresses and sessions of a closed account. For the system.

    May run twice. The caller has erased everything else: this ends with the mark that it is done.
    """
    _erase_prompts(owner_id)
    _end_sessions(owner_id)
    with transaction.atomic(durable=True):
        user = User.objects.select_for_update(no_key=True).get(id=owner_id)
        for agent in Agent.objects.filter(owner=user).order_by("id"):
            # Brackets, which nobody may have in a name, keep it from meeting another one.
            agent.name = f"[deleted agent {agent.pk}]"
            agent.save(update_fields=["name", "name_key"])
        addresses = EmailAddress.objects.filter(user=user)
        ids = [str(pk) for pk in addresses.values_list("pk", flat=True)]
        _rename_in_log(EmailAddress, ids, "[deleted]")
        addresses.delete()
        Authenticator.objects.filter(user=user).delete()
        ApiToken.objects.filter(user=user).delete()
        user.username = f"[deleted user {user.pk}]"
        user.email = user.first_name = user.last_name = ""
        user.last_login = None
        user.left_at = timezone.now()
        user.save()
        _rename_in_log(User, [str(user.pk)], user.username)


def _rename_in_log(model: type[Model], ids: Sequence[str], name: str) -> None:
    """What the staff changed stays noted, under this name."""
    LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(model), object_id__in=ids
    ).update(object_repr=name)


def _erase_prompts(owner_id: int) -> None:
    """Empty the prompts: the one change of a version that its trigger allows, for those who leave."""
    written = AgentVersion.objects.filter(agent__owner_id=owner_id).exclude(prompt="")
    while ids := list(written.order_by("id").values_list("id", flat=True)[:BATCH]):
        AgentVersion.objects.filter(id__in=ids).update(prompt="")


def _end_sessions(owner_id: int) -> None:
    """They are void since the password went, but hold the name that signed in."""
    alive = Session.objects.filter(expire_date__gt=timezone.now())
    found = [
        session.pk
        for session in alive.iterator(chunk_size=BATCH)
        if session.get_decoded().get("_auth_user_id") == str(owner_id)
    ]
    Session.objects.filter(pk__in=found).delete()
