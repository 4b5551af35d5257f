"""The client of ClickHouse: the engine of this machine, or the server of CLICKHOUSE_URL.

Shape   ClickHouse(settings) connects when it is first used, and anew after an outage
        query() gives rows · stream() a file as ClickHouse writes it · insert() streams data in · command() · kill()
Laws    the same SQL for both; values are parameters, as {name:Type} in the text
        a call that is cancelled ends its statement in ClickHouse, too
        settings travel with the statement; `comment` is its log_comment, by which kill() finds it
Errors  AnalyticsAway, TimedOut, OutOfMemory, QuestionFailed: see errors.py
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from tinycdp.outages import Outage
from tinycdp.products.analytics import endpoint
from tinycdp.products.analytics.packages import check_client, check_engine
from tinycdp.products.analytics.store import errors
from tinycdp.products.analytics.store.errors import AnalyticsAway
from tinycdp.settings import Settings

DATABASE = "tinycdp"
#: How a value of a statement travels to ClickHouse.
Values = Mapping[str, Any]
_NONE: Values = MappingProxyType({})

_CONNECT_SECONDS = 5
# Longer than any statement may take: ClickHouse's own limit ends it, with an error that says why.
_LONGEST_SECONDS = 900
#: Settings of every statement. A property named "a.b" is no path into an object "a".
_ALWAYS: Values = {"json_type_escape_dots_in_keys": 1}
_INSERTING: Values = {
    "async_insert": 0,
    "input_format_try_infer_dates": 0,
    "input_format_try_infer_datetimes": 0,
    "distributed_foreground_insert": 1,
}

log = logging.getLogger(__name__)


class Site(NamedTuple):
    """Where tables are made.

    cluster         "" for one server
    user, password  with which a dictionary reads its table, "" for the default"""

    database: str
    cluster: str = ""
    user: str = ""
    password: str = ""


class ClickHouse:
    """A pool of connections to one database. Use it as an async context manager, or close it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Any = None
        self._connected_to: _Address | None = None
        self._connecting = asyncio.Lock()
        self._outage = Outage("analytics")

    async def __aenter__(self) -> "ClickHouse":
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self.close()

    @property
    def place(self) -> "Site":
        """Where tables are made."""
        if self._settings.clickhouse_url is None:
            return Site(DATABASE)
        address = _address(self._settings)
        return Site(address.database, self._settings.clickhouse_cluster or "", address.user, address.password)

    async def query(
        self,
        sql: str,
        parameters: Values = _NONE,
        *,
        settings: Values = _NONE,
        comment: str = "",
        anywhere: bool = False,
    ) -> list[tuple[Any, ...]]:
        """The rows of a result, with Python's types. anywhere: it needs no database."""
        with self._failures():
            client = await self._connected()
            given = self._given(settings, comment, anywhere=anywhere)
            result = await client.query(sql, parameters=dict(parameters), settings=given)
            return [tuple(row) for row in result.result_rows]

    async def stream(
        self, sql: str, parameters: Values = _NONE, *, format: str, settings: Values = _NONE, comment: str = ""
    ) -> AsyncGenerator[bytes]:
        """A result in a format of ClickHouse, in parts, as it is written."""
        with self._failures():
            client = await self._connected()
            stream = await client.raw_stream(
                sql,
                parameters=dict(parameters),
                settings=self._given(settings, comment),
                fmt=format,
                use_database=False,  # it is among the settings, and the client's own would replace it
            )
            async with stream as parts:
                async for part in parts:
                    yield part

    async def command(
        self,
        sql: str,
        parameters: Values = _NONE,
        *,
        settings: Values = _NONE,
        comment: str = "",
        anywhere: bool = False,
    ) -> None:
        """Run a statement that has no result. anywhere: it needs no database."""
        with self._failures():
            client = await self._connected()
            given = self._given(settings, comment, anywhere=anywhere)
            await client.command(sql, parameters=dict(parameters), settings=given)

    async def insert(
        self,
        into: str,
        chunks: AsyncIterator[bytes],
        *,
        format: str = "TabSeparated",
        token: str = "",
        settings: Values = _NONE,
        comment: str = "",
    ) -> None:
        """Stream data into a table: `into` is its name, with columns in brackets if not all.

        token  data that were inserted with this token before are not inserted again"""
        deduplication: Values = {"insert_deduplication_token": token} if token else {}
        with self._failures():
            client = await self._connected()
            await client.raw_insert(
                into,
                insert_block=chunks,
                fmt=format,
                settings=self._given({**_INSERTING, **deduplication, **settings}, comment),
            )

    async def kill(self, comment: str) -> None:
        """End the statements with this comment."""
        where = f"ON CLUSTER '{cluster}' " if (cluster := self.place.cluster) else ""
        sql = f"KILL QUERY {where}WHERE Settings['log_comment'] = {{comment:String}} ASYNC"
        await self.command(sql, {"comment": comment}, anywhere=True)

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _given(self, settings: Values, comment: str, *, anywhere: bool = False) -> dict[str, Any]:
        commented = {"log_comment": comment} if comment else {}
        database = {} if anywhere else {"database": self.place.database}
        return {**database, **_ALWAYS, **settings, **commented}

    async def _connected(self) -> Any:
        address = _address(self._settings)
        if self._client is not None and address == self._connected_to:
            return self._client
        async with self._connecting:
            if self._client is None or address != self._connected_to:
                await self.close()
                self._client = await _connect(address)
                self._connected_to = address
        return self._client

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        """Turn errors of the client into this product's."""
        check_client()
        from clickhouse_connect.driver.exceptions import ClickHouseError  # noqa: PLC0415 - an optional package

        try:
            yield
        except ClickHouseError as failure:
            raise self._noticed(failure) from None
        except AnalyticsAway as failure:
            self._outage.noticed(failure, "questions answer 503")
            raise
        self._outage.ended()

    def _noticed(self, failure: Exception) -> Exception:
        number = getattr(failure, "code", None)
        text = str(failure)
        wrong = errors.of(number, text) if number else AnalyticsAway(text.partition("\n")[0])
        if isinstance(wrong, AnalyticsAway):
            self._outage.noticed(wrong, "questions answer 503")
        elif isinstance(wrong, errors.QuestionFailed):
            log.error("ClickHouse refused a statement: %s", text)
        return wrong


