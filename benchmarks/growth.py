"""Matches a minute on a site of many finished matches, over those on a site of few.

Each match goes through all of our own work: five people enter, the queue is seated, the match is
claimed, played, judged and settled, and its pairs are made. A script answers in place of the model, at
once, so that nothing else is measured. Two databases of one PostgreSQL take turns, batch by batch.
"""

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from random import Random
from statistics import fmean
from typing import Any, TypeVar
from unittest.mock import patch

from django.core.cache import cache
from django.core.management import call_command
from django.db import connections
from django.utils import timezone

from agents.inference.client import Message, ServedModel
from agents.models import Agent
from arena import tasks
from arena.matches import runner
from arena.models import Entry, Match, Round
from arena.spaces.entering import enter_space
from arena.spaces.matchmaking import WIDE_AFTER_SECONDS
from arena.states import MatchStatus
from arena.tests.scripted import ScriptedModel
from benchmarks.pages.history import BUSIEST, SEATS, SPACE, write_history
from training.data.harvest import harvest_matches
from training.gate.bootstrap import bootstrap, central

SMALL_MATCHES = 1000
BATCHES, BATCH_MATCHES = 15, 8
GOAL_RATIO = 1.1
FIELD = 40  # agents who play: as many on both sites, so that opponents meet equally often
CONFIDENCE = 0.95

Outcome = TypeVar("Outcome")


def measure_growth(finished: int) -> None:
    """Print matches a minute for both sizes, and their ratio with an interval over batches."""
    names = {SMALL_MATCHES: "growth_small", finished: "growth_large"}
    for size, name in names.items():
        started = time.monotonic()
        with _site(name, is_new=True):
            write_history(size, live=0, queued=0)
        print(f"{size:,} finished matches, made in {time.monotonic() - started:.0f} s", flush=True)
    minutes: dict[int, list[float]] = {size: [] for size in names}
    for number in range(BATCHES + 1):
        sizes = list(names) if number % 2 else list(reversed(names))
        for size in sizes:
            with _site(names[size]):
                seconds = _seconds_of(BATCH_MATCHES, rng=Random(number))
            if number:  # the first batch only warms up
                minutes[size].append(BATCH_MATCHES / seconds * 60)
    for size, figures in minutes.items():
        print(f"{size:>9,} finished: {_with_interval(figures, fmean)} matches a minute")
    pairs = list(zip(minutes[SMALL_MATCHES], minutes[finished], strict=True))
    ratio = _with_interval(
        pairs, lambda each: fmean(a for a, _ in each) / fmean(b for _, b in each)
    )
    print(f"ratio {ratio}; the goal is at most {GOAL_RATIO}")


@contextmanager
def _site(name: str, *, is_new: bool = False) -> Iterator[None]:
    """Let every connection lead to that database, and no cache remember the other one."""
    connection: Any = connections["default"]  # the pool is PostgreSQL's own addition
    usual = connection.settings_dict["NAME"]
    if is_new:
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {connection.ops.quote_name(name)}")

    def lead_to(database: str) -> None:
        connections.close_all()
        connection.close_pool()
        connection.settings_dict["NAME"] = database
        cache.clear()

    lead_to(name)
    try:
        if is_new:
            call_command("migrate", verbosity=0)
        yield
    finally:
        lead_to(usual)


def _seconds_of(count: int, *, rng: Random) -> float:
    """Play so many matches, one after another; seconds for all of them."""

    def say(model: ServedModel, messages: Sequence[Message]) -> str:
        return "- cats purr\n- rivers bend\n- lamps are lit"

    # Of one owner, two agents never meet.
    others = Agent.objects.filter(id__gt=BUSIEST).exclude(owner=Agent.objects.get(id=BUSIEST).owner)
    field = others.order_by("owner", "id").distinct("owner").values_list("id", flat=True)[:FIELD]
    tables = [[BUSIEST, *rng.sample(list(field), SEATS - 1)] for _ in range(count)]
    with patch.object(runner, "Inference", ScriptedModel(say)):
        started = time.monotonic()
        for agent_ids in tables:
            _play_one(agent_ids)
        return time.monotonic() - started


def _play_one(agent_ids: Sequence[int]) -> None:
    """As people, the sweep worker and a match worker do, with every hop made at once."""
    entry_ids = [uuid.uuid4() for _ in agent_ids]
    owners = dict(Agent.objects.filter(id__in=agent_ids).values_list("id", "owner_id"))
    for agent_id, entry_id in zip(agent_ids, entry_ids, strict=True):
        enter_space(owners[agent_id], agent_id=agent_id, space_slug=SPACE, entry_id=entry_id)
    entries = Entry.objects.filter(id__in=entry_ids)
    # So long ago that neither their ratings nor having met keeps them apart.
    entries.update(created_at=timezone.now() - timedelta(seconds=WIDE_AFTER_SECONDS))
    tasks.sweep()
    match_id = entries[0].match_id
    assert match_id is not None, "the queue was full, but nobody was seated"
    tasks.play_match(match_id)
    for round_id in Round.objects.filter(match_id=match_id).values_list("id", flat=True):
        tasks.judge_round(round_id)
    assert Match.objects.get(id=match_id).status == MatchStatus.SETTLED, "the match was not settled"
    harvest_matches()


def _with_interval(
    outcomes: Sequence[Outcome], figure: Callable[[Sequence[Outcome]], float]
) -> str:
    drawn = bootstrap([outcomes], figure, rng=Random(1))
    low, high = central(drawn, CONFIDENCE)
    return f"{figure(outcomes):.3g} [{low:.3g}, {high:.3g}]"
