"""`rlfc`: the arena in a terminal."""

import typer

from rlfc.commands import (
    account,
    adapters,
    agents,
    datasets,
    judges,
    learning,
    play,
    spaces,
    tournaments,
)

app = typer.Typer(
    no_args_is_help=True,
    help="The arena in a terminal.",
    add_completion=False,
    pretty_exceptions_show_locals=False,  # the token is among them
)
for commands in (account, agents, spaces, play, tournaments, judges, learning, adapters, datasets):
    app.add_typer(commands.app)

if __name__ == "__main__":
    app()
