"""The audit log: what people and their keys changed in an environment, in one list.

Shape   audit(environment, …) returns a page, newest first
Laws    every change is in the tables of its own kind: the log is read from them, and nothing is written twice.
        An author is the name that its key had then. Merges by messages are left out
Errors  InvalidInput INVALID_CURSOR
Source  docs/reference/authentication.md "The audit log"
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from tinycdp.errors import InvalidInput
from tinycdp.model import Instant
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.profiles import views
from tinycdp.store.database.pool import snapshot
from tinycdp.store.history import audit as store
from tinycdp.times import iso

AuditKind = Literal[
    "revision",
    "flag",
    "analytics",
    "destination",
    "sync",
    "policy",
    "plan",
    "key",
    "merge",
    "erasure",
    "import",
    "export",
]
KINDS: tuple[AuditKind, ...] = get_args(AuditKind)

#: After the place of every change.
_LAST_PLACE = "~"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change.

    id      as other routes take it: a revision, a version, or the id of a kill, key, merge, erasure, import or export
    name    what it was about; empty for a revision
    author  None if it was not recorded"""

    at: str
    kind: str
    action: str
    id: str
    name: str
    author: str | None
    note: str


@dataclass(frozen=True, slots=True)
class AuditPage:
    """A page of the audit log, newest first."""

    entries: list[AuditEntry]
    next: str | None


async def audit(
    environment: Environment,
    kinds: Sequence[AuditKind],
    author: str | None,
    since: Instant | None,
    until: Instant | None,
    cursor: str | None,
    n: int,
) -> AuditPage:
    """A page of the changes of these kinds in [since, until); by default of every kind."""
    before = _position(cursor)
    span = (since if since is not None else 0, until if until is not None else views.END_OF_TIME)
    async with snapshot(environment.pool) as connection:
        rows = await store.list_audit(connection, environment.id, kinds or KINDS, author, span, before, n)
    entries = [AuditEntry(iso(row.at), row.kind, row.action, row.id, row.name, row.author, row.note) for row in rows]
    following = views.encode_cursor([str(rows[-1].at), rows[-1].place]) if len(rows) == n else None
    return AuditPage(entries, following)


_LONGEST_INSTANT = len(str(views.END_OF_TIME))


def _position(cursor: str | None) -> tuple[Instant, str]:
    """The (at, place) that a page begins before."""
    if not cursor:
        return views.END_OF_TIME, _LAST_PLACE
    at, place = views.texts_of(cursor)
    if not at.isdecimal() or len(at) > _LONGEST_INSTANT or int(at) > views.END_OF_TIME:
        raise InvalidInput("INVALID_CURSOR", "The cursor is invalid. Use `next` of a page, or start without one.")
    return int(at), place
