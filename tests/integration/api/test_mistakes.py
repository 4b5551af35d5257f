"""Every route and every kind of mistake: each answer has the right status, a stable code, and a message that helps.

Shape   one test for each kind of mistake, which makes it on every route of the route table; `held` is what all answers
        are held to
Laws    an answer says what is wrong, where, and what to do, in the names of the wire. Nothing of Python, of the
        framework or of the decoder is in it, and nothing of an address that may be a key
"""

import json
import logging
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar.enums import ParamType
from msgspec import inspect

from application import Application, running
from route_table import STREAMS, Route, routes, with_json
from tinycdp.api.http.bodies import BODY_LIMIT
from tinycdp.api.http.openapi import reads_body, scope_of
from tinycdp.api.http.params import parameters_of
from tinycdp.runtime.access.keys import ANY_SCOPE

PAGES = [Path(__file__).parents[3] / "docs" / "reference" / name for name in ("errors.md", "errors-files.md")]
DOCUMENTED = set(re.findall(r"`([A-Z][A-Z_0-9]+)`", "".join(page.read_text() for page in PAGES)))

#: What no message may have: of Python, of msgspec, of Litestar, of our source.
FORBIDDEN = re.compile(
    r"`(?:int|str|float|bool|dict|list|tuple|array|object|null|decimal|bytes)(?: \||`)|at `\$|got `|\bgot\b"
    r"|Traceback|[Ll]itestar|msgspec|asyncpg|Decimal\(|Exception|<class|\bNoneType\b|\bNone\b|\bTrue\b|\bFalse\b"
    r"|\.py\b|Validation failed|codec can|\bkwarg|\bdict\b|Request Entity|Method Not Allowed|Not Found|object at 0x"
)
#: Names of ours that look like Python's.
SNAKE = re.compile(r"\b[a-z]+(?:_[a-z0-9]+)+\b")

SECRET = "tcdp_secret-key-in-the-address"


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        await application.track({"userId": "ada", "event": "app_open", "properties": {"n": 1}})
        await application.define("trait", key="opens", expression="events.app_open.count_7d")
        await application.define("segment", key="openers", rule="opens > 0")
        await application.define("flag", key="premium", rule="segments.openers")
        yield application


def held(answer: httpx.Response, statuses: set[int], codes: set[str], sent: Any = "") -> str:
    """The message of an answer, which is as every answer to a mistake should be."""
    what = f"{answer.request.method} {answer.request.url} → {answer.status_code} {answer.text[:500]}"
    assert answer.status_code in statuses, what
    body = answer.json()
    assert body["success"] is False, what
    assert body["code"] in codes, what
    assert body["code"] in DOCUMENTED, what
    message: str = body["message"]
    assert body["error"] == message, what
    assert 15 < len(message) <= 700, what
    assert re.match(r"[A-Z$`'/]|[a-z]+[A-Za-z]*: ", message), what
    assert message.endswith((".", "?")), what
    assert not (found := FORBIDDEN.search(message)), (found, what)
    given = f"{answer.request.url} {json.dumps(sent, default=str)}"
    named = [word for word in SNAKE.findall(message) if word not in given]
    assert [word for word in named if word not in {"app_open"}] == [], what
    assert SECRET not in answer.text, what
    if answer.status_code in {429, 503}:
        assert answer.headers["retry-after"].isdigit(), what
    if answer.status_code == 401:
        assert "www-authenticate" in answer.headers, what
    return message


async def test_wrong_method(app: Application) -> None:
    checked = 0
    for route in routes(app):
        takes = {other.method for other in routes(app) if other.path == route.path}
        for method in sorted({"GET", "POST", "PUT", "PATCH", "DELETE"} - takes):
            answer = await app.admin.request(method, route.address())
            message = held(answer, {405}, {"METHOD_NOT_ALLOWED"})
            assert set(answer.headers["allow"].split(", ")) - {"HEAD"} == takes | {"OPTIONS"}
            assert f"does not take {method}. Use {' or '.join(sorted(takes))}." in message
            checked += 1
    assert checked > 300


