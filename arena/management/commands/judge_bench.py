"""`manage.py judge_bench`: how often judges agree with labelled pairs."""

import argparse
import asyncio
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from agents.files import write_atomically
from arena.config.supervisor.machine import this_machine
from arena.panels.asking import completing, exchanging
from arena.panels.tools import build_tools
from judges.bench.asking import Contender, ask_all, check
from judges.bench.figures import PairOutcome, PairTally
from judges.bench.pairs import FIELDS, LabelledPair, Survey, read_lines, survey
from judges.bench.records import OtherPairs, Outcomes
from judges.bench.report import Prices, as_json, lines
from judges.call import KINDS
from judges.models import Judge
from judges.tools import CannotJudge

AT_ONCE, MAX_AT_ONCE = 4, 64
MAX_SILENT = 10  # pairs after which a judge that could say nothing is not asked on
PROGRESS_SECONDS = 0.5
LOGGED_PROGRESS_SECONDS = 30.0  # where lines cannot be written over
STOPPED = 130  # the exit status after Ctrl-C

_HELP = f"""Measure how often judges agree with labelled pairs.

FILE has a JSON object on each line with {", ".join(FIELDS)}: texts, of which chosen is the
answer to the prompt that people found better. Each pair is asked about in both orders of seats.
Judges are those of this installation, or any OpenAI-compatible endpoint that --url and --model name:
that needs neither database nor rows.

  manage.py judge_bench --pairs pairs.jsonl --judge pairwise-llm --json report.json
  JUDGE_KEY=... manage.py judge_bench --pairs pairs.jsonl --json report.json \\
      --url https://judge.example.org/v1 --model reader-7b --key-env JUDGE_KEY

What was asked is kept beside the report (report.outcomes.jsonl): the same command goes on after a
stop, and asks nothing twice. docs/judges.md explains the figures."""


