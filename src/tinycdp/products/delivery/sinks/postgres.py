"""Batches into a table of Postgres: exactly once.

Laws    the rows of a batch and its number are committed together, in the target: a batch was written if its number is
        the newest of its stream. `id` is unique in the table, so a replay adds only what is missing.
        The address is checked and connected to in one step; TLS asks for the name of the document
Errors  SinkError
"""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from tinycdp.products.delivery.definitions.schemas import PostgresDocument
from tinycdp.products.delivery.reach import NotAllowed, Reach, address_for
from tinycdp.products.delivery.sinks.sink import COLUMNS, RecordBatch, SinkError, overtaken, secret_of
from tinycdp.products.delivery.sinks.tls import context_for

_CONNECT_SECONDS, _STATEMENT_SECONDS = 10.0, 60.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_TABLES = """
CREATE TABLE IF NOT EXISTS {table} (
    id          text PRIMARY KEY,
    type        text NOT NULL,
    timestamp   timestamptz NOT NULL,
    environment text NOT NULL,
    version     bigint NOT NULL,
    cause       text NOT NULL,
    segment     text,
    profile     text,
    data        jsonb NOT NULL
);
CREATE TABLE IF NOT EXISTS {batches} (
    stream     text PRIMARY KEY,
    number     bigint NOT NULL,
    first_seq  bigint NOT NULL,
    last_seq   bigint NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now()
);
"""

#: No row: the batch was written, or a later one. Of two at once one waits for the other.
_BEGIN = """
INSERT INTO {batches} AS b (stream, number, first_seq, last_seq) VALUES ($1, $2, $3, $4)
ON CONFLICT (stream) DO UPDATE
SET number = excluded.number, first_seq = excluded.first_seq, last_seq = excluded.last_seq, written_at = now()
WHERE b.number < excluded.number
RETURNING number
"""
_NEWEST = """
SELECT number FROM {batches} WHERE stream = $1
"""

_ROWS = """
INSERT INTO {table} (id, type, timestamp, environment, version, cause, segment, profile, data)
SELECT n.id, n.type, n.timestamp, n.environment, n.version, n.cause, n.segment, n.profile, n.data::jsonb
FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[],
            $9::text[]) AS n (id, type, timestamp, environment, version, cause, segment, profile, data)
ON CONFLICT (id) DO NOTHING
"""

_COLUMNS = """
SELECT a.attname FROM pg_attribute a WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
"""

#: Classes of errors that a person has to act on: rights, names, types.
_LASTING = ("0A", "22", "23", "28", "3D", "3F", "42")
#: Messages of these classes may have values of rows.
_OF_VALUES = ("22", "23")


class PostgresSink:
    """A table."""

    def __init__(self, document: PostgresDocument, reach: Reach) -> None:
        self._document = document
        self._reach = reach
        schema = _quoted(document.schema)
        names = {"table": f"{schema}.{_quoted(document.table)}", "batches": f"{schema}.tinycdp_batches"}
        self._table, self._schema = names["table"], schema
        self._make, self._begin, self._newest, self._rows = (
            text.format(**names) for text in (_TABLES, _BEGIN, _NEWEST, _ROWS)
        )

    async def write(self, batch: RecordBatch) -> None:
        """Write the rows and the number of a batch in one transaction."""
        async with self._connected() as connection, connection.transaction():
            await self._prepare(connection)
            if await connection.fetchval(self._begin, batch.stream, batch.number, batch.first, batch.last) is None:
                if await connection.fetchval(self._newest, batch.stream) != batch.number:
                    raise overtaken()
                return
            rows = [
                (
                    one.id, one.type, _EPOCH + timedelta(milliseconds=one.at), one.environment, one.version, one.cause,
                    one.segment, one.profile, one.data.decode(),
                )
                for one in batch.records
            ]  # fmt: skip
            await connection.execute(self._rows, *map(list, zip(*rows, strict=True)))

    async def check(self) -> None:
        """Connect, and look at the table if there is one."""
        async with self._connected() as connection:
            found = {row[0] for row in await connection.fetch(_COLUMNS, self._table)}
            missing = [name for name in COLUMNS if name not in found]
            if found and missing:
                raise SinkError(f"The table {self._table} has no column {', '.join(missing)}.", lasting=True)

    async def close(self) -> None:
        """Nothing stays open between batches."""

    async def _prepare(self, connection: Any) -> None:
        """Make the tables if they are not there; rights to make some are needed only then."""
        asked = [f"{self._schema}.tinycdp_batches", self._table]
        if None in [await connection.fetchval("SELECT to_regclass($1)::text", name) for name in asked]:
            if await connection.fetchval("SELECT to_regnamespace($1)::text", self._schema) is None:
                await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {self._schema}")
            await connection.execute(self._make)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Any]:
        document = self._document
        where = f"{document.host}:{document.port}"
        try:
            address = await address_for(self._reach, document.hosts()[0])
            connection = await asyncpg.connect(
                host=address,
                port=document.port,
                user=document.user,
                password=secret_of(document.password) if document.password else "",  # never one of this process
                database=document.database,
                ssl=context_for(document.host, document.ca) if document.tls == "verify" else False,
                timeout=_CONNECT_SECONDS,
                command_timeout=_STATEMENT_SECONDS,
                server_settings={"application_name": "tinycdp delivery"},
            )
            try:
                yield connection
            finally:
                connection.terminate()
        except NotAllowed as error:
            raise SinkError(f"The address is refused: {error}", lasting=True) from None
        except asyncpg.PostgresError as error:
            raise _rejection(error) from None
        except ssl.SSLCertVerificationError as error:
            raise SinkError(f"The certificate of {where} is not valid: {error.verify_message}", lasting=True) from None
        except (OSError, TimeoutError, asyncpg.InterfaceError) as error:
            raise SinkError(f"{where} cannot be reached: {error or type(error).__name__}") from None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _rejection(error: asyncpg.PostgresError) -> SinkError:
    state = str(error.sqlstate or "")
    said = str(error.args[0]) if error.args else type(error).__name__
    if state.startswith(_OF_VALUES):
        said = f"the rows do not fit the table ({type(error).__name__}, {error.column_name or error.constraint_name})"
    if state == "42P10":
        said = "the table has no unique index on id"
    return SinkError(f"Postgres refuses: {said}.", lasting=state.startswith(_LASTING))
