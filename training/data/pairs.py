"""Which preference pairs a round gives each of its model agents. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum

from judges.panel import preference
from judges.transcript import Comparisons
from training.states import PairSource

MIN_MARGIN = 0.1  # difference of scores; below it, the panel's preference is noise
# A chosen answer must score more than this: an answer refused by an environment's gates (empty, a
# copy of the task, an appeal to the judges) is never an example.
MIN_CHOSEN_SCORE = 0.2
MIN_AGREEMENT = 0.5  # of the panel, on the pair; at or below it, neither answer is clearly better
MAX_PAIRS_PER_ROUND = 2  # per agent, so that one task does not dominate
MAX_LENGTH_RATIO = 10.0  # of the two texts; beyond it, length alone would be learned
SHORT_CHARS = 20  # texts shorter than this count as this long in the ratio
MAX_TEXT_CHARS = 8_000


@dataclass(frozen=True)
class JudgedAnswer:
    """One seat's completion, as far as pairs need it."""

    seat: int
    agent_id: int
    completion_id: int
    learns: bool  # answered by a model with adapters, not by code
    is_answered: bool  # False: the agent's own request could not be served
    is_complete: bool  # False: cut off at the maximum length
    text: str


@dataclass(frozen=True)
class PairSpec:
    """A pair to be stored."""

    agent_id: int
    chosen_id: int
    rejected_id: int
    source: PairSource
    margin: float  # [MIN_MARGIN, 1]
    agreement: float  # share of the judges who compared them, (MIN_AGREEMENT, 1]


@dataclass(frozen=True)
class PanelVote:
    """One judge's vote on a round."""

    weight: float  # > 0
    scores: Mapping[int, float]  # seat -> [0, 1], every seat of the verdict
    comparisons: Comparisons | None = None  # as on its ballot


def make_pairs(
    answers: Sequence[JudgedAnswer],
    scores: Mapping[int, float],
    votes: Sequence[PanelVote],
    *,
    from_cut_answers: bool = True,
) -> list[PairSpec]:
    """Pairs of every learning seat: its own answer against the others'.

    An agent learns first from the best answer that beat its own (all that it can learn from if it
    never wins), then from its own clearest win; seats without a score give no pairs. `scores` is
    the verdict from these votes. An answer that was cut off is never the better one, and the worse
    one only with `from_cut_answers`.
    """
    judged = [one for one in answers if one.seat in scores]
    return [
        pair
        for own in judged
        if own.learns
        for pair in _pairs_of(own, judged, scores, votes, from_cut_answers=from_cut_answers)
    ]


def _pairs_of(
    own: JudgedAnswer,
    answers: Sequence[JudgedAnswer],
    scores: Mapping[int, float],
    votes: Sequence[PanelVote],
    *,
    from_cut_answers: bool,
) -> list[PairSpec]:
    others = [one for one in answers if one.seat != own.seat]

    def gap(other: JudgedAnswer) -> float:
        return scores[other.seat] - scores[own.seat]

    def unlikeness(other: JudgedAnswer) -> int:
        return abs(len(other.text) - len(own.text))

    def beats(winner: JudgedAnswer, loser: JudgedAnswer) -> bool:
        return (
            scores[winner.seat] - scores[loser.seat] >= MIN_MARGIN
            and scores[winner.seat] > MIN_CHOSEN_SCORE
            and agreement(votes, [(winner.seat, loser.seat)]) > MIN_AGREEMENT
        )

    # Among equals, the answer of the most similar length teaches least about length.
    better = sorted(
        (one for one in others if beats(one, own) and _teaches(one, own, from_cut_answers)),
        key=lambda one: (-gap(one), unlikeness(one), one.seat),
    )
    worse = sorted(
        (one for one in others if beats(own, one) and _teaches(own, one, from_cut_answers)),
        key=lambda one: (-gap(one), unlikeness(one), one.seat),
    )
    losses = [(one, own, PairSource.OWN_REJECTED) for one in better]
    wins = [(own, one, PairSource.OWN_CHOSEN) for one in worse]
    first = losses[:1] + wins[:1]
    return [
        PairSpec(
            own.agent_id,
            chosen.completion_id,
            rejected.completion_id,
            source,
            margin=scores[chosen.seat] - scores[rejected.seat],
            agreement=agreement(votes, [(chosen.seat, rejected.seat)]),
        )
        for chosen, rejected, source in (first + losses[1:] + wins[1:])[:MAX_PAIRS_PER_ROUND]
    ]


def agreement(votes: Sequence[PanelVote], orders: Sequence[tuple[int, int]]) -> float:
    """Share of the weight of the judges who compared two seats that prefers the first of the two.

    `orders`: one pair of seats or more. A judge's tie is half for each; 0 if nobody compared them.
    """
    said = [
        (vote.weight, preferred)
        for vote in votes
        for better, worse in orders
        if (preferred := preference(vote.scores, vote.comparisons, better, worse)) is not None
    ]
    total = fsum(weight for weight, _ in said)
    return fsum(weight * (1 + preferred) / 2 for weight, preferred in said) / total if said else 0.0


def _teaches(chosen: JudgedAnswer, rejected: JudgedAnswer, from_cut_answers: bool) -> bool:
    if not (chosen.is_answered and rejected.is_answered):
        return False
    if not (chosen.is_complete and (rejected.is_complete or from_cut_answers)):
        return False
    better, worse = " ".join(chosen.text.split()), " ".join(rejected.text.split())
    if not better or better == worse or max(len(better), len(worse)) > MAX_TEXT_CHARS:
        return False
    lengths = sorted(max(SHORT_CHARS, len(text)) for text in (better, worse))
    return lengths[1] / lengths[0] <= MAX_LENGTH_RATIO
