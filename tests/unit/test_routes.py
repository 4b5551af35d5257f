"""How the HTTP modules are written: what a handler may use, where structs live, what a route is called."""

import ast
import re
from collections import Counter
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from litestar.handlers import HTTPRouteHandler

from tinycdp.api.http.openapi import Schemas, operation_id
from tinycdp.api.http.requests import read_as
from tinycdp.api.http.responses import ExactResponse
from tinycdp.api.routes import FOREIGN, FOREIGN_GUARDED, GUARDED, OPEN
from tinycdp.errors import InvalidInput
from tinycdp.products.analytics import routes as analytics

API = Path(__file__).parents[2] / "src" / "tinycdp" / "api"
FILES = sorted(API.rglob("*.py"))
ROUTES = [*FOREIGN, *FOREIGN_GUARDED, *OPEN, *GUARDED, *analytics.GUARDED]

#: Parts are injected. Only the measured path of tracking takes them from the application, once for each request.
LOOK_UPS = {"ingest/routes.py": 1}

#: Handlers that are made for several paths or kinds, each with an operation id of its own, if it is documented.
MADE_IN_A_LOOP = {
    "create_definition",
    "delete_definition",
    "export_events",
    "get_definition",
    "get_impact",
    "handler",
    "list_definitions",
    "list_versions",
    "put_definition",
    "rename",
    "restore_version",
}


def name_of(file: Path) -> str:
    return str(file.relative_to(API))


def test_handlers_get_their_parts_as_parameters() -> None:
    found = {name_of(file): file.read_text().count("request.app.state") for file in FILES}
    assert {name: n for name, n in found.items() if n} == LOOK_UPS


def test_every_struct_is_in_a_schemas_module() -> None:
    outside = [
        f"{name_of(file)}: {node.name}"
        for file in FILES
        if file.name != "schemas.py"
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ClassDef)
        and "msgspec.Struct" in map(ast.unparse, node.bases)
        # What a module keeps for itself is not exchanged.
        and not node.name.startswith("_")
        and "adapters" not in file.parts
    ]
    assert outside == []


def test_packages_stay_small() -> None:
    assert [name_of(file) for file in FILES if len(file.read_text().splitlines()) > 600] == []
    folders = Counter(file.parent for file in FILES if file.name != "__init__.py")
    assert [name_of(folder) for folder, n in folders.items() if n > 16] == []


@pytest.mark.parametrize("handler", ROUTES, ids=lambda handler: min(handler.paths))
def test_a_function_is_named_as_its_operation(handler: HTTPRouteHandler) -> None:
    name = handler.handler_name
    if name in MADE_IN_A_LOOP:
        return
    assert handler.operation_id is None, "the name says it"
    assert re.fullmatch(r"[a-z]+([A-Z][a-z]*)*", operation_id(handler, None, None)), name


class Inner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    one: int = 0


class Outer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    items: list[Inner] = []
    by_name: dict[str, Inner] = {}
    maybe: Inner | None = None


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"itms": 1}, "$.itms: unknown field. Did you mean `items`? Valid are: items, by_name, maybe."),
        ({"items": [{}, {"two": 1}]}, "$.items[1].two: unknown field. Valid are: one."),
        ({"by_name": {"a.b": {"two": 1}}}, '$.by_name["a.b"].two: unknown field. Valid are: one.'),
        ({"maybe": {"on": 1}}, "$.maybe.on: unknown field. Did you mean `one`? Valid are: one."),
        ({"maybe": {"one": "1"}}, '$.maybe.one: expected a whole number; found the string "1". Leave out the quotes.'),
    ],
)
def test_a_body_that_cannot_be_read(document: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput) as wrong:
        read_as(document, Outer)
    assert (wrong.value.code, wrong.value.message) == ("INVALID_BODY", message)


def test_numbers_are_written_as_they_are() -> None:
    response = ExactResponse({"n": Decimal("0.1234567890123456789012"), "big": 10**30})
    written = response.render(response.content, "application/json")
    assert written == b'{"n":0.1234567890123456789012,"big":1000000000000000000000000000000}'


def test_only_structs_are_described_by_the_plugin() -> None:
    assert Schemas.is_plugin_supported_type(Inner)
    assert not Schemas.is_plugin_supported_type(dict)


def test_who_may_read_definitions_and_who_may_change_them() -> None:
    """A read key sees all that an editor shows; what saves a change, or shows what it would do, takes an admin."""
    about = {"Definitions", "Segments", "Exposures", "Editing"}
    handlers = [one for one in GUARDED if isinstance(one, HTTPRouteHandler) and about & set(one.tags or ())]
    wrong = [
        f"{one.handler_name}: {one.opt['scope']}"
        for one in handlers
        for shows in ["GET" in one.http_methods or "Editing" in (one.tags or ())]
        if one.opt["scope"] != ("read" if shows else "admin")
    ]
    assert len(handlers) > 40
    assert wrong == []
