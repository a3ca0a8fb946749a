"""The supervisor, with small children in place of the real servers."""

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from arena.config.env import REPOSITORY, Variables
from arena.config.supervisor import leftovers, local, machine, probes
from arena.config.supervisor.child import State, Status
from arena.config.supervisor.errors import LocalError
from arena.config.supervisor.local import Local
from arena.config.supervisor.parts import Endpoints, Options, Part
from arena.config.tests.builders import until

ENDPOINTS = Endpoints("postgresql:///x", "redis://:pw@h/0", ("http://v",), "key", "127.0.0.1", 1)
SLEEP = "import time; time.sleep(60)"


def make_part(
    name: str, code: str = SLEEP, *, ready: probes.Probe = probes.always, **fields: Any
) -> Part:
    return Part(name, ready, (sys.executable, "-c", code), **fields)


@pytest.fixture
def make_local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Local]:
    def make(*parts: Part) -> Local:
        monkeypatch.setattr(local, "plan", lambda *_: list(parts))
        monkeypatch.setattr(local, "choose_endpoints", lambda *_: ENDPOINTS)
        return Local(Variables(rlfc_home=tmp_path), Options(parts=frozenset()))

    return make


def test_a_part_starts_only_when_what_it_needs_is_ready(make_local, tmp_path: Path) -> None:
    marker = tmp_path / "made"
    job = make_part("job", f"open({str(marker)!r}, 'w')", job=True)
    after = f"import os, time; assert os.path.exists({str(marker)!r}); time.sleep(60)"
    seen: list[Sequence[Status]] = []
    with make_local(job, make_part("after", after, needs=("job",))) as running:
        running.wait_ready(seen.append)
    assert seen[0][1].state is State.WAITING
    assert [status.state for status in seen[-1]] == [State.READY, State.READY]


def test_parts_stop_before_what_they_need(make_local, tmp_path: Path) -> None:
    order = tmp_path / "order"
    ready = tmp_path / "ready"
    code = """
import signal, sys
def leave(*_):
    open({order!r}, "a").write("{name} ")
    sys.exit()
signal.signal(signal.SIGTERM, leave)
open({ready!r} + "{name}", "w")
signal.pause()
"""

    def part(name: str, *needs: str) -> Part:
        text = code.format(name=name, order=str(order), ready=str(ready))

        def is_up() -> str | None:
            return None if Path(f"{ready}{name}").exists() else "not yet"

        return make_part(name, text, needs=needs, ready=is_up)

    with make_local(part("base"), part("middle", "base"), part("top", "middle")) as running:
        running.wait_ready()
    assert order.read_text().split() == ["top", "middle", "base"]


def test_a_part_that_dies_is_restarted_and_its_own_children_die_with_it(
    make_local, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "TICK_SECONDS", 1.0)  # so that it can be seen what it says meanwhile
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLEEP!r}])"
    with make_local(make_part("web", code)) as running:
        running.wait_ready()
        first = leftovers.load(running.home / "run" / "processes.json")[0]
        until(lambda: len(leftovers.session_of(first)) == 2)
        os.kill(first.pid, signal.SIGKILL)
        until(lambda: running.statuses()[0].state is State.RESTARTING)
        assert "SIGKILL" in running.statuses()[0].detail
        assert "restarting now" in running.statuses()[0].detail, "once may be an accident"
        assert leftovers.session_of(first) == []
        running.wait_ready()
        second = leftovers.load(running.home / "run" / "processes.json")[0]
        assert second.pid != first.pid
    assert leftovers.session_of(second) == []


def test_a_part_is_restarted_where_neither_its_log_nor_the_record_can_be_written(
    make_local, tmp_path: Path
) -> None:
    starts = tmp_path / "starts"
    code = f"import os; print(os.getpid(), file=open({str(starts)!r}, 'a'))\n{SLEEP}"
    with make_local(make_part("web", code)) as running:
        until(lambda: starts.exists() and starts.read_text().endswith("\n"))
        running.wait_ready()
        blocked = [tmp_path / "run" / "processes.json", tmp_path / "logs" / "web.log"]
        for path in blocked:  # a full disk refuses as a folder in its place does
            path.unlink()
            path.mkdir()
        os.kill(int(starts.read_text()), signal.SIGKILL)
        until(lambda: len(starts.read_text().splitlines()) == 2)
        running.wait_ready()
        for path in blocked:
            path.rmdir()


def test_a_part_that_keeps_dying_is_given_up_with_the_end_of_its_log(
    make_local, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "BACK_OFF_SECONDS", (0.0, 0.01, 0.01))
    never = make_part("broker", "raise SystemExit('no such port')", ready=lambda: "not yet")
    with make_local(never) as running, pytest.raises(LocalError) as caught:
        running.wait_ready()
    sentence = str(caught.value)
    assert "broker died 4 times in a row" in sentence
    assert "exit status 1" in sentence
    assert sentence.endswith("no such port")


def test_a_job_that_fails_ends_the_start_with_the_end_of_its_log(make_local) -> None:
    job = make_part("migrate", "print('no such table'); raise SystemExit(3)", job=True)
    with make_local(job) as running, pytest.raises(LocalError, match="exit status 3") as caught:
        running.wait_ready()
    assert str(caught.value).endswith("no such table")


def test_a_part_that_is_never_ready_is_named_with_the_reason(make_local) -> None:
    slow = make_part("web", ready=lambda: "/health/ answered 503", ready_seconds=0.1)
    with make_local(slow) as running, pytest.raises(LocalError, match="answered 503"):
        running.wait_ready()


