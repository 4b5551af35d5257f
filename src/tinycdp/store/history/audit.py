"""The statement of the audit log, which reads the tables of all that people change."""

from collections.abc import Sequence
from dataclasses import dataclass

from tinycdp.store.database.pool import Connection
from tinycdp.store.database.rows import Row
from tinycdp.store.database.statements import load

_SQL = load("audit")


@dataclass(frozen=True, slots=True)
class AuditRow(Row):
    """One change. place: orders the changes of one instant; author: None if it was not recorded."""

    at: int
    place: str
    kind: str
    action: str
    id: str
    name: str
    author: str | None
    note: str


async def list_audit(
    connection: Connection,
    environment_id: int,
    kinds: Sequence[str],
    author: str | None,
    span: tuple[int, int],
    before: tuple[int, str],
    n: int,
) -> list[AuditRow]:
    """`before` is the (at, place) of the last row of the previous page."""
    return AuditRow.every(await connection.fetch(_SQL["list_audit"], environment_id, kinds, author, *span, *before, n))
