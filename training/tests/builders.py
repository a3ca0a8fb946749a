"""Small builders for tests of learning: settled matches as rows, without playing them."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from agents.models import Agent, AgentVersion, BaseModel, Engine, User, VersionOrigin
from arena.models import (
    Completion,
    CompletionStatus,
    Match,
    MatchStatus,
    Round,
    RoundStatus,
    Seat,
    Space,
    Verdict,
    Vote,
)
from judges.models import Judge, JudgeKind
from training.pairs import SeatAnswer

_numbers = itertools.count(1)


def make_answer(seat: int, text: str | None = None, **changes: Any) -> SeatAnswer:
    values: dict[str, Any] = {
        "seat": seat,
        "agent_id": 100 + seat,
        "completion_id": 1000 + seat,
        "learns": True,
        "is_answered": True,
        "is_complete": True,
        "text": f"answer of seat {seat}" if text is None else text,
    }
    return SeatAnswer(**(values | changes))


def make_base(path: str = "/nowhere") -> BaseModel:
    base, _ = BaseModel.objects.get_or_create(
        slug="tiny", defaults={"served_name": "tiny", "name": "Tiny", "path": path}
    )
    return base


def make_space(environment: str = "constraints") -> Space:
    number = next(_numbers)
    return Space.objects.create(
        slug=f"space-{number}",
        name=f"Space {number}",
        summary="For tests.",
        environment=environment,
        base_model=make_base(),
        panel=[{"judge": "code", "weight": 1.0}],
        entry_fee_credits=10,
        prize_percents=[100],
    )


def make_agent(*, engine: Engine = Engine.MODEL, **changes: Any) -> Agent:
    number = next(_numbers)
    owner = User.objects.create(username=f"learner{number}")
    agent = Agent.objects.create(
        owner=owner, name=f"Agent {number}", base_model=make_base(), engine=engine, **changes
    )
    agent.current_version = AgentVersion.objects.create(
        agent=agent,
        number=1,
        prompt="Answer briefly.",
        sampling={"temperature": 0.8, "top_p": 0.95, "max_tokens": 32},
        origin=VersionOrigin.CREATED,
    )
    agent.save()
    return agent


def make_match(
    agents: Sequence[Agent],
    scores: Sequence[Mapping[int, float]],
    *,
    space: Space | None = None,
    status: MatchStatus = MatchStatus.SETTLED,
    agreement: float = 1.0,
) -> Match:
    """A match with one decided round for each item of `scores` ({seat: score})."""
    space = space or make_space()
    judge, _ = Judge.objects.get_or_create(
        slug="code", defaults={"name": "Code", "kind": JudgeKind.CODE}
    )
    match = Match.objects.create(space=space, status=status, round_count=len(scores))
    seats = [
        Seat.objects.create(match=match, index=index, agent=agent, version=version)
        for index, agent in enumerate(agents)
        if (version := agent.current_version)
    ]
    for number, given in enumerate(scores, start=1):
        as_json = {str(seat): score for seat, score in given.items()}
        one = Round.objects.create(
            match=match,
            number=number,
            status=RoundStatus.DECIDED,
            task_key=f"task-{match.pk}-{number}",
            task_kind="lowercase",
            task={},
        )
        for seat in seats:
            Completion.objects.create(
                round=one,
                seat=seat,
                version=seat.version,
                status=CompletionStatus.OK,
                text=f"answer {number} of seat {seat.index} in match {match.pk}",
                messages=[
                    {"role": "system", "content": f"I am {seat.agent.name}."},
                    {"role": "user", "content": f"Task {number}, please."},
                ],
                finish_reason="stop",
            )
        Verdict.objects.create(round=one, scores=as_json, ranking=[], agreement=agreement)
        Vote.objects.create(round=one, judge=judge, scores=as_json)
    return match


def make_pairs_for(agent: Agent, *, count: int, space: Space) -> None:
    """`count` harvested pairs of the agent: it loses each round to a coded rival."""
    from training.jobs import harvest_matches

    rival = make_agent(engine=Engine.CODE)
    make_match([agent, rival], [{0: 0.2, 1: 0.9}] * count, space=space)
    harvest_matches()
