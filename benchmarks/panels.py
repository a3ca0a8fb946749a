"""How often a panel of judges of known accuracy finds the true order: `python -m benchmarks.panels`.

Each judge compares every pair of seats and is right with its own probability, each time anew; the
verdict is the product's own (`judges.panel.combine`). Printed beside what theory says, and beside
equal weights where the product weighs judges by their kappa. Needs neither a model nor a database.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import prod, sqrt
from random import Random

from judges.calibration.figures import MIN_TRUST
from judges.panel import combine, preference
from judges.transcript import Ballot

Z = 1.96
ROUNDS = 4_000
SEATS = 4
PANELS = (
    (0.8, 0.8, 0.8),
    (0.9, 0.6, 0.5),
    (0.8, 0.7, 0.5, 0.5),
    (0.75, 0.75, 0.75, 0.5, 0.5),
)


@dataclass(frozen=True)
class Share:
    """A measured share with its 95% interval (Wilson)."""

    value: float
    count: int

    @property
    def interval(self) -> tuple[float, float]:
        n, p = self.count, self.value
        middle = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
        half = Z * sqrt(p * (1 - p) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
        return middle - half, middle + half

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.3f} ({low:.3f} to {high:.3f})"


def compares(rng: Random, *, accuracy: float, seats: int) -> Ballot:
    """Seat 0 is the best, then seat 1, and so on; each pair is read rightly by chance."""
    said = {pair: 1 if rng.random() < accuracy else -1 for pair in combinations(range(seats), 2)}
    wins = [0.0] * seats
    for pair, preferred in said.items():
        wins[pair[preferred < 0]] += 1
    scores = {seat: won / max(1, seats - 1) for seat, won in enumerate(wins)}
    return Ballot(scores=scores, reasons={}, checks={}, comparisons=said)


def scores(rng: Random, *, accuracy: float, seats: int) -> Ballot:
    """The same of two seats by scores, on a scale that is another one in each round."""
    assert seats == 2, "scores of more seats would have no accuracy of a pair"
    low, spread = rng.uniform(0, 0.5), rng.uniform(0.1, 0.5)
    is_right = rng.random() < accuracy
    given = {0: low + spread * is_right, 1: low + spread * (not is_right)}
    return Ballot(scores=given, reasons={}, checks={})


def right_share(
    accuracies: Sequence[float],
    weights: Sequence[float],
    *,
    seats: int = SEATS,
    rounds: int = ROUNDS,
    vote: Callable[..., Ballot] = compares,
    seed: int = 1,
) -> Share:
    """Share of the pairs of seats that the panel's verdict has in their true order; a tie is half."""
    rng, points, count = Random(seed), 0.0, 0
    for _ in range(rounds):
        ballots = [vote(rng, accuracy=accuracy, seats=seats) for accuracy in accuracies]
        verdict = combine(list(zip(weights, ballots, strict=True)))
        assert verdict is not None, "every judge votes"
        for pair in combinations(range(seats), 2):
            points += (1 + (preference(verdict.scores, None, *pair) or 0)) / 2
            count += 1
    return Share(points / count, count)


def theory(accuracies: Sequence[float], weights: Sequence[float]) -> float:
    """Probability that the weighted majority reads one pair rightly; with equal weights, binomial."""
    total = 0.0
    for outcome in product((True, False), repeat=len(accuracies)):
        chance = prod(
            accuracy if right else 1 - accuracy
            for accuracy, right in zip(accuracies, outcome, strict=True)
        )
        lead = sum(
            weight if right else -weight for weight, right in zip(weights, outcome, strict=True)
        )
        total += chance * (0.5 if abs(lead) < 1e-9 else lead > 0)
    return total


def kappa_weights(accuracies: Sequence[float]) -> list[float]:
    """What the product makes of agreement with known orders; see judges.calibration.figures."""
    return [max(MIN_TRUST, 2 * accuracy - 1) for accuracy in accuracies]


def main() -> None:
    print(
        "| accuracies | weights | theory, 2 seats | compared, 2 seats | scored, 2 seats | compared, 4 seats |"
    )
    print("|---|---|---|---|---|---|")
    for accuracies in PANELS:
        for name, weights in (
            ("equal", [1.0] * len(accuracies)),
            ("kappa", kappa_weights(accuracies)),
        ):
            cells = [
                ", ".join(f"{accuracy:g}" for accuracy in accuracies),
                name,
                f"{theory(accuracies, weights):.3f}",
                str(right_share(accuracies, weights, seats=2)),
                str(right_share(accuracies, weights, seats=2, vote=scores)),
                str(right_share(accuracies, weights)),
            ]
            print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
