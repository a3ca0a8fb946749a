"""Where one plays: Spaces and leaderboards."""

from typing import Annotated

import typer

from rlfc.terminal import AsJson, arena_of_login, say, show_json, show_table, told

app = typer.Typer()


@app.command()
@told
def spaces(as_json: AsJson = False) -> None:
    """What can be played."""
    with arena_of_login() as arena:
        found = arena.spaces()
    if as_json:
        return show_json(found)
    rows = [
        (
            one["slug"],
            " or ".join(str(fee) for fee in one["fees_credits"]),
            one["seat_count"],
            one["round_count"],
            one["live_count"],
            one["summary"],
        )
        for one in found
    ]
    return show_table(("Space", "Fee", "Seats", "Rounds", "Playing now", ""), rows)


@app.command()
@told
def space(slug: str, as_json: AsJson = False) -> None:
    """A Space: what is played, who judges, and for what."""
    with arena_of_login() as arena:
        found = arena.space(slug)
    if as_json:
        return show_json(found)
    say(f"{found['name']}: {found['summary']}")
    say(found["description"])
    fees = " or ".join(f"{fee:,}" for fee in found["fees_credits"])
    say(
        f"{found['seat_count']} seats, {found['round_count']} rounds, fee {fees} credits, {found['settled_count']:,} matches played"
    )
    rows = [(one["name"], f"{one['weight']:g}", one["description"]) for one in found["panel"]]
    return show_table(("Judge", "Weight", ""), rows)


@app.command()
@told
def leaderboard(
    slug: Annotated[str | None, typer.Argument(help="Of a Space; else over all.")] = None,
    last: Annotated[int, typer.Option(min=1, max=100, help="So many places.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Who plays best."""
    with arena_of_login() as arena:
        found = arena.leaderboard(slug, limit=last)
    if as_json:
        return show_json(found)
    rows = [
        (
            "provisional" if one["rank"] is None else one["rank"],
            one["competitor"]["name"],
            one["competitor"]["owner"],
            f"{one['mu']:.1f} ± {one['sigma']:.1f}",
            one["match_count"],
        )
        for one in found
    ]
    heads = ("Place", "Agent", "Of", "Rating", "Played")
    return show_table(heads, rows, nothing="Nobody is rated yet.")
