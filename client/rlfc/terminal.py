"""What a terminal shows: sentences, tables, JSON and bars; and how a command ends that is refused."""

import json
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Annotated, Any, NoReturn, ParamSpec

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from rlfc.arena import Arena
from rlfc.connection import ArenaError
from rlfc.downloads import Tell

LONG_WAIT_SECONDS = 5.0  # of which one is told
INTERRUPTED = 130  # the exit status, as shells expect it
# They turn the order of what follows around, up to names that look like others.
TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)
P = ParamSpec("P")

AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]


def plain(value: object) -> str:
    """What others wrote, without what would command the terminal."""
    return "".join(
        "\ufffd"
        if one in TURNING or (unicodedata.category(one) == "Cc" and one not in "\n\t")
        else one
        for one in str(value)
    )


def minute_of(time: str | None) -> str:
    """A time of the arena, in UTC, to the minute."""
    return (time or "")[:16].replace("T", " ")


def say(*parts: object, style: str = "", end: str = "\n") -> None:
    """A line; whatever stands in it is text, and no markup."""
    console.print(Text(" ".join(map(plain, parts)), style=style), end=end, soft_wrap=True)


def show_json(value: Any) -> None:
    """One value in a line of its own; it escapes what would command the terminal."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def show_table(
    heads: Sequence[str], rows: Iterable[Sequence[object]], *, nothing: str = "Nothing."
) -> None:
    """Cells are shown as they are; a line instead, if there are no rows."""
    table = table_of(heads, rows)
    if table.row_count:
        console.print(table)
    else:
        say(nothing)


def table_of(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    table = Table(*heads, box=None)
    for row in rows:
        table.add_row(*(Text(plain("" if cell is None else cell)) for cell in row))
    return table


def told(command: Callable[P, None]) -> Callable[P, None]:
    """A refusal is a sentence and exit status 1; Ctrl-C ends quietly, unless there is a key to name."""

    @wraps(command)
    def inner(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except ArenaError as error:
            refuse(str(error))
        except KeyboardInterrupt as interrupt:
            refuse(str(interrupt), status=INTERRUPTED)

    return inner


def refuse(sentence: str, *, status: int = 1) -> NoReturn:
    """End the command with that exit status, and with the sentence if there is one."""
    if sentence:
        errors.print(Text(plain(sentence), style="red"), soft_wrap=True)
    raise typer.Exit(status) from None


@contextmanager
def arena_of_login() -> Iterator[Arena]:
    """The arena that commands ask; long waits are told."""

    def tell(seconds: float) -> None:
        if seconds >= LONG_WAIT_SECONDS:
            errors.print(f"The arena is busy or away: trying again in {seconds:.0f} seconds.")

    with Arena.of_login() as arena:
        arena.connection.on_wait = tell
        yield arena


@contextmanager
def progress_bar(noun: str) -> Iterator[Callable[[str, float, float], None]]:
    """A bar that hears what is done, how much, and of how much; of 0: nobody knows."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True) as progress:
        bar = progress.add_task(plain(noun), total=None)

        def move(words: str, done: float, size: float) -> None:
            progress.update(bar, description=plain(words), completed=done, total=size or None)

        yield move


@contextmanager
def download_bar(noun: str) -> Iterator[Tell]:
    """A bar that hears of the bytes of a download."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=errors, transient=True) as progress:
        bar = progress.add_task(plain(noun), total=None)
        yield lambda done, size: progress.update(bar, completed=done, total=size or None)