class _Address(NamedTuple):
    secure: bool
    host: str
    port: int
    user: str
    password: str
    database: str


def _address(settings: Settings) -> _Address:
    """Where ClickHouse is now: the embedded one may be at another port after a restart."""
    if settings.clickhouse_url is None:
        check_engine()
        if (shown := endpoint.read(settings)) is None:
            raise AnalyticsAway("its process has not started yet")
        return _Address(False, endpoint.HOST, shown.port, endpoint.USER, shown.token, DATABASE)
    url = urlsplit(settings.clickhouse_url)
    secure = url.scheme == "https"
    return _Address(
        secure,
        url.hostname or "localhost",
        url.port or (8443 if secure else 8123),
        unquote(url.username or "default"),
        unquote(url.password or ""),
        unquote(url.path.strip("/")) or DATABASE,
    )


async def _connect(address: _Address) -> Any:
    import clickhouse_connect  # noqa: PLC0415 - an optional package

    local = address.user == endpoint.USER and address.host == endpoint.HOST
    return await clickhouse_connect.get_async_client(
        interface="https" if address.secure else "http",
        host=address.host,
        port=address.port,
        username=address.user,
        password=address.password,
        database="default",
        compress=not local,
        connect_timeout=_CONNECT_SECONDS,
        send_receive_timeout=_LONGEST_SECONDS,
        autogenerate_session_id=False,
    )


async def describe(settings: Settings) -> str:
    """What answers, for a report. Raises what query() raises."""
    async with ClickHouse(settings) as clickhouse:
        ((version, size),) = await clickhouse.query(
            "SELECT version(), (SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = {name:String})",
            {"name": clickhouse.place.database},
            anywhere=True,
        )
    kind = "ClickHouse" if settings.clickhouse_url else "the embedded ClickHouse"
    return f"{kind} {version} answers, with {(size or 0) / 1e9:.1f} GB of tables"
