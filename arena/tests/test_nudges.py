"""Nudges name their tasks in words: each must be one that a worker runs."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.db import transaction
from kombu.exceptions import OperationalError

import training.tasks
from arena import sweeping
from arena.config import celery_app
from arena.config.env import REPOSITORY, Variables
from arena.config.gpu.hardware import Hardware
from arena.config.supervisor.parts import Options, choose_endpoints, plan
from arena.matches import play
from arena.matches.runner import task_of
from arena.nudges import (
    JUDGE_ROUND,
    PLAY_MATCH,
    SWEEP_MATCHES,
    SWEEP_NUDGE_SECONDS,
    SWEEP_STEP_SECONDS,
    SWEEP_TRAINING,
    TASKS,
    nudge,
    nudge_on_commit,
    nudge_sweep_on_commit,
)
from arena.tasks import sweep
from arena.tests.builders import (
    enter,
    make_agent,
    make_match,
    make_space,
    make_user,
    play_round,
    record,
)

AT_ONCE = {"expires": SWEEP_NUDGE_SECONDS}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What is sent, instead of a broker's queues."""
    cache.clear()  # earlier tests' nudges
    found: list[tuple[Any, ...]] = []

    def send(task: str, args: tuple[int, ...], *, retry: bool, **options: object) -> None:
        assert not retry, "a request does not wait for a broker that is away"
        found.append((task, *args, options))

    monkeypatch.setattr("arena.nudges.current_app.send_task", send)
    return found


def test_every_task_that_is_nudged_is_registered() -> None:
    celery_app.loader.import_default_modules()
    ours = {name for name in celery_app.tasks if not name.startswith("celery.")}
    assert set(TASKS) == ours


def test_a_task_that_nobody_runs_is_not_sent() -> None:
    with pytest.raises(AssertionError, match="nobody runs"):
        nudge("arena.tasks.typo")


@pytest.mark.django_db(transaction=True)
def test_a_nudge_goes_out_after_the_commit_and_its_loss_breaks_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[str] = []

    def refuse(task: str, **_: object) -> None:
        sent.append(task)
        raise OperationalError("connection refused")

    monkeypatch.setattr("arena.nudges.current_app.send_task", refuse)
    with transaction.atomic():
        nudge_on_commit(SWEEP_MATCHES)
        assert sent == []
    assert sent == [SWEEP_MATCHES]


@pytest.mark.django_db(transaction=True)
def test_each_step_of_a_match_wakes_the_worker_of_the_next_one(sent: list[tuple[Any, ...]]) -> None:
    """Without it all would go on, too, but only when a sweep has found the rows."""
    match = make_match(make_space(house_fill_seconds=3))
    assert sent[0] == (SWEEP_MATCHES, AT_ONCE)
    assert sent[-1] == (PLAY_MATCH, match.id, {})
    later = [options["countdown"] for task, *_, options in sent if "countdown" in options]
    assert all(3 < seconds <= 3.1 + SWEEP_STEP_SECONDS for seconds in later)
    sent.clear()
    play.start_match(match.id)
    play.start_round(match.id, number=1, task=task_of(match.id, 1))
    record(match, 1, 0)
    assert sent == []
    record(match, 1, 1)
    assert sent == [(JUDGE_ROUND, match.rounds.get().id, {})]


@pytest.mark.django_db(transaction=True)
def test_settled_matches_wake_the_sweep_that_makes_their_pairs_once_until_it_looks(
    sent: list[tuple[Any, ...]],
) -> None:
    def settle() -> None:
        match = make_match()
        play.start_match(match.id)
        for number in range(1, match.round_count + 1):
            play_round(match, number, scores={0: 1.0, 1: 0.0})
        sent.clear()
        play.settle_match(match.id)

    settle()
    assert sent == [(SWEEP_TRAINING, AT_ONCE)]
    settle()
    assert sent == []
    training.tasks.sweep()
    settle()
    assert sent == [(SWEEP_TRAINING, AT_ONCE)]


@pytest.mark.django_db(transaction=True)
def test_a_flood_of_entries_sends_one_sweep_for_now_and_one_for_each_moment_later(
    sent: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arena.nudges.time.time", lambda: 1_000.2)
    space = make_space(house_fill_seconds=3)
    for _ in range(6):
        enter(make_agent(make_user(credits=100)), space)
    now, later = sent
    assert now == (SWEEP_MATCHES, AT_ONCE)
    assert later == (SWEEP_MATCHES, {"countdown": pytest.approx(3.3)})


@pytest.mark.django_db(transaction=True)
def test_whoever_asks_for_a_sweep_after_one_has_begun_gets_another(
    sent: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The running one may have looked already."""
    monkeypatch.setattr(sweeping, "seat_queues", lambda: nudge_sweep_on_commit())
    for name in ("matches_to_play", "rounds_to_judge", "settle_finished"):
        monkeypatch.setattr(sweeping, name, list)
    nudge_sweep_on_commit()
    nudge_sweep_on_commit()
    assert sent == [(SWEEP_MATCHES, AT_ONCE)]
    sweep()
    assert sent == [(SWEEP_MATCHES, AT_ONCE)] * 2


def test_every_task_has_a_worker_for_its_queue(tmp_path: Path) -> None:
    """On one machine and in containers."""
    queues = {celery_app.amqp.router.route({}, task)["queue"].name for task in TASKS}
    environment = Variables(rlfc_home=tmp_path, base_model_path=None)
    endpoints = choose_endpoints(environment, Options(free_ports=True))
    local = plan(environment, Options(), endpoints, Hardware())
    compose = (REPOSITORY / "docker-compose.yml").read_text()
    for commands in (" ".join(" ".join(part.command) for part in local), compose):
        served = {each for found in re.findall(r" -Q (\S+)", commands) for each in found.split(",")}
        assert served == queues
