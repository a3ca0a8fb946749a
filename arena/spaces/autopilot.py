"""Verbs on autopilots: switch one on or off, and let it do what `arena.credits.brakes` decides.

What an autopilot has done is counted from its entries, under the locks of whoever enters: neither two
sweeps at once nor a worker that dies can make it pass a limit. Lock order: owner, agent, Space, accounts,
autopilot; so the agent's lock is what keeps an autopilot's row from others.
"""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet, Sum
from django.utils import timezone

from agents.errors import NotAvailable, NotNow, Refused
from agents.models import Agent, User
from arena.credits import brakes
from arena.credits.brakes import (
    AutopilotLimits,
    BadLimits,
    ChosenSpace,
    EnterNow,
    Record,
    Stop,
    Wait,
)
from arena.credits.statement import wallet_balance
from arena.models import LIVE_ENTRY_STATUSES, Autopilot, Entry, EntryStatus, Space, SpaceStatus
from arena.models.autopilot import MAX_STOP_CHARS
from arena.nudges import nudge_sweep_on_commit
from arena.spaces.entering import MAX_LIVE_ENTRIES, check_plays, place_entry
from arena.states import AdoptionRule, Brake

AFTER_A_FAULT = timedelta(minutes=5)  # an autopilot that could not be looked at rests


def switch_on(
    user_id: int,
    *,
    agent_id: int,
    space_slugs: Iterable[str],
    limits: AutopilotLimits,
    only_if_on: bool = False,
) -> Autopilot:
    """Let the agent enter by itself, or change the limits of the autopilot that is on.

    What it has done counts on while it is on. Raises BadLimits, and Refused with a sentence if it
    would stop at once. `only_if_on`: the user was shown one that is on, and wants no new one.
    """
    with transaction.atomic(durable=True):
        agent = _own(user_id, agent_id)
        wanted = set(space_slugs)
        spaces = list(
            Space.objects.filter(
                slug__in=wanted, base_model_id=agent.base_model_id, status=SpaceStatus.OPEN
            )
        )
        if len(spaces) < len(wanted):
            raise BadLimits({"spaces": "One of these Spaces has closed. Look again and choose."})
        asked = [_choice(space, agent, most_credits=limits.fee_credits) for space in spaces]
        if problems := brakes.problems_with(limits, asked, most_at_once=MAX_LIVE_ENTRIES):
            raise BadLimits(problems)
        autopilot = Autopilot.objects.filter(agent=agent, stopped_at=None).first()
        if autopilot is None and only_if_on:
            raise Refused(
                "It has stopped meanwhile. Nothing was changed; switch it on if you want that."
            )
        autopilot = autopilot or Autopilot(agent=agent)
        for name, value in asdict(limits).items():
            setattr(autopilot, name, value)
        autopilot.due_at = now = timezone.now()
        autopilot.save()
        autopilot.spaces.set(spaces)
        decision = decision_of(autopilot, agent, now=now)
        if isinstance(decision, Stop):
            raise Refused(f"It would stop at once, so nothing was changed. {decision.reason}")
        nudge_sweep_on_commit()
    return autopilot


def switch_off(user_id: int, *, agent_id: int) -> None:
    """Enter nothing more. An entry that waits or plays is not touched. May be repeated."""
    with transaction.atomic(durable=True):
        agent = _own(user_id, agent_id)
        if autopilot := Autopilot.objects.filter(agent=agent, stopped_at=None).first():
            _stop(autopilot, Brake.OWNER, "You switched it off.")


def dismiss_notice(user_id: int, *, agent_id: int) -> None:
    """Show the notice of what stopped the agent's autopilot no longer."""
    with transaction.atomic(durable=True):
        agent = _own(user_id, agent_id)
        stopped = Autopilot.objects.filter(agent=agent, is_dismissed=False)
        stopped.exclude(stopped_at=None).update(is_dismissed=True)


def due_autopilots(*, limit: int) -> list[int]:
    """Ids of autopilots to look at now, the longest due first. Those whose agents play are not."""
    plays = Entry.objects.filter(agent_id=OuterRef("agent_id"), status__in=LIVE_ENTRY_STATUSES)
    due = Autopilot.objects.filter(~Exists(plays), stopped_at=None, due_at__lte=timezone.now())
    return list(due.order_by("due_at", "id").values_list("id", flat=True)[:limit])


