"""Tournaments and the autopilot: playing without asking for each match."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from rlfc.arena import Arena
from rlfc.connection import ArenaError
from rlfc.terminal import AsJson, arena_of_login, minute_of, say, show_json, show_table, told

NOT_FOUND = 404


class AdoptionRule(StrEnum):
    """What an autopilot does about new versions of its agent."""

    PLAY_ON = "play_on"
    STOP_AFTER = "stop_after"
    WAIT_FOR = "wait_for"


app = typer.Typer()
of_autopilot = typer.Typer(no_args_is_help=True, help="An agent that enters Spaces by itself.")
app.add_typer(of_autopilot, name="autopilot")


@app.command()
@told
def tournaments(as_json: AsJson = False) -> None:
    """Running ones, those to come, and the last past ones."""
    with arena_of_login() as arena:
        found = arena.get("/tournaments")
    if as_json:
        return show_json(found)
    rows = [
        (
            one["tournament_id"],
            one["name"],
            one["space_slug"],
            one["format"],
            one["status"],
            one["fee_credits"],
            one["entrant_count"],
            minute_of(one["starts_at"]),
        )
        for one in found
    ]
    heads = ("Tournament", "", "Space", "Format", "", "Fee", "Entrants", "Starts")
    return show_table(heads, rows, nothing="There is none.")


@app.command()
@told
def tournament(tournament_id: int, as_json: AsJson = False) -> None:
    """A tournament: who takes part, how they stand, and your own registration."""
    with arena_of_login() as arena:
        found = arena.get(f"/tournaments/{tournament_id}")
    if as_json:
        return show_json(found)
    card = found["card"]
    say(
        f"{card['name']}: {card['format']} in {card['space_name']}, {card['status']}. {card['note']}"
    )
    if found["own"]:
        say(f"{found['own_agent']} takes part, by the registration {found['own']}.")
    rows = [
        (
            place,
            one["competitor"]["name"],
            one["competitor"]["owner"],
            one["points"],
            one["prize_credits"],
        )
        for place, one in enumerate(found["entrants"], 1)
    ]
    heads = ("", "Agent", "Of", "Points", "Prize")
    return show_table(heads, rows, nothing="Nobody takes part yet.")


@app.command()
@told
def register(
    agent: str,
    tournament_id: int,
    key: Annotated[
        str, typer.Option(help="Of an earlier try, a version 4 UUID: it is not paid again.")
    ] = "",
) -> None:
    """Register an agent for a tournament, which holds the fee."""
    with arena_of_login() as arena:
        fee = arena.get(f"/tournaments/{tournament_id}")["card"]["fee_credits"]
        body = {"agent_id": arena.agent(agent)["agent_id"], "fee_credits": fee}
        path = f"/tournaments/{tournament_id}/registrations"
        found = arena.connection.paid(path, key, json=body)
    say(f"{agent} takes part; {fee} credits are held. The registration is {found['own']}.")


@app.command()
@told
def withdraw(tournament_id: int) -> None:
    """Withdraw from a tournament. Before its start the fee comes back."""
    with arena_of_login() as arena:
        found = arena.get(f"/tournaments/{tournament_id}")
        if not found["own"]:
            raise ArenaError("None of your agents takes part.")
        arena.post(f"/registrations/{found['own']}/withdraw")
    say(f"{found['own_agent']} is withdrawn.")


@of_autopilot.command()
@told
def show(agent: str, as_json: AsJson = False) -> None:
    """What it does, and what stopped it."""
    with arena_of_login() as arena:
        found = arena.get(f"/agents/{arena.agent(agent)['agent_id']}/autopilot")
    if as_json:
        return show_json(found)
    return _say_autopilot(found)


@of_autopilot.command()
@told
def on(
    agent: str,
    space: Annotated[list[str], typer.Option(help="Where it may enter; repeat it.")],
    fee: Annotated[int, typer.Option(help="The highest fee of a match.")],
    matches: Annotated[int, typer.Option(help="In all; then it stops.")] = 10,
    matches_a_day: Annotated[int, typer.Option(help="Then it waits until midnight, UTC.")] = 10,
    at_once: Annotated[int, typer.Option(help="Entries that wait or play.")] = 1,
    spend_a_day: Annotated[int, typer.Option(help="On fees, in credits.")] = 100,
    stop_loss: Annotated[int, typer.Option(help="It stops when down by this many credits.")] = 100,
    take_profit: Annotated[
        int | None, typer.Option(help="It stops when up by this many credits.")
    ] = None,
    adoption: Annotated[
        AdoptionRule | None,
        typer.Option(
            help="What it does about a new version. If left out: as before if it is on, else play_on."
        ),
    ] = None,
) -> None:
    """Switch it on, or give it other limits."""
    limits = {
        "spaces": space,
        "fee_credits": fee,
        "matches": matches,
        "matches_a_day": matches_a_day,
        "at_once": at_once,
        "spend_a_day_credits": spend_a_day,
        "stop_loss_credits": stop_loss,
        "take_profit_credits": take_profit,
    }
    with arena_of_login() as arena:
        path = f"/agents/{arena.agent(agent)['agent_id']}/autopilot"
        if rule := adoption or _rule_of(arena, path):
            limits["adoption"] = rule
        found = arena.connection.json("PUT", path, json=limits)
    _say_autopilot(found)


@of_autopilot.command()
@told
def off(agent: str) -> None:
    """Switch it off. An entry that waits or plays is not touched."""
    with arena_of_login() as arena:
        found = arena.post(f"/agents/{arena.agent(agent)['agent_id']}/autopilot/off")
    _say_autopilot(found)


def _rule_of(arena: Arena, path: str) -> str | None:
    """What an autopilot that is on does about new versions."""
    try:
        found = arena.get(path)
    except ArenaError as error:
        if error.status != NOT_FOUND:
            raise
        return None
    return found["limits"]["adoption"] if found["is_on"] else None


def _say_autopilot(found: dict[str, Any]) -> None:
    say(f"It is on. {found['doing']}" if found["is_on"] else f"It is off. {found['stop_reason']}")
    say(f"{found['matches']} matches, {found['net_credits']:+,} credits")
