"""What live streams show besides messages: transitions, revisions, progress.

Shape   follow(connection, reader) before a stream begins · unfollow(readers) with those that are left ·
        revision_changed(environment) · look(connection, readers) sends each reader what happened since the last look
Laws    read from tables that are written anyway, by the process that has the reader and only while it has one: no
        writer does anything for a stream.
        A transition is shown once, also one that a worker recorded. One whose transaction commits more than
        SETTLED_SECONDS after a later one is not shown
Units   at most SHOWN transitions per reader and look, a random sample of those that match; a look reads at most
        MOST_READ of an environment, and the next one continues
Source  docs/reference/live-stream.md
"""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tinycdp.runtime.clock import Clock
from tinycdp.runtime.definitions.workspace import progress_of
from tinycdp.runtime.ingest.stream_readers import Included, StreamReader, sample_of
from tinycdp.store import definitions as definition_store
from tinycdp.store import imports as import_store
from tinycdp.store import memberships as store
from tinycdp.store.database.pool import Connection
from tinycdp.times import iso, iso_or_none

SHOWN = 50
MOST_READ = 2_000
#: Ids are given before their transaction commits, so an id may appear after a greater one.
SETTLED_SECONDS = 2.0
PROGRESS_SECONDS = 1.0
_IMPORTS = 20
#: Kinds of identifiers, the most telling first.
TELLING = ("userId", "externalId", "email", "anonymousId")

_encode = msgspec.json.Encoder().encode


class ShownTransition(msgspec.Struct, frozen=True, rename="camel"):
    """A profile entered or left a segment, named by its last key.

    name         of the profile: its property `name`, else the identifier that says most; null without either
    recorded_at  later than at if the clock was the cause"""

    segment: str
    profile_id: str
    name: str | None
    entered: bool
    at: str
    recorded_at: str
    cause: str | None


class ShownRevision(msgspec.Struct, frozen=True, rename="camel"):
    """The live revision and the latest one, which backfills if it is another; author and note are the latest's."""

    revision: int
    head_revision: int
    author: str | None
    note: str


class ShownBackfill(msgspec.Struct, frozen=True, rename="camel", tag="backfill", tag_field="kind"):
    """How far the backfill of a revision is, in profiles."""

    revision: int
    done: int
    total: int
    rate_per_second: float | None
    seconds_left: float | None
    finished_at: str | None


class ShownImport(msgspec.Struct, frozen=True, rename="camel", tag="import", tag_field="kind"):
    """How far an import is. share: of the file; it runs while finished_at and error are null."""

    id: str
    name: str
    rows: int
    share: float
    accepted: int
    duplicates: int
    rejected: int
    finished_at: str | None
    error: str | None


@dataclass(slots=True)
class _Followed:
    """What was read of an environment's transitions.

    floor  all ids up to it were read; seen: those read above it; marks: (time, greatest id read by then)"""

    floor: int
    seen: set[int] = field(default_factory=set)
    marks: deque[tuple[float, int]] = field(default_factory=deque)

    def settle(self, time: float, ids: Sequence[int]) -> None:
        """Note what was read, and forget what is settled."""
        if len(ids) == MOST_READ:
            self.marks.clear()
            self.marks.append((-SETTLED_SECONDS, ids[-1]))
        elif ids:
            self.marks.append((time, ids[-1]))
        self.seen.update(ids)
        while self.marks and self.marks[0][0] <= time - SETTLED_SECONDS:
            self.floor = max(self.floor, self.marks.popleft()[1])
        self.seen = {id for id in self.seen if id > self.floor}


