"""A match as the chain of its events, and what its tasks are drawn from, as far as that is public."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agents.errors import NotAvailable
from arena.models import MatchEvent, TaskSecret

SHOWN_COMMITMENTS = 200  # as many matches wait for a secret only when thousands of agents queue

_ENDINGS = ("match_settled", "match_cancelled")


@dataclass(frozen=True)
class PublicDraw:
    """The commitment to a match's tasks; the secret is empty until the match is over."""

    commitment: str
    secret: str


def match_transcript(match_id: int) -> list[dict[str, Any]]:
    """Every event so far, as `recompute_tasks` reads it. Raises NotAvailable."""
    rows = MatchEvent.objects.filter(match_id=match_id).order_by("seq")
    events: list[dict[str, Any]] = [
        dict(row) for row in rows.values("seq", "kind", "payload", "previous_digest", "digest")
    ]
    if not events:
        raise NotAvailable("There is no such match.")
    return events


def public_draw(match_id: int) -> PublicDraw | None:
    """What the match's events tell; None if it was seated before there were commitments."""
    rows = MatchEvent.objects.filter(match_id=match_id, kind__in=("match_seated", *_ENDINGS))
    told: dict[str, Mapping[str, Any]] = dict(rows.values_list("kind", "payload"))
    commitment = told.get("match_seated", {}).get("task_commitment", "")
    ending = next((told[kind] for kind in _ENDINGS if kind in told), {})
    return PublicDraw(commitment, ending.get("task_secret", "")) if commitment else None


def next_commitments(space_id: int) -> tuple[str, ...]:
    """Commitments of the Space's next matches, in the order in which matches take them; the first."""
    waiting = TaskSecret.objects.filter(space_id=space_id, match=None).order_by("id")
    return tuple(waiting.values_list("commitment", flat=True)[:SHOWN_COMMITMENTS])
