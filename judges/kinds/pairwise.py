"""An LLM compares pairs of answers, each pair in both orders.

Even strong judges favour a position: where the two orders disagree, the pair is a tie. Where one
of the two could not be read, nothing is known of the pair, and it is left out. A seat's score is
its share of the points of its pairs that were read (win 1, tie 1/2).
Why: docs/decisions/judge-order.md
"""

import asyncio
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from pydantic import Field

from judges.kinds.comparing import Layout, in_list_order
from judges.kinds.config import ModelConfig
from judges.parsing import INVISIBLE, Choice, parse_verdict
from judges.tools import CannotJudge, ChatRequest, ToolFailed, Tools
from judges.transcript import Answer, Ballot, Comparisons, Transcript

MAX_REPLY_TOKENS = 200
# Of each seat's pairs; with fewer, its score would say whom it met rather than how well it did.
MIN_READ_SHARE = 2 / 3
_CONCURRENT_REQUESTS = 8  # of at most 56: 8 seats, each pair in both orders

Pair = tuple[Answer, Answer]


class PairwiseConfig(ModelConfig):
    """What a pairwise judge's `config` may set."""

    max_listed_characters: int = Field(
        6_000,
        ge=0,
        le=400_000,
        title="Longest list of answers",
        description="Characters of the task and all answers up to which every question shows all "
        "answers of the round, which servers that cache prompts read much faster. Above it, and "
        "always at 0, a question shows the two answers that it compares and no other.",
    )


async def vote(config: PairwiseConfig, transcript: Transcript, tools: Tools) -> Ballot:
    if len(transcript.answers) < 2:
        raise CannotJudge("there is nothing to compare")
    layout = Layout(
        transcript.prompt,
        in_list_order([answer for answer in transcript.answers if _says_something(answer)]),
        nonce=tools.nonce(),
        max_listed_characters=config.max_listed_characters,
    )
    # Every pair: with only some of them, a seat's share would depend on whom it met. Pairs that
    # share their first answer come together, for the server's cache.
    answers = sorted(transcript.answers, key=lambda answer: answer.seat)
    pairs = list(combinations(answers, 2))
    orders: dict[tuple[int, int], int] = {}
    slots = asyncio.Semaphore(_CONCURRENT_REQUESTS)
    faults: list[str] = []

    async def ask(first: Answer, second: Answer) -> Choice | None:
        request = ChatRequest(layout.render(first, second), max_tokens=MAX_REPLY_TOKENS)
        try:
            async with slots:
                reply = await tools.complete(request)
        except ToolFailed as fault:
            faults.append(str(fault))
            return None
        choice = parse_verdict(reply.text, is_cut=reply.is_cut)
        if choice is not None:
            orders[first.seat, second.seat] = (choice == Choice.A) - (choice == Choice.B)
        return choice

    async def compare(pair: Pair) -> int | None:
        first, second = pair
        if not (_says_something(first) and _says_something(second)):
            # A blank answer loses to one with words; models are fooled by blanks and lone marks.
            return _says_something(first) - _says_something(second)
        forward = await ask(first, second)
        return None if forward is None else _preference(forward, await ask(second, first))

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(compare(pair)) for pair in pairs]
    found = {
        (first.seat, second.seat): preference
        for (first, second), task in zip(pairs, tasks, strict=True)
        if (preference := task.result()) is not None
    }
    seats = [answer.seat for answer in answers]
    games = Counter(seat for pair in found for seat in pair)
    if min(games[seat] for seat in seats) < MIN_READ_SHARE * (len(seats) - 1):
        why = f"; {faults[0]}" if faults else ""
        raise CannotJudge(
            f"too few of its comparisons could be read: {len(found)} of {len(pairs)}{why}"
        )
    return replace(_tally(seats, found, games), orders=orders)


def _says_something(answer: Answer) -> bool:
    return re.search(r"\w", INVISIBLE.sub("", answer.text)) is not None


def _preference(forward: Choice, backward: Choice | None) -> int | None:
    """Of the first answer over the second, asked about in both orders; None: not read."""
    match forward, backward:
        case _, None:
            return None
        case Choice.A, Choice.B:
            return 1
        case Choice.B, Choice.A:
            return -1
        case _:
            return 0


def _tally(seats: Sequence[int], found: Comparisons, games: Mapping[int, int]) -> Ballot:
    wins = Counter(pair[preference < 0] for pair, preference in found.items() if preference)
    ties = Counter(seat for pair, preference in found.items() if not preference for seat in pair)

    def reason(seat: int) -> str:
        unread = len(seats) - 1 - games[seat]
        end = f"; {unread} more could not be read." if unread else "."
        return f"Wins {wins[seat]} of {games[seat]} comparisons, {ties[seat]} undecided{end}"

    return Ballot(
        scores={seat: (wins[seat] + ties[seat] / 2) / games[seat] for seat in seats},
        reasons={seat: reason(seat) for seat in seats},
        checks={},
        comparisons=found,
    )
