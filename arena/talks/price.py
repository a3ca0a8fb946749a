"""What a talk costs: a credit buys many tokens, and those that are left pay for later talks. Pure."""

from dataclasses import dataclass
from math import ceil

# As practice is charged: for 100 answers, each as long as an agent's longest.
TOKENS_A_UNIT = 100 * 256


@dataclass(frozen=True)
class Cover:
    """What pays for a talk: tokens that were paid for earlier, and units that are held."""

    set_aside_tokens: int
    held_units: int

    def units_of(self, used_tokens: int) -> int:
        """How many of the held units are to be paid for this use."""
        return min(_units(used_tokens - self.set_aside_tokens), self.held_units)


def cover(most_tokens: int, *, free_tokens: int) -> Cover:
    """For a talk of at most so many tokens, with `free_tokens` paid for and not set aside."""
    set_aside = max(0, min(most_tokens, free_tokens))
    return Cover(set_aside, _units(most_tokens - set_aside))


def _units(tokens: int) -> int:
    return ceil(max(0, tokens) / TOKENS_A_UNIT)
