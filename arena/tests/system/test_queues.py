"""Sweeps have a worker of their own: a flood of matches that nobody can finish delays none of them.

The workers and the schedule are the product's own processes; only vLLM is a stand-in, which takes
questions and never answers.
"""

import os
import signal
import socket
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

import pytest
from django.db import connection

from agents.models import Agent, AgentVersion, User, VersionOrigin
from arena.config.env import REPOSITORY, Variables
from arena.config.gpu.hardware import Hardware
from arena.config.supervisor.parts import (
    BEAT,
    MATCH_WORKER,
    SWEEP_WORKER,
    Options,
    choose_endpoints,
    plan,
)
from arena.matches import claiming, play, seating
from arena.models import Entry, EntryStatus, Match, Space
from arena.states import MatchStatus
from arena.tests.builders import (
    SAMPLING,
    enter,
    make_agent,
    make_base_model,
    make_match,
    make_space,
    make_user,
    play_round,
)
from arena.tests.system.product import wait_for
from training.models import Harvest

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

FLOOD = 500
THREADS = 2
START_SECONDS = 120.0
# Beat's sweeps expire after 10 seconds, so one that comes at all comes in time; the rest is for a
# busy machine.
SWEEP_SECONDS = 60.0


@contextmanager
def running(home: Path, inference_url: str) -> Iterator[None]:
    """The worker of matches, the worker of sweeps and the schedule, on the test's database."""
    url = os.environ["DATABASE_URL"].replace("/rlfc?", f"/{connection.settings_dict['NAME']}?")
    environment = Variables(
        rlfc_home=home,
        database_url=url,
        valkey_url=os.environ["VALKEY_URL"],
        vllm_url=[inference_url],
        match_threads=THREADS,
    )
    (home / "run").mkdir()
    names = (MATCH_WORKER, SWEEP_WORKER, BEAT)
    options = Options(parts=frozenset(names))
    endpoints = choose_endpoints(environment, options)
    with ExitStack() as processes:
        for part in plan(environment, options, endpoints, Hardware()):
            if part.name not in names:
                continue
            process = subprocess.Popen(
                part.command,
                cwd=REPOSITORY,
                env={**os.environ, **endpoints.variables, **part.variables},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            processes.callback(process.wait)
            processes.callback(process.send_signal, signal.SIGKILL)
        yield


def make_flood(owner: User, space: Space) -> None:
    """Entries beyond the bound for each owner, seated against the house."""
    base = make_base_model()
    agents = Agent.objects.bulk_create(
        Agent(owner=owner, name=f"Flood {number}", base_model=base) for number in range(FLOOD)
    )
    versions = AgentVersion.objects.bulk_create(
        AgentVersion(
            agent=agent, number=1, prompt="?", sampling=SAMPLING, origin=VersionOrigin.CREATED
        )
        for agent in agents
    )
    for agent, version in zip(agents, versions, strict=True):
        agent.current_version = version
    Agent.objects.bulk_update(agents, ["current_version"])
    Entry.objects.bulk_create(
        Entry(id=uuid.uuid4(), space=space, agent=agent, user=owner, fee_credits=0)
        for agent in agents
    )
    # Nobody entered by the verb, so the first sweep only commits the Space's secrets.
    seating.seat_matches(space.id, rng=Random(1))
    while seating.seat_matches(space.id, rng=Random(1)):
        pass
    assert Match.objects.filter(status=MatchStatus.SEATED).count() == FLOOD


def test_sweeps_run_on_time_behind_500_waiting_matches(tmp_path: Path) -> None:
    settled = make_match()
    play.start_match(settled.id)
    for number in (1, 2):
        play_round(settled, number, scores={0: 0.1, 1: 0.9})
    play.settle_match(settled.id)
    make_agent(make_user(is_house=True))
    space = make_space(entry_fee_credits=0)
    make_flood(make_user(), space)

    with socket.create_server(("127.0.0.1", 0), backlog=128) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with running(tmp_path, url):
            played = Match.objects.exclude(lease_owner=None)
            wait_for(
                "matches that fill every thread",
                lambda: played.count() == THREADS,
                seconds=START_SECONDS,
            )
            newcomer = enter(make_agent(make_user()), space)
            entries = Entry.objects.filter(id=newcomer, status=EntryStatus.SEATED)
            match_id = wait_for(
                "the newcomer's seat",
                lambda: entries.values_list("match_id", flat=True).first(),
                seconds=SWEEP_SECONDS,
            )
            wait_for(
                "the harvest of a settled match",
                lambda: Harvest.objects.filter(match=settled).exists(),
                seconds=SWEEP_SECONDS,
            )
            assert played.count() == THREADS, "the flood still fills every thread"
            assert claiming.claim_next(owner=uuid.uuid4()) == match_id, "its turn is next"
