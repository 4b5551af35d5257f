"""Saved definitions: for the questions that name them, and for people who edit them.

Shape   Library().of(environment, newest) → Saved: what questions may name, and the number of the newest save
        listed, found, versions_of, saves → definitions with their history
        restored_version, restored_save → the changes that undo
Laws    never stale: each question has read the number of the newest save, one entry of an index
Errors  NotFound
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from tinycdp.engine.catalog import Name
from tinycdp.errors import NotFound
from tinycdp.products.analytics.definitions.documents import KINDS, Documented, read, renamed, users_of
from tinycdp.products.analytics.definitions.naming import Saved, saved_of
from tinycdp.products.analytics.store import saved as store
from tinycdp.products.analytics.store.saved import SavedRow
from tinycdp.runtime.definitions.catalogs import definitions_at
from tinycdp.runtime.definitions.changes import Change
from tinycdp.runtime.definitions.unknown import unknown
from tinycdp.runtime.environment import Environment
from tinycdp.store import definitions as definition_store
from tinycdp.store.database.pool import Connection, acquired, snapshot


class Library:
    """The saved definitions of each environment, in memory."""

    def __init__(self) -> None:
        self._known: dict[int, Saved] = {}

    async def of(self, environment: Environment, newest: int) -> Saved:
        """What questions may name. newest: the number of the newest save, as it was read now."""
        found = self._known.get(environment.id)
        if found is not None and found.version >= newest:
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


@dataclass(frozen=True, slots=True)
class Save:
    """One save, and the versions that it wrote."""

    number: int
    rows: Sequence[SavedRow]


async def saves(environment: Environment, before: int, n: int) -> list[Save]:
    """The n newest saves before one, newest first."""
    async with acquired(environment.pool) as connection:
        rows = await store.list_saves(connection, environment.id, before, n)
    return [Save(number, list(found)) for number, found in groupby(rows, key=lambda row: row.change)]


async def restored_version(environment: Environment, kind: str, key: str, version: int) -> Change:
    """The change that brings a definition back to a version. It names others by their current keys."""
    rows = await versions_of(environment, kind, key)
    row = next((row for row in rows if row.version == version), None)
    if row is None:
        raise NotFound("NOT_FOUND", f"The {kind} {key!r} has no version {version}; its newest is {rows[0].version}.")
    async with snapshot(environment.pool) as connection:
        keys = await _keys_since(connection, environment.id, row.revision)
        now = {one.definition_id: one for one in await _current(connection, environment.id)}
        for then in await store.definitions_after(connection, environment.id, row.change):
            if then.document is not None and (one := now.get(then.definition_id)) is not None:
                keys[then.kind, then.key] = one.key
    # A deleted one returns under its last key.
    return Change(kind=kind, key=rows[0].key, document=renamed(row.document, keys), id=row.definition_id)


async def restored_save(environment: Environment, number: int) -> list[Change]:
    """The changes that bring all definitions back to what they were after a save.

    They name segments and flags by their current keys."""
    async with snapshot(environment.pool) as connection:
        newest = await store.newest_change(connection, environment.id)
        if not 0 < number <= newest:
            raise NotFound("REVISION_NOT_FOUND", f"There is no revision {number}; the newest is {newest}.")
        then = {row.definition_id: row for row in await store.definitions_after(connection, environment.id, number)}
        keys = await _keys_since(connection, environment.id, max(row.revision for row in then.values()))
        rows = await store.newest_definitions(connection, environment.id)
    changes = []
    for row in rows:
        is_there = row.document is not None
        wanted = then.get(row.definition_id)
        expects = row.version if is_there else 0
        if wanted is not None and wanted.document is not None:
            document = renamed(wanted.document, keys)
            changes.append(
                Change(kind=row.kind, key=wanted.key, document=document, expects=expects, id=row.definition_id)
            )
        elif is_there:
            changes.append(Change(kind=row.kind, key=row.key, document=None, expects=expects, id=row.definition_id))
    return changes


async def _keys_since(connection: Connection, environment_id: int, revision: int) -> dict[Name, str]:
    """The current keys of traits, segments and flags, by their names at a revision."""
    head = (await definition_store.find_environment(connection, environment_id)).head_revision
    now = {one.id: one.key for one in await definitions_at(connection, environment_id, head)}
    then = await definitions_at(connection, environment_id, revision)
    return {one.name: now[one.id] for one in then if one.id in now}


async def _current(connection: Connection, environment_id: int) -> list[SavedRow]:
    rows = await store.newest_definitions(connection, environment_id)
    return [row for row in rows if row.document is not None]
