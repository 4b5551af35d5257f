"""Statements about an environment's policies."""

from typing import Any

from tinycdp.store.messages import Row
from tinycdp.store.pool import Connection
from tinycdp.store.statements import load

_SQL = load("policies")


async def current_policies(connection: Connection) -> list[Row]:
    return await connection.fetch(_SQL["current_policies"])


async def policy_versions(connection: Connection, environment_id: int, name: str, n: int) -> list[Row]:
    return await connection.fetch(_SQL["policy_versions"], environment_id, name, n)


async def append_policy(
    connection: Connection,
    environment_id: int,
    name: str,
    version: int,
    document: dict[str, Any],
    now: int,
    author: str,
) -> bool:
    """False where the version exists already."""
    made = await connection.fetchval(_SQL["append_policy"], environment_id, name, version, document, now, author)
    return made is not None
