"""Judges, and how far they can be trusted."""

from urllib.parse import quote

import typer

from rlfc.terminal import AsJson, arena_of_login, say, show_json, show_table, told

app = typer.Typer()


@app.command()
@told
def judges(as_json: AsJson = False) -> None:
    """Who judges here, and with what figures."""
    with arena_of_login() as arena:
        found = arena.get("/judges")
    if as_json:
        return show_json(found)
    rows = [(one["slug"], one["name"], one["standing"], f"{one['trust']:.2f}") for one in found]
    return show_table(("Judge", "", "", "Trust"), rows)


@app.command()
@told
def judge(slug: str, as_json: AsJson = False) -> None:
    """A judge: what it is asked, how it was calibrated, and what fooled it."""
    with arena_of_login() as arena:
        found = arena.get(f"/judges/{quote(slug, safe='')}")
    if as_json:
        return show_json(found)
    view, attacks = found["judge"]["summary"], found["attacks"]
    say(f"{view['name']}: {view['description']} It is {view['standing']}.")
    say(f"{attacks['fooled']} of {attacks['trials']} attacks fooled it.")
    rows = [(one["attack"], one["fooled"], one["trials"]) for one in attacks["lines"]]
    return show_table(("Attack", "Fooled", "Of"), rows, nothing="None is known to work.")
