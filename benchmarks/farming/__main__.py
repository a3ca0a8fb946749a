"""Does farming pay? Each way of farming beside the same person's honest play with one agent.

Seeded and without a database: the site's own rules seat (`lineups`), rank (`MatchState`), pay
(`prizes`) and rate (`updated`); only whether an answer passes is drawn. Prints both the rules
before any was meant against farming and the rules now. Exits with 1 if a way pays now: if the
credits of all of the person's accounts or the best floor is above honest play by more than chance.
What the main account has is shown, too: the others lose more than it wins.

python -m benchmarks.farming [--matches 1000] [--seeds 8]
"""

import argparse
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from arena.config.supervisor.machine import this_machine
from arena.spaces.ratings import Skill
from benchmarks.farming.site import Before, Now, Site
from benchmarks.farming.ways import FARMS, HONEST, Farm

MOMENTS_A_DAY = 50  # at each day's end the leaderboard is read
CHANCE = 3.0  # standard errors that may be luck; there are 14 comparisons
MIN_SEEDS = 8  # with fewer, the standard error itself is a guess


@dataclass(frozen=True)
class Gain:
    """What a way brings to a person; the rank counts the house and the other owners."""

    main_credits: int
    all_credits: int
    topped_up_credits: int
    best_floor: float
    best_rank: int


def gain_of(farm: Farm, *, matches: int, seed: int, rules: type[Before] = Now) -> Gain:
    """Let the person's agents enter `matches` times. Floor and rank are the best at any day's end.

    Accounts that only feed another do not count as entering.
    """
    site = Site(seed, rules())
    known = len(site.agents)
    best_floor, best_rank = Skill().mu - 3 * Skill().sigma, len(site.house) + len(site.others) + 1
    entered = 0
    for moment, entering in enumerate(farm.way(site), start=1):
        others = site.others_entering()
        if farm.is_quiet:
            site.play(entering)
            site.play(others)
        else:
            site.play([*entering, *others])
        entered += sum(each.owner_id == site.agents[known].owner_id for each in entering)
        if moment % MOMENTS_A_DAY == 0 or entered >= matches:
            listed = [each.floor for each in site.agents[known:] if not each.is_retired]
            floor = max(listed, default=best_floor)
            above = sum(each.floor > floor for each in site.agents[:known])
            best_floor, best_rank = max(best_floor, floor), min(best_rank, above + 1)
            site.rules.end_day()
        if entered >= matches:
            break
    main_id = site.agents[known].owner_id
    owners = {each.owner_id for each in site.agents[known:]}
    return Gain(
        main_credits=site.gained[main_id],
        all_credits=sum(site.gained[each] for each in owners),
        topped_up_credits=-sum(site.lowest[each] for each in owners),
        best_floor=best_floor,
        best_rank=best_rank,
    )


def what_pays(gains: Sequence[Gain], honest_gains: Sequence[Gain]) -> list[str]:
    """In which figures the first is above the second by more than chance; both by seed.

    Credits must also be more than those of somebody who doesn't play: none.
    """
    pairs = list(zip(gains, honest_gains, strict=True))
    above: dict[str, list[float]] = {
        "credits of all accounts": [a.all_credits - max(b.all_credits, 0) for a, b in pairs],
        "best floor": [a.best_floor - b.best_floor for a, b in pairs],
    }
    return [name for name, differences in above.items() if _is_above(differences)]


def _is_above(differences: Sequence[float]) -> bool:
    mean = statistics.fmean(differences)
    return mean > CHANCE * statistics.stdev(differences) / sqrt(len(differences))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--matches", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=MIN_SEEDS)
    options = parser.parse_args(arguments)
    if options.matches < 1 or options.seeds < MIN_SEEDS:
        parser.error(f"at least 1 match and {MIN_SEEDS} seeds are needed")
    print(this_machine())
    print(f"a person enters {options.matches} times; means over {options.seeds} seeds")
    print_table("before", Before, matches=options.matches, seeds=options.seeds)
    return int(print_table("now", Now, matches=options.matches, seeds=options.seeds))


def print_table(title: str, rules: type[Before], *, matches: int, seeds: int) -> bool:
    """Print what each way brings; returns whether one pays."""
    print(f"{title:31}{'main':>7}{'all':>7}{'topped up':>11}{'floor':>7}{'rank':>6}  pays in")
    honest_gains: list[Gain] = []
    has_paid = False
    for farm in (HONEST, *FARMS):
        gains = [gain_of(farm, matches=matches, seed=seed, rules=rules) for seed in range(seeds)]
        honest_gains = honest_gains or gains
        pays = what_pays(gains, honest_gains)
        has_paid |= bool(pays)
        print(f"{farm.name:31}{_means(gains)}  {', '.join(pays) or 'nothing'}")
    return has_paid


def _means(gains: Sequence[Gain]) -> str:
    return (
        f"{statistics.fmean(each.main_credits for each in gains):7.0f}"
        f"{statistics.fmean(each.all_credits for each in gains):7.0f}"
        f"{statistics.fmean(each.topped_up_credits for each in gains):11.0f}"
        f"{statistics.fmean(each.best_floor for each in gains):7.1f}"
        f"{statistics.fmean(each.best_rank for each in gains):6.1f}"
    )


if __name__ == "__main__":
    sys.exit(main())
