"""What a selection comes to before it is exported: how many pairs, how they are spread, and some of them.

A page asks at each change of a filter, so no query may take long: up to COUNTED pairs are counted, and
beyond that, or after PATIENCE_MS, a sample of all pairs says how many there are about.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import floor, log10
from typing import Any

from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet

from training.data.positions import asked_task
from training.data.provenance import own_answer
from training.exports.rows import chosen_pairs
from training.exports.selection import Selection
from training.gate.bootstrap import wilson
from training.models import Pair

COUNTED = 10_000
SAMPLED = 20_000  # of all pairs, whoever's they are
PATIENCE_MS = 1_500  # for each of at most two queries
SHOWN = 10
SHOWN_CHARS = 1_200  # of a task or an answer
# Bounds of the bins of the longer answer's surplus, in tokens.
_STEPS = (1, 9, 17, 33, 65)
_MARGIN_BINS = 10


@dataclass(frozen=True)
class Bin:
    """One bar of a histogram: what its values are, and how many there are."""

    label: str
    count: int


@dataclass(frozen=True)
class LongerWon:
    """Of the pairs whose answers differ in length, the share whose longer answer is the better one."""

    share: float
    low: float  # of its 95% interval
    high: float
    pairs: int


@dataclass(frozen=True)
class PreviewPair:
    """A pair to be looked at: its texts are untrusted, and cut at SHOWN_CHARS."""

    match_id: int
    round_number: int
    space: str
    task: str
    chosen: str
    rejected: str
    is_cut: bool  # the worse answer, at its maximum length
    margin: float
    agreement: float


@dataclass(frozen=True)
class Summary:
    """A selection's figures; `seen` is the number of pairs that they rest on."""

    count: int | None  # None: it took too long to tell
    is_estimate: bool
    seen: int
    prompts: int
    spaces: int
    longer_won: LongerWon | None
    lengths: tuple[Bin, ...]  # better less worse answer, in tokens
    margins: tuple[Bin, ...]
    preview: tuple[PreviewPair, ...]


@dataclass(frozen=True)
class _Row:
    pair_id: int
    space_id: int
    prompt_key: object
    margin: float
    chosen_length: int
    rejected_length: int


def summary(selection: Selection, viewer: int) -> Summary:
    """The figures of what the viewer would get. The selection has passed `check`."""
    rows, count, is_estimate = _found(selection, viewer)
    newest = sorted((row.pair_id for row in rows), reverse=True)[:SHOWN]
    return Summary(
        count=count,
        is_estimate=is_estimate,
        seen=len(rows),
        prompts=len({row.prompt_key for row in rows}),
        spaces=len({row.space_id for row in rows}),
        longer_won=_longer_won(rows),
        lengths=_lengths(rows),
        margins=_margins(rows),
        preview=_preview(newest),
    )


def about_count(selection: Selection, owner_id: int) -> int | None:
    """About how many pairs the owner would get; None: it takes too long to tell. For the system."""
    _, count, _ = _found(selection, owner_id)
    return count


def soon_counted(rows: QuerySet[Any]) -> int | None:
    """How many there are; None: it takes too long to tell."""
    try:
        with _impatient():
            return rows.count()
    except OperationalError:
        return None


def _found(selection: Selection, viewer: int) -> tuple[list[_Row], int | None, bool]:
    """Rows to look at, how many there are, and whether that is an estimate."""
    pairs = chosen_pairs(selection, viewer)
    rows = _read(pairs[: COUNTED + 1])
    if rows is not None and len(rows) <= COUNTED:
        return rows, len(rows), False
    total, sample = _sample()
    rows = _read(pairs.filter(id__in=sample)) if sample else None
    if rows is None:
        return [], None, True
    return rows, _about(len(rows) / len(sample) * total), True


def _read(pairs: QuerySet[Pair]) -> list[_Row] | None:
    """None: it takes too long."""
    fields = ("id", "space_id", "prompt_key", "margin", "chosen_length", "rejected_length")
    try:
        with _impatient():
            return [_Row(*values) for values in pairs.values_list(*fields)]
    except OperationalError:
        return None


