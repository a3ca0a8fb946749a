"""The audience's verb: a blind vote on two answers. Prizes and ratings know nothing of it.

docs/decisions/audience.md
"""

from collections.abc import Collection
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from agents.errors import NotAvailable, Refused
from arena.models import AudienceVote, Round, Seat
from arena.review.ballots import BlindBallot, Voter, answers_of, is_votable
from arena.states import BlindChoice, Uncounted

A_DAY = timedelta(days=1)
OF_NETWORK_A_DAY = 100  # votes of people who are not signed in, from one network
OF_PERSON_A_DAY = 500


def cast_blind_vote(
    user_id: int | None,
    *,
    address: str,
    ballot: BlindBallot,
    choice: BlindChoice,
    opened: Collection[int] = (),
) -> AudienceVote:
    """Store a choice between A and B; the first one of a voter for a pair stands.

    `opened` are the matches whose pages the voter had opened before. A vote on one of them is stored
    and does not count, like one of an owner or one after the names were shown. Raises Refused past
    the day's limit.
    """
    voter = Voter(user_id, address)
    row = Round.objects.select_related("match").filter(id=ballot.round_id).first()
    if row is None or not is_votable(row) or not set(ballot.seats) <= answers_of(row).keys():
        raise NotAvailable("There are no such answers.")
    first, second = sorted(ballot.seats)
    of_pair = AudienceVote.objects.filter(
        voter=voter.key, round=row, first_seat=first, second_seat=second
    )
    if old := of_pair.first():
        return old
    _check_limit(voter)
    try:
        with transaction.atomic(durable=True):
            return AudienceVote.objects.create(
                id=ballot.ballot_id,
                round=row,
                first_seat=first,
                second_seat=second,
                shown_as_a=ballot.seats[0],
                choice=choice,
                user_id=user_id,
                voter=voter.key,
                uncounted=_uncounted(row, voter, has_opened=row.match_id in opened),
            )
    except IntegrityError:
        # The same click twice at once; or somebody else's form, whose id is taken.
        if old := of_pair.first():
            return old
        raise Refused("That pair was voted on already. Here is another one.") from None


def _uncounted(row: Round, voter: Voter, *, has_opened: bool) -> str:
    """Why the vote says nothing about the answers alone; empty if it does."""
    if AudienceVote.objects.filter(voter=voter.key, round=row).exists():
        return Uncounted.NAMES_SHOWN
    seats = Seat.objects.filter(match=row.match_id)
    if voter.user_id is not None and seats.filter(agent__owner_id=voter.user_id).exists():
        return Uncounted.OWN_AGENT
    return Uncounted.OPENED_BEFORE if has_opened else ""


def _check_limit(voter: Voter) -> None:
    most = OF_NETWORK_A_DAY if voter.user_id is None else OF_PERSON_A_DAY
    since = timezone.now() - A_DAY
    if AudienceVote.objects.filter(voter=voter.key, created_at__gt=since).count() >= most:
        more = " Sign in to vote more." if voter.user_id is None else ""
        raise Refused(
            f"You have cast all {most} votes for one day. Thank you; come back tomorrow.{more}"
        )
