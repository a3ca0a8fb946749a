"""One match as a page shows it: seats, states of rounds, running totals."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import IntegerField, Max
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast

from agents.errors import NotAvailable
from arena.matches.match import ranking_of, total_of
from arena.models import (
    Match,
    MatchEvent,
    MatchStatus,
    Pairing,
    RatingChange,
    Round,
    Seat,
    Verdict,
)
from arena.queries.lists import Competitor
from arena.queries.rounds import score_of
from arena.states import LIVE_MATCH_STATUSES
from judges.panel import places_of


@dataclass(frozen=True)
class RatingStep:
    """What the match did to a seat's rating."""

    mu_before: float
    sigma_before: float
    widened_sigma: float | None  # from which a new version started; None: the last one played
    mu_after: float
    sigma_after: float
    weight: float  # what familiar and new opponents counted; 1: all in full
    is_fixed: bool  # a reference's, which no longer moves
    overall_mu_before: float | None  # None: there was no rating over all Spaces
    overall_mu_after: float | None

    @property
    def started_sigma(self) -> float:
        return self.sigma_before if self.widened_sigma is None else self.widened_sigma

    @property
    def change(self) -> float:
        return self.mu_after - self.mu_before

    @property
    def overall_change(self) -> float | None:
        if self.overall_mu_before is None or self.overall_mu_after is None:
            return None
        return self.overall_mu_after - self.overall_mu_before


@dataclass(frozen=True)
class SeatView:
    """A competitor with its running total."""

    index: int
    competitor: Competitor
    version_number: int
    has_adapter: bool
    scores: tuple[float | None, ...]  # one per round of the match; None: not decided
    total: float
    standing: int  # place so far, ties share it
    rank: int | None  # at settlement
    is_silent: bool  # the match is settled, and this seat said nothing in it
    prize_credits: int
    rating: RatingStep | None  # None: not rated, or not yet


@dataclass(frozen=True)
class MatchSnapshot:
    """Everything but the rounds' contents, as of event `seq` or a little later."""

    match_id: int
    seq: int
    status: str
    space_slug: str
    space_name: str
    round_count: int
    rounds_at_once: int
    seats: tuple[SeatView, ...]
    round_states: tuple[str, ...]  # one per round of the match; "" if not begun
    round_seqs: tuple[int, ...]  # the last event of each; 0 if not begun
    episodes: frozenset[int]  # the rounds that are episodes
    head_digest: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancel_reason: str
    tournament: tuple[int, str] | None  # id and name, for one of its matches
    is_practice: bool  # free, against the house, and nothing follows from it

    @property
    def is_live(self) -> bool:
        return self.status in LIVE_MATCH_STATUSES

    @property
    def is_settled(self) -> bool:
        return self.status == MatchStatus.SETTLED

    @property
    def latest_round(self) -> int:
        """The last round that has begun; 0 before the first."""
        return sum(1 for state in self.round_states if state)

    @property
    def by_standing(self) -> tuple[SeatView, ...]:
        return tuple(
            sorted(self.seats, key=lambda seat: (seat.is_silent, seat.standing, seat.index))
        )

    @property
    def partly_rated(self) -> tuple[SeatView, ...]:
        """Seats for whose rating some opponents did not count in full."""
        return tuple(seat for seat in self.seats if seat.rating and seat.rating.weight < 1)


def match_seq(match_id: int) -> int:
    """The number of the match's last event. Raises NotAvailable."""
    seq = Match.objects.filter(id=match_id).values_list("seq", flat=True).first()
    if seq is None:
        raise NotAvailable("There is no such match.")
    return seq


