"""What is started: addresses, ports, commands, and the real database and broker."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psycopg
import pytest
import redis

from arena.config.env import REPOSITORY, Variables
from arena.config.gpu.hardware import Hardware
from arena.config.supervisor import embedded, leftovers, machine, parts, probes
from arena.config.supervisor.child import State
from arena.config.supervisor.errors import LocalError
from arena.config.supervisor.local import Local
from arena.config.supervisor.parts import ALL_PARTS, Options, choose_endpoints, plan
from arena.config.tests.builders import until

STORES = frozenset({parts.DATABASE, parts.BROKER})
VARIABLES = ("DATABASE_URL", "VALKEY_URL", "VLLM_URL", "VLLM_API_KEY", "WEB_PORT")


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, "BASE_MODEL", "BASE_MODEL_PATH"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_taken_usual_port_gives_way_to_the_next_free_one(tmp_path: Path, taken_port: int) -> None:
    environment = Variables(rlfc_home=tmp_path, web_port=taken_port)
    chosen = choose_endpoints(environment, Options(parts=frozenset({parts.WEB})))
    assert taken_port < chosen.web_port <= taken_port + machine.PORTS_TRIED


@pytest.mark.parametrize("is_asked_for", [False, True])
def test_pages_and_models_get_different_ports(
    tmp_path: Path, taken_port: int, monkeypatch: pytest.MonkeyPatch, is_asked_for: bool
) -> None:
    first = machine.free_port("127.0.0.1", taken_port)
    monkeypatch.setattr(parts, "FIRST_INFERENCE_PORT", first)
    web_port = taken_port
    if is_asked_for:
        web_port = first
        monkeypatch.setenv("WEB_PORT", str(web_port))
    chosen = choose_endpoints(Variables(rlfc_home=tmp_path, web_port=web_port), Options())
    assert chosen.web_port == first
    assert chosen.vllm_urls != (f"http://127.0.0.1:{first}",)


def test_a_taken_port_that_was_asked_for_is_refused(
    tmp_path: Path, taken_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEB_PORT", str(taken_port))
    with pytest.raises(LocalError, match=f"Port {taken_port} on 127.0.0.1 is taken"):
        choose_endpoints(Variables(rlfc_home=tmp_path), Options())


@pytest.mark.parametrize("free_ports", [False, True])
@pytest.mark.parametrize("is_asked_for", [False, True])
def test_an_address_of_another_machine_is_refused_and_no_port_is_blamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_ports: bool, is_asked_for: bool
) -> None:
    if is_asked_for:
        monkeypatch.setenv("WEB_PORT", "8000")
    environment = Variables(rlfc_home=tmp_path, web_host="192.0.2.1")  # kept for documentation
    options = Options(parts=frozenset({parts.WEB}), free_ports=free_ports)
    with pytest.raises(
        LocalError, match=r"^WEB_HOST is 192\.0\.2\.1, but nothing can listen"
    ) as told:
        choose_endpoints(environment, options)
    assert "while" not in str(told.value)


def test_free_ports_differ_from_the_usual_ones(tmp_path: Path) -> None:
    chosen = choose_endpoints(Variables(rlfc_home=tmp_path), Options(free_ports=True))
    assert len({chosen.web_port, *chosen.vllm_urls, chosen.valkey_url}) == 3
    assert chosen.web_port != 8000


def test_addresses_that_are_set_are_used_and_nothing_is_started_for_them(tmp_path: Path) -> None:
    environment = Variables(
        rlfc_home=tmp_path,
        database_url="postgresql://u:p@db/x",
        valkey_url="redis://cache/0",
        vllm_url=["http://gpu1:8000", "http://gpu2:8000"],
    )
    chosen = choose_endpoints(environment, Options())
    assert chosen.database_url == "postgresql://u:p@db/x"
    assert chosen.vllm_urls == ("http://gpu1:8000", "http://gpu2:8000")
    external = [
        part.name for part in plan(environment, Options(), chosen, Hardware()) if part.external
    ]
    assert external == ["database", "broker", "inference", "inference-2"]


def test_several_vllm_servers_share_the_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 1, 2, 5, 6})
    environment = Variables(rlfc_home=tmp_path, vllm_servers=2)
    options = Options(parts=frozenset({parts.INFERENCE}))
    chosen = choose_endpoints(environment, options)
    assert len(set(chosen.vllm_urls)) == 2
    servers = [
        part for part in plan(environment, options, chosen, Hardware()) if "--port" in part.command
    ]
    assert [part.name for part in servers] == ["inference", "inference-2"]
    for url, part in zip(chosen.vllm_urls, servers, strict=True):
        assert url.endswith(":" + part.command[part.command.index("--port") + 1])
    bound = [part.variables["VLLM_CPU_OMP_THREADS_BIND"] for part in servers]
    assert bound == ["0,1", "2,5,6"]
    assert [part.variables["OMP_NUM_THREADS"] for part in servers] == ["2", "3"]


def test_more_vllm_servers_than_cores_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 1})
    environment = Variables(rlfc_home=tmp_path, vllm_servers=3)
    options = Options(parts=frozenset({parts.INFERENCE}))
    with pytest.raises(LocalError, match="VLLM_SERVERS is 3, but this machine has 2 cores"):
        plan(environment, options, choose_endpoints(environment, options), Hardware())


def test_secrets_reach_no_argument_list(tmp_path: Path) -> None:
    environment = Variables(rlfc_home=tmp_path)
    (tmp_path / "run").mkdir()
    chosen = choose_endpoints(environment, Options())
    arguments = " ".join(
        " ".join(part.command) for part in plan(environment, Options(), chosen, Hardware())
    )
    password = chosen.valkey_url.partition(":")[2].split("@")[0].strip("/:")
    assert len(password) > 20
    assert password not in arguments
    assert chosen.vllm_api_key not in arguments


def test_vllm_listens_on_this_machine_only(tmp_path: Path) -> None:
    environment = Variables(rlfc_home=tmp_path, web_host="0.0.0.0")
    options = Options(parts=frozenset({parts.INFERENCE}))
    commands = [
        part.command
        for part in plan(environment, options, choose_endpoints(environment, options), Hardware())
    ]
    vllm = commands[-1]
    assert vllm[vllm.index("--host") + 1] == "127.0.0.1"


def test_parts_need_only_parts_of_the_plan(tmp_path: Path) -> None:
    environment = Variables(rlfc_home=tmp_path)
    (tmp_path / "run").mkdir()
    for left_out in ALL_PARTS:
        options = Options(parts=ALL_PARTS - {left_out}, free_ports=True)
        planned = plan(environment, options, choose_endpoints(environment, options), Hardware())
        names = {part.name for part in planned}
        assert left_out not in names
        assert all(set(part.needs) <= names for part in planned)


def test_a_worker_starts_without_the_pages(tmp_path: Path) -> None:
    """Importing them costs a second, and all that a worker's death holds up waits for it."""
    environment, options = Variables(rlfc_home=tmp_path), Options(free_ports=True)
    endpoints = choose_endpoints(environment, options)
    for part in plan(environment, options, endpoints, Hardware()):
        if part.name in {*parts.WORKERS, parts.BEAT}:
            assert "--skip-checks" in part.command
    loaded = (
        "import sys; from arena.config.celery import celery_app; "
        "celery_app.loader.import_default_modules(); "
        "assert 'training.tasks' in sys.modules; "
        "sys.exit(any(name.startswith('frontend.pages') for name in sys.modules))"
    )
    variables = os.environ | {"CELERY_SKIP_CHECKS": "true"}  # as the argument sets it
    subprocess.run(
        [sys.executable, "-c", loaded], cwd=REPOSITORY, env=variables, timeout=60, check=True
    )


