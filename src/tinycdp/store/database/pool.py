"""Connections to Postgres, with codecs for our types.

Shape   open_pool(dsn, size), close_pool(pool) · transaction(pool) · snapshot(pool) · reaching(): raises Unavailable
        if it is away. abandon(dsn) ends every connection of this process, and thereby what waits for an answer;
        abandon_lost(connection) those that the server does not know
        `outage` logs one line when it goes away, one when it is back
Units   timestamptz ↔ integer milliseconds; json and jsonb ↔ plain values with exact numbers (int, Decimal)
Laws    no lock is waited for longer than LOCK_SECONDS, unless a transaction sets its own limit.
        Connecting ends within 5 seconds, and making a connection ready within READY_SECONDS
Errors  Unavailable (503, Retry-After 1) if the server cannot be reached or ends the connection, DATABASE_BUSY if a lock
        is held for long, DATABASE_FULL if its disk is full.
        With explain=True, the part of DATABASE_URL that is wrong, for the person who runs a command: see dsn_errors.py
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from typing import Any, TypeAlias
from weakref import WeakSet

import asyncpg
import msgspec

from tinycdp.errors import Unavailable
from tinycdp.outages import Outage
from tinycdp.store.database.dsn_errors import explained
from tinycdp.store.database.statements import load

_SQL = load("pool")

Pool: TypeAlias = asyncpg.Pool
Connection: TypeAlias = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy

#: Postgres counts microseconds from the year 2000.
_EPOCH_MS = 946_684_800_000

_encode_json = msgspec.json.Encoder(decimal_format="number").encode
_decode_json = msgspec.json.Decoder(float_hook=Decimal).decode

DATABASE_AWAY, DATABASE_BUSY, DATABASE_FULL = "DATABASE_AWAY", "DATABASE_BUSY", "DATABASE_FULL"
#: Codes of what passes without anyone's work on what was asked: the same succeeds later.
DATABASE_CODES = frozenset({DATABASE_AWAY, DATABASE_BUSY, DATABASE_FULL})

#: How long a statement waits for a lock. What is locked for longer is being altered or restored.
LOCK_SECONDS = 5
_SET_LOCK_TIMEOUT = f"SET lock_timeout = '{LOCK_SECONDS}s';"
#: How long a new connection's first statements may take.
READY_SECONDS = 5.0
#: How long closing a pool may take.
_CLOSE_SECONDS = 3.0
#: The connections of this process, by address.
_open: dict[str, WeakSet["_Connection"]] = {}

_GONE = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InternalClientError,  # a query while the server is closing the connection
    asyncpg.ObjectNotInPrerequisiteStateError,  # the database accepts no connections: it is being copied or moved
)


async def _set_codecs(connection: asyncpg.Connection) -> None:
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
    """A connection that returns to its pool without a reset query, unless it needs one."""

    _lingers = False
    #: The address it was made for, and its session at the server: number and start. None until it is ready.
    dsn = ""
    session: tuple[int, int] | None = None

    def linger(self) -> None:
        """Mark the connection for a reset when it returns to its pool.

        Call it before taking a lock or changing a setting that outlives its transaction."""
        self._lingers = True

    def get_reset_query(self) -> str:
        """The query that asyncpg runs when the connection returns to its pool.

        By default it has one at every use."""
        if not self._lingers:
            return ""
        self._lingers = False
        query: str = super().get_reset_query()
        return query + _SET_LOCK_TIMEOUT  # it resets all settings


async def open_pool(dsn: str, size: int, *, explain: bool = False) -> Pool:
    """Open a pool of at most `size` connections.

    Raises Unavailable if the server cannot be reached; with `explain`, says what is wrong with the address."""
    with reaching(dsn if explain else None):
        return await asyncpg.create_pool(
            dsn,
            min_size=1,
            max_size=size,
            connection_class=_Connection,
            init=partial(_prepare, dsn),
            timeout=5,
            command_timeout=60,
            server_settings={"application_name": "tinycdp", "timezone": "UTC"},
        )


async def _prepare(dsn: str, connection: "_Connection") -> None:
    """Make a connection of a pool ready for use."""
    await _make_ready(dsn, connection, _SET_LOCK_TIMEOUT)


async def _make_ready(dsn: str, connection: "_Connection", setting: str = "") -> None:
    """Set the codecs, and a setting; end the connection if that fails, or takes long."""
    connection.dsn = dsn
    _open.setdefault(dsn, WeakSet()).add(connection)
    try:
        async with asyncio.timeout(READY_SECONDS):
            await _set_codecs(connection)
            if setting:
                await connection.execute(setting)
            if row := await connection.fetchrow(_SQL["identity"]):
                connection.session = (row["pid"], row["backend_start"])
    except BaseException:
        connection.terminate()
        raise


def abandon(dsn: str) -> None:
    """End every connection to this address at once; what waits for an answer raises Unavailable.

    A server that is stopped answers nothing, not even that a statement is cancelled, and waiting has no end."""
    for connection in list(_open.get(dsn, ())):
        connection.terminate()


async def abandon_lost(connection: "_Connection") -> None:
    """End the connections to this one's address whose sessions its server does not have.

    After a failover without a farewell they lead to a machine that is gone, and waiting for it takes minutes. A pooler
    that answers with the server's own sessions is no hindrance."""
    known = {one: one.session for one in _open.get(connection.dsn, ()) if one.session is not None}
    rows = await connection.fetch(_SQL["sessions"], [pid for pid, _ in known.values()])
    alive = {(row["pid"], row["backend_start"]) for row in rows}
    for one, session in known.items():
        if session not in alive:
            one.terminate()


