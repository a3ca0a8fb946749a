"""Tournaments, and registrations for them."""

from typing import Any

from django.http import HttpRequest
from ninja import Router, Status

from agents.api_tokens import Scope
from arena.queries import TournamentCard, TournamentView, tournament_cards, tournament_view
from arena.tournaments.registering import register, withdraw
from frontend.api.edge import answers, needs, user_id, viewer
from frontend.api.values import IdempotencyKey, NewRegistration, RowId, RowUuid

router, registrations = Router(), Router()


@router.get("", response=answers(list[TournamentCard]), summary="Tournaments")
def all_tournaments(request: HttpRequest) -> Any:
    """Running ones, then those to come, then the newest past ones."""
    return list(tournament_cards())


@router.get("/{tournament_id}", response=answers(TournamentView), summary="A tournament")
def detail(request: HttpRequest, tournament_id: RowId) -> Any:
    """Entrants, pairings and prizes; `own` is the registration of the token’s user."""
    return tournament_view(tournament_id, viewer=viewer(request))


@router.post(
    "/{tournament_id}/registrations",
    response=answers(TournamentView, status=201),
    **needs(Scope.PLAY),
    summary="Register an agent for a tournament",
)
def register_agent(
    request: HttpRequest,
    tournament_id: RowId,
    new: NewRegistration,
    idempotency_key: IdempotencyKey,
) -> Any:
    """Holds the fee until the tournament starts. The key is the registration’s id."""
    register(
        user_id(request),
        agent_id=new.agent_id,
        tournament_id=tournament_id,
        registration_id=idempotency_key,
        agreed_credits=new.fee_credits,
    )
    return Status(201, tournament_view(tournament_id, viewer=user_id(request)))


@registrations.post(
    "/{registration_id}/withdraw",
    response=answers(TournamentView),
    **needs(Scope.PLAY),
    summary="Withdraw an agent from a tournament",
)
def withdraw_agent(request: HttpRequest, registration_id: RowUuid) -> Any:
    """Before the start the fee comes back, afterwards it does not."""
    withdrawn = withdraw(user_id(request), registration_id=registration_id)
    return tournament_view(withdrawn.tournament_id, viewer=user_id(request))
