"""The parts of the product on one machine: each one's command, needs and readiness."""

import os
import secrets
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from arena.config.env import REPOSITORY, Variables
from arena.config.gpu.hardware import CONTEXT_TOKENS, Hardware
from arena.config.pools import ProcessRole, needed_by_one_of_each
from arena.config.supervisor import embedded, probes, servers
from arena.config.supervisor.errors import LocalError
from arena.config.supervisor.machine import free_port, is_free

# In display order. Users may leave some out; the rest start without them.
DATABASE, BROKER, INFERENCE = "database", "broker", "inference"
WEB, BEAT = "web", "beat"
MATCH_WORKER, TRAIN_WORKER = "match-worker", "train-worker"
SWEEP_WORKER, EXPORT_WORKER = "sweep-worker", "export-worker"
WORKERS = frozenset({MATCH_WORKER, TRAIN_WORKER, SWEEP_WORKER, EXPORT_WORKER})
ALL_PARTS = WORKERS | {DATABASE, BROKER, INFERENCE, WEB, BEAT}
# Preparatory jobs; they run to their end and cannot be left out.
BASE_MODEL, MIGRATE, SEED, STATIC = "base-model", "migrate", "seed", "static-files"

DEFAULT_BASE_MODEL: str = Variables.model_fields["base_model"].default
FIRST_BROKER_PORT, FIRST_INFERENCE_PORT = 63799, 8001
EXTERNAL_SECONDS = 30.0
MIN_CONNECTIONS = 200  # of the local database: commands and tests come on top of the parts


@dataclass(frozen=True)
class Options:
    """What to start, and where it may listen."""

    parts: frozenset[str] = ALL_PARTS
    free_ports: bool = False  # ask the system for ports instead of the usual ones


