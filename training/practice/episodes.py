"""Whole episodes that an agent practises: it plays itself and its own earlier versions.

Seats move as in a match (arena.matches.runner), but nobody watches and nothing is judged. Each moment
of an episode is stored before the next one is asked for, so that a worker that takes over goes on
where the last one stopped.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from asgiref.sync import sync_to_async

from agents.errors import Refused
from agents.inference.client import (
    AdapterRefused,
    Generation,
    Inference,
    InferenceUnavailable,
    Message,
    RequestRefused,
)
from agents.inference.patience import together
from agents.inference.table import known_servers
from agents.models import AgentVersion
from arena.environments import ENVIRONMENTS
from arena.environments.asking import with_prompt
from arena.environments.base import Environment, EnvironmentFault, Task
from arena.environments.episode import TRIES_PER_TURN, Episode, Try
from arena.models import Round
from training.models import Rollout
from training.practice.episode_plan import EpisodePlan, PlannedEpisodes, own_turns
from training.practice.speaker import CONCURRENT_ANSWERS, Speaker
from training.runs.spec import RunSpec

log = structlog.get_logger(__name__)


class _GivenUp(Exception):
    """A seat cannot be asked, so that the episodes from its opening are not comparable."""


@dataclass(frozen=True)
class _Ask:
    """A seat that is to move, and what it is told."""

    seat: int
    messages: Sequence[Message]
    choices: Sequence[str]


class EpisodePractice:
    """The episodes of one run, those from one opening side by side."""

    def __init__(self, spec: RunSpec, plan: EpisodePlan) -> None:
        """Read rows here, outside the event loop. Raises EnvironmentFault or Refused."""
        self._spec, self._plan = spec, plan
        self._done: set[int] = set()  # rounds whose episodes ended, or were given up
        self._outages: list[InferenceUnavailable] = []
        self._ended = 0
        self._servers = known_servers()
        self._slots = asyncio.Semaphore(
            CONCURRENT_ANSWERS * self._servers.count(spec.run.agent.base_model.served_name)
        )
        if not plan.groups:
            return
        self._environment: Environment = ENVIRONMENTS[spec.run.space.environment]
        rounds = Round.objects.in_bulk([one.round_id for one in plan.groups])
        self._openings = {pk: Task.from_json(one.task) for pk, one in rounds.items()}
        self._speakers = _speakers(spec, plan)
        for one in plan.groups:
            if not self._speakers.keys() >= set(one.versions):
                self._done.add(one.round_id)

    async def work(self, tell: Callable[[str], None]) -> None:
        """Play what is missing; `tell` receives its progress as a sentence.

        An opening is given up if an opponent cannot be asked. Raises InferenceUnavailable,
        AdapterRefused or EnvironmentFault.
        """
        if not self._plan.groups:
            return
        async with Inference(self._servers) as inference:
            while wave := await sync_to_async(self._next_wave)():
                await together(
                    self._play(inference, group, number, tell)
                    for group in wave
                    for number in range(1, group.count + 1)
                )
                if self._outages:
                    raise self._outages[0]
                self._done |= {group.round_id for group in wave}

    def _next_wave(self) -> list[PlannedEpisodes]:
        """Openings that have been begun, or else as many more as the run's turns suffice for."""
        rows = self._spec.run.rollouts.filter(episode__gt=0)
        begun = set(rows.values_list("round_id", flat=True))
        waiting = [one for one in self._plan.groups if one.round_id not in self._done]
        if unfinished := [one for one in waiting if one.round_id in begun]:
            return unfinished
        own = Counter(rows.filter(is_own=True).values_list("round_id", "episode"))
        left = self._plan.turns - own.total()
        longest = max(own.values(), default=0)
        wave = []
        for one in waiting:
            # Without an episode to go by, all might be the longest possible.
            each = longest or own_turns(self._environment, len(one.versions))
            left -= each * one.count
            if left < 0:
                break
            wave.append(one)
        return wave

    async def _play(
        self,
        inference: Inference,
        group: PlannedEpisodes,
        number: int,
        tell: Callable[[str], None],
    ) -> None:
        """One episode, from where it stands until nobody is to move."""
        while not self._outages and group.round_id not in self._done:
            made, asks = await sync_to_async(self._standing)(group, number)
            if not asks:
                self._ended += 1
                tell(f"practising: {self._ended} whole episodes played")
                return
            try:
                answers = await together(
                    self._answer(inference, group.versions[one.seat], one) for one in asks
                )
            except InferenceUnavailable as error:
                # Not raised here: what others have just said is stored first.
                self._outages.append(error)
            except _GivenUp as error:
                self._done.add(group.round_id)
                log.warning("episodes_given_up", round_id=group.round_id, reason=str(error))
            else:
                await sync_to_async(self._store)(group, number, made, asks, answers)

    async def _answer(self, inference: Inference, version_id: int, one: _Ask) -> Generation:
        async with self._slots:
            try:
                return await self._speakers[version_id].answer(inference, one.messages, one.choices)
            except (AdapterRefused, RequestRefused) as error:
                if isinstance(error, AdapterRefused) and version_id == self._spec.parent.pk:
                    raise  # its run cannot go on at all
                raise _GivenUp(str(error)) from error

    def _standing(self, group: PlannedEpisodes, number: int) -> tuple[int, list[_Ask]]:
        """How many tries are stored, and who is asked now."""
        rows = self._spec.run.rollouts.filter(round_id=group.round_id, episode=number)
        said = list(rows.order_by("index").values_list("seat", "text"))
        seats = range(len(group.versions))
        opening = Episode.begin(self._environment, self._openings[group.round_id], seats)
        episode = opening.replayed(Try(seat, text) for seat, text in said)
        waiting, limit = sorted(episode.to_move), self._environment.turn_limit
        if waiting and len(said) >= TRIES_PER_TURN * limit:
            raise EnvironmentFault(f"{self._environment.name} did not end after {limit} turns.")
        restricts = self._spec.run.space.restricts_moves
        asks = []
        for seat in waiting:
            prompt = self._speakers[group.versions[seat]].version.prompt
            choices = episode.moves(seat) if restricts else ()
            asks.append(_Ask(seat, with_prompt(prompt, episode.observe(seat)), choices))
        return len(said), asks

    def _store(
        self,
        group: PlannedEpisodes,
        number: int,
        made: int,
        asks: Sequence[_Ask],
        answers: Sequence[Generation],
    ) -> None:
        rows = [
            self._speakers[group.versions[one.seat]].rollout(
                answer,
                choices=one.choices,
                run=self._spec.run,
                round_id=group.round_id,
                episode=number,
                index=made + place,
                seat=one.seat,
                is_own=one.seat == group.role,
            )
            for place, (one, answer) in enumerate(zip(asks, answers, strict=True))
        ]
        # A worker presumed dead may just have stored this moment; what is first counts, whole.
        Rollout.objects.bulk_create(rows, ignore_conflicts=True)


def _speakers(spec: RunSpec, plan: EpisodePlan) -> dict[int, Speaker]:
    """By version; without earlier versions that can no longer be played. Raises Refused."""
    ids = {each for one in plan.groups for each in one.versions}
    rows = AgentVersion.objects.select_related("adapter", "agent__base_model").in_bulk(ids)
    speakers = {}
    for pk, version in rows.items():
        try:
            speakers[pk] = Speaker.of(version, spec.run.space)
        except Refused as error:
            if pk == spec.parent.pk:
                raise
            log.warning("opponent_not_playable", version_id=pk, reason=str(error))
    return speakers
