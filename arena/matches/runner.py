"""Plays a match: gives the seats tasks, streams their answers, records them.

Everything durable goes through `play`. If a worker dies at any point, another one reads the events
and continues with what is missing. A seat whose answer was interrupted answers again.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import TypeVar

import structlog
from django.conf import settings
from django.db import connections
from django.utils.crypto import salted_hmac

from agents.adapters.store import note_refusal
from agents.errors import Refused
from agents.inference.client import (
    AdapterRefused,
    Inference,
    InferenceUnavailable,
    RequestRefused,
    Sampling,
    ServedModel,
    plain_model,
    served_model,
)
from agents.inference.patience import eager_pauses, patiently
from agents.models import AgentVersion, Engine
from arena import leases
from arena.environments import ENVIRONMENTS
from arena.environments.asking import build_messages
from arena.environments.base import Split, Task
from arena.leases import LeaseLost
from arena.live.stream import FrameWriter
from arena.matches import play
from arena.matches.match import IllegalMove, MatchState
from arena.models import Match, Round, Seat
from arena.states import CompletionStatus, MatchStatus, RoundStatus

LEASE_RENEWAL = 0.25  # of the time after which another worker takes over
# How often the house's coded competitor answers with code; otherwise it answers with its base
# model. It shows what is possible without making first place hopeless.
CODE_ANSWER_PROBABILITY = 0.6

log = structlog.get_logger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class _Player:
    """A seat with everything needed to ask it; read once, outside the event loop."""

    seat: int
    name: str
    engine: str
    prompt: str
    sampling: Sampling
    model: ServedModel
    adapter_digest: str
    problem: str  # why it cannot be asked at all; empty if it can


@dataclass(frozen=True)
class _OpenRound:
    """A round with the seats whose answers are missing."""

    number: int
    task: Task
    missing: frozenset[int]


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
        _cancel(match_id, "The inference server did not come back in time.", faults)


def _cancel(match_id: int, why: str, faults: BaseExceptionGroup[BaseException]) -> None:
    log.error("match_cancelled", match_id=match_id, fault=_first(faults))
    with contextlib.suppress(IllegalMove):  # seats may fail in two ways, so it may be over already
        play.cancel_match(match_id, reason=f"{why} Every fee was refunded and no rating changed.")


def _first(faults: BaseExceptionGroup[BaseException]) -> str:
    error: BaseException = faults
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error)


def task_of(match_id: int, number: int, environment: str) -> Task:
    """The round's task: the same on every try, and unpredictable from outside."""
    seed = salted_hmac("arena.task", f"{match_id}:{number}", algorithm="sha256").hexdigest()
    return ENVIRONMENTS[environment].make_task(Random(seed), Split.TRAIN)


def _drive(match: Match, owner: uuid.UUID) -> None:
    state = play.state_of(match)
    if state.status == MatchStatus.SEATED:
        play.start_match(match.id)
        state = play.state_of(match)
    if state.is_over or state.is_played:
        return
    players = _players(match)
    connections.close_all()  # back to the pool: answers take a while
    asyncio.run(_play_rounds(_Rounds(match.id, state, owner), players))


def _players(match: Match) -> dict[int, _Player]:
    seats = Seat.objects.filter(match=match).select_related(
        "version__agent__base_model", "version__adapter"
    )
    return {seat.index: _player(seat.index, seat.version, match) for seat in seats}


def _player(index: int, version: AgentVersion, match: Match) -> _Player:
    sampling, model = Sampling(), plain_model(version.agent.base_model.served_name)
    problem = ""
    try:
        sampling = Sampling.from_json(version.sampling)
        model = served_model(version)
    except Refused as error:
        # Its seat says nothing, gets its fee back and is not rated; the others play.
        problem = str(error)
    return _Player(
        seat=index,
        name=version.agent.name,
        engine=version.agent.engine,
        prompt=version.prompt,
        sampling=Sampling(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=min(sampling.max_tokens, match.space.max_tokens),
        ),
        model=model,
        adapter_digest=version.adapter.digest if version.adapter else "",
        problem=problem,
    )


class _Rounds:
    """Hands out the remaining rounds: those that a dead worker left open, then new ones in order."""

    def __init__(self, match_id: int, state: MatchState, owner: uuid.UUID) -> None:
        self.match_id = match_id
        self.owner = owner
        self.seating = state.seating
        self._seats = state.seats
        self._open = [each for each in state.rounds if each.status == RoundStatus.PLAYING]
        self._started = len(state.rounds)
        self._handing_out = asyncio.Lock()

    async def take(self) -> _OpenRound | None:
        """The next round to answer; None when every round has been handed out."""
        async with self._handing_out:
            return await _in_thread(self._take)

    def _take(self) -> _OpenRound | None:
        # A round can end before the keeper's first renewal, so each begins by renewing the lease.
        play.renew_lease(self.match_id, owner=self.owner)
        if self._open:
            left = self._open.pop(0)
            row = Round.objects.get(match_id=self.match_id, number=left.number)
            return _OpenRound(left.number, Task.from_json(row.task), self._seats - left.answered)
        if self._started == self.seating.round_count:
            return None
        number = self._started + 1
        task = task_of(self.match_id, number, self.seating.environment)
        play.start_round(self.match_id, number=number, task=task)
        self._started = number
        return _OpenRound(number, task, self._seats)