def fly(autopilot_id: int) -> bool:
    """Let one autopilot enter, wait or stop; whether it entered. For the system, without a user."""
    autopilot = Autopilot.objects.select_related("agent").filter(id=autopilot_id).first()
    if autopilot is None:
        return False
    would = decision_of(autopilot, autopilot.agent, now=timezone.now())
    # It reads the agent's weights: before anything is locked, and only if it would enter.
    refusals = _refusals(autopilot) if isinstance(would, EnterNow) else None
    try:
        with transaction.atomic(durable=True):
            agent = _locked(autopilot.agent.owner_id, autopilot.agent_id)
            now = timezone.now()
            autopilot = _on(autopilot_id).filter(due_at__lte=now).first()
            if agent is None or autopilot is None:
                return False  # another sweep or its owner was faster
            decision = decision_of(autopilot, agent, now=now, refusals=refusals)
            match decision:
                case Stop(brake, reason):
                    _stop(autopilot, brake, reason)
                case Wait(until):
                    _on(autopilot_id).update(due_at=until)
                case EnterNow() if refusals is None:
                    return False  # it would not have entered a moment ago: another sweep looks
                case EnterNow():
                    return _enter(autopilot, agent, decision, now)
    except Refused:
        # Credits went elsewhere, or the Space changed, before these were locked.
        _on(autopilot_id).update(due_at=timezone.now() + brakes.LOOK_AGAIN)
    return False


def postpone(autopilot_id: int) -> None:
    """Look at it later: something failed. For the system, without a user."""
    _on(autopilot_id).update(due_at=timezone.now() + AFTER_A_FAULT)


def note_adoption(agent_id: int) -> None:
    """A new version plays. For the system, in the transaction of the adoption."""
    now = timezone.now()
    Autopilot.objects.filter(agent_id=agent_id, stopped_at=None, adopted_at=None).update(
        adopted_at=now, due_at=now
    )


def limits_of(autopilot: Autopilot) -> AutopilotLimits:
    stored = {each.name: getattr(autopilot, each.name) for each in fields(AutopilotLimits)}
    return AutopilotLimits(**stored | {"adoption": AdoptionRule(autopilot.adoption)})


def decision_of(
    autopilot: Autopilot,
    agent: Agent,
    *,
    now: datetime,
    refusals: Mapping[int, Refused] | None = None,
) -> brakes.Decision:
    """What it does now, by the rows as they are.

    `refusals`: why the agent cannot enter a Space, by the Space's id.
    """
    entered = dict(
        autopilot.entries.values("space_id")
        .annotate(last=Max("created_at"))
        .values_list("space_id", "last")
    )
    choices = [
        _choice(
            space,
            agent,
            most_credits=autopilot.fee_credits,
            refusals=refusals,
            entered_at=entered.get(space.pk),
        )
        for space in autopilot.spaces.order_by("id")
    ]
    record = record_of(autopilot, agent, now=now)
    return brakes.decide(limits_of(autopilot), record, choices, now=now)


def record_of(autopilot: Autopilot, agent: Agent, *, now: datetime) -> Record:
    """What the autopilot has done by its entries, and how its agent and owner stand."""
    done = autopilot.entries.exclude(status=EntryStatus.CANCELLED).aggregate(
        matches=Count("id"),
        # Who never answered is not ranked and got the fee back.
        fees=Sum(
            "fee_credits", filter=Q(status__in=LIVE_ENTRY_STATUSES) | Q(seat__rank__isnull=False)
        ),
        prizes=Sum("seat__prize_credits"),
    )
    begin, end = brakes.day_of(now)
    # Those before this one that were switched on today count, too.
    today = Entry.objects.filter(
        autopilot__agent=agent, created_at__gte=begin, created_at__lt=end
    ).exclude(status=EntryStatus.CANCELLED)
    of_today = today.aggregate(matches=Count("id"), fees=Sum("fee_credits"))
    live = list(
        Entry.objects.filter(user_id=agent.owner_id, status__in=LIVE_ENTRY_STATUSES).values_list(
            "agent_id", flat=True
        )
    )
    balance = wallet_balance(agent.owner_id)
    unplayed = _unplayed(autopilot)
    last = unplayed[0] if unplayed else None
    return Record(
        matches=done["matches"],
        net_credits=(done["prizes"] or 0) - (done["fees"] or 0),
        matches_today=of_today["matches"],
        spent_today_credits=of_today["fees"] or 0,
        available_credits=balance.available,
        live_of_owner=len(live),
        is_busy=agent.pk in live,
        may_be_paid=bool(live or balance.held),
        has_adopted=autopilot.adopted_at is not None,
        is_retired=agent.retired_at is not None,
        unplayed_in_a_row=len(unplayed),
        unplayed_at=(last.match and last.match.finished_at) or last.created_at if last else None,
        unplayed_reason=last.cancel_reason if last else "",
    )