async def test_wrong_address(app: Application) -> None:
    """A letter less in the last word of an address: the address is suggested."""
    checked = 0
    for route in routes(app):
        last = route.path.split("/")[-1]
        if not route.own or not re.fullmatch(r"[a-z-]{4,}", last) or route.handler.include_in_schema is False:
            continue
        answer = await app.admin.request(route.method, route.address()[:-1])
        if answer.status_code == 404 and answer.json()["code"] == "ROUTE_NOT_FOUND":
            assert f"Did you mean {route.method} {route.path}?" in held(answer, {404}, {"ROUTE_NOT_FOUND"})
            checked += 1
    assert checked > 40
    for path, suggestion in {
        "/v1/trakc": "POST /v1/track",
        "/v1/flags/premium": "GET /v1/admin/flags/{name}",
        "/v1/admin/decide": "GET /v1/decide",
        "/admin/segments": "GET /v1/admin/segments",
        f"/v1/profile/{SECRET}": "GET /v1/profiles/{id}",
    }.items():
        method = suggestion.split()[0]
        assert f"Did you mean {suggestion}?" in held(await app.admin.request(method, path), {404}, {"ROUTE_NOT_FOUND"})
    for path in ("/", "/nothing/like/it", "/v1/xyz", "/" + "a" * 500, "/v1/" + "a/" * 100):
        answer = await app.admin.get(path)
        if answer.status_code != 200:
            assert "Did you mean" not in held(answer, {404}, {"ROUTE_NOT_FOUND"})


async def test_a_word_where_a_number_belongs_in_the_address(app: Application) -> None:
    checked = 0
    for route in routes(app):
        for name in re.findall(r"\{(\w+)\}", route.path):
            parameter = route.handler.parsed_fn_signature.parameters.get(name)
            if parameter is None or parameter.annotation is not int:
                continue
            message = held(await app.admin.request(route.method, route.address(**{name: "x1"})), {404}, {"NOT_FOUND"})
            assert f"the part `{{{name}}}` is a whole number" in message
            checked += 1
    assert checked > 8


async def test_unknown_parameter(app: Application) -> None:
    for route in routes(app):
        if route.own:
            answer = await app.admin.request(route.method, route.address(), params={"surprise": "1"})
            message = held(answer, {400}, {"UNKNOWN_PARAMETER"})
            assert message.startswith("Unknown parameter 'surprise'. "), message


async def test_misspelt_parameter(app: Application) -> None:
    checked = 0
    for route in routes(app):
        names = [name for name, _, rules in parameters_of(route.handler) if rules.param_type == ParamType.QUERY]
        for name in names if route.own else ():
            snake = re.sub(r"[A-Z]", lambda found: "_" + found[0].lower(), name)
            for wrong in {snake if snake != name else name + "s", name.upper(), name[:-1] + "_"} - {*names}:
                answer = await app.admin.request(route.method, route.address(), params={wrong: "1"})
                message = held(answer, {400}, {"UNKNOWN_PARAMETER"})
                if len(name) > 2:
                    near = re.search(r"Did you mean `(\w+)`\?", message)
                    assert near, message
                    assert near[1] == name or len(names) > 1, message
                checked += 1
    assert checked > 150


async def test_parameter_of_the_wrong_type(app: Application) -> None:
    checked = 0
    for route in routes(app):
        for name, field, rules in parameters_of(route.handler):
            if rules.param_type != ParamType.QUERY or not route.own:
                continue
            kind = inspect.type_info(field.annotation)
            texts = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
            if any(isinstance(one, inspect.StrType | inspect.ListType) for one in texts):
                continue
            for wrong in ("x y", "1.5", "'", "", "NaN"):
                query = {**route.required(), name: wrong}
                body = route.example if reads_body(route.handler) else None
                answer = await app.admin.request(route.method, route.address(), params=query, json=body)
                message = held(answer, {400}, {"INVALID_REQUEST"}, query)
                assert f"`{name}`" in message, message
                assert (wrong or "no value") in message, message
                checked += 1
            twice = await app.admin.request(
                route.method, route.address(), params=[*route.required().items(), (name, "1"), (name, "2")]
            )
            assert f"`{name}` occurs twice" in held(twice, {400}, {"INVALID_REQUEST"})
    assert checked > 150


