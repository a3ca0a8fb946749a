"""Reads about autopilots: what one did and earned, and what stopped it. Only its owner sees them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

from django.utils import timezone

from arena import access
from arena.credits.brakes import AutopilotLimits, Stop, Wait
from arena.models import LIVE_ENTRY_STATUSES, Autopilot, Entry, EntryStatus, Space, SpaceStatus
from arena.spaces.autopilot import decision_of, limits_of, record_of
from arena.states import Brake

SHOWN_ENTRIES = 12
MAX_CURVE_POINTS = 400


@dataclass(frozen=True)
class FlightLine:
    """One entry of an autopilot."""

    space_name: str
    match_id: int | None
    status: str
    rank: int | None  # None: not over, or it never answered and got the fee back
    fee_credits: int
    net_credits: int
    cancel_reason: str
    at: datetime


@dataclass(frozen=True)
class AutopilotView:
    """An agent's newest autopilot, on or stopped."""

    is_on: bool
    doing: str  # a sentence, while it is on
    brake: str
    stop_reason: str
    is_notice: (
        bool  # something else than its owner stopped it, and the owner has not dismissed that
    )
    started_at: datetime
    stopped_at: datetime | None
    limits: AutopilotLimits
    space_slugs: tuple[str, ...]
    space_names: tuple[str, ...]
    matches: int
    net_credits: int
    matches_today: int
    spent_today_credits: int
    curve: tuple[int, ...]  # net credits at the start and after each match that is over
    lines: tuple[FlightLine, ...]  # newest first


@dataclass(frozen=True)
class AutopilotNotice:
    """Whether an agent's autopilot is on, or what stopped it."""

    is_on: bool
    stop_reason: str


@dataclass(frozen=True)
class FlightSpace:
    """An open Space that an autopilot may be given."""

    slug: str
    name: str
    fees_credits: tuple[int, ...]


def autopilot_view(agent_id: int, *, viewer: int) -> AutopilotView | None:
    """The agent's newest autopilot; None if it never had one. Raises NotAvailable for others."""
    agent = access.agent_for_owner(viewer, agent_id)
    row = Autopilot.objects.filter(agent=agent).order_by("-id").first()
    if row is None:
        return None
    now = timezone.now()
    is_on = row.stopped_at is None
    record = record_of(row, agent, now=now)
    spaces = row.spaces.order_by("id").values_list("slug", "name")
    return AutopilotView(
        is_on=is_on,
        doing=_doing(row, now) if is_on else "",
        brake=row.brake,
        stop_reason=row.stop_reason,
        is_notice=_is_notice(row),
        started_at=row.started_at,
        stopped_at=row.stopped_at,
        limits=limits_of(row),
        space_slugs=tuple(slug for slug, _ in spaces),
        space_names=tuple(name for _, name in spaces),
        matches=record.matches,
        net_credits=record.net_credits,
        matches_today=record.matches_today,
        spent_today_credits=record.spent_today_credits,
        curve=_curve(row),
        lines=tuple(map(_line, _newest(row))),
    )


def autopilot_notices(agent_ids: Iterable[int], *, viewer: int) -> dict[int, AutopilotNotice]:
    """By agent, of the viewer's own: autopilots that are on, and those with a notice to read."""
    newest = Autopilot.objects.filter(agent__in=list(agent_ids), agent__owner_id=viewer)
    rows = newest.order_by("agent_id", "-id").distinct("agent_id")
    return {
        row.agent_id: AutopilotNotice(row.stopped_at is None, row.stop_reason)
        for row in rows
        if row.stopped_at is None or _is_notice(row)
    }


def flight_spaces(base_model_id: int) -> tuple[FlightSpace, ...]:
    """The open Spaces that are played on this base model."""
    rows = Space.objects.filter(base_model_id=base_model_id, status=SpaceStatus.OPEN)
    return tuple(FlightSpace(row.slug, row.name, row.fees_credits) for row in rows.order_by("id"))


def _is_notice(row: Autopilot) -> bool:
    return row.stopped_at is not None and row.brake != Brake.OWNER and not row.is_dismissed


def _doing(row: Autopilot, now: datetime) -> str:
    match decision_of(row, row.agent, now=now):
        case Wait(reason=reason):
            return reason
        case Stop(reason=reason):
            return f"It is about to stop. {reason}"
        case _:
            return "It enters its next Space within seconds."


def _newest(row: Autopilot) -> list[Entry]:
    entries = row.entries.select_related("space", "seat").order_by("-created_at")
    return list(entries[:SHOWN_ENTRIES])


def _line(entry: Entry) -> FlightLine:
    seat = getattr(entry, "seat", None)
    rank = seat.rank if seat else None
    costs = entry.status in LIVE_ENTRY_STATUSES or rank is not None
    return FlightLine(
        space_name=entry.space.name,
        match_id=entry.match_id,
        status=entry.status,
        rank=rank,
        fee_credits=entry.fee_credits,
        net_credits=(seat.prize_credits if seat else 0) - (entry.fee_credits if costs else 0),
        cancel_reason=entry.cancel_reason,
        at=entry.created_at,
    )


def _curve(row: Autopilot) -> tuple[int, ...]:
    done = row.entries.filter(status=EntryStatus.FINISHED, seat__rank__isnull=False)
    moves = done.order_by("created_at").values_list("seat__prize_credits", "fee_credits")
    sums = tuple(accumulate((prize - fee for prize, fee in moves), initial=0))
    return sums[-MAX_CURVE_POINTS:]