class LiveChanges:
    """What one process shows its readers besides messages."""

    def __init__(self, now: Clock) -> None:
        self._now = now
        self._followed: dict[int, _Followed] = {}
        self._published: Counter[int] = Counter()
        self._next_progress = 0.0

    async def follow(self, connection: Connection, reader: StreamReader) -> None:
        """Begin with what is recorded from now on.

        Nothing is awaited after the environment is followed, so that its caller can register the reader first."""
        if "transition" in reader.includes and reader.environment_id not in self._followed:
            newest = await store.newest_transition(connection, reader.environment_id)
            self._followed.setdefault(reader.environment_id, _Followed(newest))

    def unfollow(self, readers: Iterable[StreamReader]) -> None:
        """Follow only what the readers that are left want."""
        wanted = {reader.environment_id for reader in readers if "transition" in reader.includes}
        self._followed = {id: one for id, one in self._followed.items() if id in wanted}

    def revision_changed(self, environment_id: int) -> None:
        """Show at the next look which revision is live."""
        self._published[environment_id] += 1

    async def look(self, connection: Connection, readers: Sequence[StreamReader]) -> None:
        """Send each reader what it wants of what happened since the last look.

        Each part is sent as soon as it is read: what a failure interrupts is shown by the next look."""
        for environment_id, wanting in _by_environment(readers, "revision").items():
            published = self._published[environment_id]
            if wanted := [reader for reader in wanting if reader.published != published]:
                text = _event("revision", await _revision(connection, environment_id))
                for reader in wanted:
                    reader.send(text)
                    reader.published = published
        for environment_id, wanting in _by_environment(readers, "transition").items():
            shown = await self._transitions(connection, environment_id)
            for reader in wanting if shown else ():
                for text in _sampled(reader, shown):
                    reader.send(text)
        time = asyncio.get_running_loop().time()
        if time >= self._next_progress:
            self._next_progress = time + PROGRESS_SECONDS
            for environment_id, wanting in _by_environment(readers, "progress").items():
                progress = await self._progress(connection, environment_id)
                for reader in wanting:
                    for text in _news(reader, progress):
                        reader.send(text)

    async def _transitions(self, connection: Connection, environment_id: int) -> list[ShownTransition]:
        """The transitions that were recorded since the last look."""
        followed = self._followed.get(environment_id)
        if followed is None:  # its readers ended during this look
            return []
        rows = await store.transitions_since(connection, environment_id, followed.floor, MOST_READ)
        new = [row for row in rows if row.id not in followed.seen]
        followed.settle(asyncio.get_running_loop().time(), [row.id for row in rows])
        profiles = list({row.profile_id for row in new})
        names = await store.names_of_profiles(connection, environment_id, profiles, TELLING)
        return [
            ShownTransition(
                row.segment,
                str(row.profile_id),
                names.get(row.profile_id),
                row.entered,
                iso(row.at),
                iso(row.recorded_at),
                row.cause,
            )
            for row in new
        ]

    async def _progress(self, connection: Connection, environment_id: int) -> dict[str, ShownBackfill | ShownImport]:
        """The newest backfill and the newest imports, by a name for each."""
        environment = await definition_store.find_environment(connection, environment_id)
        found: dict[str, ShownBackfill | ShownImport] = {}
        row = await definition_store.find_backfill(connection, environment_id, environment.head_revision)
        # A revision that has nothing to compute is live at once, and its row is not finished.
        if row is not None and (row.finished_at is not None or row.revision > environment.live_revision):
            progress = progress_of(row, self._now())
            found[f"backfill {row.revision}"] = ShownBackfill(
                row.revision,
                progress.done,
                progress.total,
                progress.rate_per_second,
                progress.seconds_left,
                iso_or_none(row.finished_at),
            )
        for one in await import_store.list_imports(connection, environment_id, _IMPORTS):
            found[f"import {one.id}"] = ShownImport(
                one.id,
                one.name,
                one.done,
                one.share,
                one.accepted,
                one.duplicates,
                one.rejected,
                iso_or_none(one.finished_at),
                one.error,
            )
        return found


def _by_environment(readers: Sequence[StreamReader], wanted: Included) -> dict[int, list[StreamReader]]:
    found: dict[int, list[StreamReader]] = {}
    for reader in readers:
        if wanted in reader.includes:
            found.setdefault(reader.environment_id, []).append(reader)
    return found


async def _revision(connection: Connection, environment_id: int) -> ShownRevision:
    environment = await definition_store.find_environment(connection, environment_id)
    head = environment.head_revision
    rows = await definition_store.list_revisions(connection, environment_id, head + 1, 1)
    author, note = (rows[0].author, rows[0].note) if rows else (None, "")
    return ShownRevision(environment.live_revision, head, author, note)


def _sampled(reader: StreamReader, shown: Sequence[ShownTransition]) -> Iterator[bytes]:
    """The transitions that the reader wants, or a sample of them."""
    wanted = reader.wanted
    matching = [
        one
        for one in shown
        if wanted.segment in {None, one.segment} and wanted.profile_id in {None, int(one.profile_id)}
    ]
    chosen = sorted(random.sample(range(len(matching)), min(len(matching), SHOWN)))
    yield from sample_of("transition", len(matching), len(chosen))
    for n in chosen:
        yield _event("transition", matching[n])


def _news(reader: StreamReader, progress: Mapping[str, ShownBackfill | ShownImport]) -> Iterator[bytes]:
    """What was not shown to the reader: first all that runs, then each change."""
    before = reader.progress
    for name, one in progress.items():
        ended = one.finished_at is not None or (isinstance(one, ShownImport) and one.error is not None)
        if not ended if before is None else before.get(name) != one:
            yield _event("progress", one)
    reader.progress = progress


def _event(name: str, content: Any) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + _encode(content) + b"\n\n"
