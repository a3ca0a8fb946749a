"""`rlfc`: the arena in a terminal."""

import json
import os
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, ParamSpec

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from rlfc.arena import Arena, ArenaError

POLL_SECONDS = 1.0
FINAL_RUNS = ("adopted", "rejected", "offered", "failed", "cancelled", "paused")
P = ParamSpec("P")

app = typer.Typer(no_args_is_help=True, help="The arena in a terminal.")
console = Console(highlight=False)


def _settings_file() -> Path:
    return Path(typer.get_app_dir("rlfc")) / "settings.json"


def _told(command: Callable[P, None]) -> Callable[P, None]:
    """A refusal is a sentence and exit status 1, not a traceback."""

    @wraps(command)
    def inner(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except ArenaError as error:
            Console(stderr=True, highlight=False).print(f"[red]{escape(str(error))}[/red]")
            raise typer.Exit(1) from None

    return inner


@contextmanager
def _arena() -> Iterator[Arena]:
    stored: dict[str, str] = {}
    try:
        stored = json.loads(_settings_file().read_text())
    except FileNotFoundError:
        pass
    except (OSError, ValueError):
        raise ArenaError(f"{_settings_file()} cannot be read; run `rlfc login` again.") from None
    url = os.environ.get("RLFC_URL") or stored.get("url", "")
    token = os.environ.get("RLFC_TOKEN") or stored.get("token", "")
    if not url:
        raise ArenaError("Which arena? Run `rlfc login --url ADDRESS`, or set RLFC_URL.")
    with Arena(url, token) as arena:
        yield arena


@app.command()
@_told
def login(
    url: Annotated[str, typer.Option(help="Of the arena, such as https://arena.example.")],
    token: Annotated[
        str,
        typer.Option(
            prompt=True,
            hide_input=True,
            envvar="RLFC_TOKEN",
            help="From the page \u201cAPI tokens\u201d.",
        ),
    ],
) -> None:
    """Keep the address and the token for later commands, once the arena accepts them."""
    with Arena(url, token.strip()) as arena:
        arena.spaces()
    file = _settings_file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.chmod(0o600)
        file.write_text(json.dumps({"url": url, "token": token.strip()}))
    except OSError as error:
        raise ArenaError(f"{file} cannot be written: {error.strerror}.") from None
    console.print(f"Welcome. Kept in {escape(str(file))}.")


@app.command()
@_told
def spaces() -> None:
    """What can be played."""
    with _arena() as arena:
        table = Table("Space", "Fee", "Seats", "Rounds", "Playing now", "", box=None)
        for one in arena.spaces():
            fees = " or ".join(str(fee) for fee in one["fees_credits"])
            figures = (fees, one["seat_count"], one["round_count"], one["live_count"])
            table.add_row(escape(one["slug"]), *map(str, figures), escape(one["summary"]))
        console.print(table)


@app.command()
@_told
def agents() -> None:
    """Your agents."""
    with _arena() as arena:
        table = Table("Agent", "Version", "Adapter", "Played", box=None)
        for one in arena.agents():
            played = sum(record["match_count"] for record in one["records"])
            adapter = "yes" if one["has_adapter"] else "no"
            table.add_row(escape(one["name"]), str(one["version_number"]), adapter, str(played))
        console.print(table)


@app.command()
@_told
def push(file: Annotated[Path, typer.Argument(help="An agent as TOML.")]) -> None:
    """Create an agent from a file, or make a new version of what has changed in it."""
    try:
        settings = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ArenaError(f"{file} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ArenaError(f"{file} is not TOML: {error}.") from None
    with _arena() as arena:
        console.print(escape(arena.push(settings)[1]))


@app.command()
@_told
def enter(
    agent: str,
    space: str,
    fee: Annotated[int | None, typer.Option(help="One of the Space's fees.")] = None,
    follow: Annotated[bool, typer.Option(help="Wait for the match, and show it.")] = True,
) -> None:
    """Enter a Space, which holds the fee."""
    with _arena() as arena:
        entry = arena.enter(arena.agent(agent)["agent_id"], space, fee_credits=fee)
        console.print(
            f"{escape(entry['agent_name'])} waits in {escape(space)}; {entry['fee_credits']} credits are held."
        )
        if follow:
            _watch(arena, _seated(arena, entry["entry_id"]))


def _seated(arena: Arena, entry_id: str) -> int:
    with console.status("Waiting for a match. Ctrl-C leaves the entry in the queue."):
        while True:
            entry = arena.entry(entry_id)
            if entry["match_id"] is not None:
                return int(entry["match_id"])
            if entry["status"] == "cancelled":
                raise ArenaError(f"The entry was cancelled. {entry['cancel_reason']}")
            time.sleep(POLL_SECONDS)


@app.command()
@_told
def watch(match_id: int) -> None:
    """Show a match while it is played, or how it ended."""
    with _arena() as arena:
        _watch(arena, match_id)


def _watch(arena: Arena, match_id: int) -> None:
    names = {seat["index"]: seat["competitor"]["name"] for seat in arena.match(match_id)["seats"]}
    console.print(
        f"Match {match_id}: {escape(', '.join(names.values()))}  {arena.url}/matches/{match_id}/"
    )
    for event in arena.events(match_id):
        if line := _line_of(event, names):
            console.print(line)
    match = arena.match(match_id)
    if match["cancel_reason"]:
        console.print(escape(match["cancel_reason"]))
        return
    table = Table("Place", "Agent", "Points", "Prize", box=None)
    for seat in sorted(match["seats"], key=lambda seat: seat["rank"] or 99):
        name = escape(seat["competitor"]["name"])
        table.add_row(
            str(seat["rank"] or ""), name, f"{seat['total']:.2f}", str(seat["prize_credits"])
        )
    console.print(table)


def _line_of(event: dict[str, Any], names: dict[int, str]) -> str:
    payload = event["payload"]
    match event["kind"]:
        case "round_started":
            return f"Round {payload['round']}"
        case "completion_recorded":
            return f"  {escape(names.get(payload['seat'], '?'))} has answered"
        case "round_decided":
            order = [
                ", ".join(names.get(seat, "?") for seat in tied) for tied in payload["ranking"]
            ]
            return f"  decided: {escape(' > '.join(order))}"
        case "round_voided":
            return "  void: nobody could judge it"
        case _:
            return ""


@app.command()
@_told
def train(
    agent: str,
    space: str,
    follow: Annotated[bool, typer.Option(help="Show how far the run is.")] = True,
) -> None:
    """Train an agent now with what it has played in a Space, which holds the price."""
    with _arena() as arena:
        run = arena.train(arena.agent(agent)["agent_id"], arena.space(space)["space_id"])
        console.print(f"Run {run['run_id']} is {run['status']}  {arena.url}/runs/{run['run_id']}/")
        if follow:
            _follow(arena, run["run_id"])


def _follow(arena: Arena, run_id: int) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("waiting", total=None)
        while (run := arena.run(run_id))["status"] not in FINAL_RUNS:
            done = run["progress"]
            progress.update(
                bar,
                description=run["status"],
                total=done.get("steps"),
                completed=done.get("step", 0),
            )
            time.sleep(POLL_SECONDS)
    console.print(escape(f"{run['status']}. {run['reason']}".strip()))


@app.command()
@_told
def pairs(
    agent: str,
    out: Annotated[Path, typer.Option(help="Where to write them.")] = Path("pairs.jsonl"),
    groups: Annotated[bool, typer.Option("--groups", help="The practised groups instead.")] = False,
) -> None:
    """Download an agent's preference pairs, as TRL's DPOTrainer reads them."""
    with _arena() as arena:
        noun = "groups" if groups else "pairs"
        path = f"/agents/{arena.agent(agent)['agent_id']}/{noun}"
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
        with Progress(*columns, console=console) as progress:
            bar = progress.add_task(noun)
            size = arena.download(
                path, out, tell=lambda done, size: progress.update(bar, completed=done, total=size)
            )
    console.print(f"{escape(str(out))}: {size:,} bytes")


@app.command()
@_told
def wallet() -> None:
    """Your credits."""
    with _arena() as arena:
        balance = arena.wallet()
        console.print(f"{balance['available']:,} credits available, {balance['held']:,} held")


if __name__ == "__main__":
    app()