async def test_missing_parameter(app: Application) -> None:
    checked = 0
    for route in routes(app):
        for name in route.required():
            if route.path.startswith("/ofrep") or not route.own:
                continue
            query = {other: value for other, value in route.required().items() if other != name}
            answer = await app.admin.request(route.method, route.address(), params={**query, "writeKey": SECRET})
            assert f"The parameter `{name}` is missing: give " in held(answer, {400}, {"INVALID_REQUEST"})
            checked += 1
    assert checked >= 4


BAD_UTF8 = b'{"a": "\xff"}'
NOT_JSON = {
    b"{oops}": r"found `o` at line 1, column 2",
    b'{"a": 1,}': r"found `}` at line 1, column 9",
    b"{\n  \"a\": 'x'}": r"found `'` at line 2, column 8",
    b'{"a": 1': r"found the end",
    BAD_UTF8: r"found the byte 0xff at line 1, column 8",
}


async def test_a_body_that_is_not_json(app: Application) -> None:
    for route in with_json(app):
        for body, found in NOT_JSON.items():
            if body == BAD_UTF8 and not route.own:
                continue  # in a field that is of no interest
            answer = await app.admin.request(route.method, route.address(), content=body)
            if route.path.startswith("/ofrep"):
                assert re.search(found, answer.json()["errorDetails"]), answer.text
                continue
            message = held(answer, {400}, {"INVALID_JSON"}, body.decode("latin-1"))
            assert re.search(found, message), (route, message)


async def test_no_body(app: Application) -> None:
    checked = 0
    for route in with_json(app):
        field = route.handler.parsed_fn_signature.parameters.get("data")
        if not route.own or (field is not None and field.has_default):
            continue
        for headers in ({}, {"content-type": "application/json"}):
            answer = await app.admin.request(route.method, route.address(), headers=headers)
            assert "The body is empty" in held(answer, {400}, {"INVALID_JSON"}), route
        checked += 1
    assert checked > 20


async def test_a_form_for_json(app: Application) -> None:
    for route in with_json(app):
        if route.own:
            answer = await app.admin.request(route.method, route.address(), data={"dryRun": "true"})
            held(answer, {400}, {"INVALID_JSON"})
            answer = await app.admin.request(route.method, route.address(), files={"dryRun": b"true"})
            held(answer, {400}, {"INVALID_JSON"})


@pytest.mark.parametrize("wrong", [[], [1], "text", 5, True, None])
async def test_something_else_for_an_object(app: Application, wrong: Any) -> None:
    for route in with_json(app):
        if route.own:
            answer = await app.admin.request(route.method, route.address(), content=json.dumps(wrong).encode())
            held(answer, {400}, {"INVALID_BODY"})


async def test_a_body_too_large(app: Application) -> None:
    body = b'{"note": "' + b"x" * BODY_LIMIT + b'"}'
    for route in with_json(app):
        answer = await app.admin.request(route.method, route.address(), content=body)
        message = held(answer, {413}, {"BODY_TOO_LARGE"})
        assert f"{len(body):,} bytes" in message, message
        assert f"{BODY_LIMIT:,} bytes" in message, message


def fields_of(route: Route) -> Mapping[str, inspect.Type]:
    """The fields of a route's body; none where they depend on the address."""
    if route.body is None or "policies" in route.path:
        return {}
    kind = inspect.type_info(route.body)
    return {field.encode_name: field.type for field in kind.fields} if isinstance(kind, inspect.StructType) else {}


#: A definition has one of them.
SYNONYMS = {"rule", "rules", "expression"}

