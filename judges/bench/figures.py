"""PURE: how well a judge's votes agree with labels, from one outcome after another.

Shares have Wilson's (1927) 95 % interval with one trial for each pair: the two orders of one pair are
no two independent trials. Where a tie counts half, that interval is a little wider than it needs to
be. Means have the normal one.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import sqrt

Z = 1.959963985  # two-sided 95 %
MAX_REASONS = 20  # different reasons of abstentions that are told apart
OTHER_REASONS = "other reasons"


@dataclass(frozen=True)
class PairOutcome:
    """What a judge said of one pair: 1 for the chosen answer, -1 for the rejected one, 0 for a tie.

    None: it could not say, for one of the `reasons`.
    """

    id: str
    chosen_first: int | None  # asked with the chosen answer in the first seat
    chosen_second: int | None
    longer: int  # 1: the chosen answer is the longer one, -1: the rejected one, 0: neither
    seconds: float
    requests: int = 0  # to a language model
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_micros: int = 0  # at the prices of the endpoints' rows
    reasons: tuple[str, ...] = ()

    @property
    def said(self) -> tuple[int, ...]:
        """What it could say, in either order."""
        return tuple(one for one in (self.chosen_first, self.chosen_second) if one is not None)


@dataclass(frozen=True)
class Estimate:
    """A share or a mean with its 95 % interval."""

    value: float
    low: float
    high: float
    count: int  # pairs


@dataclass
class Mean:
    """A mean of any number of values, none of which is kept."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0

    def add(self, value: float) -> None:
        self.count += 1
        self.total += value
        self.squares += value * value

    def estimate(self) -> Estimate | None:
        """None before the first value; with a single one, nothing is known of how they vary."""
        if not self.count:
            return None
        mean = self.total / self.count
        if self.count < 2:
            return Estimate(mean, mean, mean, self.count)
        variance = max(0.0, self.squares - self.count * mean * mean) / (self.count - 1)
        half = Z * sqrt(variance / self.count)
        return Estimate(mean, mean - half, mean + half, self.count)


@dataclass(frozen=True)
class Figures:
    """What is printed of a judge; None where no pair tells."""

    pairs: int
    unsaid: int  # pairs of which it could say nothing in either order
    half_said: int  # pairs of which it could say something in one order only
    accuracy: Estimate | None  # a tie counts half
    chosen_first: Estimate | None  # the same, with the chosen answer in the first seat
    chosen_second: Estimate | None
    ties: Estimate | None  # share of what it said
    right_twice: Estimate | None  # right in both orders, of the pairs that were said in both
    follows_position: Estimate | None  # of those: the same seat was better in both
    prefers_longer: Estimate | None  # of what it decided about answers of different lengths
    length_bias: Estimate | None  # how much oftener it prefers the longer answer than is right
    seconds: Estimate | None  # for each pair, both orders
    requests: int
    prompt_tokens: int
    completion_tokens: int
    cost_micros: int
    reasons: Mapping[str, int]  # of abstentions -> how often


@dataclass
class PairTally:
    """Counts outcomes as they come."""

    pairs: int = 0
    unsaid: int = 0
    half_said: int = 0
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_micros: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    _means: dict[str, Mean] = field(default_factory=dict)

    def add(self, outcome: PairOutcome) -> None:
        said = outcome.said
        self.pairs += 1
        self.unsaid += not said
        self.half_said += len(said) == 1
        self.requests += outcome.requests
        self.prompt_tokens += outcome.prompt_tokens
        self.completion_tokens += outcome.completion_tokens
        self.cost_micros += outcome.cost_micros
        for reason in outcome.reasons:
            is_new = reason not in self.reasons and len(self.reasons) >= MAX_REASONS
            self.reasons[OTHER_REASONS if is_new else reason] += 1
        self._mean("seconds").add(outcome.seconds)
        if not said:
            return
        self._mean("accuracy").add(_points(said))
        self._mean("ties").add(said.count(0) / len(said))
        for name, one in (
            ("chosen_first", outcome.chosen_first),
            ("chosen_second", outcome.chosen_second),
        ):
            if one is not None:
                self._mean(name).add(_points((one,)))
        if len(said) == 2:
            first, second = said
            self._mean("right_twice").add(first == second == 1)
            # One answer from the first seat, then the other from it: the seat decided.
            self._mean("follows_position").add(first * second == -1)
        decided = [one for one in said if one]
        if decided and outcome.longer:
            share = sum(one == outcome.longer for one in decided) / len(decided)
            self._mean("prefers_longer").add(share)
            self._mean("length_bias").add(share - (outcome.longer == 1))

    def figures(self) -> Figures:
        return Figures(
            pairs=self.pairs,
            unsaid=self.unsaid,
            half_said=self.half_said,
            accuracy=self._share("accuracy"),
            chosen_first=self._share("chosen_first"),
            chosen_second=self._share("chosen_second"),
            ties=self._share("ties"),
            right_twice=self._share("right_twice"),
            follows_position=self._share("follows_position"),
            prefers_longer=self._share("prefers_longer"),
            length_bias=self._mean("length_bias").estimate(),
            seconds=self._mean("seconds").estimate(),
            requests=self.requests,
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            cost_micros=self.cost_micros,
            reasons=dict(self.reasons.most_common()),
        )

    def _mean(self, name: str) -> Mean:
        return self._means.setdefault(name, Mean())

    def _share(self, name: str) -> Estimate | None:
        mean = self._mean(name)
        if not mean.count:
            return None
        low, high = wilson(mean.total / mean.count, mean.count)
        return Estimate(mean.total / mean.count, low, high, mean.count)


def wilson(share: float, count: int) -> tuple[float, float]:
    """95 % interval of a share of `count` trials (Wilson, 1927)."""
    middle = (share + Z**2 / (2 * count)) / (1 + Z**2 / count)
    half = Z * sqrt(share * (1 - share) / count + Z**2 / (4 * count**2)) / (1 + Z**2 / count)
    return max(0.0, middle - half), min(1.0, middle + half)


def _points(said: tuple[int, ...]) -> float:
    """Of at most 1: right is 1, a tie is half."""
    return sum((one + 1) / 2 for one in said) / len(said)
