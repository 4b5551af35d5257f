"""The history of definitions: versions, revisions, and the difference between two revisions.

Shape   versions(…) of one definition, newest first · page(…) of revisions · revision(…) with what it changed
        difference(…) of two revisions
Units   instants are ISO 8601 in UTC
Laws    a definition is followed by its id: through renames, and through a deletion and its return.
        The text of a change shows expressions in their canonical form
Errors  NotFound NOT_FOUND, REVISION_NOT_FOUND
Source  docs/reference/definitions.md "History"
"""

from dataclasses import dataclass
from typing import Any

from tinycdp.errors import NotFound
from tinycdp.runtime.definitions.catalogs import definitions_at, read_definition
from tinycdp.runtime.definitions.change_set import document_of, steps_between
from tinycdp.runtime.definitions.changes import Step
from tinycdp.runtime.definitions.files import difference as text_of
from tinycdp.runtime.definitions.files import fields_of
from tinycdp.runtime.definitions.unknown import unknown
from tinycdp.runtime.environment import Environment
from tinycdp.store import definitions as store
from tinycdp.store.database.pool import Connection, snapshot
from tinycdp.times import iso, iso_or_none

#: Of each revision in a list.
MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a definition: of the revisions from `revision` to before `until`.

    until     None for the newest version
    live_at   None while its revision backfills
    document  a trait's or segment's expression and description, or the whole flag
    """

    version: int
    key: str
    revision: int
    until: int | None
    author: str
    note: str
    published_at: str
    live_at: str | None
    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """One value that differs. path: a JSON pointer in which rules go by their ids."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Changed:
    """How one definition differs.

    action         create, update, rename or delete
    was            its key before, if it was renamed
    version        of what it became, or of what was deleted
    same_meaning   only its name, its layout or its description changed: no membership changes because of it
    before, after  its document; None if absent
    text           the difference as text: lines with - and +, expressions in canonical form
    """

    action: str
    kind: str
    key: str
    was: str | None
    version: int
    same_meaning: bool
    fields: list[Field]
    text: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision. live_at: None while it backfills."""

    revision: int
    author: str
    note: str
    published_at: str
    live_at: str | None


@dataclass(frozen=True, slots=True)
class NamedChange:
    """A definition that a revision changed. action: as of `Changed`."""

    action: str
    kind: str
    key: str


@dataclass(frozen=True, slots=True)
class ListedRevision(Revision):
    """A revision, and the first of what it changed. more: how many others it changed."""

    changed: list[NamedChange]
    more: int


@dataclass(frozen=True, slots=True)
class RevisionDetail(Revision):
    """A revision, and what it changed."""

    changes: list[Changed]


def changed(step: Step) -> Changed:
    """A step of a plan, with each value that differs and the difference as text."""
    return Changed(
        step.action,
        step.kind,
        step.key,
        step.was,
        step.version,
        step.same_meaning,
        [Field(*field) for field in fields_of(step)],
        text_of(step, canonical=True),
        step.before,
        step.after,
    )


async def versions(environment: Environment, kind: str, key: str) -> list[Version]:
    """Every version of the definition that has this key or had it last; newest first."""
    async with snapshot(environment.pool) as connection:
        id = await store.find_definition(connection, environment.id, kind, key)
        if id is None:
            head = (await store.find_environment(connection, environment.id)).head_revision
            known = await store.definitions_at(connection, environment.id, head)
            raise unknown(kind, key, ((row.kind, row.key) for row in known))
        rows = await store.list_versions(connection, environment.id, id)
    return [
        Version(
            row.version,
            row.key,
            row.from_revision,
            row.until_revision,
            row.author,
            row.note,
            iso(row.published_at),
            iso_or_none(row.live_at),
            document_of(read_definition(row)),
        )
        for row in rows
    ]


async def page(environment: Environment, before: int, n: int) -> list[ListedRevision]:
    """Revisions older than `before`, newest first."""
    async with snapshot(environment.pool) as connection:
        rows = await store.list_revisions(connection, environment.id, before, n)
        if not rows:
            return []
        changes = await store.changed_between(connection, environment.id, rows[-1].revision, rows[0].revision)
    named: dict[int, list[NamedChange]] = {row.revision: [] for row in rows}
    for change in changes:
        named[change.revision].append(NamedChange(_action(change), change.kind, change.key))
    return [
        ListedRevision(
            row.revision,
            row.author,
            row.note,
            iso(row.published_at),
            iso_or_none(row.live_at),
            named[row.revision][:MOST_NAMED],
            max(0, len(named[row.revision]) - MOST_NAMED),
        )
        for row in rows
    ]


def _action(change: store.ChangedRow) -> str:
    if change.deleted:
        return "delete"
    if change.was is None:
        return "create"
    return "update" if change.was == change.key else "rename"


async def revision(environment: Environment, number: int) -> RevisionDetail:
    """One revision, with its changes to the one before it."""
    async with snapshot(environment.pool) as connection:
        row = await store.find_revision(connection, environment.id, number)
        if row is None:
            raise _unknown(number)
        found = await _differences(connection, environment.id, number - 1, number)
    return RevisionDetail(number, row.author, row.note, iso(row.published_at), iso_or_none(row.live_at), found)


async def difference(environment: Environment, since: int, until: int) -> list[Changed]:
    """The changes from one revision to another, in either direction. Revision 0 is empty."""
    async with snapshot(environment.pool) as connection:
        for number in (since, until):
            if number and await store.find_revision(connection, environment.id, number) is None:
                raise _unknown(number)
        return await _differences(connection, environment.id, since, until)


async def _differences(connection: Connection, environment_id: int, since: int, until: int) -> list[Changed]:
    before = await definitions_at(connection, environment_id, since)
    after = await definitions_at(connection, environment_id, until)
    return [changed(step) for step in steps_between(before, after)]


def _unknown(number: int) -> NotFound:
    return NotFound("REVISION_NOT_FOUND", f"There is no revision {number}.")
