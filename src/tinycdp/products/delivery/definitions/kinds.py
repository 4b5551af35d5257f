"""Destinations and syncs as a part of publishes.

Shape   DESTINATIONS is what runtime/definitions/product_kinds.py asks for
Laws    the first destination registers the consumer of the outbox, in the transaction that saves it; deleting the last
        removes it. A destination gets what is committed after its save.
        A sync has a ledger from its first version to its deletion; a changed document compares everybody anew, and
        one of its destination ends the run that is on its way.
        What a document names is not deleted; if it is renamed, the name is rewritten. A publish that changes what the
        expressions of a mapping mean checks the mapping again
"""

import contextlib
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from email.utils import parseaddr
from typing import Any

from tinycdp.dsl.check.expressions import possible_references
from tinycdp.dsl.check.filters import check_event_filter
from tinycdp.dsl.diagnostics import SourceError
from tinycdp.dsl.editor.rename import renamed as renamed_in
from tinycdp.dsl.parser import parse
from tinycdp.dsl.suggest import did_you_mean
from tinycdp.engine.catalog import Name
from tinycdp.products.delivery.definitions import requests
from tinycdp.products.delivery.definitions.schemas import (
    ADDRESS,
    DEFAULT_TYPE,
    MAIL_FIELDS,
    AnyDestination,
    BatchDestination,
    DestinationDocument,
    FromVariable,
    HttpDocument,
    KafkaDocument,
    SmtpDocument,
    WebhookDocument,
)
from tinycdp.products.delivery.definitions.syncs import checks as sync_checks
from tinycdp.products.delivery.definitions.syncs import requests as sync_requests
from tinycdp.products.delivery.definitions.syncs.schemas import SyncDocument
from tinycdp.products.delivery.mapping.checks import HAPPENING_FIELDS, check_mapping, references_of
from tinycdp.products.delivery.mapping.reading import path_below, read_mapping, rewritten
from tinycdp.products.delivery.reach import NotAllowed, Reach
from tinycdp.products.delivery.store import lanes as store
from tinycdp.products.delivery.store import syncs as sync_store
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
SYNC = "sync"
CONSUMER = "delivery"
#: Of the outbox, too: marks people whose records may have changed.
SYNC_CONSUMER = "syncs"
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
#: What the client and the standard set.
_TAKEN = frozenset(
    {
        "host", "content-length", "content-type", "transfer-encoding", "connection", "te", "trailer", "upgrade",
        "expect", "keep-alive", "proxy-authorization", "proxy-connection", "user-agent", "accept-encoding",
    }
)  # fmt: skip
#: What a template of HTTP may set by itself.
_OF_BODIES = frozenset({"content-type"})
_MOST_HEADERS = 20


class _Documents(DocumentKinds):
    """Documents of delivery, whose mappings and filters have expressions about profiles."""

    def renamed_inside(self, name: str, value: Any, renames: Mapping[Name, str]) -> Any:
        def change(source: str) -> str:
            try:
                return renamed_in(source, renames)
            except SourceError:  # it is refused when it is checked
                return source

        if not renames or not value:
            return value
        if name == "parameters":  # their names are those of places
            return {place: rewritten(one, change) for place, one in value.items()}
        return change(value) if isinstance(value, str) else rewritten(value, change)


