"""Small builders for tests of learning: settled matches as rows, without playing them."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

from agents.models import Agent, AgentVersion, BaseModel, Engine, User, VersionOrigin
from agents.roster import edit_agent
from arena.credits.wallet import top_up_sandbox
from arena.environments.asking import build_messages
from arena.environments.base import Task
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
from training.configs.configs import LearningConfig
from training.data.dataset import write_dataset
from training.data.harvest import harvest_matches
from training.data.pair_dataset import pair_dataset
from training.data.pairs import JudgedAnswer
from training.methods import method_of
from training.models import Pair, TrainingRun
from training.practice.group_dataset import group_dataset
from training.practice.rehearsal import rehearsal_facts
from training.runs.spec import RunSpec, whole_runs
from training.states import RunStatus

CREDITS = 1000  # of a new agent's owner

_numbers = itertools.count(1)

# Of the tokenizer of conftest.fake_base: END_ID ends a turn, a byte is the token FIRST_ID + byte.
END_ID = 2
CONTROL_IDS = (0, 1, END_ID)
FIRST_ID = 10


def ids_of(text: str) -> list[int]:
    """The text's tokens, one a byte."""
    return [FIRST_ID + byte for byte in text.encode()]


def make_answer(seat: int, text: str | None = None, **changes: Any) -> JudgedAnswer:
    values: dict[str, Any] = {
        "seat": seat,
        "agent_id": 100 + seat,
        "completion_id": 1000 + seat,
        "learns": True,
        "is_answered": True,
        "is_complete": True,
        "text": f"answer of seat {seat}" if text is None else text,
    }
    return JudgedAnswer(**(values | changes))


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


def make_agent(
    *,
    engine: Engine = Engine.MODEL,
    prompt: str = "Answer briefly.",
    is_house: bool = False,
    **changes: Any,
) -> Agent:
    """Coded seats may teach it without a limit: the rivals of these tests are coded."""
    number = next(_numbers)
    changes["learning"] = {"coded_share": 1.0} | changes.get("learning", {})
    owner = User.objects.create(username=f"learner{number}", is_house=is_house)
    top_up_sandbox(owner.pk, amount_credits=CREDITS, transfer_id=uuid4())
    agent = Agent.objects.create(
        owner=owner, name=f"Agent {number}", base_model=make_base(), engine=engine, **changes
    )
    agent.current_version = AgentVersion.objects.create(
        agent=agent,
        number=1,
        prompt=prompt,
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
    dissent: float = 0.0,
    is_practice: bool = False,
) -> Match:
    """A match with one decided round for each item of `scores` ({seat: score}).

    `dissent` is the weight of a second judge, who puts the seats in the opposite order; the
    first one's is 1, and the verdict is the first one's.
    """
    space = space or make_space()
    judge, dissenter = (
        Judge.objects.get_or_create(slug=slug, defaults={"name": slug, "kind": JudgeKind.CODE})[0]
        for slug in ("code", "dissenter")
    )
    match = Match.objects.create(
        space=space,
        status=status,
        round_count=len(scores),
        is_practice=is_practice,
        is_harvested=is_practice,
    )
    seats = [
        Seat.objects.create(
            match=match, index=index, agent=agent, version=version, is_practice=is_practice
        )
        for index, agent in enumerate(agents)
        if (version := agent.current_version)
    ]
    for number, given in enumerate(scores, start=1):
        as_json = {str(seat): score for seat, score in given.items()}
        task = make_task(f"Round {number} of match {match.pk}")
        one = Round.objects.create(
            match=match,
            number=number,
            status=RoundStatus.DECIDED,
            task_key=task.key,
            task_kind=task.kind,
            task=task.as_json(),
        )
        for seat in seats:
            answer = f"answer {number} of seat {seat.index} in match {match.pk}"
            make_completion(one, seat, task=task, text=answer)
        Verdict.objects.create(round=one, scores=as_json, ranking=[], agreement=1.0)
        Vote.objects.create(round=one, judge=judge, scores=as_json)
        if dissent:
            opposite = {seat: 1 - score for seat, score in as_json.items()}
            Vote.objects.create(round=one, judge=dissenter, weight=dissent, scores=opposite)
    return match


