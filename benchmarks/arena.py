"""Complete matches against a plain asyncio client, and on a site that has grown.

Tokens per second on the same vLLM:

Ours plays matches as a worker does: rows, events, frames and all. The peer sends the same kind of
requests with httpx and keeps nothing: the same prompts, seats and adapters, the same turns, as many
matches at once. They take turns, twice each, on tasks of their own, so that neither finds the
other's prompts in the server's cache.

Matches a minute as finished matches grow from 1,000 to 100,000: benchmarks/growth.py. It needs no vLLM
and takes about ten minutes.

python -m benchmarks.arena [--part tokens|growth] [--matches 4] [--finished 100000] [--json FILE]

With VLLM_URL, tokens are measured on that server, whose adapters must be readable there.
"""

import argparse
import asyncio
import json
import tempfile
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean

import arena.config.testing  # noqa: F401  starts PostgreSQL and Valkey
import django

django.setup()

import httpx
from django.conf import settings
from django.core.management import call_command
from django.db import connections

from agents.adapters.store import store_adapter
from agents.inference.client import Inference, Sampling, served_model
from agents.models import AgentVersion, BaseModel, VersionOrigin
from arena.config.env import REPOSITORY, Variables
from arena.config.gpu.hardware import hardware
from arena.config.supervisor.local import local_environment
from arena.config.supervisor.machine import this_machine
from arena.config.supervisor.parts import INFERENCE, Options, choose_endpoints, plan
from arena.environments import ENVIRONMENTS
from arena.environments.asking import with_prompt
from arena.environments.episode import Episode, openings, play_out
from arena.matches import play, runner
from arena.models import Completion, Match, Space
from arena.tests.builders import make_agent, make_base_model, make_match, make_space
from benchmarks.growth import measure_growth
from benchmarks.serving import ADAPTERS, make_adapters, running

MODELS = REPOSITORY / "var" / "models"  # the tests' home, where the data lies, has none
SAMPLING = Sampling(max_tokens=48)
PROMPT = "Answer."  # of the builders' agents
# Name, environment, seats, rounds of a match.
LOADS = (("one turn", "constraints", 4, 3), ("many turns", "nim", 2, 2))


class PlainClient:
    """What anybody writes with httpx in an afternoon."""

    def __init__(self, url: str, key: str) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        self._http = httpx.AsyncClient(base_url=url, headers=headers, timeout=300.0)
        self.tokens = 0

    async def ask(self, model: str, messages: Iterable[Mapping[str, str]]) -> str:
        body = {
            "model": model,
            "messages": list(messages),
            **SAMPLING.as_json(),
            "stream": True,
            "logprobs": True,
            "return_token_ids": True,
        }
        text = ""
        async with self._http.stream("POST", "/v1/chat/completions", json=body) as response:
            response.raise_for_status()
            async for line in response.aiter_lines():
                if line.startswith("data: ") and line != "data: [DONE]":
                    choice = json.loads(line[6:])["choices"][0]
                    text += choice["delta"].get("content") or ""
                    self.tokens += len(choice.get("token_ids") or ())
        return text

    async def match(self, environment: str, models: list[str], rounds: int, seed: str) -> None:
        game = ENVIRONMENTS[environment]

        async def answers(episode: Episode, seats: tuple[int, ...]) -> list[str]:
            told = [(seat, with_prompt(PROMPT, episode.observe(seat))) for seat in seats]
            return await asyncio.gather(*(self.ask(models[seat], asked) for seat, asked in told))

        for opening in openings(game, seat_count=len(models), round_count=rounds, seed=seed):
            await play_out(opening, answers)


def plain(
    url: str, key: str, environment: str, models: list[str], rounds: int, *, matches: int, seed: str
) -> float:
    """Tokens per second of the peer."""

    async def play_all() -> float:
        client = PlainClient(url, key)
        started = time.monotonic()
        await asyncio.gather(
            *(
                client.match(environment, models, rounds, f"{seed}:{number}")
                for number in range(matches)
            )
        )
        return client.tokens / (time.monotonic() - started)

    return asyncio.run(play_all())


def ours(space: Space, versions: Sequence[AgentVersion], *, matches: int) -> float:
    """Tokens per second of matches that workers' threads play, with everything they store."""
    seated = [_seated(space, versions) for _ in range(matches)]

    def worker(match: Match) -> None:
        owner = uuid.uuid4()
        assert play.claim_match(match.pk, owner=owner)
        runner.play_match(match.pk, owner=owner)
        connections.close_all()

    threads = [threading.Thread(target=worker, args=[match]) for match in seated]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - started
    rows = Completion.objects.filter(round__match__in=seated)
    for match in seated:
        match.refresh_from_db()
        assert play.state_of(match).is_played, "the match was not played to its end"
    return sum(len(ids) for ids in rows.values_list("token_ids", flat=True)) / seconds


