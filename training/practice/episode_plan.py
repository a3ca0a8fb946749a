"""Which whole episodes a run practises: from which openings, in which role, against whom."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor
from random import Random
from typing import Any

from agents.adapters.checks import BadAdapter
from agents.adapters.store import check_playable
from agents.lineage import ancestors
from agents.models import AgentVersion
from arena.environments import ENVIRONMENTS
from arena.environments.base import Environment, Task
from arena.environments.episode import order_of
from arena.models import Round, Seat
from arena.panels.own_base import members_of
from arena.panels.voting import panel_of
from judges.models import JudgeKind
from training.methods.base import PracticeSize
from training.runs.spec import RunSpec

MAX_EARLIER = 3  # versions a run: a server holds few adapters at a time
FEWEST_EPISODES = 2  # from one opening: one alone has nothing to be compared with

JSON = dict[str, Any]


@dataclass(frozen=True)
class PlannedEpisodes:
    """Episodes from one opening that will be compared: the agent's role and opponents are the same."""

    round_id: int  # the opening is the one of this round
    role: int  # of the agent; 0 moves first
    versions: tuple[int, ...]  # ids, by role; at `role` the version that learns
    count: int

    def as_json(self) -> JSON:
        return {
            "round": self.round_id,
            "role": self.role,
            "versions": list(self.versions),
            "count": self.count,
        }

    @classmethod
    def from_json(cls, value: JSON) -> "PlannedEpisodes":
        return cls(value["round"], value["role"], tuple(value["versions"]), value["count"])


@dataclass(frozen=True)
class EpisodePlan:
    """Openings in the order in which they are played while the run's own turns are within `turns`."""

    groups: tuple[PlannedEpisodes, ...] = ()
    turns: int = 0  # of the agent, in all episodes together

    def as_json(self) -> JSON:
        return {"groups": [one.as_json() for one in self.groups], "turns": self.turns}

    @classmethod
    def from_json(cls, value: JSON) -> "EpisodePlan":
        groups = tuple(PlannedEpisodes.from_json(one) for one in value["groups"])
        return cls(groups, value["turns"])


NO_EPISODES = EpisodePlan()


def plan_episodes(spec: RunSpec, rounds: Sequence[Round], *, size: PracticeSize) -> EpisodePlan:
    """At most `size.episode_share` of the answers that practice of these rounds gives.

    Nothing for questions, where not only code judges, or where even the fewest episodes
    would take more turns. Raises EnvironmentFault.
    """
    openings = [one for one in rounds if one.is_episode][: size.tasks]
    turns = floor(size.episode_share * size.rollouts * len(openings) + 1e-9)
    if turns < FEWEST_EPISODES:
        return NO_EPISODES
    environment = ENVIRONMENTS[spec.run.space.environment]
    lines = _lines(openings)
    seats = len(lines[openings[0].match_id])
    if not (_judged_by_code(spec) and _pays(environment, openings[0], seats)):
        return NO_EPISODES
    earlier = _earlier_versions(spec)
    groups = []
    for one in openings:
        order = order_of(one.number, [seat for seat, _ in lines[one.match_id]])
        own = next(seat for seat, agent in lines[one.match_id] if agent == spec.run.agent_id)
        count = min(size.rollouts, turns // own_turns(environment, len(order)))
        if count < FEWEST_EPISODES:
            continue
        role = order.index(own)
        rng = Random(f"opponents:{spec.config.seed}:{spec.run.pk}:{one.pk}")
        versions = [
            rng.choice(earlier) if earlier and rng.random() < size.earlier_share else spec.parent.pk
            for _ in order
        ]
        versions[role] = spec.parent.pk
        groups.append(PlannedEpisodes(one.pk, role, tuple(versions), count))
    return EpisodePlan(tuple(groups), turns) if groups else NO_EPISODES


def own_turns(environment: Environment, seats: int) -> int:
    """Turns of one seat in the longest episode, where all seats have as many."""
    return ceil(environment.turn_limit / seats)


def _lines(rounds: Sequence[Round]) -> dict[int, list[tuple[int, int]]]:
    """The (seat, agent) of each match of these rounds."""
    lines: dict[int, list[tuple[int, int]]] = {one.match_id: [] for one in rounds}
    seats = Seat.objects.filter(match__in=lines)
    for match_id, seat, agent_id in seats.values_list("match_id", "index", "agent_id"):
        lines[match_id].append((seat, agent_id))
    return lines


def _earlier_versions(spec: RunSpec) -> list[int]:
    """A few of the versions that the learning one was made from, whose weights are still there."""
    rows = list(
        AgentVersion.objects.filter(id__in=ancestors(spec.parent))
        .exclude(id=spec.parent.pk)
        .select_related("adapter")
        .order_by("id")
    )
    Random(f"lineage:{spec.config.seed}:{spec.run.pk}").shuffle(rows)
    found: list[int] = []
    for row in rows:
        if len(found) == MAX_EARLIER:
            break
        if _is_playable(row):
            found.append(row.pk)
    return found


def _is_playable(version: AgentVersion) -> bool:
    try:
        if version.adapter:
            check_playable(version.adapter, verify=False)
    except BadAdapter:
        return False
    return True


def _judged_by_code(spec: RunSpec) -> bool:
    """Whether payoffs are all that counts in the run's Space: other judges may see it differently."""
    space = spec.run.space
    panel = members_of(space)
    chairs = panel_of(panel, environment=space.environment)
    return {one.kind for one in chairs if one.weight > 0} == {JudgeKind.CODE}


def _pays(environment: Environment, one: Round, seats: int) -> bool:
    """Whether code can tell what each seat got, as when every seat of this opening passes."""
    position = environment.begin(Task.from_json(one.task), seats)
    for _ in range(environment.turn_limit):
        waiting = environment.to_move(position)
        if not waiting:
            break
        for seat in waiting:
            position = environment.forfeit(position, seat)
    return bool(environment.payoffs(position))
