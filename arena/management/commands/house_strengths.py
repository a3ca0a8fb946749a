"""`manage.py house_strengths`: whether the house's agents of several strengths are in that order."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
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
from arena.states import PrizeRule
from training.gate.bootstrap import wilson

MATCHES = 40
AT_ONCE = 8
GOAL = 0.6  # of the matches, draws counting half
HEAD_TO_HEAD, SAME_CHAIR, SAME_TABLE = "head to head", "same chair", "same table"
BY_FORM = ", by form"
SAME_POINTS = 1e-9  # a difference that is none
STRENGTHS = tuple(agent for agent in HOUSE_AGENTS if agent.code_percent)


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
        parser.add_argument("--json", type=Path, help="write the figures to this file, too")

    def handle(self, *args: Any, **options: Any) -> None:
        known = {space["slug"]: space for space in SPACES}
        slugs = options["space"] or list(known)
        if unknown := set(slugs) - known.keys():
            raise CommandError(
                f"There is no seeded Space {min(unknown)!r}. Choose among {', '.join(known)}."
            )
        if options["matches"] < 1:
            raise CommandError("Choose at least one match.")
        if report := options["json"] and options["json"].resolve():
            if not report.parent.is_dir():
                raise CommandError(f"There is no folder {report.parent}.")
            if report.is_dir():
                raise CommandError(f"{report} is a folder.")
        others = "legal moves by chance" if options["without_model"] else settings.ENV.base_model
        title = (
            f"{this_machine()}; {options['matches']} matches each, seed {options['seed']}; "
            f"what code does not answer: {others}"
        )
        self.stdout.write(title)
        self.stdout.write(
            f"{'Space':20} {'stronger':18} {'weaker':18} {'won':>5}  {'95 % interval':14} measured"
        )
        rows = []
        for space in map(known.__getitem__, slugs):
            measured = _way(space)
            for stronger, weaker in pairwise(STRENGTHS):
                share = asyncio.run(_share_won(space, stronger, weaker, options))
                if share is None:
                    self.stdout.write(
                        f"{space['slug']:20} not measured: its judges decide, and code cannot tell who won"
                    )
                    break
                low, high = wilson(share, options["matches"])
                rows.append(
                    {
                        "space": space["slug"],
                        "stronger": stronger.name,
                        "weaker": weaker.name,
                        "won": share,
                        "interval": [low, high],
                        "measured": measured,
                    }
                )
                self.stdout.write(
                    f"{space['slug']:20} {stronger.name:18} {weaker.name:18} {share:5.0%}  "
                    f"{f'{low:.0%} to {high:.0%}':14} {measured}"
                )
        for line in _LEGEND:
            self.stdout.write(line)
        if report:
            told = {"title": title, "rows": rows}
            report.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
        if short := sum(row["won"] < GOAL for row in rows):
            raise CommandError(f"{short} of these stayed under {GOAL:.0%}.")


_LEGEND = (
    "won: share of the matches; a draw is half of one.",
    f"{HEAD_TO_HEAD}: who has more points at one table, where the two take turns in the seats.",
    (
        f"{SAME_CHAIR}: where points are shared, both play the same openings in the same seat. Their "
        "luck is the same as long as their games take as many turns, but for what a model samples. "
        f"{', '.join(agent.name for agent in STRENGTHS)} hold the other seats in turn. Whoever gets "
        "more points of its own wins."
    ),
    (
        f"{SAME_TABLE}: the same where all are paid alike. Whoever's table gets more points together "
        "wins."
    ),
    (
        f"{BY_FORM.removeprefix(', ')}: what code sees of the answers; relevance, which the panel sees, "
        "is not in the figure."
    ),
)


def _way(space: Mapping[str, Any]) -> str:
    """How it is measured who won in this Space."""
    if space.get("prize_rule") == PrizeRule.SCORE:
        return SAME_CHAIR
    if space.get("prize_rule") == PrizeRule.COOPERATIVE:
        return SAME_TABLE
    is_by_code = all(judge["judge"] == "code" for judge in space["panel"])
    return HEAD_TO_HEAD + ("" if is_by_code else BY_FORM)


async def _share_won(
    space: Mapping[str, Any], stronger: HouseMember, weaker: HouseMember, options: Mapping[str, Any]
) -> float | None:
    """The stronger one's share of the matches; a draw is half of one. None: only judges can tell."""
    without = options["without_model"]
    decided = _same_chair if _way(space) in {SAME_CHAIR, SAME_TABLE} else _head_to_head
    async with nullcontext(None) if without else Inference() as inference:
        slots = asyncio.Semaphore(AT_ONCE)

        async def match(number: int) -> float | None:
            async with slots:
                seed = f"{options['seed']}:{space['slug']}:{stronger.name}:{number}"
                points = await decided(space, (stronger, weaker), inference, seed, number)
            if points is None:
                return None
            ours, theirs = points
            return 0.5 if abs(ours - theirs) < SAME_POINTS else float(ours > theirs)

        won = await together(match(number) for number in range(options["matches"]))
    told = [points for points in won if points is not None]
    return sum(told) / len(told) if told else None


async def _head_to_head(
    space: Mapping[str, Any],
    agents: Sequence[HouseMember],
    inference: Inference | None,
    seed: str,
    number: int,
) -> tuple[float, float] | None:
    """Mean points of the seats of either agent, in one match; None if only judges can tell."""
    both = [of_the_house(agent, max_tokens=space["max_tokens"]) for agent in agents]
    seated = [both[seat % 2] for seat in range(space["seat_count"])]
    totals = await bout(space, seated, inference, Random(seed))
    return None if totals is None else (fmean(totals[0::2]), fmean(totals[1::2]))


async def _same_chair(
    space: Mapping[str, Any],
    agents: Sequence[HouseMember],
    inference: Inference | None,
    seed: str,
    number: int,
) -> tuple[float, float] | None:
    """What each agent got in a match of its own, with the same others and the same openings.

    Its own points, or those of all seats where they are paid alike.
    """
    points = []
    for agent in agents:
        others = [
            STRENGTHS[(number + seat) % len(STRENGTHS)] for seat in range(1, space["seat_count"])
        ]
        seated = [of_the_house(each, max_tokens=space["max_tokens"]) for each in (agent, *others)]
        totals = await bout(space, seated, inference, Random(seed))
        if totals is None:
            return None
        points.append(fmean(totals) if _way(space) == SAME_TABLE else totals[0])
    return points[0], points[1]
