"""Rules that no match uses: what is learned elsewhere shows in them, or does not."""

from random import Random
from typing import Any

from arena.environments.constraints.checks import characters, layouts, lengths, wording
from arena.environments.constraints.checks.finding import Params
from arena.environments.constraints.rules.draws import count, nothing
from arena.environments.constraints.rules.rule import Aspect, Rule

_SHAPED = frozenset([Aspect.COUNT])


def _is_no_letter_of(params: Params, name: str) -> bool:
    return params["letter"] not in name


def _draw_line_ends(rng: Random) -> dict[str, Any]:
    return {"n": rng.randrange(3, 6), "mark": rng.choice((";", "!", "..."))}


UNSEEN_RULES: dict[str, Rule] = {
    "paragraphs": Rule(
        count(2, 3),
        ("Write exactly {n} paragraphs with a blank line between them.",),
        layouts.paragraphs,
        settles=_SHAPED,
        is_long=True,
    ),
    "separator": Rule(
        nothing,
        ("Write two short parts with a line of three stars (***) between them.",),
        layouts.separator,
        settles=_SHAPED,
    ),
    "question": Rule(nothing, ("End your answer with a question mark.",), layouts.question),
    "capitalized": Rule(
        nothing, ("Start every word with a capital letter.",), characters.capitalized
    ),
    "postscript": Rule(
        nothing,
        ("Add a postscript at the end that starts with P.S.",),
        layouts.postscript,
        settles=_SHAPED,
    ),
    "no_letter": Rule(
        lambda rng: {"letter": rng.choice("bgjkpqvxz")},
        ('Do not use the letter "{letter}" anywhere.',),
        characters.no_letter,
        suits=_is_no_letter_of,
    ),
    "iso_date": Rule(
        nothing,
        ("Include a date in the form YYYY-MM-DD, such as 2024-05-31.",),
        characters.iso_date,
    ),
    "ellipsis": Rule(nothing, ("Use an ellipsis (...) exactly once.",), characters.ellipsis),
    "first_last": Rule(
        nothing, ("Begin and end your answer with the same word.",), wording.first_last
    ),
    "roman": Rule(
        count(2, 5),
        ("Answer with a list of exactly {n} points with Roman numerals: I., II. and so on.",),
        layouts.roman,
        settles=_SHAPED,
        is_long=True,
        is_list=True,
    ),
    "columns": Rule(
        count(2, 4),
        ('Write exactly {n} lines, each with two columns and the sign "|" between them.',),
        layouts.columns,
        settles=_SHAPED,
        is_list=True,
    ),
    "line_ends": Rule(
        _draw_line_ends,
        ('Write exactly {n} lines and end each of them with "{mark}".',),
        layouts.line_ends,
        settles=_SHAPED,
        is_long=True,
        is_list=True,
    ),
    "short_sentences": Rule(
        lambda rng: {"n": rng.randrange(4, 7), "most": 8},
        ("Use at least {n} sentences, and at most {most} words in each of them.",),
        lengths.short_sentences,
        settles=_SHAPED,
        is_long=True,
    ),
}
