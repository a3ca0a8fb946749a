"""Shares of a whole that a setting allows. Pure."""

from math import floor


def share_of(count: int, share: float) -> int:
    """So many of `count`, rounded down."""
    return floor(count * share + 1e-9)


def coded_beside(others: int, *, share: float, coded: int) -> int:
    """How many of `coded` pairs may stand beside `others`, if they may be this share of all."""
    return coded if share == 1 else min(coded, share_of(others, share / (1 - share)))
