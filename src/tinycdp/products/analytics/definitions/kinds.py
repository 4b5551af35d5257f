"""Saved definitions as a part of publishes: the kinds that analytics adds.

Shape   SavedKinds is what runtime/definitions/product_kinds.py asks for
Laws    a publish saves its changes of these in its own transaction, one publish after another.
        A segment or a flag that a saved definition names is not deleted; if it is renamed, the name is rewritten
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tinycdp.products.analytics.definitions import documents
from tinycdp.products.analytics.definitions.checks import check, core_names
from tinycdp.products.analytics.definitions.drafts import drafted, referenced
from tinycdp.products.analytics.store import saved as store
from tinycdp.runtime.definitions.changes import Change
from tinycdp.runtime.definitions.product_kinds import (
    DocumentFinding,
    InvalidDocuments,
    Names,
    ProductDefinition,
    ProductDraft,
)
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.environment import Environment
from tinycdp.store.database.pool import Connection, acquired


class SavedKinds:
    """Reports, metrics, derived events and dashboards."""

    kinds: Sequence[str] = tuple(documents.KINDS)
    route = "/v1/analytics"

    def problems(self, kind: str, document: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        """(path, message) of all that is wrong with the form of a document."""
        return documents.problems(kind, document)

    def normal(self, kind: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """The form in which a document is stored."""
        return documents.normal(kind, document)

    def check(self, changes: Sequence[Change], names: Names) -> list[DocumentFinding]:
        """What is wrong with new documents among each other, and with what they name."""
        found = {(c.kind, c.key): c.document for c in changes if c.document is not None}
        return check(found, names, found)

    async def begin(self, connection: Connection, environment_id: int) -> None:
        """Keep other publishes out until the transaction ends."""
        await store.begin_saving(connection, environment_id)

    async def draft(
        self, connection: Connection, names: Names, changes: Sequence[Change], edit: Edit, *, prune: bool
    ) -> ProductDraft:
        """What the changes do, checked against the names of the next revision."""
        environment_id = names.environment_id
        rows = await store.newest_definitions(connection, environment_id)
        found = drafted(rows, changes, edit, of_core=names.renamed, prune=prune)
        written = {(row.kind, row.key) for row in found.written if row.document is not None}
        findings = check(found.after, names, written)
        if errors := [one for one in findings if not one.is_warning]:
            raise InvalidDocuments(errors)

        for gone in sorted(names.gone):
            users = [name for name in sorted(found.after) if gone in core_names(name, found.after, names)]
            if users:
                raise referenced(gone, users)

        async def save(connection: Connection) -> None:
            if found.written:
                change = await store.newest_change(connection, environment_id) + 1
                await store.append_versions(connection, environment_id, change, names.revision, found.written)

        return ProductDraft(tuple(move.step() for move in found.moves), tuple(findings), save)

    async def newest(self, environment: Environment) -> list[ProductDefinition]:
        """All definitions."""
        async with acquired(environment.pool) as connection:
            rows = await store.newest_definitions(connection, environment.id)
        return [
            ProductDefinition(row.kind, row.key, row.version, row.document) for row in rows if row.document is not None
        ]
