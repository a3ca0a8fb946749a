"""Bradley-Terry strengths of seats from weighted comparisons of pairs. Pure."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import exp, fsum, isclose, log

# Of the panel's whole weight: so much of a tie is added to every pair. Without it, a seat that wins
# every comparison would be infinitely strong, and seats that nobody compared could not be ordered.
PRIOR_TIES = 0.1
MAX_STEPS = 5_000
PRECISION = 1e-12  # of the logarithms of strengths, in the last step

# (seat, higher seat) -> the points of each: the weight of the judges who prefer it, of a tie half
Compared = Mapping[tuple[int, int], tuple[float, float]]


def expected_shares(seats: Sequence[int], compared: Compared, *, weight: float) -> dict[int, float]:
    """By seat, the share of the points that it can be expected to win against all others, in [0, 1].

    `weight` is that of the whole panel. Where all pairs were compared with one weight, this is the
    share that was won (the equations of the maximum likelihood say so), and nothing is iterated.
    The order of seats never matters. One seat alone has 0.5.
    """
    pairs = list(combinations(sorted(seats), 2))
    if not pairs:
        return dict.fromkeys(seats, 0.5)
    heard = [one + other for one, other in compared.values()]
    if len(heard) == len(pairs) and isclose(min(heard), max(heard)):
        return {seat: _mean_share(seat, seats, compared) for seat in seats}
    strengths = _strengths(seats, compared, prior=PRIOR_TIES * weight)
    return {
        # Ties of the prior pull to the middle; where all pairs were compared, this undoes it.
        seat: min(1.0, max(0.0, 0.5 + (_expected(seat, strengths) - 0.5) * (1 + PRIOR_TIES)))
        for seat in seats
    }


def _mean_share(seat: int, seats: Sequence[int], compared: Compared) -> float:
    won = []
    for other in seats:
        if other != seat:
            points = compared[min(seat, other), max(seat, other)]
            won.append(points[seat > other] / (points[0] + points[1]))
    return fsum(won) / len(won)


def _strengths(seats: Sequence[int], compared: Compared, *, prior: float) -> dict[int, float]:
    """Logarithms of the strengths, with mean 0.

    Minorisation-maximisation: Hunter, MM algorithms for generalized Bradley-Terry models, 2004. It
    converges to the one maximum, since the prior connects all seats.
    """
    games: dict[tuple[int, int], float] = {}
    won: dict[int, list[float]] = {seat: [] for seat in seats}
    for first, second in combinations(sorted(seats), 2):
        one, other = compared.get((first, second), (0.0, 0.0))
        games[first, second] = games[second, first] = (one + other) + prior
        won[first].append(one + prior / 2)
        won[second].append(other + prior / 2)
    points_of = {seat: fsum(each) for seat, each in won.items()}
    logs = dict.fromkeys(seats, 0.0)
    for _ in range(MAX_STEPS):
        strengths = {seat: exp(value) for seat, value in logs.items()}
        raw = {
            seat: log(
                points_of[seat]
                / fsum(
                    games[seat, other] / (strengths[seat] + strengths[other])
                    for other in seats
                    if other != seat
                )
            )
            for seat in seats
        }
        middle = fsum(raw.values()) / len(raw)
        centred = {seat: value - middle for seat, value in raw.items()}
        change = max(abs(centred[seat] - logs[seat]) for seat in seats)
        logs = centred
        if change < PRECISION:
            break
    return logs


def _expected(seat: int, logs: Mapping[int, float]) -> float:
    others = [other for other in logs if other != seat]
    return fsum(1 / (1 + exp(logs[other] - logs[seat])) for other in others) / len(others)
