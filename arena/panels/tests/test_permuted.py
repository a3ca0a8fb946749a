"""Which seat is which, and in which order judges sit, changes no verdict of the default judges."""

import asyncio
from collections.abc import Sequence
from hashlib import sha256
from itertools import permutations
from random import Random

import pytest

from arena.environments import ENVIRONMENTS
from arena.environments.base import Split
from arena.panels.tests.test_voting import make_panelist
from arena.panels.voting import judge_answers
from judges.panel import PanelVerdict
from judges.tests.builders import compared
from judges.tools import ChatRequest, Message, Reply, Tools

# As small models answer a request for a poem
SAID = (
    "The moon is a lantern above the sea,\nit whispers a silver song to me.",
    "Here is a poem about the topic.",
    "I am a helpful assistant. How can I help you today?",
)


def noise(*parts: str) -> float:
    """In [0, 1), and always the same for the same texts."""
    return int.from_bytes(sha256("\n".join(parts).encode()).digest()[:4]) / 2**32


class Noisy:
    """Tools whose figures depend on the texts alone; the reader now and then prefers a position."""

    def tools(self) -> Tools:
        return Tools(complete=self.complete, logprob=self.logprob, relevance=self.relevance)

    async def complete(self, request: ChatRequest) -> Reply:
        first, second = compared(request.messages)
        if noise("slip", first, second) < 0.2:
            return Reply("VERDICT: A")
        better = noise("taste", first) > noise("taste", second)
        return Reply(f"VERDICT: {'A' if better else 'B'}")

    async def logprob(
        self, messages: Sequence[Message], answer: str, *, max_tokens: int
    ) -> tuple[float, int]:
        return -2.0 - noise("fit", str(messages), answer), 1

    async def relevance(self, prompt: str, texts: Sequence[str]) -> list[float]:
        return [0.3 + 0.4 * noise("relevance", prompt, text) for text in texts]


@pytest.mark.parametrize(
    ("slug", "panel"),
    [
        ("constraints", [("code", 1.0)]),
        ("constraints", [("code", 1.0), ("pairwise-llm", 1.7)]),
        ("open_ended", [("form-and-relevance", 1.0)]),
        ("open_ended", [("form-and-relevance", 0.3), ("code", 0.7)]),
        ("open_ended", [("pairwise-llm", 3.0), ("form-and-relevance", 1.0), ("code", 0.1)]),
    ],
    ids=str,
)
def test_permuting_seats_or_judges_changes_no_verdict(
    slug: str, panel: list[tuple[str, float]]
) -> None:
    environment, rng = ENVIRONMENTS[slug], Random(11)
    judges = [make_panelist(name, weight=weight) for name, weight in panel]

    for _ in range(3):
        task = environment.make_task(rng, Split.TRAIN)
        solved = environment.solve(environment.begin(task, 1), 0, rng)
        texts = (solved, *SAID)

        def verdict(order: Sequence[int], seated: Sequence[int]) -> PanelVerdict:
            by_seat = {seat: texts[text] for seat, text in enumerate(order)}  # noqa: B023 called here
            heard = [judges[index] for index in seated]
            asked = judge_answers(heard, environment, task, by_seat, Noisy().tools())  # noqa: B023
            found = asyncio.run(asked)[1]
            assert found is not None
            return found

        usual = verdict(range(4), range(len(judges)))
        for order in permutations(range(4)):
            seated = rng.sample(range(len(judges)), len(judges))
            turned = verdict(order, seated)
            assert {order[seat]: score for seat, score in turned.scores.items()} == usual.scores
            groups = [sorted(order[seat] for seat in group) for group in turned.ranking]
            assert groups == [sorted(group) for group in usual.ranking]
            assert (turned.alpha, turned.agreement) == (usual.alpha, usual.agreement)
