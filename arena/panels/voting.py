"""Puts one task's answers before a panel. Values in, values out; used by matches and the gate."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from time import monotonic
from typing import Any

from arena.environments.base import Environment, Task
from arena.environments.episode import SILENT
from arena.spaces.judges.bench import judges_for
from judges.attacks.likeness import levelled
from judges.call import Tools, cast_vote, wants_reference
from judges.models import JudgeVersion
from judges.panel import PanelVerdict, combine
from judges.transcript import OUTCOME, Answer, Ballot, Check, Transcript


@dataclass(frozen=True)
class PanelJudge:
    """A judge with its seat on a panel; its weight there is the Space's times the judge's trust."""

    judge_id: int
    slug: str
    kind: str
    config: Mapping[str, Any]
    weight: float
    version_id: int | None = None  # of judges.models.JudgeVersion; None: it has none yet


def panel_of(panel: tuple[tuple[str, float], ...], *, environment: str) -> list[PanelJudge]:
    """The judges of a panel with their weights; quarantined ones do not vote.

    Where all are quarantined, the rule checker stands in if the environment has code that scores.
    """
    weights = dict(panel)
    judges = judges_for(list(weights), environment=environment)
    newest = JudgeVersion.objects.filter(judge__in=judges.rows).order_by("judge_id", "-number")
    versions = dict(newest.distinct("judge_id").values_list("judge_id", "pk"))
    return [
        PanelJudge(
            judge_id=judge.pk,
            slug=judge.slug,
            kind=judge.kind,
            config=judge.config,
            weight=weights.get(judge.slug, 1.0) * judge.trust,
            version_id=versions.get(judge.pk),
        )
        for judge in judges.rows
    ]


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
    return await judge_transcript(
        panel, make_transcript(environment, task, texts, panel=panel), tools
    )


async def judge_transcript(
    panel: Sequence[PanelJudge], transcript: Transcript, tools: Tools
) -> tuple[list[tuple[PanelJudge, Ballot, float]], PanelVerdict | None]:
    """The same for answers that have been put together already."""
    votes = await asyncio.gather(*(_timed_vote(judge, transcript, tools) for judge in panel))
    return list(votes), combine([(judge.weight, ballot) for judge, ballot, _ in votes])


def make_transcript(
    environment: Environment,
    task: Task,
    texts: Mapping[int, str],
    *,
    panel: Sequence[PanelJudge] = (),
) -> Transcript:
    """The round as judges see it, with the environment's own findings.

    With a reference answer if a judge of the panel wants one.
    """
    answers = []
    for seat, text in sorted(texts.items()):
        score = environment.score(task, text)
        answers.append(Answer(seat=seat, text=text, score=score.value, checks=score.checks))
    return Transcript(
        prompt=task.prompt,
        kind=task.kind,
        data=task.data,
        answers=tuple(answers),
        reference=reference_of(environment, task)
        if any(wants_reference(judge.config) for judge in panel)
        else "",
    )


def reference_of(environment: Environment, task: Task) -> str:
    """The environment's own answer: the same whenever the task is judged."""
    position = environment.begin(task, environment.seats.fewest)
    return environment.solve(position, environment.to_move(position)[0], Random(task.key))


@dataclass(frozen=True)
class SaidInEpisode:
    """A seat's try, as it was recorded."""

    seat: int
    text: str
    problem: str  # why it was no legal move


def episode_transcript(
    task: Task, said: Sequence[SaidInEpisode], payoffs: Mapping[int, float], *, seats: Iterable[int]
) -> Transcript:
    """An episode as judges see it: a seat's answer is all its legal turns, its score its payoff.

    A seat that answered and never made a legal move has played for nothing, however the cards fell.
    """
    answers = []
    for seat in sorted(seats):
        own = [one for one in said if one.seat == seat]
        legal = [one.text.strip() for one in own if not one.problem]
        checks = (*_outcome(seat, payoffs), _legality(len(own) - len(legal)))
        has_answered = any(one.problem != SILENT for one in own)
        score = 0.0 if payoffs and has_answered and not legal else payoffs.get(seat)
        answers.append(Answer(seat=seat, text="\n\n".join(legal), score=score, checks=checks))
    return Transcript(prompt=task.prompt, kind=task.kind, data=task.data, answers=tuple(answers))


def _outcome(seat: int, payoffs: Mapping[int, float]) -> tuple[Check, ...]:
    if not payoffs:
        return ()
    own, best = payoffs[seat], max(payoffs.values())
    is_shared = list(payoffs.values()).count(best) > 1
    if own < best:
        detail = f"got {own:.2f}, and the best got {best:.2f}"
    else:
        detail = f"got {own:.2f}, {'as much as the best' if is_shared else 'more than the others'}"
    return (Check(OUTCOME, own == best, detail),)


def _legality(illegal: int) -> Check:
    tries = "1 try" if illegal == 1 else f"{illegal} tries"
    return Check("legal moves", illegal == 0, f"made {tries} that were no legal move")


async def _timed_vote(
    judge: PanelJudge, transcript: Transcript, tools: Tools
) -> tuple[PanelJudge, Ballot, float]:
    started = monotonic()
    ballot = await cast_vote(judge.kind, judge.config, transcript, tools)
    return judge, levelled(ballot, transcript), monotonic() - started
