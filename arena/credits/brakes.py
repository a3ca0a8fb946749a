"""What an autopilot does next: enter a Space, wait, or stop because a brake holds. Pure.

The limits are the owner's. `decide` is asked again under the locks of whoever acts on it, so that no
limit is passed, whoever else acts at the same moment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from agents.errors import Refused
from arena.credits.amounts import in_credits
from arena.states import AdoptionRule, Brake

# A refund costs nothing, so no other limit ends a row of them. The last rest is followed by the stop.
RESTS_AFTER_UNPLAYED = tuple(timedelta(minutes=each) for each in (1, 4, 16, 60))
LOOK_AGAIN = timedelta(seconds=30)  # at what others may change at any moment
ASK_AGAIN = timedelta(minutes=15)  # whether what kept it out of every Space has passed
# What may be chosen for each limit; `at_once` has its bound from the rule on entries.
RANGES: Mapping[str, tuple[int, int]] = {
    "fee_credits": (0, 10_000),
    "matches": (1, 1_000),
    "matches_a_day": (1, 1_000),
    "spend_a_day_credits": (0, 100_000),
    "stop_loss_credits": (0, 100_000),
    "take_profit_credits": (1, 100_000),
}
WOKEN = timedelta(days=1)  # until then somebody wakes it, who knows when there is something to do


class BadLimits(Refused):
    """AutopilotLimits that cannot be, or that contradict each other; `problems` has a sentence by name."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(" ".join(problems.values()))
        self.problems = problems


@dataclass(frozen=True)
class AutopilotLimits:
    """What the owner allows. Days are those of UTC, from midnight to midnight."""

    fee_credits: int  # for one match
    matches: int  # since it was switched on
    matches_a_day: int
    at_once: int  # agents of the owner that wait or play, this one included
    spend_a_day_credits: int  # on fees, whatever is won
    stop_loss_credits: int  # since it was switched on
    take_profit_credits: int | None  # since it was switched on; None: no limit
    adoption: AdoptionRule


@dataclass(frozen=True)
class ChosenSpace:
    """A Space that the owner chose, as it is now."""

    space_id: int
    name: str
    fee_credits: int
    is_open: bool
    refusal: str = ""  # why the agent as it is cannot enter
    may_pass: bool = False  # whether that may change by itself
    waits_for_training: bool = False  # of this agent, which trains now
    entered_at: datetime | None = None  # the last time, since it was switched on


@dataclass(frozen=True)
class Record:
    """What the autopilot has done, and how its agent and owner stand.

    Entries that were not played count as if they had not been made. "Today" is the day of `now`.
    """

    matches: int  # since it was switched on, the one under way included
    net_credits: int  # since then; the fee of a match under way is spent
    matches_today: int
    spent_today_credits: int
    available_credits: int  # the owner's
    live_of_owner: int  # agents of the owner that wait or play
    is_busy: bool  # this agent waits or plays
    may_be_paid: bool = False  # something of the owner's under way may bring credits
    has_adopted: bool = False  # since it was switched on
    is_retired: bool = False
    unplayed_in_a_row: int = 0
    unplayed_at: datetime | None = None
    unplayed_reason: str = ""


@dataclass(frozen=True)
class EnterNow:
    """Enter this Space at this fee."""

    space_id: int
    fee_credits: int


@dataclass(frozen=True)
class Wait:
    """Look again then, or when something happens before."""

    until: datetime
    reason: str


@dataclass(frozen=True)
class Stop:
    """A brake holds; only the owner switches the autopilot on again."""

    brake: Brake
    reason: str


Decision = EnterNow | Wait | Stop


def day_of(now: datetime) -> tuple[datetime, datetime]:
    """Midnight before and after, in UTC."""
    begin = datetime.combine(now.astimezone(UTC).date(), time(), tzinfo=UTC)
    return begin, begin + timedelta(days=1)


def problems_with(
    limits: AutopilotLimits, choices: Sequence[ChosenSpace], *, most_at_once: int
) -> dict[str, str]:
    """A sentence for each limit that cannot be, or that contradicts another; by its name."""
    problems = {}
    for name, (low, high) in {**RANGES, "at_once": (1, most_at_once)}.items():
        value = getattr(limits, name)
        if value is not None and not low <= value <= high:
            problems[name] = f"Choose a number from {low:,} to {high:,}."
    if problems:
        return problems
    if not choices:
        problems["spaces"] = "Choose at least one Space that it may enter."
    if limits.matches_a_day > limits.matches:
        problems["matches_a_day"] = (
            f"That is more than the {_matches(limits.matches)} that you allow in all."
        )
    for choice in choices:
        costs = f"One match in {choice.name} costs {in_credits(choice.fee_credits)}"
        if choice.fee_credits > limits.fee_credits:
            problems["fee_credits"] = f"{costs}; with this limit it would never enter it."
        if choice.fee_credits > limits.spend_a_day_credits:
            problems["spend_a_day_credits"] = f"{costs}; this would not pay for a single one."
        if choice.fee_credits > limits.stop_loss_credits:
            problems["stop_loss_credits"] = f"{costs}; this would stop it before its first match."
    return problems


def decide(
    limits: AutopilotLimits, record: Record, choices: Sequence[ChosenSpace], *, now: datetime
) -> Decision:
    """What to do now."""
    return (
        _done(limits, record, choices)
        or _undisturbed(limits, record, now)
        or _choose(limits, record, choices, now)
    )


