"""Statements about the people behind a number."""

from collections.abc import Sequence

from tinycdp.store.database.pool import Connection
from tinycdp.store.database.statements import load

_SQL = load("people", "tinycdp.products.analytics")


async def strongest_identifiers(
    connection: Connection, environment_id: int, profile_ids: Sequence[int], strongest: Sequence[str]
) -> list[tuple[str, str]]:
    """(kind, value) of the identifiers of each profile's strongest kind."""
    rows = await connection.fetch(_SQL["strongest_identifiers"], environment_id, list(profile_ids), list(strongest))
    return [(row["kind"], row["value"]) for row in rows]