class Command(BaseCommand):
    help = _HELP
    requires_system_checks = ()  # an endpoint of the command line needs no database

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        # The formatter that keeps the lines of the examples.
        raw = argparse.RawDescriptionHelpFormatter
        return super().create_parser(prog_name, subcommand, formatter_class=raw, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--pairs", type=Path, required=True, metavar="FILE", help="JSONL")
        parser.add_argument(
            "--judge",
            action="append",
            default=[],
            metavar="SLUG",
            help="a judge of this installation; may be repeated; all that can judge such pairs if none",
        )
        parser.add_argument(
            "--json",
            type=Path,
            metavar="FILE",
            help="write a report here, and what was asked beside it",
        )
        parser.add_argument("--first", type=int, metavar="N", help="only the first N pairs")
        parser.add_argument(
            "--skip-bad",
            action="store_true",
            help="leave bad lines out; without it they are refused",
        )
        parser.add_argument(
            "--keep-asking",
            action="store_true",
            help=f"also a judge that could say nothing of the first {MAX_SILENT} pairs",
        )
        parser.add_argument(
            "--at-once",
            type=int,
            default=AT_ONCE,
            metavar="N",
            help=f"pairs; {AT_ONCE} if not given",
        )
        endpoint = parser.add_argument_group("a judge of the command line")
        endpoint.add_argument("--url", help="up to and with /v1; /chat/completions is added")
        endpoint.add_argument("--model", help="its name at that endpoint")
        endpoint.add_argument(
            "--key-env", metavar="NAME", help="the environment variable that holds the key, if any"
        )
        endpoint.add_argument(
            "--kind", default="pairwise", choices=sorted(KINDS), help="how it judges; pairwise"
        )
        endpoint.add_argument("--config", default="{}", metavar="JSON", help="the kind's settings")
        prices = parser.add_argument_group("prices of a million tokens, in your currency")
        prices.add_argument("--prompt-price", type=float, metavar="PRICE")
        prices.add_argument("--completion-price", type=float, metavar="PRICE")

    def handle(self, *args: Any, **options: Any) -> None:
        _check_options(options)
        found = _surveyed(options["pairs"], skips_bad=options["skip_bad"])
        pairs = min(found.pairs, options["first"] or found.pairs)
        contenders = _of_command_line(options) + _of_rows(options)
        runs = [_Run(contender, pairs, PairTally()) for contender in contenders]
        report = options["json"]
        log = Outcomes(_beside(report), pairs_digest=found.digest) if report else nullcontext(None)
        self.stdout.write(this_machine())
        self.stdout.write(f"{options['pairs']}: {pairs:,} pairs{_left_out(found)}")
        try:
            with log as outcomes:
                for run in runs:
                    asyncio.run(self._measure(run, outcomes, options))
                    for line in lines(run.contender.name, run.tally.figures(), _prices(options)):
                        self.stdout.write(line)
        except OtherPairs as problem:
            raise CommandError(str(problem)) from None
        except OSError as error:
            raise CommandError(f"{error.filename or report}: {error.strerror}.") from None
        except KeyboardInterrupt:
            how = "Run the same command to go on" if report else "With --json it could go on"
            done = sum(run.tally.pairs for run in runs)
            raise CommandError(
                f"Stopped after {done:,} of {pairs * len(runs):,} pairs. {how}.", returncode=STOPPED
            ) from None
        finally:
            if report and any(run.tally.pairs for run in runs):
                write_atomically(report, _report(found, runs, options))

    async def _measure(
        self, run: "_Run", outcomes: Outcomes | None, options: dict[str, Any]
    ) -> None:
        contender, tally = run.contender, run.tally
        asked: set[str] = set()
        if outcomes is not None:
            for outcome in outcomes.read(contender.name, digest=run.digest):
                asked.add(outcome.id)
                tally.add(outcome)
        if asked:
            self.stdout.write(f"{contender.name}: {len(asked):,} pairs were asked about before.")
        left = (
            pair
            for pair in islice(_good(options["pairs"]), options["first"])
            if pair.id not in asked
        )
        progress = _Progress(self.stderr, run)
        silent: list[PairOutcome] = []  # nothing is kept of a judge that only needs its key mended
        async for outcome in ask_all(contender, left, at_once=options["at_once"]):
            tally.add(outcome)
            progress.show()
            is_silent = tally.unsaid == tally.pairs and not options["keep_asking"]
            silent.append(outcome)
            if is_silent and tally.pairs < MAX_SILENT:
                continue
            if is_silent:
                run.tally = PairTally()
                raise CommandError(_silence(contender, silent))
            for one in silent:
                if outcomes is not None:
                    outcomes.add(contender.name, one, digest=run.digest)
            silent.clear()
        progress.end()


@dataclass
class _Run:
    """The measurement of one judge."""

    contender: Contender
    pairs: int
    tally: PairTally

    @property
    def digest(self) -> str:
        """SHA-256 of what makes the judge answer as it does."""
        values = [self.contender.kind, self.contender.config, self.contender.model]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


class _Progress:
    """How far a judge is, on stderr: one line that changes, or one now and then in a log."""

    def __init__(self, stderr: Any, run: _Run) -> None:
        self._stderr, self._run = stderr, run
        self._began, self._shown = monotonic(), monotonic()
        self._before = run.tally.pairs
        self._is_live = stderr.isatty()

    def show(self) -> None:
        pause = PROGRESS_SECONDS if self._is_live else LOGGED_PROGRESS_SECONDS
        now = monotonic()
        if now - self._shown < pause:
            return
        self._shown = now
        done = self._run.tally.pairs
        left = (self._run.pairs - done) * (now - self._began) / max(done - self._before, 1)
        accuracy = self._run.tally.figures().accuracy
        so_far = f", accuracy {accuracy.value:.1%} so far" if accuracy else ""
        line = (
            f"{self._run.contender.name}: {done:,} of {self._run.pairs:,} pairs{so_far}, "
            f"about {_duration(left)} left"
        )
        # \033[K: what an earlier, longer line leaves at the end of this one.
        self._stderr.write(
            f"\r{line}\033[K" if self._is_live else line, ending="" if self._is_live else "\n"
        )
        self._stderr.flush()

    def end(self) -> None:
        if self._is_live:
            self._stderr.write("\r\033[K", ending="")


def _check_options(options: dict[str, Any]) -> None:
    if not 1 <= options["at_once"] <= MAX_AT_ONCE:
        raise CommandError(f"--at-once takes 1 to {MAX_AT_ONCE} pairs.")
    if options["first"] is not None and options["first"] < 1:
        raise CommandError("--first takes at least 1 pair.")
    if bool(options["url"]) != bool(options["model"]):
        raise CommandError("--url and --model belong together: give both, or neither.")
    if options["key_env"] and not options["url"]:
        raise CommandError("--key-env is for the endpoint of --url: give that, too.")
    given = [options["prompt_price"], options["completion_price"]]
    if (given[0] is None) != (given[1] is None):
        raise CommandError("--prompt-price and --completion-price belong together.")
    if any(price is not None and not 0 <= price < float("inf") for price in given):
        raise CommandError("A price is a number of at least 0.")
    report = options["json"]
    if report and not report.resolve().parent.is_dir():
        raise CommandError(f"There is no folder {report.resolve().parent}.")
    if report and report.is_dir():
        raise CommandError(f"{report} is a folder: --json takes a file.")
    if report and report.resolve() == options["pairs"].resolve():
        raise CommandError("The report would replace the pairs: give --json another file.")


def _surveyed(path: Path, *, skips_bad: bool) -> Survey:
    if not path.is_file():
        what = "is no file" if path.exists() else "does not exist"
        raise CommandError(f"{path} {what}. --pairs takes a file that can be read twice.")
    try:
        found = survey(path)
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from None
    if found.bad and not skips_bad:
        more = found.bad - len(found.told)
        told = [str(line) for line in found.told] + [f"{more:,} more."] * (more > 0)
        count = "One line" if found.bad == 1 else f"{found.bad:,} lines"
        verb = "is no labelled pair" if found.bad == 1 else "are no labelled pairs"
        end = "Nothing was asked. Mend them, or leave them out with --skip-bad."
        raise CommandError("\n".join([f"{path}: {count} {verb}.", *told, end]))
    if not found.pairs:
        raise CommandError(
            f"{path} holds no pairs. Each line is an object with {', '.join(FIELDS)}."
        )
    return found


def _good(path: Path) -> Iterator[LabelledPair]:
    return (found for found in read_lines(path) if isinstance(found, LabelledPair))


def _of_command_line(options: dict[str, Any]) -> list[Contender]:
    url, model = options["url"], options["model"]
    if not url:
        return []
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise CommandError(f"--url takes an address such as http://localhost:8000/v1, not {url!r}.")
    if parts.username or parts.query or parts.fragment:
        raise CommandError(
            "--url takes no user name, query or fragment; a key goes into --key-env."
        )
    name = options["key_env"]
    key = os.environ.get(name, "") if name else ""
    if name and not key.strip():
        raise CommandError(f"The environment variable {name} is not set.")
    try:
        config = json.loads(options["config"])
    except (ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        raise CommandError('--config takes a JSON object, such as {"thinking_tokens": 2000}.')
    if "endpoints" in KINDS[options["kind"]].config_class.model_fields:
        config = {**config, "endpoints": ["url"]}  # else some kinds ask a model of the installation
    key = key.strip()
    tools = replace(
        build_tools(),
        complete=completing(url, model, key=key),
        exchange=exchanging(url, model, key=key),
    )
    contender = Contender(
        f"{model} ({options['kind']})", options["kind"], config, f"{model} at {url}", tools
    )
    try:
        check(contender.kind, config)
    except CannotJudge as reason:
        raise CommandError(f"--kind {contender.kind}: {reason}.") from None
    return [contender]


def _of_rows(options: dict[str, Any]) -> list[Contender]:
    if options["url"] and not options["judge"]:
        return []
    try:
        rows = {judge.slug: judge for judge in Judge.objects.order_by("slug")}
    except DatabaseError as error:
        raise CommandError(
            f"The judges of this installation cannot be read ({type(error).__name__}): start it with "
            "`manage.py up`, or give --url and --model, which need no database."
        ) from None
    for slug in options["judge"]:
        if slug not in rows:
            known = ", ".join(rows) or "none yet: run `manage.py seed`"
            raise CommandError(f"There is no judge {slug!r}. This installation has {known}.")
    model = f"{settings.ENV.judge_model} at {settings.ENV.judge_url}"
    contenders = []
    for slug in dict.fromkeys(options["judge"] or rows):
        row = rows[slug]
        try:
            check(row.kind, row.config)
        except CannotJudge as reason:
            if options["judge"]:
                raise CommandError(f"{slug}: {reason}.") from None
            sys.stderr.write(f"{slug} is left out: {reason}.\n")
            continue
        contenders.append(Contender(slug, row.kind, row.config, model, build_tools()))
    if not contenders:
        raise CommandError(
            "No judge of this installation can judge such pairs: give --url and --model."
        )
    return contenders


def _silence(contender: Contender, outcomes: list[PairOutcome]) -> str:
    reasons = {reason for one in outcomes for reason in one.reasons}
    return (
        f"{contender.name} could say nothing of the first {len(outcomes)} pairs: "
        f"{'; '.join(sorted(reasons)[:3])}. None of them was kept. Mend this, or give --keep-asking."
    )


def _left_out(found: Survey) -> str:
    return f", {found.bad:,} bad lines left out" if found.bad else ""


def _prices(options: dict[str, Any]) -> Prices | None:
    if options["prompt_price"] is None:
        return None
    return Prices(options["prompt_price"], options["completion_price"])


def _beside(report: Path) -> Path:
    """report.json -> report.outcomes.jsonl"""
    return report.with_name(f"{report.stem}.outcomes.jsonl")


def _report(found: Survey, runs: list[_Run], options: dict[str, Any]) -> str:
    told = {
        "machine": this_machine(),
        "pairs": {"file": str(options["pairs"]), "sha256": found.digest, "bad_lines": found.bad},
        "model_of_rows": settings.ENV.judge_model,
        "judges": [
            {
                "judge": run.contender.name,
                "kind": run.contender.kind,
                "config": run.contender.config,
                "is_complete": run.tally.pairs >= run.pairs,
                **as_json(run.tally.figures(), _prices(options)),
            }
            for run in runs
        ],
    }
    return json.dumps(told, indent=2) + "\n"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
