"""Every vector that evaluates an expression, held against the SQL oracle: the same answers from raw events alone."""

import itertools
from typing import Any

from test_vectors import named, plain, typed_case

from builders import Vector, messages_of
from sql_oracle import Histories
from tinycdp.dsl import ir
from tinycdp.dsl.numbers import number
from tinycdp.store.pool import Connection

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
    histories = Histories(scratch, next(_environments))
    definitions, node = typed_case(vector.case)
    histories.add(messages_of(vector.case), vector.case.get("profile"))
    await histories.store()
    for instant, expected in vector.moments:
        found = await histories.values(
            [node],
            instant,
            zone=vector.case.get("zone", "UTC"),
            definitions=definitions,
            context=vector.case.get("context"),
        )
        [[value]] = found.values()
        assert plain(json_value(value, node.type)) == plain(expected), (vector.id, instant)
