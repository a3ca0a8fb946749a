"""What runs rehearse: prompts that the plain base makes up, and what it answers to them.

A base that has learned to chat also writes what a person might ask, when it is given the beginning of
a chat up to where the person's words would stand (Magpie: Xu et al. 2024, arXiv:2406.08464). So
every base brings its own, with nothing to download, and they are like what it was made for.

They are drawn through vLLM, some for each run, and kept for all agents of the base. What the trainer
does with them is told in training/trainers/rehearsal.py.
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
from django.conf import settings

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
from agents.models import BaseModel
from training.methods.examples import shared_beginning
from training.models import RehearsalText
from training.runs.spec import RunSpec
from training.trainers.job import RehearsalExample

DRAWN_BY_RUN = 24  # until the base has MOST_KEPT
MOST_KEPT = 480
MOST_REHEARSED = 240  # by one run
TRIES = 4  # at one text: prompts that find no end are not kept
CONCURRENT_TEXTS = 16  # in work at each inference server
PROMPT_SAMPLING = Sampling(temperature=1.0, top_p=0.98, max_tokens=96)
# How an answer begins tells most of what an agent still can; many short ones are worth more.
ANSWER_SAMPLING = Sampling(max_tokens=48)

JSON = dict[str, Any]

log = structlog.get_logger(__name__)


def rehearsal_file(spec: RunSpec) -> Path:
    """Where the run keeps what it rehearses: texts under the prompt of the version it starts from.

    While it waits its agent may get another version with another prompt.
    """
    return spec.folder / f"rehearsal-v{spec.parent.number}.jsonl"


async def prepare_rehearsal(spec: RunSpec, *, heartbeat: Heartbeat) -> None:
    """Write what the run rehearses into its file, unless it is there already.

    `heartbeat` is awaited with a sentence every few seconds and may raise to stop.
    Raises InferenceUnavailable.
    """
    path = rehearsal_file(spec)
    if path.exists():
        return

    async def work() -> list[RehearsalExample]:
        async with Inference() as inference:
            base = _Base(inference, spec.run.agent.base_model)
            await base.add_texts()
            texts = await sync_to_async(_choose)(spec)
            return await together(base.example(spec, text) for text in texts)

    telling = pulse(lambda: heartbeat("drawing what is rehearsed"))
    examples = await beside(telling, work())
    longest = spec.config.max_length
    fitting = [one for one in examples if len(one.prompt_ids) + len(one.ids) <= longest]
    if len(fitting) < len(examples):
        log.warning("rehearsal_too_long", run_id=spec.run.pk, left_out=len(examples) - len(fitting))
    path.parent.mkdir(parents=True, exist_ok=True)
    # Once: a worker that was thought dead may wake while another one trains on these.
    write_once(path, "".join(json.dumps(asdict(one)) + "\n" for one in fitting))


def rehearsal_facts(spec: RunSpec) -> JSON:
    """For the manifest: how many texts the run has to rehearse and their file's SHA-256."""
    path = rehearsal_file(spec)
    if not path.exists():
        return {"texts": 0}
    content = path.read_bytes()
    return {"texts": content.count(b"\n"), "sha256": hashlib.sha256(content).hexdigest()}


class _Base:
    """A plain base that makes up texts, with a bounded number of them in work."""

    def __init__(self, inference: Inference, base: BaseModel) -> None:
        self._inference = inference
        self._base = base
        self._plain = plain_model(base.served_name)
        self._slots = asyncio.Semaphore(CONCURRENT_TEXTS * len(settings.VLLM_URLS))

    async def add_texts(self) -> None:
        """DRAWN_BY_RUN more, until there are MOST_KEPT; fewer where the base finds no end."""
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
        """Asked as the run's agent is asked: under its own prompt."""
        messages = [{"role": "system", "content": spec.parent.prompt}, _user(text.prompt)]
        async with self._slots:
            return RehearsalExample(await self._chat_ids(messages), text.token_ids)

    async def _make_up(self, start: Sequence[int]) -> RehearsalText | None:
        async with self._slots:
            try:
                return await self._text(start)
            except RequestRefused as error:  # no doing of the agent's: its run goes on without
                log.warning("rehearsal_refused", base=self._base.slug, reason=str(error))
                return None

    async def _text(self, start: Sequence[int]) -> RehearsalText | None:
        for _ in range(TRIES):
            turn = await self._continue(start, PROMPT_SAMPLING)
            prompt = turn.text.strip()
            if not (prompt and turn.is_finished):
                continue
            answer = await self._continue(await self._chat_ids([_user(prompt)]), ANSWER_SAMPLING)
            if answer.token_ids:
                return RehearsalText(
                    base_model=self._base, prompt=prompt, token_ids=answer.token_ids
                )
        return None

    async def _start_of_user_turn(self) -> list[int]:
        """The chat template up to where a person's words begin: what all chats have in common."""
        one, other = [await self._chat_ids([_user(word)]) for word in ("A", "7")]
        return one[: shared_beginning(one, other)]

    async def _chat_ids(self, messages: Sequence[Message]) -> list[int]:
        return await patiently(lambda: self._inference.chat_ids(self._plain.name, messages))

    async def _continue(self, ids: Sequence[int], sampling: Sampling) -> Continuation:
        return await patiently(lambda: self._inference.continue_ids(self._plain, ids, sampling))


def _choose(spec: RunSpec) -> list[RehearsalText]:
    """Those of the run, in its order: different for each run."""
    texts = list(spec.run.agent.base_model.rehearsal_texts.order_by("id"))
    Random(f"rehearsal:{spec.run.pk}").shuffle(texts)
    return texts[:MOST_REHEARSED]


def _user(words: str) -> Message:
    return {"role": "user", "content": words}
