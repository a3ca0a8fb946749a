"""Counts what a vote asks of a judge's model, so that no kind has to."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace

from judges.tools import ChatRequest, Message, Reply, Tools
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
        self.tools = replace(tools, complete=self._complete, nonce=self._nonce)

    @property
    def usage(self) -> Usage:
        """What was used until now; a request without a reply counts as a request only."""
        return Usage(
            requests=len(self._told),
            prompt_tokens=sum(reply.prompt_tokens for reply in self._replies),
            completion_tokens=sum(reply.completion_tokens for reply in self._replies),
            cost_micros=sum(reply.cost_micros for reply in self._replies),
            prompt_digest=self._digest(),
        )

    async def _complete(self, request: ChatRequest) -> Reply:
        self._told.append(request.messages)
        reply = await self._inner.complete(replace(request, endpoints=self.endpoints))
        self._replies.append(reply)
        return reply

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
