"""Filters of questions in ClickHouse give what the evaluator gives, on rows with every kind of value.

A query answers all filters of an example for all its rows, so that hundreds of cases cost one round trip.
"""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from clickhouse_rows import ask, insert, json_text, session
from laws import DEEP, examples
from strategies.filters import FILTERS, NUMBERS, ROWS, VALUES, Row
from tinycdp.dsl import ir
from tinycdp.dsl.check.expressions import Scope
from tinycdp.dsl.check.filters import check_event_filter
from tinycdp.dsl.compile import Compiler
from tinycdp.dsl.evaluators import Activation, coerce
from tinycdp.dsl.sql.clickhouse import Filters, JsonPath, JsonText, JsonValue, Parameters, read_scalar, scalar_order
from tinycdp.dsl.values.calendar import days_in
from tinycdp.model import NEVER

pytest.importorskip("chdb", reason="chdb has no wheel for this platform")
ZONE = "Europe/Berlin"
SCOPE = Scope(segments={"vip"})
SAID = ("x", "y", "tag", "n", "m", "version", "at")
law = examples(8, deep=400)


class EventRow(Activation):
    """One event, with what a filter may read beside it."""

    __slots__ = ("event",)

    def __init__(self, row: Row) -> None:
        super().__init__(
            row.now,
            calendar=days_in(ZONE),
            properties=row.profile,
            state=lambda key: None,
            first_seen=row.first_seen,
            last_seen=None,
            evaluators={("segment", "vip"): lambda activation, now: (row.member, NEVER)},
            context=row.context,
            group=row.group,
        )
        self.event = row.properties


class EventSource:
    """The event and its context are JSON columns. What was said of the profile is JSON text, a column for each name."""

    def event_property(self, path: tuple[str, ...]) -> JsonValue:
        return JsonPath("e.properties", path)

    def context(self, path: tuple[str, ...]) -> JsonValue:
        return JsonPath("e.context", path)

    def profile_property(self, path: tuple[str, ...]) -> JsonValue:
        return JsonText(f"said_{path[0]}", path[1:]) if path[0] in SAID else JsonPath("e.profile", path)

    def group_trait(self, path: tuple[str, ...]) -> JsonValue:
        return JsonPath("e.traits", path)

    def segment(self, key: str) -> str:
        return f"e.{key}"

    def seen(self, which: str) -> str:
        return f"e.{which}_seen"

    def now(self) -> str:
        return "e.now"


def kept(value: Any) -> Any:
    """A value as a JSON column keeps it: see reads.py."""
    match value:
        case dict():
            members = {name: kept(member) for name, member in value.items()}
            return {name: member for name, member in members.items() if member is not None} or None
        case list():
            return [kept(item) for item in value]
        case bool():
            return value
        case Decimal() if "." in json_text(value):
            return Decimal(repr(float(value)))
        case int() | Decimal():
            return int(value) if -(2**63) <= value < 2**64 else json_text(value)
    return value


def kept_row(row: Row) -> Row:
    profile = {
        name: value if name in SAID and not isinstance(value, dict | list) else kept(value)
        for name, value in row.profile.items()
    }
    return Row(
        *((kept(part) or {}) for part in (row.properties, row.context)), profile, kept(row.group) or {},
        row.member, row.first_seen, row.now,
    )  # fmt: skip


@pytest.fixture(scope="module")
def table() -> Iterator[str]:
    said = ", ".join(f"said_{name} String" for name in SAID)
    json_columns = ", ".join(
        f"{name} JSON(max_dynamic_paths=8)" for name in ("properties", "context", "profile", "traits")
    )
    session().query("DROP TABLE IF EXISTS laws.filtered")
    session().query(
        f"CREATE TABLE laws.filtered (id UInt32, {json_columns}, {said}, "
        "vip Bool, first_seen Nullable(Int64), now Int64) ENGINE = MergeTree ORDER BY id"
    )
    yield "laws.filtered"
    session().query("DROP TABLE laws.filtered")


