"""How well tasks meet a simulated field, before and after it becomes much better, by what is set.

A field solves level d with log-odds `ability` - `step` * d; 80 matches with ability 2, then 80 with 6.
Four answers to each of six tasks a match. The peer draws every level equally often.

python -m benchmarks.curriculum
"""

from math import exp
from random import Random
from statistics import fmean

from arena.spaces import proposals
from arena.spaces.ratings import Skill

LEVELS = 6
STEPS = (1.0, 2.0)
MATCHES = 80  # before the field becomes better, and after
TASKS, SEATS = 6, 4
SEEDS = range(10)
ABILITIES = (2.0, 6.0)
# Of matches: while the field stays the same, right after it has become better, and later.
SPANS = ((20, 80), (80, 90), (90, 110), (110, 160))


def simulated(step: float, seed: int, *, follows: bool) -> list[tuple[int, float]]:
    """(match, probability that a seat solves the task) of every task."""
    rng = Random(seed)
    tallies = (proposals.Tally(),) * LEVELS
    mu, met = Skill().mu, []
    for match in range(2 * MATCHES):
        ability = ABILITIES[match // MATCHES]
        weights = proposals.difficulty_weights(tallies, mu) if follows else (1.0,) * LEVELS
        answers = []
        for level in rng.choices(range(LEVELS), weights, k=TASKS):
            rate = 1 / (1 + exp(step * level - ability))
            met.append((match, rate))
            answers += [
                proposals.GradedAnswer(level, mu, rng.random() < rate) for _ in range(SEATS)
            ]
        tallies = proposals.noted(tallies, answers)
    return met


def information(*, follows: bool = True) -> list[float]:
    """4 p (1-p) of the tasks, at best 1, in each of SPANS."""
    runs = [simulated(step, seed, follows=follows) for step in STEPS for seed in SEEDS]
    return [
        fmean(4 * rate * (1 - rate) for run in runs for match, rate in run if start <= match < end)
        for start, end in SPANS
    ]


def main() -> None:
    shares, prior, half_life = (
        proposals.POOLS,
        proposals.PRIOR_ANSWERS,
        proposals.HALF_LIFE_ANSWERS,
    )
    print("easy/frontier/hard  prior  half-life  " + "  ".join(f"{a}-{b}" for a, b in SPANS))
    print(f"{'every level alike':<38}" + _row(information(follows=False)))
    for hard in (0.1, 0.2, 1 / 3):
        proposals.POOLS = ((3, hard), (2, 1 - 2 * hard), (1, hard))
        for proposals.PRIOR_ANSWERS in (1.0, 2.0):
            for proposals.HALF_LIFE_ANSWERS in (60, 120, 240, 480):
                name = f"{hard:.1f}/{1 - 2 * hard:.1f}/{hard:.1f}"
                settings = f"{proposals.PRIOR_ANSWERS:>7.0f}{proposals.HALF_LIFE_ANSWERS:>11}"
                print(f"{name:<18}{settings}  " + _row(information()))
    proposals.POOLS, proposals.PRIOR_ANSWERS, proposals.HALF_LIFE_ANSWERS = shares, prior, half_life


def _row(figures: list[float]) -> str:
    return "  ".join(f"{figure:>5.2f}" for figure in figures)


if __name__ == "__main__":
    main()
