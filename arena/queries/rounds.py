"""One round as a page shows it: its task, answers or turns, checks and votes."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import comb
from typing import Any

from agents.errors import NotAvailable
from arena.models import (
    AppealVote,
    Completion,
    CompletionStatus,
    MatchEvent,
    Round,
    Seat,
    Verdict,
    Vote,
)
from arena.queries.episodes import EpisodeView, episode_view
from arena.states import ENDED_ROUND_STATUSES
from judges.models import Judge
from judges.panel import places_of


@dataclass(frozen=True)
class CheckLine:
    """One thing that a judge checked."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True)
class StepLine:
    """What a judge says of one step of an answer."""

    text: str  # empty: of an episode, or erased
    score: float
    reason: str

    @property
    def word(self) -> str:
        """The same for who sees no colours."""
        return "sound" if self.score >= 0.7 else "doubtful" if self.score >= 0.4 else "wrong"


@dataclass(frozen=True)
class VoteLine:
    """One judge's opinion of one answer; `score` is None when it abstained."""

    judge_slug: str
    judge: str
    weight: float
    score: float | None
    reason: str
    error: str
    version: int | None = None  # of the judge; None: the vote is older than that record
    prompt_digest: str = ""  # of all that its model was told; empty: it asked none
    cost_micros: int = 0  # of the whole vote
    steps: tuple[StepLine, ...] = ()  # of a judge that grades steps


@dataclass(frozen=True)
class ReadLine:
    """How many of its comparisons a judge could read, if not all."""

    judge: str
    read: int
    asked: int


@dataclass(frozen=True)
class DrawnPanel:
    """Who of the panel was drawn to judge a round."""

    judges: tuple[str, ...]  # names
    passed_over: tuple[str, ...]  # drawn, but not allowed to vote


@dataclass(frozen=True)
class Cell:
    """One seat in one round."""

    seat: int
    status: str  # "waiting", "ok", "failed"
    text: str
    error: str
    token_count: int
    seconds: float
    is_cut: bool  # at its maximum length
    is_erased: bool  # its author has left
    chunk_times: Sequence[Sequence[float]]
    score: float | None
    place: int | None
    is_tied: bool
    checks: tuple[CheckLine, ...]
    votes: tuple[VoteLine, ...]

    @property
    def tokens_per_second(self) -> float | None:
        return self.token_count / self.seconds if self.token_count and self.seconds else None

    @property
    def passed_checks(self) -> tuple[CheckLine, ...]:
        return tuple(check for check in self.checks if check.passed)

    @property
    def failed_checks(self) -> tuple[CheckLine, ...]:
        return tuple(check for check in self.checks if not check.passed)


@dataclass(frozen=True)
class RoundView:
    """One round; cells are in the order of the seats."""

    number: int
    status: str
    kind: str
    prompt: str
    cells: tuple[Cell, ...]
    episode: EpisodeView | None  # instead of the answers in `cells`
    agreement: float | None
    alpha: float | None
    is_split: bool  # the judges agreed too little: the points were shared
    drawn: DrawnPanel | None  # if not all of the panel judged
    abstentions: tuple[VoteLine, ...]
    partly_read: tuple[ReadLine, ...]

    @property
    def is_open(self) -> bool:
        return self.status not in ENDED_ROUND_STATUSES


def round_view(match_id: int, number: int, *, known_turns: int = 0) -> RoundView:
    """One round with its answers and votes; of an episode, only the turns after the known ones.

    Raises NotAvailable.
    """
    row = Round.objects.select_related("verdict").filter(match_id=match_id, number=number).first()
    if row is None:
        raise NotAvailable("There is no such round.")
    seats = list(
        Seat.objects.filter(match_id=match_id).select_related("agent__owner").order_by("index")
    )
    leaving = frozenset(seat.index for seat in seats if seat.agent.owner.leaving_since is not None)
    completions = {} if row.is_episode else _answers(row)
    votes = list(row.votes.select_related("judge", "version").order_by("judge_id"))
    verdict: Verdict | None = getattr(row, "verdict", None)
    places = places_of(verdict.ranking) if verdict else {}
    taken = Counter(places.values())
    return RoundView(
        number=row.number,
        status=row.status,
        kind=row.task_kind,
        prompt=str(row.task.get("prompt", "")),
        cells=tuple(
            _cell(
                seat.index,
                is_leaving=seat.index in leaving,
                completion=completions.get(seat.id),
                votes=votes,
                score=score_of(verdict.scores, seat.index) if verdict else None,
                place=places.get(seat.index),
                is_tied=taken[places.get(seat.index, 0)] > 1,
            )
            for seat in seats
        ),
        episode=episode_view(row, leaving=leaving, known=known_turns) if row.is_episode else None,
        agreement=verdict.agreement if verdict else None,
        alpha=verdict.alpha if verdict else None,
        is_split=verdict.is_split if verdict else False,
        drawn=_drawn(match_id, number),
        abstentions=tuple(
            VoteLine(vote.judge.slug, vote.judge.name, vote.weight, None, "", vote.error)
            for vote in votes
            if vote.error
        ),
        partly_read=tuple(_partly_read(votes)),
    )


