"""The store's signatures against the schema: Postgres prepares every named statement, and answers what columns it has.

Shape   the function named after a statement says what a row is: a dataclass by names, types and order of its columns, a
        tuple or a dict by types and order, anything else the type of the only column; bool, whether there was a row
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from importlib import import_module
from inspect import isasyncgenfunction, iscoroutinefunction
from pathlib import Path
from types import ModuleType, NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

import tinycdp.store
from tinycdp.store.database.pool import Connection
from tinycdp.store.database.rows import Row
from tinycdp.store.database.statements import load

_FOLDER = Path(tinycdp.store.__file__).parent / "sql"
STATEMENTS = [(file.stem, name) for file in sorted(_FOLDER.glob("*.sql")) for name in load(file.stem)]

#: Statements whose columns leave their function in another form, or that no function is named after.
OTHERWISE = {
    ("events", "claim_message_ids"),  # a NamedTuple with sets
    ("profiles", "try_backfill"),  # the first column only; the second sets a lock timeout
    ("privacy", "columns"),  # read by find_traces, which builds statements of it
}
_SCALARS = {
    **dict.fromkeys(("int2", "int4", "int8", "timestamptz"), int),
    **dict.fromkeys(("text", "name"), str),
    **{"bool": bool, "bytea": bytes, "float8": float, "numeric": Decimal, "date": date, "json": Any, "jsonb": Any},
}


def test_there_are_statements() -> None:
    assert len(STATEMENTS) > 200


@pytest.mark.parametrize(("topic", "name"), STATEMENTS)
async def test_signature_is_what_the_statement_gives(scratch: Connection, topic: str, name: str) -> None:
    statement = await scratch.prepare(load(topic)[name])
    columns = [(column.name, _python(column.type.name)) for column in statement.get_attributes()]
    said = _said(_module(topic), name)
    if said is NoneType or (topic, name) in OTHERWISE or {given for _, given in columns} <= {NoneType}:
        return
    if len(columns) == 1 and (said is bool or _fits(said, columns[0][1])):
        return
    one = _one(said)
    assert one is not Any and one is not Row, f"{name} does not say what its rows are"
    if isinstance(one, type) and issubclass(one, Row):
        assert [field.name for field in fields(one)] == [column for column, _ in columns]
        hints = get_type_hints(one)
        types = [hints[field.name] for field in fields(one)]
    else:
        types = list(_flat(one))
    assert len(types) == len(columns)
    for declared, (column, given) in zip(types, columns, strict=True):
        assert _fits(declared, given), f"{column} is {given}, not {declared}"


#: Topics whose module stands in a package of the store.
PACKAGES = {
    **dict.fromkeys(("audit", "past", "preview", "verify"), "tinycdp.store.history"),
    "saved": "tinycdp.store.products",
    **dict.fromkeys(("figures", "notifications", "partitions", "pool"), "tinycdp.store.database"),
}


def _module(topic: str) -> ModuleType:
    """The module of a file of statements."""
    return import_module(f"{PACKAGES.get(topic, 'tinycdp.store')}.{topic}")


def _said(module: ModuleType, name: str) -> Any:
    function = getattr(module, name, None)
    if function is None:
        return NoneType
    assert iscoroutinefunction(function) or isasyncgenfunction(function), name
    return get_type_hints(function)["return"]


def _python(name: str) -> Any:
    if name == "void":
        return NoneType
    return list[_SCALARS[name.removesuffix("[]")]] if name.endswith("[]") else _SCALARS[name]  # type: ignore[misc]


def _one(said: Any) -> Any:
    """What a function says of one row: without the list, the iterator or the None around it."""
    said = _without_none(said)
    if get_origin(said) in (list, set, AsyncIterator):
        return _one(get_args(said)[0])
    return said


def _flat(one: Any) -> Iterator[Any]:
    """(a, b) of a tuple and of a dict, whatever is inside of what."""
    if get_origin(one) in (tuple, dict):
        for inner in get_args(one):
            yield from _flat(inner)
    else:
        yield one


def _without_none(type: Any) -> Any:
    if get_origin(type) is UnionType:
        (type,) = (inner for inner in get_args(type) if inner is not NoneType)
    return type


def _fits(type: Any, given: Any) -> bool:
    """Whether values of a column may be of a type; a prepared statement does not say whether it may be NULL."""
    type = _without_none(type)
    if get_origin(type) is Literal:
        type = str
    if given is Any:  # JSON
        return type is Any or get_origin(type) in (dict, list, Mapping)
    if get_origin(given) is list:
        return get_origin(type) in (list, set, Sequence) and get_args(type) == get_args(given)
    return type is given


# The checks notice what is wrong


@dataclass(frozen=True, slots=True)
class _KeyRow(Row):
    id: int
    key: str | None
    document: dict[str, Any]
    ids: list[int]


@pytest.mark.parametrize(
    ("type", "given", "fits"),
    [
        (int, "int8", True),
        (int | None, "timestamptz", True),
        (str, "int8", False),
        (list[int], "int8[]", True),
        (list[str], "int8[]", False),
        (dict[str, Any], "jsonb", True),
        (str, "jsonb", False),
        (Literal["a", "b"], "text", True),
        (int, "bool", False),
    ],
)
def test_types_are_distinguished(type: Any, given: str, fits: bool) -> None:
    assert _fits(type, _python(given)) is fits


def test_rows_are_made_of_what_the_driver_gives() -> None:
    record = (1, None, {"a": 1}, [2])
    assert _KeyRow.from_row(record) == _KeyRow(1, None, {"a": 1}, [2])
    assert _KeyRow.every([record, record]) == [_KeyRow.from_row(record)] * 2
    assert _KeyRow.maybe(None) is None
    assert _KeyRow.maybe(record) == _KeyRow.from_row(record)
