"""The rows of ratings: what one match changes in them.

Inside a verb of `arena.matches.play`. Lock order: ratings of the Space, then those over all Spaces,
each by agent.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TypeVar

from django.db.models import Avg, QuerySet
from django.db.models.functions import Length
from django.utils import timezone

from agents.roster import code_share_of
from arena.models import Completion, Match, OverallRating, Rating, RatingChange, Seat
from arena.models.ratings import Belief
from arena.spaces.house_skill import house_skill
from arena.spaces.ratings import Skill
from arena.spaces.trust import (
    MEETINGS_WINDOW,
    Entrant,
    is_fixed,
    rated,
    starting_skill,
    widened,
)
from arena.states import CompletionStatus, MatchStatus

B = TypeVar("B", bound=Belief)
Record = Sequence[tuple[Skill, int]]  # of one owner's agents: beliefs, with their matches


def rate(match: Match, ranking: Sequence[Sequence[int]]) -> None:
    """Update the ratings of the ranked seats, here and over all Spaces, and record the changes."""
    ranked = [seat for group in ranking for seat in group]
    seats = {
        seat.index: seat
        for seat in match.seats.filter(index__in=ranked).select_related("agent__owner")
    }
    owners = {seat.agent.owner_id for seat in seats.values()}
    in_space = Rating.objects.filter(space_id=match.space_id)
    records = _records(in_space, owners)
    rows = _locked(
        in_space,
        [
            Rating(agent_id=agent_id, space_id=match.space_id, mu=start.mu, sigma=start.sigma)
            for agent_id, start in _starts(seats.values(), records)
        ],
    )
    everywhere = OverallRating.objects.all()
    overall = _locked(
        everywhere,
        [
            OverallRating(agent_id=agent_id, mu=start.mu, sigma=start.sigma)
            for agent_id, start in _starts(seats.values(), _records(everywhere, owners))
        ],
    )
    entrants = {
        index: Entrant(
            owner_id=seat.agent.owner_id,
            is_house=seat.agent.owner.is_house,
            owner_matches=sum(count for _, count in records[seat.agent.owner_id]),
            skill=_skill_of(rows[seat.agent_id], seat),
            is_fixed=_is_fixed(rows[seat.agent_id], seat),
        )
        for index, seat in seats.items()
    }
    # An opponent tells over all Spaces as much as it tells here.
    overall_entrants = {
        index: replace(
            entrants[index],
            skill=_skill_of(overall[seat.agent_id], seat),
            is_fixed=_is_fixed(overall[seat.agent_id], seat),
        )
        for index, seat in seats.items()
    }
    meetings = _meetings(match, entrants.values())
    after = rated(entrants, ranking, meetings=meetings)
    overall_after = rated(overall_entrants, ranking, meetings=meetings)
    lengths = _answer_lengths(match)
    for index, seat in seats.items():
        row, whole = rows[seat.agent_id], overall[seat.agent_id]
        before, skill = entrants[index].skill, after[index].skill
        RatingChange.objects.create(
            seat=seat,
            mu_before=row.mu,
            sigma_before=row.sigma,
            widened_sigma=None if before.sigma == row.sigma else before.sigma,
            mu_after=skill.mu,
            sigma_after=skill.sigma,
            weight=after[index].weight,
            overall_mu_before=whole.mu,
            overall_mu_after=overall_after[index].skill.mu,
            answer_chars=lengths.get(index),
        )
        has_won = index in ranking[0]
        _update(row, seat, skill, has_won=has_won)
        _update(whole, seat, overall_after[index].skill, has_won=has_won)


def _answer_lengths(match: Match) -> dict[int, float]:
    """By seat, the mean length of its answers in characters."""
    answers = Completion.objects.filter(round__match=match, status=CompletionStatus.OK).order_by()
    means = answers.values("seat__index").annotate(mean=Avg(Length("text")))
    return dict(means.values_list("seat__index", "mean"))


def _update(row: Belief, seat: Seat, skill: Skill, *, has_won: bool) -> None:
    row.mu, row.sigma, row.version_id = skill.mu, skill.sigma, seat.version_id
    row.match_count += 1
    row.win_count += has_won
    row.save()


def _skill_of(row: Belief, seat: Seat) -> Skill:
    """What is believed of the seat's version."""
    skill = Skill(row.mu, row.sigma)
    return widened(skill) if row.version_id not in {None, seat.version_id} else skill


def _is_fixed(row: Belief, seat: Seat) -> bool:
    return is_fixed(is_reference=seat.agent.is_reference, match_count=row.match_count)


def _records(rows: QuerySet[B], owner_ids: Iterable[int]) -> dict[int, list[tuple[Skill, int]]]:
    """By owner, what is known of each of their agents, with its matches."""
    records: dict[int, list[tuple[Skill, int]]] = {owner_id: [] for owner_id in owner_ids}
    played = rows.filter(agent__owner_id__in=records, match_count__gt=0)
    for owner_id, mu, sigma, count in played.values_list(
        "agent__owner_id", "mu", "sigma", "match_count"
    ):
        records[owner_id].append((Skill(mu, sigma), count))
    return records


def _starts(seats: Iterable[Seat], records: Mapping[int, Record]) -> list[tuple[int, Skill]]:
    """(agent, what is believed of it before its first match)"""
    starts = []
    for seat in sorted(seats, key=lambda seat: seat.agent_id):
        owner = seat.agent.owner
        if owner.is_house:  # its agents differ on purpose: one tells nothing about the next
            start = house_skill(code_share_of(seat.agent))
        else:
            start = starting_skill([skill for skill, _ in records[owner.pk]])
        starts.append((seat.agent_id, start))
    return starts


def _locked(rows: QuerySet[B], new: Sequence[B]) -> dict[int, B]:
    """The rows of these agents, by agent; those that are missing are made as in `new`."""
    rows.model._default_manager.bulk_create(new, ignore_conflicts=True)
    found = rows.filter(agent_id__in=[row.agent_id for row in new])
    locked = found.select_for_update(no_key=True).order_by("agent_id")
    return {row.agent_id: row for row in locked}


def _meetings(match: Match, entrants: Iterable[Entrant]) -> Counter[frozenset[int]]:
    """How often each two people have met, in matches seated in the Space within MEETINGS_WINDOW."""
    people = {one.owner_id for one in entrants if not one.is_house}
    lately = Match.objects.filter(created_at__gt=timezone.now() - MEETINGS_WINDOW)
    oldest = lately.order_by("created_at").values_list("id", flat=True).first() or match.pk
    met = Seat.objects.filter(
        # Of an owner who has played for years, an index finds only the newest.
        match__gte=oldest,
        match__space_id=match.space_id,
        match__status=MatchStatus.SETTLED,
        rank__isnull=False,
        agent__owner__in=people,
    ).exclude(match=match)
    tables: dict[int, set[int]] = defaultdict(set)
    for match_id, owner_id in met.order_by().values_list("match_id", "agent__owner_id"):
        tables[match_id].add(owner_id)
    return Counter(
        frozenset(pair) for owners in tables.values() for pair in combinations(owners, 2)
    )