class DestinationKinds(SavedKinds):
    """Destinations, and syncs, which name them."""

    documents = _Documents(
        {KIND: DestinationDocument, SYNC: SyncDocument},
        naming={"destination": KIND},
        of_core={"segments": "segment", "segment": "segment"},
        defaults={KIND: DEFAULT_TYPE},
        filters=frozenset({"where"}),
        opaque=frozenset({"mapping", "parameters", "filter"}),
    )
    route = "/v1"

    def problems(self, kind: str, document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """(path, message) of all that is wrong with the form of a document."""
        found = list(super().problems(kind, document))
        yield from found
        if not found and kind == SYNC:
            yield from sync_checks.form_problems(self.documents.read(kind, document))
        elif not found:
            read: DestinationDocument = self.documents.read(kind, document)
            if isinstance(read, WebhookDocument | HttpDocument):
                yield from _of_headers(read.headers, _TAKEN - (_OF_BODIES if isinstance(read, HttpDocument) else set()))
            if "event" not in read.events and (read.event_names or read.consent):
                yield "$.eventNames" if read.event_names else "$.consent", "this is of events; add `event` to `events`."
            for path, one in read.mappings():
                yield from read_mapping(one, path)[1]
            if isinstance(read, HttpDocument):
                yield from requests.problems_of(read)
            if isinstance(read, SmtpDocument):
                yield from _of_mail(read)
            if isinstance(read, BatchDestination):
                yield from _of_batches(read)

    def findings(self, documents: Documents, names: Names, of: Collection[Name]) -> list[DocumentFinding]:
        """Segments and destinations that do not exist, and expressions that do not fit the definitions."""
        found = [
            DocumentFinding(*name, path, message)
            for name in sorted(documents)
            if name[0] == SYNC and (name in of or (KIND, documents[name]["destination"]) in of)
            for path, message in self._of_sync(documents, name, names)
        ]
        for name in sorted(of):
            if name[0] == SYNC:
                continue
            found += [
                DocumentFinding(
                    *name, path, f"there is no segment {key!r}.{did_you_mean(key, list(names.scope.segments))}"
                )
                for (_, key), path in self.documents.core_references_of(documents[name])
                if key not in names.scope.segments
            ]
            read: AnyDestination = self.documents.read(KIND, documents[name])
            if read.where:
                errors = check_event_filter(read.where, names.scope, None).errors[:1]
                found += [DocumentFinding(*name, "$.where", f"{one.code} {one.message}") for one in errors]
            for path, one in read.mappings():
                mapping, _ = read_mapping(one, path)
                if mapping is not None:
                    wrong = check_mapping(mapping, names.scope, HAPPENING_FIELDS)
                    found += [DocumentFinding(*name, place, message) for place, message in wrong]
        return found

    def depending(self, documents: Documents) -> Collection[Name]:
        """The syncs, and the destinations with mappings or conditions."""
        read = ((name, self.documents.read(KIND, one)) for name, one in documents.items() if name[0] == KIND)
        syncs = [name for name in documents if name[0] == SYNC]
        return syncs + [name for name, one in read if one.where or one.mappings()]

    def _of_sync(self, documents: Documents, name: Name, names: Names) -> Iterator[tuple[str, str]]:
        document: SyncDocument = self.documents.read(SYNC, documents[name])
        known = [key for kind, key in documents if kind == KIND]
        if document.destination not in known:
            hint = did_you_mean(document.destination, known)
            yield "$.destination", f"there is no destination {document.destination!r}.{hint}"
        else:
            to = self.documents.read(KIND, documents[KIND, document.destination])
            if isinstance(to, HttpDocument):
                yield from sync_requests.request_problems(document, to)
            elif not isinstance(to, WebhookDocument):
                message = f"records are sent to a webhook or an HTTP API; {document.destination!r} takes batches."
                yield "$.destination", message
            elif document.requests:
                yield "$.requests", "a webhook has one form for all records; leave this out."
        yield from sync_checks.findings(document, names.scope)

    def core_names(self, name: Name, documents: Documents, names: Names) -> Collection[Name]:
        """The definitions that a document names."""
        if name[0] == SYNC:
            return sync_checks.core_names(self.documents.read(SYNC, documents[name]))
        found = {named for named, _ in self.documents.core_references_of(documents[name])}
        read: AnyDestination = self.documents.read(KIND, documents[name])
        with contextlib.suppress(SourceError):  # it is refused when it is checked
            found |= {one for one in possible_references(parse(read.where or "true")) if one[0] == "segment"}
        for path, one in read.mappings():
            mapping, _ = read_mapping(one, path)
            found |= references_of(mapping) if mapping is not None else set()
        return found

    async def draft(
        self, connection: Connection, names: Names, changes: Sequence[Change], edit: Edit, *, prune: bool
    ) -> ProductDraft:
        """What the changes do; refuses addresses that must not be reached."""
        reach = Reach.of(load(os.environ))
        for change in changes:
            if change.document is None:
                continue
            read = self.documents.read(change.kind, change.document)
            path = "$"
            try:
                of_sync = isinstance(read, SyncDocument)
                for path, url in sync_requests.addresses_of(read) if of_sync else read.addresses():  # noqa: B007 - the path of the one that is refused
                    await reach.check(url)
                for host in () if of_sync else read.hosts():
                    path = host.path
                    await reach.check_host(host)
            except NotAllowed as error:
                finding = DocumentFinding(change.kind, change.key, path, str(error), "ADDRESS_REFUSED")
                raise InvalidDocuments([finding]) from None
        return await super().draft(connection, names, changes, edit, prune=prune)

    async def saving(self, connection: Connection, names: Names, rows: Sequence[SavedRow], edit: Edit) -> None:
        """Open and close lanes with their definitions, and the log with the first and the last."""
        environment_id = names.environment_id
        of_lanes = [row for row in rows if row.kind == KIND]
        if gone := [row.definition_id for row in of_lanes if row.document is None]:
            await store.close_lanes(connection, environment_id, gone)
        if kept := [row.definition_id for row in of_lanes if row.document is not None]:
            # Messages are kept out until this is committed, so what is committed later has a greater position.
            await register_in(connection, environment_id, CONSUMER, edit.now)
            await open_log(connection, environment_id)
            await store.open_lanes(connection, environment_id, kept)
            await sync_store.overtake_syncs(connection, environment_id, kept)
        elif of_lanes and not await store.count_lanes(connection, environment_id):
            await unregister_in(connection, environment_id, CONSUMER)
        await _save_syncs(connection, environment_id, [row for row in rows if row.kind == SYNC], edit)


async def _save_syncs(connection: Connection, environment_id: int, rows: Sequence[SavedRow], edit: Edit) -> None:
    """Begin the ledgers of syncs with the first version, and end them with the last."""
    if gone := [row.definition_id for row in rows if row.document is None]:
        await sync_store.close_syncs(connection, environment_id, gone)
    if kept := [row.definition_id for row in rows if row.document is not None]:
        await register_in(connection, environment_id, SYNC_CONSUMER, edit.now)
        await sync_store.open_syncs(connection, environment_id, kept)
    elif rows and not await sync_store.count_syncs(connection, environment_id):
        await unregister_in(connection, environment_id, SYNC_CONSUMER)
        await sync_store.drop_marks(connection, environment_id)


def _of_batches(document: BatchDestination) -> Iterator[tuple[str, str]]:
    for path, url in document.addresses():
        if "?" in url or "#" in url:
            yield path, "it is the address of a server, without ? and #."
    if isinstance(document, KafkaDocument) and document.password is not None and not document.user:
        yield "$.password", "a password needs a `user`."


def _of_mail(document: SmtpDocument) -> Iterator[tuple[str, str]]:
    _, address = parseaddr(document.sender)
    if not (document.sender.isprintable() and ADDRESS.fullmatch(address)):
        yield "$.from", "it is no address; write hello@shop.example, or Shop <hello@shop.example>."
    mapping = document.mapping
    for name in ("to", "subject", "text"):
        if not isinstance(mapping, dict) or name not in mapping:
            yield "$.mapping", f"it has no {name}; an e-mail has to, subject and text."
    if isinstance(mapping, dict):
        for name in mapping.keys() - MAIL_FIELDS:
            yield path_below("$.mapping", name), f"an e-mail has {', '.join(sorted(MAIL_FIELDS))}."


def _of_headers(headers: Mapping[str, str | FromVariable], taken: Collection[str]) -> Iterator[tuple[str, str]]:
    if len(headers) > _MOST_HEADERS:
        yield "$.headers", f"there are at most {_MOST_HEADERS} headers."
    for name, value in headers.items():
        path = f"$.headers.{name}"
        if not _HEADER.fullmatch(name):
            yield path, f"{name!r} is no name of a header."
        elif name.lower() in taken or name.lower().startswith("webhook-"):
            yield path, f"{name!r} is set by TinyCDP; leave it out."
        elif not _may_stand(value if isinstance(value, str) else value.prefix):
            yield path, "a value, or its prefix, has at most 2,000 printable characters of ASCII."


def _may_stand(value: str) -> bool:
    return len(value) <= 2_000 and value.isprintable() and value.isascii()


DESTINATIONS = DestinationKinds()
