"""Appeals as the pages of matches and judges show them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from agents.errors import NotAvailable
from arena.models import (
    Appeal,
    AppealStatus,
    AppealVote,
    Completion,
    CompletionStatus,
    Match,
    MatchStatus,
    Round,
    Seat,
    Vote,
)
from arena.queries.lists import Competitor
from arena.queries.rounds import VoteLine, vote_line
from arena.review.appealing import appeals_close_at, problem_with
from arena.states import RoundStatus
from judges.panel import places_of


@dataclass(frozen=True)
class AppealScore:
    """What one judge of the other panel said of one seat."""

    seat: int
    name: str
    said: VoteLine


@dataclass(frozen=True)
class AppealBallot:
    """One judge of the other panel; `error` says why it abstained."""

    judge: str
    error: str
    scores: tuple[AppealScore, ...]


@dataclass(frozen=True)
class AppealView:
    """One appeal, public in all its parts."""

    appeal_id: int
    status: str
    agent: str
    owner: str
    fee_credits: int
    is_other_panel: bool
    note: str
    agreement: float | None
    order: tuple[tuple[int, str, bool], ...]  # (place, agent, moved), best first
    ballots: tuple[AppealBallot, ...]
    created_at: datetime
    decided_at: datetime | None


@dataclass(frozen=True)
class RoundAppeals:
    """A round with its appeals, and whether its viewer may add one."""

    number: int
    appeals: tuple[AppealView, ...]
    problem: str  # why nobody may appeal it; empty if its owners may
    agent_id: int | None  # of the viewer, who may appeal with it


@dataclass(frozen=True)
class MatchAppeals:
    """The rounds of a settled match for which there is something to say."""

    match_id: int
    rounds: tuple[RoundAppeals, ...]
    fee_credits: int
    closes_at: datetime

    @property
    def is_offered(self) -> bool:
        """Whether the viewer may appeal one of the rounds."""
        return any(each.agent_id for each in self.rounds)

    @property
    def is_shown(self) -> bool:
        return self.is_offered or any(each.appeals or each.problem for each in self.rounds)


@dataclass(frozen=True)
class JudgeAppeals:
    """How a judge's votes fared before other panels."""

    heard: int  # rounds on which it had voted and another panel did, too
    overruled: int  # of them those on which an appeal was granted against an order of its own


def match_appeals(match_id: int, *, viewer: int | None) -> MatchAppeals | None:
    """The appeals of a settled match, and which rounds the viewer may appeal; None for others.

    What keeps a round from being appealed is told to those only who sat in the match.
    """
    match = Match.objects.select_related("space").filter(id=match_id).first()
    if match is None:
        raise NotAvailable("There is no such match.")
    if match.status != MatchStatus.SETTLED:
        return None
    seats = list(Seat.objects.filter(match=match).select_related("agent__owner").order_by("index"))
    own = next((seat for seat in seats if viewer and seat.agent.owner_id == viewer), None)
    names = {seat.index: Competitor.of(seat.agent).name for seat in seats}
    appeals = list(
        Appeal.objects.filter(round__match=match)
        .select_related("user", "seat__agent", "round__verdict")
        .order_by("id")
    )
    ballots: dict[int, list[AppealVote]] = {each.pk: [] for each in appeals}
    for vote in AppealVote.objects.filter(appeal__in=appeals).select_related("judge", "version"):
        ballots[vote.appeal_id].append(vote)
    texts = _texts_of_steps(appeals, ballots)
    rounds = []
    for row in Round.objects.filter(match=match, status=RoundStatus.DECIDED):
        row.match = match
        of_round = [each for each in appeals if each.round_id == row.pk]
        has_asked = any(each.user_id == viewer for each in of_round)
        problem = problem_with(row) if own and not has_asked else ""
        may = own is not None and not has_asked and not problem
        rounds.append(
            RoundAppeals(
                number=row.number,
                appeals=tuple(_view(each, ballots[each.pk], names, texts) for each in of_round),
                problem=problem,
                agent_id=own.agent_id if own and may else None,
            )
        )
    return MatchAppeals(
        match_id=match.pk,
        rounds=tuple(rounds),
        fee_credits=settings.ENV.appeal_fee,
        closes_at=appeals_close_at(match),
    )


def appeals_of_judge(slug: str) -> JudgeAppeals:
    """How often other panels looked again at what the judge had voted on, and contradicted it."""
    decided = Appeal.objects.filter(
        round__votes__judge__slug=slug, status__in=[AppealStatus.GRANTED, AppealStatus.DENIED]
    )
    reversed_pairs: dict[int, list[Sequence[int]]] = defaultdict(list)  # by round: some have two
    for row in decided:
        reversed_pairs[row.round_id] += row.reversed_pairs
    votes = Vote.objects.filter(judge__slug=slug, round__in=reversed_pairs).exclude(scores={})
    overruled = sum(_contradicts(vote, reversed_pairs[vote.round_id]) for vote in votes)
    return JudgeAppeals(heard=len(votes), overruled=overruled)


def _contradicts(vote: Vote, pairs: Sequence[Sequence[int]]) -> bool:
    """Whether the vote had put one of the (better, worse) seats the other way round."""
    return any(
        str(better) in vote.scores
        and str(worse) in vote.scores
        and vote.preference(better, worse) == -1
        for better, worse in pairs
    )


def _texts_of_steps(
    appeals: Sequence[Appeal], ballots: Mapping[int, Sequence[AppealVote]]
) -> dict[tuple[int, int], str]:
    """By round and seat the answers whose steps a judge marked."""
    marked = [
        each.round_id
        for each in appeals
        if any(vote.steps is not None for vote in ballots[each.pk])
    ]
    if not marked:
        return {}
    answers = Completion.objects.filter(
        round__in=marked, round__turn_limit=1, status=CompletionStatus.OK
    )
    return {
        (round_id, seat): text
        for round_id, seat, text in answers.values_list("round_id", "seat__index", "text")
    }


def _view(
    row: Appeal,
    votes: Sequence[AppealVote],
    names: Mapping[int, str],
    texts: Mapping[tuple[int, int], str],
) -> AppealView:
    places = places_of(row.ranking)
    before = places_of(row.round.verdict.ranking)
    return AppealView(
        appeal_id=row.pk,
        status=row.status,
        agent=row.seat.agent.name,
        owner=row.user.username,
        fee_credits=row.fee_credits,
        is_other_panel=row.is_other_panel,
        note=row.note,
        agreement=row.agreement,
        order=tuple(
            (place, names.get(seat, ""), place != before.get(seat))
            for seat, place in places.items()
        ),
        ballots=tuple(
            AppealBallot(
                judge=vote.judge.name,
                error=vote.error,
                scores=tuple(
                    AppealScore(
                        seat, name, vote_line(vote, seat, texts.get((row.round_id, seat), ""))
                    )
                    for seat, name in names.items()
                )
                if not vote.error
                else (),
            )
            for vote in votes
        ),
        created_at=row.created_at,
        decided_at=row.decided_at,
    )