def test_an_unknown_base_model_needs_a_folder_or_a_server(tmp_path: Path) -> None:
    environment = Variables(rlfc_home=tmp_path, base_model="qwen")
    options = Options(parts=frozenset({parts.INFERENCE}))
    with pytest.raises(LocalError, match="BASE_MODEL_PATH"):
        plan(environment, options, choose_endpoints(environment, options), Hardware())


def test_a_base_model_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    environment = Variables(rlfc_home=tmp_path, base_model_path=tmp_path)
    options = Options(parts=frozenset({parts.INFERENCE}))
    with pytest.raises(LocalError, match=r"no config\.json"):
        plan(environment, options, choose_endpoints(environment, options), Hardware())


def test_a_long_home_gets_a_short_socket_path(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 60) / ("y" * 60)
    folder = embedded.socket_folder(deep)
    assert len(os.fsencode(folder)) + len(embedded.SOCKET_NAME) <= embedded.MAX_SOCKET_PATH_BYTES
    assert folder != embedded.socket_folder(tmp_path / ("x" * 60) / ("z" * 60))


def test_data_survives_a_restart_and_a_killed_database_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arena.config.supervisor.local.TICK_SECONDS", 1.0)
    environment = Variables(rlfc_home=tmp_path)
    with Local(environment, Options(parts=STORES, free_ports=True)) as local:
        local.wait_ready()
        with psycopg.connect(local.endpoints.database_url, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
        recorded = {c.name: c for c in leftovers.load(tmp_path / "run" / "processes.json")}
        os.kill(recorded["database"].pid, signal.SIGKILL)
        until(lambda: local.statuses()[0].state is State.RESTARTING)
        local.wait_ready()
    with Local(environment, Options(parts=STORES, free_ports=True)) as local:
        local.wait_ready()
        with psycopg.connect(local.endpoints.database_url) as connection:
            assert connection.execute("SELECT value FROM kept").fetchone() == (7,)


def test_a_statement_that_fails_leaves_its_values_out_of_the_log(tmp_path: Path) -> None:
    options = Options(parts=frozenset({parts.DATABASE}))
    with Local(Variables(rlfc_home=tmp_path), options) as local:
        local.wait_ready()
        with psycopg.connect(local.endpoints.database_url, autocommit=True) as connection:
            connection.execute("CREATE TABLE texts (text text UNIQUE)")
            connection.execute("INSERT INTO texts VALUES ('by a person')")
            with pytest.raises(psycopg.errors.UniqueViolation, match="by a person"):
                connection.execute("INSERT INTO texts VALUES ('by a person')")
            with pytest.raises(psycopg.errors.UniqueViolation, match="by a person"):
                connection.execute("INSERT INTO texts VALUES (%s)", ["by a person"])
    log = (tmp_path / "logs" / "database.log").read_text()
    assert log.count("duplicate key value") == 2
    assert "by a person" not in log


def test_the_broker_wants_its_password(tmp_path: Path) -> None:
    options = Options(parts=frozenset({parts.BROKER}), free_ports=True)
    with Local(Variables(rlfc_home=tmp_path), options) as local:
        local.wait_ready()
        without = "redis://" + local.endpoints.valkey_url.partition("@")[2]
        with pytest.raises(redis.AuthenticationError), redis.Redis.from_url(without) as client:
            client.ping()


def test_up_stops_in_order_on_sigterm_and_leaves_nothing(tmp_path: Path) -> None:
    without = [f"--without={name}" for name in sorted(ALL_PARTS - STORES)]
    process = subprocess.Popen(
        [sys.executable, "manage.py", "up", "--free-ports", *without],
        cwd=REPOSITORY,
        env={**os.environ, "RLFC_HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Logs:"):
            break
    children = leftovers.load(tmp_path / "run" / "processes.json")
    assert [child.name for child in children] == ["database", "broker"]
    process.terminate()
    rest, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert rest.splitlines() == ["Stopping.", "Stopped."]
    assert all(leftovers.session_of(child) == [] for child in children)


# In a plain terminal SIGHUP does its default; these tests themselves may run under nohup.
@pytest.mark.parametrize("prefix", [["env", "--default-signal=HUP"], ["nohup"]])
def test_a_closed_terminal_stops_it_in_order_unless_nohup_is_to_prevent_that(
    tmp_path: Path, prefix: list[str]
) -> None:
    is_under_nohup = prefix == ["nohup"]
    process = subprocess.Popen(
        [*prefix, sys.executable, "manage.py", "up", "--free-ports", "--only=database"],
        cwd=REPOSITORY,
        env={**os.environ, "RLFC_HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout
    started = iter(process.stdout)
    assert any(line.startswith("Logs:") for line in started)
    status = Path(f"/proc/{process.pid}/status").read_text()
    ignored = int(status.partition("SigIgn:")[2].split()[0], 16)
    assert bool(ignored & 1 << (signal.SIGHUP - 1)) == is_under_nohup
    process.send_signal(signal.SIGTERM if is_under_nohup else signal.SIGHUP)
    assert [line.strip() for line in started][-2:] == ["Stopping.", "Stopped."]
    assert process.wait(timeout=30) == 0


def test_the_web_server_is_asked_under_a_name_that_it_serves(tmp_path: Path) -> None:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers["Host"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for hosts in (["arena.example", "localhost"], [".example.org"], ["*"]):
            environment = Variables(
                rlfc_home=tmp_path, allowed_hosts=hosts, web_port=server.server_port
            )
            options = Options(parts=frozenset({parts.WEB}))
            chosen = replace(choose_endpoints(environment, options), web_port=server.server_port)
            (web,) = [
                each
                for each in plan(environment, options, chosen, Hardware())
                if each.name == parts.WEB
            ]
            assert web.ready() is None
        server.shutdown()
    assert asked == ["arena.example", "example.org", f"127.0.0.1:{server.server_port}"]


def test_a_worker_without_its_broker_is_not_ready_and_no_fault_of_the_supervisor(
    tmp_path: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert probes.worker(f"redis://127.0.0.1:{port}/0", name="match-worker@local")()
