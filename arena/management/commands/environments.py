"""`manage.py environments`: what Spaces can play, where it comes from, and what is broken."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from arena.environments import ENVIRONMENTS
from arena.environments.base import Environment, EnvironmentFault
from arena.environments.conformance import EPISODES, check
from arena.plugins.environment import PREFIX, PluginEnvironment
from arena.plugins.installed import offered, origin

HEAD = ("slug", "name", "seats", "turns", "difficulties", "from")


@dataclass(frozen=True)
class Listing:
    """One environment's line, or what is wrong with it."""

    slug: str
    cells: tuple[str, ...] = ()
    problem: str = ""


class Command(BaseCommand):
    help = "List the environments that Spaces can use, or try whether one keeps its promises."
    requires_system_checks = ()
    _is_in_line = False  # whether the terminal's line is still being written

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--check",
            metavar="SLUG",
            help="play random episodes of this environment, and say what it does wrong; a package's "
            "environment (plugin/NAME) need not be allowed for that",
        )
        parser.add_argument(
            "--episodes", type=int, default=EPISODES, help=f"how many (default: {EPISODES})"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["check"]:
            self._check(options["check"], episodes=options["episodes"])
        else:
            self._list()

    def _check(self, slug: str, *, episodes: int) -> None:
        try:
            found = check(_environment(slug), episodes=episodes, progress=self._show)
        except EnvironmentFault as fault:
            raise CommandError(str(fault)) from None
        finally:
            self._end_line()
        self.stdout.write(
            f"{found.tasks} tasks drawn and {found.episodes} episodes of at most {found.longest} "
            "turns played."
        )
        if found.problems:
            raise CommandError("\n".join(found.problems))
        self.stdout.write(f"{slug} keeps its promises.")

    def _show(self, what: str, done: int, total: int) -> None:
        """Say how far it is: on a terminal in place, elsewhere in a line for each tenth."""
        text = f"{what}: {done:,} of {total:,}"
        if self.stdout.isatty():
            self.stdout.write(f"\r{text}", ending="\n" if done == total else "")
            self._is_in_line = done < total
        elif done % max(1, total // 10) == 0:
            self.stdout.write(text)
        self.stdout.flush()

    def _end_line(self) -> None:
        if self._is_in_line:
            self.stdout.write("")

    def _list(self) -> None:
        lines = list(_listings())
        rows = [HEAD, *((line.slug, *line.cells) for line in lines if not line.problem)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self.stdout.write("  ".join(cells).rstrip())
        self.stdout.write(
            "A Space may add settings: nim?level=2, constraints?rules=lowercase,number."
        )
        for line in lines:
            if line.problem:
                self.stdout.write(f"Broken: {line.problem}")
        for name, claims in sorted(offered().items()):
            if name not in settings.ENV.plugin_environments:
                packages = " and ".join(sorted(map(origin, claims)))
                self.stdout.write(
                    f"Installed but not allowed: {name} ({packages}). Add it to PLUGIN_ENVIRONMENTS."
                )


def _environment(slug: str) -> Environment:
    prefix, _, name = slug.partition("/")
    return PluginEnvironment(name) if prefix == PREFIX and name else ENVIRONMENTS[slug]


def _listings() -> Iterator[Listing]:
    for slug in sorted(ENVIRONMENTS):
        if not slug.startswith(f"{PREFIX}/"):
            yield Listing(slug, (*_cells(ENVIRONMENTS[slug]), "RLFC Arena"))
    for name in sorted(set(settings.ENV.plugin_environments)):
        slug = f"{PREFIX}/{name}"
        try:
            cells = _cells(ENVIRONMENTS[slug])
        except EnvironmentFault as fault:
            yield Listing(slug, problem=str(fault))
        else:
            yield Listing(slug, (*cells, origin(offered()[name][0])))


def _cells(environment: Environment) -> tuple[str, ...]:
    fewest, most = environment.seats.fewest, environment.seats.most
    return (
        environment.name,
        str(fewest) if fewest == most else f"{fewest} to {most}",
        str(environment.turn_limit),
        str(environment.difficulty_count),
    )
