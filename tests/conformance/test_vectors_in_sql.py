"""Every vector that evaluates an expression, held against the SQL oracle: the same answers from raw events alone.

And its gate: statements that are wrong in one place each, every one of which the vectors must catch."""

import itertools
import re
from collections.abc import Callable
from typing import Any

import pytest
from test_vectors import CASES, named, plain, typed_case

from builders import Vector, messages_of
from sql_oracle import Histories
from tinycdp.dsl import ir
from tinycdp.dsl.values.numbers import number
from tinycdp.store.database.pool import Connection

_environments = itertools.count(1_000)


def json_value(value: Any, type_: ir.Type) -> Any:
    """A value as vectors write it."""
    if value is None:
        return None
    match type_:
        case ir.Type.NUMBER:
            return number(value)
        case ir.Type.DATETIME:
            return ("instant", value)
        case _:
            return value


@named("expr")
async def test_value_in_sql(vector: Vector, scratch: Connection) -> None:
    assert await unmet(vector, scratch, lambda statement: statement) == []


async def unmet(vector: Vector, connection: Connection, change: Callable[[str], str]) -> list[int]:
    """The instants at which the changed statement gives another answer than the vector."""
    definitions, node = typed_case(vector.case)
    histories = Histories(connection, next(_environments), change)
    histories.add(messages_of(vector.case), vector.case.get("profile"))
    await histories.store()
    zone, context = vector.case.get("zone", "UTC"), vector.case.get("context")
    found = []
    for instant, expected in vector.moments:
        answers = await histories.values([node], instant, zone=zone, definitions=definitions, context=context)
        [[value]] = answers.values()
        if plain(json_value(value, node.type)) != plain(expected):
            found.append(instant)
    return found


#: What is replaced by what, as re.sub has it, and the vectors that must notice.
WRONG = {
    "255 entries are kept": ("<= 256", "<= 255", "window"),
    "257 entries are kept": ("<= 256", "<= 257", "window"),
    "an event leaves a millisecond late": (r"age < (\d)", r"age <= \1", "window"),
    "a bucket leaves with its beginning": (r"age <= \(SELECT reach", "age < (SELECT reach", "window"),
    "ranks count from the oldest": (
        "ORDER BY age, message_id DESC ROWS",
        "ORDER BY age DESC, message_id ROWS",
        "window",
    ),
    "the message id decides nothing": (r", message_id DESC\) FILTER", ") FILTER", "number window merge"),
    "what arrives later is known": (r"e.received_at <= \$3", "e.occurred_at <= $3", "window"),
    "days are those of UTC": (r"AT TIME ZONE '[^']+'", "AT TIME ZONE 'UTC'", "calendar"),
    "a streak ends at midnight": ("r.newest <= 1", "r.newest <= 0", "calendar"),
    "unknown segments have members": (r", false\) AS known", ", true) AS known", "logic"),
    "numbers have eight digits": (r"numeric, 9\)", "numeric, 8)", "number"),
    "halves are rounded down": (r"\+ abs\(n.b\), 2", "+ abs(n.b) - 0.000000001, 2", "number"),
    "39 digits are a number": ("1e29", "1e30", "number"),
    "inactive messages are signs of life": ("IS DISTINCT FROM 'false'", "IS DISTINCT FROM '0'", "calendar"),
    "of equally frequent values the last counts": (r"\(t.value #>> '{}'\) COLLATE \"C\"", r"\g<0> DESC", "top"),
    "the rank of a percentile is rounded down": (r"ceil\(", "floor(", "percentile"),
    "a null member is a missing one": (
        r"THEN n.a (=|<>) n.b",
        r"THEN jsonb_strip_nulls(n.a) \1 jsonb_strip_nulls(n.b)",
        "logic",
    ),
    "values of two types differ": (r"jsonb_typeof\(n.a\) = jsonb_typeof\(n.b\)", "true", "logic"),
    "properties are what came first": (
        r"(said_\d) ORDER BY age, message_id DESC",
        r"\1 ORDER BY age DESC",
        "window merge",
    ),
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_wrong_statement_is_caught(name: str, scratch: Connection) -> None:
    pattern, instead, topics = WRONG[name]
    for vector in CASES:
        asked = "expr" in vector.case and vector.file.startswith(tuple(topics.split()))
        if asked and await unmet(vector, scratch, lambda text: re.sub(pattern, instead, text)):
            return
    pytest.fail(f"no vector notices that {name}")
