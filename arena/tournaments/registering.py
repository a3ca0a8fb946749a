"""Verbs on registrations: register an agent, withdraw it."""

import uuid

from django.db import IntegrityError, transaction
from django.utils import timezone

from agents.errors import NotAvailable, Refused
from agents.models import Agent, User
from arena.credits import ledger
from arena.models import Registration, SpaceStatus, Tournament
from arena.spaces.entering import check_plays
from arena.states import LIVE_TOURNAMENT_STATUSES, TournamentStatus
from arena.tournaments import purse

_USED_FORM = "This form was already used for something else; reload the page and try again."


def register(
    user_id: int,
    *,
    agent_id: int,
    tournament_id: int,
    registration_id: uuid.UUID,
    agreed_credits: int,
) -> Registration:
    """Hold the fee and take a place. A replay of the id returns the first registration.

    `agreed_credits` is the fee that the user was shown. Raises Refused with a sentence.
    """
    ledger.check_given_id(registration_id)
    slug = Tournament.objects.filter(id=tournament_id).values_list("space__slug", flat=True).first()
    if slug is None:
        raise NotAvailable("There is no such tournament.")
    if not Registration.objects.filter(id=registration_id, user_id=user_id).exists():
        check_plays(agent_id, owner_id=user_id, space_slug=slug)
    try:
        with transaction.atomic(durable=True):
            # The agent's lock keeps it from being retired until this is committed.
            agent = (
                Agent.objects.select_for_update(of=("self",), no_key=True)
                .filter(id=agent_id, owner_id=user_id)
                .first()
            )
            if agent is None:
                raise NotAvailable("You have no such agent.")
            # Its lock makes registrations, withdrawals and the start follow one another.
            tournament = _locked(tournament_id)
            if old := Registration.objects.filter(id=registration_id).first():
                if (old.user_id, old.agent_id, old.tournament_id) != (
                    user_id,
                    agent_id,
                    tournament_id,
                ):
                    raise Refused(_USED_FORM)
                if old.withdrawn_at is not None:
                    raise Refused("This form's registration was withdrawn. Register again to play.")
                return old
            _check(tournament, agent, agreed_credits)
            registration = Registration.objects.create(
                id=registration_id,
                tournament=tournament,
                agent=agent,
                user_id=user_id,
                fee_credits=tournament.fee_credits,
            )
            purse.hold_fee(registration)
            return registration
    except ledger.InsufficientCredits as error:
        raise ledger.InsufficientCredits(f"Not enough credits to register. {error}") from None
    except (ledger.TransferConflict, IntegrityError):
        raise Refused(_USED_FORM) from None


def withdraw(
    user_id: int, *, registration_id: uuid.UUID, only_before_start: bool = False
) -> Registration:
    """Give the place up: before the start with the fee back, afterwards without.

    A match that is being played is still played to its end. `only_before_start`: the user was
    shown that the fee comes back. Raises Refused with a sentence.
    """
    tournament_id = _tournament_of(user_id, registration_id)
    with transaction.atomic(durable=True):
        tournament = _locked(tournament_id)
        registration = Registration.objects.select_related("user").get(id=registration_id)
        if registration.withdrawn_at is not None:
            return registration
        if tournament.status not in LIVE_TOURNAMENT_STATUSES:
            raise Refused(f"{tournament.name} is over; there is nothing to withdraw from.")
        if only_before_start and tournament.status != TournamentStatus.ANNOUNCED:
            raise Refused(
                f"{tournament.name} has begun meanwhile, and a fee does not come back any more. "
                "Nothing was changed; withdraw on its page if you still want that."
            )
        drop(tournament, registration, reason="Its owner withdrew it.")
    return registration


def withdraw_leaver(owner_id: int) -> None:
    """Withdraw everything of a person who leaves. For the system, without a user."""
    live = Registration.objects.filter(
        user_id=owner_id, withdrawn_at=None, tournament__status__in=LIVE_TOURNAMENT_STATUSES
    )
    for registration_id in live.values_list("id", flat=True):
        withdraw(owner_id, registration_id=registration_id)


def is_in_tournament(owner_id: int) -> bool:
    """Whether one that has begun may still pay the person something back, even one withdrawn from."""
    running = Registration.objects.filter(tournament__status=TournamentStatus.RUNNING)
    return running.filter(user_id=owner_id).exclude(seed=None).exists()


def drop(tournament: Tournament, registration: Registration, *, reason: str) -> None:
    """Take the entrant out, inside the caller's transaction, which holds the tournament's lock."""
    registration.withdrawn_at = timezone.now()
    registration.withdrawn_reason = reason[:200]
    registration.save(update_fields=["withdrawn_at", "withdrawn_reason"])
    if tournament.status == TournamentStatus.ANNOUNCED:
        purse.release_fees(tournament, [registration])


def _locked(tournament_id: int) -> Tournament:
    return (
        Tournament.objects.select_for_update(of=("self",), no_key=True)
        .select_related("space__base_model")
        .get(id=tournament_id)
    )


def _tournament_of(user_id: int, registration_id: uuid.UUID) -> int:
    rows = Registration.objects.filter(id=registration_id, user_id=user_id)
    found = rows.values_list("tournament_id", flat=True).first()
    if found is None:
        raise NotAvailable("You have no such registration.")
    return found


def _check(tournament: Tournament, agent: Agent, agreed_credits: int) -> None:
    name, space = tournament.name, tournament.space
    if tournament.status == TournamentStatus.CANCELLED:
        raise Refused(f"{name} was cancelled.")
    if tournament.status != TournamentStatus.ANNOUNCED or tournament.starts_at <= timezone.now():
        raise Refused(f"{name} has begun, so nobody can register any more.")
    if agreed_credits != tournament.fee_credits:
        raise Refused(f"{name} costs {tournament.fee_credits:,} credits, not {agreed_credits:,}.")
    if space.status != SpaceStatus.OPEN:
        raise Refused(f"{space.name}, in which {name} is played, is closed.")
    if agent.retired_at is not None:
        raise Refused(f"{agent.name} is retired; choose another agent.")
    if User.objects.filter(id=agent.owner_id, leaving_since__isnull=False).exists():
        raise Refused("This account is being deleted.")
    if agent.base_model_id != space.base_model_id:
        raise Refused(
            f"{name} is played on {space.base_model.name}; {agent.name} uses "
            f"{agent.base_model.name}."
        )
    entered = Registration.objects.filter(tournament=tournament, withdrawn_at=None)
    if other := entered.filter(user_id=agent.owner_id).select_related("agent").first():
        raise Refused(
            f"{other.agent.name} is registered already. Each person has one agent in a tournament, "
            "so that nobody plays against themselves; withdraw it to register another."
        )
    if entered.count() >= tournament.most_entrants:
        raise Refused(f"{name} is full: {tournament.most_entrants} agents are registered.")
