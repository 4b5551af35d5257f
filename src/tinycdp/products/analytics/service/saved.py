"""Saved definitions: for the questions that name them, and for people who edit them.

Shape   Library().of(environment) → Saved: what questions may name, and the number of the newest save
        listed, found, versions_of → definitions with their history
Laws    never stale: each question reads the number of the newest save, one entry of an index
Errors  NotFound
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tinycdp.engine.catalog import Name
from tinycdp.errors import NotFound
from tinycdp.products.analytics.definitions.documents import KINDS, Documented, read, users_of
from tinycdp.products.analytics.definitions.naming import Saved, saved_of
from tinycdp.products.analytics.store import saved as store
from tinycdp.products.analytics.store.saved import SavedRow
from tinycdp.runtime.definitions.unknown import unknown
from tinycdp.runtime.environment import Environment
from tinycdp.store.database.pool import Connection, acquired, snapshot


class Library:
    """The saved definitions of each environment, in memory."""

    def __init__(self) -> None:
        self._known: dict[int, Saved] = {}

    async def of(self, environment: Environment) -> Saved:
        """What questions may name now."""
        async with acquired(environment.pool) as connection:
            newest = await store.newest_change(connection, environment.id)
        found = self._known.get(environment.id)
        if found is not None and found.version == newest:
            return found
        async with snapshot(environment.pool) as connection:
            version = await store.newest_change(connection, environment.id)
            rows = await _current(connection, environment.id)
        documents = {(row.kind, row.key): read(row.kind, row.document) for row in rows if row.document is not None}
        self._known[environment.id] = found = saved_of(documents, version)
        return found


@dataclass(frozen=True, slots=True)
class SavedEntry:
    """A definition, and the definitions that name it."""

    row: SavedRow
    document: Documented
    used_by: Sequence[Name]


async def listed(environment: Environment, kind: str) -> list[SavedEntry]:
    """All definitions of a kind, by key."""
    async with acquired(environment.pool) as connection:
        rows = await _current(connection, environment.id)
    documents = {(row.kind, row.key): row.document for row in rows if row.document is not None}
    return [
        SavedEntry(row, read(kind, row.document), users_of((kind, row.key), documents))
        for row in sorted(rows, key=lambda row: row.key)
        if row.kind == kind and row.document is not None
    ]


async def found(environment: Environment, kind: str, key: str) -> SavedEntry:
    """One definition."""
    every = await listed(environment, kind)
    one = next((one for one in every if one.row.key == key), None)
    if one is None:
        raise unknown(kind, key, ((kind, other.row.key) for other in every))
    return one


async def plain_documents(environment: Environment) -> dict[Name, dict[str, Any]]:
    """Every document as it is stored, by its name."""
    async with acquired(environment.pool) as connection:
        rows = await _current(connection, environment.id)
    return {(row.kind, row.key): row.document for row in rows if row.document is not None}


async def versions_of(environment: Environment, kind: str, key: str) -> list[SavedRow]:
    """Every version of the definition that has this key, or had it last; newest first."""
    assert kind in KINDS
    async with snapshot(environment.pool) as connection:
        id_ = await store.find_definition(connection, environment.id, kind, key)
        if id_ is None:
            names = [(row.kind, row.key) for row in await _current(connection, environment.id)]
            raise unknown(kind, key, names)
        return await store.list_versions(connection, environment.id, id_)


async def version_of(environment: Environment, kind: str, key: str, version: int) -> tuple[str, SavedRow]:
    """The key of a definition now, and one of its versions."""
    rows = await versions_of(environment, kind, key)
    row = next((row for row in rows if row.version == version), None)
    if row is None:
        raise NotFound("NOT_FOUND", f"The {kind} {key!r} has no version {version}; its newest is {rows[0].version}.")
    return rows[0].key, row


async def _current(connection: Connection, environment_id: int) -> list[SavedRow]:
    rows = await store.newest_definitions(connection, environment_id)
    return [row for row in rows if row.document is not None]
