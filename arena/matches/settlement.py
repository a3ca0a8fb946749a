"""Credits and ratings of a match; every function runs inside a verb of `play`.

Ids of transfers are derived from the match or the entry, so that settling twice pays once.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from django.utils import timezone

from agents.models import Agent
from agents.roster import code_share_of
from arena.credits import ledger
from arena.credits.prizes import Payout
from arena.matches.events import Player
from arena.matches.match import MatchState
from arena.models import Account, Match, Rating, RatingChange, Seat, TransferCode
from arena.spaces.house_skill import house_skill
from arena.spaces.ratings import Skill
from arena.spaces.trust import (
    MAX_MEETINGS,
    MEETINGS_WINDOW,
    Entrant,
    is_fixed,
    rated,
    starting_skill,
    widened,
)
from arena.states import MatchStatus
from judges.panel import places_of

_NAMESPACE = uuid.UUID("5b0f6a0e-5a0e-4d0c-9a44-0d6f0f7f1d11")


def collect_fees(match: Match, state: MatchState) -> None:
    """Post the entrants' holds and take the house's stakes into the Space's escrow."""
    escrow = _lock_all(match, state)
    for player in state.seating.players:
        if not player.fee_credits:
            continue
        if player.entry_id:
            hold_id = uuid.UUID(player.entry_id)
            ledger.post(
                uuid.uuid5(hold_id, "post"), pending_id=hold_id, reference=_reference(match.pk)
            )
        else:
            ledger.transfer(
                _id(match.pk, "stake", player.seat),
                debit=ledger.house_account(),
                credit=escrow,
                amount=player.fee_credits,
                code=TransferCode.ENTRY_FEE,
                reference=_reference(match.pk),
            )


def pay(match: Match, state: MatchState, *, payout: Payout) -> None:
    """Pay out the match's part of the escrow: prizes and refunds to the seats, rake to the arena."""
    escrow = _lock_all(match, state)
    for player in state.seating.players:
        if state.refunds.get(player.seat):
            _refund(match, player, escrow)
        if prize := payout.prizes.get(player.seat):
            ledger.transfer(
                _id(match.pk, "prize", player.seat),
                debit=escrow,
                credit=_account(player),
                amount=prize,
                code=TransferCode.PRIZE,
                reference=_reference(match.pk),
            )
    if payout.rake_credits:
        ledger.transfer(
            _id(match.pk, "rake"),
            debit=escrow,
            credit=ledger.fees_account(),
            amount=payout.rake_credits,
            code=TransferCode.RAKE,
            reference=_reference(match.pk),
        )


def give_back(match: Match, state: MatchState) -> None:
    """Return the fees of a cancelled match: void what is held, refund what was posted.

    `state` is the one before the cancellation.
    """
    escrow = _lock_all(match, state)
    for player in state.seating.players:
        if not player.fee_credits:
            continue
        if state.status == MatchStatus.RUNNING:
            _refund(match, player, escrow)
        elif player.entry_id:
            hold_id = uuid.UUID(player.entry_id)
            ledger.void(
                uuid.uuid5(hold_id, "void"), pending_id=hold_id, reference=_reference(match.pk)
            )


def rate(match: Match, ranking: Sequence[Sequence[int]]) -> None:
    """Update the ratings of the ranked seats and record the changes."""
    ranked = [seat for group in ranking for seat in group]
    seats = {
        seat.index: seat
        for seat in match.seats.filter(index__in=ranked).select_related("agent__owner")
    }
    records = _records(match, [seat.agent for seat in seats.values()])
    _create_missing_ratings(match, seats.values(), records)
    agent_ids = [seat.agent_id for seat in seats.values()]
    rows = {
        row.agent_id: row
        for row in Rating.objects.select_for_update(no_key=True)
        .filter(space_id=match.space_id, agent_id__in=agent_ids)
        .order_by("agent_id")
    }
    entrants = {
        index: Entrant(
            owner_id=seat.agent.owner_id,
            is_house=seat.agent.owner.is_house,
            owner_matches=sum(count for _, count in records[seat.agent.owner_id]),
            skill=_skill_of(rows[seat.agent_id], seat),
            is_fixed=is_fixed(
                is_reference=seat.agent.is_reference,
                match_count=rows[seat.agent_id].match_count,
            ),
        )
        for index, seat in seats.items()
    }
    after = rated(entrants, ranking, meetings=_meetings(match, entrants.values()))
    for index, seat in seats.items():
        row, before, skill = rows[seat.agent_id], entrants[index].skill, after[index].skill
        change = RatingChange(
            seat=seat,
            mu_before=row.mu,
            sigma_before=row.sigma,
            widened_sigma=None if before.sigma == row.sigma else before.sigma,
            mu_after=skill.mu,
            sigma_after=skill.sigma,
            weight=after[index].weight,
        )
        change.save()
        row.mu, row.sigma, row.version_id = skill.mu, skill.sigma, seat.version_id
        row.match_count += 1
        row.win_count += index in ranking[0]
        row.save()


