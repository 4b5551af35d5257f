"""Kill switches: turn a flag off at once.

Shape   kill(…) and revive(…) act on every process · in_force(…) → the kills for a catalog · history(…) → past kills
Laws    a kill is no revision: it waits for no backfill, and no publish undoes it. A killed flag serves its off variant
        to every profile, before prerequisites, overrides and rules
Errors  NotFound for a flag that does not exist
Source  docs/decisions/0018-flags-in-full.md
"""

from dataclasses import dataclass

from tinycdp.engine.flags.trail import Killed
from tinycdp.model import Instant
from tinycdp.runtime.definitions.unknown import unknown
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.notifications import announce_revision
from tinycdp.store import definitions, flags
from tinycdp.store.database.pool import Connection, acquired, transaction
from tinycdp.times import iso, iso_or_none


@dataclass(frozen=True, slots=True)
class Kill:
    """One time that a flag was off. revived_at, revived_by: None while it still is."""

    killed_at: str
    killed_by: str
    note: str
    revived_at: str | None
    revived_by: str | None


async def kill(environment: Environment, key: str, edit: Edit) -> None:
    """Turn a flag off until it is revived. A second kill changes nothing."""
    async with transaction(environment.pool) as connection:
        id = await _id(connection, environment.id, key)
        await flags.kill_flag(connection, environment.id, id, edit.now, edit.author, edit.note)
        await announce_revision(connection, environment.id)


async def revive(environment: Environment, key: str, edit: Edit) -> None:
    """Let a flag decide again as it is defined. Does nothing if it is not killed."""
    async with transaction(environment.pool) as connection:
        id = await _id(connection, environment.id, key)
        await flags.revive_flag(connection, environment.id, id, edit.now, edit.author)
        await announce_revision(connection, environment.id)


async def in_force(connection: Connection, environment_id: int, at: Instant | None = None) -> dict[int, Killed]:
    """The killed flags by definition id, at an instant, by default now."""
    kills = await flags.kills_at(connection, environment_id, at)
    return {row.definition_id: Killed(row.killed_by, row.killed_at, row.note) for row in kills}


async def history(environment: Environment, key: str, n: int) -> list[Kill]:
    """The newest kills of a flag, at most n."""
    async with acquired(environment.pool) as connection:
        id = await _id(connection, environment.id, key)
        rows = await flags.kills_of_flag(connection, environment.id, id, n)
    return [
        Kill(
            iso(row.killed_at),
            row.killed_by,
            row.note,
            iso_or_none(row.revived_at),
            row.revived_by,
        )
        for row in rows
    ]


async def _id(connection: Connection, environment_id: int, key: str) -> int:
    environment = await definitions.find_environment(connection, environment_id)
    names: list[tuple[str, str]] = []
    for revision in (environment.live_revision, environment.head_revision):
        for row in await definitions.definitions_at(connection, environment_id, revision):
            if (row.kind, row.key) == ("flag", key):
                return row.definition_id
            names.append((row.kind, row.key))
    raise unknown("flag", key, dict.fromkeys(names))
