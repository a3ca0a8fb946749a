"""`manage.py house_strengths`: whether the house's agents of several strengths are in that order."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from itertools import pairwise
from random import Random
from statistics import fmean
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from agents.inference.client import Inference
from agents.inference.patience import together
from arena.config.supervisor.machine import this_machine
from arena.management.bouts import bout, of_the_house
from arena.seeding.house import HOUSE_AGENTS, HouseMember
from arena.seeding.spaces import SPACES
from training.gate.bootstrap import wilson

MATCHES = 40
AT_ONCE = 8
GOAL = 0.6  # of the matches, draws counting half


class Command(BaseCommand):
    help = "Let house agents of neighbouring strengths play matches, and print who won."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--space", action="append", help="slug of a seeded Space; all if none")
        parser.add_argument("--matches", type=int, default=MATCHES)
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument(
            "--without-model",
            action="store_true",
            help="what no code answers is a legal move by chance, or nothing: no server is needed",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        known = {space["slug"]: space for space in SPACES}
        slugs = options["space"] or list(known)
        if unknown := set(slugs) - known.keys():
            raise CommandError(
                f"There is no seeded Space {min(unknown)!r}. Choose among {', '.join(known)}."
            )
        if options["matches"] < 1:
            raise CommandError("Choose at least one match.")
        others = "legal moves by chance" if options["without_model"] else settings.ENV.base_model
        self.stdout.write(f"{this_machine()}; what code does not answer: {others}")
        self.stdout.write(f"{'Space':20} {'stronger':18} {'weaker':18} {'won':>5}  95 % interval")
        strengths = [agent for agent in HOUSE_AGENTS if agent.code_percent]
        short = 0
        for slug in slugs:
            for stronger, weaker in pairwise(strengths):
                share = asyncio.run(_share_won(known[slug], stronger, weaker, options))
                if share is None:
                    self.stdout.write(
                        f"{slug:20} is decided by its judges: code cannot tell who won"
                    )
                    break
                low, high = wilson(share, options["matches"])
                short += share < GOAL
                self.stdout.write(
                    f"{slug:20} {stronger.name:18} {weaker.name:18} {share:5.0%}  "
                    f"{low:.0%} to {high:.0%}"
                )
        if short:
            self.stdout.write(f"{short} of these stayed under {GOAL:.0%}.")


async def _share_won(
    space: Mapping[str, Any], stronger: HouseMember, weaker: HouseMember, options: Mapping[str, Any]
) -> float | None:
    """The stronger one's share of the matches; a draw is half of one. None: only judges can tell."""
    without = options["without_model"]
    async with nullcontext(None) if without else Inference() as inference:
        slots = asyncio.Semaphore(AT_ONCE)

        async def match(number: int) -> float | None:
            async with slots:
                rng = Random(f"{options['seed']}:{space['slug']}:{stronger.name}:{number}")
                return await _match(space, (stronger, weaker), inference, rng)

        won = await together(match(number) for number in range(options["matches"]))
    told = [points for points in won if points is not None]
    return sum(told) / len(told) if told else None


async def _match(
    space: Mapping[str, Any],
    agents: Sequence[HouseMember],
    inference: Inference | None,
    rng: Random,
) -> float | None:
    # Where a Space has more seats, the two take turns.
    count = space["seat_count"]
    both = [of_the_house(agent, max_tokens=space["max_tokens"]) for agent in agents]
    totals = await bout(space, [both[seat % 2] for seat in range(count)], inference, rng)
    if totals is None:
        return None
    ours, theirs = fmean(totals[0::2]), fmean(totals[1::2])
    return 0.5 if abs(ours - theirs) < 1e-9 else float(ours > theirs)