#: The codes of what reads a body.
READERS = {"INVALID_BODY", "INVALID_DOCUMENT", "INVALID_FLAG", "INVALID_POLICY", "INVALID_PLAN", "INVALID_KEY"}


async def test_misspelt_field(app: Application) -> None:
    checked = 0
    for route in routes(app):
        if not route.own or not reads_body(route.handler):
            continue
        for name in fields_of(route):
            body = {key: value for key, value in route.example.items() if key != name}
            wrong = name + "_"
            answer = await app.admin.request(route.method, route.address(), json={**body, wrong: 1})
            message = held(answer, {400}, READERS, body)
            if f"$.{wrong}" in message:
                assert f"Did you mean `{name}`?" in message, message
                checked += 1
    assert checked > 80


async def test_field_of_the_wrong_type(app: Application) -> None:
    checked = 0
    for route in routes(app):
        if not route.own or not reads_body(route.handler):
            continue
        for name, kind in fields_of(route).items():
            for value in (5, 1.5, "text", True, [], {}, [5], {"x": 5}):
                if _fits(value, kind) or (name == "schema" and value is True):  # `true` is a JSON Schema
                    continue
                body = {**route.example, name: value}
                for other in ({"rule", "rules", "expression"} - {name}) if name in SYNONYMS else ():
                    body.pop(other, None)
                answer = await app.admin.request(route.method, route.address(), json=body)
                message = held(answer, {400}, READERS | {"KEY_MISMATCH"}, body)
                assert re.search(rf"\$[\w.\[\]]*\.{name}\b", message), (body, message)
                checked += 1
    assert checked > 300


def _fits(value: Any, kind: inspect.Type) -> bool:
    """Whether a type might take a value; what is not clear from it counts as fitting."""
    match kind:
        case inspect.UnionType():
            return any(_fits(value, one) for one in kind.types)
        case inspect.NoneType():
            return value is None
        case inspect.StrType():
            return isinstance(value, str)
        case inspect.BoolType():
            return isinstance(value, bool)
        case inspect.IntType():
            return type(value) is int
        case inspect.ListType():
            return isinstance(value, list) and all(_fits(one, kind.item_type) for one in value)
        case inspect.StructType() | inspect.DictType():
            return isinstance(value, dict)
        case _:
            return True


async def test_keys(app: Application) -> None:
    checked = 0
    for route in routes(app):
        scope = scope_of(route.handler)
        if scope is None:
            continue
        body = {"json": route.example or {}} if reads_body(route.handler) else {}
        none = await app.keyless.request(route.method, route.address(), params=route.required(), **body)
        in_address = route.path.startswith(("/v1/projects", "/array"))
        missing = {"INVALID_KEY"} if in_address else {"MISSING_KEY", "NO_LOCAL_EVALUATION"}
        message = held(none, {401}, missing, route.example)
        assert in_address or "Authorization" in message or "personal" in message, message
        for headers in ({"Authorization": f"Bearer {SECRET}"}, {"X-API-Key": SECRET}, {"X-Write-Key": SECRET}):
            answer = await app.keyless.request(
                route.method, route.address(), params=route.required(), headers=headers, **body
            )
            message = held(answer, {401}, {"INVALID_KEY", "MISSING_KEY", "NO_LOCAL_EVALUATION"}, route.example)
            assert not re.search(r"\bscope|\badmin\b|\bdecide\b", message), message
        if in_address or scope == ANY_SCOPE:
            continue
        lesser = {"admin": app.read, "read": app.write, "decide": app.write, "write": app.read}[scope]
        answer = await lesser.request(route.method, route.address(), params=route.required(), **body)
        message = held(answer, {403}, {"MISSING_SCOPE"}, route.example)
        assert f"'{scope}'" in message, message
        checked += 1
    assert checked > 100


