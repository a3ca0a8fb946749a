"""Starts tournaments, plays them on and ends them. For the system: the sweep calls these verbs.

Everything is read from rows, so each verb may run twice and may die at any statement. Lock order:
tournament, then Space, then accounts by id. Who gets what: docs/decisions/tournaments.md
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from agents.models import Agent
from arena.credits.stakes import house_stake
from arena.matches.play import state_of
from arena.matches.seating import seat_given
from arena.models import (
    Match,
    Pairing,
    Rating,
    Registration,
    Space,
    SpaceStatus,
    Tournament,
)
from arena.spaces.committing import keep_committed
from arena.spaces.queue import house, house_agents, problem_with
from arena.spaces.ratings import Skill
from arena.states import (
    LIVE_MATCH_STATUSES,
    LIVE_TOURNAMENT_STATUSES,
    MatchStatus,
    Outcome,
    TournamentFormat,
    TournamentStatus,
)
from arena.tournaments import purse
from arena.tournaments.formats.field import Field
from arena.tournaments.formats.rules import RULES
from arena.tournaments.registering import drop
from arena.tournaments.standing import field_of
from arena.webhooks import news

RETURNED = "Every fee was returned."


def start_tournament(tournament_id: int) -> None:
    """Give the entrants their seeds and take their fees, or cancel what cannot be played."""
    with transaction.atomic(durable=True):
        tournament = _locked(tournament_id)
        now = timezone.now()
        if tournament.status != TournamentStatus.ANNOUNCED or tournament.starts_at > now:
            return
        if tournament.closes_at <= now:
            _cancel(tournament, f"The arena was not running at its time. {RETURNED}")
            return
        if tournament.space.status != SpaceStatus.OPEN:
            _cancel(tournament, f"{tournament.space.name} was closed. {RETURNED}")
            return
        # Secrets must be public before another transaction seats the first matches.
        Space.objects.select_for_update(no_key=True).get(id=tournament.space_id)
        keep_committed(tournament.space_id)
        everybody = _entrants(tournament)
        purse.lock(tournament, everybody)
        for registration in everybody:
            if problem_with(registration.agent):
                drop(tournament, registration, reason="Its agent cannot play.")
        entrants = _entrants(tournament)
        fillers = _house_agents(tournament, missing=tournament.fewest_entrants - len(entrants))
        count = len(entrants) + len(fillers)
        if count < tournament.fewest_entrants:
            came = f"only {count} came" if count else "nobody came"
            fewest = tournament.fewest_entrants
            _cancel(tournament, f"At least {fewest} agents were needed, and {came}. {RETURNED}")
            return
        entrants += _registered(tournament, fillers, people=len(entrants))
        _seed(tournament, entrants)
        purse.collect(tournament, entrants)
        tournament.status = TournamentStatus.RUNNING
        tournament.started_at = now
        tournament.save(update_fields=["status", "started_at"])


def advance_tournament(tournament_id: int) -> None:
    """Take the results that are there, make and seat the next pairings, end what is over."""
    with transaction.atomic(durable=True):
        tournament = _locked(tournament_id)
        if tournament.status != TournamentStatus.RUNNING:
            return
        is_open = timezone.now() < tournament.closes_at
        entrants = _entrants(tournament, with_withdrawn=True)
        for registration in entrants:
            # One that cannot play at the moment only loses a match: it may be a fault of ours.
            if registration.withdrawn_at is None and registration.agent.retired_at is not None:
                drop(tournament, registration, reason="Its agent was retired.")
        pairings = _with_results(tournament, is_open=is_open)
        field = field_of(entrants, pairings)
        rules = RULES[TournamentFormat(tournament.format)]
        if rules.is_over(field, is_open=is_open):
            _end(tournament, entrants, pairings, field, is_open=is_open)
            return
        by_seed = {registration.seed: registration for registration in entrants}
        for number, meeting in enumerate(
            rules.next_meetings(field, is_open=is_open), start=len(pairings)
        ):
            pairing = Pairing.objects.create(
                tournament=tournament,
                number=number,
                round=meeting.round,
                slot=meeting.slot,
                first=by_seed[meeting.first],
                second=by_seed[meeting.second] if meeting.second else None,
                outcome=meeting.outcome,
            )
            pairings.append(pairing)
        _seat(tournament.space, pairings)


def cancel_tournament(tournament_id: int, *, reason: str) -> None:
    """Call a tournament off and return every fee. For the staff: only the admin calls it.

    Its matches are played to their ends and count for ratings only.
    """
    with transaction.atomic(durable=True):
        tournament = _locked(tournament_id)
        if tournament.status in LIVE_TOURNAMENT_STATUSES:
            _cancel(tournament, f"{reason} {RETURNED}")


def _locked(tournament_id: int) -> Tournament:
    return (
        Tournament.objects.select_for_update(of=("self",), no_key=True)
        .select_related("space")
        .get(id=tournament_id)
    )


def _entrants(tournament: Tournament, *, with_withdrawn: bool = False) -> list[Registration]:
    """By seed, or before the start in the order of registration."""
    rows = Registration.objects.filter(tournament=tournament).select_related(
        "user", "agent__current_version__adapter"
    )
    rows = rows.exclude(seed=None) if with_withdrawn else rows.filter(withdrawn_at=None)
    return list(rows.order_by("seed", "created_at", "id"))


def _house_agents(tournament: Tournament, *, missing: int) -> list[Agent]:
    if not tournament.is_filled_by_house or missing <= 0:
        return []
    offered = house_agents(tournament.space).values()
    return sorted(offered, key=lambda agent: agent.pk)[:missing]


def _registered(
    tournament: Tournament, fillers: Sequence[Agent], *, people: int
) -> list[Registration]:
    """House agents stake the fee as people do, up to what the house stakes for each of them."""
    fee = 0
    if people and fillers:
        stake = house_stake(
            tournament.fee_credits,
            house_seats=len(fillers),
            used_credits=[0] * people,
            bound_credits=settings.ENV.house_stake,
        )
        fee = stake.fee_credits
    return [
        Registration.objects.create(
            id=purse.id_of_house(tournament.pk, agent.pk),
            tournament=tournament,
            agent=agent,
            user_id=agent.owner_id,
            fee_credits=fee,
        )
        for agent in fillers
    ]


def _seed(tournament: Tournament, entrants: Sequence[Registration]) -> None:
    """Seeds by rating in the Space; who is not rated there starts in the middle, as in matches."""
    rated = Rating.objects.filter(
        space=tournament.space, agent_id__in=[each.agent_id for each in entrants]
    )
    mus = dict(rated.values_list("agent_id", "mu"))
    of_house = [each.agent for each in entrants if each.user.is_house]
    mus |= {each.agent_id: each.mu for each in house(tournament.space, of_house)}
    best_first = sorted(
        entrants, key=lambda each: (-mus.get(each.agent_id, Skill().mu), each.created_at, each.id)
    )
    for seed, registration in enumerate(best_first, start=1):
        registration.seed = seed
        registration.save(update_fields=["seed"])


def _with_results(tournament: Tournament, *, is_open: bool) -> list[Pairing]:
    """The pairings so far, with the outcomes of those whose matches have ended."""
    pairings = list(
        Pairing.objects.filter(tournament=tournament)
        .select_related("match", "first__agent", "second__agent")
        .order_by("number")
    )
    kept = []
    for pairing in pairings:
        outcome = Outcome(pairing.outcome)
        if outcome == Outcome.OPEN and pairing.match is None:
            if not is_open:
                pairing.delete()  # the window closed before it could be seated
                continue
            outcome = _forfeit(pairing)
        elif outcome == Outcome.OPEN and pairing.match is not None:
            outcome = _outcome_of(pairing.match)
        if outcome != pairing.outcome:
            pairing.outcome = outcome
            pairing.save(update_fields=["outcome"])
        kept.append(pairing)
    return kept


def _forfeit(pairing: Pairing) -> Outcome:
    """Of a pairing that is not seated yet: who has withdrawn loses."""
    assert pairing.second is not None, "a bye has its outcome at once"
    gone = (pairing.first.withdrawn_at is not None, pairing.second.withdrawn_at is not None)
    match gone:
        case (True, True):
            return Outcome.VOID
        case (True, False):
            return Outcome.SECOND
        case (False, True):
            return Outcome.FIRST
        case _:
            return Outcome.OPEN


def _outcome_of(match: Match) -> Outcome:
    if match.status in LIVE_MATCH_STATUSES:
        return Outcome.OPEN
    if match.status == MatchStatus.CANCELLED:
        # Who never said a word loses to one who did; any other cancellation is nobody's fault.
        state = state_of(match)
        if state.rounds_are_over and len(state.competing) == 1:
            return Outcome.FIRST if 0 in state.competing else Outcome.SECOND
        return Outcome.VOID
    ranks = dict(match.seats.values_list("index", "rank"))
    if ranks[0] == ranks[1]:
        return Outcome.DRAW
    return Outcome.FIRST if ranks[0] == 1 else Outcome.SECOND


def _seat(space: Space, pairings: Iterable[Pairing]) -> None:
    """Make the matches of what waits: at most as many as have a committed secret."""
    waiting = [each for each in pairings if each.outcome == Outcome.OPEN and each.match_id is None]
    if not waiting:
        return
    Space.objects.select_for_update(no_key=True).get(id=space.pk)
    agents = Agent.objects.select_related("current_version").in_bulk(
        [each.agent_id for pairing in waiting for each in _both(pairing)]
    )
    sides = [[agents[each.agent_id] for each in _both(pairing)] for pairing in waiting]
    for pairing, match_id in zip(waiting, seat_given(space, sides), strict=False):
        pairing.match_id = match_id
        pairing.save(update_fields=["match"])


def _both(pairing: Pairing) -> tuple[Registration, Registration]:
    assert pairing.second is not None, "a bye is not played"
    return pairing.first, pairing.second


def _end(
    tournament: Tournament,
    entrants: Sequence[Registration],
    pairings: Iterable[Pairing],
    field: Field,
    *,
    is_open: bool,
) -> None:
    ended = {Outcome.FIRST, Outcome.SECOND, Outcome.DRAW}
    # Who lost by withdrawing from a match that was never seated has not played.
    is_played = any(each.match_id and each.outcome in ended for each in pairings)
    if not is_played and len(entrants) - len(field.withdrawn) > 1:
        _cancel(tournament, f"No match of it could be finished. {RETURNED}")
        return
    by_seed = {registration.seed: registration for registration in entrants}
    rules = RULES[TournamentFormat(tournament.format)]
    placed = [by_seed[line.seed] for line in rules.placings(field)]
    for place, registration in enumerate(placed, start=1):
        registration.place = place
        registration.save(update_fields=["place"])
    purse.share_out(tournament, placed)
    note = tournament.note
    if not is_open and _is_unfinished(tournament, field):
        note = "The window closed before everything was played: places are as they stood then."
    _close(tournament, TournamentStatus.OVER, note, timezone.now())


def _is_unfinished(tournament: Tournament, field: Field) -> bool:
    if tournament.format == TournamentFormat.ARENA:
        return False  # its window is its length
    rules = RULES[TournamentFormat(tournament.format)]
    return bool(rules.next_meetings(field, is_open=True))


def _cancel(tournament: Tournament, reason: str) -> None:
    registrations = list(Registration.objects.filter(tournament=tournament).select_related("user"))
    if tournament.status == TournamentStatus.RUNNING:
        purse.refund(tournament, (each for each in registrations if each.seed))
    else:
        purse.release_fees(
            tournament, (each for each in registrations if each.withdrawn_at is None)
        )
    _close(tournament, TournamentStatus.CANCELLED, reason, timezone.now())


def _close(tournament: Tournament, status: TournamentStatus, note: str, ended_at: datetime) -> None:
    tournament.status = status
    tournament.note = note[:200]
    tournament.ended_at = ended_at
    tournament.save(update_fields=["status", "note", "ended_at"])
    news.tournament_ended(tournament)
