"""Rules about lines and parts."""

import json
import re
from typing import Any

from arena.environments.constraints.checks.finding import Finding, Params, near, plural
from arena.environments.text.markup import Reading
from arena.environments.text.sentences import split_sentences
from arena.environments.text.words import words


def title(params: Params, answer: Reading) -> Finding:
    text = answer.text
    found = re.search(
        "(?:<<|[\u00ab\u300a])([^<>\u00ab\u00bb\u300a\u300b\n]{1,100})(?:>>|[\u00bb\u300b])", text
    )
    if found and words(found[1]) not in ([], ["title"], ["my", "title"]):
        if words(text[: found.start()]) not in ([], ["title"]):  # "Title: <<All About Cats>>"
            return Finding(0.8, "does not begin with its title in <<double angle brackets>>")
        return Finding(1.0, "has a title in <<double angle brackets>>")
    halves = ("<<" in text) + (">>" in text)
    return Finding(0.3 * halves, "has no title in <<double angle brackets>>")


def bullets(params: Params, answer: Reading) -> Finding:
    got = sum(line.is_bullet and bool(words(line.text)) for line in answer.lines)
    wanted = params["n"]
    closeness = near(got, wanted) if got else 0.0
    return Finding(closeness, f"uses {plural(got, 'bullet point')} ({wanted} were asked for)")


def numbered(params: Params, answer: Reading) -> Finding:
    got = [line.number for line in answer.lines if line.number is not None and words(line.text)]
    wanted = params["n"]
    detail = f"has {plural(len(got), 'numbered point')} ({wanted} were asked for)"
    if len(got) == wanted and got != list(range(1, wanted + 1)):
        return Finding(0.8, f"{detail}, and its numbers are out of order")
    return Finding(near(len(got), wanted) if got else 0.0, detail)


def json_keys(params: Params, answer: Reading) -> Finding:
    wanted = params["keys"]
    body = answer.raw
    if body.startswith("`"):
        body = re.sub(r"\Ajson\b", "", body.strip("`"), flags=re.IGNORECASE)
    try:
        value = json.loads(body, object_pairs_hook=_once_each)
    except (ValueError, RecursionError):
        seen = sum(f'"{key}"' in answer.text for key in wanted) / len(wanted)
        return Finding(
            0.25 * answer.text.startswith("{") + 0.25 * seen, "is not valid JSON with each key once"
        )
    if not isinstance(value, dict):
        return Finding(0.2, "is JSON but not an object")
    matching = [key for key in wanted if _is_filled(value.get(key))]
    if len(matching) == len(wanted) == len(value):
        return Finding(1.0, "is a JSON object with the keys that were asked for")
    share = len(matching) / max(len(wanted), len(value))
    return Finding(
        0.5 + 0.4 * share, f"is JSON with {len(matching)} of {plural(len(wanted), 'key')} right"
    )


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a key appears twice")
    return value


def _is_filled(value: object) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    return value is not None and value not in ([], {})


def paragraphs(params: Params, answer: Reading) -> Finding:
    got, is_inside = 0, False
    for line in answer.lines:
        has_words = bool(words(line.text)) and not line.is_heading
        got += has_words and not is_inside
        is_inside = has_words or (is_inside and bool(line.text or line.rule))
    wanted = params["n"]
    return Finding(near(got, wanted), f"has {plural(got, 'paragraph')} ({wanted} were asked for)")


def separator(params: Params, answer: Reading) -> Finding:
    stars = [place for place, line in enumerate(answer.lines) if line.rule == "***"]
    if len(stars) == 1:
        parts = (answer.lines[: stars[0]], answer.lines[stars[0] + 1 :])
        if all(any(words(line.text) for line in part) for part in parts):
            return Finding(1.0, "has two parts with *** between")
    return Finding(0.4 if stars else 0.0, "is not two parts with *** between")


def question(params: Params, answer: Reading) -> Finding:
    if answer.text.rstrip("\"')]} \n\u201d\u00bb").endswith(("?", "\uff1f")):
        return Finding(1.0, "ends with a question mark")
    return Finding(0.5 if "?" in answer.text else 0.0, "does not end with a question mark")


