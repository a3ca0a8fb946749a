"""How long the two answers of a pair are, and how far its judges preferred long answers then.

So that an export can be filtered by it. docs/decisions/pair-lengths.md
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import fsum

from django.db.models import F, Func, IntegerField

from arena.models import Completion, Round, Space
from judges.calibration.figures import Bias
from judges.calibration.records import newest_length_bias
from training.models import Pair

NEWEST_PAIRS = 200  # of a Space, where no judge's own bias is known
MIN_PAIRS = 20  # with fewer, it is a guess


@dataclass(frozen=True)
class LengthBias:
    """How much oftener longer answers are preferred than is right, in [-0.5, 0.5] or wider.

    `pairs`: on how many comparisons that rests; 0: nothing is known.
    """

    value: float = 0.0
    pairs: int = 0


@dataclass
class LengthBiases:
    """Those of judges and Spaces, each looked up once; for one sweep."""

    _of_judge: dict[int, Bias | None] = field(default_factory=dict)
    _of_space: dict[int, LengthBias] = field(default_factory=dict)

    def of_round(self, one: Round, space: Space) -> LengthBias:
        """By the calibration of the judges who voted, with their weights; else by the Space's pairs."""
        known = [
            (vote.weight, bias)
            for vote in one.votes.all()
            if vote.scores
            and vote.weight > 0
            and (bias := self._bias_of(vote.judge_id)) is not None
        ]
        if known:
            total = fsum(weight for weight, _ in known)
            value = fsum(weight * bias.value for weight, bias in known) / total
            return LengthBias(value, min(bias.pairs for _, bias in known))
        if space.pk not in self._of_space:
            self._of_space[space.pk] = _bias_of_pairs(space)
        return self._of_space[space.pk]

    def _bias_of(self, judge_id: int) -> Bias | None:
        if judge_id not in self._of_judge:
            self._of_judge[judge_id] = newest_length_bias(judge_id)
        return self._of_judge[judge_id]


def measure(pairs: Sequence[Pair]) -> None:
    """Write the lengths of their answers, in tokens, into rows that are not stored yet."""
    ids = {pair.chosen_id for pair in pairs} | {pair.rejected_id for pair in pairs}
    count = Func(F("token_ids"), function="cardinality", output_field=IntegerField())
    lengths = dict(Completion.objects.filter(id__in=ids).annotate(n=count).values_list("id", "n"))
    for pair in pairs:
        pair.chosen_length = lengths[pair.chosen_id]
        pair.rejected_length = lengths[pair.rejected_id]


def longer_share_bias(lengths: Iterable[tuple[int, int]]) -> LengthBias:
    """From (chosen, rejected) lengths: the share in which the longer one was chosen, minus a half.

    As if the longer one were no better than the shorter one, which nobody knows here.
    """
    differing = [chosen > rejected for chosen, rejected in lengths if chosen != rejected]
    if len(differing) < MIN_PAIRS:
        return LengthBias()
    return LengthBias(sum(differing) / len(differing) - 0.5, len(differing))


def _bias_of_pairs(space: Space) -> LengthBias:
    newest = Pair.objects.filter(space=space, chosen_length__gt=0).order_by("-id")
    return longer_share_bias(newest.values_list("chosen_length", "rejected_length")[:NEWEST_PAIRS])
