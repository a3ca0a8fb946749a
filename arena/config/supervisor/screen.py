"""Shows the supervised parts' states: a live table on a terminal, else a line per change."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from arena.config.supervisor.child import State, Status

Progress = Callable[[Sequence[Status]], None]
COLOURS = {
    State.WAITING: "dim",
    State.STARTING: "yellow",
    State.READY: "green",
    State.RESTARTING: "red",
    State.STOPPED: "dim",
}


@contextmanager
def progress_on(console: Console) -> Iterator[Progress]:
    """Yield a function that shows the given statuses; call it as often as you like."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    with Live(console=console, auto_refresh=False) as live:
        yield lambda statuses: live.update(_table(statuses), refresh=True)


def _table(statuses: Sequence[Status]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    for status in statuses:
        colour = COLOURS[status.state]
        seconds = f"{status.seconds:.0f} s" if status.seconds else ""
        detail = escape(status.detail) if status.state is not State.READY else ""
        table.add_row(status.name, f"[{colour}]{status.state}[/]", seconds, detail)
    return table


class _Lines:
    """Prints a part's line when its state changes, or why it died."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: dict[str, State] = {}

    def __call__(self, statuses: Sequence[Status]) -> None:
        for status in statuses:
            if self._shown.get(status.name) is status.state or status.state is State.WAITING:
                continue
            self._shown[status.name] = status.state
            after = f" after {status.seconds:.1f} s" if status.state is State.READY else ""
            detail = f": {status.detail}" if status.state is State.RESTARTING else ""
            self._console.print(
                f"{status.name} {status.state}{after}{detail}", highlight=False, markup=False
            )
