"""How often the audience's blind votes agree with panels and with single judges."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet

from agents.errors import Refused
from arena.models import AudienceVote, Round, Seat, Verdict, Vote
from arena.queries.lists import Competitor
from arena.queries.rounds import score_of
from arena.review.ballots import BlindBallot, BlindPair, blind_pair
from arena.states import BlindChoice
from judges.bench.figures import wilson
from judges.panel import places_of

NEWEST_VOTES = 2_000  # of a Space or a judge; older ones say less of judges as they are


@dataclass(frozen=True)
class Agreement:
    """Blind votes for one of two answers of which the other side preferred one, too."""

    agreed: int = 0
    count: int = 0

    @property
    def share(self) -> float:
        return self.agreed / self.count if self.count else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Where the share lies with 95% confidence (Wilson 1927)."""
        return wilson(self.share, self.count) if self.count else (0.0, 1.0)


@dataclass(frozen=True)
class JudgeAgreement:
    """How often the audience agrees with one judge."""

    judge: str
    slug: str
    agreement: Agreement


@dataclass(frozen=True)
class SpaceAudience:
    """The audience of one Space, as far as its newest votes go."""

    votes: int  # that count
    voters: int
    panel: Agreement
    judges: tuple[JudgeAgreement, ...]


@dataclass(frozen=True)
class RoundAudience:
    """The audience of one round."""

    number: int
    voters: int
    panel: Agreement


@dataclass(frozen=True)
class UncoveredSeat:
    """An answer of a pair with all that the voter had not been told."""

    seat: int
    competitor: Competitor
    version_number: int
    text: str
    score: float | None  # of the panel
    place: int | None
    is_chosen: bool  # by the voter
    is_preferred: bool  # by the panel, of these two
    scores: tuple[tuple[str, float | None, str], ...]  # judge, score, reason
    share: float | None  # of the voters who preferred one of the two


@dataclass(frozen=True)
class BlindResult:
    """A pair after the vote."""

    pair: BlindPair
    match_id: int
    number: int
    choice: str
    uncounted: str
    seats: tuple[UncoveredSeat, UncoveredSeat]  # A, B
    voters: int  # on this pair, that count

    @property
    def panel_choice(self) -> str:
        """What the panel's order says, in the words of a voter's choice."""
        a, b = self.seats
        if a.is_preferred:
            return BlindChoice.A
        return BlindChoice.B if b.is_preferred else BlindChoice.TIE

    @property
    def agrees(self) -> bool | None:
        """Whether voter and panel prefer the same answer; None: one of them prefers none."""
        strict = {BlindChoice.A, BlindChoice.B}
        if {self.choice, self.panel_choice} <= strict:
            return self.choice == self.panel_choice
        return None


def audience_of_space(space_id: int) -> SpaceAudience:
    """From the Space's newest votes that count."""
    votes = _newest(AudienceVote.objects.filter(round__match__space=space_id))
    panel, judges = _agreements(votes)
    return SpaceAudience(
        votes=len(votes), voters=len({vote.voter for vote in votes}), panel=panel, judges=judges
    )


def audience_of_judge(slug: str) -> Agreement:
    """How often the audience agrees with one judge, over all Spaces, by the newest votes."""
    votes = _newest(AudienceVote.objects.filter(round__votes__judge__slug=slug))
    of_judge = Vote.objects.filter(round__in={vote.round_id for vote in votes}, judge__slug=slug)
    ballots = {vote.round_id: vote for vote in of_judge}
    return _agreement((vote, _sign(ballots[vote.round_id], vote)) for vote in votes)


def audience_of_match(match_id: int) -> tuple[RoundAudience, ...]:
    """The rounds of a match on which somebody voted."""
    votes = _newest(AudienceVote.objects.filter(round__match=match_id))
    of_round: dict[int, list[AudienceVote]] = defaultdict(list)
    for vote in votes:
        of_round[vote.round.number].append(vote)
    return tuple(
        RoundAudience(number, len({each.voter for each in own}), _agreements(own)[0])
        for number, own in sorted(of_round.items())
    )


