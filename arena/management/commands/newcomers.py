"""`manage.py newcomers`: whether a new agent made from a template wins one of its first matches."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from math import inf
from random import Random
from statistics import fmean, median_low
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from agents.inference.client import Inference, Sampling, plain_model
from agents.inference.patience import together
from arena.config.supervisor.machine import this_machine
from arena.management.bouts import Contestant, bout, of_the_house
from arena.matches.match import ranking_of
from arena.seeding.house import HOUSE_AGENTS
from arena.seeding.spaces import SPACES
from arena.spaces.house_skill import house_skill
from arena.spaces.matchmaking import HouseAgent, Waiting, lineups
from arena.spaces.ratings import Skill, updated
from frontend.catalog import BY_SLUG, AgentTemplate

FIRST_MATCHES = 5  # within which a newcomer should win one, in the median
CAREERS = 10
AT_ONCE = 8
NEWCOMER = 0  # its number beside those of the house


@dataclass(frozen=True)
class Career:
    """How the first matches of one newcomer went; places are shared with whoever did as well."""

    won: tuple[bool, ...]  # first place
    won_alone: tuple[bool, ...]

    @property
    def first_win(self) -> float:
        """The number of the first match won, from 1; inf if none was."""
        return self.won.index(True) + 1 if True in self.won else inf


class Command(BaseCommand):
    help = "Let newcomers made from each template play their first matches against the house."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--space", action="append", help="slug of a seeded Space; all if none")
        parser.add_argument("--template", action="append", help="slug of a template; all if none")
        parser.add_argument(
            "--careers", type=int, default=CAREERS, help="newcomers of each template"
        )
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument(
            "--without-model",
            action="store_true",
            help="what no code answers is a legal move by chance, or nothing: no server is needed",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        known = {space["slug"]: space for space in SPACES}
        slugs = _chosen("seeded Space", options["space"], known)
        templates = [BY_SLUG[slug] for slug in _chosen("template", options["template"], BY_SLUG)]
        if options["careers"] < 1:
            raise CommandError("Choose at least one career.")
        others = "legal moves by chance" if options["without_model"] else settings.ENV.base_model
        self.stdout.write(f"{this_machine()}; what code does not answer: {others}")
        self.stdout.write(
            f"{options['careers']} newcomers of each template, {FIRST_MATCHES} matches each"
        )
        self.stdout.write(
            f"{'Space':20} {'template':18} {'won':>5} {'alone':>6}  first win (median)"
        )
        found: dict[str, list[Career]] = {template.slug: [] for template in templates}
        for slug in slugs:
            for template in templates:
                careers = asyncio.run(_careers(known[slug], template, options))
                if careers is None:
                    self.stdout.write(
                        f"{slug:20} is decided by its judges: code cannot tell who won"
                    )
                    break
                found[template.slug] += careers
                self.stdout.write(f"{slug:20} {_line(template, careers)}")
        for template in templates:
            if careers := found[template.slug]:
                self.stdout.write(f"{'all':20} {_line(template, careers)}")


def _chosen(what: str, wanted: Sequence[str] | None, known: Mapping[str, object]) -> list[str]:
    if unknown := set(wanted or ()) - known.keys():
        raise CommandError(f"There is no {what} {min(unknown)!r}. Choose among {', '.join(known)}.")
    return list(wanted or known)


def _line(template: AgentTemplate, careers: Sequence[Career]) -> str:
    won, alone = (
        fmean(fmean(each) for each in kind)
        for kind in ([each.won for each in careers], [each.won_alone for each in careers])
    )
    first = median_low(each.first_win for each in careers)
    told = f"match {first:.0f}" if first <= FIRST_MATCHES else "NONE of the first five"
    return f"{template.slug:18} {won:5.0%} {alone:6.0%}  {told}"


async def _careers(
    space: Mapping[str, Any], template: AgentTemplate, options: Mapping[str, Any]
) -> list[Career] | None:
    """None if only judges can tell who won."""
    async with nullcontext(None) if options["without_model"] else Inference() as inference:
        slots = asyncio.Semaphore(AT_ONCE)

        async def career(number: int) -> Career | None:
            async with slots:
                rng = Random(f"{options['seed']}:{space['slug']}:{template.slug}:{number}")
                return await _career(space, template, inference, rng)

        found = await together(career(number) for number in range(options["careers"]))
    told = [each for each in found if each is not None]
    return told or None


async def _career(
    space: Mapping[str, Any], template: AgentTemplate, inference: Inference | None, rng: Random
) -> Career | None:
    """One newcomer alone with the house, seated and rated as the site seats and rates."""
    seats = {
        number: of_the_house(member, max_tokens=space["max_tokens"])
        for number, member in enumerate(HOUSE_AGENTS, start=NEWCOMER + 1)
    }
    skills = {number: house_skill(each.code_share) for number, each in seats.items()}
    sampling = Sampling(
        temperature=template.temperature,
        top_p=template.top_p,
        max_tokens=template.max_tokens,
    ).within(space["max_tokens"])
    model = plain_model(settings.ENV.base_model)
    seats[NEWCOMER] = Contestant(template.title, model, template.prompt, sampling)
    skills[NEWCOMER] = Skill()
    rankings = []
    for _ in range(FIRST_MATCHES):
        entry = Waiting("entry", NEWCOMER, NEWCOMER, skills[NEWCOMER], 0, waited_seconds=0.0)
        (lineup,) = lineups(
            [entry],
            seat_count=space["seat_count"],
            house=[
                HouseAgent(number, skills[number].mu, each.code_share > 0)
                for number, each in seats.items()
                if number != NEWCOMER
            ],
            house_fill_seconds=0.0,
            rng=rng,
        )
        table = [NEWCOMER, *(each.agent_id for each in lineup.house)]
        points = await bout(space, [seats[number] for number in table], inference, rng)
        if points is None:
            return None
        totals = dict(zip(table, points, strict=True))
        ranking = ranking_of(totals, rounds=space["round_count"])
        skills |= updated({number: skills[number] for number in table}, ranking)
        rankings.append(ranking)
    return Career(
        won=tuple(NEWCOMER in ranking[0] for ranking in rankings),
        won_alone=tuple(ranking[0] == (NEWCOMER,) for ranking in rankings),
    )
