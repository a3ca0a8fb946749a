"""An LLM compares pairs of answers, each pair in both orders.

Even strong judges favour a position: where the two orders disagree, the pair is a tie. Where one
of the two could not be read, even when asked again, nothing is known of the pair, and it is left out.
A seat's score is its share of the points of its pairs that were read: win 1, tie 1/2. Where the server
tells how likely each choice was, a win counts as the mean of both orders' log-odds says: 1/2 to 1.
Why: docs/decisions/judge-order.md
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import exp, fsum
from typing import Any

from pydantic import Field

from judges.asking import ask
from judges.fencing import says_something
from judges.kinds.comparing import Layout, VerdictForm, in_list_order
from judges.kinds.config import ModelConfig
from judges.kinds.prompts import reference_for
from judges.parsing import Choice, ReadChoice, Unreadable, read_verdict, read_verdict_object
from judges.tools import CannotJudge, ChatRequest, Reply, ToolFailed, Tools
from judges.transcript import Answer, Ballot, Transcript

PROMPTS = (
    "listed_system.txt",
    "listed_user.txt",
    "pairwise_system.txt",
    "pairwise_user.txt",
    "reference.txt",
    "verdict_json.txt",
    "verdict_line.txt",
)
MAX_REPLY_TOKENS = 200
# Of each seat's pairs; with fewer, its score would say whom it met rather than how well it did.
MIN_READ_SHARE = 2 / 3
# A judge that chooses one position in both orders of so many of at least so many pairs reads nothing.
MAX_POSITION_SHARE = 0.9
MIN_POSITION_PAIRS = 3
_CONCURRENT_REQUESTS = 8  # of at most 56: 8 seats, each pair in both orders
_LIKELIEST = 20
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "reason": {"type": "string"},
        "verdict": {"type": "string", "enum": [choice.value for choice in Choice]},
    },
    "required": ["reason", "verdict"],
    "additionalProperties": False,
}

Pair = tuple[Answer, Answer]
_SAID = {Choice.A: 1, Choice.B: -1}  # as in judges.transcript.Ballot.orders


class PairwiseConfig(ModelConfig):
    """What a pairwise judge's `config` may set."""

    verdict_form: VerdictForm = Field(
        VerdictForm.LINE,
        title="Form of the verdict",
        description="line: reasons, then a last line with the verdict. json: an object, held to its "
        "schema by servers that can.",
    )
    has_log_probabilities: bool = Field(
        True,
        title="Log-probabilities",
        description="Ask how likely each choice was, so that a sure win counts more than a narrow "
        "one. Servers that do not tell are not asked again.",
    )
    max_listed_characters: int = Field(
        6_000,
        ge=0,
        le=400_000,
        title="Longest list of answers",
        description="Characters of the task and all answers up to which every question shows all "
        "answers of the round, which servers that cache prompts read much faster. Above it, and "
        "always at 0, a question shows the two answers that it compares and no other.",
    )
    has_reference: bool = Field(
        False,
        title="Reference answer",
        description="Show the model the environment's own answer to the task; without one the "
        "judge abstains.",
    )


@dataclass(frozen=True)
class Comparison:
    """What is known of a pair: which is better, and how many points of 1 the first one gets."""

    preference: int  # 1, 0 or -1, as in judges.transcript.Comparisons
    points: float


async def vote(config: PairwiseConfig, transcript: Transcript, tools: Tools) -> Ballot:
    if len(transcript.answers) < 2:
        raise CannotJudge("there is nothing to compare")
    layout = Layout(
        transcript.prompt,
        in_list_order([answer for answer in transcript.answers if says_something(answer.text)]),
        nonce=tools.nonce(),
        max_listed_characters=config.max_listed_characters,
        max_answer_characters=config.max_answer_characters,
        verdict_form=config.verdict_form,
        reference=reference_for(config.has_reference, transcript.reference),
    )
    asker = _Asker(config, transcript.answers, layout, tools)
    ballot = await asker.ballot(is_repeat=False)
    if favoured_position(ballot) is not None:
        ballot = await asker.ballot(is_repeat=True)
    if (position := favoured_position(ballot)) is not None:
        raise CannotJudge(
            f"it chose answer {position} in nearly all comparisons, whichever answer that was"
        )
    return ballot


def favoured_position(ballot: Ballot) -> Choice | None:
    """The position that the judge chose in both orders of (nearly) all pairs, if any."""
    pairs = [(first, second) for first, second in ballot.orders if first < second]
    stuck = Counter(
        ballot.orders[first, second]
        for first, second in pairs
        if ballot.orders[first, second] == ballot.orders.get((second, first))
    )
    for position, said in _SAID.items():
        if len(pairs) >= MIN_POSITION_PAIRS and stuck[said] >= MAX_POSITION_SHARE * len(pairs):
            return position
    return None


