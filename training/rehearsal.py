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
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from itertools import takewhile
from pathlib import Path
from random import Random
from typing import Any

import structlog
from asgiref.sync import sync_to_async
from django.conf import settings

from agents.inference import Inference, Message, Sampling, ServedModel
from agents.models import BaseModel
from training.models import RehearsalText, TrainingRun
from training.trainers.job import RehearsalExample, write_atomically
from training.waiting import beside, together

REHEARSAL_FILE = "rehearsal.jsonl"
DRAWN_BY_RUN = 24  # until the base has MOST_KEPT
MOST_KEPT = 480
MOST_REHEARSED = 240  # by one run
TRIES = 4  # at one text: prompts that find no end are not kept
CONCURRENT_TEXTS = 16  # requests for each inference server
HEARTBEAT_SECONDS = 5.0
PROMPT_SAMPLING = Sampling(temperature=1.0, top_p=0.98, max_tokens=96)
# How an answer begins tells most of what an agent still can; many short ones are worth more.
ANSWER_SAMPLING = Sampling(max_tokens=48)

JSON = dict[str, Any]
Heartbeat = Callable[[str], Awaitable[None]]

log = structlog.get_logger(__name__)


async def prepare_rehearsal(run: TrainingRun, folder: Path, *, heartbeat: Heartbeat) -> None:
    """Write what the run rehearses into its folder, unless it is there already.

    `heartbeat` is awaited with a sentence every few seconds and may raise to stop.
    Raises InferenceUnavailable, or Refused.
    """
    path = folder / REHEARSAL_FILE
    if path.exists():  # a checkpoint counts on this very file
        return
    base = run.agent.base_model

    async def tell() -> None:
        while True:
            await heartbeat("drawing what is rehearsed")
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def work() -> list[RehearsalExample]:
        async with Inference() as inference:
            known = await base.rehearsal_texts.acount()
            await _draw(inference, base, count=min(DRAWN_BY_RUN, MOST_KEPT - known))
            texts = await sync_to_async(_choose)(run)
            return await together(_example(inference, run, text) for text in texts)

    examples = await beside(tell(), work())
    lines = [json.dumps(asdict(example)) + "\n" for example in examples]
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, "".join(lines))


def rehearsal_facts(folder: Path) -> JSON:
    """For the manifest: how many texts the run rehearses and their file's SHA-256."""
    path = folder / REHEARSAL_FILE
    if not path.exists():
        return {"texts": 0}
    content = path.read_bytes()
    return {"texts": content.count(b"\n"), "sha256": hashlib.sha256(content).hexdigest()}


async def _draw(inference: Inference, base: BaseModel, *, count: int) -> None:
    """Add so many texts to those of the base; fewer where it finds no end."""
    if count <= 0:
        return
    plain = ServedModel(base.served_name, base.served_name, None)
    start = await _start_of_user_turn(inference, plain)
    draws = iter(range(count))

    async def draw_on() -> list[RehearsalText]:
        return [text for _ in draws if (text := await _draw_one(inference, plain, start))]

    drawn = await together(draw_on() for _ in range(CONCURRENT_TEXTS * len(settings.VLLM_URLS)))
    rows = [text for some in drawn for text in some]
    if len(rows) < count:
        log.warning("rehearsal_without_end", base=base.served_name, drawn=len(rows), wanted=count)
    for row in rows:
        row.base_model = base
    await RehearsalText.objects.abulk_create(rows)


async def _draw_one(
    inference: Inference, plain: ServedModel, start: Sequence[int]
) -> RehearsalText | None:
    for _ in range(TRIES):
        turn = await inference.continue_ids(plain, start, PROMPT_SAMPLING)
        prompt = turn.text.strip()
        if not (prompt and turn.is_finished):
            continue
        asked = await inference.chat_ids(plain.name, [_user(prompt)])
        answer = await inference.continue_ids(plain, asked, ANSWER_SAMPLING)
        if answer.token_ids:
            return RehearsalText(prompt=prompt, answer=answer.text, token_ids=answer.token_ids)
    return None


async def _start_of_user_turn(inference: Inference, plain: ServedModel) -> list[int]:
    """The chat template up to where a person's words begin: what all chats have in common."""
    one, other = [await inference.chat_ids(plain.name, [_user(word)]) for word in ("A", "7")]
    shared = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return [token for token, _ in shared]


def _choose(run: TrainingRun) -> list[RehearsalText]:
    """Those of the run, in its order: different for each run."""
    texts = list(run.agent.base_model.rehearsal_texts.order_by("id"))
    Random(f"rehearsal:{run.pk}").shuffle(texts)
    return texts[:MOST_REHEARSED]


async def _example(inference: Inference, run: TrainingRun, text: RehearsalText) -> RehearsalExample:
    """Asked as the run's agent is asked: under its own prompt."""
    messages = [{"role": "system", "content": run.parent_version.prompt}, _user(text.prompt)]
    name = run.agent.base_model.served_name
    return RehearsalExample(await inference.chat_ids(name, messages), text.token_ids)


def _user(words: str) -> Message:
    return {"role": "user", "content": words}
