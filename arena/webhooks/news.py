"""What webhooks are told of matches and tournaments.

For the system: called inside the transactions that end them. An owner reads of the own seats only.
"""

from collections.abc import Collection, Mapping
from typing import Any

from arena.models import Match, Registration, Seat, Tournament
from arena.states import HookEvent
from arena.webhooks.outbox import tell


def match_finished(match: Match, *, owner_ids: Collection[int], reason: str = "") -> None:
    """`reason`: why the match was cancelled; empty if it was settled."""

    def facts(owner_id: int) -> Mapping[str, Any]:
        seats = Seat.objects.filter(match=match, agent__owner_id=owner_id)
        return {
            "match_id": match.pk,
            "status": match.status,
            "reason": reason,
            "is_practice": match.is_practice,
            "space": match.space.slug,
            "seats": [
                {
                    "seat": seat.index,
                    "agent_id": seat.agent_id,
                    "version": seat.version.number,
                    "rank": seat.rank,
                    "score": seat.score,
                    "prize_credits": seat.prize_credits,
                }
                for seat in seats.select_related("version").order_by("index")
            ],
            "api_path": f"/api/v1/matches/{match.pk}",
        }

    tell(owner_ids, HookEvent.MATCH_FINISHED, key=str(match.pk), data=facts)


def tournament_ended(tournament: Tournament) -> None:
    """Over, or cancelled with a note; for each person who was registered."""
    registrations = Registration.objects.filter(tournament=tournament)

    def facts(owner_id: int) -> Mapping[str, Any]:
        return {
            "tournament_id": tournament.pk,
            "status": tournament.status,
            "note": tournament.note,
            "space": tournament.space.slug,
            "entrants": [
                {
                    "agent_id": each.agent_id,
                    "place": each.place,
                    "has_withdrawn": each.withdrawn_at is not None,
                }
                for each in registrations.filter(user_id=owner_id).order_by("seed", "id")
            ],
        }

    owner_ids = set(registrations.values_list("user_id", flat=True))
    tell(owner_ids, HookEvent.TOURNAMENT_ENDED, key=str(tournament.pk), data=facts)
