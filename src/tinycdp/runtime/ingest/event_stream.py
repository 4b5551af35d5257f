"""Live streams of messages as they arrive, across all processes.

Shape   open(reader) and close(reader) for each stream · arriving(…) and committed(…) receive messages ·
        notified(…) receives readers of other processes · one task sends matches, and fetches those of other processes.
        Transitions, revisions and progress come from live_changes.py
Laws    Without readers a message costs one look-up in an empty dictionary.
        Ingestion never waits for a reader and never fails because of one. Under load messages are left out, and the
        stream reports how many.
        The committing process applies the filters, so a rare message is found in any amount of traffic.
Units   Each process sends at most SHOWN messages per reader and TICK_SECONDS: a random sample of those that matched.
        A lease lasts LEASE_SECONDS.
Errors  Unavailable TOO_MANY_STREAMS
Source  docs/decisions/0023-registry.md; docs/reference/live-stream.md
"""

import asyncio
import contextlib
import random
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tinycdp.engine.catalog import Catalog
from tinycdp.engine.profile import Profile
from tinycdp.errors import Unavailable
from tinycdp.model import Instant, Message, Rejection
from tinycdp.runtime.background import Loop
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.ingest.group_commit import Committed
from tinycdp.runtime.ingest.live_changes import LiveChanges
from tinycdp.runtime.ingest.stream_readers import Filter, Status, StreamReader, sample_of
from tinycdp.runtime.notifications import announce_reader
from tinycdp.runtime.policies.rejections import as_sent
from tinycdp.runtime.profiles.views import evaluate, plain
from tinycdp.store import registry as store
from tinycdp.store.database.pool import Connection, Pool, acquired
from tinycdp.times import iso

SHOWN = 50
TICK_SECONDS = 0.25
LEASE_SECONDS = 10.0
#: How long after the last reader all leases have ended in every process.
REST_SECONDS = 12.0
MOST_READERS = 20
RENEW_SECONDS = 3.0
_MOST_LEASES = 200
_MOST_RECEIVED = 20_000
_BATCH_BYTES = 1_000_000
_RETRY_SECONDS = 5
_WITHHELD = "(withheld)"

_encode = msgspec.json.Encoder(decimal_format="number").encode


class Item(msgspec.Struct, rename="camel"):
    """One message of a live stream.

    received  as it arrived, if known; values that a privacy rule changed are withheld
    stored    as it was stored
    changed   the segments that its profile entered or left when its group was committed
    traits    the values, after the commit, of the traits that depend on this message"""

    status: Status
    at: str
    key_id: int | None
    profile_id: str | None
    received: Any
    stored: Any
    warnings: list[Any]
    rejection: dict[str, str] | None
    changed: list[dict[str, Any]]
    traits: dict[str, Any]


@dataclass(slots=True)
class _Lease:
    """A reader in any process, and the messages that matched since the last tick."""

    wanted: Filter
    until: float
    matched: int = 0
    kept: list[Callable[[], Item]] = field(default_factory=list)

    def match(self, item: Callable[[], Item]) -> None:
        """Add a match to the random sample."""
        self.matched += 1
        if len(self.kept) < SHOWN:
            self.kept.append(item)
        elif (place := random.randrange(self.matched)) < SHOWN:
            self.kept[place] = item


