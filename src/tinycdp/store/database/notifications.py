"""NOTIFY: what a transaction reports to every process."""

from tinycdp.store.database.pool import Connection
from tinycdp.store.database.statements import load

_SQL = load("notifications")


async def announce(connection: Connection, *payloads: str) -> None:
    """Notify every process, in this order, when the transaction commits."""
    if payloads:
        await connection.execute(_SQL["announce"], list(payloads))