@dataclass(frozen=True)
class Endpoints:
    """The addresses of all parts, whoever started them."""

    database_url: str
    valkey_url: str
    vllm_urls: tuple[str, ...]
    vllm_api_key: str
    web_host: str
    web_port: int

    @property
    def web_url(self) -> str:
        """The address for a browser on this machine."""
        address = self.web_host
        if address in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
            address = "localhost"
        return f"http://{f'[{address}]' if ':' in address else address}:{self.web_port}"

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables with the endpoints for other processes; contains secrets."""
        return {
            "DATABASE_URL": self.database_url,
            "VALKEY_URL": self.valkey_url,
            "VLLM_URL": ",".join(self.vllm_urls),
            "VLLM_API_KEY": self.vllm_api_key,
            "WEB_PORT": str(self.web_port),
        }


@dataclass(frozen=True)
class Part:
    """One process to run, or one external server to wait for (no command)."""

    name: str
    ready: probes.Probe
    command: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    folder: Path = REPOSITORY
    user: str = ""
    job: bool = False  # runs to its end; ready when it exits 0
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL  # sent when the supervisor is killed
    ready_seconds: float = 60.0
    stop_seconds: float = 10.0
    source: str = ""  # for an external part: the variable that names it

    @property
    def external(self) -> bool:
        return not self.command


def choose_endpoints(environment: Variables, options: Options) -> Endpoints:
    """Take the URLs that are set; choose addresses for everything else."""
    web_port = environment.web_port
    if WEB in options.parts:
        web_port = _web_port(environment, options)
    taken = {web_port}

    def port(first: int) -> int:
        found = free_port("127.0.0.1", 0 if options.free_ports else first)
        while found in taken:  # reserved for a part that is not listening yet
            found = free_port("127.0.0.1", 0 if options.free_ports else found + 1)
        taken.add(found)
        return found

    database_url, valkey_url = environment.database_url, environment.valkey_url
    if database_url is None:
        folder = embedded.socket_folder(environment.rlfc_home)
        database_url = f"postgresql://postgres@/rlfc?host={quote(str(folder), safe='')}"
    if valkey_url is None:
        password = secrets.token_urlsafe(24)
        valkey_url = f"redis://:{password}@127.0.0.1:{port(FIRST_BROKER_PORT)}/0"
    vllm_urls = tuple(environment.vllm_url)
    key = environment.vllm_api_key.get_secret_value() if environment.vllm_api_key else ""
    if not vllm_urls:
        vllm_urls = tuple(
            f"http://127.0.0.1:{port(FIRST_INFERENCE_PORT)}"
            for _ in range(environment.vllm_servers)
        )
        key = key or secrets.token_urlsafe(24)
    return Endpoints(database_url, valkey_url, vllm_urls, key, environment.web_host, web_port)


def _web_port(environment: Variables, options: Options) -> int:
    host, port = environment.web_host, environment.web_port
    if os.environ.get("WEB_PORT"):
        if not is_free(host, port):
            raise LocalError(
                f"Port {port} on {host} is taken. Choose another WEB_PORT or unset it."
            )
        return port
    return free_port(host, 0 if options.free_ports else port)


def plan(
    environment: Variables, options: Options, endpoints: Endpoints, hardware: Hardware
) -> list[Part]:
    """The parts to run, in display order; `needs` names only parts of the plan."""
    parts: list[Part] = []
    if DATABASE in options.parts:
        parts.append(_database(environment, endpoints))
    if BROKER in options.parts:
        parts.append(_broker(environment, endpoints))
    if INFERENCE in options.parts or TRAIN_WORKER in options.parts:
        parts += _base_model(environment, options)
    if INFERENCE in options.parts:
        parts += _inference(environment, endpoints, hardware)
    if options.parts & (WORKERS | {WEB, BEAT}):
        parts.append(_manage(MIGRATE, "migrate", "--noinput", needs=(DATABASE,)))
        parts.append(_manage(SEED, "seed", needs=(MIGRATE, BROKER)))
    if WEB in options.parts:
        parts.append(_manage(STATIC, "collectstatic", "--noinput", needs=()))
        parts.append(_web(environment, endpoints))
    parts += _workers(environment, options, endpoints, hardware)
    names = {part.name for part in parts}
    return [_with_known_needs(part, names) for part in parts]


def _with_known_needs(part: Part, names: set[str]) -> Part:
    return replace(part, needs=tuple(need for need in part.needs if need in names))


def _database(environment: Variables, endpoints: Endpoints) -> Part:
    url = endpoints.database_url
    if environment.database_url:
        probe = probes.database(url, create=False)
        return Part(DATABASE, probe, source="DATABASE_URL", ready_seconds=EXTERNAL_SECONDS)
    needed = needed_by_one_of_each(match_threads=environment.match_threads)
    program, user = embedded.postgres(
        environment.rlfc_home, max_connections=max(needed, MIN_CONNECTIONS)
    )
    return Part(
        DATABASE,
        probes.database(url, create=True),
        command=program,
        user=user,
        folder=Path("/"),
        stop_signal=signal.SIGINT,  # PostgreSQL's "fast" shutdown
        death_signal=signal.SIGINT,
        stop_seconds=30.0,
    )


def _broker(environment: Variables, endpoints: Endpoints) -> Part:
    probe = probes.broker(endpoints.valkey_url)
    if environment.valkey_url:
        return Part(BROKER, probe, source="VALKEY_URL", ready_seconds=EXTERNAL_SECONDS)
    command = embedded.valkey(environment.rlfc_home, endpoints.valkey_url)
    return Part(BROKER, probe, command=command)


def _base_model(environment: Variables, options: Options) -> list[Part]:
    path = environment.base_model_path
    if path is not None:
        if not (path / "config.json").is_file():
            raise LocalError(f"BASE_MODEL_PATH is {path}, but there is no config.json in it.")
        return []
    if environment.base_model != DEFAULT_BASE_MODEL:
        if environment.vllm_url or INFERENCE not in options.parts:
            return []
        raise LocalError(
            f"BASE_MODEL is {environment.base_model}: set BASE_MODEL_PATH to its folder, "
            "or VLLM_URL to a server that has it."
        )
    target = str(environment.rlfc_home / "models" / environment.base_model)
    command = (sys.executable, "-m", "agents.convert", "--to", target)
    return [Part(BASE_MODEL, probes.always, command=command, job=True, ready_seconds=300.0)]


def _inference(environment: Variables, endpoints: Endpoints, hardware: Hardware) -> list[Part]:
    urls = endpoints.vllm_urls
    names = [INFERENCE, *(f"{INFERENCE}-{number}" for number in range(2, len(urls) + 1))]
    if environment.vllm_url:
        return [
            Part(
                name,
                probes.inference(
                    url,
                    served_name=environment.base_model,
                    context_tokens=CONTEXT_TOKENS,
                    key=endpoints.vllm_api_key,
                ),
                source="VLLM_URL",
                ready_seconds=EXTERNAL_SECONDS,
            )
            for name, url in zip(names, urls, strict=True)
        ]
    commands = servers.commands(environment, urls=urls, hardware=hardware)
    return [
        Part(
            name,
            probes.http(url, path="/health"),
            command=command,
            needs=(BASE_MODEL,),
            variables={**variables, "VLLM_API_KEY": endpoints.vllm_api_key},  # arguments are public
            death_signal=signal.SIGTERM,  # so that it can stop its engine processes
            ready_seconds=600.0,
        )
        for name, url, (command, variables) in zip(names, urls, commands, strict=True)
    ]


def _manage(name: str, *arguments: str, needs: tuple[str, ...]) -> Part:
    command = (sys.executable, "manage.py", *arguments)
    return Part(name, probes.always, command=command, needs=needs, job=True, ready_seconds=300.0)


def _web(environment: Variables, endpoints: Endpoints) -> Part:
    served = next(iter(environment.allowed_hosts), "*").removeprefix(".")
    command = [sys.executable, "-m", "uvicorn", "arena.config.asgi:application"]
    command += ["--host", endpoints.web_host, "--port", str(endpoints.web_port)]
    # Open sockets never close by themselves; spectators reconnect to the next process.
    command += ["--no-access-log", "--timeout-graceful-shutdown", "3"]
    # Pages say next to nothing. Compressed, each drawing would be so once more for each spectator.
    command += ["--ws-max-size", "1024", "--ws-per-message-deflate", "false"]
    return Part(
        WEB,
        probes.http(endpoints.web_url, path="/health/", host="" if served == "*" else served),
        command=tuple(command),
        needs=(SEED, STATIC, BROKER),
        variables={"OMP_NUM_THREADS": "1", "PROCESS_ROLE": ProcessRole.WEB},
        death_signal=signal.SIGTERM,
    )


def _workers(
    environment: Variables, options: Options, endpoints: Endpoints, hardware: Hardware
) -> list[Part]:
    # The steps before them check the settings once; with the pages it takes a worker a second.
    celery = (sys.executable, "-m", "celery", "-A", "arena.config.celery", "--skip-checks")
    workers = {
        MATCH_WORKER: (environment.match_threads, "match,judge", (SEED, BROKER, INFERENCE), 1),
        TRAIN_WORKER: (1, "train", (SEED, BROKER, BASE_MODEL), cores()),
        SWEEP_WORKER: (1, "sweep", (SEED, BROKER), 1),
        EXPORT_WORKER: (1, "export", (SEED, BROKER), 1),
    }
    roles = {
        MATCH_WORKER: ProcessRole.MATCH,
        TRAIN_WORKER: ProcessRole.TRAIN,
        SWEEP_WORKER: ProcessRole.SWEEP,
        EXPORT_WORKER: ProcessRole.EXPORT,
    }
    parts = []
    for name, (threads, queues, needs, omp_threads) in workers.items():
        if name not in options.parts:
            continue
        node = f"{name}@local"
        flags = ("-P", "threads", "-c", str(threads), "-Q", queues, "-n", node, "-l", "INFO")
        parts.append(
            Part(
                name,
                probes.worker(endpoints.valkey_url, name=node),
                command=(*celery, "worker", *flags, "--without-gossip", "--without-mingle"),
                needs=needs,
                variables={
                    "OMP_NUM_THREADS": str(omp_threads),
                    "PROCESS_ROLE": roles[name],
                    **(hardware.training_variables if name == TRAIN_WORKER else {}),
                },
                stop_seconds=15.0,  # then killed: its tasks survive, because their leases expire
            )
        )
    if BEAT in options.parts:
        parts.append(_beat(celery, environment))
    return parts


def _beat(celery: tuple[str, ...], environment: Variables) -> Part:
    folder = environment.rlfc_home / "run"
    # Beat makes a new one at each start, which shows that it has read its schedule.
    for stale in folder.glob("beat*"):
        stale.unlink()

    def probe() -> str | None:
        return None if any(folder.glob("beat*")) else "has not read its schedule yet"

    flags = ("-s", str(folder / "beat"), "--pidfile=", "-l", "WARNING")
    needs = (MIGRATE, BROKER, INFERENCE)
    return Part(
        BEAT,
        probe,
        command=(*celery, "beat", *flags),
        needs=needs,
        variables={"PROCESS_ROLE": ProcessRole.BEAT},
    )


def cores() -> int:
    return len(os.sched_getaffinity(0))
