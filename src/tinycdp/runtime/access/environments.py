"""Environments of a project: list, create, rename.

Shape   list_environments(environment) → all of its project · create_environment(…) → the new one, with its first key
        rename_environment(…) changes the key; ids stay, so no data moves
Laws    a new environment and its admin key are one transaction: no environment is without a key.
        Every process learns of it by the notification of its key, and knows its definitions before the key
Errors  InvalidInput INVALID_KEY, INVALID_ZONE · Conflict KEY_EXISTS
"""

import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from tinycdp.errors import Conflict, InvalidInput
from tinycdp.runtime.access.keys import COMMAND_LINE, NewKey, random_key, store_key
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.notifications import announce_keys
from tinycdp.store import definitions as store
from tinycdp.store.database.pool import acquired, transaction

_KEY = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class EnvironmentSummary:
    """An environment of the project. revision: the live one; None if the reader may not know it"""

    id: int
    key: str
    zone: str
    revision: int | None


@dataclass(frozen=True, slots=True)
class NewEnvironment:
    """A created environment, with its first key."""

    id: int
    key: str
    zone: str
    admin_key: NewKey


async def environment_of(environment: Environment) -> EnvironmentSummary:
    """The environment itself, by name."""
    async with acquired(environment.pool) as connection:
        row = await store.find_environment(connection, environment.id)
    return EnvironmentSummary(row.id, row.key, row.zone, row.live_revision)


async def list_environments(environment: Environment) -> list[EnvironmentSummary]:
    """All environments of the project, oldest first."""
    async with acquired(environment.pool) as connection:
        rows = await store.list_environments_beside(connection, environment.id)
    return [EnvironmentSummary(row.id, row.key, row.zone, row.live_revision) for row in rows]


async def create_environment(
    environment: Environment, key: str, zone: str | None = None, *, author: str = COMMAND_LINE
) -> NewEnvironment:
    """Create an empty environment in the project of this one; its zone is this one's by default."""
    _check_key(key)
    if zone is not None:
        _check_zone(zone)
    async with transaction(environment.pool) as connection:
        made = await store.create_environment(connection, environment.id, key, zone)
        if made is None:
            raise _exists(key)
        now = environment.now()
        admin = await store_key(connection, made, random_key(), ["admin"], "first key", now, author=author)
        row = await store.find_environment(connection, made)
        await announce_keys(connection)
    return NewEnvironment(made, key, row.zone, admin)


async def rename_environment(environment: Environment, key: str) -> None:
    """Give the environment another key."""
    _check_key(key)
    async with transaction(environment.pool) as connection:
        if not await store.rename_environment(connection, environment.id, key):
            raise _exists(key)


def _check_key(key: str) -> None:
    if not _KEY.fullmatch(key):
        message = f"$.key: {key[:60]!r} is not 1 to 40 small letters, digits and -, as staging or eu-prod."
        raise InvalidInput("INVALID_KEY", message, path="$.key")


def _check_zone(zone: str) -> None:
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        message = f"$.zone: {zone[:60]!r} is not a time zone; give a name such as Europe/Berlin."
        raise InvalidInput("INVALID_ZONE", message, path="$.zone") from None


def _exists(key: str) -> Conflict:
    return Conflict("KEY_EXISTS", f"There is an environment {key!r} already; choose another key.")
