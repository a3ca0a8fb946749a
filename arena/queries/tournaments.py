"""Tournaments as pages show them: cards, entrants, standings, the bracket and the prizes."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Count, Q, QuerySet

from agents.errors import NotAvailable
from arena.credits.prizes import prizes, rake_of
from arena.credits.stakes import house_stake
from arena.models import Pairing, Registration, Tournament
from arena.queries.lists import Competitor
from arena.states import (
    LIVE_TOURNAMENT_STATUSES,
    Outcome,
    TournamentFormat,
    TournamentStatus,
)
from arena.tournaments.formats import bracket, swiss
from arena.tournaments.formats.field import Field, Placing
from arena.tournaments.formats.rules import RULES
from arena.tournaments.standing import field_of

PAST_TOURNAMENTS = 20  # in the list
RECENT_PAIRINGS = 12  # of arena style and Swiss, below what is being played


@dataclass(frozen=True)
class TournamentCard:
    """A tournament in a list."""

    tournament_id: int
    name: str
    space_slug: str
    space_name: str
    base_model_id: int
    format: TournamentFormat
    status: TournamentStatus
    note: str
    starts_at: datetime
    closes_at: datetime
    window_minutes: int
    fee_credits: int
    rake_percent: int
    prize_percents: tuple[int, ...]
    entrant_count: int
    fewest_entrants: int
    most_entrants: int
    is_filled_by_house: bool
    winner: Competitor | None

    @property
    def is_announced(self) -> bool:
        return self.status == TournamentStatus.ANNOUNCED

    @property
    def is_running(self) -> bool:
        return self.status == TournamentStatus.RUNNING

    @property
    def is_live(self) -> bool:
        """Something on its page may still change."""
        return self.status in LIVE_TOURNAMENT_STATUSES


@dataclass(frozen=True)
class PrizeTable:
    """What places win with so many entrants that share the pool."""

    entrants: int
    pool_credits: int
    rake_credits: int
    prizes_credits: tuple[int, ...]


@dataclass(frozen=True)
class EntrantLine:
    """An entrant in the standings; without a seed before the start."""

    competitor: Competitor
    seed: int | None
    placing: Placing | None
    prize_credits: int
    is_withdrawn: bool
    match_id: int | None  # being played
    points: float  # of a bracket: rounds survived


@dataclass(frozen=True)
class PairingLine:
    """Two entrants and how their match went."""

    round: int
    first: Competitor
    second: Competitor | None
    outcome: Outcome
    match_id: int | None

    @property
    def is_open(self) -> bool:
        return self.outcome == Outcome.OPEN


@dataclass(frozen=True)
class BracketSide:
    """One of two in a place of the bracket; without a competitor nobody stands there yet."""

    seed: int | None
    competitor: Competitor | None
    is_winner: bool
    is_out: bool


@dataclass(frozen=True)
class BracketTie:
    """A place of the bracket."""

    sides: tuple[BracketSide, BracketSide]
    match_id: int | None  # the last one
    is_live: bool
    is_bye: bool


@dataclass(frozen=True)
class BracketRound:
    name: str
    ties: tuple[BracketTie, ...]


@dataclass(frozen=True)
class TournamentView:
    """One tournament."""

    card: TournamentCard
    entrants: tuple[EntrantLine, ...]  # best first, or before the start in order of registration
    live: tuple[PairingLine, ...]
    recent: tuple[PairingLine, ...]  # newest first
    rounds: tuple[BracketRound, ...]  # of a bracket that has begun
    third_place: BracketTie | None
    round_number: int  # of Swiss
    round_count: int
    prizes: PrizeTable | None  # None: there is no fee, or it was returned
    own: uuid.UUID | None  # the viewer's registration
    own_agent: str

    @property
    def has_begun(self) -> bool:
        """Its entrants were given their seeds, whatever became of it later."""
        return any(line.seed for line in self.entrants)


def tournament_cards() -> tuple[TournamentCard, ...]:
    """Running ones, then those to come, then the newest past ones."""
    rows = _rows()
    running = rows.filter(status=TournamentStatus.RUNNING).order_by("started_at")
    coming = rows.filter(status=TournamentStatus.ANNOUNCED).order_by("starts_at")
    past = rows.exclude(status__in=LIVE_TOURNAMENT_STATUSES).order_by("-starts_at")
    found = [*running, *coming, *past[:PAST_TOURNAMENTS]]
    first = Registration.objects.filter(tournament__in=found, place=1)
    winners = {each.tournament_id: each for each in first.select_related("agent__owner")}
    return tuple(_card(row, winners.get(row.pk)) for row in found)


def tournament_view(tournament_id: int, *, viewer: int | None) -> TournamentView:
    """Everything on a tournament's page. Raises NotAvailable."""
    row = _rows().filter(id=tournament_id).first()
    if row is None:
        raise NotAvailable("There is no such tournament.")
    registered = list(
        Registration.objects.filter(tournament=row)
        .select_related("agent__owner")
        .order_by("seed", "created_at", "id")
    )
    pairings = list(Pairing.objects.filter(tournament=row).order_by("number"))
    seeded = [each for each in registered if each.seed]
    shown = seeded or [each for each in registered if each.withdrawn_at is None]
    own = next((e for e in registered if e.user_id == viewer and e.withdrawn_at is None), None)
    field = field_of(seeded, pairings) if seeded else None
    format = TournamentFormat(row.format)
    competitors = {each.id: Competitor.of(each.agent) for each in registered}
    lines = [_pairing_line(each, competitors) for each in pairings]
    playing = {
        side: each.match_id
        for each in pairings
        if each.outcome == Outcome.OPEN
        for side in (each.first_id, each.second_id)
    }
    is_bracket = format == TournamentFormat.BRACKET and field is not None
    ties = _ties(field, seeded, pairings) if is_bracket and field else []
    has_third = len(ties) > 1
    return TournamentView(
        card=_card(row, next((each for each in seeded if each.place == 1), None)),
        entrants=_entrant_lines(shown, field, format, playing),
        live=tuple(line for line in lines if line.is_open and line.match_id),
        recent=tuple(
            line for line in reversed(lines) if not line.is_open and line.second is not None
        )[:RECENT_PAIRINGS],
        rounds=_rounds(ties[:-1] if has_third else ties, len(seeded)),
        third_place=ties[-1][1] if has_third else None,
        round_number=max((each.round for each in pairings), default=0),
        round_count=swiss.round_count(len(seeded)) if seeded else 0,
        prizes=_prize_table(row, seeded, len(shown)),
        own=own.id if own else None,
        own_agent=own.agent.name if own else "",
    )