class EventStreams:
    """The live streams of one process, and its matches for all readers.

    `usable` tests an API key."""

    def __init__(
        self, pool: Pool, now: Clock, catalog: Callable[[int], Catalog | None], usable: Callable[[int], bool]
    ) -> None:
        self._pool = pool
        self._now = now
        self._catalog = catalog
        self._usable = usable
        self._readers: dict[str, StreamReader] = {}
        self._leases: dict[int, dict[str, _Lease]] = {}
        self._received: dict[tuple[int, str], Message] = {}
        self._work = asyncio.Event()
        self._leaving = False
        self._unread: set[int] = set()
        self._renew = 0.0
        self._own = secrets.token_urlsafe(6)
        self._changes = LiveChanges(now)
        self._loop = Loop("live streams", self._turn, TICK_SECONDS)

    def has_readers(self, environment_id: int) -> bool:
        """Whether any process has a reader of this environment."""
        return environment_id in self._leases

    # Messages

    @property
    def remembered(self) -> int:
        return len(self._received)

    @contextlib.contextmanager
    def arriving(self, environment_id: int, messages: Iterable[Message]) -> Iterator[None]:
        """Remember messages as they arrived, while they are stored, if a reader wants them."""
        filters = [lease.wanted for lease in self._leases.get(environment_id, {}).values()]
        names = []
        if filters:
            for message in messages:
                if len(self._received) >= _MOST_RECEIVED:
                    break
                if any(wanted.wants_message(message) for wanted in filters):
                    names.append((environment_id, message.message_id))
                    self._received[names[-1]] = message
        try:
            yield
        finally:
            for name in names:
                self._received.pop(name, None)

    def committed(self, group: Committed) -> None:
        """Match a committed group against all readers."""
        leases = self._leases.get(group.environment_id)
        if leases is None:
            return
        at = self._now()
        catalog = self._catalog(group.environment_id)
        owned = [(lease, lease.wanted.owners(group, catalog)) for lease in leases.values()]
        for message, key_id in zip(group.messages, group.keys, strict=True):
            status: Status = "warned" if message.warnings else "accepted"
            received = self._received.pop((group.environment_id, message.message_id), None)
            for lease, owns in owned:
                wanted = lease.wanted
                if wanted.wants(status, key_id) and wanted.wants_message(message) and owns(group.owner(message)):
                    lease.match(_of_message(self._catalog, group, message, received, status, key_id, at))
        for rejection, key_id in group.rejections:
            payload: Any = ...
            for lease in leases.values():
                if lease.wanted.wants("rejected", key_id):
                    payload = _read(rejection) if payload is ... else payload
                    if lease.wanted.wants_payload(payload):
                        lease.match(_of_rejection(rejection, payload, key_id, at))

    # Readers

    def notified(self, environment_id: int, reader: str, wanted: str) -> None:
        """Register, renew or remove a reader of another process.

        A notification of this process's own reader may arrive after its end, and would bring it back."""
        if not reader.startswith(self._own):
            self._renew_lease(environment_id, reader, wanted)

    def _renew_lease(self, environment_id: int, reader: str, wanted: str) -> None:
        """Register or renew a reader of any process; `wanted` "-" removes it."""
        leases = self._leases.get(environment_id, {})
        if wanted == "-":
            leases.pop(reader, None)
            if not leases:
                self._leases.pop(environment_id, None)
            return
        until = asyncio.get_running_loop().time() + LEASE_SECONDS
        if reader in leases:
            leases[reader].until = until
        elif len(leases) < _MOST_LEASES:
            decoded = msgspec.json.decode(urlsafe_b64decode(wanted), type=Filter)
            self._leases.setdefault(environment_id, leases)[reader] = _Lease(decoded, until)
            self._work.set()

    async def open(self, reader: StreamReader) -> None:
        """Start a stream; returns when the other processes are notified."""
        self._check_capacity()
        reader.id = self._own + secrets.token_urlsafe(6)
        try:
            if "message" in reader.includes:
                self._renew_lease(reader.environment_id, reader.id, _wanted(reader))
            async with acquired(self._pool) as connection:
                await self._announce(connection, [reader])
                await self._changes.follow(connection, reader)
                self._check_capacity()
                self._readers[reader.id] = reader
        except BaseException:
            self._forget(reader)
            raise
        self._work.set()

    def _check_capacity(self) -> None:
        if self._leaving or len(self._readers) >= MOST_READERS:
            raise Unavailable(
                "TOO_MANY_STREAMS",
                "This process opens no more streams; try again shortly.",
                retry_after_seconds=_RETRY_SECONDS,
            )

    def _forget(self, reader: StreamReader) -> None:
        self._readers.pop(reader.id, None)
        self._renew_lease(reader.environment_id, reader.id, "-")
        self._changes.unfollow(self._readers.values())

    async def close(self, reader: StreamReader) -> None:
        """End a stream."""
        if reader.id in self._readers:
            self._forget(reader)
            with contextlib.suppress(Unavailable):  # in the other processes its lease ends by itself
                async with acquired(self._pool) as connection:
                    await announce_reader(connection, reader.environment_id, reader.id, "-")

    def end_all(self) -> None:
        """End every stream and open no more; the clients reconnect to another process."""
        self._leaving = True
        for reader in list(self._readers.values()):
            reader.end(b"the server stops")

    def start(self) -> None:
        self._loop.start()

    async def stop(self) -> None:
        self.end_all()
        await self._loop.stop()

    def revision_changed(self, environment_id: int) -> None:
        """Show at the next tick which revision is live."""
        self._changes.revision_changed(environment_id)

    async def _announce(self, connection: Connection, readers: Sequence[StreamReader]) -> None:
        for reader in readers:
            if "message" in reader.includes:
                await announce_reader(connection, reader.environment_id, reader.id, _wanted(reader))

    async def _turn(self) -> None:
        if not self._leases and not self._readers:
            await self._rest()
        time = asyncio.get_running_loop().time()
        if time >= self._renew:
            self._renew = time + RENEW_SECONDS
            await self._check_readers()
        await self.tick()

    async def _rest(self) -> None:
        """Wait for a reader; meanwhile, delete the batches that were never read."""
        self._work.clear()
        if self._unread:
            try:
                await asyncio.wait_for(self._work.wait(), REST_SECONDS)
                return
            except TimeoutError:
                with contextlib.suppress(Unavailable):
                    async with acquired(self._pool) as connection:
                        for environment_id in self._unread:
                            before = self._now() - int(REST_SECONDS * 1000)
                            await store.prune_live_batches(connection, environment_id, before)
                    self._unread.clear()
        await self._work.wait()

    def keys_changed(self) -> None:
        """End the streams of keys that were revoked or have expired."""
        for reader in list(self._readers.values()):
            if not self._usable(reader.key_id):
                reader.end(b"the key was revoked or has expired")

    async def _check_readers(self) -> None:
        self.keys_changed()
        for reader in list(self._readers.values()):
            if self._usable(reader.key_id):
                reader.send(b":\n\n")
            if "message" in reader.includes:
                self._renew_lease(reader.environment_id, reader.id, _wanted(reader))
        async with acquired(self._pool) as connection:
            await self._announce(connection, list(self._readers.values()))
        time = asyncio.get_running_loop().time()
        for environment_id, leases in list(self._leases.items()):
            for reader_id in [id for id, lease in leases.items() if lease.until < time]:
                self._renew_lease(environment_id, reader_id, "-")

    async def tick(self) -> None:
        """Send what matched since the last tick, and fetch the matches of other processes."""
        batches: dict[int, list[tuple[str, int, bytes]]] = {}
        for environment_id, leases in self._leases.items():
            for reader_id, lease in leases.items():
                if lease.matched:
                    batch = (reader_id, lease.matched, _encoded(lease.kept))
                    batches.setdefault(environment_id, []).append(batch)
                    lease.matched, lease.kept = 0, []
        readers: dict[int, list[str]] = {}
        for reader in self._readers.values():
            readers.setdefault(reader.environment_id, []).append(reader.id)
        if not batches and not readers:
            return
        async with acquired(self._pool) as connection:
            for environment_id, of_readers in batches.items():
                self._unread.add(environment_id)
                await store.append_live_batches(connection, environment_id, self._now(), of_readers)
            for environment_id, ids in readers.items():
                for row in await store.take_live_batches(connection, environment_id, ids):
                    if (found := self._readers.get(row.reader)) is not None:
                        found.send(_events(row.matched, row.items))
            await self._changes.look(connection, list(self._readers.values()))


