"""Asks one judge for its vote, and turns every failure into an abstention."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from math import isfinite
from traceback import extract_tb
from typing import Any

import structlog

from judges.kinds import (
    code,
    coin,
    embedding,
    learned,
    pairwise,
    poem,
    process,
    reward,
    rubric,
)
from judges.kinds.config import KindConfig, read_config
from judges.recording import Recorder
from judges.tools import CannotJudge, Tools
from judges.transcript import Ballot, Transcript

__all__ = ["KINDS", "MAX_ERROR_CHARACTERS", "Tools", "cast_vote", "wants_reference"]

MAX_ERROR_CHARACTERS = 300

log = structlog.get_logger(__name__)

Cast = Callable[[Any, Transcript, Tools], Awaitable[Ballot]]


@dataclass(frozen=True)
class KindSpec:
    """A kind of judge: how it votes, and what it can be configured with."""

    vote: Cast  # its first argument is a `config_class`
    config_class: type[KindConfig] = KindConfig
    prompts: tuple[str, ...] = ()  # files in judges/prompts whose text it sends
    repeats_itself: bool = False  # asked again, it says the same: no appeal can change that


# by judges.models.JudgeKind
KINDS: dict[str, KindSpec] = {
    "code": KindSpec(code.vote, repeats_itself=True),
    "poem": KindSpec(poem.vote, poem.PoemConfig, repeats_itself=True),
    "pairwise": KindSpec(pairwise.vote, pairwise.PairwiseConfig, pairwise.PROMPTS),
    "rubric": KindSpec(rubric.vote, rubric.RubricConfig, rubric.PROMPTS),
    "process": KindSpec(process.vote, process.ProcessConfig, process.PROMPTS),
    "coin": KindSpec(coin.vote, repeats_itself=True),
    "learned": KindSpec(learned.vote, learned.LearnedConfig, repeats_itself=True),
    "reward": KindSpec(reward.vote, reward.RewardConfig, repeats_itself=True),
    "embedding": KindSpec(embedding.vote, embedding.EmbeddingConfig, repeats_itself=True),
}


async def cast_vote(
    kind: str, config: Mapping[str, Any], transcript: Transcript, tools: Tools
) -> Ballot:
    """The judge's ballot over every seat of the transcript, or an abstention. Never raises.

    A failing tool or a late or malformed vote is an abstention, never a score of zero.
    What it asked of its model is on the ballot in each case.
    """
    recorder = Recorder(tools)
    ballot = await _vote(kind, config, transcript, recorder)
    return replace(ballot, usage=recorder.usage)


async def _vote(
    kind: str, config: Mapping[str, Any], transcript: Transcript, recorder: Recorder
) -> Ballot:
    if kind not in KINDS:
        return _abstention(f"there is no kind of judge named {kind}")
    limit_seconds = 0.0
    try:
        settings = read_config(KINDS[kind].config_class, config)
        limit_seconds = settings.time_limit_seconds()
        recorder.endpoints = settings.asked_endpoints()
        async with asyncio.timeout(limit_seconds):
            ballot = await KINDS[kind].vote(settings, transcript, recorder.tools)
    except TimeoutError:
        return _abstention(f"took longer than {limit_seconds:.0f} seconds")
    except CannotJudge as reason:
        return _abstention(str(reason))
    # Tools are networks and child processes: they can raise anything.
    except Exception as error:  # noqa: BLE001
        innermost = _innermost(error)
        # Without its text, for the reason given in _described; the place is enough.
        log.warning("judge_failed", kind=kind, error=type(innermost).__name__, at=_place(innermost))
        return _abstention(_described(innermost))
    return ballot if _is_complete(ballot, transcript) else _abstention("gave a malformed vote")


def wants_reference(config: Mapping[str, Any]) -> bool:
    """Whether a judge so configured shows its model a reference answer."""
    return config.get("has_reference") is True


def _is_complete(ballot: Ballot, transcript: Transcript) -> bool:
    seats = {answer.seat for answer in transcript.answers}
    return (
        bool(seats)
        and set(ballot.scores) == seats
        and all(isfinite(score) and 0.0 <= score <= 1.0 for score in ballot.scores.values())
    )


def _innermost(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup):  # from the tasks of a judge that asks concurrently
        error = error.exceptions[0]
    return error


def _place(error: Exception) -> str:
    frames = extract_tb(error.__traceback__)
    return f"{frames[-1].name}:{frames[-1].lineno}" if frames else ""


def _described(error: Exception) -> str:
    # Anybody can read it, and a library's message may hold an address or a key.
    return str(error) if isinstance(error, CannotJudge) else type(error).__name__


def _abstention(error: str) -> Ballot:
    return Ballot(scores={}, reasons={}, checks={}, error=error[:MAX_ERROR_CHARACTERS])
