"""Pieces of SQL for ClickHouse.

Shape   Statement(sql, parameters); `Parameters` of the language's ClickHouse dialect collects the values
Laws    a value never stands in the SQL text; it is a parameter, and never null
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tinycdp.dsl.sql.clickhouse import Parameters

__all__ = ["Parameters", "Statement", "indented", "layered", "listed", "narrowed"]


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement; `parameters` has a value for each {name:Type} in it."""

    sql: str
    parameters: Mapping[str, Any]


def indented(sql: str, by: int = 2) -> str:
    """The SQL with all lines but the first moved to the right."""
    return sql.replace("\n", "\n" + " " * by)


def listed(columns: Iterable[str]) -> str:
    """SeriesColumns, one a line."""
    return ",\n  ".join(columns)


def layered(table: str, *columns: str) -> str:
    """The rows of a statement with more columns, which may read those it has.

    A layer keeps the statement linear: an alias inside one SELECT would be copied to each of its uses. Each layer costs
    planning time for every column that it passes on."""
    return f"SELECT *,\n  {listed(columns)}\nFROM (\n{table}\n)" if columns else table


def narrowed(table: str, *columns: str) -> str:
    """The rows of a statement with these columns only."""
    return f"SELECT {listed(columns)}\nFROM (\n{table}\n)"