def _wanted(reader: StreamReader) -> str:
    return urlsafe_b64encode(_encode(reader.wanted)).decode()


def _encoded(kept: Sequence[Callable[[], Item]]) -> bytes:
    """The items as JSON lines, as many as fit into a batch."""
    lines: list[bytes] = []
    size = 0
    for make in kept:
        line = _encode(make())
        size += len(line)
        if size > _BATCH_BYTES:
            break
        lines.append(line)
    return b"\n".join(lines)


def _events(matched: int, items: bytes) -> bytes:
    """A batch as events of the stream. If it is a sample, an event `sample` comes first."""
    lines = items.split(b"\n") if items else []
    events = [b"data: " + line + b"\n\n" for line in lines]
    return b"".join([*sample_of("message", matched, len(lines)), *events])


# Items are made only for the messages of the sample.


def _of_message(
    catalog_of: Callable[[int], Catalog | None],
    group: Committed,
    message: Message,
    received: Message | None,
    status: Status,
    key_id: int | None,
    at: Instant,
) -> Callable[[], Item]:
    def make() -> Item:
        profile_id = group.owner(message)
        catalog = catalog_of(group.environment_id)
        segments: dict[int, str] = {}
        traits: dict[str, Any] = {}
        if catalog is not None:
            segments = {d.id: key for (kind, key), d in catalog.live.definitions.items() if kind == "segment"}
            if (profile := group.touched.get(profile_id)) is not None:
                traits = _traits(catalog, profile, message, at)
        changed = [
            {"segment": segments.get(t.segment_id), "entered": t.entered, "at": iso(t.at)}
            for t in group.transitions
            if t.profile_id == profile_id and not t.is_candidate
        ]
        stored = as_sent(message)
        shown = _withholding(as_sent(received), stored, message) if received is not None else None
        return Item(
            status,
            iso(at),
            key_id,
            str(profile_id),
            shown,
            stored,
            list(message.warnings),
            None,
            changed,
            traits,
        )

    return make


