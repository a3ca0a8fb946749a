"""Live fan-out: our hub against channels_redis, the usual way to do this with Django Channels.

One process holds all spectators of one match; another sends frames through Valkey. Latency is the
time from sending a frame until a spectator's coroutine has it.

    python -m benchmarks.live [--spectators 1000] [--frames 200] [--per-second 30]
"""

import argparse
import asyncio
import json
import multiprocessing
import statistics
import time
from collections.abc import Awaitable, Callable

import arena.config.testing  # noqa: F401  starts Valkey
import django

django.setup()

import redis.asyncio
from channels_redis.pubsub import RedisPubSubChannelLayer
from django.conf import settings

from arena.config.supervisor.machine import this_machine
from arena.live import stream

TEXT = "a piece of an answer, as long as a tenth of a second of tokens is, or so."
CHANNEL = "bench"
GRACE_SECONDS = 10.0


def frame() -> str:
    return json.dumps({"t": "text", "at": time.monotonic(), "text": TEXT})


def send_to_hub(url: str, frames: int, per_second: float) -> None:
    async def run() -> None:
        client = redis.asyncio.Redis.from_url(url)
        await paced(lambda: client.publish(CHANNEL, frame()), frames, per_second)

    asyncio.run(run())


def send_to_layer(url: str, frames: int, per_second: float) -> None:
    async def run() -> None:
        layer = RedisPubSubChannelLayer(hosts=[url])
        await paced(
            lambda: layer.group_send(CHANNEL, {"type": "frame", "text": frame()}),
            frames,
            per_second,
        )

    asyncio.run(run())


async def paced(send: Callable[[], Awaitable[object]], frames: int, per_second: float) -> None:
    started = time.monotonic()
    for number in range(frames):
        await asyncio.sleep(max(0.0, started + number / per_second - time.monotonic()))
        await send()


async def watch_hub(spectators: int, sender: Callable[[], None], frames: int) -> list[float]:
    hub = stream.Hub(settings.VALKEY_URL)
    ready = asyncio.Barrier(spectators + 1)

    async def spectate(latencies: list[float]) -> None:
        async with hub.watch(CHANNEL) as queue:
            await ready.wait()
            for _ in range(frames):
                sent_at = json.loads(await queue.get())["at"]
                latencies.append(time.monotonic() - sent_at)

    return await measured(spectate, spectators, ready, sender, frames)


async def watch_layer(spectators: int, sender: Callable[[], None], frames: int) -> list[float]:
    layer = RedisPubSubChannelLayer(hosts=[settings.VALKEY_URL])
    ready = asyncio.Barrier(spectators + 1)

    async def spectate(latencies: list[float]) -> None:
        channel = await layer.new_channel()
        await layer.group_add(CHANNEL, channel)
        await ready.wait()
        for _ in range(frames):
            message = await layer.receive(channel)
            sent_at = json.loads(message["text"])["at"]
            latencies.append(time.monotonic() - sent_at)

    return await measured(spectate, spectators, ready, sender, frames)


async def measured(
    spectate: Callable[[list[float]], Awaitable[None]],
    spectators: int,
    ready: asyncio.Barrier,
    sender: Callable[[], None],
    frames: int,
) -> list[float]:
    latencies: list[float] = []
    watching = [asyncio.ensure_future(spectate(latencies)) for _ in range(spectators)]
    await ready.wait()
    await asyncio.to_thread(sender)
    await asyncio.wait(watching, timeout=GRACE_SECONDS)
    for each in watching:
        each.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    return latencies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spectators", type=int, default=1000)
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--per-second", type=float, default=30.0)
    options = parser.parse_args()
    spectators, frames = options.spectators, options.frames
    print(this_machine())
    print(f"{spectators} spectators, {frames} frames at {options.per_second:g} per second")
    ways = {
        "our hub": (watch_hub, send_to_hub),
        "channels_redis.pubsub": (watch_layer, send_to_layer),
    }
    ours = 0.0
    print(f"{'':24}{'p50 ms':>10}{'p99 ms':>10}{'received':>10}{'p99 / ours':>12}")
    for name, (watch, send) in ways.items():

        def sender(send: Callable[[str, int, float], None] = send) -> None:
            context = multiprocessing.get_context("spawn")
            arguments = (settings.VALKEY_URL, frames, options.per_second)
            process = context.Process(target=send, args=arguments)
            process.start()
            process.join()

        latencies = asyncio.run(watch(spectators, sender, frames))
        cuts = statistics.quantiles(latencies, n=100)
        ours = ours or cuts[98]
        received = len(latencies) / (spectators * frames)
        print(
            f"{name:24}{cuts[49] * 1e3:>10.1f}{cuts[98] * 1e3:>10.1f}{received:>10.1%}"
            f"{cuts[98] / ours:>12.1f}"
        )


if __name__ == "__main__":
    main()
