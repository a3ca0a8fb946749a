"""An answer as a person reads it: its lines, without the markup that draws them.

Read is what models write of Markdown (https://spec.commonmark.org/0.31.2/) and HTML: emphasis,
headings, list markers, block quotes, code fences, tables, links, escapes, entities. What a page
would not show (comments, link targets, images) is not read. Each step takes time linear in the
text; a parser of all of Markdown would take indented verse for code and <<A Title>> for a tag.
What decided between the readings: docs/decisions/reading-answers.md
"""

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from arena.environments.text.words import words
from judges.fencing import INVISIBLE

# Answers in matches have at most a few hundred tokens; the rest is ignored.
MAX_TEXT_CHARACTERS = 4_000
MAX_HEADING_WORDS = 12  # a longer line is text, however it is printed


@dataclass(frozen=True)
class Line:
    """One line or list item; without text, it is blank or a rule."""

    text: str
    is_bullet: bool = False
    number: int | None = None  # of a numbered point
    is_heading: bool = False  # stands over text and is no sentence of it
    rule: str = ""  # "***", "---", ...
    is_same_row: bool = False  # written behind the item before it, on the same line

    @property
    def is_item(self) -> bool:
        return self.is_bullet or self.number is not None


@dataclass(frozen=True)
class Reading:
    """What every check of an answer gets."""

    raw: str  # as it was written, without invisible characters
    lines: tuple[Line, ...]

    @cached_property
    def text(self) -> str:
        """The lines as they are read, without list markers and rules."""
        return "\n".join(line.text for line in self.lines).strip()


def read(text: str, *, limit: int = MAX_TEXT_CHARACTERS) -> Reading:
    """The first `limit` characters of an answer as a person reads them."""
    raw = INVISIBLE.sub("", text[:limit]).strip()
    shown = _ESCAPE.sub(_as_plain, raw.translate(_NO_STAND_INS))
    shown = _TAG.sub(_in_place_of_tag, _HIDDEN.sub("", shown))
    shown = _LINK.sub(r"\1", _IMAGE.sub("", shown))
    lines: list[Line] = []
    is_counting = False
    for row in shown.splitlines():
        lines += _lines(row, is_counting=is_counting)
        is_counting = is_counting or (bool(lines) and lines[-1].number is not None)
    return Reading(raw, tuple(_settled(lines)))


# --- marks that may stand anywhere -----------------------------------------------------------

# An escaped mark is a plain character: a stand-in of the private use area hides it from the steps
# that read marks.
_STAND_INS = {mark: chr(0xE000 + ord(mark)) for mark in "*_~`[]<>&|#\\"}
_NO_STAND_INS = dict.fromkeys(map(ord, _STAND_INS.values()))
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
_HIDDEN = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style|template)\b.*?(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE
)
# Only tags that models write; a title in <<double brackets>> is none.
_TAG = re.compile(
    r"(?<!<)<(/?)(a|b|big|blockquote|br|center|code|del|div|em|font|h[1-6]|hr|i|ins|li|mark|ol|p|pre|s"
    r"|small|span|strong|sub|sup|table|tbody|td|th|thead|tr|u|ul)(?:\s[^<>]*)?/?>(?!>)",
    re.IGNORECASE,
)
_BREAKING = re.compile("br|blockquote|div|h[1-6r]|li|ol|p|pre|table|tr|ul")
_TARGET = r"\((?:<[^<>\n]*>|(?:[^()<>\s]|\([^()\s]*\))*)(?:[ \t]+\"[^\"\n]*\")?\)"
_IMAGE = re.compile(
    rf"!\[[^\[\]\n]*\]{_TARGET}|^[ \t]*\[[^\[\]\n]+\]:[ \t]+\S+(?:[ \t]+\"[^\"\n]*\")?$",
    re.MULTILINE,
)
_LINK = re.compile(rf"\[([^\[\]\n]*)\](?:{_TARGET}|\[[^\[\]\n]*\])")
_RUN = re.compile(r"\*+|_+|~~+|`+")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_PRINTED = (
    dict.fromkeys(map(ord, "\u2018\u2019\u201b\u2032\u02bc\uff07"), "'")
    | dict.fromkeys(map(ord, "\u201f\u2033\uff02"), '"')
    | dict.fromkeys([0xA0, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000], " ")
    | {ord(stand_in): mark for mark, stand_in in _STAND_INS.items()}
)


def _as_plain(found: re.Match[str]) -> str:
    return _STAND_INS.get(found[1], found[1])


def _in_place_of_tag(found: re.Match[str]) -> str:
    name = found[2].casefold()
    if name == "li" and not found[1]:
        return "\n- "
    return "\n" if _BREAKING.fullmatch(name) else ""


def _printed(row: str) -> str:
    """The row without emphasis and code marks, entities decoded, apostrophes and blanks plain."""
    marked = _RUN.sub(lambda found: found[0] if _is_sign(found) else "", row)
    text = _ENTITY.sub(lambda found: " ".join(html.unescape(found[0]).split("\n")), marked)
    return INVISIBLE.sub("", text.translate(_PRINTED)).strip().rstrip("\\").rstrip()


def _is_sign(found: re.Match[str]) -> bool:
    """Whether stars or underscores are no emphasis: "2 * 3", "2*3", "snake_case"."""
    row, run = found.string, found[0]
    before = row[max(0, found.start() - 1) : found.start()]
    after = row[found.end() : found.end() + 1]
    if run[0] == "_":
        return before.isalnum() and after.isalnum()
    if run == "*" and before.isdigit() and after.isdigit():
        return True
    return run[0] == "*" and not before.strip() and not after.strip()


