"""Statements about an environment's policies."""

from dataclasses import dataclass
from typing import Any

from tinycdp.store.database.pool import Connection
from tinycdp.store.database.rows import Row
from tinycdp.store.database.statements import load

_SQL = load("policies")


@dataclass(frozen=True, slots=True)
class PolicyRow(Row):
    """A policy in force."""

    environment_id: int
    name: str
    version: int
    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PolicyVersionRow(Row):
    """A version of a policy."""

    version: int
    document: dict[str, Any]
    changed_at: int
    changed_by: str


async def current_policies(connection: Connection) -> list[PolicyRow]:
    return PolicyRow.every(await connection.fetch(_SQL["current_policies"]))


async def policy_versions(connection: Connection, environment_id: int, name: str, n: int) -> list[PolicyVersionRow]:
    return PolicyVersionRow.every(await connection.fetch(_SQL["policy_versions"], environment_id, name, n))


async def append_policy(
    connection: Connection,
    environment_id: int,
    name: str,
    version: int,
    document: dict[str, Any],
    now: int,
    author: str,
) -> bool:
    """Add a version. Returns False if it exists already."""
    made = await connection.fetchval(_SQL["append_policy"], environment_id, name, version, document, now, author)
    return made is not None
