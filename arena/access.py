"""The only way to get a row for a user. Raises NotAvailable, which edges answer with 404.

Reads build on it. A read of something private raises NotAvailable for others; a read of something
public takes `viewer`, a user's id or None, and leaves out what only the owner may see.
"""

import uuid

from agents.errors import NotAvailable
from agents.models import Agent, User
from arena.models import Entry


def agent_for_viewer(agent_id: int) -> Agent:
    """Any agent: its record is public, its prompts are not."""
    row = (
        Agent.objects.select_related("owner", "base_model", "current_version__adapter")
        .filter(id=agent_id)
        .first()
    )
    if row is None:
        raise NotAvailable("There is no such agent.")
    return row


def agent_for_owner(user_id: int, agent_id: int) -> Agent:
    """The user's own agent; anybody else's looks as if it did not exist."""
    row = (
        Agent.objects.select_related("owner", "base_model", "current_version__adapter")
        .filter(id=agent_id, owner_id=user_id)
        .first()
    )
    if row is None:
        raise NotAvailable("There is no such agent.")
    return row


def entry_for_owner(user_id: int, entry_id: uuid.UUID) -> Entry:
    """The user's own entry."""
    row = (
        Entry.objects.select_related("space", "agent").filter(id=entry_id, user_id=user_id).first()
    )
    if row is None:
        raise NotAvailable("There is no such entry.")
    return row


def require_staff(user_id: int) -> None:
    """Nothing for the staff; to everybody else the page does not exist."""
    if not User.objects.filter(id=user_id, is_staff=True, is_active=True).exists():
        raise NotAvailable("There is no such page.")