async def close_pool(pool: Pool) -> None:
    """Close the connections when they are returned; end them if that takes long, as with a server that is stopped."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_CLOSE_SECONDS):
            await pool.close()  # terminates all when it is cancelled


async def connect(dsn: str, *, explain: bool = False) -> asyncpg.Connection:
    """Open a connection outside of any pool, for listening, exports and migrations."""
    with reaching(dsn if explain else None):
        connection = await asyncpg.connect(
            dsn, timeout=5, connection_class=_Connection, server_settings={"application_name": "tinycdp"}
        )
        await _make_ready(dsn, connection)
        return connection


# The driver's pool logs a traceback at each try to connect while the database is away.
logging.getLogger("asyncpg.pool").setLevel(logging.CRITICAL)

#: Whether the database answers this process.
outage = Outage("the database")


class reaching:
    """A context that raises Unavailable if the server is away.

    dsn  the address, if an error is for the person who set it: says which part of it is wrong"""

    __slots__ = ("_dsn",)

    def __init__(self, dsn: str | None = None) -> None:
        self._dsn = dsn

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None:
            if outage.began is not None:
                outage.ended()
            return
        if self._dsn is not None and (explanation := explained(self._dsn, error)) is not None:
            raise explanation from error
        if isinstance(error, BUSY):
            message = f"What this needs has been locked in the database for {LOCK_SECONDS} seconds; try again shortly."
            raise Unavailable(DATABASE_BUSY, message) from error
        if isinstance(error, asyncpg.DiskFullError):
            message = "The database's disk is full, so nothing can be stored until there is space on it."
            raise Unavailable(DATABASE_FULL, message, retry_after_seconds=5) from error
        if isinstance(error, _GONE) and not isinstance(error, Unavailable):
            outage.noticed(error)
            raise Unavailable(DATABASE_AWAY, "The database cannot be reached; try again shortly.") from error


class _RolledBack(Exception):
    pass


@asynccontextmanager
async def transaction(pool: Pool, *, dry_run: bool = False) -> AsyncIterator[Connection]:
    """A connection in a transaction: committed when the block ends, rolled back if it raises, or with `dry_run`."""
    with reaching():
        async with pool.acquire(timeout=5) as connection:
            try:
                async with connection.transaction():
                    yield connection
                    if dry_run:
                        raise _RolledBack
            except _RolledBack:
                pass


@asynccontextmanager
async def snapshot(pool: Pool) -> AsyncIterator[Connection]:
    """A read-only transaction in which every statement sees the database as of one instant."""
    with reaching():
        async with pool.acquire(timeout=5) as connection, frozen(connection):
            yield connection


def frozen(connection: Connection) -> Any:
    """A read-only transaction on this connection, in which every statement sees one instant."""
    return connection.transaction(isolation="repeatable_read", readonly=True)


@asynccontextmanager
async def acquired(pool: Pool) -> AsyncIterator[Connection]:
    """A connection without a transaction, for single statements."""
    with reaching():
        async with pool.acquire(timeout=5) as connection:
            yield connection


#: A conflict between two transactions; repeating the work will succeed.
RETRY = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)

#: A lock was not available within its timeout.
BUSY = (asyncpg.LockNotAvailableError,)

#: The server rejects a value, or it is not valid text: retrying cannot help. Named here so that runtime does not import
#: asyncpg.
UNSTORABLE = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,  # larger than an index or a jsonb can hold
    UnicodeEncodeError,
)

#: Any other error of the server is not caused by a message: a full disk, a replica, a missing table.
BROKEN = (asyncpg.PostgresError,)
