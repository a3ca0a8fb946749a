"""Data that one takes home."""

from pathlib import Path
from typing import Annotated

import typer

from rlfc.terminal import (
    arena_of_login,
    download_bar,
    say,
    told,
)

app = typer.Typer()


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
