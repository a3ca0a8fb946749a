"""Verbs on entries: enter a Space, leave its queue, close it."""

import uuid
from collections.abc import Iterable, Sequence

from django.db import IntegrityError, transaction
from django.utils import timezone

from agents.adapters.checks import BadAdapter
from agents.adapters.store import AdapterMissing, LatelyRefused, check_playable
from agents.errors import NotAvailable, NotNow, Refused
from agents.inference.client import Sampling
from agents.models import Agent, Engine, User
from agents.tokens import count_tokens, prompt_room
from arena.credits import ledger
from arena.environments import ENVIRONMENTS
from arena.environments.asking import exchange_tokens
from arena.environments.base import EnvironmentFault
from arena.models import (
    LIVE_ENTRY_STATUSES,
    Autopilot,
    Entry,
    EntryStatus,
    Space,
    SpaceStatus,
    Transfer,
    TransferCode,
)
from arena.nudges import nudge_sweep_on_commit
from arena.spaces.committing import keep_committed
from arena.spaces.judges.bench import Bench, bench_of
from arena.states import Brake

# Of one owner, over all Spaces: whoever enters many agents at once must not fill every table.
MAX_LIVE_ENTRIES = 8

_USED_FORM = "This form was already used for something else; reload the page and try again."


def enter_space(
    user_id: int,
    *,
    agent_id: int,
    space_slug: str,
    entry_id: uuid.UUID,
    agreed_credits: int | None = None,
    agreed_terms: str = "",
) -> Entry:
    """Hold the fee and join the queue. A replay of the id returns the first entry while it lives.

    `agreed_credits` is the fee that the user chose of those shown, and `agreed_terms` the stamp of
    the terms shown; None takes the Space's usual fee, and no stamp any terms. Raises Refused with a
    sentence (closed, already in, too few credits, no such fee, ...).
    """
    ledger.check_given_id(entry_id)
    if not Entry.objects.filter(id=entry_id, user_id=user_id).exists():
        check_plays(agent_id, owner_id=user_id, space_slug=space_slug)
    try:
        with transaction.atomic(durable=True):
            # The owner's lock comes first, so that two entries at once are counted one by one.
            User.objects.select_for_update(no_key=True).filter(id=user_id).first()
            # The agent's lock makes a simultaneous second click wait for the first. no_key, because
            # seating the agent refers to its row while we wait for the Space's lock.
            agent = (
                Agent.objects.select_for_update(of=("self",), no_key=True)
                .filter(id=agent_id, owner_id=user_id)
                .first()
            )
            if agent is None:
                raise NotAvailable("You have no such agent.")
            # Locked, so that the Space cannot close between this check and the commit.
            space = Space.objects.select_for_update(no_key=True).filter(slug=space_slug).first()
            if space is None:
                raise NotAvailable("There is no such Space.")
            if old := Entry.objects.filter(id=entry_id).first():
                asked = user_id, agent.id, space.id
                is_same_fee = agreed_credits in (None, old.fee_credits)
                if (old.user_id, old.agent_id, old.space_id) != asked or not is_same_fee:
                    raise Refused(_USED_FORM)
                _check_replayed(old)
                return old
            fee = space.entry_fee_credits if agreed_credits is None else agreed_credits
            if agreed_terms not in ("", space.terms.stamp):
                raise Refused(
                    f"{space.name} now shares the pool in another way. Nothing was held; look at the "
                    "prizes, and enter again if you agree."
                )
            return place_entry(agent, space, entry_id=entry_id, fee_credits=fee)
    except ledger.InsufficientCredits as error:
        raise ledger.InsufficientCredits(f"Not enough credits to enter. {error}") from None
    except (ledger.TransferConflict, IntegrityError):
        raise Refused(_USED_FORM) from None


