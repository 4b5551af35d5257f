"""Forward-only schema changes: plain SQL files, numbered, each in one transaction.

Shape   migrate(dsn, now) applies the missing files in order and returns their names; table `migrations` records them.
        open_migrated(dsn, size) opens a pool on a database that has exactly the schema of this release
Laws    two processes at once apply each file once: an advisory lock makes one wait
Errors  Conflict MIGRATION_CHANGED for a file that changed after it was applied · DATABASE_NEWER for an unknown one ·
        DATABASE_UNMIGRATED for a missing one
"""

from functools import cache
from hashlib import sha256

import asyncpg

from tinycdp.errors import Conflict
from tinycdp.resources import migration_files
from tinycdp.store.database.pool import Connection, Pool, connect, open_pool, reaching

_LOCK = 7_164_301


async def migrate(dsn: str, now: int) -> list[str]:
    """Bring the schema up to date; returns the names of the files applied."""
    connection = await connect(dsn, explain=True)
    try:
        with reaching(dsn):
            await connection.execute(f"SELECT pg_advisory_lock({_LOCK})")
            if await connection.fetchval("SELECT to_regclass('migrations')") is None:
                await connection.execute(
                    "CREATE TABLE migrations "
                    "(name text PRIMARY KEY, digest text NOT NULL, applied_at timestamptz NOT NULL)"
                )
            return await _apply_missing(connection, now)
    finally:
        await connection.close()


async def open_migrated(dsn: str, size: int) -> Pool:
    """Open a pool of at most `size` connections on a database with the schema of this release."""
    pool = await open_pool(dsn, size, explain=True)
    try:
        with reaching(dsn):
            async with pool.acquire(timeout=5) as connection:
                missing = _missing(await _applied(connection))
    except BaseException:
        pool.terminate()
        raise
    if missing:
        pool.terminate()
        raise Conflict(
            "DATABASE_UNMIGRATED",
            f"The database of DATABASE_URL lacks migration {missing[0][0]} of this release; run `tinycdp migrate`.",
        )
    return pool


async def _applied(connection: Connection) -> dict[str, str]:
    """The digests of the applied files by name; empty in a database that was never migrated."""
    if await connection.fetchval("SELECT to_regclass('migrations')") is None:
        return {}
    return dict(await connection.fetch("SELECT name, digest FROM migrations"))


def _missing(done: dict[str, str]) -> list[tuple[str, str]]:
    """The files of this release that are not applied, in order; raises if the others are not this release's."""
    known = dict(migration_files())
    if unknown := sorted(done.keys() - known.keys()):
        raise Conflict(
            "DATABASE_NEWER",
            f"The database was migrated by a newer release: this one does not know migration {unknown[0]}."
            " Install the newer release.",
        )
    for name, digest in done.items():
        if digest != _digest(known[name]):
            raise Conflict("MIGRATION_CHANGED", f"{name} was changed after it was applied; add a new file instead.")
    return sorted((name, text) for name, text in known.items() if name not in done)


async def _apply_missing(connection: asyncpg.Connection, now: int) -> list[str]:
    applied = []
    for name, text in _missing(await _applied(connection)):
        async with connection.transaction():
            await connection.execute(text)
            await connection.execute("INSERT INTO migrations VALUES ($1, $2, $3)", name, _digest(text), now)
        applied.append(name)
    return applied


@cache
def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