def blind_result(vote_id: UUID) -> BlindResult:
    """What a voter sees after the vote. Raises Refused if the answers have gone."""
    vote = AudienceVote.objects.get(id=vote_id)
    row = Round.objects.select_related("match__space", "verdict").get(id=vote.round_id)
    b = vote.second_seat if vote.shown_as_a == vote.first_seat else vote.first_seat
    ballot = BlindBallot(vote.pk, row.pk, (vote.shown_as_a, b))
    seats = {
        seat.index: seat
        for seat in Seat.objects.filter(match=row.match_id, index__in=ballot.seats).select_related(
            "agent__owner", "version"
        )
    }
    if any(seat.agent.owner.leaving_since is not None for seat in seats.values()):
        raise Refused("One of these answers is gone, as its author has left. Here are others.")
    pair = blind_pair(row, ballot)
    verdict: Verdict = row.verdict
    places = places_of(verdict.ranking)
    best = min(places.get(index, 0) for index in ballot.seats)
    is_tied = len({places.get(index) for index in ballot.seats}) == 1
    ballots = list(row.votes.select_related("judge").order_by("judge_id"))
    counted = [
        one.preferred
        for one in AudienceVote.objects.filter(
            round=row, first_seat=vote.first_seat, second_seat=vote.second_seat, uncounted=""
        )
    ]
    chosen = Counter(counted)
    strict = sum(chosen[index] for index in ballot.seats)
    uncovered = [
        UncoveredSeat(
            seat=index,
            competitor=Competitor.of(seats[index].agent),
            version_number=seats[index].version.number,
            text=text,
            score=score_of(verdict.scores, index),
            place=places.get(index),
            is_chosen=vote.preferred == index,
            is_preferred=not is_tied and places.get(index) == best,
            scores=tuple(
                (
                    each.judge.name,
                    score_of(each.scores, index),
                    str(each.reasons.get(str(index), "")),
                )
                for each in ballots
                if each.scores
            ),
            share=chosen[index] / strict if strict else None,
        )
        for index, text in zip(ballot.seats, pair.texts, strict=True)
    ]
    return BlindResult(
        pair=pair,
        match_id=row.match_id,
        number=row.number,
        choice=vote.choice,
        uncounted=vote.uncounted,
        seats=(uncovered[0], uncovered[1]),
        voters=len(counted),
    )


def _newest(votes: QuerySet[AudienceVote]) -> list[AudienceVote]:
    counted = votes.filter(uncounted="").select_related("round__verdict")
    return list(counted.order_by("-created_at", "id")[:NEWEST_VOTES])


def _agreements(
    votes: Iterable[AudienceVote],
) -> tuple[Agreement, tuple[JudgeAgreement, ...]]:
    votes = list(votes)
    panel = _agreement((vote, _panels_sign(vote)) for vote in votes)
    of_round: dict[int, list[AudienceVote]] = defaultdict(list)
    for vote in votes:
        of_round[vote.round_id].append(vote)
    said: dict[tuple[str, str], list[tuple[AudienceVote, int]]] = defaultdict(list)
    for ballot in Vote.objects.filter(round__in=of_round).select_related("judge"):
        said[ballot.judge.name, ballot.judge.slug] += [
            (vote, _sign(ballot, vote)) for vote in of_round[ballot.round_id]
        ]
    judges = (JudgeAgreement(name, slug, _agreement(pairs)) for (name, slug), pairs in said.items())
    return panel, tuple(sorted((one for one in judges if one.agreement.count), key=_by_name))


def _by_name(one: JudgeAgreement) -> str:
    return one.judge


def _agreement(said: Iterable[tuple[AudienceVote, int]]) -> Agreement:
    """Of (vote, 1 | 0 | -1 for the first seat, the second or none): those in which both prefer one."""
    both = [
        (vote.preferred == vote.first_seat) == (sign > 0)
        for vote, sign in said
        if sign and vote.preferred is not None
    ]
    return Agreement(sum(both), len(both))


def _panels_sign(vote: AudienceVote) -> int:
    places = places_of(vote.round.verdict.ranking)
    first, second = places.get(vote.first_seat, 0), places.get(vote.second_seat, 0)
    return (second > first) - (first > second)


def _sign(ballot: Vote, vote: AudienceVote) -> int:
    if not {str(vote.first_seat), str(vote.second_seat)} <= ballot.scores.keys():
        return 0
    return ballot.preference(vote.first_seat, vote.second_seat) or 0