def make_task(about: str) -> Task:
    """A task of the Constraints Space: lower case, about cats."""
    return Task(
        kind="lowercase",
        prompt=f"{about}: write about cats in lowercase.",
        data={"topic": "cats", "stems": ["cat"], "rules": [{"rule": "lowercase", "params": {}}]},
    )


def make_completion(one: Round, seat: Seat, *, task: Task, text: str) -> Completion:
    """What the runner stores for an answer sampled by a model or given by code."""
    messages = build_messages(seat.version.prompt, task)
    values: dict[str, Any] = {"token_ids": ids_of(text), "finish_reason": "code"}
    if seat.agent.engine == Engine.MODEL:
        values = {
            "prompt_token_ids": prompt_ids_of(messages),
            "token_ids": [*ids_of(text), END_ID],
            "logprobs": [-0.5] * (len(ids_of(text)) + 1),
            "finish_reason": "stop",
        }
    return Completion.objects.create(
        round=one,
        seat=seat,
        version=seat.version,
        status=CompletionStatus.OK,
        text=text,
        messages=messages,
        **values,
    )


def prompt_ids_of(messages: Sequence[Mapping[str, str]]) -> list[int]:
    """The messages in a chat template of one control token a turn."""
    return [id for one in messages for id in (1, *ids_of(one["content"]))]


def make_pairs_for(agent: Agent, *, count: int, space: Space, wins: int = 0) -> None:
    """`count` harvested pairs of the agent: it wins the first rounds and loses the others to code."""
    rival = make_agent(engine=Engine.CODE)
    scores = [{0: 0.9, 1: 0.2}] * wins + [{0: 0.2, 1: 0.9}] * (count - wins)
    make_match([agent, rival], scores, space=space)
    harvest_matches()


def edit_prompt(run: TrainingRun) -> None:
    """The owner edits the prompt of the version that the run starts from."""
    owner_id, sampling = run.agent.owner_id, run.parent_version.sampling
    edit_agent(owner_id, agent_id=run.agent_id, prompt="New.", sampling=sampling)


def make_run(
    agent: Agent, space: Space, *, config: LearningConfig, coded_share: float = 1.0
) -> TrainingRun:
    """A claimed run on all pairs that the agent has in the Space, without queue or price.

    The rivals of these tests are coded, so that only the agent gets pairs: they may all teach.
    """
    config = replace(config, coded_share=coded_share)
    assert agent.current_version is not None
    pairs = Pair.objects.filter(agent=agent, space=space)
    return TrainingRun.objects.create(
        agent=agent,
        space=space,
        parent_version=agent.current_version,
        status=RunStatus.TRAINING,
        method=config.method,
        config=config.as_json(),
        last_pair_id=max(pairs.values_list("id", flat=True), default=0),
        pair_count=method_of(config).size(config, pairs=len(pairs), tasks=0).pairs,
    )


def spec_of(run: TrainingRun) -> RunSpec:
    """As a worker reads the run now."""
    return RunSpec.of(whole_runs().get(id=run.pk))


def write_pairs(run: TrainingRun) -> dict[str, Any]:
    """Write the dataset of a run that learns from pairs; its manifest."""
    spec = spec_of(run)
    return write_dataset(spec, pair_dataset(spec), rehearsal=rehearsal_facts(spec))


def write_groups(run: TrainingRun) -> dict[str, Any]:
    """Write the dataset of a run that has practised; its manifest."""
    spec = spec_of(run)
    return write_dataset(spec, group_dataset(spec), rehearsal=rehearsal_facts(spec))