class _Asker:
    """The questions of one vote."""

    def __init__(
        self, config: PairwiseConfig, answers: Sequence[Answer], layout: Layout, tools: Tools
    ) -> None:
        self._config, self._layout, self._tools = config, layout, tools
        self._answers = sorted(answers, key=lambda answer: answer.seat)
        self._slots = asyncio.Semaphore(_CONCURRENT_REQUESTS)

    async def ballot(self, *, is_repeat: bool) -> Ballot:
        """Every pair: with only some of them, a seat's share would depend on whom it met.

        Pairs that share their first answer come together, for the server's cache.
        """
        faults: list[str] = []
        orders: dict[tuple[int, int], int] = {}

        async def asked(first: Answer, second: Answer) -> ReadChoice | None:
            try:
                reading = await self._ask(first, second, is_repeat=is_repeat)
            except (ToolFailed, Unreadable) as fault:
                faults.append(str(fault))
                return None
            orders[first.seat, second.seat] = _SAID.get(reading.choice, 0)
            return reading

        async def compare(pair: Pair) -> Comparison | None:
            first, second = pair
            if blank := _blank(first, second):
                return blank
            forward = await asked(first, second)
            return None if forward is None else _compared(forward, await asked(second, first))

        pairs = list(combinations(self._answers, 2))
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(compare(pair)) for pair in pairs]
        found = {
            (first.seat, second.seat): comparison
            for (first, second), task in zip(pairs, tasks, strict=True)
            if (comparison := task.result()) is not None
        }
        seats = [answer.seat for answer in self._answers]
        games = Counter(seat for pair in found for seat in pair)
        if min(games[seat] for seat in seats) < MIN_READ_SHARE * (len(seats) - 1):
            why = f"; {Counter(faults).most_common(1)[0][0]}" if faults else ""
            raise CannotJudge(
                f"too few of its comparisons could be read: {len(found)} of {len(pairs)}{why}"
            )
        return _tally(seats, found, orders)

    async def _ask(self, first: Answer, second: Answer, *, is_repeat: bool) -> ReadChoice:
        config = self._config
        request = ChatRequest(
            self._layout.render(first, second),
            max_tokens=MAX_REPLY_TOKENS + config.thinking_tokens,
            top_logprobs=_LIKELIEST if config.has_log_probabilities else 0,
            schema=SCHEMA if config.verdict_form is VerdictForm.JSON else None,
            is_repeat=is_repeat,
        )
        read = read_verdict_object if config.verdict_form is VerdictForm.JSON else read_verdict

        def reading(said: str, reply: Reply) -> ReadChoice:
            return read(said, is_cut=reply.is_cut, tokens=reply.tokens)

        async with self._slots:
            return await ask(self._tools, request, reading)


def _blank(first: Answer, second: Answer) -> Comparison | None:
    """A blank answer loses to one with words; models are fooled by blanks and lone marks."""
    one, other = says_something(first.text), says_something(second.text)
    if one and other:
        return None
    return Comparison(one - other, (1 + one - other) / 2)


def _compared(forward: ReadChoice, backward: ReadChoice | None) -> Comparison | None:
    """Of the first answer with the second, asked about in both orders; None: not read."""
    match forward.choice, None if backward is None else backward.choice:
        case _, None:
            return None
        case Choice.A, Choice.B:
            preference = 1
        case Choice.B, Choice.A:
            preference = -1
        case _:
            return Comparison(0, 0.5)
    assert backward is not None
    if forward.log_odds is None or backward.log_odds is None:
        return Comparison(preference, (1 + preference) / 2)
    log_odds = max(0.0, preference * (forward.log_odds - backward.log_odds) / 2)
    return Comparison(preference, 0.5 + preference * (1 / (1 + exp(-log_odds)) - 0.5))


def _tally(
    seats: Sequence[int],
    found: Mapping[tuple[int, int], Comparison],
    orders: Mapping[tuple[int, int], int],
) -> Ballot:
    games = Counter(seat for pair in found for seat in pair)
    wins = Counter(pair[each.preference < 0] for pair, each in found.items() if each.preference)
    ties = Counter(seat for pair, each in found.items() if not each.preference for seat in pair)

    def points(seat: int) -> float:
        return fsum(
            each.points if pair[0] == seat else 1 - each.points
            for pair, each in found.items()
            if seat in pair
        )

    def reason(seat: int) -> str:
        unread = len(seats) - 1 - games[seat]
        end = f"; {unread} more could not be read." if unread else "."
        return f"Wins {wins[seat]} of {games[seat]} comparisons, {ties[seat]} undecided{end}"

    return Ballot(
        scores={seat: points(seat) / games[seat] for seat in seats},
        reasons={seat: reason(seat) for seat in seats},
        checks={},
        comparisons={pair: each.preference for pair, each in found.items()},
        orders=orders,
    )
