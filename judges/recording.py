"""Counts what a vote asks of a judge's model, so that no kind has to."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from judges.tools import ChatRequest, Exchanged, Message, Reply, Tools
from judges.transcript import Usage

# What stands for each nonce in what is digested: the same questions then have the same digest.
NONCE = "NONCE"


class Recorder:
    """Hands out a vote's tools and keeps account of their use."""

    def __init__(self, tools: Tools) -> None:
        self._inner = tools
        self.endpoints: Sequence[str] = ()  # that the judge's configuration names
        self._nonces: list[str] = []
        self._told: list[Sequence[Message]] = []
        self._replies: list[Reply] = []
        self._exchanged: list[Exchanged] = []
        self.tools = replace(
            tools, complete=self._complete, exchange=self._exchange, nonce=self._nonce
        )

    @property
    def usage(self) -> Usage:
        """What was used until now; a request without a reply counts as a request only."""
        heard: list[Reply | Exchanged] = [*self._replies, *self._exchanged]
        return Usage(
            requests=len(self._told),
            prompt_tokens=sum(one.prompt_tokens for one in heard),
            completion_tokens=sum(reply.completion_tokens for reply in self._replies),
            cost_micros=sum(one.cost_micros for one in heard),
            prompt_digest=self._digest(),
        )

    async def _complete(self, request: ChatRequest) -> Reply:
        self._told.append(request.messages)
        reply = await self._inner.complete(replace(request, endpoints=self.endpoints))
        self._replies.append(reply)
        return reply

    async def _exchange(
        self, path: str, body: Mapping[str, Any], endpoints: Sequence[str]
    ) -> Exchanged:
        self._told.append([{"role": path, "content": json.dumps(body)}])
        exchanged = await self._inner.exchange(path, body, endpoints)
        self._exchanged.append(exchanged)
        return exchanged

    def _nonce(self) -> str:
        nonce = self._inner.nonce()
        self._nonces.append(nonce)
        return nonce

    def _digest(self) -> str:
        if not self._told:
            return ""
        # Sorted: questions that are asked at once begin in no fixed order.
        told = sorted(self._without_nonces(messages) for messages in self._told)
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def _without_nonces(self, messages: Sequence[Message]) -> str:
        said = json.dumps([dict(message) for message in messages], sort_keys=True)
        for nonce in self._nonces:
            said = said.replace(nonce, NONCE)
        return said