def _enter(autopilot: Autopilot, agent: Agent, decision: EnterNow, now: datetime) -> bool:
    space = Space.objects.select_for_update(no_key=True).get(id=decision.space_id)
    place_entry(
        agent,
        space,
        entry_id=uuid.uuid4(),
        fee_credits=decision.fee_credits,
        autopilot_id=autopilot.pk,
    )
    _on(autopilot.pk).update(due_at=now)
    return True


def _stop(autopilot: Autopilot, brake: Brake, reason: str) -> None:
    autopilot.stopped_at = timezone.now()
    autopilot.brake, autopilot.stop_reason = brake, reason[:MAX_STOP_CHARS]
    autopilot.save(update_fields=["stopped_at", "brake", "stop_reason"])


def _on(autopilot_id: int) -> QuerySet[Autopilot]:
    return Autopilot.objects.filter(id=autopilot_id, stopped_at=None)


def _own(user_id: int, agent_id: int) -> Agent:
    agent = _locked(user_id, agent_id)
    if agent is None:
        raise NotAvailable("You have no such agent.")
    if agent.retired_at is not None:
        raise NotAvailable("A retired agent cannot be changed.")
    return agent


def _locked(owner_id: int, agent_id: int) -> Agent | None:
    """The owner's agent, its owner locked first; no_key, as in `enter_space`."""
    User.objects.select_for_update(no_key=True).filter(id=owner_id).first()
    agents = Agent.objects.select_for_update(of=("self",), no_key=True)
    return agents.select_related("owner").filter(id=agent_id, owner_id=owner_id).first()


def _refusals(autopilot: Autopilot) -> dict[int, Refused]:
    agent, refusals = autopilot.agent, dict[int, Refused]()
    for space in autopilot.spaces.filter(status=SpaceStatus.OPEN):
        try:
            check_plays(agent.pk, owner_id=agent.owner_id, space_slug=space.slug)
        except Refused as error:
            refusals[space.pk] = error
    return refusals


def _choice(
    space: Space,
    agent: Agent,
    *,
    most_credits: int,
    refusals: Mapping[int, Refused] | None = None,
    entered_at: datetime | None = None,
) -> ChosenSpace:
    refusal = (refusals or {}).get(space.pk)
    if space.base_model_id != agent.base_model_id:
        refusal = Refused(f"{space.name} is now played on another base model.")
    fees = space.fees_credits
    return ChosenSpace(
        space_id=space.pk,
        name=space.name,
        # Of the Space's fees the highest that the owner allows.
        fee_credits=max((fee for fee in fees if fee <= most_credits), default=fees[0]),
        is_open=space.status == SpaceStatus.OPEN,
        refusal=str(refusal or ""),
        may_pass=isinstance(refusal, NotNow),
        waits_for_training=space.waits_for_training and agent.learning_since is not None,
        entered_at=entered_at,
    )


def _unplayed(autopilot: Autopilot) -> list[Entry]:
    """Its newest entries, as far as they were cancelled."""
    newest = autopilot.entries.select_related("match").order_by("-created_at")
    unplayed: list[Entry] = []
    for entry in newest[: len(brakes.RESTS_AFTER_UNPLAYED) + 1]:
        if entry.status != EntryStatus.CANCELLED:
            break
        unplayed.append(entry)
    return unplayed
