"""Puts one task's answers before a panel. Values in, values out; used by matches and the gate."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from arena.environments.base import Environment, Task
from judges.call import Tools, cast_vote
from judges.panel import PanelVerdict, combine
from judges.transcript import Answer, Ballot, Transcript


@dataclass(frozen=True)
class PanelJudge:
    """A judge with its seat on a panel."""

    judge_id: int
    slug: str
    kind: str
    config: Mapping[str, Any]
    weight: float


async def judge_answers(
    panel: Sequence[PanelJudge],
    environment: Environment,
    task: Task,
    texts: Mapping[int, str],
    tools: Tools,
) -> tuple[list[tuple[PanelJudge, Ballot, float]], PanelVerdict | None]:
    """Every judge's ballot with the seconds it took, and the verdict; None if nobody voted.

    `texts` has one answer per seat. Never raises for what a judge or an answer does.
    """
    transcript = make_transcript(environment, task, texts)
    votes = await asyncio.gather(*(_timed_vote(judge, transcript, tools) for judge in panel))
    return list(votes), combine([(judge.weight, ballot) for judge, ballot, _ in votes])


def make_transcript(environment: Environment, task: Task, texts: Mapping[int, str]) -> Transcript:
    """The round as judges see it, with the environment's own findings."""
    answers = []
    for seat, text in sorted(texts.items()):
        score = environment.score(task, text)
        answers.append(Answer(seat=seat, text=text, score=score.value, checks=score.checks))
    return Transcript(prompt=task.prompt, kind=task.kind, data=task.data, answers=tuple(answers))


async def _timed_vote(
    judge: PanelJudge, transcript: Transcript, tools: Tools
) -> tuple[PanelJudge, Ballot, float]:
    started = monotonic()
    ballot = await cast_vote(judge.kind, judge.config, transcript, tools)
    return judge, ballot, monotonic() - started
