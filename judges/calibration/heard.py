"""PURE: what a ballot says of the pairs of a gold item."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

from judges.panel import preference
from judges.transcript import Comparisons


class GoldOutcome(StrEnum):
    """What became of a question; its judge is responsible for all but the last."""

    SAID = "said"  # it preferred an answer, or called them equal
    UNSAID = "unsaid"  # it replied, and nothing could be read from that
    AWAY = "away"  # it could not be reached, or this is no question for it


@dataclass(frozen=True)
class Said:
    """A judge on one pair of answers, the one that it was shown first and the other."""

    item_id: int
    right: int  # 1: the first answer is the better one; -1: the second is
    preferred: int | None  # 1 or -1 in the same way, 0 for a tie; None: it could not say
    longer: int = 0  # 1 or -1: the clearly longer one; 0: neither
    own: int = 0  # 1 or -1: the only one that a model of the judge's own base wrote; 0: neither
    # Of a judge that compares: what it preferred each time it was shown the two, before two times that
    # disagreed became a tie, and the better one: 1 for the one shown first, -1, 0 for neither.
    shown: tuple[tuple[int, int], ...] = ()


# Answers whose lengths differ by less than this share of the longer one count as equally long.
CLEARLY_LONGER = 0.2


def said_of(
    item_id: int,
    *,
    order: Sequence[Sequence[int]],
    scores: Mapping[int, float],
    comparisons: Comparisons | None,
    lengths: Mapping[int, int],
    own: frozenset[int] = frozenset(),
    orders: Mapping[tuple[int, int], int] | None = None,
) -> Iterator[Said]:
    """Every pair of seats whose order is known; seats are those that the judge was shown.

    `order` has the best seats first, and those of one inner list are in no known order. No scores
    mean that it could not say. `lengths` are in characters; `own` are the seats written by a model
    of the judge's base; `orders` as of judges.transcript.Ballot.
    """
    places = {seat: place for place, group in enumerate(order) for seat in group}
    for first, second in combinations(sorted(places), 2):
        if places[first] == places[second]:
            continue
        right = 1 if places[first] < places[second] else -1
        turns = (((first, second), right), ((second, first), -right))
        yield Said(
            item_id=item_id,
            right=right,
            preferred=preference(scores, comparisons, first, second) if scores else None,
            longer=_longer(lengths[first], lengths[second]),
            own=(first in own) - (second in own),
            shown=tuple(
                (orders[turn], better) for turn, better in turns if orders and turn in orders
            ),
        )


def _longer(first: int, second: int) -> int:
    if abs(first - second) < CLEARLY_LONGER * max(first, second, 1):
        return 0
    return 1 if first > second else -1
