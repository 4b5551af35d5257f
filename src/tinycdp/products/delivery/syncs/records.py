"""The record that a sync makes of a profile, and until when it holds.

Shape   SyncProgram(…).wanted(profile, now) → WantedRecord · records_of(…): of many, read at once
        payload_of(send, document): what is sent
Laws    pure but for records_of. A record is a function of a stored profile, the definitions and the instant. It holds
        until the first instant at which membership or an expression may change with time alone.
        A match key is a text from which the key's fields can be made again
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from hashlib import blake2b
from typing import Any

import msgspec

from tinycdp.engine.catalog import Catalog, Name
from tinycdp.model import NEVER, Instant
from tinycdp.products.delivery.definitions.syncs.checks import core_names
from tinycdp.products.delivery.definitions.syncs.schemas import SyncDocument
from tinycdp.products.delivery.ledger import RecordSend, WantedRecord
from tinycdp.products.delivery.mapping.nodes import RecordTooLarge, at_path
from tinycdp.products.delivery.mapping.reading import read_mapping
from tinycdp.products.delivery.store import log as log_store
from tinycdp.products.delivery.store import syncs as store
from tinycdp.products.delivery.store.syncs import SyncedProfileRow
from tinycdp.products.delivery.values import OutdatedExpression, activation_of, compiled
from tinycdp.store.database.pool import Connection

#: An entry of an index holds no more.
LONGEST_KEY = 1_000
_LARGEST_RECORD = 100_000
_encode = msgspec.json.Encoder(order="sorted", decimal_format="number").encode


class NotReady(Exception):
    """The sync cannot run now; the message says why."""


class SyncProgram:
    """A sync compiled for one catalog."""

    def __init__(self, document: SyncDocument, catalog: Catalog, environment: str) -> None:
        self.document, self.catalog, self._environment = document, catalog, environment
        live = catalog.live
        mapping, problems = read_mapping(document.mapping)
        if mapping is None:
            raise NotReady(f"{problems[0][0]}: {problems[0][1]}")
        self._mapping = mapping
        names = core_names(document) & (live.definitions.keys() | catalog.backfilling)
        if document.segment:
            names.add(("segment", document.segment))
        for name in sorted(names):
            if name in catalog.backfilling or name not in live.evaluators:
                raise NotReady(f"The {name[0]} {name[1]!r} is still being computed.")
        try:
            self._expressions = {source: compiled(catalog, source) for source in mapping.expressions}
            self._filter = compiled(catalog, document.filter) if document.filter else None
        except OutdatedExpression as error:
            raise NotReady(str(error)) from None
        self._segment: Name | None = ("segment", document.segment) if document.segment else None
        #: Changes if a record may be another one for a profile that does not change.
        self.meaning = blake2b(
            repr((catalog.zone, sorted(live.fingerprints[name] for name in names))).encode(), digest_size=16
        ).digest()
        self.fingerprint = live.fingerprints[self._segment] if self._segment is not None else None

    def wanted(self, profile: SyncedProfileRow, now: Instant) -> WantedRecord:
        """What the receiver should have of a profile."""
        activation = activation_of(self.catalog, profile, now)
        until, is_member = NEVER, True
        if self._segment is not None:
            value, until = activation.result(self._segment, now)
            is_member = value is True
        if is_member and self._filter is not None:
            found = self._filter(activation, now)
            is_member = found.value is True
            # Of two conditions, the one that fails decides until when.
            until = min(until, found.until) if is_member else found.until
        made = partial(WantedRecord, profile.id, version=profile.version)
        if not is_member:
            return made(until=_or_none(until))
        values = {}
        for source, evaluate in self._expressions.items():
            found = evaluate(activation, now)
            values[source] = found.value
            until = min(until, found.until)
        try:
            record = self._mapping.record(fields_of(profile, self._environment), values)
        except RecordTooLarge as reason:
            return made(until=_or_none(until), reason=str(reason))
        return self._matched(made, record, _or_none(until))

    def _matched(self, made: Callable[..., WantedRecord], record: Any, until: Instant | None) -> WantedRecord:
        key = {path: at_path(record, path.split(".")) for path in self.document.match}
        missing = [path for path, value in key.items() if value is None or value == ""]
        if missing:
            return made(until=until, reason=f"Its record has no {missing[0]}, which is a match field.")
        text, encoded = _encode(key).decode(), _encode(record)
        if len(text) > LONGEST_KEY:
            return made(until=until, reason=f"Its match key has more than {LONGEST_KEY:,} characters.")
        if len(encoded) > _LARGEST_RECORD:
            return made(until=until, reason=f"Its record has more than {_LARGEST_RECORD:,} bytes.")
        hash = blake2b(encoded, digest_size=16).digest()
        return made(match_key=text, record=record, hash=hash, until=until)


def fields_of(profile: SyncedProfileRow, environment: str) -> dict[str, Any]:
    """What a mapping may read beside expressions."""
    listed = [{"kind": kind, "value": value} for kind, _, value in (one.partition(" ") for one in profile.identifiers)]
    first = {one["kind"]: one["value"] for one in reversed(listed)}
    return {"environment": environment, "profile": {"id": str(profile.id)}, "identifiers": listed, "identifier": first}


def payload_of(send: RecordSend, document: SyncDocument) -> Any:
    """The record that is sent: the whole one, or the match fields of one that leaves."""
    if send.operation in {"upsert", "add"}:
        return send.record
    record = key_of(send)
    if send.operation == "clear":
        for path in document.clear:
            _put(record, path, None)
    return record


def key_of(send: RecordSend) -> dict[str, Any]:
    """The match fields where they are in the record: `customer.email` is in the object `customer`."""
    key: dict[str, Any] = {}
    for path, value in msgspec.json.decode(send.match_key).items():
        _put(key, path, value)
    return key


def _put(record: dict[str, Any], path: str, value: Any) -> None:
    *above, last = path.split(".")
    for name in above:
        record = record.setdefault(name, {})
    record[last] = value


def _or_none(until: Instant) -> Instant | None:
    return until if until < NEVER else None


async def records_of(
    connection: Connection, program: SyncProgram, profile_ids: Collection[int], now: Instant
) -> tuple[list[WantedRecord], Mapping[int, int]]:
    """What the receiver should have of some profiles, and of each one the profile that it is part of now."""
    environment_id = program.catalog.environment_id
    survivors = await log_store.survivors(connection, environment_id, sorted(profile_ids))
    profiles = await store.synced_profiles(connection, environment_id, sorted(set(survivors.values())))
    wanted = await asyncio.to_thread(_every, program, profiles, now)
    erased = [WantedRecord(id, is_erased=True) for id in sorted(profile_ids) if id not in survivors]
    return [*wanted, *erased], survivors


def _every(program: SyncProgram, profiles: Sequence[SyncedProfileRow], now: Instant) -> list[WantedRecord]:
    return [program.wanted(profile, now) for profile in profiles]


def keys_in(wanted: Iterable[WantedRecord]) -> set[str]:
    """The match keys that people should have."""
    return {one.match_key for one in wanted if one.match_key is not None}