def match_snapshot(match_id: int) -> MatchSnapshot:
    """Seats, totals and states of one match. Raises NotAvailable.

    The sequence number is read before the rest: anything newer shows up again as an event and the
    page redraws it, so nothing can be missed.
    """
    match = Match.objects.select_related("space").filter(id=match_id).first()
    if match is None:
        raise NotAvailable("There is no such match.")
    seating, reason = _frame(match)
    round_count = int(seating.get("round_count", match.space.round_count))
    rounds = list(match.rounds.select_related("verdict").defer("task", "view").order_by("number"))
    states, seqs, scores = [""] * round_count, [0] * round_count, {}
    last = _last_events(match_id)
    for row in rounds:
        if row.number <= round_count:
            states[row.number - 1], seqs[row.number - 1] = row.status, last.get(row.number, 0)
            scores[row.number] = _verdict_scores(row)
    return MatchSnapshot(
        match_id=match.id,
        seq=match.seq,
        status=match.status,
        space_slug=match.space.slug,
        space_name=match.space.name,
        round_count=round_count,
        rounds_at_once=int(seating.get("rounds_at_once", 1)),
        seats=_seat_views(match, scores, round_count),
        round_states=tuple(states),
        round_seqs=tuple(seqs),
        episodes=frozenset(row.number for row in rounds if row.is_episode),
        head_digest=match.head_digest,
        created_at=match.created_at,
        started_at=match.started_at,
        finished_at=match.finished_at,
        cancel_reason=reason,
        tournament=_tournament_of(match_id),
        is_practice=match.is_practice,
    )


def _tournament_of(match_id: int) -> tuple[int, str] | None:
    rows = Pairing.objects.filter(match_id=match_id)
    return rows.values_list("tournament_id", "tournament__name").first()


def _seat_views(
    match: Match, scores: Mapping[int, Mapping[str, Any]], round_count: int
) -> tuple[SeatView, ...]:
    rows = list(
        Seat.objects.filter(match=match)
        .select_related("agent__owner", "version", "rating_change")
        .order_by("index")
    )
    per_seat = {
        row.index: tuple(
            score_of(scores[number], row.index) if number in scores else None
            for number in range(1, round_count + 1)
        )
        for row in rows
    }
    totals = {index: total_of(value or 0.0 for value in row) for index, row in per_seat.items()}
    decided = sum(1 for given in scores.values() if given)
    # As the settlement ranks them: seats whose mean over the rounds is a tie share their place.
    standings = places_of(ranking_of(totals, rounds=max(decided, 1)))
    views = []
    for row in rows:
        change = getattr(row, "rating_change", None)
        views.append(
            SeatView(
                index=row.index,
                competitor=Competitor.of(row.agent),
                version_number=row.version.number,
                has_adapter=row.version.adapter_id is not None,
                scores=per_seat[row.index],
                total=totals[row.index],
                standing=row.rank or standings[row.index],
                rank=row.rank,
                is_silent=match.status == MatchStatus.SETTLED and row.rank is None,
                prize_credits=row.prize_credits,
                rating=_step(row, change) if change else None,
            )
        )
    return tuple(views)


def _step(seat: Seat, change: RatingChange) -> RatingStep:
    has_moved = (change.mu_before, change.sigma_before) != (change.mu_after, change.sigma_after)
    return RatingStep(
        mu_before=change.mu_before,
        sigma_before=change.sigma_before,
        widened_sigma=change.widened_sigma,
        mu_after=change.mu_after,
        sigma_after=change.sigma_after,
        weight=change.weight,
        is_fixed=seat.agent.is_reference and not has_moved,
        overall_mu_before=change.overall_mu_before,
        overall_mu_after=change.overall_mu_after,
    )


def _verdict_scores(row: Round) -> Mapping[str, Any]:
    verdict: Verdict | None = getattr(row, "verdict", None)
    return verdict.scores if verdict else {}


def _frame(match: Match) -> tuple[Mapping[str, Any], str]:
    """(what was agreed when the match was made, why it was cancelled)"""
    payloads = dict(
        MatchEvent.objects.filter(
            match_id=match.id, kind__in=["match_seated", "match_cancelled"]
        ).values_list("kind", "payload")
    )
    reason = str(payloads.get("match_cancelled", {}).get("reason", ""))
    return payloads.get("match_seated", {}), reason


def _last_events(match_id: int) -> dict[int, int]:
    """Round -> the seq of its last event."""
    number = Cast(KeyTextTransform("round", "payload"), IntegerField())
    rows = MatchEvent.objects.filter(match_id=match_id, payload__has_key="round").order_by()
    return dict(rows.values_list(number).annotate(last=Max("seq")))
