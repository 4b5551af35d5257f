"""Destinations as a part of publishes.

Shape   DESTINATIONS is what runtime/definitions/product_kinds.py asks for
Laws    the first destination registers the consumer of the outbox, in the transaction that saves it; deleting the last
        removes it. A destination gets what is committed after its save.
        A segment that a destination names is not deleted; if it is renamed, the name is rewritten
"""

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from tinycdp.dsl.suggest import did_you_mean
from tinycdp.engine.catalog import Name
from tinycdp.products.delivery.definitions.schemas import (
    DEFAULT_TYPE,
    DestinationDocument,
    FromVariable,
    WebhookDocument,
)
from tinycdp.products.delivery.reach import NotAllowed, Reach
from tinycdp.products.delivery.store import lanes as store
from tinycdp.products.delivery.store.log import open_log
from tinycdp.runtime.definitions.changes import Change
from tinycdp.runtime.definitions.product_kinds import DocumentFinding, InvalidDocuments, Names, ProductDraft
from tinycdp.runtime.definitions.saved.documents import DocumentKinds
from tinycdp.runtime.definitions.saved.product import Documents, SavedKinds
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.outbox import register_in, unregister_in
from tinycdp.settings import load
from tinycdp.store.database.pool import Connection
from tinycdp.store.products.saved import SavedRow

KIND = "destination"
CONSUMER = "delivery"
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
#: What the client and the standard set.
_TAKEN = frozenset(
    {
        "host", "content-length", "content-type", "transfer-encoding", "connection", "te", "trailer", "upgrade",
        "expect", "keep-alive", "proxy-authorization", "proxy-connection", "user-agent", "accept-encoding",
    }
)  # fmt: skip
_MOST_HEADERS = 20


class DestinationKinds(SavedKinds):
    """Destinations."""

    documents = DocumentKinds(
        {KIND: DestinationDocument}, of_core={"segments": "segment"}, defaults={KIND: DEFAULT_TYPE}
    )
    route = "/v1"

    def problems(self, kind: str, document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """(path, message) of all that is wrong with the form of a document."""
        found = list(super().problems(kind, document))
        yield from found
        if not found:
            read: DestinationDocument = self.documents.read(kind, document)
            if isinstance(read, WebhookDocument):
                yield from _of_headers(read.headers)

    def findings(self, documents: Documents, names: Names, of: Collection[Name]) -> list[DocumentFinding]:
        """Segments that do not exist."""
        return [
            DocumentFinding(*name, path, f"there is no segment {key!r}.{did_you_mean(key, list(names.scope.segments))}")
            for name in sorted(of)
            for (_, key), path in self.documents.core_references_of(documents[name])
            if key not in names.scope.segments
        ]

    def core_names(self, name: Name, documents: Documents, names: Names) -> Collection[Name]:
        """The segments that a document names."""
        return {named for named, _ in self.documents.core_references_of(documents[name])}

    async def draft(
        self, connection: Connection, names: Names, changes: Sequence[Change], edit: Edit, *, prune: bool
    ) -> ProductDraft:
        """What the changes do; refuses addresses that must not be reached."""
        reach = Reach.of(load(os.environ))
        for change in changes:
            if change.document is None:
                continue
            read: DestinationDocument = self.documents.read(KIND, change.document)
            path = "$"
            try:
                for path, url in read.addresses():  # noqa: B007 - the path of the one that is refused
                    await reach.check(url)
                for host in read.hosts():
                    path = host.path
                    await reach.check_host(host)
            except NotAllowed as error:
                finding = DocumentFinding(change.kind, change.key, path, str(error), "ADDRESS_REFUSED")
                raise InvalidDocuments([finding]) from None
        return await super().draft(connection, names, changes, edit, prune=prune)

    async def saving(self, connection: Connection, names: Names, rows: Sequence[SavedRow], edit: Edit) -> None:
        """Open and close lanes with their definitions, and the log with the first and the last."""
        environment_id = names.environment_id
        gone = [row.definition_id for row in rows if row.document is None]
        if gone:
            await store.close_lanes(connection, environment_id, gone)
        kept = [row.definition_id for row in rows if row.document is not None]
        if kept:
            # Messages are kept out until this is committed, so what is committed later has a greater position.
            await register_in(connection, environment_id, CONSUMER, edit.now)
            await open_log(connection, environment_id)
            await store.open_lanes(connection, environment_id, kept)
        elif not await store.count_lanes(connection, environment_id):
            await unregister_in(connection, environment_id, CONSUMER)


def _of_headers(headers: Mapping[str, str | FromVariable]) -> Iterator[tuple[str, str]]:
    if len(headers) > _MOST_HEADERS:
        yield "$.headers", f"there are at most {_MOST_HEADERS} headers."
    for name, value in headers.items():
        path = f"$.headers.{name}"
        if not _HEADER.fullmatch(name):
            yield path, f"{name!r} is no name of a header."
        elif name.lower() in _TAKEN or name.lower().startswith("webhook-"):
            yield path, f"{name!r} is set by TinyCDP; leave it out."
        elif isinstance(value, str) and (len(value) > 2_000 or not value.isprintable() or not value.isascii()):
            yield path, "a value has at most 2,000 printable characters of ASCII."


DESTINATIONS = DestinationKinds()
