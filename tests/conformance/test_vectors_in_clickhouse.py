"""Every vector that a filter of a question can express, held against its SQL for ClickHouse.

What it reads of the profile is a JSON column of the row. Vectors of aggregates, traits and flags are another matter."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from test_vectors import CASES, plain, typed_case

from builders import Vector
from clickhouse_rows import ask, insert, session
from tinycdp.dsl import ir
from tinycdp.dsl.sql.clickhouse import Filters, JsonPath, JsonValue, Parameters, read_scalar
from tinycdp.dsl.values.numbers import nanos, number

pytest.importorskip("chdb", reason="chdb has no wheel for this platform")
BEYOND = (ir.AggregateRead, ir.Reference, ir.Seen, ir.Ago)
#: What a JSON column does not keep: members that are null, empty objects, and integers beyond 64 bits as numbers.
NOT_KEPT = ("None", "{}", "True]", "[True", "00000000000000000000", "99999999999999999999", "E+", "E-")


class ProfileSource:
    def __init__(self, now: int) -> None:
        self._now = now

    def event_property(self, path: tuple[str, ...]) -> JsonValue:
        raise AssertionError("vectors are of profiles")

    def context(self, path: tuple[str, ...]) -> JsonValue:
        return JsonPath("e.context", path)

    def profile_property(self, path: tuple[str, ...]) -> JsonValue:
        return JsonPath("e.profile", path)

    def group_trait(self, path: tuple[str, ...]) -> JsonValue:
        return JsonPath("e.traits", path)

    def segment(self, key: str) -> str:
        raise AssertionError("vectors of segments have definitions")

    def seen(self, which: str) -> str:
        raise AssertionError("a filter reads it of a row of people")

    def now(self) -> str:
        return f"toInt64({self._now})"


def expressible(vector: Vector) -> bool:
    if "expr" not in vector.case or vector.case.get("events"):
        return False
    _, node = typed_case(vector.case)
    kept = not any(part in str(vector.case.get("profile")) for part in NOT_KEPT)
    return kept and not any(isinstance(part, BEYOND) for part in ir.walk(node))


VECTORS = [vector for vector in CASES if expressible(vector)]


@pytest.fixture(scope="module")
def table() -> Iterator[str]:
    session().query("DROP TABLE IF EXISTS laws.profiles")
    session().query(
        "CREATE TABLE laws.profiles (profile JSON, context JSON, traits JSON) ENGINE = MergeTree ORDER BY tuple()"
    )
    yield "laws.profiles"
    session().query("DROP TABLE laws.profiles")


def read(value: Any, type_: ir.Type) -> Any:
    """A value of a column as vectors write it."""
    if value is None:
        return None
    match type_:
        case ir.Type.NUMBER:
            scaled = nanos(Decimal(value))
            assert scaled is not None
            return number(scaled)
        case ir.Type.DATETIME:
            return ("instant", int(value))
        case ir.Type.BOOL:
            return bool(value)
        case ir.Type.DYN:
            return read_scalar(value)
        case _:
            return value


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"{v.file}:{v.id}")
def test_value_in_clickhouse(vector: Vector, table: str) -> None:
    _, node = typed_case(vector.case)
    session().query(f"TRUNCATE TABLE {table}")
    case = vector.case
    row = [case.get("profile") or {}, case.get("context") or {}, case.get("group") or {}]
    insert(table, "profile, context, traits", [row])
    for instant, expected in vector.moments:
        parameters = Parameters()
        sql = Filters(ProfileSource(instant), parameters, case.get("zone", "UTC")).value(node)
        [[value]] = ask(f"SELECT {sql} FROM {table} AS e", parameters.values)
        assert plain(read(value, node.type)) == plain(expected)


def test_many_vectors_are_expressible() -> None:
    assert len(VECTORS) >= 60
