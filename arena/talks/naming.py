"""Names of versions as models: "agent-12.v7", and "agent-12" for the version that plays."""

import re
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F

from agents.errors import NotAvailable
from agents.models import AgentVersion, Engine

MAX_NAMED = 1_000  # versions in one list, the newest
MAX_NAME_CHARS = 60

_NAME = re.compile(r"agent-(?P<agent>[1-9]\d{0,17})(?:\.v(?P<number>[1-9]\d{0,8}))?", re.ASCII)


@dataclass(frozen=True)
class NamedVersion:
    """A version that its owner can talk to."""

    name: str
    agent_name: str
    number: int
    is_current: bool
    created_at: datetime
    context_tokens: int


def model_name(agent_id: int, number: int) -> str:
    """What the version is called as a model."""
    return f"agent-{agent_id}.v{number}"


def named_versions(viewer: int) -> tuple[NamedVersion, ...]:
    """The viewer's own, the newest first, without those whose weights were collected."""
    rows = (
        AgentVersion.objects.filter(agent__owner_id=viewer, agent__engine=Engine.MODEL)
        .filter(adapter__collected_at=None)
        .select_related("agent__base_model")
        .order_by("-id")[:MAX_NAMED]
    )
    return tuple(
        NamedVersion(
            name=model_name(row.agent_id, row.number),
            agent_name=row.agent.name,
            number=row.number,
            is_current=row.pk == row.agent.current_version_id,
            created_at=row.created_at,
            context_tokens=row.agent.base_model.context_tokens,
        )
        for row in rows
    )


def own_version(user_id: int, *, name: str) -> AgentVersion:
    """The user's version of that name. Raises NotAvailable; anybody else's looks as if it did not exist."""
    found = _NAME.fullmatch(name)
    rows = AgentVersion.objects.select_related("agent__base_model", "adapter").filter(
        agent__owner_id=user_id, agent__engine=Engine.MODEL
    )
    if found is None:
        row = None
    elif found["number"]:
        row = rows.filter(agent_id=int(found["agent"]), number=int(found["number"])).first()
    else:
        current = F("agent__current_version_id")
        row = rows.filter(agent_id=int(found["agent"]), id=current).first()
    if row is None:
        raise NotAvailable(
            f"You have no model {name[:MAX_NAME_CHARS]!r}. A version is named like "
            "\u201cagent-12.v7\u201d; \u201cagent-12\u201d is the one that plays."
        )
    return row