def _drawn(match_id: int, number: int) -> DrawnPanel | None:
    event = MatchEvent.objects.filter(
        match_id=match_id, kind="panel_drawn", payload__round=number
    ).first()
    if event is None:
        return None
    judges, passed_over = event.payload["judges"], event.payload["passed_over"]
    known = Judge.objects.filter(slug__in=[*judges, *passed_over])
    names = dict(known.values_list("slug", "name"))
    return DrawnPanel(
        tuple(names.get(slug, slug) for slug in judges),
        tuple(names.get(slug, slug) for slug in passed_over),
    )


def _answers(row: Round) -> dict[int, Completion]:
    # Token ids and logprobs are long, and no page shows them.
    long = ("asked", "messages", "prompt_token_ids", "logprobs", "allowed_token_ids")
    return {item.seat_id: item for item in row.completions.defer(*long)}


def _partly_read(votes: Sequence[Vote]) -> Iterator[ReadLine]:
    for vote in votes:
        asked = comb(len(vote.scores), 2)
        if vote.comparisons is not None and len(vote.comparisons) < asked:
            yield ReadLine(vote.judge.name, len(vote.comparisons), asked)


def _cell(
    seat: int,
    *,
    is_leaving: bool,
    completion: Completion | None,
    votes: Sequence[Vote],
    score: float | None,
    place: int | None,
    is_tied: bool,
) -> Cell:
    status = "waiting" if completion is None else str(completion.status)
    text = completion.text if completion and status == CompletionStatus.OK else ""
    checks: dict[str, CheckLine] = {}
    lines = []
    for vote in votes:
        for check in vote.checks.get(str(seat), []):
            checks.setdefault(
                str(check["name"]),
                CheckLine(str(check["name"]), bool(check["passed"]), str(check["detail"])),
            )
        if not vote.error:
            lines.append(vote_line(vote, seat, text))
    return Cell(
        seat=seat,
        status=status,
        text=text,
        error=completion.error if completion else "",
        token_count=len(completion.token_ids) if completion else 0,
        seconds=completion.seconds if completion else 0.0,
        is_cut=completion.is_cut if completion else False,
        is_erased=is_leaving and completion is not None and not completion.token_ids,
        chunk_times=completion.chunk_times if completion else (),
        score=score,
        place=place,
        is_tied=is_tied,
        checks=tuple(checks.values()),
        votes=tuple(lines),
    )


def vote_line(vote: Vote | AppealVote, seat: int, text: str) -> VoteLine:
    """What a judge that did not abstain said of the seat, whose answer is `text`."""
    return VoteLine(
        judge_slug=vote.judge.slug,
        judge=vote.judge.name,
        weight=vote.weight,
        score=score_of(vote.scores, seat),
        reason=str(vote.reasons.get(str(seat), "")),
        error="",
        version=vote.version.number if vote.version else None,
        prompt_digest=vote.prompt_digest,
        cost_micros=vote.cost_micros,
        steps=tuple(
            StepLine(text[begin:end], score, reason)
            for begin, end, score, reason in (vote.steps or {}).get(str(seat), ())
        ),
    )


def score_of(scores: Mapping[str, Any], seat: int) -> float | None:
    """The seat's score among stored ones; None if it has none."""
    value = scores.get(str(seat))
    return None if value is None else float(value)
