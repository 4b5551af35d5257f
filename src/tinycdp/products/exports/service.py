"""Exports for their routes and commands: create, list, cancel, open their files.

Shape   ExportJobs(settings) is what the routes of a process share; functions take the environment
Laws    what can be known to be wrong is refused before an export is created
Errors  InvalidInput INVALID_REQUEST and those of rows.py · NotFound EXPORT_NOT_FOUND, EXPORT_FILE_GONE ·
        Conflict EXPORT_NOT_DONE · Overloaded EXPORTS_BUSY · Unavailable EXPORT_PACKAGE_MISSING, EXPORT_STORAGE_FAILED
Source  docs/reference/exports.md
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from tinycdp.errors import Conflict, InvalidInput, NotFound, Overloaded
from tinycdp.model import Instant
from tinycdp.products.exports import store
from tinycdp.products.exports.kinds import SCHEDULES, mistakes
from tinycdp.products.exports.running import file_name, rows_request
from tinycdp.products.exports.schemas import ExportBody
from tinycdp.products.exports.storage import storage_of
from tinycdp.products.exports.store import ExportRow
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.transfer.rows import check_request
from tinycdp.runtime.transfer.writers import check_package
from tinycdp.settings import Settings
from tinycdp.store import definitions as definition_store
from tinycdp.store.database.pool import acquired, snapshot

#: Exports of an environment that wait or run at a time.
MOST_UNFINISHED = 100
#: Numbers of exports are smaller.
_LAST_ID = 2**62


class ExportJobs:
    """What the routes of one process share."""

    def __init__(self, settings: Settings) -> None:
        self.storage = storage_of(settings)


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """The file of an export. size: in bytes"""

    row: ExportRow
    size: int


async def create(
    environment: Environment, request: ExportBody, author: str, key_id: int | None, *, is_ours: bool = False
) -> ExportRow:
    """Queue an export. is_ours: this process writes it at once, and no worker does"""
    for path, message in mistakes(request):
        raise InvalidInput("INVALID_REQUEST", f"{path}: {message}", path=path)
    check_package(request.format)
    now = environment.now()
    async with snapshot(environment.pool) as connection:
        catalog = await Catalogs().current_in(connection, environment.id)
        await check_request(connection, catalog, rows_request(request, now))
    async with acquired(environment.pool) as connection:
        if await store.count_unfinished(connection, environment.id) >= MOST_UNFINISHED:
            message = f"{MOST_UNFINISHED} exports wait or run; try again when some are done, or cancel one."
            raise Overloaded("EXPORTS_BUSY", message, retry_after_seconds=30)
        row = await store.create_export(
            connection, environment.id, msgspec.to_builtins(request), request.format, file_name(request), author,
            key_id, None, None, now, "running" if is_ours else "waiting",
        )  # fmt: skip
    assert row is not None  # only those of schedules are unique
    return row


async def find(environment: Environment, id: int) -> ExportRow:
    """One export."""
    if not 0 < id < _LAST_ID:
        raise _unknown(id)
    async with acquired(environment.pool) as connection:
        row = await store.find_export(connection, environment.id, id)
    if row is None:
        raise _unknown(id)
    return row


def _unknown(id: int) -> NotFound:
    return NotFound("EXPORT_NOT_FOUND", f"There is no export {id}.")


async def listed(environment: Environment, before: int, n: int) -> list[ExportRow]:
    """The newest exports before one."""
    async with acquired(environment.pool) as connection:
        return await store.list_exports(connection, environment.id, before, n)


async def end(environment: Environment, id: int, who: str) -> ExportRow:
    """Cancel an export that waits or runs, and remove the file of one that is done. Again, nothing happens."""
    await find(environment, id)
    now = environment.now()
    async with acquired(environment.pool) as connection:
        # One that is finished between the two statements is removed by the second.
        await store.cancel_export(connection, environment.id, id, now, who)
        await store.remove_export(connection, environment.id, id, now, who, f"Removed by {who}.")
    return await find(environment, id)


async def keys_of_schedules(environment: Environment, rows: Sequence[ExportRow]) -> dict[int, str]:
    """The keys of the schedules of these exports that were not deleted."""
    if all(row.schedule_id is None for row in rows):
        return {}
    async with acquired(environment.pool) as connection:
        return {row.definition_id: row.key for row in await SCHEDULES.current(connection, environment.id)}


@dataclass(frozen=True, slots=True)
class SchedulePlan:
    """When schedules are due next, and their newest exports, by the ids of their definitions."""

    zone: str
    next_at: Mapping[int, Instant | None]
    last: Mapping[int, ExportRow]


async def plan_of(environment: Environment, definition_ids: Sequence[int]) -> SchedulePlan:
    """The plan of some schedules."""
    async with acquired(environment.pool) as connection:
        zone = (await definition_store.find_environment(connection, environment.id)).zone
        next_at = await store.next_of_schedules(connection, environment.id)
        rows = await store.newest_of_schedules(connection, environment.id, definition_ids)
    return SchedulePlan(zone, next_at, {row.schedule_id: row for row in rows if row.schedule_id is not None})


async def file_of(jobs: ExportJobs, environment: Environment, id: int) -> ExportedFile:
    """The file of an export that is done."""
    row = await find(environment, id)
    if row.status == "removed":
        raise NotFound("EXPORT_FILE_GONE", f"The file of export {id} was removed: {row.note} Export it again.")
    if row.status != "done":
        raise Conflict("EXPORT_NOT_DONE", f"Export {id} has no file: it is {row.status}.")
    async with acquired(environment.pool) as connection:
        erasures = await store.count_erasures(connection, environment.id)
    if row.erasures is None or row.erasures < erasures:
        message = f"The file of export {id} may have a profile that was erased since. Export it again."
        raise NotFound("EXPORT_FILE_GONE", message)
    expires_at = row.expires_at
    if expires_at is not None and expires_at <= environment.now():
        raise NotFound("EXPORT_FILE_GONE", f"The file of export {id} expired. Export it again.")
    size = await jobs.storage.size(row.place)
    if size is None:
        message = (
            f"The file of export {id} is not in the storage that this process uses. Servers on several machines need "
            "one storage: set TINYCDP_EXPORT_STORAGE."
        )
        raise NotFound("EXPORT_FILE_GONE", message)
    return ExportedFile(row, size)