def place_entry(
    agent: Agent,
    space: Space,
    *,
    entry_id: uuid.UUID,
    fee_credits: int,
    autopilot_id: int | None = None,
) -> Entry:
    """Hold the fee and join the queue. Raises Refused with a sentence.

    Inside the caller's transaction, which has locked the owner, the agent and the Space.
    """
    _check(agent, space)
    if fee_credits not in space.fees_credits:
        raise Refused(
            f"{space.name} now costs {_any_of(space.fees_credits)} credits, not {fee_credits:,}. "
            "Nothing was held; enter again if you agree."
        )
    keep_committed(space.pk)
    entry = Entry.objects.create(
        id=entry_id,
        space=space,
        agent=agent,
        user_id=agent.owner_id,
        fee_credits=fee_credits,
        terms=space.terms.as_json(),
        autopilot_id=autopilot_id,
    )
    if entry.fee_credits:
        ledger.hold(
            entry.id,
            debit=ledger.account_of(agent.owner_id),
            credit=ledger.escrow_of(space.pk),
            amount=entry.fee_credits,
            code=TransferCode.ENTRY_FEE,
            reference=f"entry:{entry.id}",
        )
    nudge_sweep_on_commit()
    # And again when the house may fill the empty seats.
    nudge_sweep_on_commit(after_seconds=space.house_fill_seconds + 0.1)
    return entry


def leave_queue(user_id: int, *, entry_id: uuid.UUID) -> Entry:
    """Withdraw a waiting entry and release its fee. A seated entry plays on."""
    with transaction.atomic(durable=True):
        entry = (
            Entry.objects.select_for_update(of=("self",), no_key=True)
            .filter(id=entry_id, user_id=user_id)
            .first()
        )
        if entry is None:
            raise NotAvailable("You have no such entry.")
        if entry.status == EntryStatus.CANCELLED:
            return entry
        if entry.status != EntryStatus.QUEUED:
            raise Refused("The match has already been made; your agent plays in it.")
        cancel_entries([(entry, "You left the queue.")])
        # Otherwise it would enter again at once.
        Autopilot.objects.filter(entries=entry, stopped_at=None).update(
            stopped_at=timezone.now(),
            brake=Brake.OWNER,
            stop_reason="You took its entry out of the queue.",
        )
    return entry


def withdraw_all(owner_id: int) -> None:
    """Cancel all waiting entries of a person who leaves. For the system, without a user."""
    with transaction.atomic(durable=True):
        queued = (
            Entry.objects.select_for_update(of=("self",), no_key=True)
            .filter(user_id=owner_id, status=EntryStatus.QUEUED)
            .order_by("id")
        )
        cancel_entries((entry, "Its owner deleted the account.") for entry in queued)


def close_space(space_id: int) -> int:
    """Stop taking entries; waiting ones are cancelled and their fees released.

    For the staff: only the admin calls it. Matches already seated play on. Returns how many
    entries were cancelled.
    """
    with transaction.atomic(durable=True):
        space = Space.objects.select_for_update(no_key=True).get(id=space_id)
        space.status = SpaceStatus.CLOSED
        space.save(update_fields=["status"])
        queued = (
            Entry.objects.select_for_update(of=("self",), no_key=True)
            .filter(space=space, status=EntryStatus.QUEUED)
            .order_by("id")
        )
        cancelled = [(entry, f"{space.name} closed while you waited.") for entry in queued]
        cancel_entries(cancelled)
    # Those that wait, for tomorrow perhaps, find out now. Each by itself: who retires agents locks
    # several of these rows, too, and in another order.
    waiting = Autopilot.objects.filter(spaces=space_id, stopped_at=None)
    for autopilot_id in waiting.values_list("id", flat=True):
        Autopilot.objects.filter(id=autopilot_id).update(due_at=timezone.now())
    return len(cancelled)


def open_space(space_id: int) -> None:
    """Take entries again. For the staff: only the admin calls it."""
    with transaction.atomic(durable=True):
        space = Space.objects.select_for_update(no_key=True).get(id=space_id)
        space.status = SpaceStatus.OPEN
        space.save(update_fields=["status"])


def cancel_entries(entries: Iterable[tuple[Entry, str]]) -> None:
    """Cancel each entry with its reason and void its hold.

    Inside the caller's transaction, which holds the rows' locks.
    """
    entries = list(entries)
    holds = Transfer.objects.filter(id__in=[entry.id for entry, _ in entries])
    # All accounts at once and in the order of their ids, as settlements lock them.
    ledger.lock_accounts(
        account for both in holds.values_list("debit_id", "credit_id") for account in both
    )
    for entry, reason in entries:
        entry.status = EntryStatus.CANCELLED
        entry.cancel_reason = reason[:200]
        entry.save(update_fields=["status", "cancel_reason"])
        if entry.fee_credits:
            ledger.void(
                uuid.uuid5(entry.id, "void"), pending_id=entry.id, reference=f"entry:{entry.id}"
            )


def _any_of(fees: Sequence[int]) -> str:
    """ "0, 10 or 50"."""
    *others, last = [f"{fee:,}" for fee in fees]
    return f"{', '.join(others)} or {last}" if others else last


