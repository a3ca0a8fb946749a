"""The sections of a match's page: rendered once for each event and process, for all viewers.

Nothing in them depends on the viewer. What is only for an owner carries the owner's name and is
hidden: `for_viewer` uncovers it in a page, and the page's script in what a socket brings.
Why: docs/decisions/live-drawings.md
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from agents.errors import NotAvailable
from arena.live.painter import Drawing
from arena.queries import (
    MatchSnapshot,
    News,
    match_seq,
    match_snapshot,
    news_since,
    public_draw,
    round_view,
    settlement_of,
)
from arena.states import RoundStatus
from frontend.sharing import Shared

MAX_BYTES = 32_000_000  # in each web process
# Each event has fragments of its own. What changes without one, as a name, shows as late as this.
KEEP_SECONDS = 60.0
SNAPSHOT_BYTES = 4_000


@dataclass(frozen=True)
class Fragment:
    """HTML of one section of the page, and the snapshot that it shows."""

    html: SafeString
    snapshot: MatchSnapshot
    etag: str


fragments: Shared[Fragment] = Shared(
    max_bytes=MAX_BYTES,
    keep_seconds=KEEP_SECONDS,
    size_of=lambda fragment: len(fragment.html) * 2 + SNAPSHOT_BYTES,
)


def summary_fragment(match_id: int) -> Fragment:
    """Standing, result and tabs. Raises NotAvailable."""
    return _summary(match_id, match_seq(match_id))


def round_fragment(match_id: int, number: int) -> Fragment:
    """A round's task and answers; number 0: what stands there before the first round.

    Raises NotAvailable.
    """
    seq = match_seq(match_id)
    return _round(_summary(match_id, seq).snapshot, number, seq)


def draw(match_id: int, after: int) -> Drawing:
    """The summary, and the rounds that changed after that event. Raises NotAvailable.

    Of an episode there are only the turns after that event, so that each costs the same; and
    nothing of the summary if nothing but turns was added.
    """
    seq = match_seq(match_id)
    summary = _summary(match_id, seq)
    snapshot = summary.snapshot
    # It may be newer, and an end under a number that is known already would be told to nobody.
    seq = max(seq, snapshot.seq)
    changed = {number for number, last in enumerate(snapshot.round_seqs, start=1) if last > after}
    if not snapshot.is_live and seq > after:
        # An end without a result leaves rounds open, which now say so.
        changed |= _rounds_in(snapshot, RoundStatus.PLAYING, RoundStatus.JUDGING)
        if not snapshot.latest_round:
            changed.add(0)  # what stands there before the first round
    news = News({}, is_only_turns=False)
    if after and changed & snapshot.episodes:
        news = news_since(match_id, after)
    return Drawing(
        seq=seq,
        is_over=not snapshot.is_live,
        playing=_rounds_in(snapshot, RoundStatus.PLAYING) if snapshot.is_live else frozenset(),
        decided=_rounds_in(snapshot, RoundStatus.DECIDED) & changed,
        summary="" if news.is_only_turns else summary.html,
        rounds={
            number: _round(snapshot, number, seq, news.known_turns.get(number, 0)).html
            for number in sorted(changed)
        },
    )


def draw_round(match_id: int, number: int, seq: int) -> str:
    """A whole round as of that event or a little later. Raises NotAvailable."""
    return _round(_summary(match_id, seq).snapshot, number, seq).html


def _rounds_in(snapshot: MatchSnapshot, *states: RoundStatus) -> frozenset[int]:
    numbered = enumerate(snapshot.round_states, start=1)
    return frozenset(number for number, state in numbered if state in states)


def for_viewer(html: SafeString, *, username: str, number: int) -> SafeString:
    """The fragment with what is for that user uncovered, and with the tab of that round marked."""
    # Safe: quotes in names and answers are escaped, so nothing but our own markup can match.
    owners = format_html('data-for-owner="{}"', username)
    tab = f'data-round-tab="{number}"'
    marked = html.replace(f"{owners} hidden", owners) if username else str(html)
    return mark_safe(marked.replace(tab, f'{tab} aria-current="true"'))  # noqa: S308 see above


def _summary(match_id: int, seq: int) -> Fragment:
    def render() -> Fragment:
        snapshot = match_snapshot(match_id)
        settlement = None if snapshot.is_live else settlement_of(match_id)
        draw = public_draw(match_id)
        context = {"match": snapshot, "settlement": settlement, "draw": draw}
        return _fragment("matches/summary.html", context, snapshot)

    return fragments.get((match_id, seq, "summary"), render)


def _round(snapshot: MatchSnapshot, number: int, seq: int, known_turns: int = 0) -> Fragment:
    if not 0 <= number <= snapshot.round_count:
        raise NotAvailable("There is no such round.")

    def render() -> Fragment:
        view = round_view(snapshot.match_id, number, known_turns=known_turns) if number else None
        context = {"match": snapshot, "round": view, "number": number}
        return _fragment("matches/round_section.html", context, snapshot)

    return fragments.get((snapshot.match_id, seq, number, known_turns), render)


def _fragment(template: str, context: Mapping[str, object], snapshot: MatchSnapshot) -> Fragment:
    html = render_to_string(template, dict(context))
    return Fragment(html, snapshot, f'"{sha256(html.encode()).hexdigest()[:32]}"')
