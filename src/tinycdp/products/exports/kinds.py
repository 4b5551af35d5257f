"""Schedules of exports as a part of publishes; mistakes in requests of exports.

Shape   SCHEDULES is what runtime/definitions/product_kinds.py asks for · mistakes(request) → (path, message)
Laws    saving a schedule says when it is due next: what was due before is left out.
        A segment or a trait that a schedule names is not deleted; if it is renamed, the name is rewritten
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from tinycdp.dsl.suggest import did_you_mean
from tinycdp.dsl.values.scalars import is_date, parse_instant
from tinycdp.engine.catalog import Name
from tinycdp.model import Instant
from tinycdp.products.exports import cron, store
from tinycdp.products.exports.schemas import ExportBody, ScheduleDocument
from tinycdp.runtime.definitions.product_kinds import DocumentFinding, Names
from tinycdp.runtime.definitions.saved.documents import DocumentKinds
from tinycdp.runtime.definitions.saved.product import Documents, SavedKinds
from tinycdp.runtime.edits import Edit
from tinycdp.store.database.pool import Connection
from tinycdp.store.products.saved import SavedRow

KIND = "schedule"
_SPAN = re.compile("[1-9][0-9]{0,3}[hdw]")


class ScheduleKinds(SavedKinds):
    """Schedules of exports."""

    documents = DocumentKinds({KIND: ScheduleDocument}, of_core={"segment": "segment", "traits": "trait"})
    route = "/v1/exports"

    def problems(self, kind: str, document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """(path, message) of all that is wrong with the form of a document."""
        found = list(super().problems(kind, document))
        yield from found
        if not found:
            read = self.documents.read(kind, document)
            yield from mistakes(read)
            try:
                cron.check(read.cron)
            except ValueError as wrong:
                yield "$.cron", f"{read.cron!r} is no cron expression: {wrong}."

    def findings(self, documents: Documents, names: Names, of: Collection[Name]) -> list[DocumentFinding]:
        """Segments and traits that do not exist."""
        known = {"segment": names.scope.segments, "trait": names.scope.traits}
        return [
            DocumentFinding(*name, path, f"there is no {kind} {key!r}.{did_you_mean(key, list(known[kind]))}")
            for name in sorted(of)
            for (kind, key), path in self.documents.core_references_of(documents[name])
            if key and key not in known[kind]
        ]

    def core_names(self, name: Name, documents: Documents, names: Names) -> Collection[Name]:
        """The segments and traits that a document names."""
        return {named for named, _ in self.documents.core_references_of(documents[name])}

    async def saving(self, connection: Connection, names: Names, rows: Sequence[SavedRow], edit: Edit) -> None:
        """Say when each is due next."""
        gone = [row.definition_id for row in rows if row.document is None]
        if gone:
            await store.drop_schedules(connection, names.environment_id, gone)
        for row in rows:
            if row.document is not None:
                document = self.documents.read(KIND, row.document)
                next_at = None if document.paused else cron.next_run(document.cron, names.zone, edit.now)
                await store.set_next(connection, names.environment_id, row.definition_id, next_at)


def mistakes(request: ExportBody | ScheduleDocument) -> Iterator[tuple[str, str]]:
    """(path, message) of what does not go together."""
    if request.what == "segment" and not request.segment:
        yield "$.segment", "the key of the segment is missing."
    if request.what != "segment" and request.segment:
        yield "$.segment", f"leave it out: `what` is {request.what}."
    if request.what == "events" and request.traits:
        yield "$.traits", "events have no traits; export the profiles."
    if request.raw and request.format != "csv":
        yield "$.raw", "only CSV escapes formulas; leave it out."
    if any("\0" in name for name in request.events):
        yield "$.events", "no event has U+0000 in its name; remove it."
    if request.what != "events":
        if request.events:
            yield "$.events", f"leave it out: `what` is {request.what}."
        if request.last or (isinstance(request, ExportBody) and (request.from_ or request.to)):
            yield "$.last", f"leave `last`, `from` and `to` out: `what` is {request.what}."
        return
    if request.last is not None and not _SPAN.fullmatch(request.last):
        yield "$.last", f"{request.last!r} is no span of time: write 24h, 7d or 4w."
    if isinstance(request, ExportBody):
        if request.last and (request.from_ or request.to):
            yield "$.last", "give `last`, or `from` and `to`."
        for name, text in (("from", request.from_), ("to", request.to)):
            if text and instant_in(text) is None:
                message = f"{text[:40]!r} is no instant with a zone, such as 2026-12-01T09:00:00Z, and no day."
                yield f"$.{name}", message


def instant_in(text: str) -> Instant | None:
    """The instant that a text means, None if it means none; a day is its start in UTC."""
    return parse_instant(f"{text}T00:00:00Z" if is_date(text) else text)


def request_of(document: ScheduleDocument) -> ExportBody:
    """What a schedule exports."""
    return ExportBody(
        what=document.what,
        segment=document.segment,
        columns=document.columns,
        traits=document.traits,
        events=document.events,
        last=document.last,
        format=document.format,
        raw=document.raw,
    )


SCHEDULES = ScheduleKinds()
