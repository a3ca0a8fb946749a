"""What runs rehearse: prompts that the plain base makes up, and its answers to them.

A base trained to chat also writes what a person might ask if it is given the beginning of a chat, up
to where the person's words would start (Magpie: Xu et al. 2024, arXiv:2406.08464). So every base
provides its own texts, close to what it was trained for, and nothing has to be downloaded.

They are sampled through vLLM, some for each run, and kept for all agents on the base.
training/trainers/rehearsal.py says what the trainer does with them.
"""

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

import structlog
from asgiref.sync import sync_to_async

from agents.files import write_once
from agents.inference.client import (
    Continuation,
    Inference,
    Message,
    RequestRefused,
    Sampling,
    plain_model,
)
from agents.inference.patience import Heartbeat, beside, patiently, pulse, together
from agents.inference.table import known_servers
from agents.models import BaseModel
from arena.environments.asking import with_prompt
from arena.environments.base import user_turn
from training.methods.examples import shared_beginning
from training.models import RehearsalText
from training.runs.spec import RunSpec
from training.trainers.job import RehearsalExample

DRAWN_BY_RUN = 24  # until the base has MOST_KEPT
MOST_KEPT = 480
MOST_REHEARSED = 240  # by one run
TRIES = 4  # per text: prompts that do not end are discarded
CONCURRENT_TEXTS = 16  # in progress per inference server
PROMPT_SAMPLING = Sampling(temperature=1.0, top_p=0.98, max_tokens=96)
# The beginning of an answer shows best what an agent can still do: many short ones are worth more.
ANSWER_SAMPLING = Sampling(max_tokens=48)

JSON = dict[str, Any]

log = structlog.get_logger(__name__)


def rehearsal_file(spec: RunSpec) -> Path:
    """The file of the run's rehearsal texts, under its parent version's prompt.

    The name has the version, because the agent may get another prompt while the run waits.
    """
    return spec.folder / f"rehearsal-v{spec.parent.number}.jsonl"


async def prepare_rehearsal(spec: RunSpec, *, heartbeat: Heartbeat) -> None:
    """Write the run's rehearsal file unless it already exists.

    `heartbeat` is awaited with a sentence every few seconds and may raise to stop.
    Raises InferenceUnavailable.
    """
    path = rehearsal_file(spec)
    if path.exists():
        return

    async def work() -> list[RehearsalExample]:
        servers = await sync_to_async(known_servers)()
        async with Inference(servers) as inference:
            base = _Base(
                inference,
                spec.run.agent.base_model,
                servers=servers.count(spec.run.agent.base_model.served_name),
            )
            await base.add_texts()
            texts = await sync_to_async(_choose)(spec)
            return await together(base.example(spec, text) for text in texts)

    telling = pulse(lambda: heartbeat("sampling rehearsal texts"))
    examples = await beside(telling, work())
    longest = spec.config.max_length
    fitting = [one for one in examples if len(one.prompt_ids) + len(one.ids) <= longest]
    if len(fitting) < len(examples):
        log.warning("rehearsal_too_long", run_id=spec.run.pk, left_out=len(examples) - len(fitting))
    path.parent.mkdir(parents=True, exist_ok=True)
    # Written once: a worker presumed dead may wake up while another one trains on these.
    write_once(path, "".join(json.dumps(asdict(one)) + "\n" for one in fitting))


def rehearsal_facts(spec: RunSpec) -> JSON:
    """For the manifest: the number of rehearsal texts and their file's SHA-256."""
    path = rehearsal_file(spec)
    if not path.exists():
        return {"texts": 0}
    content = path.read_bytes()
    return {"texts": content.count(b"\n"), "sha256": hashlib.sha256(content).hexdigest()}


class _Base:
    """A plain base that makes up texts, with a bounded number of them in progress."""

    def __init__(self, inference: Inference, base: BaseModel, *, servers: int) -> None:
        self._inference = inference
        self._base = base
        self._plain = plain_model(base.served_name)
        self._slots = asyncio.Semaphore(CONCURRENT_TEXTS * servers)

    async def add_texts(self) -> None:
        """Add DRAWN_BY_RUN texts, up to MOST_KEPT in all; fewer if the base does not end its prompts."""
        count = min(DRAWN_BY_RUN, MOST_KEPT - await self._base.rehearsal_texts.acount())
        if count <= 0:
            return
        start = await self._start_of_user_turn()
        tried = await together(self._make_up(start) for _ in range(count))
        drawn = [text for text in tried if text is not None]
        if len(drawn) < count:
            log.warning("rehearsal_not_drawn", base=self._base.slug, missing=count - len(drawn))
        await RehearsalText.objects.abulk_create(drawn)

    async def example(self, spec: RunSpec, text: RehearsalText) -> RehearsalExample:
        """The text asked as the run's agent is asked, under the agent's own prompt."""
        messages = with_prompt(spec.parent.prompt, user_turn(text.prompt))
        async with self._slots:
            return RehearsalExample(await self._chat_ids(messages), text.token_ids)

    async def _make_up(self, start: Sequence[int]) -> RehearsalText | None:
        async with self._slots:
            try:
                return await self._text(start)
            except RequestRefused as error:  # not the agent's fault: its run continues without it
                log.warning("rehearsal_refused", base=self._base.slug, reason=str(error))
                return None

    async def _text(self, start: Sequence[int]) -> RehearsalText | None:
        for _ in range(TRIES):
            turn = await self._continue(start, PROMPT_SAMPLING)
            prompt = turn.text.strip()
            if not (prompt and turn.is_finished):
                continue
            answer = await self._continue(await self._chat_ids(user_turn(prompt)), ANSWER_SAMPLING)
            if answer.token_ids:
                return RehearsalText(
                    base_model=self._base, prompt=prompt, token_ids=answer.token_ids
                )
        return None

    async def _start_of_user_turn(self) -> list[int]:
        """The chat template up to where a person's words begin: the common start of all chats."""
        one, other = [await self._chat_ids(user_turn(word)) for word in ("A", "7")]
        return one[: shared_beginning(one, other)]

    async def _chat_ids(self, messages: Sequence[Message]) -> list[int]:
        return await patiently(lambda: self._inference.chat_ids(self._plain.name, messages))

    async def _continue(self, ids: Sequence[int], sampling: Sampling) -> Continuation:
        return await patiently(lambda: self._inference.continue_ids(self._plain, ids, sampling))


def _choose(spec: RunSpec) -> list[RehearsalText]:
    """The run's texts in its own order, which differs from run to run."""
    texts = list(spec.run.agent.base_model.rehearsal_texts.order_by("id"))
    Random(f"rehearsal:{spec.run.pk}").shuffle(texts)
    return texts[:MOST_REHEARSED]
