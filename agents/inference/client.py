"""The vLLM client: streamed generation from a base model or one of its LoRA adapters.

vLLM's OpenAI-compatible server, with `return_token_ids` (vLLM >= 0.10.2) and run-time LoRA
loading. No request carries a `seed`: it crashes the CPU engine, so a user could stop the arena.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from random import SystemRandom
from typing import Any

import httpx

from agents.errors import Refused
from agents.inference.moves import (
    MoveTree,
    draw,
    normalised,
    problem_with_choices,
    problem_with_tokens,
)
from agents.inference.patience import together
from agents.inference.replies import (
    ChoicesRefused,
    Continuation,
    Generation,
    InferenceUnavailable,
    NoNumbers,
    RequestRefused,
    StreamedAnswer,
    continuation_of,
    logprobs_of,
    next_logprobs_of,
    raise_for,
    tokens_of,
)
from agents.inference.servers import (
    READ_TIMEOUT_SECONDS,
    AdapterRefused,
    ServedModel,
    Servers,
    plain_model,
    served_model,
)
from agents.inference.table import ServerTable
from agents.prompts import neutralised

__all__ = [
    "AdapterRefused",
    "ChoicesRefused",
    "Continuation",
    "Generation",
    "Inference",
    "InferenceUnavailable",
    "Message",
    "NoNumbers",
    "OnText",
    "RequestRefused",
    "Sampling",
    "ServedModel",
    "plain_model",
    "served_model",
]

# How many tokens' log-probabilities one request may ask for: vLLM's MAX_LOGPROB_TOKEN_IDS.
MAX_SCORED_IDS = 128
MAX_SPELLED = 4096  # moves whose tokens a client remembers
# Any word: it shows which token a chat template puts after an answer.
ANY_WORD = "Yes"
NO_END = "This base model's chat template does not show where an answer ends, so moves cannot be restricted."

Message = dict[str, str]
OnText = Callable[[str], Awaitable[None]]

_chance = SystemRandom()


@dataclass(frozen=True)
class Sampling:
    """How tokens are sampled. temperature and top_p are dimensionless."""

    temperature: float = 0.8
    top_p: float = 0.95
    max_tokens: int = 96

    def __post_init__(self) -> None:
        for problem in self.problems():
            raise Refused(problem)

    def problems(self) -> list[str]:
        """A sentence for each value out of range; comparisons also catch NaN."""
        found = []
        if not 0 <= self.temperature <= 2:
            found.append("Temperature must be between 0 and 2.")
        if not 0 < self.top_p <= 1:
            found.append("Top-p must be above 0 and at most 1.")
        if not 8 <= self.max_tokens <= 256:
            found.append("The longest answer must be between 8 and 256 tokens.")
        return found

    def within(self, max_tokens: int) -> "Sampling":
        """With answers of at most `max_tokens`."""
        return replace(self, max_tokens=min(self.max_tokens, max_tokens))

    def among(self, choices: Sequence[str]) -> "Sampling":
        """As an answer is drawn: with choices, from all of them, whatever top_p is."""
        return replace(self, top_p=1.0) if choices else self

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Sampling":
        try:
            return cls(
                temperature=float(value["temperature"]),
                top_p=float(value["top_p"]),
                max_tokens=int(value["max_tokens"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            raise Refused("Sampling needs the numbers temperature, top_p and max_tokens.") from None


class Inference(Servers):
    """What models are asked: for answers, and how likely given tokens are."""

    def __init__(
        self, servers: ServerTable | Sequence[str] | None = None, *, api_key: str | None = None
    ) -> None:
        super().__init__(servers, api_key=api_key)
        self._spelled: dict[tuple[str, str], tuple[int, ...]] = {}
        self._ends: dict[str, int] = {}
        self._finding_end = asyncio.Lock()

    async def generate(
        self,
        model: ServedModel,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        on_text: OnText | None = None,
        choices: Sequence[str] = (),
        answer: StreamedAnswer | None = None,
    ) -> Generation:
        """Sample one answer; `on_text` receives each piece of text as it arrives.

        `answer`, a new one, is filled meanwhile: whoever cancels this knows how far it came.

        With `choices`, the answer is one of them: its tokens are drawn among those that go on with
        a choice, at the sampling's temperature, whatever its top-p and longest answer are.
        Raises InferenceUnavailable, RequestRefused (prompt too long, ...) or AdapterRefused.
        """
        if choices:
            return await self._choose(model, messages, choices, sampling.temperature, on_text)

        async def ask(url: str) -> Generation:
            return await self._stream(
                url, model, messages, sampling, on_text, answer or StreamedAnswer()
            )

        return await self._with_adapter(model, ask)

    async def _choose(
        self,
        model: ServedModel,
        messages: Sequence[Message],
        choices: Sequence[str],
        temperature: float,
        on_text: OnText | None,
    ) -> Generation:
        started = time.monotonic()
        tree = await self._tree(model.base, choices)
        prompt_ids = await self.chat_ids(model.base, messages)
        ids: list[int] = []
        logprobs: list[float] = []
        allowed: list[tuple[int, ...]] = []
        while among := tree.after(ids):
            found = await self._logprobs_among(model, [*prompt_ids, *ids], among)
            token = draw(found, temperature=temperature, at=_chance.random())
            ids.append(token)
            logprobs.append(found[token])
            allowed.append(among)
        text, seconds = tree.moves[tuple(ids)], time.monotonic() - started
        if on_text:
            await on_text(text)
        return Generation(
            text=text,
            prompt_token_ids=prompt_ids,
            token_ids=ids,
            logprobs=logprobs,
            chunk_times=[(len(text), round(seconds, 3))],
            finish_reason="stop",
            seconds=seconds,
            allowed_token_ids=allowed,
        )

    async def spell(
        self, base: str, text: str, choices: Sequence[str] = ()
    ) -> tuple[list[int], list[tuple[int, ...]]]:
        """An answer that code gave: its token ids, and for each the ids that were allowed there.

        If it is one of the choices, its tokens end with that which ends a turn, as when a model
        draws it. Otherwise, or if no model could choose among them, its tokens are those of the
        text alone, and none is restricted: []. Raises InferenceUnavailable.
        """
        if text in choices:
            with suppress(RequestRefused):
                tree = await self._tree(base, choices)
                ids = list(await self._spelled_out(base, text))
                return ids, [tree.after(ids[:place]) for place in range(len(ids))]
        return await self.count_tokens(base, text), []

    async def score_tokens(
        self,
        model: ServedModel,
        prompt_ids: Sequence[int],
        answer_ids: Sequence[int],
        allowed_token_ids: Sequence[Sequence[int]] = (),
    ) -> list[float]:
        """Natural logprob of each answer token after the prompt, without sampling: one prefill.

        Of a restricted answer, normalised over what was allowed: one prefill for each token that
        had an alternative. On a CPU, the server must keep lm_head out of its LoRA targets, or this
        request crashes the engine (docs/decisions/lora-shape.md). Raises as `generate` does.
        """
        if allowed_token_ids:
            found = await together(
                self._logprobs_among(model, [*prompt_ids, *answer_ids[:place]], among)
                for place, among in enumerate(allowed_token_ids)
            )
            return [each[token] for each, token in zip(found, answer_ids, strict=True)]
        body = {
            "model": model.name,
            "prompt": [*prompt_ids, *answer_ids],
            "max_tokens": 1,
            "prompt_logprobs": 0,
        }

        async def ask(url: str) -> list[float]:
            response = await self._post(url, "/v1/completions", body)
            if response.status_code != 200:
                raise_for(response)
            return logprobs_of(response, answer_ids)

        return await self._with_adapter(model, ask) if answer_ids else []

    async def _logprobs_among(
        self, model: ServedModel, ids: Sequence[int], among: Sequence[int]
    ) -> dict[int, float]:
        """Natural logprobs of these tokens after `ids`, normalised over these tokens alone."""
        if len(among) == 1:
            return {among[0]: 0.0}  # it is certain, whatever the model

        async def ask(url: str) -> dict[int, float]:
            found: dict[int, float] = {}
            for start in range(0, len(among), MAX_SCORED_IDS):
                part = list(among[start : start + MAX_SCORED_IDS])
                body = {
                    "model": model.name,
                    "prompt": list(ids),
                    "max_tokens": 1,
                    "temperature": 0.0,
                    "logprobs": 0,
                    "logprob_token_ids": part,
                    "return_tokens_as_token_ids": True,
                }
                response = await self._post(
                    url, "/v1/completions", body, timeout=READ_TIMEOUT_SECONDS
                )
                if response.status_code != 200:
                    raise_for(response)
                found |= next_logprobs_of(response, part)
            return found

        return normalised(await self._with_adapter(model, ask))

    async def _tree(self, base: str, choices: Sequence[str]) -> MoveTree:
        """The choices by their tokens. Raises ChoicesRefused if a seat cannot choose among them."""
        if problem := problem_with_choices(choices):
            raise ChoicesRefused(problem)
        spelled = await together(self._spelled_out(base, move) for move in choices)
        for move, ids in zip(choices, spelled, strict=True):
            if problem := problem_with_tokens(move, ids):
                raise ChoicesRefused(problem)
        return MoveTree(dict(zip(spelled, choices, strict=True)))

    async def _spelled_out(self, base: str, text: str) -> tuple[int, ...]:
        """Token ids of the text as a whole answer, with the token that ends a turn."""
        if (base, text) not in self._spelled:
            ids = await self.count_tokens(base, text)
            end = await self._end_of_turn(base)
            if len(self._spelled) == MAX_SPELLED:
                self._spelled.clear()
            self._spelled[base, text] = (*ids, end)
            return (*ids, end)
        return self._spelled[base, text]

    async def _end_of_turn(self, base: str) -> int:
        """The token that the base's chat template puts after an answer."""
        async with self._finding_end:
            if base not in self._ends:
                asked = {"role": "user", "content": ANY_WORD}
                before = [
                    *await self.chat_ids(base, [asked]),
                    *await self.count_tokens(base, ANY_WORD),
                ]
                turns = [asked, {"role": "assistant", "content": ANY_WORD}]
                whole = await self._tokenize(
                    base, {"messages": turns, "add_generation_prompt": False}
                )
                if whole[: len(before)] != before or len(whole) == len(before):
                    raise RequestRefused(NO_END)
                self._ends[base] = whole[len(before)]
        return self._ends[base]

    async def continue_ids(
        self, model: ServedModel, ids: Sequence[int], sampling: Sampling
    ) -> Continuation:
        """Let the model continue after these tokens, which need not end a turn.

        Raises as `generate` does.
        """
        body = {
            "model": model.name,
            "prompt": list(ids),
            **sampling.as_json(),
            "return_token_ids": True,
        }

        async def ask(url: str) -> Continuation:
            response = await self._post(url, "/v1/completions", body, timeout=READ_TIMEOUT_SECONDS)
            if response.status_code != 200:
                raise_for(response)
            return continuation_of(response)

        return await self._with_adapter(model, ask)

    async def count_tokens(self, base: str, text: str) -> list[int]:
        """Token ids of the text alone, without special tokens."""
        body = {"prompt": neutralised(text), "add_special_tokens": False}
        return await self._tokenize(base, body)

    async def chat_ids(self, base: str, messages: Sequence[Message]) -> list[int]:
        """Token ids of the messages and the start of the assistant's turn."""
        return await self._tokenize(base, {"messages": _neutral(messages)})

    async def _tokenize(self, base: str, body: Mapping[str, Any]) -> list[int]:
        async with self._server(base) as url:
            response = await self._post(url, "/tokenize", {"model": base, **body})
            if response.status_code == 400:
                raise_for(response)  # a chat template may refuse messages in this order
            if response.status_code != 200:
                raise InferenceUnavailable(f"tokenize answered {response.status_code}")
            return tokens_of(response)

    async def _stream(
        self,
        url: str,
        model: ServedModel,
        messages: Sequence[Message],
        sampling: Sampling,
        on_text: OnText | None,
        answer: StreamedAnswer,
    ) -> Generation:
        body = {
            "model": model.name,
            "messages": _neutral(messages),
            **sampling.as_json(),
            "stream": True,
            "logprobs": True,
            "return_token_ids": True,
        }
        started = time.monotonic()
        try:
            async with self._http.stream(
                "POST", f"{url}/v1/chat/completions", json=body
            ) as response:
                if response.status_code != 200:
                    await response.aread()
                    raise_for(response)
                async for line in response.aiter_lines():
                    if not line.startswith("data: ") or line == "data: [DONE]":
                        continue
                    piece = answer.add(json.loads(line[6:]), time.monotonic() - started)
                    if piece and on_text:
                        await on_text(piece)
        except (httpx.HTTPError, json.JSONDecodeError) as error:
            raise InferenceUnavailable(f"{type(error).__name__} while answering") from error
        return answer.finished(time.monotonic() - started)


def _neutral(messages: Sequence[Message]) -> list[Message]:
    return [
        {"role": message["role"], "content": neutralised(message["content"])}
        for message in messages
    ]
