"""The definitions of a product: as a part of publishes, and read and restored.

Shape   SavedKinds is what product_kinds.py asks for; a product adds its checks, and what a save does besides
        listed, found, versions_of, saves → definitions with their history
        restored_version, restored_save → the changes that undo
Laws    a publish saves its changes of these in its own transaction, one publish after another.
        A definition of the core that one of these names is not deleted; if it is renamed, the name is rewritten
Errors  NotFound
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, ClassVar

from tinycdp.engine.catalog import Name
from tinycdp.errors import NotFound
from tinycdp.runtime.definitions.catalogs import definitions_at
from tinycdp.runtime.definitions.changes import Change
from tinycdp.runtime.definitions.product_kinds import (
    DocumentFinding,
    InvalidDocuments,
    Names,
    ProductDefinition,
    ProductDraft,
)
from tinycdp.runtime.definitions.saved.documents import DocumentKinds
from tinycdp.runtime.definitions.saved.drafts import drafted, referenced
from tinycdp.runtime.definitions.unknown import unknown
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.environment import Environment
from tinycdp.store import definitions as definition_store
from tinycdp.store.database.pool import Connection, acquired, snapshot
from tinycdp.store.products import saved as store
from tinycdp.store.products.saved import SavedRow

Documents = Mapping[Name, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class SavedEntry:
    """A definition, and the definitions of its product that name it. document: as a struct"""

    row: SavedRow
    document: Any
    used_by: Sequence[Name]


@dataclass(frozen=True, slots=True)
class Save:
    """One save, and the versions that it wrote."""

    number: int
    rows: Sequence[SavedRow]


class SavedKinds(ABC):
    """The kinds of one product."""

    documents: ClassVar[DocumentKinds]
    kinds: Sequence[str]
    route: str

    def __init__(self) -> None:
        self.kinds = self.documents.kinds

    # What a publish asks for

    def problems(self, kind: str, document: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        """(path, message) of all that is wrong with the form of a document."""
        return self.documents.problems(kind, document)

    def normal(self, kind: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """The form in which a document is stored."""
        return self.documents.normal(kind, document)

    def check(self, changes: Sequence[Change], names: Names) -> list[DocumentFinding]:
        """What is wrong with new documents among each other, and with what they name."""
        found = {(c.kind, c.key): c.document for c in changes if c.document is not None}
        return self.findings(found, names, found)

    @abstractmethod
    def findings(self, documents: Documents, names: Names, of: Collection[Name]) -> list[DocumentFinding]:
        """What is wrong with some of the documents."""

    def depending(self, documents: Documents) -> Collection[Name]:
        """The documents that a change of the core's definitions may make wrong, beside those that name what is gone."""
        return ()

    @abstractmethod
    def core_names(self, name: Name, documents: Documents, names: Names) -> Collection[Name]:
        """The definitions of the core that a document names."""

    async def saving(  # noqa: B027 - not every product has something to do
        self, connection: Connection, names: Names, rows: Sequence[SavedRow], edit: Edit
    ) -> None:
        """Do what belongs to a save, in its transaction. rows: the versions that it wrote"""

    async def begin(self, connection: Connection, environment_id: int) -> None:
        """Keep other publishes out until the transaction ends."""
        await store.begin_saving(connection, environment_id)

    async def draft(
        self, connection: Connection, names: Names, changes: Sequence[Change], edit: Edit, *, prune: bool
    ) -> ProductDraft:
        """What the changes do, checked against the names of the next revision."""
        environment_id = names.environment_id
        rows = await store.newest_definitions(connection, environment_id, self.kinds)
        found = drafted(self.documents, rows, changes, edit, of_core=names.renamed, prune=prune)
        for gone in sorted(names.gone):
            users = [name for name in sorted(found.after) if gone in self.core_names(name, found.after, names)]
            if users:
                raise referenced(gone, users)
        written = {(row.kind, row.key) for row in found.written if row.document is not None}
        findings = self.findings(found.after, names, written | set(self.depending(found.after)))
        if errors := [one for one in findings if not one.is_warning]:
            raise InvalidDocuments(errors)

        async def save(connection: Connection) -> None:
            if found.written:
                change = await store.newest_change(connection, environment_id) + 1
                last = await store.last_definition(connection, environment_id)
                rows = list(_numbered(found.written, last))
                await store.append_versions(connection, environment_id, change, names.revision, rows)
                await self.saving(connection, names, rows, edit)

        return ProductDraft(tuple(move.step() for move in found.moves), tuple(findings), save)

    async def newest(self, environment: Environment) -> list[ProductDefinition]:
        """All definitions."""
        return [
            ProductDefinition(row.kind, row.key, row.version, row.document)
            for row in await self._of(environment)
            if row.document is not None
        ]

    # For those who read

    async def current(self, connection: Connection, environment_id: int) -> list[SavedRow]:
        """The newest version of each definition that was not deleted."""
        rows = await store.newest_definitions(connection, environment_id, self.kinds)
        return [row for row in rows if row.document is not None]

    async def _of(self, environment: Environment) -> list[SavedRow]:
        async with acquired(environment.pool) as connection:
            return await self.current(connection, environment.id)

    async def listed(self, environment: Environment, kind: str) -> list[SavedEntry]:
        """All definitions of a kind, by key."""
        rows = await self._of(environment)
        documents = {(row.kind, row.key): row.document for row in rows if row.document is not None}
        return [
            SavedEntry(
                row, self.documents.read(kind, row.document), self.documents.users_of((kind, row.key), documents)
            )
            for row in sorted(rows, key=lambda row: row.key)
            if row.kind == kind and row.document is not None
        ]

    async def found(self, environment: Environment, kind: str, key: str) -> SavedEntry:
        """One definition."""
        every = await self.listed(environment, kind)
        one = next((one for one in every if one.row.key == key), None)
        if one is None:
            raise unknown(kind, key, ((kind, other.row.key) for other in every))
        return one

    async def plain_documents(self, environment: Environment) -> dict[Name, dict[str, Any]]:
        """Every document as it is stored, by its name."""
        rows = await self._of(environment)
        return {(row.kind, row.key): row.document for row in rows if row.document is not None}

    async def versions_of(self, environment: Environment, kind: str, key: str) -> list[SavedRow]:
        """Every version of the definition that has this key, or had it last; newest first."""
        assert kind in self.kinds
        async with snapshot(environment.pool) as connection:
            id_ = await store.find_saved(connection, environment.id, kind, key)
            if id_ is None:
                names = [(row.kind, row.key) for row in await self.current(connection, environment.id)]
                raise unknown(kind, key, names)
            return await store.list_saved_versions(connection, environment.id, id_)

    async def saves(self, environment: Environment, before: int, n: int) -> list[Save]:
        """The n newest saves before one, newest first."""
        async with acquired(environment.pool) as connection:
            rows = await store.list_saves(connection, environment.id, self.kinds, before, n)
        return [Save(number, list(found)) for number, found in groupby(rows, key=lambda row: row.change)]

    async def restored_version(self, environment: Environment, kind: str, key: str, version: int) -> Change:
        """The change that brings a definition back to a version. It names others by their current keys."""
        rows = await self.versions_of(environment, kind, key)
        row = next((row for row in rows if row.version == version), None)
        if row is None:
            raise NotFound(
                "NOT_FOUND", f"The {kind} {key!r} has no version {version}; its newest is {rows[0].version}."
            )
        async with snapshot(environment.pool) as connection:
            keys = await _keys_since(connection, environment.id, row.revision)
            now = {one.definition_id: one for one in await self.current(connection, environment.id)}
            for then in await store.definitions_after(connection, environment.id, self.kinds, row.change):
                if then.document is not None and (one := now.get(then.definition_id)) is not None:
                    keys[then.kind, then.key] = one.key
        # A deleted one returns under its last key.
        document = self.documents.renamed(row.document, keys)
        return Change(kind=kind, key=rows[0].key, document=document, id=row.definition_id)

    async def restored_save(self, environment: Environment, number: int) -> list[Change]:
        """The changes that bring all definitions back to what they were after a save.

        They name definitions of the core by their current keys."""
        async with snapshot(environment.pool) as connection:
            newest = await store.newest_change(connection, environment.id)
            if not 0 < number <= newest:
                raise NotFound("REVISION_NOT_FOUND", f"There is no revision {number}; the newest is {newest}.")
            after = await store.definitions_after(connection, environment.id, self.kinds, number)
            then = {row.definition_id: row for row in after}
            revision = max((row.revision for row in after), default=0)
            keys = await _keys_since(connection, environment.id, revision)
            rows = await store.newest_definitions(connection, environment.id, self.kinds)
        changes = []
        for row in rows:
            is_there = row.document is not None
            wanted = then.get(row.definition_id)
            expects = row.version if is_there else 0
            if wanted is not None and wanted.document is not None:
                document = self.documents.renamed(wanted.document, keys)
                changes.append(
                    Change(kind=row.kind, key=wanted.key, document=document, expects=expects, id=row.definition_id)
                )
            elif is_there:
                changes.append(Change(kind=row.kind, key=row.key, document=None, expects=expects, id=row.definition_id))
        return changes


def _numbered(rows: Iterable[SavedRow], last: int) -> Iterable[SavedRow]:
    """The rows, with ids for new definitions."""
    for row in rows:
        if row.definition_id == 0:
            last += 1
            yield replace(row, definition_id=last)
        else:
            yield row


async def _keys_since(connection: Connection, environment_id: int, revision: int) -> dict[Name, str]:
    """The current keys of traits, segments and flags, by their names at a revision."""
    head = (await definition_store.find_environment(connection, environment_id)).head_revision
    now = {one.id: one.key for one in await definitions_at(connection, environment_id, head)}
    then = await definitions_at(connection, environment_id, revision)
    return {one.name: now[one.id] for one in then if one.id in now}
