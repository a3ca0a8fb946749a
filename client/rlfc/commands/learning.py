"""Training runs: started, followed and steered."""

import time
from enum import StrEnum
from typing import Annotated, Any

import typer

from rlfc.arena import Arena
from rlfc.connection import ArenaError
from rlfc.terminal import (
    AsJson,
    arena_of_login,
    minute_of,
    progress_bar,
    say,
    show_json,
    show_table,
    told,
)

POLL_SECONDS = 1.0
LIVE = ("queued", "training", "evaluating")
LOST = ("failed", "cancelled")

app = typer.Typer()


class Steering(StrEnum):
    """What one may do with a run."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    ADOPT = "adopt"
    DECLINE = "decline"


Follow = Annotated[bool, typer.Option(help="Show how far the run is.")]


@app.command()
@told
def train(
    agent: str,
    space: str,
    follow: Follow = True,
    key: Annotated[
        str, typer.Option(help="Of an earlier try, a version 4 UUID: it is not paid again.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Train an agent now with what it has played in a Space, which holds the price."""
    with arena_of_login() as arena:
        agent_id, space_id = arena.agent(agent)["agent_id"], arena.space(space)["space_id"]
        run = arena.train(agent_id, space_id, key=key)
        if as_json:
            return show_json(run)
        say(f"Run {run['run_id']} is {run['status']}  {arena.url}/runs/{run['run_id']}/")
        if follow:
            follow_run(arena, run["run_id"])
    return None


@app.command()
@told
def runs(agent: str, as_json: AsJson = False) -> None:
    """An agent's training runs, newest first."""
    with arena_of_login() as arena:
        found = arena.get(f"/agents/{arena.agent(agent)['agent_id']}/runs")
    if as_json:
        return show_json(found)
    rows = [
        (
            one["run_id"],
            one["space_name"],
            one["method"],
            one["status"],
            one["pair_count"],
            one["price_credits"],
            minute_of(one["created_at"]),
        )
        for one in found
    ]
    heads = ("Run", "Space", "Method", "", "Pairs", "Price", "Asked for")
    return show_table(heads, rows, nothing="It has not been trained yet.")


@app.command()
@told
def run(
    run_id: int,
    do: Annotated[Steering | None, typer.Argument(help="Do something with it.")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Show how far the run is.")] = False,
    as_json: AsJson = False,
) -> None:
    """A training run: how far it is, and what came of it."""
    with arena_of_login() as arena:
        found = arena.post(f"/runs/{run_id}/{do.value}") if do else arena.run(run_id)
        if as_json:
            return show_json(found)
        say(f"Run {run_id} of {found['agent_name']} in {found['space_name']}")
        if follow:
            follow_run(arena, run_id)
        else:
            say(_outcome(found))
    return None


def follow_run(arena: Arena, run_id: int) -> None:
    """Show how far a run is until it is over. Raises ArenaError if it ends without a version."""
    with progress_bar("waiting") as move:
        while (run := arena.run(run_id))["status"] in LIVE:
            done = run["progress"]
            move(run["status"], done.get("step", 0), done.get("steps", 0))
            time.sleep(POLL_SECONDS)
    if run["status"] in LOST:
        raise ArenaError(_outcome(run))
    say(_outcome(run))


def _outcome(run: dict[str, Any]) -> str:
    return f"{run['status']}. {run['reason']}".strip()
