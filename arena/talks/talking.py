"""One answer of a version to its owner, streamed from the inference servers.

Rows are read and written between the pieces, each time in a thread that gives its connection back, so
that a slow model or reader holds none. Whoever stops listening cancels the request, which frees the
model, and pays for what was made until then. A fault of ours costs nothing.
"""

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import structlog
from channels.db import database_sync_to_async
from django.db import DatabaseError

from agents.adapters.store import check_playable, note_refusal
from agents.api_tokens import is_valid
from agents.errors import PromptTooLong, Refused
from agents.inference.chat import ChatSampling
from agents.inference.client import (
    AdapterRefused,
    Inference,
    Message,
    ServedModel,
    served_model,
)
from agents.inference.replies import StreamedAnswer
from agents.inference.shared import shared_inference
from agents.inference.table import ServerTable, known_servers
from arena.talks.charging import (
    MAX_AT_ONCE,
    TOO_MANY,
    Receipt,
    TooManyAtOnce,
    close_talk,
    keep_talk,
    open_talk,
)
from arena.talks.naming import model_name, own_version
from arena.talks.saying import checked_messages

KEEP_SECONDS = 2.0  # how late a revoked token ends an answer
LONGEST_TALK_SECONDS = 300.0

log = structlog.get_logger(__name__)

_counted = Counter[int]()  # user -> requests of this process whose tokens are counted now

P = ParamSpec("P")
Result = TypeVar("Result")


class TalkEnded(Refused):
    """The answer broke off on purpose; what came of it is charged."""


@dataclass(frozen=True)
class TalkPlan:
    """Everything needed to answer, read at once."""

    user_id: int
    token_id: int | None  # that asked; None: the user is signed in
    name: str
    model: ServedModel
    servers: ServerTable
    adapter_digest: str
    context_tokens: int
    messages: tuple[Message, ...]
    sampling: ChatSampling


@dataclass(frozen=True)
class Spoken:
    """How an answer ended, and what it cost."""

    finish_reason: str  # "stop" or "length"
    prompt_tokens: int
    answer_tokens: int
    charged_credits: int


def plan_talk(
    user_id: int,
    *,
    name: str,
    messages: Sequence[Mapping[str, str]],
    changes: Mapping[str, Any],
    token_id: int | None = None,
) -> TalkPlan:
    """What is asked of the user's version of that name; `changes` of its sampling.

    Raises NotAvailable, BadValue, or Refused with a sentence.
    """
    version = own_version(user_id, name=name)
    if version.adapter:
        check_playable(version.adapter, verify=False)
    return TalkPlan(
        user_id=user_id,
        token_id=token_id,
        name=model_name(version.agent_id, version.number),
        model=served_model(version),
        servers=known_servers(),
        adapter_digest=version.adapter.digest if version.adapter else "",
        context_tokens=version.agent.base_model.context_tokens,
        messages=checked_messages(messages, prompt=version.prompt),
        sampling=ChatSampling.of(version.sampling, **changes),
    )


async def talk(plan: TalkPlan) -> AsyncGenerator[str | Spoken]:
    """The answer's text piece by piece, and at last how it ended.

    Raises PromptTooLong, TooManyAtOnce, InsufficientCredits, TalkEnded, another Refused, or
    InferenceUnavailable.
    """
    inference = shared_inference(plan.servers)
    with _counting(plan.user_id):
        prompt_ids = await inference.chat_ids(plan.model.base, plan.messages)
    most_tokens = len(prompt_ids) + plan.sampling.max_tokens
    if most_tokens > plan.context_tokens:
        raise PromptTooLong(
            f"The messages have {len(prompt_ids):,} tokens and the answer may have "
            f"{plan.sampling.max_tokens:,}; together at most {plan.context_tokens:,} fit."
        )
    answer = StreamedAnswer()
    news: asyncio.Queue[str | asyncio.Task[Receipt | None]] = asyncio.Queue()
    # It ends and is paid with its last token, however slowly it is read.
    work = asyncio.create_task(_held(inference, plan, answer, news.put, most_tokens=most_tokens))
    work.add_done_callback(news.put_nowait)  # behind the pieces that it has put there
    try:
        while isinstance(piece := await news.get(), str):
            yield piece
        receipt = await piece  # raises what it broke off with
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
    yield Spoken(
        finish_reason=answer.finish_reason,
        prompt_tokens=len(answer.prompt_token_ids),
        answer_tokens=len(answer.token_ids),
        charged_credits=receipt.charged_credits if receipt else 0,
    )


