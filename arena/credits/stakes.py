"""What the house stakes in a match. Pure. Why it is bounded: docs/decisions/farming.md"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True)
class HouseStake:
    """What each house seat stakes, and what of it counts for each owner in the match."""

    fee_credits: int
    share_credits: int


def house_stake(
    fee_credits: int,
    *,
    house_seats: int,
    used_credits: Iterable[int],
    bound_credits: int,
) -> HouseStake:
    """The whole fee for each house seat, or nothing if that would pass an owner's bound.

    `used_credits` has one item for each owner in the match: the shares of the day so far.
    """
    used = list(used_credits)
    share = ceil(fee_credits * house_seats / len(used))
    if any(each + share > bound_credits for each in used):
        return HouseStake(0, 0)
    return HouseStake(fee_credits, share)
