"""Files of answers, and of raw events.

Shape   Files(analytics).answer(environment, question, format) → File · events(environment, asked, format) → File
Laws    how many rows a file has is known before its first byte. Nothing limits the rows, and the memory does not grow
        with them. A file that is no longer read ends its statement in ClickHouse
Errors  those of a question · AnalyticsMissing where a package of the format is not installed
Source  docs/reference/analytics-files.md
"""

import asyncio
import secrets
import tempfile
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from tinycdp.errors import InvalidInput
from tinycdp.products.analytics.answers.scaling import about
from tinycdp.products.analytics.answers.schemas import Answer
from tinycdp.products.analytics.compile.event_rows import event_rows
from tinycdp.products.analytics.compile.sql import Statement
from tinycdp.products.analytics.files.charts import chart_of
from tinycdp.products.analytics.files.drawing import draw
from tinycdp.products.analytics.files.tables import Column, Table, table_of
from tinycdp.products.analytics.files.writers import check_package, csv_parts, excel, file_parts
from tinycdp.products.analytics.questions.schemas import Question, RawEventsQuestion
from tinycdp.products.analytics.service.answering import Analytics, Running
from tinycdp.runtime.environment import Environment
from tinycdp.times import iso

AnswerFormat = Literal["csv", "json", "xlsx", "parquet", "png"]
EventFormat = Literal["csv", "jsonl", "parquet"]

#: What ClickHouse writes by itself.
FORMATS = {"csv": "CSVWithNames", "jsonl": "JSONEachRow", "parquet": "Parquet"}
#: Files have exact numbers, and instants with their zone.
EXACT: dict[str, Any] = {
    "output_format_json_quote_64bit_integers": 0,
    "output_format_json_quote_decimals": 0,
    "output_format_json_quote_denormals": 0,
    "date_time_output_format": "iso",
}
_TYPES = {"text": "String", "whole": "Int64", "number": "Decimal(38, 9)", "flag": "Bool", "time": "String"}
_MOST_PARQUET_BYTES = 64 * 2**20

_encode = msgspec.json.Encoder(decimal_format="number").encode
_encode_texts = msgspec.json.Encoder(decimal_format="string").encode


@dataclass(frozen=True, slots=True)
class File:
    """A file that is written while it is read."""

    name: str
    as_of: str
    rows: int
    parts: AsyncGenerator[bytes]


class Files:
    """The files of one process."""

    def __init__(self, analytics: Analytics) -> None:
        self._analytics = analytics

    async def answer(self, environment: Environment, question: Question, format: AnswerFormat, id: str = "") -> File:
        """The answer to a question as a file."""
        if format == "xlsx":
            check_package("xlsxwriter", "xlsxwriter")
        elif format == "png":
            check_package("vl_convert", "vl-convert-python")
        answer = await self._analytics.answer(environment, question, id)
        table = table_of(answer)
        kind = type(answer).__name__.removesuffix("Answer").lower()
        parts = self._parts(environment, answer, table, format, id)
        return File(f"{kind}.{format}", answer.as_of, len(table), parts)

    async def events(
        self, environment: Environment, asked: RawEventsQuestion, format: EventFormat, *, raw: bool = False
    ) -> File:
        """Raw events as a file. raw: do not escape formulas."""
        world, _ = await self._analytics.worlds.at(environment)
        found = event_rows(asked, world, safe=format == "csv" and not raw)
        running = Running(environment.id, secrets.token_hex(8))
        (((rows,),),) = await self._analytics.rows([found.count], running)
        parts = self._analytics.stream(found.rows, running, FORMATS[format], EXACT)
        return File(f"events.{format}", iso(world.as_of), int(rows), parts)

    def _parts(
        self, environment: Environment, answer: Answer, table: Table, format: AnswerFormat, id: str
    ) -> AsyncGenerator[bytes]:
        match format:
            case "csv":
                return _in_turns(csv_parts(table))
            case "json":
                return _one(_encode(answer))
            case "png":
                return _picture(answer)
            case "xlsx":
                return _workbook(answer, table)
            case "parquet":
                running = Running(environment.id, id or secrets.token_hex(8))
                settings = {**EXACT, "max_query_size": 2 * _MOST_PARQUET_BYTES}
                return self._analytics.stream(_as_statement(table, answer.zone), running, "Parquet", settings)


def _as_statement(table: Table, zone: str) -> Statement:
    """A statement whose rows are those of a table: ClickHouse writes better Parquet than it is worth to write here."""
    structure = ", ".join(f"{_quoted_name(column)} Nullable({_TYPES[column.kind]})" for column in table.columns)
    lines, size = [], 0
    for row in table.rows:
        lines.append(_encode_texts(row).decode())
        size += len(lines[-1])
        if size > _MOST_PARQUET_BYTES:
            raise InvalidInput(
                "QUESTION_TOO_LARGE",
                f"The rows of the answer have more than {_MOST_PARQUET_BYTES // 2**20} MB, the most of an answer as "
                "Parquet. Ask for fewer groups or wider buckets, or for CSV or Excel, which have no limit.",
            )
    columns = ", ".join(
        f"parseDateTime64BestEffortOrNull({name}, 3, {_literal(zone)}) AS {name}" if column.kind == "time" else name
        for column, name in ((column, _quoted_name(column)) for column in table.columns)
    )
    data = _literal("\n".join(lines))
    return Statement(f"SELECT {columns} FROM format(JSONCompactEachRow, {_literal(structure)}, {data})", {})


def _quoted_name(column: Column) -> str:
    return f"`{column.name}`"


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


async def _one(part: bytes) -> AsyncGenerator[bytes]:
    yield part


async def _picture(answer: Answer) -> AsyncGenerator[bytes]:
    yield await draw(chart_of(answer))


async def _in_turns(parts: Iterator[bytes]) -> AsyncGenerator[bytes]:
    """The parts; others have their turn between two of them."""
    for part in parts:
        yield part
        await asyncio.sleep(0)


async def _workbook(answer: Answer, table: Table) -> AsyncGenerator[bytes]:
    with tempfile.TemporaryDirectory(prefix="tinycdp-") as folder:
        path = Path(folder) / "answer.xlsx"
        await asyncio.to_thread(excel, table, path, about(answer))
        async for part in _in_turns(file_parts(path)):
            yield part
