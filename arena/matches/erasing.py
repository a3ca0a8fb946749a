"""Erases what a person's agents answered, and what judges said of it. For the system, without a user.

Scores, places, ratings and events stay: an event holds no text, only the digest of the answer, so that
every chain still verifies. May run twice, match by match.
"""

from django.db import transaction

from agents.models import User
from arena.models import Completion, Entry, MatchStatus, Seat, Vote

NOTICE = "Its owner has left."


def is_playing(owner: User) -> bool:
    """Whether an agent of the owner still sits in a match."""
    live = [MatchStatus.SEATED, MatchStatus.RUNNING]
    return Seat.objects.filter(agent__owner=owner, match__status__in=live).exists()


def erase_answers(owner: User) -> int:
    """Erase the answers of all the owner's seats; returns how many answers there were."""
    erased = 0
    seats = Seat.objects.filter(agent__owner=owner).order_by("id")
    for seat in seats.iterator():
        with transaction.atomic(durable=True):
            erased += Completion.objects.filter(seat=seat).update(
                text="",
                messages=[],
                prompt_token_ids=[],
                token_ids=[],
                logprobs=[],
                allowed_token_ids=[],
                chunk_times=[],
                error="",
            )
            _erase_words_about(seat)
    Entry.objects.filter(user=owner).exclude(cancel_reason="").update(cancel_reason=NOTICE)
    return erased


def _erase_words_about(seat: Seat) -> None:
    """A judge's reason and a check's detail may quote the answer; what passed stays."""
    index = str(seat.index)
    for vote in Vote.objects.filter(round__match_id=seat.match_id):
        vote.reasons.pop(index, None)
        for check in vote.checks.get(index, ()):
            check["detail"] = ""
        vote.save(update_fields=["reasons", "checks"])
