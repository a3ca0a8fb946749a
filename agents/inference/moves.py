"""Listed moves as tokens, and how one of them is drawn. Pure.

The moves form a tree: each has one spelling, the tokens of its text and the token that ends a turn.
What is drawn is one token after another among those that go on with a move. Why:
docs/decisions/restricted-moves.md
"""

from collections.abc import Mapping, Sequence
from math import exp, fsum, log

MAX_MOVES = 256
MAX_MOVE_TOKENS = 16  # without the end of the turn


class MoveTree:
    """Moves by their spellings."""

    def __init__(self, moves: Mapping[tuple[int, ...], str]) -> None:
        self.moves = moves

    def after(self, begun: Sequence[int]) -> tuple[int, ...]:
        """The tokens that go on with a move after these, ascending; () when one is complete."""
        place, beginning = len(begun), tuple(begun)
        return tuple(
            sorted(
                {ids[place] for ids in self.moves if len(ids) > place and ids[:place] == beginning}
            )
        )


def problem_with_choices(choices: Sequence[str]) -> str:
    """A sentence if a seat cannot choose among these; else empty."""
    if len(choices) > MAX_MOVES:
        return f"A seat can choose among at most {MAX_MOVES} moves; here are {len(choices)}."
    return "" if all(choices) else "A move to choose cannot be empty."


def problem_with_tokens(move: str, ids: Sequence[int]) -> str:
    """A sentence if the move's spelling is too long; else empty."""
    tokens = len(ids) - 1
    if tokens > MAX_MOVE_TOKENS:
        return f"A move to choose can have at most {MAX_MOVE_TOKENS} tokens; {move[:40]!r} has {tokens}."
    return ""


def normalised(logprobs: Mapping[int, float]) -> dict[int, float]:
    """The natural logarithms shifted so that the probabilities of these tokens add up to 1."""
    most = max(logprobs.values())
    total = most + log(fsum(exp(value - most) for value in logprobs.values()))
    return {token: value - total for token, value in logprobs.items()}


def draw(logprobs: Mapping[int, float], *, temperature: float, at: float) -> int:
    """The token at `at`, in [0, 1), of the distribution at this temperature; at 0 the likeliest."""
    most = max(logprobs.values())
    if not temperature:
        return next(token for token, value in logprobs.items() if value == most)
    weights = {token: exp((value - most) / temperature) for token, value in logprobs.items()}
    left = at * fsum(weights.values())
    for token, weight in weights.items():
        if left < weight:
            return token
        left -= weight
    return max(weights, key=weights.__getitem__)  # rounding ate the rest
