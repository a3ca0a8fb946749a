"""Asks a judge about labelled pairs, each in both orders of seats."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

from judges.bench.figures import PairOutcome
from judges.bench.pairs import LabelledPair
from judges.call import KINDS, cast_vote
from judges.kinds.config import read_config
from judges.kinds.poem import PoemConfig
from judges.panel import preference
from judges.tools import CannotJudge, Tools
from judges.transcript import Answer, Ballot, Transcript

FREE_KIND = "free"  # of a transcript whose task no environment made


@dataclass(frozen=True)
class Contender:
    """A judge that is measured: of a row, or of the command line."""

    name: str
    kind: str
    config: Mapping[str, Any]
    model: str  # the address and name of the language model that it asks, if it asks one
    tools: Tools


def check(kind: str, config: Mapping[str, Any]) -> None:
    """Raises CannotJudge if such a judge cannot say anything of pairs without a task of an environment."""
    if kind not in KINDS:
        raise CannotJudge(f"there is no kind of judge named {kind}")
    settings = read_config(KINDS[kind].config_class, config)
    if kind == "code":
        raise CannotJudge(
            "it cannot judge free pairs: it scores answers by the code of an environment's task"
        )
    if isinstance(settings, PoemConfig) and settings.form_weight > 0:
        raise CannotJudge(
            "it cannot judge free pairs: it weighs the form that an environment's code finds; with a "
            "form_weight of 0 it could"
        )


async def ask_all(
    contender: Contender, pairs: Iterator[LabelledPair], *, at_once: int
) -> AsyncIterator[PairOutcome]:
    """What it said of each pair, in no fixed order; `at_once` pairs are asked about together."""
    asked: set[asyncio.Task[PairOutcome]] = set()
    try:
        while True:
            while len(asked) < at_once and (pair := next(pairs, None)) is not None:
                asked.add(asyncio.create_task(ask(contender, pair)))
            if not asked:
                return
            done, asked = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                yield task.result()
    finally:
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)


async def ask(contender: Contender, pair: LabelledPair) -> PairOutcome:
    """One pair in both orders. Never raises for what the judge does.

    A judge that asks its model in both orders anyway is asked once, and what it said in each is taken
    apart.
    """
    started = monotonic()
    ballot = await _vote(contender, pair, is_swapped=False)
    if ballot.orders:
        first, second = ballot.orders.get((0, 1)), ballot.orders.get((1, 0))
        votes = [ballot]
    else:
        swapped = await _vote(contender, pair, is_swapped=True)
        first, second = _preferred(ballot), _preferred(swapped)
        votes = [ballot, swapped]
    longer = (len(pair.chosen) > len(pair.rejected)) - (len(pair.chosen) < len(pair.rejected))
    return PairOutcome(
        id=pair.id,
        chosen_first=first,
        # There, the answer that was shown first is the rejected one.
        chosen_second=None if second is None else -second,
        longer=longer,
        seconds=monotonic() - started,
        requests=sum(one.usage.requests for one in votes),
        prompt_tokens=sum(one.usage.prompt_tokens for one in votes),
        completion_tokens=sum(one.usage.completion_tokens for one in votes),
        cost_micros=sum(one.usage.cost_micros for one in votes),
        reasons=tuple(one.error for one in votes if not one.scores),
    )


async def _vote(contender: Contender, pair: LabelledPair, *, is_swapped: bool) -> Ballot:
    texts = (pair.rejected, pair.chosen) if is_swapped else (pair.chosen, pair.rejected)
    transcript = Transcript(
        prompt=pair.prompt,
        kind=FREE_KIND,
        data={},
        answers=tuple(Answer(seat=seat, text=text) for seat, text in enumerate(texts)),
    )
    return await cast_vote(contender.kind, contender.config, transcript, contender.tools)


def _preferred(ballot: Ballot) -> int | None:
    """1: the answer in the first seat, -1: the other one, 0: neither; None: it could not say."""
    return preference(ballot.scores, ballot.comparisons, 0, 1) if ballot.scores else None
