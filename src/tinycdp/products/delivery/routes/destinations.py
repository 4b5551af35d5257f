"""Destinations as definitions: their list, versions, renames.

Shape   the routes of every kind of definition
Errors  those of api/definitions/kinds.py · 400 ADDRESS_REFUSED
Source  docs/reference/webhooks.md
"""

from typing import Any

import msgspec

from tinycdp.api.definitions.editing import Editing
from tinycdp.api.definitions.kinds import DefinitionKind, routes_of
from tinycdp.api.definitions.schemas import RenameBody, RestoreBody
from tinycdp.products.delivery.definitions.kinds import DESTINATIONS, KIND
from tinycdp.products.delivery.definitions.schemas import DestinationDocument
from tinycdp.products.delivery.routes.schemas import (
    Destination,
    Destinations,
    DestinationVersion,
    DestinationVersions,
)
from tinycdp.runtime.definitions.change_set import read_change, read_key
from tinycdp.runtime.definitions.changes import Change
from tinycdp.runtime.definitions.publish import PublishPlan
from tinycdp.runtime.definitions.saved.documents import written
from tinycdp.runtime.definitions.saved.product import SavedEntry
from tinycdp.runtime.environment import Environment
from tinycdp.times import iso

TAGS = ["Destinations"]


class _Kind(DefinitionKind):
    """Destinations."""

    prefix = "/v1"
    tags = TAGS
    reads = "admin"
    one = Destination
    many = Destinations
    versions = DestinationVersions
    document = DestinationDocument
    about_one = "without its secrets"
    about_renaming = "nothing else: its cursor and its secrets stay"
    about_restoring = (
        "Segments go by their current keys. A deleted destination returns with its history, but without its cursor, "
        "its secrets and its log.\n\nA version that deleted it deletes it again."
    )
    rename_example = "crm"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.example = {"url": "https://hooks.example.com/tinycdp", "events": ["segment.entered", "segment.exited"]}

    async def list_all(self, editing: Editing) -> Destinations:
        return Destinations([_answer(one) for one in await DESTINATIONS.listed(editing.environment, self.name)])

    async def show(self, editing: Editing, key: str) -> Destination:
        return _answer(await DESTINATIONS.found(editing.environment, self.name, key))

    def read(self, key: str, body: Any) -> Change:
        return read_change(self.name, {**written(body), "key": key})

    async def saved(self, editing: Editing, key: str, plan: PublishPlan) -> Destination:
        return await self.show(editing, key)

    async def list_versions(self, environment: Environment, key: str) -> DestinationVersions:
        return DestinationVersions(
            [
                DestinationVersion(row.version, row.key, row.document, iso(row.saved_at), row.author, row.note)
                for row in await DESTINATIONS.versions_of(environment, self.name, key)
            ]
        )

    async def rename(self, editing: Editing, key: str, body: RenameBody, expects: int | None) -> PublishPlan:
        read_key(self.name, body.key, "$.key")
        row = (await DESTINATIONS.found(editing.environment, self.name, key)).row
        change = Change(kind=self.name, key=body.key, document=row.document, expects=expects, was=row.key)
        return await editing.save(change, body.note, dry_run=body.dry_run)

    async def restore(
        self, editing: Editing, key: str, version: int, body: RestoreBody, expects: int | None
    ) -> PublishPlan:
        change = await DESTINATIONS.restored_version(editing.environment, self.name, key, version)
        return await editing.save(msgspec.structs.replace(change, expects=expects), body.note, dry_run=body.dry_run)


def _answer(one: SavedEntry) -> Destination:
    row, document = one.row, one.document
    return Destination(
        key=row.key,
        version=row.version,
        name=document.name or row.key,
        description=document.description,
        document=row.document or {},
        saved_at=iso(row.saved_at),
        saved_by=row.author,
        note=row.note,
    )


ROUTES = routes_of(_Kind(KIND))
