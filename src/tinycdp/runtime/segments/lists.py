"""Lists of static segments: add, remove and replace identifiers.

Shape   Lists.change(segment, mode, identifiers) applies an edit of any size; page(…) reads a list
        Lists.staged(identifiers) → an edit, for a publish that creates a segment with its list
Laws    membership belongs to identifiers: a profile is a member while any of its identifiers is listed. After each
        commit the state of a profile has exactly the lists of its identifiers. An identifier without a profile stays
        listed, and its profile is a member from the transaction that creates it.
        Nothing changes before all identifiers are read and valid. An edit is applied in parts, each in one
        transaction: one that is interrupted is sent again, and adds nothing twice.
        A suppressed identifier is never listed, and an erased one is taken off
Units   identifiers; a part is small, so that new identifiers, which wait for it, wait a few milliseconds
Errors  NotFound for the segment, or for the one to copy · Conflict NOT_STATIC, BACKFILLING · InvalidInput LIST_EMPTY
Source  docs/decisions/0034-static-segments.md; docs/how-to/static-segments.md
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from tinycdp.engine import recompute
from tinycdp.engine.catalog import Catalog
from tinycdp.errors import Conflict, InvalidInput, NotFound
from tinycdp.model import DAY_MS, STRENGTH, Identifier
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.identity.resolution import Restart
from tinycdp.runtime.notifications import announce_profiles
from tinycdp.runtime.policies.privacy_rules import Privacy
from tinycdp.runtime.profiles import storage
from tinycdp.runtime.transactions import commit_with_retry
from tinycdp.store import events as event_store
from tinycdp.store import memberships as store
from tinycdp.store import profiles as profile_store
from tinycdp.store.database.pool import RETRY, Connection, Pool, acquired
from tinycdp.times import iso

Mode = Literal["add", "remove", "replace"]
#: Called with (identifiers done, identifiers in all) after each part.
OnProgress = Callable[[int, int], None]

#: How many identifiers one transaction applies: it has locked their profiles meanwhile.
PART = 500
_STAGED_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ListChange:
    """What an edit of a list did, or would do.

    received    identifiers that were sent; those without an effect were listed, or not listed, before
    suppressed  identifiers left out because they are suppressed
    entered, left   profiles that became members, or stopped to be; None for a dry run
    version     of the last profile written, for `minVersion`; None if none was"""

    segment: str
    mode: Mode
    received: int
    added: int
    removed: int
    suppressed: int
    entered: int | None
    left: int | None
    version: int | None
    dry_run: bool


@dataclass(frozen=True, slots=True)
class ListedIdentifier:
    """An identifier on a list. profile_id: None until a message names it"""

    kind: str
    value: str
    listed_at: str
    profile_id: str | None


@dataclass(frozen=True, slots=True)
class _Part:
    """What one transaction of an edit changed."""

    added: int
    removed: int
    entered: int
    left: int
    version: int | None
    touched: Sequence[int]


class Lists:
    """Edits lists.

    `committed` is called with (environment, version, profiles) after each part."""

    def __init__(
        self,
        pool: Pool,
        catalogs: Catalogs,
        privacy: Privacy,
        now: Clock,
        committed: Callable[[int, int, Sequence[int]], None] = lambda environment_id, version, ids: None,
    ) -> None:
        self._pool = pool
        self._catalogs = catalogs
        self._privacy = privacy
        self._now = now
        self._committed = committed
        self._running: set[asyncio.Task[_Part]] = set()

    async def stop(self) -> None:
        """Stop the edits that run here after their last part."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def change(
        self,
        environment_id: int,
        segment: str,
        mode: Mode,
        identifiers: Iterable[Identifier] = (),
        *,
        copied: str | None = None,
        dry_run: bool = False,
        may_empty: bool = False,
        progress: OnProgress = lambda done, total: None,
    ) -> ListChange:
        """Add, remove or replace identifiers, or with `copied` those of the members of another segment.

        may_empty  whether a replacement by nothing is meant"""
        async with acquired(self._pool) as connection:
            catalog = await self._catalogs.current_in(connection, environment_id)
            segment_id = static_segment(catalog, segment)
            fingerprint = _copied(catalog, copied) if copied is not None else None
            edit_id = await store.next_edit(connection)
        try:
            if fingerprint is not None:
                received, suppressed = await self._stage_members(environment_id, edit_id, fingerprint, mode), 0
            else:
                received, suppressed = await self._stage(environment_id, edit_id, identifiers, mode)
            total = received - suppressed
            if not received and not may_empty:
                raise InvalidInput("LIST_EMPTY", "There is no identifier in it; nothing was changed.")
            if mode == "replace":
                async with acquired(self._pool) as connection:
                    total += await store.stage_rest(connection, environment_id, edit_id, segment_id, total, self._now())
            if dry_run:
                async with acquired(self._pool) as connection:
                    added, removed = await store.count_edit(connection, environment_id, edit_id, segment_id)
        except BaseException:
            await asyncio.shield(self._forget(environment_id, edit_id))
            raise
        if dry_run:
            await self._forget(environment_id, edit_id)
            done = _Part(added, removed, 0, 0, None, ())
        else:
            task = asyncio.create_task(self._finish(environment_id, edit_id, segment_id, total, progress))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            # A client that stops waiting does not stop an edit halfway.
            done = await asyncio.shield(task)
        return ListChange(
            segment=segment,
            mode=mode,
            received=received,
            added=done.added,
            removed=done.removed,
            suppressed=suppressed,
            entered=None if dry_run else done.entered,
            left=None if dry_run else done.left,
            version=done.version,
            dry_run=dry_run,
        )

    async def page(
        self, environment_id: int, segment: str, after: tuple[str, str], n: int
    ) -> Sequence[ListedIdentifier]:
        """A page of a list, by kind and value."""
        async with acquired(self._pool) as connection:
            catalog = await self._catalogs.current_in(connection, environment_id)
            rows = await store.listed_page(connection, environment_id, static_segment(catalog, segment), after, n)
        return [
            ListedIdentifier(
                row.kind, row.value, iso(row.listed_at), str(row.profile_id) if row.profile_id is not None else None
            )
            for row in rows
        ]

    # Staging

    @asynccontextmanager
    async def staged(self, environment_id: int, identifiers: Iterable[Identifier]) -> AsyncIterator[int]:
        """The edit with these identifiers, which is forgotten afterwards."""
        async with acquired(self._pool) as connection:
            edit_id = await store.next_edit(connection)
        try:
            await self._stage(environment_id, edit_id, identifiers, "add")
            yield edit_id
        finally:
            await asyncio.shield(self._forget(environment_id, edit_id))

    async def _stage(
        self, environment_id: int, edit_id: int, identifiers: Iterable[Identifier], mode: Mode
    ) -> tuple[int, int]:
        """Copy the identifiers to the database, without the suppressed ones.

        Returns how many there were, and how many of them are suppressed."""
        received = staged = 0
        waiting = iter(identifiers)
        # In a thread: a file may have a million lines, and decisions must not wait.
        while part := await asyncio.to_thread(lambda: list(islice(waiting, _STAGED_AT_ONCE))):
            kept = [
                (one.kind, one.value)
                for one in part
                if mode == "remove" or not self._privacy.is_suppressed(environment_id, one)
            ]
            async with acquired(self._pool) as connection:
                await store.stage_identifiers(
                    connection, environment_id, edit_id, staged, kept, self._now(), adds=mode != "remove"
                )
            received += len(part)
            staged += len(kept)
        return received, received - staged

    async def _stage_members(self, environment_id: int, edit_id: int, fingerprint: int, mode: Mode) -> int:
        if mode == "remove":
            raise InvalidInput("INVALID_BODY", "$.copy: a snapshot can be added, or replace the list.", path="$.copy")
        async with acquired(self._pool) as connection:
            return await store.stage_members(
                connection, environment_id, edit_id, fingerprint, list(STRENGTH), self._now()
            )

    async def _forget(self, environment_id: int, edit_id: int) -> None:
        async with acquired(self._pool) as connection:
            await store.forget_edits(connection, environment_id, edit_id, self._now() - DAY_MS)

    # Applying

    async def _finish(
        self, environment_id: int, edit_id: int, segment_id: int, total: int, progress: OnProgress
    ) -> _Part:
        try:
            return await self._apply(environment_id, edit_id, segment_id, total, progress)
        finally:
            await self._forget(environment_id, edit_id)

    async def _apply(
        self, environment_id: int, edit_id: int, segment_id: int, total: int, progress: OnProgress
    ) -> _Part:
        added = removed = entered = left = 0
        version = None
        for first in range(0, total, PART):
            last = min(first + PART, total) - 1
            part = await commit_with_retry(
                self._pool,
                lambda connection, part=(first, last): self._apply_part(  # type: ignore[misc]
                    connection, environment_id, edit_id, segment_id, part
                ),
                again=(Restart, *RETRY),
            )
            if part.version is not None:
                self._committed(environment_id, part.version, part.touched)
                version = part.version
            added, removed = added + part.added, removed + part.removed
            entered, left = entered + part.entered, left + part.left
            progress(last + 1, total)
        return _Part(added, removed, entered, left, version, ())

    async def _apply_part(
        self, connection: Connection, environment_id: int, edit_id: int, segment_id: int, part: tuple[int, int]
    ) -> _Part:
        await event_store.begin_group(connection, environment_id)
        await store.hold_lists(connection, environment_id)
        catalog = await self._catalogs.current_in(connection, environment_id)
        if segment_id not in catalog.lists:
            raise Conflict("NOT_STATIC", "The segment was deleted, or got a rule, while its list was edited.")
        now = self._now()
        added, removed = await store.change_list(connection, environment_id, edit_id, segment_id, part, now)
        pairs = [*added, *removed]
        ids = sorted(await store.profiles_of_identifiers(connection, environment_id, pairs)) if pairs else []
        if not ids:
            return _Part(len(added), len(removed), 0, 0, None, ())
        profiles = []
        for row in await profile_store.lock_profiles(connection, environment_id, ids):
            if row.merged_into is not None:
                raise Restart
            profiles.append(storage.from_row(row))
        # The process that held the locks may have moved an identifier since it was read.
        if await store.profiles_of_identifiers(connection, environment_id, pairs) != {one.id for one in profiles}:
            raise Restart
        lists = await store.lists_of_profiles(connection, environment_id, ids)

        def review() -> list[recompute.Transition]:
            return [
                transition
                for profile in profiles
                for transition in recompute.apply_lists(profile, frozenset(lists.get(profile.id, ())), catalog, now)
            ]

        transitions = await asyncio.to_thread(review)
        version = await storage.save(connection, environment_id, now, profiles, transitions)
        await announce_profiles(connection, environment_id, version, ids)
        own = [one.entered for one in transitions if one.segment_id == segment_id]
        return _Part(len(added), len(removed), own.count(True), own.count(False), version, ids)


def static_segment(catalog: Catalog, key: str) -> int:
    """The id of a static segment of the newest revision."""
    definition = (catalog.candidate or catalog.live).definitions.get(("segment", key))
    if definition is None:
        raise NotFound("NOT_FOUND", f"There is no segment {key!r}.")
    if not definition.static:
        message = f"The segment {key!r} has a rule; only a static segment has a list. Declare it with `static: true`."
        raise Conflict("NOT_STATIC", message)
    return definition.id


def _copied(catalog: Catalog, key: str) -> int:
    """The fingerprint of a live segment whose members are copied."""
    name = ("segment", key)
    if name not in catalog.live.definitions:
        raise NotFound("NOT_FOUND", f"There is no segment {key!r} to copy.")
    if name in catalog.backfilling:
        raise Conflict("BACKFILLING", f"The segment {key!r} is still being computed; try again when it is live.")
    return catalog.live.fingerprints[name]
