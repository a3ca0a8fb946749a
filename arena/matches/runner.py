"""Plays a match: gives the seats tasks, streams their answers, records them.

Everything durable goes through `play`. If a worker dies at any point, another one reads the events
and continues with what is missing, in the middle of an episode, too. A seat whose answer was
interrupted answers again.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

import structlog
from django.db import connections
from django.utils.crypto import salted_hmac

from agents.inference.client import Inference, InferenceUnavailable
from agents.inference.table import ServerTable, known_servers
from arena import leases
from arena.environments import ENVIRONMENTS
from arena.environments.asking import with_prompt
from arena.environments.base import Environment, EnvironmentFault, Split, Task, view_json
from arena.environments.episode import (
    TRIES_PER_TURN,
    Episode,
    Try,
    opening_number,
    order_of,
)
from arena.leases import LeaseLost
from arena.live.stream import FrameWriter
from arena.matches import play
from arena.matches.answering import SeatedAgent, ask, in_thread, players_of
from arena.matches.match import IllegalMove, MatchState, RoundState
from arena.matches.proposing import draw_of
from arena.models import Completion, Match, Round
from arena.states import CompletionStatus, MatchStatus, RoundStatus

LEASE_RENEWAL = 0.25  # of the time after which another worker takes over

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _OpenRound:
    """A round that is being played, as far as it has come."""

    number: int
    task: Task
    episode: Episode
    tries: Mapping[int, int]  # seat -> what it has said in the round


def play_match(match_id: int, *, owner: uuid.UUID) -> None:
    """Drive the match until all its rounds have been answered. The caller holds the lease."""
    match = Match.objects.select_related("space").get(id=match_id)
    try:
        _drive(match, owner)
    except* LeaseLost:
        log.warning("match_lease_lost", match_id=match_id)
    except* IllegalMove as moves:
        # The match was cancelled, or a worker presumed dead got here first.
        log.warning("match_moved_on", match_id=match_id, reason=_first(moves))
    except* InferenceUnavailable as faults:
        why = "The inference server did not come back in time."
        _cancel(match_id, why, faults, owner=owner)
    except* EnvironmentFault as faults:
        _cancel(match_id, _first(faults), faults, owner=owner)


def _cancel(
    match_id: int, why: str, faults: BaseExceptionGroup[BaseException], *, owner: uuid.UUID
) -> None:
    # Seats may fail in two ways, so it may be over already; or another worker has taken it over.
    with contextlib.suppress(IllegalMove, LeaseLost):
        play.cancel_match(match_id, reason=why, owner=owner)
        log.error("match_cancelled", match_id=match_id, fault=_first(faults))


def _first(faults: BaseExceptionGroup[BaseException]) -> str:
    error: BaseException = faults
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error)


def task_of(match_id: int, number: int) -> Task:
    """Task `number` of the match: the same on every try, and unpredictable from outside."""
    draw = draw_of(match_id)
    if draw.secret:
        return draw.task(number)
    # Seated before there were commitments.
    seed = salted_hmac("arena.task", f"{match_id}:{number}", algorithm="sha256").hexdigest()
    return ENVIRONMENTS[draw.seating.environment].make_task(Random(seed), Split.TRAIN)


def _drive(match: Match, owner: uuid.UUID) -> None:
    state = play.state_of(match)
    if state.status == MatchStatus.SEATED:
        play.start_match(match.id)
        state = play.state_of(match)
    if state.is_over or state.is_played:
        return
    players = players_of(match)
    connections.close_all()  # back to the pool: answers take a while
    asyncio.run(_play_rounds(_Rounds(match.id, state, owner), players, known_servers()))


class _Rounds:
    """Hands out the remaining rounds: those that a dead worker left open, then new ones in order."""

    def __init__(self, match_id: int, state: MatchState, owner: uuid.UUID) -> None:
        self.match_id = match_id
        self.owner = owner
        self.seating = state.seating
        self._environment: Environment = ENVIRONMENTS[state.seating.environment]
        self._seats = state.seats
        self._open = [each for each in state.rounds if each.status == RoundStatus.PLAYING]
        self._started = len(state.rounds)
        self._handing_out = asyncio.Lock()

    async def take(self) -> _OpenRound | None:
        """The next round to answer; None when every round has been handed out."""
        async with self._handing_out:
            return await in_thread(self._take)

    def _take(self) -> _OpenRound | None:
        # A round can end before the keeper's first renewal, so each begins by renewing the lease.
        play.renew_lease(self.match_id, owner=self.owner)
        if self._open:
            return self._resumed(self._open.pop(0))
        if self._started == self.seating.round_count:
            return None
        number = self._started + 1
        limit = self._environment.turn_limit
        opening = opening_number(number, seat_count=len(self._seats), turn_limit=limit)
        task = task_of(self.match_id, opening)
        order = order_of(number, self._seats)
        episode = Episode.begin(self._environment, task, order)
        is_episode = limit > 1
        play.start_round(
            self.match_id,
            number=number,
            task=task,
            turn_limit=limit,
            order=order if is_episode else (),
            view=view_json(episode.view()) if is_episode else None,
        )
        self._started = number
        return _OpenRound(number, task, episode, tries={})

    def _resumed(self, left: RoundState) -> _OpenRound:
        row = Round.objects.get(match_id=self.match_id, number=left.number)
        task = Task.from_json(row.task)
        order = left.order or order_of(left.number, self._seats)
        said = Completion.objects.filter(round=row).order_by("id")
        tries = (
            Try(seat, text if status == CompletionStatus.OK else None)
            for seat, text, status in said.values_list("seat__index", "text", "status")
        )
        episode = Episode.begin(self._environment, task, order).replayed(tries)
        return _OpenRound(left.number, task, episode, left.tries)


async def _play_rounds(
    rounds: _Rounds, players: Mapping[int, SeatedAgent], servers: ServerTable
) -> None:
    """Answer the remaining rounds, as many at once as the Space sets."""
    async with Inference(servers) as inference, asyncio.TaskGroup() as group:
        keeper = group.create_task(_keep_lease(rounds.match_id, rounds.owner))
        lanes = [
            group.create_task(_play_lane(rounds, players, inference))
            for _ in range(rounds.seating.rounds_at_once)
        ]
        await asyncio.wait(lanes)
        keeper.cancel()


async def _play_lane(
    rounds: _Rounds, players: Mapping[int, SeatedAgent], inference: Inference
) -> None:
    while current := await rounds.take():
        async with FrameWriter(rounds.match_id, current.number) as frames:
            await _Playing(rounds, current, players, inference, frames).to_the_end()


class _Playing:
    """One round, from where it stands until nobody is to move."""

    def __init__(
        self,
        rounds: _Rounds,
        current: _OpenRound,
        players: Mapping[int, SeatedAgent],
        inference: Inference,
        frames: FrameWriter,
    ) -> None:
        self._match_id, self._owner = rounds.match_id, rounds.owner
        self._restricts_moves = rounds.seating.restricts_moves
        self._number, self._task = current.number, current.task
        self._episode = current.episode
        self._tries = dict(current.tries)
        self._limit = current.episode.environment.turn_limit
        self._players = players
        self._inference = inference
        self._frames = frames
        self._recording = asyncio.Lock()

    async def to_the_end(self) -> None:
        """Ask the seats that are to move, those of one moment all at the same time."""
        if not self._tries and not await in_thread(lambda: self._episode.to_move):
            raise EnvironmentFault(f"{self._episode.environment.name} ended before anybody moved.")
        while waiting := await in_thread(lambda: self._episode.to_move):
            async with asyncio.TaskGroup() as group:
                for seat in waiting:
                    group.create_task(self._move(seat, self._episode))

    async def _move(self, seat: int, before: Episode) -> None:
        player, turn = self._players[seat], self._tries.get(seat, 0)
        # A dead worker may have shown the beginning of another answer.
        self._frames.begin(seat, turn)
        told, choices = await in_thread(
            lambda: (before.observe(seat), before.moves(seat) if self._restricts_moves else ())
        )
        answer = await ask(
            player,
            with_prompt(player.prompt, told),
            self._inference,
            self._frames,
            choices=choices,
            by_code=lambda rng: before.solve(seat, rng),
            rng=Random(f"{self._task.key}:{self._match_id}:{self._number}:{seat}:{turn}"),
        )
        async with self._recording:
            await in_thread(lambda: self._record(seat, turn, answer, before))
            self._tries[seat] = turn + 1

    def _record(self, seat: int, turn: int, answer: play.SeatAnswer, before: Episode) -> None:
        if self._limit > 1 and sum(self._tries.values()) >= TRIES_PER_TURN * self._limit:
            name = self._episode.environment.name
            raise EnvironmentFault(f"{name} did not end after {self._limit} turns.")
        text = answer.text if answer.status == CompletionStatus.OK else None
        after, problem = self._episode.after(Try(seat, text))
        facts = play.ONLY_TURN
        if self._limit > 1:
            facts = play.TurnFacts(
                turn=turn,
                problem=problem,
                view=view_json(after.view()),
                asked=before.asked(seat),
                payoffs=None if after.to_move else after.payoffs(),
            )
        play.record_completion(
            self._match_id,
            number=self._number,
            seat=seat,
            answer=answer,
            facts=facts,
            owner=self._owner,
        )
        self._episode = after


async def _keep_lease(match_id: int, owner: uuid.UUID) -> None:
    while True:
        await asyncio.sleep(leases.takeover(LEASE_RENEWAL).total_seconds())
        await in_thread(lambda: play.renew_lease(match_id, owner=owner))