def _seated(space: Space, versions: Sequence[AgentVersion]) -> Match:
    """A match in whose seats these versions sit in turn, as the peer's models do."""
    match = make_match(space)
    for seat in match.seats.all():
        seat.version = versions[seat.index % len(versions)]
        seat.save(update_fields=["version"])
    return match


def _versions(base: BaseModel, folder: Path) -> list[AgentVersion]:
    """Two agents' versions, each with an adapter."""
    found = []
    for name in ADAPTERS[:2]:
        adapter = store_adapter(folder / name, base_model=base, parent=None)
        agent = make_agent()
        found.append(
            AgentVersion.objects.create(
                agent=agent,
                number=2,
                prompt=PROMPT,
                sampling=SAMPLING.as_json(),
                adapter=adapter,
                origin=VersionOrigin.TRAINED,
            )
        )
    return found


@contextmanager
def server_of(environment: Variables) -> Iterator[tuple[str, str]]:
    """The URL and key of the first server in VLLM_URL, or of one that runs meanwhile."""
    if environment.vllm_url:
        key = environment.vllm_api_key
        yield environment.vllm_url[0], key.get_secret_value() if key else ""
        return
    options = Options(parts=frozenset({INFERENCE}), free_ports=True)
    endpoints = choose_endpoints(environment, options)
    found = hardware(environment, serves=True, trains=False)
    part = next(
        one for one in plan(environment, options, endpoints, found) if one.name == INFERENCE
    )
    with running(part):
        yield endpoints.vllm_urls[0], endpoints.vllm_api_key


def measure_tokens(matches: int, *, only: str = "") -> dict[str, dict[str, float]]:
    """Print a line for each load, or only one; return tokens per second."""
    report = {}
    call_command("migrate", verbosity=0)
    environment = local_environment()
    base_path = environment.base_model_path or MODELS / environment.base_model
    environment = environment.model_copy(update={"base_model_path": base_path})
    print(f"{environment.base_model}, {matches} matches at once; tokens per second")
    with tempfile.TemporaryDirectory() as name, server_of(environment) as (url, key):
        settings.VLLM_URLS, settings.VLLM_API_KEY = [url], key
        settings.BASE_MODEL_PATH = base_path
        make_adapters(Path(name), base_path)
        base = make_base_model()  # the builders' agents have it
        base.served_name, base.path = environment.base_model, str(base_path)
        base.save()
        versions = _versions(base, Path(name))
        models = [served_model(version) for version in versions]

        async def load() -> None:
            async with Inference() as inference:
                for model in models:
                    await inference.generate(model, [{"role": "user", "content": "Hi"}], SAMPLING)

        asyncio.run(load())
        for label, slug, seats, rounds in LOADS:
            if only and label != only:
                continue
            space = make_space(
                environment=slug,
                seat_count=seats,
                round_count=rounds,
                max_tokens=SAMPLING.max_tokens,
                prize_percents=[100],
                entry_fee_credits=0,
            )
            names = [models[seat % len(models)].name for seat in range(seats)]
            found: dict[str, list[float]] = {"plain": [], "ours": []}
            for turn, who in enumerate(("plain", "ours", "ours", "plain")):
                found[who].append(
                    ours(space, versions, matches=matches)
                    if who == "ours"
                    else plain(url, key, slug, names, rounds, matches=matches, seed=f"{turn}")
                )
            own, theirs = fmean(found["ours"]), fmean(found["plain"])
            each = ", ".join(f"{who} {min(v):.1f} to {max(v):.1f}" for who, v in found.items())
            report[label] = {"plain": theirs, "ours": own, "ratio": own / theirs}
            print(
                f"{label:11s} plain {theirs:6.1f}  ours {own:6.1f}  ratio {own / theirs:.2f}  ({each})"
            )
    return report


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", choices=["tokens", "growth"], help="default: both")
    parser.add_argument("--load", default="", choices=[name for name, *_ in LOADS])
    parser.add_argument("--matches", type=int, default=4, help="at once, of tokens")
    parser.add_argument("--finished", type=int, default=100_000, help="matches, of growth")
    parser.add_argument("--json", type=Path, help="report, of tokens")
    options = parser.parse_args()
    print(this_machine())
    if options.part != "growth":
        report = measure_tokens(options.matches, only=options.load)
        if options.json:
            content = {"machine": this_machine(), "matches": options.matches, "loads": report}
            options.json.write_text(json.dumps(content, indent=1) + "\n")
    if options.part != "tokens":
        measure_growth(options.finished)


if __name__ == "__main__":
    main()