def _skill_of(row: Rating, seat: Seat) -> Skill:
    """What is believed of the seat's version."""
    skill = Skill(row.mu, row.sigma)
    return widened(skill) if row.version_id not in {None, seat.version_id} else skill


def _records(match: Match, agents: Iterable[Agent]) -> dict[int, list[tuple[Skill, int]]]:
    """By owner, what is known of each of their agents in the Space, with its matches."""
    records: dict[int, list[tuple[Skill, int]]] = {agent.owner_id: [] for agent in agents}
    rows = Rating.objects.filter(
        space_id=match.space_id, agent__owner_id__in=records, match_count__gt=0
    )
    for owner_id, mu, sigma, count in rows.values_list(
        "agent__owner_id", "mu", "sigma", "match_count"
    ):
        records[owner_id].append((Skill(mu, sigma), count))
    return records


def _create_missing_ratings(
    match: Match, seats: Iterable[Seat], records: Mapping[int, Sequence[tuple[Skill, int]]]
) -> None:
    new = []
    for seat in sorted(seats, key=lambda seat: seat.agent_id):
        owner = seat.agent.owner
        if owner.is_house:  # its agents differ on purpose: one tells nothing about the next
            start = house_skill(code_share_of(seat.agent))
        else:
            start = starting_skill([skill for skill, _ in records[owner.pk]])
        new.append(
            Rating(agent_id=seat.agent_id, space_id=match.space_id, mu=start.mu, sigma=start.sigma)
        )
    Rating.objects.bulk_create(new, ignore_conflicts=True)


def _meetings(match: Match, entrants: Iterable[Entrant]) -> dict[frozenset[int], int]:
    """How often each two people have met in the Space within MEETINGS_WINDOW, up to MAX_MEETINGS."""
    people = sorted({one.owner_id for one in entrants if not one.is_house})
    lately = Match.objects.filter(
        space_id=match.space_id,
        status=MatchStatus.SETTLED,
        finished_at__gt=timezone.now() - MEETINGS_WINDOW,
    ).exclude(id=match.pk)
    return {
        frozenset(pair): lately.filter(seats__agent__owner_id=pair[0], seats__rank__isnull=False)
        .filter(seats__agent__owner_id=pair[1], seats__rank__isnull=False)
        .values("id")[:MAX_MEETINGS]
        .count()
        for pair in combinations(people, 2)
    }


def record_places(
    match: Match,
    ranking: Sequence[Sequence[int]],
    *,
    totals: Mapping[int, float],
    prizes: Mapping[int, int],
) -> None:
    """Write rank (tied seats share the better one; None: not ranked), score and prize to the seats."""
    places = places_of(ranking)
    for seat in match.seats.all():
        seat.rank = places.get(seat.index)
        seat.score = totals[seat.index]
        seat.prize_credits = prizes.get(seat.index, 0)
        seat.save(update_fields=["rank", "score", "prize_credits"])


def _refund(match: Match, player: Player, escrow: Account) -> None:
    """Return a fee that was posted."""
    ledger.transfer(
        _id(match.pk, "refund", player.seat),
        debit=escrow,
        credit=_account(player),
        amount=player.fee_credits,
        code=TransferCode.REFUND,
        reference=_reference(match.pk),
    )


def _lock_all(match: Match, state: MatchState) -> Account:
    # All accounts at once and in the order of their ids, so that settlements never deadlock.
    escrow = ledger.escrow_of(match.space_id)
    accounts = [escrow, ledger.fees_account(), *map(_account, state.seating.players)]
    return ledger.lock_accounts(account.id for account in accounts)[escrow.id]


def _account(player: Player) -> Account:
    return ledger.account_of(player.user_id) if player.entry_id else ledger.house_account()


def _id(match_id: int, what: str, seat: int | None = None) -> uuid.UUID:
    return uuid.uuid5(_NAMESPACE, f"match:{match_id}:{what}:{seat}")


def _reference(match_id: int) -> str:
    return f"match:{match_id}"
