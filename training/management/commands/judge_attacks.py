"""`manage.py judge_attacks`: how often each attack wins against an honest answer, by judge and panel."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from arena.environments import ENVIRONMENTS
from arena.panels.attacks.records import stored_answers
from arena.panels.attacks.suite import BOUND, AttackReport, AttackTally, Honest, run_suite
from arena.panels.tools import build_tools
from arena.panels.voting import PanelJudge
from arena.seeding.spaces import SPACES
from judges.attacks import ATTACKS
from judges.defaults import DEFAULT_JUDGES
from judges.models import Judge
from training.gate.bootstrap import wilson

TRIALS = 200


class Command(BaseCommand):
    help = (
        "Put every attack before judges and before the panels of the seeded Spaces, beside an honest "
        "answer, and print how often it stands strictly above it. Ends with 1 if an attack does so "
        f"in more than {BOUND:.0%} of the trials against the panel of a seeded Space."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--judge", action="append", help="slug of a judge to try by itself")
        parser.add_argument("--space", action="append", help="slug of a seeded Space; all if none")
        parser.add_argument("--attack", action="append", help="name of an attack; all if none")
        parser.add_argument("--trials", type=int, default=TRIALS)
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--json", type=Path, help="also write the figures to this file")
        parser.add_argument(
            "--stored",
            action="store_true",
            help="every second honest answer is one that was given in a match of the Space",
        )
        parser.add_argument(
            "--without-model",
            action="store_true",
            help="judges do without what they would ask the base model: no server is needed",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        spaces = _chosen({space["slug"]: space for space in SPACES}, options["space"], "Space")
        attacks = _chosen(ATTACKS, options["attack"], "attack")
        if options["trials"] < 1:
            raise CommandError("Choose at least one trial.")
        tools = build_tools()
        self.stdout.write(f"{options['trials']} trials of each attack")
        figures: list[dict[str, Any]] = []
        over: list[str] = []
        for slug, space in spaces.items():
            stored = stored_answers(slug) if options["stored"] else []
            for name, panel in _panels(space, options).items():
                report = asyncio.run(
                    run_suite(
                        ENVIRONMENTS[space["environment"]],
                        panel,
                        attacks,
                        tools,
                        trials=options["trials"],
                        seed=f"{options['seed']}:{slug}",
                        stored=stored,
                    )
                )
                self._print(slug, name, panel, report, stored)
                figures += _rows(slug, name, report)
                if name == "panel":
                    over += [f"{attack} against {slug}" for attack in report.over(BOUND)]
        if options["json"]:
            options["json"].write_text(json.dumps(figures, indent=1) + "\n")
        if over:
            raise CommandError(f"Over {BOUND:.0%}: {', '.join(over)}.", returncode=1)

    def _print(
        self,
        space: str,
        name: str,
        panel: Sequence[PanelJudge],
        report: AttackReport,
        stored: Sequence[Honest],
    ) -> None:
        honest = f"solutions by code and {len(stored)} stored answers" if stored else "by code"
        judges = ", ".join(judge.slug for judge in panel)
        self.stdout.write(f"\n{space}, {name} of {judges}; honest answers: {honest}")
        for (attack, judge), tally in sorted(report.tallies.items()):
            if not judge or len(panel) > 1:
                self.stdout.write(f"  {attack:20} {judge or name:26} {_shown(tally)}")
        for judge, errors in report.errors.items():
            error, count = errors.most_common(1)[0]
            self.stdout.write(
                f"  {judge} abstained {sum(errors.values())} times, mostly: {error} ({count})"
            )


def _shown(tally: AttackTally) -> str:
    if not tally.trials:
        return "could not be asked"
    low, high = wilson(tally.share, tally.trials)
    return f"{tally.fooled:4} of {tally.trials}  {tally.share:6.1%}  {low:.1%} to {high:.1%}"


def _rows(space: str, name: str, report: AttackReport) -> list[dict[str, Any]]:
    rows = []
    for (attack, judge), tally in sorted(report.tallies.items()):
        interval = wilson(tally.share, tally.trials) if tally.trials else None
        rows.append(
            {
                "space": space,
                "judge": judge or name,
                "attack": attack,
                "trials": tally.trials,
                "fooled": tally.fooled,
                "interval": interval,
            }
        )
    return rows


def _chosen(known: Mapping[str, Any], names: Sequence[str] | None, noun: str) -> dict[str, Any]:
    if names and (unknown := set(names) - known.keys()):
        raise CommandError(f"There is no {noun} {min(unknown)!r}. Choose among {', '.join(known)}.")
    return {name: known[name] for name in names or known}


def _panels(space: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, list[PanelJudge]]:
    """The Space's own panel, or each judge that was asked for as a panel of one."""
    if options["judge"]:
        return {slug: [_judge(slug, 1.0, options)] for slug in options["judge"]}
    return {"panel": [_judge(one["judge"], one["weight"], options) for one in space["panel"]]}


def _judge(slug: str, weight: float, options: Mapping[str, Any]) -> PanelJudge:
    known = {judge.slug: judge for judge in DEFAULT_JUDGES}
    row = known.get(slug) or Judge.objects.filter(slug=slug).first()
    if row is None:
        raise CommandError(
            f"There is no judge {slug!r}. New installations have {', '.join(known)}."
        )
    config = dict(row.config)
    if options["without_model"] and row.kind == "poem":
        config["pmi_weight"] = 0.0
    return PanelJudge(judge_id=0, slug=slug, kind=row.kind, config=config, weight=weight)
