"""What is printed of a measured judge, and the same as JSON."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from judges.bench.figures import Estimate, Figures

PER_TOKENS = 1_000_000  # prices are for a million tokens


@dataclass(frozen=True)
class Prices:
    """What an endpoint charges for a million tokens, in any currency."""

    prompt: float
    completion: float

    def cost_of(self, figures: Figures) -> float:
        """Of all pairs together."""
        prompt = self.prompt * figures.prompt_tokens
        return (prompt + self.completion * figures.completion_tokens) / PER_TOKENS


def lines(name: str, figures: Figures, prices: Prices | None) -> Iterator[str]:
    """A heading, then one line for each figure."""
    said = figures.pairs - figures.unsaid
    yield f"{name}: {figures.pairs:,} pairs, {said:,} judged"
    for label, estimate, note in (
        ("accuracy, both orders", figures.accuracy, "a tie counts half"),
        ("  better answer first", figures.chosen_first, ""),
        ("  better answer second", figures.chosen_second, ""),
        ("right in both orders", figures.right_twice, "of pairs judged in both"),
        ("ties", figures.ties, "of what it said, counted half above"),
        ("follows position", figures.follows_position, "the same seat wins in both orders"),
        ("prefers the longer", figures.prefers_longer, "of what it decided"),
        ("length bias", figures.length_bias, "how much oftener than the longer one is right"),
    ):
        yield f"  {label:24}{_percent(estimate, is_signed=label == 'length bias')}{_after(note)}"
    yield f"  {'could not say':24}{_share(figures.unsaid, figures.pairs)}{_half(figures)}"
    for reason, count in figures.reasons.items():
        yield f"    {count:,} x {reason or 'no reason'}"
    yield f"  {'seconds for a pair':24}{_number(figures.seconds, '.2f')}"
    if figures.requests:
        each = max(figures.pairs, 1)
        yield (
            f"  {'for a pair':24}{figures.requests / each:,.1f} requests, "
            f"{figures.prompt_tokens / each:,.0f} prompt and "
            f"{figures.completion_tokens / each:,.0f} completion tokens"
        )
        cost = cost_of(figures, prices)
        told = (
            "not known: give --prompt-price and --completion-price"
            if cost is None
            else f"{cost:,.4f} in all, {cost / each:.6f} for a pair"
        )
        yield f"  {'cost':24}{told}"


def as_json(figures: Figures, prices: Prices | None) -> dict[str, Any]:
    """The same for programs; shares are fractions of 1."""
    return {**asdict(figures), "cost": cost_of(figures, prices)}


def cost_of(figures: Figures, prices: Prices | None) -> float | None:
    """At these prices, else at those of the endpoints' rows; None if nobody knows a price."""
    if prices is not None:
        return prices.cost_of(figures)
    return figures.cost_micros / 1_000_000 if figures.cost_micros else None


def _percent(estimate: Estimate | None, *, is_signed: bool) -> str:
    if estimate is None:
        return "no pair tells"
    sign = "+" if is_signed else ""
    value, low, high = (
        f"{100 * part:{sign}.1f}" for part in (estimate.value, estimate.low, estimate.high)
    )
    return f"{value}% [{low}, {high}] of {estimate.count:,}"


def _number(estimate: Estimate | None, form: str) -> str:
    if estimate is None:
        return "no pair tells"
    low = max(0.0, estimate.low)
    return f"{estimate.value:{form}} [{low:{form}}, {estimate.high:{form}}]"


def _share(count: int, pairs: int) -> str:
    return f"{count:,} of {pairs:,} pairs"


def _half(figures: Figures) -> str:
    return f", and one order of {figures.half_said:,} more" if figures.half_said else ""


def _after(note: str) -> str:
    return f"  ({note})" if note else ""