@pytest.fixture(scope="module")
def compared() -> Iterator[Counter[Any]]:
    counted: Counter[Any] = Counter()
    yield counted
    assert counted.total() >= (50_000 if DEEP else 1_500)
    assert min(counted[True], counted[False], counted[None]) > counted.total() / 50


def fill(table: str, rows: list[Row]) -> None:
    session().query(f"TRUNCATE TABLE {table}")
    columns = ", ".join(f"said_{name}" for name in SAID)
    written = [
        [
            n, row.properties, row.context, row.profile, row.group,
            *(json_text(row.profile[name]) if name in row.profile else "" for name in SAID),
            row.member, row.first_seen, row.now,
        ]
        for n, row in enumerate(rows)
    ]  # fmt: skip
    insert(table, f"id, properties, context, profile, traits, {columns}, vip, first_seen, now", written)


@law
@given(st.lists(FILTERS, min_size=20, max_size=24), st.lists(ROWS, min_size=12, max_size=20))
def test_a_filter_in_clickhouse_is_the_filter(
    table: str, compared: Counter[Any], sources: list[str], rows: list[Row]
) -> None:
    nodes = {}
    for source in sources:
        checked = check_event_filter(source, SCOPE, None)
        if checked.node is not None:
            nodes[source] = checked.node
    fill(table, rows)
    parameters = Parameters()
    filters = Filters(EventSource(), parameters, ZONE)
    columns = ", ".join(f"{filters.condition(node)}, {filters.value(node)}" for node in nodes.values())
    answers = ask(f"SELECT {columns or 1} FROM {table} AS e ORDER BY id", parameters.values)
    evaluators = {source: Compiler().compile(node) for source, node in nodes.items()}
    for row, answer in zip(rows, answers, strict=True):
        activation = EventRow(kept_row(row))
        for n, (source, evaluate) in enumerate(evaluators.items()):
            expected, _ = evaluate(activation, activation.now)
            condition, value = answer[2 * n : 2 * n + 2]
            value = None if value is None else bool(value)
            if (condition, value) != (expected is True, expected):
                note(f"{source}\n{row}\n{filters.value(nodes[source])}\n{filters.condition(nodes[source])}")
                assert (condition, value) == (expected is True, expected)
            compared[expected] += 1


def order(scalar: Any) -> tuple[Any, ...]:
    """SPEC "Aggregates": numbers by value, false, true, text by code points."""
    if isinstance(scalar, bool):
        return (1, scalar)
    return (2, scalar.encode()) if isinstance(scalar, str) else (0, scalar)


@law
@given(st.lists(VALUES | NUMBERS, min_size=20, max_size=60))
def test_scalars_read_back_and_stand_in_order(table: str, values: list[Any]) -> None:
    fill(table, [Row({"x": value}, {}, {"x": value}, {}, False, None, 0) for value in values])
    stored, text = JsonPath("e.properties", ("x",)), JsonText("said_x")
    answers = ask(
        f"SELECT {stored.scalar()}, {stored.number()}, {text.scalar()}, {text.number()} FROM {table} AS e ORDER BY id",
        {},
    )
    for value, (of_column, number, of_text, number_of_text) in zip(values, answers, strict=True):
        for sent, scalar, decimal in ((kept(value), of_column, number), (value, of_text, number_of_text)):
            known = coerce(sent, ir.Type.DYN)
            expected = known if isinstance(known, str | bool | int | Decimal) else None
            note(repr(value))
            found = None if scalar is None else read_scalar(scalar)
            assert (type(found) is bool, found) == (type(expected) is bool, expected)
            is_number = isinstance(expected, int | Decimal) and not isinstance(expected, bool)
            assert (None if decimal is None else Decimal(decimal)) == (expected if is_number else None)
    for read in (stored, text):
        scalars = f"SELECT {read.scalar()} AS k FROM {table} AS e WHERE k IS NOT NULL"
        groups = ask(f"{scalars} GROUP BY k ORDER BY {scalar_order('k')}", {})
        found = [read_scalar(scalar) for (scalar,) in groups]
        assert found == sorted(found, key=order)
        assert len({order(scalar) for scalar in found}) == len(found)
