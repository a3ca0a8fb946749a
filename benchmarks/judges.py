"""Verdicts of a pairwise judge on panels of 8 seats: prompts laid out to be shared, against one for each.

All ways ask the same vLLM about the same answers, which its model writes first: 56 ordered pairs a panel.
"naive" has a full prompt with a random code of its own for each. "in pairs" is the product with
`max_listed_characters` at 0, "listed" the product as it is (docs/decisions/judge-prefixes.md). Computed
tokens are those that vLLM's cache did not have, by its own counters.

python -m benchmarks.judges [--panels 4]
"""

import argparse
import asyncio
import os
import re
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import django
import httpx

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "arena.config.settings")
django.setup()

from agents.inference.client import Inference, Sampling, ServedModel
from arena.config.gpu.hardware import hardware
from arena.config.supervisor.local import local_environment
from arena.config.supervisor.machine import this_machine
from arena.config.supervisor.parts import INFERENCE, Options, choose_endpoints, plan
from benchmarks.serving import running
from judges.kinds.comparing import Layout, in_list_order
from judges.tools import ChatRequest, Message
from judges.transcript import Answer
from judges.wire import body_of

SEATS = 8
CONCURRENT_REQUESTS = 8  # as judges/kinds/pairwise.py has it
REQUEST_SECONDS = 600.0
LISTED_CHARACTERS = 6_000  # the default of the setting
# A verdict alone, as a judge gives whose choice is read from its first tokens; a verdict with reasons.
REPLY_TOKENS = (4, 48)
ANSWER = Sampling(temperature=0.9, max_tokens=120)
TASKS = (
    "Write a short story about a lighthouse keeper who finds a letter.",
    "Explain to a child why the sea is salty.",
    "Write a poem of eight lines about the first snow.",
    "Describe how to make a good cup of tea.",
)
COUNTERS = ("vllm:prefix_cache_queries_total", "vllm:prefix_cache_hits_total")

Prompts = list[list[Message]]


@dataclass(frozen=True)
class Cost:
    """What all verdicts of one way took."""

    verdicts: int
    seconds: float
    prompt_tokens: float
    computed_tokens: float


def naive(task: str, answers: Sequence[Answer]) -> Prompts:
    def alone() -> Layout:
        return Layout(task, answers, nonce=secrets.token_hex(8), max_listed_characters=0)

    return [alone().render(first, second) for first, second in _ordered(answers)]


def shared(task: str, answers: Sequence[Answer], *, listed: int) -> Prompts:
    nonce = secrets.token_hex(8)
    layout = Layout(task, in_list_order(answers), nonce=nonce, max_listed_characters=listed)
    return [layout.render(first, second) for first, second in _ordered(answers)]


def _ordered(answers: Sequence[Answer]) -> list[tuple[Answer, Answer]]:
    """Every pair in both orders, as a vote asks."""
    return [one for pair in combinations(answers, 2) for one in (pair, pair[::-1])]


WAYS: dict[str, Callable[[str, Sequence[Answer]], Prompts]] = {
    "naive": naive,
    "in pairs": lambda task, answers: shared(task, answers, listed=0),
    "listed": lambda task, answers: shared(task, answers, listed=LISTED_CHARACTERS),
}


async def panel(inference: Inference, model: ServedModel, task: str) -> list[Answer]:
    """Different answers of the model to one task."""
    messages = [{"role": "user", "content": task}]
    found = await asyncio.gather(
        *(inference.generate(model, messages, ANSWER) for _ in range(SEATS))
    )
    return [Answer(seat=seat, text=one.text) for seat, one in enumerate(found)]


async def cost_of(url: str, key: str, model: str, prompts: Prompts, *, max_tokens: int) -> Cost:
    """Ask all of them, as many at once as a vote does."""
    slots = asyncio.Semaphore(CONCURRENT_REQUESTS)
    async with httpx.AsyncClient(
        headers={"Authorization": f"Bearer {key}"}, timeout=REQUEST_SECONDS
    ) as http:

        async def ask(messages: list[Message]) -> None:
            body = body_of(ChatRequest(messages, max_tokens=max_tokens), model=model)
            async with slots:
                # As many tokens for each verdict, whatever the model would like to say.
                reply = await http.post(
                    f"{url}/v1/chat/completions", json=body | {"ignore_eos": True}
                )
            reply.raise_for_status()

        before, started = await counters(url), time.monotonic()
        await asyncio.gather(*(ask(messages) for messages in prompts))
        seconds = time.monotonic() - started
    asked, kept = (now - was for now, was in zip(await counters(url), before, strict=True))
    return Cost(len(prompts), seconds, asked, asked - kept)


async def counters(url: str) -> list[float]:
    """Prompt tokens that vLLM looked for in its cache, and those that it found."""
    async with httpx.AsyncClient() as http:
        told = (await http.get(f"{url}/metrics")).text
    return [
        sum(float(value) for value in re.findall(rf"^{name}\{{.*\}} (\S+)$", told, re.MULTILINE))
        for name in COUNTERS
    ]


async def measure(url: str, key: str, name: str, panels: int) -> None:
    async with Inference([url], api_key=key) as inference:
        model = ServedModel(name, name, None)
        tables = [
            (task, await panel(inference, model, task))
            for number in range(panels)
            for task in (TASKS[number % len(TASKS)],)
        ]
    print(f"{'':10} {'reply':>6} {'verdicts/s':>11} {'prompt':>8} {'computed':>9}   naive / this")
    for max_tokens in REPLY_TOKENS:
        totals: dict[str, Cost] = {}
        for task, answers in tables:
            for way, prompts_of in WAYS.items():  # in turn, so that other load falls on all of them
                prompts = prompts_of(task, answers)
                found = await cost_of(url, key, name, prompts, max_tokens=max_tokens)
                totals[way] = added(totals[way], found) if way in totals else found
        for way, cost in totals.items():
            print(line(way, max_tokens, cost, totals["naive"]))


def added(one: Cost, other: Cost) -> Cost:
    return Cost(
        one.verdicts + other.verdicts,
        one.seconds + other.seconds,
        one.prompt_tokens + other.prompt_tokens,
        one.computed_tokens + other.computed_tokens,
    )


def line(way: str, max_tokens: int, cost: Cost, base: Cost) -> str:
    each = cost.verdicts
    return (
        f"{way:10} {max_tokens:6d} {each / cost.seconds:11.2f} {cost.prompt_tokens / each:8.0f} "
        f"{cost.computed_tokens / each:9.0f}   {base.seconds / cost.seconds:.1f} times the verdicts "
        f"a second, {cost.computed_tokens and base.computed_tokens / cost.computed_tokens:.1f} times "
        "fewer computed tokens"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--panels", type=int, default=4, help="of 8 seats each")
    panels = parser.parse_args().panels
    environment = local_environment()
    options = Options(parts=frozenset({INFERENCE}), free_ports=True)
    endpoints = choose_endpoints(environment, options)
    server = hardware(environment, serves=True, trains=False)
    part = next(
        part for part in plan(environment, options, endpoints, server) if part.name == INFERENCE
    )
    print(this_machine())
    print(f"{environment.base_model}, {panels} panels of {SEATS} seats, tokens for each verdict")
    with running(part):
        url, key = endpoints.vllm_urls[0], endpoints.vllm_api_key
        asyncio.run(measure(url, key, environment.base_model, panels))


if __name__ == "__main__":
    main()
