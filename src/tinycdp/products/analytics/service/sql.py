"""SQL of clients: read-only, over the views of one environment.

Shape   Sql(…).rows(environment, request) → SqlAnswer · stream(…) → a file as ClickHouse writes it
Laws    what runs is what was checked: ClickHouse writes the statement anew, its tree is checked, and that text runs.
        It runs in a database that has only the views of the environment, with the limits of any question.
        as_of is read before the statement runs
Errors  InvalidInput SQL_REFUSED, SQL_FAILED with ClickHouse's own message, TIMED_OUT, OUT_OF_MEMORY · ANALYTICS_BUSY
Source  docs/reference/analytics-sql.md
"""

import re
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import msgspec

from tinycdp.errors import InvalidInput
from tinycdp.model import Instant
from tinycdp.products.analytics.compile.sql import Statement
from tinycdp.products.analytics.service.answering import (
    LONGEST_FILE_SECONDS,
    LONGEST_SECONDS,
    Analytics,
    Running,
)
from tinycdp.products.analytics.service.files import EXACT
from tinycdp.products.analytics.service.sql_check import FUNCTION_KINDS, TREE_FORMAT, check, sql_error
from tinycdp.products.analytics.store.errors import QuestionFailed
from tinycdp.products.analytics.store.views import make_views
from tinycdp.runtime.environment import Environment

LONGEST_SQL = 100_000
#: Most rows of an answer in JSON; a file has all.
MOST_ROWS = 10_000
_ROWS_FORMAT = "JSONCompactEachRowWithNamesAndTypes"
#: Asks for the ids of all flags, and the splits of none: no flag has this key.
ALL_FLAGS = "*"
_NAME = re.compile(r"[A-Za-z_]\w{0,63}")


@dataclass(frozen=True, slots=True)
class SqlRows:
    """The rows of a statement, each as JSON text; `more` if there are others."""

    as_of: Instant
    columns: tuple[tuple[str, str], ...]
    rows: list[msgspec.Raw]
    more: bool


class Sql:
    """The SQL of one process."""

    def __init__(self, analytics: Analytics) -> None:
        self._analytics = analytics
        self._functions: frozenset[str] | None = None
        self._made: dict[int, tuple[int, str]] = {}

    async def rows(self, environment: Environment, sql: str, parameters: Mapping[str, Any], id: str = "") -> SqlRows:
        """The rows of a statement, at most MOST_ROWS."""
        as_of, statement, database = await self._prepared(environment, sql, parameters)
        settings = {"database": database, **EXACT, "limit": MOST_ROWS + 1, "wait_end_of_query": 1}
        parts = self._stream(environment, statement, _ROWS_FORMAT, settings, id, seconds=LONGEST_SECONDS)
        lines = b"".join([part async for part in parts]).splitlines()
        names, types = (msgspec.json.decode(line, type=list[str]) for line in lines[:2])
        rows = [msgspec.Raw(line) for line in lines[2:]]
        columns = tuple(zip(names, types, strict=True))
        return SqlRows(as_of, columns, rows[:MOST_ROWS], len(rows) > MOST_ROWS)

    async def file(
        self, environment: Environment, sql: str, parameters: Mapping[str, Any], format: str, id: str = ""
    ) -> tuple[Instant, AsyncGenerator[bytes]]:
        """All rows of a statement in a format of ClickHouse."""
        as_of, statement, database = await self._prepared(environment, sql, parameters)
        settings = {"database": database, **EXACT}
        return as_of, self._stream(environment, statement, format, settings, id, seconds=LONGEST_FILE_SECONDS)

    async def _prepared(
        self, environment: Environment, sql: str, parameters: Mapping[str, Any]
    ) -> tuple[Instant, Statement, str]:
        if len(sql) > LONGEST_SQL:
            raise sql_error(f"it is longer than {LONGEST_SQL:,} characters")
        given = {_name(name): _value(name, value) for name, value in parameters.items()}
        world, place = await self._analytics.worlds.at(environment, flag=ALL_FLAGS)
        flags = {key: flag.definition_id for key, flag in world.flags.items()}
        made = self._made.get(environment.id)
        if made is None or made[0] != place.revision:
            database = await make_views(self._analytics.clickhouse, environment.id, world.segments, flags)
            self._made[environment.id] = made = (place.revision, database)
        text = await self._text("SELECT formatQuerySingleLine({sql:String})", {"sql": sql}, made[1])
        tree = await self._text(f"EXPLAIN AST {text}", given, made[1])
        check(tree, await self._known_functions())
        return world.as_of, Statement(text, given), made[1]

    async def _known_functions(self) -> frozenset[str]:
        """The functions that only compute, in lower case."""
        if self._functions is None:
            rows = await self._analytics.clickhouse.query(
                "SELECT lower(name), lower(alias_to), lower(categories) FROM system.functions WHERE origin = 'System'"
            )
            known = {name for name, _, kind in rows if kind.removesuffix("s") in FUNCTION_KINDS}
            self._functions = frozenset(known | {name for name, alias, _ in rows if alias in known})
        return self._functions

    async def _text(self, sql: str, parameters: Mapping[str, Any], database: str) -> str:
        """The text that ClickHouse answers."""
        parts = self._analytics.clickhouse.stream(sql, parameters, format=TREE_FORMAT, settings={"database": database})
        try:
            return b"".join([part async for part in parts]).decode().rstrip("\n")
        except QuestionFailed as failure:
            raise failed(failure) from None

    async def _stream(
        self,
        environment: Environment,
        statement: Statement,
        format: str,
        settings: Mapping[str, Any],
        id: str,
        *,
        seconds: int,
    ) -> AsyncGenerator[bytes]:
        running = Running(environment.id, id or secrets.token_hex(8))
        try:
            async with aclosing(self._analytics.stream(statement, running, format, settings, seconds=seconds)) as parts:
                async for part in parts:
                    yield part
        except QuestionFailed as failure:
            raise failed(failure) from None


def failed(failure: QuestionFailed) -> InvalidInput:
    """ClickHouse's message about a statement of a client, without what is only for operators."""
    said = failure.text.partition("DB::Exception: ")[2] or failure.text
    said = re.sub(r"\s*\(version [^)]*\)|\s*\(for url [^)]*\)", "", said).strip()
    return InvalidInput("SQL_FAILED", f"ClickHouse does not run this SQL: {said[:2000]}", number=failure.number)


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise InvalidInput("INVALID_REQUEST", f"parameters: {name[:40]!r} is not a name.", path="parameters")
    return name


def _value(name: str, value: Any) -> Any:
    """A parameter as the client of ClickHouse takes it."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, list) and all(isinstance(one, str | int | float) for one in value):
        return value
    path = f"parameters.{name}"
    raise InvalidInput("INVALID_REQUEST", f"{path}: Give a text, a number, a boolean or a list of them.", path=path)