def _of_rejection(rejection: Rejection, payload: Any, key_id: int | None, at: Instant) -> Callable[[], Item]:
    why = {"code": rejection.code, "message": rejection.message, "path": rejection.path}
    return lambda: Item("rejected", iso(at), key_id, None, payload, None, [], why, [], {})


def _read(rejection: Rejection) -> Any:
    try:
        return msgspec.json.decode(rejection.payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return rejection.payload.decode("utf-8", "replace")


def _traits(catalog: Catalog, profile: Profile, message: Message, now: Instant) -> dict[str, Any]:
    """The values of the traits that depend on the message."""
    live = catalog.live
    names = [
        name
        for name, watch in live.dependencies.items()
        if name[0] == "trait"
        and (
            not watch.events.isdisjoint({message.name or "", None} if message.name else ())
            or not watch.properties.isdisjoint(message.properties if message.kind == "identify" else ())
        )
    ]
    values = evaluate(profile, catalog, now, names)
    return {key: plain(value, live.nodes[kind, key].type) for (kind, key), (value, _) in values.items()}


def _withholding(received: dict[str, Any], stored: dict[str, Any], message: Message) -> dict[str, Any]:
    """The message as it arrived, without values that privacy rules kept from storage."""
    converted = {warned.path.rpartition(".")[2] for warned in message.warnings if warned.code == "CONVERTED"}

    def shown(name: str, value: Any, kept: Any) -> Any:
        if type(value) is dict and type(kept) is dict:
            return {inner: shown(inner, found, kept.get(inner, ...)) for inner, found in value.items()}
        return value if value == kept or name in converted else _WITHHELD

    return {
        name: shown(name, value, stored.get(name, {} if type(value) is dict else ...))
        for name, value in received.items()
    }