# --- lines ---------------------------------------------------------------------------------

_FENCE = re.compile(r"(?:```+|~~~+)[ \t]*[\w+.#-]*")
_SIGNS = (
    "\u2022\u2023\u25e6\u2043\u2219\u00b7\u25aa\u25ab\u25cf\u25cb\u25a0"
    "\u25b6\u25ba\u27a4\u27a2\u2192\u2713\u2714\u2705\u279c\u27a1\u2b50\U0001f449\U0001f538\U0001f539"
)
_BULLET = re.compile(
    rf"(?:[-*+\u2013\u2014{_SIGNS}]\ufe0f?(?=[ \t])|[-{_SIGNS}](?=[\"\u201c(\[*]?[^\W\d_]))"
    r"[ \t]*(?:\[[ xX]\][ \t]+)?"
)
_HEADING = re.compile(r"#{1,6}(?:[ \t]+|$)")
_BOLD = re.compile(r"(?:\*\*[^*]+\*\*|__[^_]+__)[ \t]*:?")
_LABEL = re.compile(r"title[ \t]*:|\S+(?:[ \t]\S+)?:$", re.IGNORECASE)  # "Bees:"
_NUMBER = re.compile(
    r"(?:(?:#|no\.|(?:fact|item|number|point|reason|step|thing|tip)\b)[ \t]*)?[(\[]?(\d{1,2})"
    r"(?:[ \t]?[.)\]:]{1,2}-?(?=\s+\S)|[.)](?=[\"\u201c]?[^\W\d_])|\ufe0f?\u20e3[.:]?"
    r"|[ \t]+[-\u2013](?=[ \t]+[^\W\d_]))[ \t]*",
    re.IGNORECASE,
)
_NEXT_NUMBER = re.compile(r"(?<!\S)\(?(\d{1,2})[.)](?:[ \t]+(?=\S)|(?=[^\W\d_]))")
_NEXT_BULLET = re.compile(rf"(?:(?<=[.!?;:])[ \t]+[-*]|[ \t][{_SIGNS}])[ \t]+")


def _lines(row: str, *, is_counting: bool) -> Iterator[Line]:
    """A row's line, or its items; after a numbered point, any number may mark another one."""
    row = row.strip()
    if row.startswith(">"):
        row = row.lstrip("> \t")
    if _FENCE.fullmatch(row):
        return
    if row.startswith("|") and row.endswith("|"):
        row = " ".join(row.strip("|").split("|"))
        if not row.strip(" -:"):
            return
    rule = "".join(row.translate(_PRINTED).split())
    if len(rule) >= 3 and rule[0] in "*-_=" and not rule.strip(rule[0]):
        yield Line("", rule=rule)
        return
    bullet = _BULLET.match(row)
    row = row[bullet.end() :] if bullet else row
    heading = _HEADING.match(row)
    row = row[heading.end() :].rstrip("# \t") if heading else row
    is_heading = bool(heading or _BOLD.fullmatch(row) or _LABEL.match(row))
    text = _printed(row)
    if not bullet and (bullet := _BULLET.match(text)):  # "**- Purr**", "&bull; Purr"
        text = text[bullet.end() :]
    number = _NUMBER.match(text)
    if number and not is_counting and int(number[1]) != 1:
        number = None  # "7. That is the answer."
    if number:
        text = text[number.end() :]
    first = Line(
        text,
        is_bullet=bullet is not None,
        number=int(number[1]) if number else None,
        is_heading=is_heading and not number and not bullet,
    )
    yield from _apart(first)


def _apart(line: Line) -> Iterator[Line]:
    """The items of a list that stands on one line: "1. Purr. 2. Nap."."""
    cuts, wanted = [], line.number + 1 if line.number is not None else 1
    for found in _NEXT_NUMBER.finditer(line.text):
        if int(found[1]) == wanted:
            cuts.append(found)
            wanted += 1
    is_list = len(cuts) >= (1 if line.number is not None else 2)
    if is_list:
        yield from _items(line, cuts)
        return
    bullets = list(_NEXT_BULLET.finditer(line.text))
    if len(bullets) >= (1 if line.is_bullet else 2):
        yield from _items(line, bullets)
    else:
        yield line


def _items(line: Line, cuts: list[re.Match[str]]) -> Iterator[Line]:
    yield replace(line, text=line.text[: cuts[0].start()].rstrip())
    ends = [*(found.start() for found in cuts[1:]), len(line.text)]
    for found, end in zip(cuts, ends, strict=True):
        number = int(found[1]) if found.re is _NEXT_NUMBER else None
        yield Line(
            line.text[found.end() : end].strip(),
            is_bullet=number is None,
            number=number,
            is_same_row=True,
        )


def _settled(lines: Sequence[Line]) -> Iterator[Line]:
    """The lines; a heading counts as one only if it stands over text, is short and no sentence."""
    is_text_below = False
    settled: list[Line] = []
    for place in reversed(range(len(lines))):
        line = lines[place]
        around = lines[max(0, place - 1) : place + 2]
        underlined = around[-1].rule.startswith("=") and bool(line.text)
        is_title = (
            (underlined or (line.is_heading and sum(each.is_heading for each in around) == 1))
            and is_text_below
            and len(words(line.text)) <= MAX_HEADING_WORDS
            and not line.text.endswith((".", "!", "?"))
        )
        is_text_below = is_text_below or (bool(words(line.text)) and not is_title)
        settled.append(line if line.is_heading == is_title else replace(line, is_heading=is_title))
    return reversed(settled)
