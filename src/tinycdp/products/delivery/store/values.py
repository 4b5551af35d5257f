"""Statements about the profiles that expressions are evaluated for."""

from collections.abc import Sequence

from tinycdp.store.database.pool import Connection
from tinycdp.store.database.statements import load
from tinycdp.store.profiles import ProfileRow

_SQL = load("values", "tinycdp.products.delivery")


async def profiles_with_state(connection: Connection, environment_id: int, ids: Sequence[int]) -> list[ProfileRow]:
    """Profiles; those that were erased, or are part of another one, are left out."""
    return ProfileRow.every(await connection.fetch(_SQL["profiles_with_state"], environment_id, list(ids)))