@contextmanager
def _counting(user_id: int) -> Iterator[None]:
    """Bound what is counted into tokens for a person at once, which nothing is set aside for yet."""
    if _counted[user_id] >= MAX_AT_ONCE:
        raise TooManyAtOnce(TOO_MANY)
    _counted[user_id] += 1
    try:
        yield
    finally:
        _counted[user_id] -= 1
        if not _counted[user_id]:
            del _counted[user_id]


def in_thread(call: Callable[P, Result]) -> Callable[P, Awaitable[Result]]:
    """The call in a thread of its own, which gives its database connection back at once."""
    # Not in the request's own thread: that one is gone while the answer is still coming.
    threaded: Callable[P, Awaitable[Result]] = database_sync_to_async(call, thread_sensitive=False)
    return threaded


async def _held(
    inference: Inference,
    plan: TalkPlan,
    answer: StreamedAnswer,
    on_text: Callable[[str], Awaitable[None]],
    *,
    most_tokens: int,
) -> Receipt | None:
    """The whole talk, from what is set aside to what it cost. Raises as `talk`."""
    talk_id, is_to_pay = uuid.uuid4(), True
    opening = asyncio.ensure_future(
        in_thread(open_talk)(plan.user_id, talk_id=talk_id, most_tokens=most_tokens)
    )
    work: list[asyncio.Task[None]] = []
    try:
        await asyncio.shield(opening)
        work = [
            asyncio.create_task(_answer(inference, plan, answer, on_text)),
            asyncio.create_task(_watch(plan, talk_id)),
        ]
        ended, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        await ended.pop()
    except Exception as error:
        is_to_pay = isinstance(error, TalkEnded)
        raise
    finally:
        for task in work:
            task.cancel()
        await asyncio.gather(opening, *work, return_exceptions=True)
        used = len(answer.prompt_token_ids) + len(answer.token_ids) if is_to_pay else 0
        receipt = await asyncio.shield(_closed(talk_id, min(used, most_tokens)))
    return receipt


async def _answer(
    inference: Inference,
    plan: TalkPlan,
    answer: StreamedAnswer,
    on_text: Callable[[str], Awaitable[None]],
) -> None:
    try:
        async with asyncio.timeout(LONGEST_TALK_SECONDS):
            await inference.generate(
                plan.model, plan.messages, plan.sampling, on_text=on_text, answer=answer
            )
    except TimeoutError:
        raise TalkEnded(
            f"The answer took longer than {LONGEST_TALK_SECONDS:.0f} seconds."
        ) from None
    except AdapterRefused as error:
        await in_thread(note_refusal)(plan.adapter_digest, str(error))
        raise


async def _watch(plan: TalkPlan, talk_id: uuid.UUID) -> None:
    """Keep the talk until it may not go on."""
    while True:
        await asyncio.sleep(KEEP_SECONDS)
        try:
            is_kept = await in_thread(keep_talk)(talk_id)
            may_go_on = plan.token_id is None or await in_thread(is_valid)(plan.token_id)
        except DatabaseError as error:
            # The answer needs no database; one that stays away lets the lease expire.
            log.warning("talk_not_kept", error=type(error).__name__)
            continue
        if not is_kept:
            raise TalkEnded("The answer was ended by the site.")
        if not may_go_on:
            raise TalkEnded("The token was revoked or has expired, so the answer ends here.")


async def _closed(talk_id: uuid.UUID, used_tokens: int) -> Receipt | None:
    try:
        return await in_thread(close_talk)(talk_id, used_tokens=used_tokens)
    except Exception:
        # The sweep gives back what is set aside.
        log.exception("talk_not_closed", talk_id=str(talk_id))
        return None