def tournament_stamp(tournament_id: int) -> tuple[object, ...]:
    """Changes with whatever changes on the page while it is live. Raises NotAvailable."""
    status = Tournament.objects.filter(id=tournament_id).values_list("status", flat=True).first()
    if status is None:
        raise NotAvailable("There is no such tournament.")
    pairings = Pairing.objects.filter(tournament_id=tournament_id).aggregate(
        made=Count("id"), seated=Count("match"), played=Count("id", filter=~Q(outcome=Outcome.OPEN))
    )
    registrations = Registration.objects.filter(tournament_id=tournament_id).aggregate(
        made=Count("id"), withdrawn=Count("withdrawn_at")
    )
    return status, *pairings.values(), *registrations.values()


def _rows() -> QuerySet[Tournament]:
    entered = Count("registrations", filter=Q(registrations__withdrawn_at=None))
    return Tournament.objects.select_related("space").annotate(entered=entered)


def _card(row: Tournament, winner: Registration | None) -> TournamentCard:
    return TournamentCard(
        tournament_id=row.pk,
        name=row.name,
        space_slug=row.space.slug,
        space_name=row.space.name,
        base_model_id=row.space.base_model_id,
        format=TournamentFormat(row.format),
        status=TournamentStatus(row.status),
        note=row.note,
        starts_at=row.starts_at,
        closes_at=row.closes_at,
        window_minutes=row.window_minutes,
        fee_credits=row.fee_credits,
        rake_percent=row.rake_percent,
        prize_percents=tuple(row.prize_percents),
        entrant_count=getattr(row, "entered", 0),
        fewest_entrants=row.fewest_entrants,
        most_entrants=row.most_entrants,
        is_filled_by_house=row.is_filled_by_house,
        winner=Competitor.of(winner.agent) if winner else None,
    )


