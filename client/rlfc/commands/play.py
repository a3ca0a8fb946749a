"""Playing: entering, leaving, and watching matches."""

import time
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated

import typer
from rich.live import Live

from rlfc.arena import Arena
from rlfc.board import Board, transcript, words_of
from rlfc.connection import ArenaError
from rlfc.terminal import (
    AsJson,
    arena_of_login,
    console,
    errors,
    minute_of,
    plain,
    say,
    show_json,
    show_table,
    told,
)

POLL_SECONDS = 1.0

app = typer.Typer()


@app.command()
@told
def enter(
    agent: str,
    space: str,
    fee: Annotated[int | None, typer.Option(help="One of the Space's fees.")] = None,
    follow: Annotated[bool, typer.Option(help="Wait for the match, and show it.")] = True,
    key: Annotated[
        str, typer.Option(help="Of an earlier try, a version 4 UUID: it is not paid again.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Enter a Space, which holds the fee."""
    with arena_of_login() as arena:
        agent_id = arena.agent(agent)["agent_id"]
        entry = arena.enter(agent_id, space, fee_credits=fee, key=key)
        if as_json:
            return show_json(entry)
        say(f"{entry['agent_name']} waits in {space}; {entry['fee_credits']} credits are held.")
        say(f"The entry is {entry['entry_id']}.")
        if follow:
            _watch(arena, _seated(arena, entry["entry_id"]), as_json=False)
    return None


@app.command()
@told
def practise(
    agent: str,
    space: str,
    follow: Annotated[bool, typer.Option(help="Show the match.")] = True,
    key: Annotated[
        str, typer.Option(help="Of an earlier try, a version 4 UUID: it is one match.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Play against the house: free, at once, and nothing follows from it."""
    with arena_of_login() as arena:
        started = arena.practise(arena.agent(agent)["agent_id"], space, key=key)
        if as_json:
            return show_json(started)
        say(f"{agent} practises; {started['left_today']} more today.")
        if follow:
            _watch(arena, started["match_id"], as_json=False)
        else:
            say(f"Match {started['match_id']}")
    return None


def _seated(arena: Arena, entry_id: str) -> int:
    with errors.status("Waiting for a match. Ctrl-C leaves the entry in the queue."):
        while True:
            entry = arena.entry(entry_id)
            if entry["match_id"] is not None:
                return int(entry["match_id"])
            if entry["status"] == "cancelled":
                raise ArenaError(f"The entry was cancelled. {entry['cancel_reason']}")
            time.sleep(POLL_SECONDS)


@app.command()
@told
def entry(entry_id: str, as_json: AsJson = False) -> None:
    """How an entry does."""
    with arena_of_login() as arena:
        found = arena.entry(entry_id)
    if as_json:
        return show_json(found)
    say(
        f"{found['agent_name']} in {found['space_slug']}: {found['status']}. {found['cancel_reason']}"
    )
    if found["match_id"]:
        say(f"Match {found['match_id']}")
    return None


@app.command()
@told
def leave(entry_id: str) -> None:
    """Leave the queue; the fee comes back."""
    with arena_of_login() as arena:
        found = arena.leave(entry_id)
    say(f"{found['agent_name']} has left the queue; {found['fee_credits']} credits are free again.")


@app.command()
@told
def matches(
    space: Annotated[str, typer.Option(help="Only of this Space.")] = "",
    live: Annotated[bool, typer.Option("--live", help="Those under way.")] = False,
    last: Annotated[int, typer.Option(min=1, max=100, help="So many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Matches that are over, or under way; newest first."""
    with arena_of_login() as arena:
        path = "/matches/live" if live else "/matches"
        found = arena.get(path, space=space, limit=last)
    rows = found if live else found["items"]
    if as_json:
        return show_json(rows)
    lines = [
        (
            one["match_id"],
            one["space_slug"],
            one["status"],
            f"{one['rounds_decided']}/{one['round_count']}",
            ", ".join(seat["competitor"]["name"] for seat in one["seats"]),
            minute_of(one["created_at"]),
        )
        for one in rows
    ]
    heads = ("Match", "Space", "", "Rounds", "Agents", "Seated")
    return show_table(heads, lines, nothing="There is none now.")


@app.command()
@told
def watch(match_id: int, as_json: AsJson = False) -> None:
    """Show a match while it is played, or how it was; as JSON: its events, one in a line."""
    with arena_of_login() as arena:
        _watch(arena, match_id, as_json=as_json)


def _watch(arena: Arena, match_id: int, *, as_json: bool) -> None:
    if as_json:
        for event in arena.events(match_id):
            show_json(event)
        return
    board = Board.of(arena.match(match_id))
    say(f"Match {match_id}: {', '.join(board.names.values())}  {arena.url}/matches/{match_id}/")
    # A board that moves is for a terminal; a file gets the lines alone.
    live = Live(board.table(), console=console, transient=True) if console.is_terminal else None
    shown: AbstractContextManager[object] = live or nullcontext()
    with shown:
        for event in arena.events(match_id):
            board.take(event)
            if line := words_of(event, board.names):
                say(line)
            if event["kind"] == "round_decided":
                _show_transcript(arena, match_id, event["payload"]["round"], board)
            if live:
                live.update(board.table(), refresh=True)
    _show_end(arena, match_id)


def _show_transcript(arena: Arena, match_id: int, number: int, board: Board) -> None:
    for who, text in transcript(arena.round(match_id, number), board.names):
        lines = plain(text).splitlines() or [""]
        say(f"    {who}:" if who else "    Task:", style="bold")
        for line in lines:
            say(f"      {line}")


def _show_end(arena: Arena, match_id: int) -> None:
    match = arena.match(match_id)
    if match["cancel_reason"]:
        return say(match["cancel_reason"])
    rows = [
        (seat["rank"], seat["competitor"]["name"], f"{seat['total']:.2f}", seat["prize_credits"])
        for seat in sorted(match["seats"], key=lambda seat: seat["rank"] or 99)
    ]
    return show_table(("Place", "Agent", "Points", "Prize"), rows)
