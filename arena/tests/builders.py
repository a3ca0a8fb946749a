"""Small builders for tests: each makes the least that the database accepts."""

import itertools
import threading
import uuid
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from agents.models import Adapter, Agent, AgentVersion, BaseModel, Engine, User, VersionOrigin
from arena.credits import wallet
from arena.matches import play, seating
from arena.matches.play import SeatAnswer
from arena.matches.runner import task_of
from arena.models import Match, Space
from arena.panels.voting import PanelJudge
from arena.spaces import entering
from arena.states import CompletionStatus
from judges.models import Judge, JudgeKind
from judges.panel import PanelVerdict, combine
from judges.transcript import Ballot, Comparisons

_count = itertools.count(1)
SAMPLING = {"temperature": 0.8, "top_p": 0.95, "max_tokens": 32}


def make_user(*, credits: int = 0, is_house: bool = False) -> User:
    user = User.objects.create_user(f"user{next(_count)}")
    if is_house:
        user.is_house = True
        user.save()
    if credits:
        wallet.top_up_sandbox(user.id, amount_credits=credits, transfer_id=uuid.uuid4())
    return user


def make_base_model() -> BaseModel:
    model, _ = BaseModel.objects.get_or_create(
        slug="tiny", defaults={"served_name": "tiny", "name": "Tiny"}
    )
    return model


def make_agent(owner: User | None = None, *, engine: Engine = Engine.MODEL) -> Agent:
    agent = Agent.objects.create(
        owner=owner or make_user(),
        name=f"Agent {next(_count)}",
        base_model=make_base_model(),
        engine=engine,
    )
    agent.current_version = AgentVersion.objects.create(
        agent=agent, number=1, prompt="Answer.", sampling=SAMPLING, origin=VersionOrigin.CREATED
    )
    agent.save()
    return agent


def make_adapter(base_model: BaseModel, *, digest: str = "a" * 64) -> Adapter:
    """A row without a file in the store."""
    return Adapter.objects.create(
        digest=digest,
        base_model=base_model,
        rank=4,
        alpha=8,
        target_modules=["q_proj"],
        size_bytes=1,
    )


def make_space(**changes: Any) -> Space:
    Judge.objects.get_or_create(slug="code", defaults={"name": "Code", "kind": JudgeKind.CODE})
    number = next(_count)
    values = {
        "slug": f"space-{number}",
        "name": f"Space {number}",
        "summary": "A Space for tests.",
        "environment": "constraints",
        "base_model": make_base_model(),
        "panel": [{"judge": "code", "weight": 1.0}],
        "entry_fee_credits": 10,
        "seat_count": 2,
        "round_count": 2,
        "prize_percents": [70, 30],
        "house_fill_seconds": 0,
    }
    return Space.objects.create(**(values | changes))


def enter(
    agent: Agent, space: Space, *, entry_id: uuid.UUID | None = None, fee: int | None = None
) -> uuid.UUID:
    entry = entering.enter_space(
        agent.owner_id,
        agent_id=agent.id,
        space_slug=space.slug,
        entry_id=entry_id or uuid.uuid4(),
        agreed_credits=fee,
    )
    return entry.id


def make_match(space: Space | None = None, *, credits: int = 100) -> Match:
    """A seated match of two people's agents."""
    space = space or make_space()
    for _ in range(space.seat_count):
        enter(make_agent(make_user(credits=credits)), space)
    (match_id,) = seating.seat_matches(space.id, rng=Random(1))
    return Match.objects.get(id=match_id)


def play_round(
    match: Match,
    number: int,
    *,
    scores: Mapping[int, float] | None,
    texts: Mapping[int, str] | None = None,
    comparisons: Comparisons | None = None,
    judge: str = "code",
) -> None:
    """Play and judge one round with a scripted verdict; None: no judge could vote."""
    task = task_of(match.id, number)
    play.start_round(match.id, number=number, task=task)
    seats = match.seats.count()
    for seat in range(seats):
        text = (texts or {}).get(seat, f"Answer {seat} of round {number}.")
        record(match, number, seat, text)
    decide(match, number, scores, comparisons=comparisons, judge_slug=judge)


def record(match: Match, number: int, seat: int, text: str = "An answer.") -> None:
    """The seat's answer; an empty text stands for a blank one."""
    prompt = match.seats.get(index=seat).version.prompt
    answer = SeatAnswer(
        status=CompletionStatus.OK,
        messages=[{"role": "system", "content": prompt}, {"role": "user", "content": "?"}],
        text=text,
        token_ids=[1, 2, 3],
        logprobs=[-0.5, -0.25, -0.125],
        finish_reason="stop",
        sampling=SAMPLING,
    )
    play.record_completion(match.id, number=number, seat=seat, answer=answer)


def decide(
    match: Match,
    number: int,
    scores: Mapping[int, float] | None,
    *,
    comparisons: Comparisons | None = None,
    judge_slug: str = "code",
) -> None:
    judge = Judge.objects.get(slug=judge_slug)
    panelist = PanelJudge(
        judge_id=judge.id, slug=judge.slug, kind=judge.kind, config={}, weight=1.0
    )
    ballot = Ballot(
        scores=scores or {},
        reasons={},
        checks={},
        error="" if scores else "down",
        comparisons=comparisons,
    )
    verdict: PanelVerdict | None = combine([(1.0, ballot)])
    play.decide_round(match.id, number=number, votes=[(panelist, ballot, 0.1)], verdict=verdict)


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Run each call in a thread with a connection of its own; results or errors, in order."""
    barrier = threading.Barrier(len(calls))
    outcomes: list[Any] = [None] * len(calls)

    def run(index: int) -> None:
        try:
            barrier.wait(timeout=10)
            outcomes[index] = calls[index]()
        except Exception as error:  # noqa: BLE001 handed to the test, which looks at it
            outcomes[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[index]) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    return outcomes


def plans_of(call: Callable[[], object]) -> list[str]:
    """PostgreSQL's plan of each query of the call, as for tables too large to read or sort whole."""
    with CaptureQueriesContext(connection) as captured:
        call()
    plans = []
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        for query in captured.captured_queries:
            if query["sql"].startswith("SELECT"):
                cursor.execute(f"EXPLAIN {query['sql']}")
                plans.append("\n".join(line for (line,) in cursor.fetchall()))
    return plans