def test_an_external_server_that_does_not_answer_is_named_by_its_variable(make_local) -> None:
    url = "redis://:hunter2@127.0.0.1:1/0"
    external = Part("broker", probes.broker(url), source="VALKEY_URL", ready_seconds=0.1)
    with make_local(external) as running, pytest.raises(LocalError, match="VALKEY_URL") as caught:
        running.wait_ready()
    assert "hunter2" not in str(caught.value)


def test_a_second_start_in_the_same_home_is_refused_and_names_the_first(make_local) -> None:
    with make_local(make_part("web")) as running:
        with pytest.raises(LocalError, match=f"process {os.getpid()}"):
            make_local(make_part("web")).start()
        assert running.environment.local_env_file.exists()


def test_addresses_are_left_for_other_commands_privately_and_only_while_it_runs(
    make_local, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ENDPOINTS.variables:
        monkeypatch.delenv(name, raising=False)
    with make_local(make_part("web")) as running:
        path = running.environment.local_env_file
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        read = Variables(_env_file=path)
        assert read.database_url == ENDPOINTS.database_url
        assert read.vllm_url == list(ENDPOINTS.vllm_urls)
    assert not path.exists()
    assert not (running.home / "run" / "processes.json").exists()


def test_a_request_to_stop_ends_the_wait(make_local) -> None:
    with make_local(make_part("web")) as running:
        running.wait_ready()
        threading.Timer(0.1, running.request_stop).start()
        running.wait()


def test_a_part_that_ignores_the_signal_is_killed_in_bounded_time(make_local) -> None:
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True)\n" + SLEEP
    with make_local(make_part("worker", code, stop_seconds=0.2)) as running:
        running.wait_ready()
        log = running.home / "logs" / "worker.log"
        until(lambda: log.read_text() != "")
        started = time.monotonic()
    assert time.monotonic() - started < 5


SUPERVISOR = """
import sys
from pathlib import Path
from arena.config.supervisor import local, probes
from arena.config.env import Variables
from arena.config.supervisor.parts import Endpoints, Options, Part
from arena.config.tests.builders import until
command = (sys.executable, "-c", "import time; time.sleep(60)")
local.plan = lambda *_: [Part("web", probes.always, command, death_signal={signal})]
local.choose_endpoints = lambda *_: Endpoints("d", "v", ("u",), "k", "127.0.0.1", 1)
with local.Local(Variables(rlfc_home=Path({home!r})), Options(parts=frozenset())) as running:
    running.wait_ready()
    print("ready", flush=True)
    running.wait()
"""


def killed_supervisor(home: Path, death_signal: str) -> list[leftovers.Recorded]:
    code = SUPERVISOR.format(home=str(home), signal=death_signal)
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=REPOSITORY, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    process.kill()
    process.wait()
    process.stdout.close()
    return leftovers.load(home / "run" / "processes.json")


def test_children_of_a_killed_supervisor_die_with_it(tmp_path: Path) -> None:
    children = killed_supervisor(tmp_path, "9")
    assert len(children) == 1
    until(lambda: leftovers.session_of(children[0]) == [])


def test_children_that_outlive_a_killed_supervisor_are_stopped_by_the_next_start(
    make_local, tmp_path: Path
) -> None:
    # Signal 0 is no death signal: the child behaves as one that ignored it.
    (left,) = killed_supervisor(tmp_path, "0")
    assert leftovers.session_of(left) == [left.pid]
    with make_local(make_part("web")) as running:
        assert leftovers.session_of(left) == []
        assert running.notes == ["An earlier run was killed and left web running; stopped now."]
        running.wait_ready()


def test_too_little_disk_is_refused_with_the_figures(
    make_local, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "NEEDED_DISK_BYTES", 10**18)
    with pytest.raises(LocalError, match=r"of disk are free in .*RLFC_HOME"):
        make_local(make_part("web")).__enter__()


def test_too_little_memory_for_vllm_is_refused_with_the_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "available_memory_bytes", lambda: 3 * 1024**3)
    running = Local(
        Variables(rlfc_home=tmp_path, vllm_url=[]), Options(parts=frozenset({"inference"}))
    )
    with pytest.raises(LocalError, match=r"Only 3.0 GiB of memory are free.*VLLM_URL"):
        running.__enter__()


def test_files_that_a_container_has_read_take_none_of_its_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("900000\n")
    (tmp_path / "memory.stat").write_text(
        "anon 200000\nfile 650000\nshmem 50000\ninactive_file 400000\nactive_file 200000\n"
        "slab_reclaimable 30000\nslab_unreclaimable 20000\n"
    )
    assert machine.available_memory_bytes() == 730_000
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.available_memory_bytes() > 1_000_000


def test_a_large_log_is_set_aside(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    for content in ("first", "second", "third"):
        log.write_text(content)
        os.truncate(log, machine.MAX_LOG_BYTES)
        machine.rotate(log)
    assert log.read_text() == ""
    assert (tmp_path / "web.log.1").read_text().startswith("third")
    assert (tmp_path / "web.log.2").read_text().startswith("second")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["web.log", "web.log.1", "web.log.2"]


def test_a_log_is_rotated_while_its_part_writes_on(
    make_local, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "ROTATE_EVERY_SECONDS", 0.01)
    code = (
        "import time\n"
        "print('x' * 1_200_000, flush=True)\n"
        "while True:\n    print('line', flush=True)\n    time.sleep(0.01)"
    )
    monkeypatch.setenv("LOG_MEGABYTES", "1")
    with make_local(make_part("loud", code)) as running:
        running.wait_ready()
        log = tmp_path / "logs" / "loud.log"
        until(lambda: log.with_name("loud.log.1").exists())
        until(lambda: 0 < log.stat().st_size < 100_000)
        assert b"\0" not in log.read_bytes(), "no hole where the old lines were"