def _done(limits: AutopilotLimits, record: Record, choices: Sequence[ChosenSpace]) -> Stop | None:
    """The brakes that end it also while it waits for something."""
    if record.is_retired:
        return Stop(Brake.RETIRED, "The agent was retired.")
    if not any(each.is_open for each in choices):
        return Stop(Brake.SPACES_CLOSED, _closed(choices))
    if limits.adoption == AdoptionRule.STOP_AFTER and record.has_adopted:
        return Stop(Brake.ADOPTED, "A new version was adopted, and you told it to stop then.")
    target = limits.take_profit_credits
    if target is not None and record.net_credits >= target:
        return Stop(
            Brake.TAKE_PROFIT,
            f"It has earned {in_credits(record.net_credits)}, and you set a take-profit of {target:,}.",
        )
    if record.matches >= limits.matches and not record.is_busy:
        return Stop(Brake.MATCHES, f"It has played {_matches(limits.matches)}, all you allowed.")
    return None


def _undisturbed(limits: AutopilotLimits, record: Record, now: datetime) -> Decision | None:
    """What keeps it from entering anything for now, whatever the Space."""
    tomorrow = day_of(now)[1]
    if record.is_busy:
        return Wait(now + LOOK_AGAIN, "It waits for a match or plays one.")
    if limits.adoption == AdoptionRule.WAIT_FOR and not record.has_adopted:
        return Wait(now + WOKEN, "It waits until a new version is adopted.")
    if record.unplayed_in_a_row > len(RESTS_AFTER_UNPLAYED):
        return Stop(
            Brake.UNPLAYED,
            f"{record.unplayed_in_a_row} entries in a row were not played. The last one: "
            f"{record.unplayed_reason}",
        )
    if record.unplayed_in_a_row and record.unplayed_at:
        rested = record.unplayed_at + RESTS_AFTER_UNPLAYED[record.unplayed_in_a_row - 1]
        if now < rested:
            return Wait(rested, f"Its last entry was not played: {record.unplayed_reason}")
    if record.matches_today >= limits.matches_a_day:
        played = _matches(record.matches_today)
        return Wait(tomorrow, f"It has played {played} today; it goes on after midnight, UTC.")
    if record.live_of_owner >= limits.at_once:
        return Wait(now + LOOK_AGAIN, "As many of your agents are busy as you allow at once.")
    return None


def _choose(
    limits: AutopilotLimits, record: Record, choices: Sequence[ChosenSpace], now: datetime
) -> Decision:
    """The Space that it has not entered for longest, among those that every limit allows."""
    before = [each for each in choices if each.is_open]
    # Fees may have changed since the limits were set.
    most = min(limits.fee_credits, limits.spend_a_day_credits)
    left = [each for each in before if each.fee_credits <= most]
    if not left:
        dear = _cheapest(before)
        return Stop(
            Brake.FEE,
            f"{dear.name} now costs {in_credits(dear.fee_credits)}, and you allow at most "
            f"{most:,} for a match.",
        )
    before, left = left, [each for each in left if not each.refusal]
    if not left:
        if passing := [each.refusal for each in before if each.may_pass]:
            return Wait(now + ASK_AGAIN, passing[0])
        return Stop(Brake.REFUSED, before[0].refusal)
    to_lose = limits.stop_loss_credits + record.net_credits
    before, left = left, [each for each in left if each.fee_credits <= to_lose]
    if not left:
        fee = _cheapest(before).fee_credits
        return Stop(
            Brake.STOP_LOSS,
            f"The next match costs {in_credits(fee)}. If it were lost, it would be down by "
            f"{fee - record.net_credits:,}, past your stop-loss of {limits.stop_loss_credits:,}.",
        )
    to_spend = limits.spend_a_day_credits - record.spent_today_credits
    left = [each for each in left if each.fee_credits <= to_spend]
    if not left:
        spent = in_credits(record.spent_today_credits)
        return Wait(day_of(now)[1], f"It has spent {spent} today; it goes on after midnight, UTC.")
    left = [each for each in left if not each.waits_for_training]
    if not left:
        return Wait(now + LOOK_AGAIN, "It trains, and its Spaces wait for that.")
    before, left = left, [each for each in left if each.fee_credits <= record.available_credits]
    if not left:
        short = (
            f"You have {in_credits(record.available_credits)}, and its next match costs "
            f"{_cheapest(before).fee_credits:,}."
        )
        if record.may_be_paid:
            return Wait(now + LOOK_AGAIN, f"{short} Matches or runs under way may bring some.")
        return Stop(Brake.CREDITS, f"{short} Top up, then switch it on again.")
    first = min(left, key=_turn)
    return EnterNow(first.space_id, first.fee_credits)


def _turn(choice: ChosenSpace) -> tuple[float, int]:
    return (choice.entered_at.timestamp() if choice.entered_at else 0.0, choice.space_id)


def _cheapest(choices: Sequence[ChosenSpace]) -> ChosenSpace:
    return min(choices, key=lambda each: each.fee_credits)


def _closed(choices: Sequence[ChosenSpace]) -> str:
    if len(choices) == 1:
        return f"{choices[0].name} was closed."
    return "All Spaces that you chose were closed."


def _matches(count: int) -> str:
    return f"{count:,} match{'' if count == 1 else 'es'}"
