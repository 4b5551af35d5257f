"""What the statement of the SQL oracle promises beside the values: whom it answers for, from what, and of what size."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from builders import make_message
from sql_oracle import Histories
from tinycdp.dsl import ir
from tinycdp.dsl.check.workspace import DefinitionSource, FlagSource, check_workspace
from tinycdp.dsl.sql import Unsupported, read_value, select
from tinycdp.model import DAY_MS
from tinycdp.store.database.pool import Connection

NOW = 1_790_000_000_000
ENVIRONMENT = 7


def nodes(*expressions: str, **definitions: str) -> tuple[list[ir.Node], dict[tuple[str, str], ir.Node]]:
    """The expressions, as conditions of a flag, and the traits they may refer to."""
    sources: list[DefinitionSource | FlagSource] = [
        DefinitionSource("trait", key, text) for key, text in definitions.items()
    ]
    checked = check_workspace([*sources, FlagSource("f", ir.Type.BOOL, expressions)]).checked
    found = [part.node for part in checked["flag", "f"]]
    assert None not in found, [part.diagnostics for part in checked["flag", "f"]]
    known = {name: parts[0].node for name, parts in checked.items() if name[0] == "trait"}
    return [node for node in found if node is not None], {n: node for n, node in known.items() if node is not None}


async def ask(
    connection: Connection,
    expression: str,
    *,
    at: int = NOW,
    known_at: int | None = None,
    ids: Sequence[int] | None = None,
    context: Mapping[str, Any] | None = None,
) -> dict[int, Any]:
    [node], known = nodes(expression)
    statement = select([node], resolve=known.get, zone="UTC", context=context or {})
    rows = await connection.fetch(statement, ENVIRONMENT, at, at if known_at is None else known_at, ids)
    return {row["profile_id"]: read_value(row["v0"], node.type) for row in rows}


async def test_everyone_is_answered_for_once_but_who_was_absorbed(scratch: Connection) -> None:
    histories = Histories(scratch, ENVIRONMENT)
    ada, bob, absent = histories.add([make_message("a", NOW)], identifiers=3), histories.add([]), histories.add([])
    elsewhere = Histories(scratch, ENVIRONMENT + 1)
    elsewhere.add([make_message("a", NOW)])
    await histories.store()
    await elsewhere.store()
    await scratch.execute("UPDATE profiles SET merged_into = $1 WHERE id = $2", ada, absent)
    assert await ask(scratch, "events.a.exists()") == {ada: True, bob: False}
    assert await ask(scratch, "events.a.exists()", ids=[bob, absent]) == {bob: False}
    assert await ask(scratch, "events.a.exists()", ids=[]) == {}
    assert await ask(scratch, "true") == {ada: True, bob: True}


async def test_what_came_later_is_known_only_if_asked_for(scratch: Connection) -> None:
    histories = Histories(scratch, ENVIRONMENT)
    late = make_message("a", NOW - 2 * DAY_MS, received_at=NOW + DAY_MS)
    id = histories.add([late])
    await histories.store()
    assert await ask(scratch, "events.a.exists(7d)") == {id: False}
    assert await ask(scratch, "events.a.exists(7d)", known_at=NOW + DAY_MS) == {id: True}
    assert await ask(scratch, "events.a.exists(7d)", at=NOW - 2 * DAY_MS - 1, known_at=NOW + DAY_MS) == {id: False}


async def test_a_thousand_values_are_distinguished(scratch: Connection) -> None:
    histories = Histories(scratch, ENVIRONMENT)
    ids = [
        histories.add([make_message("a", NOW - n, id=f"{many}-{n}", properties={"x": n}) for n in range(many)])
        for many in (1_000, 1_001)
    ]
    await histories.store()
    assert await ask(scratch, "events.a.unique(x) == 1000") == {ids[0]: True, ids[1]: True}
    assert await ask(scratch, "events.a.top(x) == 0") == {ids[0]: True, ids[1]: None}


async def test_names_are_only_names(scratch: Connection) -> None:
    """Quotes, backslashes and placeholders in the names of events and properties are no SQL."""
    odd = "o'); DROP TABLE events; --\\ $1 %s {}"
    histories = Histories(scratch, ENVIRONMENT)
    id = histories.add([make_message(odd, NOW, properties={odd: odd})], {odd: odd})
    await histories.store()
    text = odd.replace("\\", "\\\\")
    expression = f'events.`{odd}`.where(`{odd}` == "{text}").count(7d) == 1 && profile.`{odd}` == "{text}"'
    assert await ask(scratch, expression) == {id: True}
    assert await ask(scratch, f'context.`{odd}` == "{text}"', context={odd: odd}) == {id: True}


async def test_the_context_is_the_callers(scratch: Connection) -> None:
    histories = Histories(scratch, ENVIRONMENT)
    id = histories.add([])
    await histories.store()
    context = {"platform": "ios", "version": "2.10", "seats": 3, "user": {"beta": True}}
    rule = 'context.platform == "ios" && semver(context.version) > semver("2.9")'
    rule += " && context.seats == 3 && context.user.beta"
    assert await ask(scratch, rule, context=context) == {id: True}
    assert await ask(scratch, rule) == {id: None}


def test_what_has_no_sql_says_so() -> None:
    with pytest.raises(Unsupported, match="flag"):
        select([ir.Reference(ir.Type.BOOL, "flag", "f")], resolve=lambda name: None, zone="UTC")
    [node], known = nodes('context.a == "x"')
    with pytest.raises(Unsupported, match="surrogate"):
        select([node], resolve=known.get, zone="UTC", context={"a": "\ud800"})


def test_an_unknown_definition_is_unknown() -> None:
    node = ir.Reference(ir.Type.NUMBER, "trait", "gone")
    assert "NULL::numeric AS v0" in select([node], resolve=lambda name: None, zone="UTC")


@pytest.mark.parametrize(
    "wrapped",
    ["({} + 1)", "({} / 2)", "min2({}, 3)", "if({} > 1, 1, 2)", "({} ?? 1)", "abs({})", "if(between({}, 1, 2), 1, 2)"],
)
def test_the_statement_is_as_long_as_the_expression(wrapped: str) -> None:
    """Nesting costs as much as it adds: nothing is written twice at each level."""
    sizes = []
    for depth in (3, 9):
        text = "profile.a"
        for _ in range(depth):
            text = wrapped.format(text)
        [node], known = nodes(f"{text} > 0")
        sizes.append(len(select([node], resolve=known.get, zone="UTC")))
    assert sizes[1] < 3 * sizes[0]


def test_a_definition_many_refer_to_is_computed_once() -> None:
    definitions = {"t0": "profile.a + 1"} | {f"t{n}": f"t{n - 1} + t{n - 1}" for n in range(1, 60)}
    [node], known = nodes("t59 > 0", **definitions)
    statement = select([node], resolve=known.get, zone="UTC")
    assert len(statement) < 20_000
    assert statement.count("profile_id") < 20