def postscript(params: Params, answer: Reading) -> Finding:
    found = _POSTSCRIPT.search(answer.text)
    if found and words(answer.text[found.end() :]) and words(answer.text[: found.start()]):
        return Finding(1.0, "ends with a postscript")
    partial = 0.5 if re.search(r"\bP\.? ?S\b", answer.text) else 0.0
    return Finding(partial, "has no postscript")


# On a line of its own, or behind the end of a sentence.
_POSTSCRIPT = re.compile(r"(?:^|[.!?\"')\u201d] )[\"'(\[\u201c]?P\.\s?S\.", re.MULTILINE)


def question_answer(params: Params, answer: Reading) -> Finding:
    asks = [_asks(part) for part in split_sentences(answer)]
    if asks[:1] == [True] and not asks[-1]:
        return Finding(1.0, "begins with a question and then answers it")
    partial = 0.5 if True in asks else 0.0
    return Finding(partial, "does not begin with a question and then answer it")


def _asks(sentence: str) -> bool:
    return sentence.rstrip("\"')]} \u201d\u00bb").endswith(("?", "\uff1f"))


def _rows(answer: Reading) -> list[str]:
    """The lines with words; what stands on one line is one."""
    rows: list[str] = []
    for line in answer.lines:
        if line.is_same_row and rows:
            rows[-1] = f"{rows[-1]} {line.text}" if len(rows[-1]) < _LONGEST_ROW else rows[-1]
        elif words(line.text):
            rows.append(line.text)
    return rows


_LONGEST_ROW = 1_000  # characters; so that joining rows takes time linear in the text


def lines(params: Params, answer: Reading) -> Finding:
    got, wanted = len(_rows(answer)), params["n"]
    return Finding(near(got, wanted), f"has {plural(got, 'line')} ({wanted} were asked for)")


def line_ends(params: Params, answer: Reading) -> Finding:
    rows, wanted, mark = _rows(answer), params["n"], params["mark"]
    right = sum(row.endswith(mark) for row in rows)
    share = right / len(rows) if rows else 0.0
    detail = f"has {plural(len(rows), 'line')}, {right} of them with “{mark}” at the end"
    return Finding(share * near(len(rows), wanted), f"{detail} ({wanted} were asked for)")


def labels(params: Params, answer: Reading) -> Finding:
    wanted, rows = params["keys"], _rows(answer)
    filled = {
        label.strip().casefold()
        for label, colon, value in (row.partition(":") for row in rows)
        if colon and words(value)
    }
    got = sum(key.casefold() in filled for key in wanted)
    detail = f"has {got} of {plural(len(wanted), 'label')} on {plural(len(rows), 'line')}"
    return Finding(got / max(len(wanted), len(rows)), detail)


_ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x")


def roman(params: Params, answer: Reading) -> Finding:
    found = [re.match(r"\(?([IVXivx]{1,5})[.):]\s*(?=\S)", row) for row in _rows(answer)]
    got = [each[1].casefold() for each in found if each]
    wanted = params["n"]
    detail = f"has {plural(len(got), 'point')} with a Roman numeral ({wanted} were asked for)"
    if len(got) == wanted and got != list(_ROMAN[:wanted]):
        return Finding(0.8, f"{detail}, and its numerals are out of order")
    return Finding(near(len(got), wanted) if got else 0.0, detail)


def columns(params: Params, answer: Reading) -> Finding:
    rows = [row.strip().strip("|") for row in answer.raw.splitlines()]
    cells = [row.split("|", maxsplit=3) for row in rows if words(row)]
    right = sum(len(each) == 2 and all(map(words, each)) for each in cells)
    share = right / len(cells) if cells else 0.0
    detail = f"has {plural(right, 'line')} with two columns, of {len(cells)}"
    wanted = params["n"]
    return Finding(share * near(len(cells), wanted), f"{detail} ({wanted} were asked for)")
