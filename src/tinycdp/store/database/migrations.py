"""Forward-only schema changes: plain SQL files, numbered, each in one transaction.

Shape   migrate(dsn, now) applies the missing files in order and returns their names; table `migrations` records them
Laws    two processes at once apply each file once: an advisory lock makes one wait
Errors  Conflict MIGRATION_CHANGED for a file that changed after it was applied · DATABASE_NEWER for an unknown one
"""

from hashlib import sha256

import asyncpg

from tinycdp.errors import Conflict
from tinycdp.resources import migration_files
from tinycdp.store.database.pool import connect

_LOCK = 7_164_301


async def migrate(dsn: str, now: int) -> list[str]:
    """Bring the schema up to date; returns the names of the files applied."""
    connection = await connect(dsn)
    try:
        await connection.execute(f"SELECT pg_advisory_lock({_LOCK})")
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations "
            "(name text PRIMARY KEY, digest text NOT NULL, applied_at timestamptz NOT NULL)"
        )
        return await _apply_missing(connection, now)
    finally:
        await connection.close()


async def _apply_missing(connection: asyncpg.Connection, now: int) -> list[str]:
    done = dict(await connection.fetch("SELECT name, digest FROM migrations"))
    known = dict(migration_files())
    if unknown := sorted(done.keys() - known.keys()):
        raise Conflict("DATABASE_NEWER", f"This release does not know migration {unknown[0]}; install a newer one.")
    applied = []
    for name, text in sorted(known.items()):
        digest = sha256(text.encode()).hexdigest()
        if name in done:
            if done[name] != digest:
                raise Conflict("MIGRATION_CHANGED", f"{name} was changed after it was applied; add a new file instead.")
            continue
        async with connection.transaction():
            await connection.execute(text)
            await connection.execute("INSERT INTO migrations VALUES ($1, $2, $3)", name, digest, now)
        applied.append(name)
    return applied
