"""Tournaments for tests, and matches that end without being played."""

import uuid
from datetime import timedelta
from typing import Any

from django.utils import timezone

from agents.models import Agent
from arena.models import Match, MatchStatus, Pairing, Registration, Seat, Space, Tournament
from arena.states import Outcome, TournamentFormat
from arena.tests.builders import make_agent, make_space, make_user
from arena.tournaments import registering

RANKS = {Outcome.FIRST: (1, 2), Outcome.SECOND: (2, 1), Outcome.DRAW: (1, 1)}


def make_tournament(space: Space | None = None, **changes: Any) -> Tournament:
    values = {
        "name": "Evening cup",
        "space": space or make_space(),
        "format": TournamentFormat.BRACKET,
        "starts_at": timezone.now() + timedelta(hours=1),
        "window_minutes": 60,
        "fee_credits": 10,
        "rake_percent": 10,
        "prize_percents": [50, 30, 20],
        "fewest_entrants": 2,
        "is_filled_by_house": False,
    }
    return Tournament.objects.create(**(values | changes))


def register(tournament: Tournament, agent: Agent | None = None) -> Registration:
    agent = agent or make_agent(make_user(credits=100))
    return registering.register(
        agent.owner_id,
        agent_id=agent.id,
        tournament_id=tournament.pk,
        registration_id=uuid.uuid4(),
        agreed_credits=tournament.fee_credits,
    )


def is_due(tournament: Tournament) -> None:
    """Its time has come."""
    Tournament.objects.filter(id=tournament.pk).update(starts_at=timezone.now())


def closes(tournament: Tournament) -> None:
    """Its window is over."""
    before = timezone.now() - timedelta(minutes=tournament.window_minutes)
    Tournament.objects.filter(id=tournament.pk).update(started_at=before)


def end_match(pairing: Pairing, outcome: Outcome) -> None:
    """As if its match had been played; VOID: as if it had been cancelled."""
    assert pairing.match_id is not None
    status = MatchStatus.CANCELLED if outcome == Outcome.VOID else MatchStatus.SETTLED
    Match.objects.filter(id=pairing.match_id).update(status=status)
    for index, rank in enumerate(RANKS.get(outcome, ())):
        Seat.objects.filter(match_id=pairing.match_id, index=index).update(rank=rank)


def open_pairings(tournament: Tournament) -> list[Pairing]:
    """Those whose matches are being played."""
    return list(
        Pairing.objects.filter(
            tournament=tournament, outcome=Outcome.OPEN, match__status=MatchStatus.SEATED
        )
    )
