"""Batches into a table of ClickHouse: exactly once, as long as the table remembers.

Laws    a batch is one INSERT of one block, with a token that names it; ClickHouse drops a block whose token is among
        the newest of its table. A table that remembers none is refused.
        Requests are sent by what sends webhooks, with its checks of addresses
Errors  SinkError
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Protocol
from urllib.parse import urlencode

from tinycdp.products.delivery.definitions.schemas import ClickHouseDocument
from tinycdp.products.delivery.sinks.sink import RecordBatch, SinkError, line_of, secret_of

_TABLE = """
CREATE TABLE IF NOT EXISTS {table} (
    id String, type LowCardinality(String), timestamp DateTime64(3, 'UTC'), environment LowCardinality(String),
    version UInt64, cause LowCardinality(String), segment Nullable(String), profile Nullable(String), data String
) ENGINE = MergeTree ORDER BY (type, timestamp, id) SETTINGS non_replicated_deduplication_window = 1000
"""
_LOOK = r"""
SELECT engine, extract(create_table_query, 'non_replicated_deduplication_window\s*=\s*(\d+)')
FROM system.tables WHERE database = {database:String} AND name = {table:String} FORMAT TabSeparated
"""
_INSERT = """
INSERT INTO {table} (id, type, timestamp, environment, version, cause, segment, profile, data) FORMAT JSONEachRow
"""
#: One block, whatever the server's defaults are.
_SETTINGS = {
    "async_insert": "0",
    "date_time_input_format": "best_effort",
    "input_format_parallel_parsing": "0",
    "input_format_json_read_objects_as_strings": "1",
    "input_format_skip_unknown_fields": "0",
    "insert_deduplicate": "1",
    "max_insert_block_size": "1000000",
    "min_insert_block_size_rows": "0",
    "min_insert_block_size_bytes": "0",
}
_CODE = re.compile(r"Code: (\d+)\. DB::Exception: (.*?)(?:\. ?\(|: \(|: While|$)", re.DOTALL)
#: Of ClickHouse: overload, timeouts, no space, a table that is read-only for now.
_PASSING = frozenset({159, 202, 203, 209, 210, 241, 242, 243, 252, 319, 425, 999})


#: Of parsing and of types: their messages have values of rows.
_OF_VALUES = frozenset({6, 25, 26, 27, 32, 33, 38, 41, 53, 69, 70, 72, 117, 321, 349, 407, 469, 691})


class Answer(Protocol):
    """What was answered. error: "" if it is good"""

    @property
    def status(self) -> int | None: ...
    @property
    def error(self) -> str: ...
    @property
    def answer(self) -> str: ...


Post = Callable[[str, Mapping[str, str], bytes], Awaitable[Answer]]


class ClickHouseSink:
    """A table."""

    def __init__(self, document: ClickHouseDocument, post: Post) -> None:
        self._document = document
        self._post = post
        self._table = f"{_quoted(document.database)}.{_quoted(document.table)}"
        self._remembers = False

    async def write(self, batch: RecordBatch) -> None:
        """Insert the rows as one block."""
        if not self._remembers:
            if await self._look() is None:
                await self._ask(_TABLE.format(table=self._table))
            self._remembers = True
        token = f"tinycdp-{batch.stream}-{batch.number}"
        body = b"\n".join(map(line_of, batch.records))
        await self._ask(
            _INSERT.format(table=self._table),
            body,
            {**_SETTINGS, "insert_deduplication_token": token},
        )

    async def check(self) -> None:
        """Ask for the table."""
        await self._look()

    async def close(self) -> None:
        """Nothing of its own is open."""

    async def _look(self) -> str | None:
        """The engine of the table, None if it does not exist; refuses one that remembers no tokens."""
        named = {"param_database": self._document.database, "param_table": self._document.table}
        found = (await self._ask(_LOOK, settings=named)).strip()
        if not found:
            return None
        engine, _, window = found.partition("\t")
        if engine.startswith(("Replicated", "Shared")) or (window and int(window) > 0):
            return engine
        message = (
            f"The table {self._table} of engine {engine} does not remember what was inserted: "
            f"ALTER TABLE {self._table} MODIFY SETTING non_replicated_deduplication_window = 1000."
        )
        raise SinkError(message, lasting=True)

    async def _ask(self, query: str, body: bytes = b"", settings: Mapping[str, str] = MappingProxyType({})) -> str:
        """The answer to a statement."""
        given = {**settings, "query": query} if body else settings
        headers = {"X-ClickHouse-User": self._document.user}
        if self._document.password is not None:
            headers["X-ClickHouse-Key"] = secret_of(self._document.password)
        url = f"{self._document.url}?{urlencode(given)}" if given else self._document.url
        result = await self._post(url, headers, body or query.encode())
        if not result.error:
            return result.answer
        if (found := _CODE.search(result.answer)) is None:
            raise SinkError(result.error, lasting=result.status in (401, 403, 404))
        code = int(found[1])
        said = f"the rows do not fit the table (code {code})" if code in _OF_VALUES else found[2]
        raise SinkError(f"ClickHouse refuses: {said}", lasting=code not in _PASSING)


def _quoted(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
