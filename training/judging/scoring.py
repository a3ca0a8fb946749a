"""How judges fare on pairs whose order is known, each asked as it is in a round."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Any

from arena.environments import ENVIRONMENTS
from arena.panels.voting import make_transcript
from judges.call import cast_vote
from judges.scorers.client import LearnedScorer
from judges.tools import Tools
from training.judging.decisions import OrderOutcome
from training.judging.making import GoldPair


@dataclass(frozen=True)
class Asked:
    """What a judge of an installation said of some pairs."""

    outcomes: list[OrderOutcome]
    abstained: int
    why: str  # of the last abstention


def learned_outcomes(
    scorer: LearnedScorer, folder: Path, pairs: Sequence[GoldPair]
) -> list[OrderOutcome]:
    """What a learned judge prefers, whether it is certified or not. Raises CannotJudge."""
    found = []
    ordered = sorted(pairs, key=lambda pair: pair.prompt_key)
    for _, same_prompt in groupby(ordered, key=lambda pair: pair.prompt_key):
        of_prompt = list(same_prompt)
        texts = [text for pair in of_prompt for text in (pair.better, pair.worse)]
        scores: list[float] = []
        for start in range(0, len(texts), 32):
            scores += scorer.score(folder, of_prompt[0].task.prompt, texts[start : start + 32])
        for place, pair in enumerate(of_prompt):
            better, worse = scores[2 * place], scores[2 * place + 1]
            found.append(_outcome(pair, better, worse))
    return found


async def asked_outcomes(
    kind: str, config: Mapping[str, Any], pairs: Sequence[GoldPair], tools: Tools, *, rng: Random
) -> Asked:
    """What a judge of this kind prefers; each pair is shown in one order, drawn at random."""
    outcomes: list[OrderOutcome] = []
    abstained, why = 0, ""
    for pair in pairs:
        best = rng.randrange(2)
        texts = {best: pair.better, 1 - best: pair.worse}
        transcript = make_transcript(ENVIRONMENTS[pair.environment], pair.task, texts)
        ballot = await cast_vote(kind, config, transcript, tools)
        if ballot.scores:
            outcomes.append(_outcome(pair, ballot.scores[best], ballot.scores[1 - best]))
        else:
            abstained, why = abstained + 1, ballot.error
            if not outcomes and abstained == 3:  # its server is away: no use in asking on
                break
    return Asked(outcomes, abstained, why)


def ask_judge(
    kind: str, config: Mapping[str, Any], pairs: Sequence[GoldPair], tools: Tools, *, rng: Random
) -> Asked:
    """`asked_outcomes` for callers without an event loop."""
    return asyncio.run(asked_outcomes(kind, config, pairs, tools, rng=rng))


def _outcome(pair: GoldPair, better: float, worse: float) -> OrderOutcome:
    right = 1.0 if better > worse else 0.5 if better == worse else 0.0
    return OrderOutcome(pair.task.prompt, pair.task.kind, right)
