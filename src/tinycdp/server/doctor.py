"""The checks of `tinycdp doctor`.

Each finding says what was found and, if it is wrong, what to do."""

import asyncio
import os
import platform
import shutil
import signal
import subprocess
import sys
from typing import Literal

import msgspec
import redis

from tinycdp.errors import TinyCDPError
from tinycdp.products.analytics.packages import AnalyticsMissing
from tinycdp.products.analytics.store.clickhouse import describe
from tinycdp.runtime.processes import Identity, spawn, unprivileged_user
from tinycdp.server.bootstrap import check
from tinycdp.server.embedded_postgres import OLDEST_MAJOR, find_binaries, reachable
from tinycdp.settings import Settings
from tinycdp.store.database.pool import connect

_LEAST_FREE_BYTES = 2_000_000_000


class Finding(msgspec.Struct, frozen=True):
    """The result of one check."""

    verdict: Literal["ok", "warn", "FAIL"]
    subject: str
    detail: str


def examine(settings: Settings) -> list[Finding]:
    """Run every check, in the order in which a start would fail.

    Starts an embedded Postgres only if its data folder exists."""
    found = [_platform()]
    if settings.database_url is None:
        found += [_data_folder(settings), _binaries(settings), _account()]
    if settings.database_url or (settings.data_dir / "postgres").exists():
        found += _database(settings)
    if settings.redis_url:
        found.append(_redis(settings.redis_url))
    if settings.analytics or settings.clickhouse_url:
        found.append(_analytics(settings))
    return found


def _platform() -> Finding:
    detail = f"Python {platform.python_version()} on {platform.platform()}"
    if sys.platform != "linux":
        return Finding("warn", "platform", f"{detail}: children outlive a server that is killed with SIGKILL")
    return Finding("ok", "platform", detail)


def _data_folder(settings: Settings) -> Finding:
    folder = settings.data_dir.absolute()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        return Finding("FAIL", "data folder", f"{existing} cannot be written; set TINYCDP_DATA_DIR")
    free = shutil.disk_usage(existing).free
    detail = f"{folder}, {free / 1e9:.1f} GB free"
    if free < _LEAST_FREE_BYTES:
        return Finding("warn", "data folder", f"{detail}: the write-ahead log alone may take 2 GB")
    return Finding("ok", "data folder", detail)


def _binaries(settings: Settings) -> Finding:
    try:
        found = find_binaries(settings.postgres_bin, settings.data_dir / "postgres")
    except TinyCDPError as failure:
        return Finding("FAIL", "postgres", failure.message)
    return Finding("ok", "postgres", f"version {found.major} in {found.folder}")


def _account() -> Finding:
    if os.geteuid() != 0:
        return Finding("ok", "account", f"uid {os.geteuid()}")
    try:
        account = unprivileged_user()
        probe = spawn(
            ["true"],
            death_signal=signal.SIGKILL,
            identity=Identity(account.pw_uid, account.pw_gid, mapped=True),
            output=subprocess.DEVNULL,
        )
        probe.wait()
    except LookupError as missing:
        detail = f"{missing}; Postgres refuses to run as root: add a user, or set DATABASE_URL"
        return Finding("FAIL", "account", detail)
    except (OSError, subprocess.SubprocessError):
        detail = f"root, without user namespaces: Postgres runs as {account.pw_name}, which will own its files"
        return Finding("warn", "account", detail)
    return Finding("ok", "account", f"root; Postgres runs in a user namespace as {account.pw_name}")


def _database(settings: Settings) -> list[Finding]:
    async def version(dsn: str) -> str:
        connection = await connect(dsn, explain=True)
        try:
            return str(await connection.fetchval("SHOW server_version"))
        finally:
            await connection.close()

    try:
        with reachable(settings) as reached:
            assert reached.database_url
            found = asyncio.run(version(reached.database_url))
            if int(found.split(".")[0].split()[0]) < OLDEST_MAJOR:
                return [Finding("FAIL", "database", f"is Postgres {found}; {OLDEST_MAJOR} or newer is needed")]
            return [Finding("ok", "database", f"Postgres {found} answers"), _schema(reached)]
    except TinyCDPError as failure:
        return [Finding("FAIL", "database", failure.message)]


def _schema(settings: Settings) -> Finding:
    try:
        asyncio.run(check(settings))
    except TinyCDPError as failure:
        return Finding("FAIL", "schema", failure.message)
    return Finding("ok", "schema", "is that of this release")


def _redis(url: str) -> Finding:
    try:
        with redis.Redis.from_url(url, socket_timeout=5) as client:
            found = client.info("server")["redis_version"]
    except (redis.RedisError, ValueError) as failure:
        return Finding("FAIL", "redis", f"does not answer: {failure}; see REDIS_URL")
    return Finding("ok", "redis", f"Redis {found} answers")


def _analytics(settings: Settings) -> Finding:
    try:
        detail = asyncio.run(describe(settings))
    except AnalyticsMissing as missing:
        return Finding("warn", "analytics", f"{missing.message} Everything else works without it.")
    except TinyCDPError as failure:
        if settings.clickhouse_url:
            return Finding("FAIL", "analytics", f"{failure.message}; see CLICKHOUSE_URL")
        return Finding("warn", "analytics", f"{failure.message}. `tinycdp serve` starts it")
    return Finding("ok", "analytics", detail)
