"""What a match did to a rating, in one sentence and one picture."""

from collections.abc import Sequence
from dataclasses import dataclass

from arena.queries.matches import RatingStep, SeatView
from arena.states import INTERVAL_SIGMAS
from frontend import charts

UNCHANGED = 0.05  # less than the last digit that is shown


@dataclass(frozen=True)
class ExplainedRating:
    """One seat's change, with its intervals before and after on the axis of all."""

    seat: SeatView
    step: RatingStep
    sentence: str
    before: charts.Interval
    after: charts.Interval
    opponents: tuple[SeatView, ...]


def explained(seats: Sequence[SeatView]) -> tuple[ExplainedRating, ...]:
    """The rated seats, best place first."""
    steps = [
        (seat, seat.rating)
        for seat in sorted(seats, key=lambda seat: (seat.standing, seat.index))
        if seat.rating is not None
    ]
    ends = [_ends(step.mu_before, step.started_sigma) for _, step in steps]
    ends += [_ends(step.mu_after, step.sigma_after) for _, step in steps]
    drawn = charts.intervals(ends)
    return tuple(
        ExplainedRating(
            seat=seat,
            step=step,
            sentence=sentence(seat, step, [other for other, _ in steps if other is not seat]),
            before=drawn[number],
            after=drawn[number + len(steps)],
            opponents=tuple(other for other, _ in steps if other is not seat),
        )
        for number, (seat, step) in enumerate(steps)
    )


def decimal(value: float, *, places: int = 1) -> str:
    """With a real minus sign, and none before a zero."""
    return f"{value:z.{places}f}".replace("-", "−")


def sentence(seat: SeatView, step: RatingStep, others: Sequence[SeatView]) -> str:
    """Why the rating moved, and how well it is known now."""
    name, change = seat.competitor.name, step.mu_after - step.mu_before
    if step.is_fixed:
        return f"{name} stays at {decimal(step.mu_after)}: its strength never changes, so others are measured by it."
    known = f"its rating is now known to within {INTERVAL_SIGMAS * step.sigma_after:.1f}"
    if step.widened_sigma is not None:
        before = INTERVAL_SIGMAS * step.widened_sigma
        known = f"{known}, after its new version had widened that to {before:.1f}"
    if abs(change) < UNCHANGED:
        return f"{name} stayed at {decimal(step.mu_after)}: {_why_little(seat, step, others)}; {known}."
    verb = "gained" if change > 0 else "lost"
    return f"{name} {verb} {_points(abs(change))}: {_why(seat, step, others, change)}; {known}."


def _why(seat: SeatView, step: RatingStep, others: Sequence[SeatView], change: float) -> str:
    """The results that moved it this way; the surprising ones first."""
    if change > 0:
        told = [other for other in others if other.standing > seat.standing]
        surprising = [other for other in told if _mu(other) > step.mu_before]
        verb, side = "beat", "above"
    else:
        told = [other for other in others if other.standing < seat.standing]
        surprising = [other for other in told if _mu(other) < step.mu_before]
        verb, side = "lost to", "below"
    if surprising:
        return f"it {verb} {_agents(len(surprising))} rated {side} it"
    if told:
        return f"it {verb} {_agents(len(told))}"
    tied = sum(other.standing == seat.standing for other in others)
    return f"it drew with {_agents(tied)}" if tied else "its place was not the expected one"


def _why_little(seat: SeatView, step: RatingStep, others: Sequence[SeatView]) -> str:
    if step.weight < 1:
        return "opponents that it meets often or whose owners are new count little"
    return f"its place was about what {_agents(len(others))} of these ratings let expect"


def _mu(seat: SeatView) -> float:
    assert seat.rating is not None, "only rated seats are compared"
    return seat.rating.mu_before


def _ends(mu: float, sigma: float) -> tuple[float, float, float]:
    return mu - INTERVAL_SIGMAS * sigma, mu, mu + INTERVAL_SIGMAS * sigma


def _points(value: float) -> str:
    return f"{value:.1f} point" if f"{value:.1f}" == "1.0" else f"{value:.1f} points"


def _agents(count: int) -> str:
    words = ("no", "one", "two", "three", "four", "five", "six", "seven")
    return f"{words[count]} agent{'' if count == 1 else 's'}"
