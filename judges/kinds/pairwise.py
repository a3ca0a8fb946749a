"""An LLM compares pairs of answers, each pair in both orders.

Even strong judges favour a position: where the two orders disagree, or a reply has no verdict,
the pair is a tie. A seat's score is its share of the points of its pairs (win 1, tie 1/2).
Why: docs/decisions/judge-order.md
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from string import Template
from typing import Any

from judges.parsing import INVISIBLE, Choice, fenced, parse_verdict
from judges.tools import CannotJudge, Message, Tools
from judges.transcript import Answer, Ballot, Transcript

MAX_REPLY_TOKENS = 200
_CONCURRENT_REQUESTS = 8  # of at most 56: 8 seats, each pair in both orders
_PROMPTS = Path(__file__).resolve().parents[1] / "prompts"

Pair = tuple[Answer, Answer]


async def vote(config: Mapping[str, Any], transcript: Transcript, tools: Tools) -> Ballot:
    if unknown := set(config):
        raise CannotJudge(f"its configuration has unknown names: {', '.join(sorted(unknown))}")
    if len(transcript.answers) < 2:
        raise CannotJudge("there is nothing to compare")
    # Every pair: with only some of them, a seat's share would depend on whom it met.
    pairs = list(combinations(transcript.answers, 2))
    slots = asyncio.Semaphore(_CONCURRENT_REQUESTS)

    async def ask(first: Answer, second: Answer) -> Choice | None:
        messages = render(transcript.prompt, first.text, second.text, nonce=tools.nonce())
        async with slots:
            reply = await tools.complete(messages, max_tokens=MAX_REPLY_TOKENS, temperature=0.0)
        return parse_verdict(reply)

    async def both_orders(pair: Pair) -> tuple[Choice | None, Choice | None]:
        first, second = pair
        if not (_says_something(first) and _says_something(second)):
            return _without_asking(first, second)
        return await ask(first, second), await ask(second, first)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(both_orders(pair)) for pair in pairs]
    verdicts = [task.result() for task in tasks]
    if all(given is None for pair in verdicts for given in pair):
        raise CannotJudge("its model gave no readable verdict")
    return _tally(transcript.answers, pairs, verdicts)


def render(task: str, answer_a: str, answer_b: str, *, nonce: str) -> list[Message]:
    """The judge's messages; everything untrusted is fenced."""
    user = Template((_PROMPTS / "pairwise_user.txt").read_text()).substitute(
        task=fenced(task, nonce=nonce),
        answer_a=fenced(answer_a, nonce=nonce),
        answer_b=fenced(answer_b, nonce=nonce),
    )
    system = (_PROMPTS / "pairwise_system.txt").read_text()
    return [{"role": "system", "content": system}, {"role": "user", "content": user}]


def _says_something(answer: Answer) -> bool:
    return re.search(r"\w", INVISIBLE.sub("", answer.text)) is not None


def _without_asking(first: Answer, second: Answer) -> tuple[Choice, Choice]:
    """A blank answer loses to one with words; models are fooled by blanks and lone marks."""
    if _says_something(first):
        return Choice.A, Choice.B
    if _says_something(second):
        return Choice.B, Choice.A
    return Choice.TIE, Choice.TIE


def _tally(
    answers: Sequence[Answer],
    pairs: Sequence[Pair],
    verdicts: Sequence[tuple[Choice | None, Choice | None]],
) -> Ballot:
    wins = {answer.seat: 0 for answer in answers}
    ties, games = dict(wins), dict(wins)
    for (first, second), verdict in zip(pairs, verdicts, strict=True):
        games[first.seat] += 1
        games[second.seat] += 1
        if verdict == (Choice.A, Choice.B):
            wins[first.seat] += 1
        elif verdict == (Choice.B, Choice.A):
            wins[second.seat] += 1
        else:
            ties[first.seat] += 1
            ties[second.seat] += 1
    return Ballot(
        scores={seat: (wins[seat] + ties[seat] / 2) / games[seat] for seat in games},
        reasons={
            seat: f"Wins {wins[seat]} of {games[seat]} comparisons, {ties[seat]} undecided."
            for seat in games
        },
        checks={},
    )
