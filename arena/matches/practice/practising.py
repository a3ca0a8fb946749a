"""Practise against the house: a match that is free and from which nothing follows.

No fee, prize, rating, season, pair or difficulty comes of it, and it is played after all others.
docs/decisions/practice-matches.md
"""

import uuid
from collections.abc import Sequence
from datetime import timedelta
from random import Random, SystemRandom

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from agents.errors import NotAvailable, Refused
from agents.models import Agent, User
from arena.credits import brakes, ledger
from arena.matches import seating
from arena.models import (
    LIVE_ENTRY_STATUSES,
    Entry,
    Match,
    MatchStatus,
    PracticeMatch,
    Rating,
    Round,
    Seat,
    Space,
    TaskSecret,
)
from arena.spaces.committing import keep_committed
from arena.spaces.entering import check_agent, check_plays
from arena.spaces.matchmaking import fill
from arena.spaces.queue import house, house_agents
from arena.spaces.ratings import Skill
from arena.states import LIVE_MATCH_STATUSES, RoundStatus

# Workers that are never free by then: who left, or looks for a result, should not wait any longer.
LONGEST_WAIT = timedelta(hours=1)
NOT_PLAYED = "No worker had time for it within an hour."

_USED_FORM = "This form was already used for something else; reload the page and try again."


def practise(
    user_id: int, *, agent_id: int, space_slug: str, practice_id: uuid.UUID
) -> PracticeMatch:
    """Seat the agent with house agents at once. A replay of the id returns the first match.

    Raises Refused with a sentence (closed, playing already, none left today, too small a house, ...).
    """
    ledger.check_given_id(practice_id)
    if not PracticeMatch.objects.filter(id=practice_id, user_id=user_id).exists():
        check_plays(agent_id, owner_id=user_id, space_slug=space_slug)
    _commit_secrets(space_slug)
    try:
        with transaction.atomic(durable=True):
            # In the order of `enter_space`; the owner's lock makes two requests at once count each other.
            user = User.objects.select_for_update(no_key=True).filter(id=user_id).first()
            agent = (
                Agent.objects.select_for_update(of=("self",), no_key=True)
                .filter(id=agent_id, owner_id=user_id)
                .select_related("owner", "current_version")
                .first()
            )
            if user is None or agent is None:
                raise NotAvailable("You have no such agent.")
            space = Space.objects.select_for_update(no_key=True).filter(slug=space_slug).first()
            if space is None:
                raise NotAvailable("There is no such Space.")
            same = PracticeMatch.objects.filter(id=practice_id).select_related("match")
            if old := same.first():
                asked = user_id, agent_id, space.pk
                if (old.user_id, old.agent_id, old.match.space_id) != asked:
                    raise Refused(_USED_FORM)
                return old
            _check(user, agent, space)
            (match_id,) = seating.seat_given(
                space, [[agent, *_house(space, agent, SystemRandom())]], is_practice=True
            )
            return PracticeMatch.objects.create(
                id=practice_id, match_id=match_id, agent=agent, user=user
            )
    except IntegrityError:
        raise Refused(_USED_FORM) from None


def practice_left(viewer: int) -> int:
    """How many practice matches the viewer may still play today, in UTC."""
    return max(0, settings.ENV.practice_a_day - _of_today(viewer).count())


def stale_practice() -> QuerySet[Match]:
    """Practice matches that no worker had time for."""
    return Match.objects.filter(
        is_practice=True,
        status=MatchStatus.SEATED,
        created_at__lt=timezone.now() - LONGEST_WAIT,
    )


def _of_today(user_id: int) -> QuerySet[PracticeMatch]:
    begin, _ = brakes.day_of(timezone.now())
    rows = PracticeMatch.objects.filter(user_id=user_id, created_at__gte=begin)
    # One that was played to its end was cancelled for silence, and not by a fault of ours.
    decided = Round.objects.filter(
        match=OuterRef("match"), number=F("match__round_count"), status=RoundStatus.DECIDED
    )
    return rows.filter(~Q(match__status=MatchStatus.CANCELLED) | Exists(decided))


def _commit_secrets(space_slug: str) -> None:
    """Fill the stock of an unused Space in another transaction than the one that seats a match.

    Whoever takes a secret fills it up again, so it is never empty afterwards.
    """
    if TaskSecret.objects.filter(space__slug=space_slug, match=None).exists():
        return
    with transaction.atomic(durable=True):
        space = Space.objects.select_for_update(no_key=True).filter(slug=space_slug).first()
        if space is not None:
            keep_committed(space.pk)


def _check(user: User, agent: Agent, space: Space) -> None:
    check_agent(agent, space)
    if user.leaving_since is not None:
        raise Refused("This account is being deleted.")
    waiting = Entry.objects.filter(agent=agent, status__in=LIVE_ENTRY_STATUSES)
    seated = Seat.objects.filter(agent=agent, match__status__in=LIVE_MATCH_STATUSES)
    if waiting.exists() or seated.exists():
        raise Refused(
            f"{agent.name} is already waiting or playing. It can practise after its match."
        )
    most = settings.ENV.practice_a_day
    if not most:
        raise Refused("There are no practice matches on this site.")
    if not practice_left(user.pk):
        raise Refused(
            f"You have used up today's practice matches ({most}). You get more at midnight, "
            "UTC; until then your agents can enter Spaces."
        )


def _house(space: Space, agent: Agent, rng: Random) -> Sequence[Agent]:
    """House agents for all seats but one, of about the agent's rating."""
    agents = house_agents(space)
    own = Rating.objects.filter(space=space, agent=agent).first()
    chosen = fill(
        house(space, agents.values()),
        space.seat_count - 1,
        near=own.mu if own else Skill().mu,
        rng=rng,
    )
    if not chosen:
        raise Refused(
            f"{space.name} seats {space.seat_count}, and the house has too few agents for that. So "
            "nobody can practise there now."
        )
    return [agents[each.agent_id] for each in chosen]
