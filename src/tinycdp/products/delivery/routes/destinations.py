"""Destinations as definitions: their list, versions, renames.

Shape   the routes of every kind of definition
Errors  those of api/definitions/kinds.py · 400 ADDRESS_REFUSED
Source  docs/reference/webhooks.md
"""

from typing import Any

from tinycdp.api.definitions.kinds import routes_of
from tinycdp.api.definitions.saved import SavedDefinitionKind
from tinycdp.products.delivery.definitions.kinds import DESTINATIONS, KIND
from tinycdp.products.delivery.routes.schemas import (
    Destination,
    Destinations,
    DestinationVersion,
    DestinationVersions,
    Document,
)
from tinycdp.runtime.definitions.change_set import read_change
from tinycdp.runtime.definitions.changes import Change
from tinycdp.runtime.definitions.saved.product import SavedEntry
from tinycdp.times import iso

TAGS = ["Destinations"]


class _Kind(SavedDefinitionKind):
    """Destinations."""

    product = DESTINATIONS
    version = DestinationVersion
    prefix = "/v1"
    tags = TAGS
    reads = "admin"
    one = Destination
    many = Destinations
    versions = DestinationVersions
    document = Document
    about_one = "without its secrets"
    about_renaming = "nothing else: its cursor and its secrets stay"
    about_restoring = (
        "Segments go by their current keys. A deleted destination returns with its history, but without its cursor, "
        "its secrets and its log.\n\nA version that deleted it deletes it again."
    )
    rename_example = "crm"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.example = {
            "type": "webhook",
            "url": "https://hooks.example.com/tinycdp",
            "events": ["segment.entered", "segment.exited"],
        }

    def read(self, key: str, body: Any) -> Change:
        return read_change(self.name, {**body, "key": key})

    def answer(self, one: SavedEntry) -> Destination:
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