def _check_replayed(entry: Entry) -> None:
    """Refuse to stay silent about a form that was sent again long after what it asked for."""
    if entry.status == EntryStatus.FINISHED:
        raise Refused(
            f"This form's match has been played already (match {entry.match_id}). Enter again to "
            "play another one."
        )
    if entry.status == EntryStatus.CANCELLED:
        raise Refused("This form's entry was cancelled and its fee returned. Enter again to play.")


def check_plays(agent_id: int, *, owner_id: int, space_slug: str) -> None:
    """Refuse an agent that could not play in the Space. Slow: nothing may be locked meanwhile."""
    _check_judged(space_slug)
    _check_adapter(owner_id, agent_id)
    _check_prompt(owner_id, agent_id, space_slug)


def _check_judged(space_slug: str) -> None:
    """Refuse a Space in which nobody may judge now."""
    space = Space.objects.filter(slug=space_slug).first()
    if space is not None and bench_of(space) == Bench.EMPTY:
        raise NotNow(
            f"{space.name} takes no entries now: its judges are in quarantine, and code cannot decide "
            "there. Nothing was held."
        )


def _check_adapter(user_id: int, agent_id: int) -> None:
    """Refuse a bad adapter now: found at the start, it would cancel everybody's match."""
    agent = (
        Agent.objects.filter(id=agent_id, owner_id=user_id)
        .select_related("current_version__adapter")
        .first()
    )
    version = agent.current_version if agent else None
    if agent is None or version is None or version.adapter is None:
        return
    try:
        check_playable(version.adapter)
    except (AdapterMissing, LatelyRefused) as error:
        raise NotNow(f"{agent.name} cannot play. {error}") from error
    except BadAdapter as error:
        raise Refused(f"{agent.name} cannot play. {error}") from error


def _check_prompt(user_id: int, agent_id: int, space_slug: str) -> None:
    """Refuse a prompt beside which this Space's longest task and answer have no room."""
    agent = (
        Agent.objects.filter(id=agent_id, owner_id=user_id, engine=Engine.MODEL)
        .select_related("current_version", "base_model")
        .first()
    )
    space = Space.objects.filter(slug=space_slug).first()
    if agent is None or agent.current_version is None or space is None:
        return
    longest = min(Sampling.from_json(agent.current_version.sampling).max_tokens, space.max_tokens)
    try:
        needed = exchange_tokens(ENVIRONMENTS[space.environment], max_tokens=longest)
    except EnvironmentFault as fault:
        raise NotNow(f"{space.name} cannot be played now. {fault} Try again later.") from fault
    room = prompt_room(agent.base_model, exchange_tokens=needed)
    count = count_tokens(agent.base_model, agent.current_version.prompt)
    if count is not None and count > room:
        raise Refused(
            f"The prompt of {agent.name} is {count:,} tokens long; with the longest task and answer "
            f"of {space.name} there is room for {room:,}. Shorten it, then enter again."
        )


def check_agent(agent: Agent, space: Space) -> None:
    """Refuse an agent that does not fit the Space as both are now. Their rows are locked."""
    if space.status != SpaceStatus.OPEN:
        raise Refused(f"{space.name} is closed and takes no entries.")
    if agent.retired_at is not None:
        raise Refused(f"{agent.name} is retired; choose another agent.")
    if space.waits_for_training and agent.learning_since:
        raise Refused(
            f"{agent.name} is training; it can play in {space.name} again once its run ends or "
            "is paused."
        )
    if agent.base_model_id != space.base_model_id:
        raise Refused(
            f"{space.name} is played on {space.base_model.name}; {agent.name} uses "
            f"{agent.base_model.name}."
        )


def _check(agent: Agent, space: Space) -> None:
    check_agent(agent, space)
    live = Entry.objects.filter(user=agent.owner, status__in=LIVE_ENTRY_STATUSES)
    if entry := live.filter(agent=agent).select_related("space").first():
        doing = "waiting for" if entry.status == EntryStatus.QUEUED else "playing"
        raise Refused(f"{agent.name} is already {doing} a match in {entry.space.name}.")
    if not agent.owner.is_house and live.count() >= MAX_LIVE_ENTRIES:
        raise Refused(
            f"{MAX_LIVE_ENTRIES} of your agents are already waiting or playing, which is the most at "
            "once. Wait until one of their matches has ended, or take one of them out of its queue."
        )
