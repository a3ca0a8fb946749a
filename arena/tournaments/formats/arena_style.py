"""Arena style: for a window of time, whoever is free is paired again, as on lichess. Pure.

A win brings two points and a draw one. After two wins in a row, both count double until the next
match that is not won. Free entrants meet those near them in the standings, and not the same one twice
in a row while anybody else may become free. Places: points, wins, fewer matches, seed.
"""

from dataclasses import replace

from arena.states import Outcome
from arena.tournaments.formats.field import Field, Meeting, Placing, placing

POINTS = {Outcome.FIRST: 2, Outcome.DRAW: 1, Outcome.SECOND: 0}
WINS_BEFORE_DOUBLE = 2
MAX_MEETINGS_EACH = 20


def next_meetings(field: Field, *, is_open: bool) -> tuple[Meeting, ...]:
    """What can be played now; nothing once the window has closed."""
    if not is_open:
        return ()
    free = _free(field)
    if len(free) % 2:
        # Who has played most waits; of those, the last.
        free.remove(max(reversed(free), key=lambda seed: len(field.meetings_of(seed))))
    pairs, waiting = [], free
    while waiting:
        first, *others = waiting
        met = _last_opponent(field, first)
        second = next((seed for seed in others if seed != met), None)
        waiting = [seed for seed in others if seed != second]
        if second is not None:
            pairs.append((first, second))
        elif others and not pairs and not field.playing:
            pairs.append((first, others[0]))  # nobody else is left to wait for
            waiting = []
    start = len(field.meetings)
    return tuple(
        Meeting(1, start + number, first, second) for number, (first, second) in enumerate(pairs)
    )


def placings(field: Field) -> tuple[Placing, ...]:
    """Best first, for what has ended so far."""
    lines = [_line(field, seed) for seed in field.seeds]
    lines.sort(
        key=lambda line: (
            -line.points,
            -line.wins,
            line.wins + line.draws + line.losses,
            line.seed,
        )
    )
    return tuple(replace(line, place=place) for place, line in enumerate(lines, start=1))


def _line(field: Field, seed: int) -> Placing:
    points = streak = 0
    for _, outcome in field.results_of(seed):
        if outcome == Outcome.VOID:
            continue
        points += POINTS[outcome] * (2 if streak >= WINS_BEFORE_DOUBLE else 1)
        streak = streak + 1 if outcome == Outcome.FIRST else 0
    return placing(field, seed, points=points, streak=streak)


def _free(field: Field) -> list[int]:
    """Who may be paired, best placed first."""
    busy = field.playing | field.withdrawn
    return [
        line.seed
        for line in placings(field)
        if line.seed not in busy and len(field.meetings_of(line.seed)) < MAX_MEETINGS_EACH
    ]


def _last_opponent(field: Field, seed: int) -> int | None:
    played = field.meetings_of(seed)
    return played[-1].opponent_of(seed) if played else None
