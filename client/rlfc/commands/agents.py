"""One's agents: made from a file, listed, and which of their versions plays."""

from pathlib import Path
from typing import Annotated, Any

import typer

from rlfc.agent_file import AgentFile
from rlfc.terminal import AsJson, arena_of_login, minute_of, say, show_json, show_table, told

SHOWN_CHARS = 60  # of a text that changes

app = typer.Typer()


@app.command()
@told
def agents(as_json: AsJson = False) -> None:
    """Your agents."""
    with arena_of_login() as arena:
        mine = arena.agents()
    if as_json:
        return show_json(mine)
    rows = [
        (
            one["name"],
            one["version_number"],
            "yes" if one["has_adapter"] else "no",
            sum(record["match_count"] for record in one["records"]),
            one["queued_space"]
            or (f"match {one['live_match_id']}" if one["live_match_id"] else ""),
        )
        for one in mine
    ]
    heads = ("Agent", "Version", "Adapter", "Played", "Now in")
    return show_table(heads, rows, nothing="You have no agent yet: write one, and `rlfc push` it.")


@app.command()
@told
def push(
    file: Annotated[Path, typer.Argument(help="An agent as TOML.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would change.")
    ] = False,
) -> None:
    """Create an agent from a file, or make of it what the file says. What the file leaves out stays."""
    wanted = AgentFile.read(file)
    with arena_of_login() as arena:
        plan = arena.plan(wanted)
        for change in plan.changes:
            say(f"{change.name}: {_shown(change.before)} -> {_shown(change.after)}")
        if not dry_run:
            say(arena.push(plan)[1])
        elif plan.agent is None:
            say(f"{wanted.name} would be created.")
        elif not plan.changes:
            say("Nothing would change.")


def _shown(value: Any) -> str:
    text = "default" if value is None else str(value)
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}…"


@app.command()
@told
def agent(name: str, as_json: AsJson = False) -> None:
    """One of your agents: its settings and its record."""
    with arena_of_login() as arena:
        mine = arena.agent(name)
        file, found = arena.agent_file(mine), arena.get(f"/agents/{mine['agent_id']}")
    if as_json:
        return show_json({"settings": vars(file), **found})
    record = found["record"]
    say(
        f"{file.name}, version {found['agent']['version_number']}, on {found['agent']['base_model']}"
    )
    say(file.prompt or "")
    say(
        f"{record['match_count']} matches, {record['win_count']} won, {record['prize_credits']:,} credits in prizes"
    )
    settings = {**(file.sampling or {}), **(file.learning or {})}
    say(", ".join(f"{name} {value}" for name, value in settings.items()))
    rows = [(one["space_name"], one["new_pairs"], one["needed_pairs"]) for one in found["learning"]]
    return show_table(("Learns in", "New pairs", "Needed"), rows, nothing="No pairs yet.")


@app.command()
@told
def versions(name: str, as_json: AsJson = False) -> None:
    """An agent's versions, newest first."""
    with arena_of_login() as arena:
        found = list(arena.versions(arena.agent(name)["agent_id"]))
    if as_json:
        return show_json(found)
    rows = [
        (
            one["number"],
            "plays" if one["is_current"] else "",
            one["origin"],
            one["parent_number"],
            one["adapter_digest"][:12],
            one["match_count"],
            minute_of(one["created_at"]),
        )
        for one in found
    ]
    return show_table(("Version", "", "Origin", "From", "Adapter", "Played", "Made"), rows)


@app.command()
@told
def use(name: str, version: int) -> None:
    """Play with another version from the next match on."""
    with arena_of_login() as arena:
        arena.use(arena.agent(name)["agent_id"], version)
    say(f"{name} plays with version {version} from the next match on.")


@app.command()
@told
def rename(name: str, new_name: str) -> None:
    """Rename an agent."""
    with arena_of_login() as arena:
        agent_id = arena.agent(name)["agent_id"]
        arena.connection.json("PUT", f"/agents/{agent_id}/name", json={"name": new_name})
    say(f"{name} is now called {new_name}.")


@app.command()
@told
def retire(
    name: str,
    yes: Annotated[bool, typer.Option("--yes", help="Without asking.")] = False,
) -> None:
    """Retire an agent for good."""
    with arena_of_login() as arena:
        agent_id = arena.agent(name)["agent_id"]
        if not yes:
            typer.confirm(f"Retire {name} for good?", abort=True)
        arena.post(f"/agents/{agent_id}/retire")
    say(f"{name} is retired.")