@contextmanager
def _impatient() -> Iterator[None]:
    """Few rows are read, each by its key: a join of whole tables would first read all the others."""
    with transaction.atomic(), connection.cursor() as cursor:
        settings = {
            "statement_timeout": PATIENCE_MS,
            "enable_hashjoin": "off",
            "enable_mergejoin": "off",
        }
        for name, value in settings.items():
            cursor.execute(f"SET LOCAL {name} = {value}")
        yield
        for name in settings:
            cursor.execute(f"SET LOCAL {name} TO DEFAULT")


def _sample() -> tuple[float, list[int]]:
    """About how many pairs there are, and the ids of some of them: the same ones each time."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT greatest(reltuples, 0) FROM pg_class WHERE relname = 'training_pair'"
        )
        (total,) = cursor.fetchone()
        percent = min(100.0, 100 * SAMPLED / total) if total else 100.0
        cursor.execute(
            "SELECT id FROM training_pair TABLESAMPLE SYSTEM (%s) REPEATABLE (21) LIMIT %s",
            [percent, 2 * SAMPLED],
        )
        ids = [found for (found,) in cursor.fetchall()]
    return max(total, len(ids)), ids


def _longer_won(rows: Sequence[_Row]) -> LongerWon | None:
    differences = [row.chosen_length - row.rejected_length for row in rows]
    unlike = [one for one in differences if one]
    if not unlike:
        return None
    share = sum(one > 0 for one in unlike) / len(unlike)
    return LongerWon(share, *wilson(share, len(unlike)), len(unlike))


def _lengths(rows: Sequence[_Row]) -> tuple[Bin, ...]:
    """Surplus of the better answer; pairs of before lengths were noted are left out."""
    bins: Counter[int] = Counter()
    for row in rows:
        if row.chosen_length:
            surplus = row.chosen_length - row.rejected_length
            place = sum(abs(surplus) >= step for step in _STEPS)
            bins[place if surplus > 0 else -place] += 1
    places = range(-len(_STEPS), len(_STEPS) + 1)
    return tuple(Bin(_surplus(place), bins[place]) for place in places)


def _surplus(place: int) -> str:
    """From 9 to 16 tokens shorter: −16 to −9."""
    size = abs(place)
    if not size:
        return "0"
    sign = "+" if place > 0 else "−"
    if size == len(_STEPS):
        return f"{sign}{_STEPS[-1]} or more"
    ends = [_STEPS[size - 1], _STEPS[size] - 1]
    return " to ".join(f"{sign}{end}" for end in (ends if place > 0 else reversed(ends)))


def _margins(rows: Sequence[_Row]) -> tuple[Bin, ...]:
    bins = Counter(min(floor(row.margin * _MARGIN_BINS), _MARGIN_BINS - 1) for row in rows)
    return tuple(
        Bin(f"{place / _MARGIN_BINS:.1f} to {(place + 1) / _MARGIN_BINS:.1f}", bins[place])
        for place in range(_MARGIN_BINS)
    )


def _preview(ids: Sequence[int]) -> tuple[PreviewPair, ...]:
    long = ("prompt_token_ids", "token_ids", "logprobs", "allowed_token_ids", "chunk_times")
    pairs = (
        Pair.objects.filter(id__in=ids)
        .select_related("space", "round", "chosen", "rejected")
        .defer(*(f"{answer}__{name}" for answer in ("chosen", "rejected") for name in long))
    )
    return tuple(
        PreviewPair(
            match_id=pair.round.match_id,
            round_number=pair.round.number,
            space=pair.space.name,
            task=_short(asked_task(own_answer(pair), pair.round).prompt),
            chosen=_short(pair.chosen.text),
            rejected=_short(pair.rejected.text),
            is_cut=pair.is_cut,
            margin=pair.margin,
            agreement=pair.agreement,
        )
        for pair in pairs.order_by("-id")
    )


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}…"


def _about(count: float) -> int:
    """To two digits."""
    if count < 10:
        return round(count)
    step = 10 ** (floor(log10(count)) - 1)
    return int(round(count / step) * step)
