"""Games of a few turns, and runs that practise them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from agents.inference.client import Message
from agents.models import AgentVersion, VersionOrigin
from arena.environments.base import Position, Split, Task
from arena.environments.tests.small_games import Count, Odds
from arena.models import Completion, Round
from training.data.harvest import harvest_matches
from training.methods.grpo import GRPOConfig
from training.models import TrainingRun
from training.practice.episode_plan import EpisodePlan
from training.practice.plan import PracticePlan
from training.tests.builders import (
    make_agent,
    make_base,
    make_match,
    make_run,
    make_space,
    spec_of,
)

OWN, EARLIER = "I am the latest.", "I am older."


class Counting(Count):
    """The gate asks a position that no match reaches."""

    def practice_task(self, rng: Random, split: Split, difficulty: int = 0) -> Task:
        return self.position_task({"total": 99, "mover": 0, "seats": 2}, 0, split)


class Judged(Counting):
    """Only judges can tell who was better."""

    slug = "judged"

    def payoffs(self, position: Position) -> Mapping[int, float]:
        return {}


class Showing(Odds):
    slug = "showing"

    def practice_task(self, rng: Random, split: Split, difficulty: int = 0) -> Task:
        return self.position_task({"shown": [9], "now": [0, 0]}, 0, split)


GAMES = {"count": Counting(), "judged": Judged(), "showing": Showing()}


def make_game_run(fake_base: Path, game: str = "count", **config: Any) -> TrainingRun:
    """A run of an agent that lost four episodes to another one.

    Of its 16 answers, 8 may be turns of episodes: two episodes of three turns from one opening.
    """
    make_base(str(fake_base))
    space = make_space(game)
    agent, other = make_agent(prompt=OWN), make_agent(prompt="I am another.")
    make_match([agent, other], [{0: 0.2, 1: 0.9}] * 4, space=space)
    harvest_matches()
    environment = GAMES[game]
    opening = environment.make_task(Random(0), Split.TRAIN)
    Round.objects.update(
        task=opening.as_json(),
        task_key=opening.key,
        task_kind=opening.kind,
        turn_limit=environment.turn_limit,
    )
    for one in Completion.objects.all():
        one.messages = [one.messages[0], {"role": "user", "content": opening.prompt}]
        one.asked = dict(opening.data)
        one.save()
    values = {"tasks": 4, "rollouts": 4, "share": 0, "max_length": 2048, "earlier_share": 0.0}
    return make_run(agent, space, config=GRPOConfig(**values | config))


def add_earlier(run: TrainingRun) -> AgentVersion:
    """The run now starts from a child of the version that it started from."""
    earlier = run.parent_version
    run.parent_version = AgentVersion.objects.create(
        agent=run.agent,
        number=2,
        parent=earlier,
        prompt=EARLIER,
        sampling=earlier.sampling,
        origin=VersionOrigin.EDITED,
    )
    run.save()
    return earlier


def plan_of(run: TrainingRun) -> EpisodePlan:
    plan = PracticePlan.read(spec_of(run).folder)
    assert plan is not None
    return plan.episodes


def tries(run: TrainingRun, round_id: int) -> list[tuple[int, int, int, bool, str]]:
    rows = run.rollouts.filter(episode__gt=0, round=round_id).order_by("episode", "index")
    return list(rows.values_list("episode", "index", "seat", "is_own", "text"))


def one_then_two(messages: Sequence[Message], number: int) -> str:
    """Always a legal move."""
    return "12"[number % 2]
