"""Raw events: how many of each name, and every one of them as a row of a file.

Shape   top_names(asked, limit, world) → TopNames · event_rows(asked, world) → EventRows
Laws    the count and the rows are of one set: events that arrived before as_of. They do not differ if others arrive
        between the two statements
        the rows are in the order of time, simultaneous ones in the order of arrival
Source  docs/reference/analytics-files.md
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tinycdp.products.analytics.answers.schemas import Notice
from tinycdp.products.analytics.compile.calendar import span_of
from tinycdp.products.analytics.compile.scan import Scan
from tinycdp.products.analytics.compile.sql import Parameters, Statement, indented, listed
from tinycdp.products.analytics.compile.world import World
from tinycdp.products.analytics.questions.schemas import RawEventsQuestion
from tinycdp.runtime.transfer.cells import FORMULA

#: The columns of a file: SQL over an event, and whether it is a text that a client chose.
_COLUMNS: Mapping[str, tuple[str, bool]] = {
    "event_id": ("e.id", False),
    "event": ("toString(e.name)", True),
    "kind": ("toString(e.kind)", False),
    "occurred_at": ("e.occurred_at", False),
    "received_at": ("e.received_at", False),
    "person_id": ("", False),
    "message_id": ("e.message_id", True),
    "active": ("e.active", False),
    "properties": ("toJSONString(e.properties)", False),
    "context": ("toJSONString(e.context)", False),
}
#: The rule of all CSV files, as a literal of SQL.
_FORMULA = FORMULA.replace("\\", "\\\\")


@dataclass(frozen=True, slots=True)
class TopNames:
    """How many events of each name; a statement and its warnings."""

    statement: Statement
    notices: tuple[Notice, ...]


@dataclass(frozen=True, slots=True)
class EventRows:
    """The rows of raw events, and how many they are."""

    count: Statement
    rows: Statement
    notices: tuple[Notice, ...]


def top_names(asked: RawEventsQuestion, limit: int, world: World) -> TopNames:
    """The names with the most events, ties in the order of names: name, events, people."""
    parameters = Parameters()
    scan = _scan(asked, world, parameters)
    name = scan.column("toString(e.name)")
    sql = (
        f"SELECT {name} AS name, count() AS n, uniqExact(person) AS people\nFROM {scan.source()}\n"
        f"GROUP BY name ORDER BY n DESC, name LIMIT {parameters.whole(limit)}"
    )
    return TopNames(Statement(sql, parameters.values), scan.notices)


def event_rows(asked: RawEventsQuestion, world: World, *, safe: bool) -> EventRows:
    """The events of a question. safe: a text that a spreadsheet would run as a formula gets an apostrophe in front."""
    parameters = Parameters()
    scan = _scan(asked, world, parameters)
    arrived = scan.column("e.received_at")
    columns = [
        f"{_shown(scan.column(sql) if sql else 'person', guarded=safe and is_text)} AS {name}"
        for name, (sql, is_text) in _COLUMNS.items()
    ]
    order = scan.column("e.id")
    source = f"FROM {scan.source()}\nWHERE {arrived} < fromUnixTimestamp64Milli({parameters.whole(world.as_of)}, 'UTC')"
    rows = f"SELECT {listed(columns)}\n{indented(source, 0)}\nORDER BY at, {order}"
    return EventRows(
        Statement(f"SELECT count()\n{source}", parameters.values), Statement(rows, parameters.values), scan.notices
    )


def _scan(asked: RawEventsQuestion, world: World, parameters: Parameters) -> Scan:
    span = span_of(asked.from_, asked.to, asked.last, world.zone, world.as_of)
    scan = Scan.of(asked, world, span, parameters)
    scan.match(asked.event, asked.where, "")
    return scan


def _shown(column: str, *, guarded: bool) -> Any:
    return f"if(match({column}, '{_FORMULA}'), concat('\\'', {column}), {column})" if guarded else column
