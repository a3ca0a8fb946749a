"""Amounts of credits in words. Pure."""


def in_credits(count: int) -> str:
    """1 credit, 1,234 credits."""
    return f"{count:,} credit{'' if count == 1 else 's'}"
