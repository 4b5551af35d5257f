"""Connections to Postgres, with our types.

Shape   open_pool(dsn, size) · transaction(pool) · snapshot(pool) · reaching(): turns a lost server into Unavailable
Units   timestamptz ↔ integer milliseconds; json and jsonb ↔ plain values with exact numbers (int, Decimal)
Errors  Unavailable (503, Retry-After 1) when the server cannot be reached or ends the connection
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, TypeAlias

import asyncpg
import msgspec

from tinycdp.errors import Unavailable

Pool: TypeAlias = asyncpg.Pool
Connection: TypeAlias = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy

#: Postgres counts microseconds from the year 2000.
_EPOCH_MS = 946_684_800_000

_encode_json = msgspec.json.Encoder(decimal_format="number").encode
_decode_json = msgspec.json.Decoder(float_hook=Decimal).decode

_GONE = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InternalClientError,  # what a query meets between the server's farewell and the end of the connection
    asyncpg.ObjectNotInPrerequisiteStateError,  # the database takes no connections: it is being copied or moved
)


async def _teach_types(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=lambda value: b"\x01" + _encode_json(value),
        decoder=lambda data: _decode_json(data[1:]),
    )
    await connection.set_type_codec(
        "json",
        schema="pg_catalog",
        format="binary",
        encoder=_encode_json,
        decoder=_decode_json,
    )
    await connection.set_type_codec(
        "timestamptz",
        schema="pg_catalog",
        format="tuple",
        encoder=lambda ms: ((ms - _EPOCH_MS) * 1000,),
        decoder=lambda at: at[0] // 1000 + _EPOCH_MS,
    )


class _Connection(asyncpg.Connection):  # type: ignore[misc]
    """Goes back to its pool without another word to Postgres, unless something was left on it."""

    _lingers = False

    def linger(self) -> None:
        """To be said before a lock is taken, or a setting changed, that outlives its transaction: whoever has the
        connection next is not to find it."""
        self._lingers = True

    def get_reset_query(self) -> str:
        """What asyncpg runs when the connection goes back; by itself it would at every use."""
        if not self._lingers:
            return ""
        self._lingers = False
        query: str = super().get_reset_query()
        return query


async def open_pool(dsn: str, size: int) -> Pool:
    """A pool of at most `size` connections; raises Unavailable where there is no server."""
    with reaching():
        return await asyncpg.create_pool(
            dsn,
            min_size=1,
            max_size=size,
            connection_class=_Connection,
            init=_teach_types,
            timeout=5,
            command_timeout=60,
            server_settings={"application_name": "tinycdp", "timezone": "UTC"},
        )


async def connect(dsn: str) -> asyncpg.Connection:
    """One connection of its own, for listening and for migrations."""
    with reaching():
        connection = await asyncpg.connect(
            dsn, timeout=5, connection_class=_Connection, server_settings={"application_name": "tinycdp"}
        )
        await _teach_types(connection)
        return connection


class reaching:
    """A context in which a server that is away becomes Unavailable."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, _GONE) and not isinstance(error, (Unavailable, *BUSY)):
            raise Unavailable("DATABASE_AWAY", "The database cannot be reached; try again shortly.") from error


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """A connection inside a transaction: committed where the block ends, rolled back where it raises."""
    with reaching():
        async with pool.acquire(timeout=5) as connection, connection.transaction():
            yield connection


@asynccontextmanager
async def snapshot(pool: Pool) -> AsyncIterator[Connection]:
    """A read-only transaction in which every statement sees the database as of one instant."""
    with reaching():
        async with pool.acquire(timeout=5) as connection, frozen(connection):
            yield connection


def frozen(connection: Connection) -> Any:
    """The same on a connection one has."""
    return connection.transaction(isolation="repeatable_read", readonly=True)


@asynccontextmanager
async def acquired(pool: Pool) -> AsyncIterator[Connection]:
    """A connection without a transaction, for single statements."""
    with reaching():
        async with pool.acquire(timeout=5) as connection:
            yield connection


#: Two transactions crossed each other; the same work, begun anew, will pass.
RETRY = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)

#: A lock did not come in the time given to it.
BUSY = (asyncpg.LockNotAvailableError,)

#: The server refuses a value, or it is no text: trying again cannot help. `store` names it so that runtime need not
#: know asyncpg.
UNSTORABLE = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,  # larger than an index or a jsonb can hold
    UnicodeEncodeError,
)

#: Whatever else the server refuses is no message's fault: a full disk, a replica, a table that is missing.
BROKEN = (asyncpg.PostgresError,)