async def _play_rounds(rounds: _Rounds, players: Mapping[int, _Player]) -> None:
    """Answer the remaining rounds, as many at once as the Space sets."""
    async with Inference() as inference, asyncio.TaskGroup() as group:
        keeper = group.create_task(_keep_lease(rounds.match_id, rounds.owner))
        lanes = [
            group.create_task(_play_lane(rounds, players, inference))
            for _ in range(rounds.seating.rounds_at_once)
        ]
        await asyncio.wait(lanes)
        keeper.cancel()


async def _play_lane(rounds: _Rounds, players: Mapping[int, _Player], inference: Inference) -> None:
    while current := await rounds.take():
        await _answer(rounds, current, players, inference)


async def _answer(
    rounds: _Rounds, current: _OpenRound, players: Mapping[int, _Player], inference: Inference
) -> None:
    """Ask the seats that have not answered the round, all at the same time."""
    async with FrameWriter(rounds.match_id, current.number) as frames, asyncio.TaskGroup() as group:
        for seat in sorted(current.missing):
            frames.reset(seat)  # a dead worker may have shown the beginning of another answer
            group.create_task(
                _answer_seat(
                    rounds.match_id,
                    current,
                    players[seat],
                    rounds.seating.environment,
                    inference,
                    frames,
                )
            )


async def _answer_seat(
    match_id: int,
    current: _OpenRound,
    player: _Player,
    environment: str,
    inference: Inference,
    frames: FrameWriter,
) -> None:
    number, task = current.number, current.task
    messages = build_messages(player.prompt, task)
    rng = Random(f"{task.key}:{match_id}:{number}:{player.seat}")
    if player.engine == Engine.CODE and rng.random() < CODE_ANSWER_PROBABILITY:
        played = ENVIRONMENTS[environment]
        text = played.solve(played.begin(task, 1), 0, rng)
        token_ids = await _patiently(
            lambda: inference.count_tokens(player.model.base, text), frames, player.seat
        )
        frames.write(player.seat, text)
        answer = play.SeatAnswer(
            status=CompletionStatus.OK,
            messages=messages,
            text=text,
            token_ids=token_ids,
            finish_reason="code",
        )
    else:
        answer = await _sample(player, messages, inference, frames)
    await _in_thread(
        lambda: play.record_completion(match_id, number=number, seat=player.seat, answer=answer)
    )


async def _sample(
    player: _Player, messages: list[dict[str, str]], inference: Inference, frames: FrameWriter
) -> play.SeatAnswer:
    async def on_text(text: str) -> None:
        frames.write(player.seat, text)

    if player.problem:
        return _failed(player, messages, player.problem)
    try:
        generation = await _patiently(
            lambda: inference.generate(player.model, messages, player.sampling, on_text=on_text),
            frames,
            player.seat,
        )
    except AdapterRefused as error:
        # The seat is silent, and the noted refusal keeps the adapter out of the next match.
        reason = str(error)
        await _in_thread(lambda: note_refusal(player.adapter_digest, reason))
        return _failed(player, messages, reason)
    except RequestRefused as error:
        return _failed(player, messages, str(error))
    return play.SeatAnswer(
        status=CompletionStatus.OK,
        messages=messages,
        text=generation.text,
        prompt_token_ids=generation.prompt_token_ids,
        token_ids=generation.token_ids,
        logprobs=generation.logprobs,
        chunk_times=generation.chunk_times,
        finish_reason=generation.finish_reason,
        adapter_digest=player.adapter_digest,
        sampling=player.sampling.as_json(),
        seconds=round(generation.seconds, 3),
    )


def _failed(player: _Player, messages: list[dict[str, str]], error: str) -> play.SeatAnswer:
    return play.SeatAnswer(
        status=CompletionStatus.FAILED,
        messages=messages,
        error=error,
        adapter_digest=player.adapter_digest,
        sampling=player.sampling.as_json(),
    )


async def _patiently(ask: Callable[[], Awaitable[T]], frames: FrameWriter, seat: int) -> T:
    """Ask until the inference server answers; InferenceUnavailable when patience ends."""

    def begin_again(fault: InferenceUnavailable) -> None:
        log.warning("inference_retry", seat=seat, fault=str(fault))
        frames.reset(seat)

    pauses = eager_pauses(within_seconds=settings.INFERENCE_PATIENCE_SECONDS)
    return await patiently(ask, pauses=pauses, on_fault=begin_again)


async def _keep_lease(match_id: int, owner: uuid.UUID) -> None:
    while True:
        await asyncio.sleep(leases.takeover(LEASE_RENEWAL).total_seconds())
        await _in_thread(lambda: play.renew_lease(match_id, owner=owner))


async def _in_thread(call: Callable[[], T]) -> T:
    """Run database code off the event loop and give its connection back to the pool."""

    def run() -> T:
        try:
            return call()
        finally:
            connections.close_all()

    return await asyncio.to_thread(run)