def _entrant_lines(
    shown: Sequence[Registration],
    field: Field | None,
    format: TournamentFormat,
    playing: Mapping[uuid.UUID | None, int | None],
) -> tuple[EntrantLine, ...]:
    placings = {line.seed: line for line in RULES[format].placings(field)} if field else {}
    lines = []
    for each in shown:
        found = placings.get(each.seed or 0)
        points = found.points if found else 0.0
        lines.append(
            EntrantLine(
                competitor=Competitor.of(each.agent),
                seed=each.seed,
                placing=found,
                prize_credits=each.prize_credits,
                is_withdrawn=each.withdrawn_at is not None,
                match_id=playing.get(each.id),
                # Half a point of a bracket only puts the winner of third place before its loser.
                points=float(int(points)) if format == TournamentFormat.BRACKET else points,
            )
        )
    return tuple(sorted(lines, key=lambda line: line.placing.place if line.placing else 0))


def _pairing_line(row: Pairing, competitors: Mapping[uuid.UUID, Competitor]) -> PairingLine:
    return PairingLine(
        round=row.round,
        first=competitors[row.first_id],
        second=competitors[row.second_id] if row.second_id else None,
        outcome=Outcome(row.outcome),
        match_id=row.match_id,
    )


def _ties(
    field: Field, seeded: Sequence[Registration], pairings: Sequence[Pairing]
) -> list[tuple[int, BracketTie]]:
    """(round, place of the bracket), round by round; the one for third place is the last."""
    competitors = {each.seed: Competitor.of(each.agent) for each in seeded}
    matches = {(each.round, each.slot): each for each in pairings}
    result = []
    for tie in bracket.ties(field):
        last = matches.get((tie.round, tie.slot))
        first, second = (
            BracketSide(
                seed=seed,
                competitor=competitors.get(seed),
                is_winner=tie.is_decided and seed is not None and seed == tie.winner,
                is_out=tie.is_decided and seed is not None and seed != tie.winner,
            )
            for seed in (tie.first, tie.second)
        )
        shown = BracketTie(
            sides=(first, second),
            match_id=last.match_id if last else None,
            is_live=last is not None and last.outcome == Outcome.OPEN,
            is_bye=tie.is_known and (tie.first is None) != (tie.second is None),
        )
        result.append((tie.round, shown))
    return result


def _rounds(ties: Sequence[tuple[int, BracketTie]], entrants: int) -> tuple[BracketRound, ...]:
    if not ties:
        return ()
    last = bracket.round_count(entrants)
    names = {last: "Final", last - 1: "Semifinals", last - 2: "Quarterfinals"}
    return tuple(
        BracketRound(
            name=names.get(number, f"Round {number}"),
            ties=tuple(tie for of, tie in ties if of == number),
        )
        for number in range(1, last + 1)
    )


def _expected_stakes(row: Tournament, registered: int) -> int:
    """How many stake the fee if the fewest take part; if nobody has registered, the viewer does.

    House agents fill up all seats that are left, and stake all of their fees or none.
    """
    people = max(registered, 1 if row.is_filled_by_house else row.fewest_entrants)
    house = max(0, row.fewest_entrants - people)
    stake = house_stake(
        row.fee_credits,
        house_seats=house,
        used_credits=[0] * people,
        bound_credits=settings.ENV.house_stake,
    )
    return people + (house if stake.fee_credits else 0)


def _prize_table(
    row: Tournament, seeded: Sequence[Registration], registered: int
) -> PrizeTable | None:
    """With the fees that were paid, or before the start with those that can be expected."""
    if not row.fee_credits or row.status == TournamentStatus.CANCELLED:
        return None
    if seeded:
        # As `arena.tournaments.purse` shares it out: what those who withdrew paid stays in the pool.
        paying = [each for each in seeded if each.fee_credits]
        sharing = [each for each in paying if each.withdrawn_at is None] or paying
        count, pool = len(sharing), sum(each.fee_credits for each in paying)
    else:
        count = _expected_stakes(row, registered)
        pool = count * row.fee_credits
    if not pool:
        return None
    rake = rake_of(pool, percent=row.rake_percent)
    shares = prizes(
        [[place] for place in range(count)],
        pot_credits=pool - rake,
        percents=row.prize_percents,
    )
    paid = tuple(shares[place] for place in range(count) if shares[place])
    return PrizeTable(count, pool, rake, paid)
