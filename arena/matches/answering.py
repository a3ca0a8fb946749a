"""Asks one seat for one answer: its model through the inference server, or the house's code."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

import structlog
from django.conf import settings
from django.db import connections

from agents.adapters.store import note_refusal
from agents.errors import Refused
from agents.inference.client import (
    AdapterRefused,
    ChoicesRefused,
    Inference,
    InferenceUnavailable,
    Message,
    RequestRefused,
    Sampling,
    ServedModel,
    plain_model,
    served_model,
)
from agents.inference.patience import eager_pauses, patiently
from agents.models import AgentVersion
from agents.roster import code_share_of
from arena.environments.base import EnvironmentFault
from arena.live.stream import FrameWriter
from arena.matches.play import SeatAnswer
from arena.models import Match, Seat
from arena.states import BY_CODE, CompletionStatus

log = structlog.get_logger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class SeatedAgent:
    """A seat with everything needed to ask it; read once, outside the event loop."""

    seat: int
    name: str
    code_share: float  # of its answers come from code; 0: a model's agent
    prompt: str
    sampling: Sampling
    model: ServedModel
    adapter_digest: str
    problem: str  # why it cannot be asked at all; empty if it can


def players_of(match: Match) -> dict[int, SeatedAgent]:
    """The match's seats by their number."""
    seats = Seat.objects.filter(match=match).select_related(
        "version__agent__base_model", "version__adapter"
    )
    return {seat.index: _player(seat.index, seat.version, match) for seat in seats}


def _player(index: int, version: AgentVersion, match: Match) -> SeatedAgent:
    sampling, model = Sampling(), plain_model(version.agent.base_model.served_name)
    problem = ""
    try:
        sampling = Sampling.from_json(version.sampling)
        model = served_model(version)
    except Refused as error:
        # Its seat says nothing, gets its fee back and is not rated; the others play.
        problem = str(error)
    return SeatedAgent(
        seat=index,
        name=version.agent.name,
        code_share=code_share_of(version.agent),
        prompt=version.prompt,
        sampling=sampling.within(match.space.max_tokens),
        model=model,
        adapter_digest=version.adapter.digest if version.adapter else "",
        problem=problem,
    )


async def ask(
    player: SeatedAgent,
    messages: list[Message],
    inference: Inference,
    frames: FrameWriter,
    *,
    choices: Sequence[str],
    by_code: Callable[[Random], str],
    rng: Random,
) -> SeatAnswer:
    """The seat's answer to the messages; `by_code` is what a coded competitor would say.

    With `choices`, a model's answer is one of them. Raises InferenceUnavailable when patience ends.
    """
    if rng.random() >= player.code_share:
        return await _sample(player, messages, inference, frames, choices)
    text = await in_thread(lambda: by_code(rng))
    token_ids, allowed = await _patiently(
        lambda: inference.spell(player.model.base, text, choices), frames, player.seat
    )
    frames.write(player.seat, text)
    return SeatAnswer(
        status=CompletionStatus.OK,
        messages=messages,
        text=text,
        token_ids=token_ids,
        allowed_token_ids=allowed,
        finish_reason=BY_CODE,
    )


async def _sample(
    player: SeatedAgent,
    messages: list[Message],
    inference: Inference,
    frames: FrameWriter,
    choices: Sequence[str],
) -> SeatAnswer:
    async def on_text(text: str) -> None:
        frames.write(player.seat, text)

    if player.problem:
        return _failed(player, messages, player.problem)
    try:
        generation = await _patiently(
            lambda: inference.generate(
                player.model, messages, player.sampling, on_text=on_text, choices=choices
            ),
            frames,
            player.seat,
        )
    except AdapterRefused as error:
        # The seat is silent, and the noted refusal keeps the adapter out of the next match.
        reason = str(error)
        await in_thread(lambda: note_refusal(player.adapter_digest, reason))
        return _failed(player, messages, reason)
    except ChoicesRefused as error:
        raise EnvironmentFault(str(error)) from None
    except RequestRefused as error:
        return _failed(player, messages, str(error))
    return SeatAnswer(
        status=CompletionStatus.OK,
        messages=messages,
        text=generation.text,
        prompt_token_ids=generation.prompt_token_ids,
        token_ids=generation.token_ids,
        logprobs=generation.logprobs,
        allowed_token_ids=generation.allowed_token_ids,
        chunk_times=generation.chunk_times,
        finish_reason=generation.finish_reason,
        adapter_digest=player.adapter_digest,
        sampling=player.sampling.among(choices).as_json(),
        seconds=round(generation.seconds, 3),
    )


def _failed(player: SeatedAgent, messages: list[dict[str, str]], error: str) -> SeatAnswer:
    return SeatAnswer(
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


async def in_thread(call: Callable[[], T]) -> T:
    """Run database code off the event loop and give its connection back to the pool."""

    def run() -> T:
        try:
            return call()
        finally:
            connections.close_all()

    return await asyncio.to_thread(run)
