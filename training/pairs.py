"""Which preference pairs a round gives to each of its model agents. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

MIN_MARGIN = 0.1  # difference of scores; below it the panel's opinion is noise
# A better answer scores more than this: what was refused at an environment's gates (an empty
# answer, a copy of the task, a speech to the judges) is nobody's example.
MIN_CHOSEN_SCORE = 0.2
MIN_AGREEMENT = 0.5  # share of seat pairs on which the judges agree; below it no pairs
MAX_PAIRS_PER_ROUND = 2  # for one agent: a task teaches, it must not dominate
MAX_LENGTH_RATIO = 10.0  # of the two texts; beyond it length alone would be learned
SHORT_CHARS = 20  # texts shorter than this count as this long in the ratio
MAX_TEXT_CHARS = 8_000


class PairSource(StrEnum):
    """Where an agent's own answer stands in its pair."""

    OWN_CHOSEN = "own_chosen"  # the agent's answer beat another seat's
    OWN_REJECTED = "own_rejected"  # another seat's answer beat the agent's


@dataclass(frozen=True)
class SeatAnswer:
    """One seat's completion, as far as pairs need it."""

    seat: int
    agent_id: int
    completion_id: int
    learns: bool  # answered by a model with adapters, not by code
    is_answered: bool  # False: the agent's own request could not be served
    is_complete: bool  # False: cut off at the longest answer
    text: str


@dataclass(frozen=True)
class PairSpec:
    """A pair to be stored."""

    agent_id: int
    chosen_id: int
    rejected_id: int
    source: PairSource
    margin: float  # [MIN_MARGIN, 1]


def make_pairs(
    answers: Sequence[SeatAnswer], scores: Mapping[int, float], *, agreement: float
) -> list[PairSpec]:
    """Pairs of every learning seat: its own answer against the others'.

    An agent learns first from the best answer that beat its own (all it can learn from where
    it never wins), then from its own nearest win; seats without a score give none.
    """
    if agreement < MIN_AGREEMENT:
        return []
    judged = [one for one in answers if one.seat in scores]
    return [pair for own in judged if own.learns for pair in _pairs_of(own, judged, scores)]


def _pairs_of(
    own: SeatAnswer, answers: Sequence[SeatAnswer], scores: Mapping[int, float]
) -> list[PairSpec]:
    others = [one for one in answers if one.seat != own.seat]

    def gap(other: SeatAnswer) -> float:
        return scores[other.seat] - scores[own.seat]

    def unlikeness(other: SeatAnswer) -> int:
        return abs(len(other.text) - len(own.text))

    def beats(winner: SeatAnswer, loser: SeatAnswer) -> bool:
        margin = scores[winner.seat] - scores[loser.seat]
        return margin >= MIN_MARGIN and scores[winner.seat] > MIN_CHOSEN_SCORE

    # Among equals the answer of the most similar length says least about length.
    better = sorted(
        (one for one in others if beats(one, own) and _teaches(one, own)),
        key=lambda one: (-gap(one), unlikeness(one), one.seat),
    )
    worse = sorted(
        (one for one in others if beats(own, one) and _teaches(own, one)),
        key=lambda one: (-gap(one), unlikeness(one), one.seat),
    )
    losses = [
        PairSpec(
            own.agent_id, one.completion_id, own.completion_id, PairSource.OWN_REJECTED, gap(one)
        )
        for one in better
    ]
    wins = [
        PairSpec(
            own.agent_id, own.completion_id, one.completion_id, PairSource.OWN_CHOSEN, -gap(one)
        )
        for one in worse
    ]
    first = losses[:1] + wins[:1]
    return (first + losses[1:] + wins[1:])[:MAX_PAIRS_PER_ROUND]


def _teaches(chosen: SeatAnswer, rejected: SeatAnswer) -> bool:
    if not (chosen.is_answered and rejected.is_answered and chosen.is_complete):
        return False
    better, worse = " ".join(chosen.text.split()), " ".join(rejected.text.split())
    if not better or better == worse or max(len(better), len(worse)) > MAX_TEXT_CHARS:
        return False
    lengths = sorted(max(SHORT_CHARS, len(text)) for text in (better, worse))
    return lengths[1] / lengths[0] <= MAX_LENGTH_RATIO
