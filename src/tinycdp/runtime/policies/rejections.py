"""The log of rejected messages, with counts by key, code and hour.

Shape   RejectionLog.write(…) runs in the transaction of the group · page(…) and counts(…) read
Units   Hours are UTC, by arrival.
Laws    A retry adds no entry: the same message id (or the same payload if it has none) with the same code and key
        is counted on the existing entry. Disk use is bounded: for each key and code a process logs LOGGED_PER_HOUR
        entries an hour, and only counts the rest.
Source  docs/decisions/0026-limits.md
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Protocol

import msgspec

from tinycdp.engine.schema.tracking_plan import TRAITS_OF
from tinycdp.model import HOUR_MS, Instant, Message, Rejection, Warned
from tinycdp.runtime.environment import Environment
from tinycdp.store import limits as store
from tinycdp.store.database.pool import Connection, acquired
from tinycdp.times import iso

LOGGED_PER_HOUR = 1_000
MOST_COUNTS = 10_000
#: Some 80 bytes each.
_MOST_UNLOGGED = 50_000
_PAYLOAD = 32_768
_SHOWN_PAYLOAD = 4_096

_encode = msgspec.json.Encoder(decimal_format="number").encode


@dataclass(frozen=True, slots=True)
class LoggedRejection:
    """An entry of the log."""

    id: str
    code: str
    message: str
    path: str
    payload: str
    key: str | None
    received_at: str
    times: int
    last_received_at: str


@dataclass(frozen=True, slots=True)
class RejectionPage:
    """A page of the log. next: pass it as `before`; None on the last page."""

    rejections: list[LoggedRejection]
    next: str | None


@dataclass(frozen=True, slots=True)
class HourCount:
    """Rejections of one code and key in an hour.

    messages: different ones; repeats: retries of them."""

    hour: str
    key_id: int | None
    key: str | None
    code: str
    messages: int
    repeats: int


class RejectionCounter(Protocol):
    """Counts messages that the tracking plan or the policy `validation` rejects; `Registry` implements it."""

    def count_rejected(self, environment_id: int, message: Message, warned: Warned) -> None: ...


class RejectionLog:
    """The writer of the log in one process."""

    def __init__(self, per_hour: int = LOGGED_PER_HOUR) -> None:
        self._per_hour = per_hour
        self._hour: Instant = 0
        self._logged: Counter[tuple[int, int | None, str]] = Counter()
        # Digests of messages that were only counted, to recognise their retries.
        self._unlogged: set[bytes] = set()

    async def write(
        self,
        connection: Connection,
        environment_id: int,
        rejected: Iterable[tuple[Rejection, int | None]],
        now: Instant,
    ) -> None:
        """Log rejections, given as (rejection, key).

        It is the last statement of its transaction, because it locks rows that other groups may wait for."""
        found: dict[bytes, tuple[int | None, Rejection]] = {}
        times: Counter[bytes] = Counter()
        for rejection, api_key_id in rejected:
            digest = _digest(api_key_id, rejection)
            found.setdefault(digest, (api_key_id, rejection))
            times[digest] += 1
        if not found:
            return
        hour = now - now % HOUR_MS
        if hour != self._hour:
            self._hour = hour
            self._logged.clear()
            self._unlogged.clear()
        rows: list[store.Arrived] = []
        for digest, (api_key_id, rejection) in found.items():
            of = (environment_id, api_key_id, rejection.code)
            again = digest in self._unlogged
            self._logged[of] += not again
            logged = not again and self._logged[of] <= self._per_hour
            if not logged and len(self._unlogged) < _MOST_UNLOGGED:
                self._unlogged.add(digest)
            rows.append(
                (
                    api_key_id,
                    digest,
                    times[digest],
                    str(rejection.code),
                    storable(rejection.message),
                    storable(rejection.path),
                    rejection.payload,
                    logged,
                    again,
                )
            )
        await store.log_rejections(connection, environment_id, now, hour, rows)


async def page(
    environment: Environment, before: int, code: str | None, api_key_id: int | None, n: int
) -> RejectionPage:
    """A page of the log, newest first."""
    async with acquired(environment.pool) as connection:
        rows = await store.list_rejections(connection, environment.id, before, code, api_key_id, n)
    found = [
        LoggedRejection(
            str(row.id),
            row.code,
            row.message,
            row.path,
            bytes(row.payload[:_SHOWN_PAYLOAD]).decode("utf-8", "replace"),
            row.key_name,
            iso(row.received_at),
            row.times,
            iso(row.last_received_at),
        )
        for row in rows
    ]
    return RejectionPage(found, found[-1].id if len(rows) == n else None)


async def counts(environment: Environment, hours: int) -> list[HourCount]:
    """Counts of the last hours, the current one included, newest first."""
    now = environment.now()
    since = now - now % HOUR_MS - (hours - 1) * HOUR_MS
    async with acquired(environment.pool) as connection:
        rows = await store.rejection_counts(connection, environment.id, since, MOST_COUNTS)
    return [
        HourCount(
            iso(row.hour),
            row.api_key_id or None,
            row.key_name,
            row.code,
            row.messages,
            row.repeats,
        )
        for row in rows
    ]


def rejection_of(message: Message, code: str, text: str, path: str = "$") -> Rejection:
    """The rejection of a message that could be read. Its payload is truncated for the log."""
    payload = _as_json(as_sent(message))[:_PAYLOAD]
    return Rejection(code=code, message=text, path=path, payload=payload, message_id=message.message_id)


def as_sent(message: Message) -> dict[str, Any]:
    """A message in the form of a batch's event."""
    whole: dict[str, Any] = {"type": message.kind, "messageId": message.message_id}
    whole |= {identifier.kind: identifier.value for identifier in reversed(message.identifiers)}
    if message.kind == "track":
        whole["event"] = message.name
    whole["traits" if message.kind in TRAITS_OF else "properties"] = message.properties
    if message.previous is not None:
        whole["previousId"] = message.previous
    if message.group_id is not None:
        whole["groupId"] = message.group_id
    return whole | {"timestamp": iso(message.occurred_at), "context": message.context}


def whole(message: Message) -> bytes:
    """The whole message as JSON, even if it has values that JSON lacks."""
    return _as_json(message)


def _as_json(value: Any) -> bytes:
    try:
        return _encode(value)
    except (TypeError, ValueError):  # half a surrogate pair, or a value that JSON lacks
        plain = msgspec.structs.asdict(value) if isinstance(value, msgspec.Struct) else value
        return json.dumps(plain, default=repr).encode()


def storable(text: str) -> str:
    """The text with U+0000 and lone surrogates replaced, which Postgres cannot store."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _digest(api_key_id: int | None, rejection: Rejection) -> bytes:
    hashed = blake2b(f"{api_key_id} {rejection.code} ".encode(), digest_size=16)
    hashed.update(rejection.message_id.encode("utf-8", "surrogatepass") or rejection.payload)
    return hashed.digest()
