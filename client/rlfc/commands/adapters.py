"""Weights that one takes home, or brings in."""

from pathlib import Path
from typing import Annotated

import typer

from rlfc.commands.learning import Follow, follow_run
from rlfc.terminal import AsJson, arena_of_login, download_bar, say, show_json, told

app = typer.Typer()
of_adapter = typer.Typer(no_args_is_help=True, help="Weights, taken home or brought in.")
app.add_typer(of_adapter, name="adapter")


@of_adapter.command()
@told
def download(
    agent: str,
    version: Annotated[int | None, typer.Option(help="Else the one that plays.")] = None,
    out: Annotated[
        Path, typer.Option(help="The folder for its files; with .zip at its end: one file.")
    ] = Path("adapter"),
) -> None:
    """Fetch a version's adapter, as PeftModel.from_pretrained and vLLM load it."""
    with arena_of_login() as arena, download_bar("adapter") as tell:
        agent_id = arena.agent(agent)["agent_id"]
        arena.save_adapter(agent_id, out, number=version, tell=tell)
    say(f"{out} is whole.")


@of_adapter.command()
@told
def upload(
    agent: str,
    space: Annotated[str, typer.Argument(help="Whose gate judges it.")],
    source: Annotated[Path, typer.Argument(help="A folder as PEFT saves it, or a zip file.")],
    follow: Follow = True,
    key: Annotated[
        str, typer.Option(help="Of an earlier try, a version 4 UUID: it is not paid again.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Bring an adapter in as a new version, which holds the price of its gate."""
    with arena_of_login() as arena:
        agent_id = arena.agent(agent)["agent_id"]
        with download_bar("upload") as tell:
            run = arena.upload_adapter(agent_id, source, space=space, key=key, tell=tell)
        if as_json:
            return show_json(run)
        say(f"Version {run['child_number']} of {agent} waits for the gate.")
        say(f"Run {run['run_id']} is {run['status']}  {arena.url}/runs/{run['run_id']}/")
        if follow:
            follow_run(arena, run["run_id"])
    return None