async def test_unknown_id_in_the_address(app: Application) -> None:
    """What is named in an address and does not exist is a 404 that names it, and never a 200."""
    checked = 0
    for route in routes(app):
        names = re.findall(r"\{(\w+)\}", route.path)
        if not names or not route.own or (route.path.endswith("/versions") and "policies" not in route.path):
            continue
        numbers = [route.handler.parsed_fn_signature.parameters[name].annotation is int for name in names]
        parts = {n: "999999" if number else "nothing.csv" for n, number in zip(names, numbers, strict=True)}
        if route.method == "PUT" and "policies" not in route.path:
            continue  # it creates what does not exist
        if scope_of(route.handler) is None:
            continue  # the address is signed, and says nothing of what exists
        body = {"json": route.example} if reads_body(route.handler) else {}
        answer = await app.admin.request(route.method, route.address(**parts), params=route.required(), **body)
        message = held(answer, {404}, {code for code in DOCUMENTED if code.endswith("NOT_FOUND")}, route.example)
        assert "999999" in message or "nothing" in message or "no such" in message, message
        checked += 1
    assert checked > 40


async def test_a_near_name_is_suggested(app: Application) -> None:
    for path, suggestion in {
        "/v1/decide?userId=ada&flag=premum": "premium",
        "/v1/admin/explain?userId=ada&flag=premum": "premium",
        "/v1/admin/explain?userId=ada&trait=open": "opens",
        "/v1/admin/traits/open": "opens",
        "/v1/admin/segments/openrs": "openers",
        "/v1/admin/segments/openrs/members": "openers",
        "/v1/admin/segments/openrs/impact": "openers",
        "/v1/admin/segments/openrs/versions": "openers",
        "/v1/admin/flags/premiun": "premium",
        "/v1/admin/flags/premiun/kills": "premium",
        "/v1/admin/flags/premiun/exposures": "premium",
        "/v1/export/segment/openrs.csv": "openers",
        "/v1/export/segment/openers.csv?traits=open": "opens",
        "/v1/registry/events/app_opn": "app_open",
        "/v1/admin/policies/limit": "limits",
        "/v1/events/recent?userId=adax": "ada",
        "/v1/profiles/adax": "ada",
        "/v1/journeys/adax": "ada",
        "/v1/admin/users/adax": "ada",
        "/v1/admin/profiles/adax/graph": "ada",
    }.items():
        message = held(await app.admin.get(path), {404}, DOCUMENTED)
        assert message.endswith((f"Did you mean {suggestion!r}?", "privacy, validation.")), (path, message)
    answer = await app.read.post("/v1/decide", json={"userId": "ada", "flags": ["premum"]})
    assert answer.json()["errors"] == {"premum": "There is no flag 'premum'. Did you mean 'premium'?"}
    other_kind = held(await app.admin.get("/v1/admin/flags/openers"), {404}, {"NOT_FOUND"})
    assert other_kind == "There is no flag 'openers'. There is a segment 'openers'."
    await app.track({"anonymousId": "tab-1", "event": "app_open"})
    named = held(await app.admin.get("/v1/profiles/tab-1?by=userId"), {404}, {"PROFILE_NOT_FOUND"})
    assert named.endswith("One has this anonymousId: name it as 'anonymousId:tab-1'.")


async def test_a_key_in_a_query_is_never_repeated(app: Application, caplog: pytest.LogCaptureFixture) -> None:
    """By no error of any route, and by no line of the log."""
    caplog.set_level(logging.DEBUG)
    for route in routes(app):
        for query in ({"writeKey": SECRET}, {"writeKey": SECRET, "surprise": "1"}, {"token": SECRET, "limit": "x"}):
            for client in (
                (app.keyless,) if route.path in STREAMS and "limit" not in query else (app.admin, app.keyless)
            ):
                answer = await client.request(route.method, route.address(), params=query)
                assert SECRET not in answer.text, (route.method, route.path, answer.text)
        answer = await app.admin.request(route.method, f"{route.address()}?{SECRET}")
        assert SECRET not in answer.text, (route.method, route.path, answer.text)
    ours = [record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert [record.getMessage() for record in ours if SECRET in record.getMessage() + str(record.exc_text)] == []
