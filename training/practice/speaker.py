"""A version that answers in practice, as it would in a match of the run's Space."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agents.inference.client import (
    Generation,
    Inference,
    Message,
    Sampling,
    ServedModel,
    served_model,
)
from agents.inference.patience import patiently
from agents.models import AgentVersion
from arena.models import Space
from training.models import Rollout

# Requests in flight per inference server. Measured: docs/decisions/practice-concurrency.md
CONCURRENT_ANSWERS = 16


@dataclass(frozen=True)
class Speaker:
    """A version with everything needed to ask it; read once, outside the event loop."""

    version: AgentVersion
    model: ServedModel
    sampling: Sampling

    @classmethod
    def of(cls, version: AgentVersion, space: Space) -> "Speaker":
        """Raises Refused for a version that no server can play."""
        sampling = Sampling.from_json(version.sampling).within(space.max_tokens)
        return cls(version, served_model(version), sampling)

    async def answer(
        self, inference: Inference, messages: Sequence[Message], choices: Sequence[str]
    ) -> Generation:
        """One answer; with `choices`, one of them.

        Raises InferenceUnavailable, RequestRefused or AdapterRefused.
        """
        return await patiently(
            lambda: inference.generate(self.model, messages, self.sampling, choices=choices)
        )

    def rollout(self, answer: Generation, *, choices: Sequence[str], **place: Any) -> Rollout:
        """The answer as a row, not saved; `place` says whose run, and where in it."""
        return Rollout(
            version=self.version,
            text=answer.text,
            prompt_token_ids=answer.prompt_token_ids,
            token_ids=answer.token_ids,
            logprobs=answer.logprobs,
            allowed_token_ids=answer.allowed_token_ids,
            finish_reason=answer.finish_reason,
            adapter_digest=self.version.adapter.digest if self.version.adapter else "",
            sampling=self.sampling.among(choices).as_json(),
            **place,
        )
