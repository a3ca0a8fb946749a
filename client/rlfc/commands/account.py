"""Logging in, and what is one's own: the token, credits."""

import sys
from itertools import islice
from typing import Annotated, Any

import typer

from rlfc.arena import Arena
from rlfc.connection import ArenaError
from rlfc.settings import forget_login, keep_login, read_login
from rlfc.terminal import AsJson, arena_of_login, minute_of, say, show_json, show_table, told

app = typer.Typer()


@app.command()
@told
def login(
    url: Annotated[
        str, typer.Option(envvar="RLFC_URL", help="Of the arena, such as https://arena.example.")
    ],
) -> None:
    """Keep the address and a token for later commands, once the arena accepts them.

    The token comes from the page “API tokens” of your account. It is asked for, or read from what is
    piped in; it is never an argument, which others on the machine could read.
    """
    token = _given_token()
    with Arena(url, token) as arena:
        account = arena.get("/account")
    file = keep_login(url, token)
    say(f"Welcome, {account['username']}. Kept in {file}.")


def _given_token() -> str:
    token = typer.prompt("Token", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline()
    if not token.strip():
        raise ArenaError("Give a token: type it, or pipe it in.")
    return str(token).strip()


@app.command()
@told
def logout() -> None:
    """Forget the address and the token. The token stays valid until you revoke it on its page."""
    say("Forgotten." if forget_login() else "There was no login.")


@app.command()
@told
def token(as_json: AsJson = False) -> None:
    """Whom your token speaks for, what it may do, and until when."""
    with arena_of_login() as arena:
        account = arena.get("/account")
    if as_json:
        return show_json(account)
    say(f"{account['username']} at {read_login()[0]}, by the token “{account['token_name']}”.")
    say(f"It may: {', '.join(account['scopes'])}.")
    say(f"Valid until {account['expires_at'] or 'it is revoked'}.")
    return None


@app.command()
@told
def wallet(as_json: AsJson = False) -> None:
    """Your credits."""
    with arena_of_login() as arena:
        balance = arena.wallet()
    if as_json:
        return show_json(balance)
    say(f"{balance['available']:,} credits available, {balance['held']:,} held")
    return None


@app.command()
@told
def statement(
    last: Annotated[int, typer.Option(min=1, help="So many lines.")] = 20, as_json: AsJson = False
) -> None:
    """What moved your credits, newest first."""
    with arena_of_login() as arena:
        lines = list(islice(arena.pieces("/wallet/statement"), last))
    if as_json:
        return show_json(lines)
    rows = [(minute_of(line["at"]), f"{line['change_credits']:+,}", _why(line)) for line in lines]
    return show_table(("When", "Credits", "Why"), rows, nothing="Nothing has moved yet.")


@app.command()
@told
def top_up(
    credits: int,
    key: Annotated[
        str, typer.Option(help="Of an earlier try, a version 4 UUID: it is not added again.")
    ] = "",
) -> None:
    """Top up with sandbox credits, where the arena gives them."""
    with arena_of_login() as arena:
        balance = arena.top_up(credits, key=key)
    say(f"{balance['available']:,} credits available")


def _why(line: dict[str, Any]) -> str:
    return f"{line['title']} {line['detail']}{' (held)' if line['is_hold'] else ''}".strip()
