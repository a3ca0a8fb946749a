"""Data that one takes home."""

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from rlfc import exports
from rlfc.arena import Arena
from rlfc.connection import ArenaError
from rlfc.terminal import (
    AsJson,
    arena_of_login,
    download_bar,
    minute_of,
    progress_bar,
    say,
    show_json,
    show_table,
    told,
)

app = typer.Typer()
of_export = typer.Typer(no_args_is_help=True, help="Datasets: ordered, followed and fetched.")
app.add_typer(of_export, name="export")

Folder = Annotated[Path, typer.Option("--out", help="The folder for its files.")]


@app.command()
@told
def pairs(
    agent: str,
    out: Annotated[Path, typer.Option(help="Where to write them.")] = Path("pairs.jsonl"),
    groups: Annotated[bool, typer.Option("--groups", help="The practised groups instead.")] = False,
) -> None:
    """Download an agent's preference pairs, as TRL's DPOTrainer reads them."""
    with arena_of_login() as arena:
        noun = "groups" if groups else "pairs"
        path = f"/agents/{arena.agent(agent)['agent_id']}/{noun}"
        with download_bar(noun) as tell:
            size = arena.download(path, out, tell=tell)
    say(f"{out}: {size:,} bytes")


@of_export.command()
@told
def formats(as_json: AsJson = False) -> None:
    """The formats that there are, with their columns."""
    with arena_of_login() as arena:
        found = arena.get("/exports/formats")
    if as_json:
        return show_json(found)
    for one in found:
        say(f"{one['name']}: {one['explanation']}", style="bold")
        columns = [(each["name"], each["type"], each["meaning"]) for each in one["columns"]]
        show_table(("Column", "Type", ""), columns)
    return None


@of_export.command()
@told
def new(
    format: Annotated[str, typer.Option(help="See `rlfc export formats`.")] = "preference",
    container: Annotated[str, typer.Option(help="parquet or jsonl")] = "parquet",
    public: Annotated[
        bool, typer.Option("--public", help="Of everybody's agents, where a Space's terms allow.")
    ] = False,
    space: Annotated[list[str] | None, typer.Option(help="Only of this Space; repeat it.")] = None,
    agent: Annotated[list[str] | None, typer.Option(help="Only of this agent; repeat it.")] = None,
    judge: Annotated[
        list[str] | None, typer.Option(help="Only where this judge voted; repeat it.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="The first day, such as 2026-01-31.")] = None,
    until: Annotated[str | None, typer.Option(help="The last day.")] = None,
    least_margin: Annotated[float | None, typer.Option(help="Of the scores, 0 to 1.")] = None,
    least_agreement: Annotated[float | None, typer.Option(help="Of the judges, 0 to 1.")] = None,
    least_length_difference: Annotated[int | None, typer.Option(help="In tokens.")] = None,
    most_length_difference: Annotated[int | None, typer.Option(help="In tokens.")] = None,
    with_cut: Annotated[bool, typer.Option(help="Also answers that were cut off.")] = True,
    only_verified: Annotated[
        bool, typer.Option("--only-verified", help="Only what code could check.")
    ] = False,
    dedup: Annotated[bool, typer.Option(help="The same task and texts only once.")] = True,
    one_per_prompt: Annotated[
        bool, typer.Option("--one-per-prompt", help="Only the clearest pair of a prompt.")
    ] = False,
    key: Annotated[
        str, typer.Option(help="Of an earlier try, a version 4 UUID: it is ordered once.")
    ] = "",
    wait: Annotated[bool, typer.Option(help="Wait until it is written, and fetch it.")] = True,
    out: Folder = Path("export"),
    as_json: AsJson = False,
) -> None:
    """Order a dataset, follow how it is written, and fetch its files."""
    with arena_of_login() as arena:
        selection = {
            "whose": "public" if public else "mine",
            "spaces": space,
            "agents": [arena.agent(name)["agent_id"] for name in agent] if agent else None,
            "judges": judge,
            "since": since,
            "until": until,
            "least_margin": least_margin,
            "least_agreement": least_agreement,
            "least_length_difference": least_length_difference,
            "most_length_difference": most_length_difference,
            "with_cut": with_cut,
            "only_verified": only_verified,
            "dedup": dedup,
            "one_per_prompt": one_per_prompt,
        }
        chosen = {name: value for name, value in selection.items() if value is not None}
        ordered = exports.order(
            arena.connection, format=format, container=container, selection=chosen, key=key
        )
        if as_json:
            return show_json(ordered)
        export_id = ordered["export"]["export_id"]
        say(f"Export {export_id} is ordered.")
        if wait:
            _await_and_fetch(arena, export_id, out)
    return None


@of_export.command()
@told
def fetch(export_id: int, out: Folder = Path("export")) -> None:
    """Wait until an export is written, and fetch what the folder lacks of it."""
    with arena_of_login() as arena:
        _await_and_fetch(arena, export_id, out)


@of_export.command(name="list")
@told
def list_(
    last: Annotated[int, typer.Option(min=1, help="So many.")] = 20, as_json: AsJson = False
) -> None:
    """Your exports, newest first."""
    with arena_of_login() as arena:
        found = list(islice(arena.pieces("/exports"), last))
    if as_json:
        return show_json(found)
    rows = [
        (
            one["export_id"],
            one["format"],
            one["container"],
            one["state"],
            f"{one['rows_written']:,}",
            minute_of(one["expires_at"]),
            one["reason"],
        )
        for one in found
    ]
    heads = ("Export", "Format", "As", "", "Rows", "Until", "")
    return show_table(heads, rows, nothing="You have ordered none yet.")


@of_export.command()
@told
def show(export_id: int, as_json: AsJson = False) -> None:
    """An export with its files."""
    with arena_of_login() as arena:
        found = arena.get(f"/exports/{export_id}")
    if as_json:
        return show_json(found)
    line = found["export"]
    say(f"Export {export_id} is {line['state']}. {line['reason']}")
    rows = [(one["name"], f"{one['rows']:,}", f"{one['size_bytes']:,}") for one in found["files"]]
    return show_table(("File", "Rows", "Bytes"), rows, nothing="It has no files.")


@of_export.command()
@told
def delete(export_id: int) -> None:
    """Delete an export and its files."""
    with arena_of_login() as arena:
        arena.connection.json("DELETE", f"/exports/{export_id}")
    say(f"Export {export_id} is deleted.")


@of_export.command()
@told
def check(folder: Path) -> None:
    """Compare a folder with its manifest."""
    _say_whole(folder)


def _await_and_fetch(arena: Arena, export_id: int, folder: Path) -> None:
    with progress_bar("waiting") as move:

        def tell(line: Mapping[str, Any]) -> None:
            move(line["state"], line["rows_written"], line["rows_estimated"] or 0)

        export = exports.awaited(arena.connection, export_id, tell=tell)
    with download_bar("files") as heard:
        exports.fetch(arena.connection, export, folder, tell=lambda name: heard)
    _say_whole(folder)


def _say_whole(folder: Path) -> None:
    lacks = exports.lacking(folder)
    if lacks:
        raise ArenaError(f"{folder} lacks {', '.join(lacks)}.")
    say(f"{folder} is whole.")
