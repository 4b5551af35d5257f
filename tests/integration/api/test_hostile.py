"""Whatever a client sends, no route answers 500, and none waits for ever."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from litestar.enums import ParamType
from litestar.typing import FieldDefinition

from application import KEYS, Application, running
from route_table import NO_JSON, STREAMS, routes, with_json
from serving import PATIENCE_SECONDS
from tinycdp.api.application import fast_lanes
from tinycdp.api.http import bodies
from tinycdp.api.http.openapi import scope_of
from tinycdp.api.http.params import parameters_of
from tinycdp.dsl.fields import kind_in_words

#: Parameters whose texts we made: the codes of pages, of streams and of links.
OPAQUE = {"cursor", "after", "token", "Last-Event-ID"}


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        await application.track({"userId": "ada", "event": "app_open", "properties": {"n": 1}})
        await application.define("trait", key="opens", expression="events.app_open.count_7d")
        await application.define("segment", key="openers", rule="opens > 0")
        await application.define("flag", key="premium", rule="segments.openers")
        yield application


def opaque(text: str) -> str:
    """As cursors and tokens are written."""
    return base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).rstrip(b"=").decode()


#: What decoders of cursors, tokens and numbers have stumbled over, and their siblings.
HOSTILE = {
    "deep": "[" * 3_000 + "]" * 3_000,
    "deep text": '["' + "[" * 3_000 + '", "b"]',
    "an exponent without end": "[1e99999999999999999999, 1]",
    "in a token": '[1, "x", {"a": 1e99999999999999999999}, "m", 1, [], 1]',
    "deep in a token": '[1, "x", ' + '{"a":' * 3_000 + "1" + "}" * 3_000 + ', "m", 1, [], 1]',
    "an integer without end": f"[{'9' * 4_500}, 1]",
    "beyond a bigint": "[9223372036854775808, -9223372036854775809]",
    "no number": "[NaN, Infinity]",
    "U+0000": '["a\\u0000", "b\\u0000"]',
    "U+0000 in a place": '["1", "b\\u0000"]',
    "half a pair": '["\\ud800", "\\udfff"]',
    "raw half a pair": '["\ud800", "b"]',
    "digits of another script": '["\u00b2", "\u0661"]',
    "digits without end": f'["{"9" * 4_500}", "place"]',
    "no day of a calendar": '["0000-00-00", 1, 1, 1, "", "", ""]',
    "numbers out of range": '["2026-01-01", 1e400, 99999999999, -1, "", "", ""]',
    "U+0000 in a unit": '["2026-01-01", 1, 1, 1, "a\\u0000", "", "\\u0000"]',
    "other things": '[null, {"a": []}]',
    "nothing": "",
}


async def test_hostile_texts(app: Application) -> None:
    """In each parameter, header and signed address that takes a text, as it is and coded as ours are: never a 500."""
    for route in routes(app):
        client = app.keyless if scope_of(route.handler) is None else app.admin
        texts = [(name, rules.param_type) for name, field, rules in parameters_of(route.handler) if _is_text(field)]
        texts += [("token", ParamType.PATH)] if "{token}" in route.path else []
        for name, place in texts:
            # Codes are read only where they are ours; one look at the other texts finds what is new.
            for text in HOSTILE.values() if name in OPAQUE else (HOSTILE["deep"],):
                coded = opaque(text)
                raw = quote(text.encode("utf-8", "surrogatepass")[:3_000])
                for value in (f"{coded}.{coded}", coded, raw) if name in OPAQUE else (coded,):
                    query = {other: given for other, given in route.required().items() if other != name}
                    if route.path in STREAMS and client is app.admin:
                        query["surprise"] = "1"  # else it may let us in, and stream for ever
                    address = route.address(**{name: value or "-"} if place == ParamType.PATH else {})
                    parts = [f"{other}={given}" for other, given in query.items()]
                    parts += [f"{name}={value}"] if place == ParamType.QUERY else []
                    headers = {name: value} if place == ParamType.HEADER else {}
                    answer = await client.request(route.method, f"{address}?{'&'.join(parts)}", headers=headers)
                    what = (route.method, route.path, name, text[:60], value[:60], answer.text[:300])
                    assert answer.status_code != 500, what
                    assert name != "token" or answer.status_code in {400, 401, 403, 404}, what


def _is_text(field: FieldDefinition) -> bool:
    return kind_in_words(field.annotation) == kind_in_words(str)


async def test_a_body_that_never_ends(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each route gives up on it, whether it reads JSON, files or nothing."""
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.02)
    lanes = fast_lanes(app.litestar)
    read = {(route.method, route.path) for route in with_json(app)} | {("POST", path) for path in NO_JSON}
    for route in routes(app):
        parts: list[Any] = [{"type": "http.request", "body": b'{"a":', "more_body": True}]
        sent: list[Any] = []

        async def receive(parts: list[Any] = parts) -> Any:
            return parts.pop() if parts else await asyncio.Future()

        async def send(message: Any, sent: list[Any] = sent) -> None:
            sent.append(message)

        query = urlencode(route.required() | ({"surprise": "1"} if route.path in STREAMS else {}))
        headers = [(b"authorization", f"Bearer {KEYS['admin']}".encode()), (b"content-length", b"100")]
        scope = {"type": "http", "method": route.method, "path": route.address(), "raw_path": route.address().encode()}
        scope |= {"query_string": query.encode(), "headers": headers, "client": ("127.0.0.1", 1), "scheme": "http"}
        async with asyncio.timeout(PATIENCE_SECONDS):
            await lanes({**scope, "server": ("test", 80), "http_version": "1.1"}, receive, send)
        status = sent[0]["status"]
        assert status != 500, (route, sent)
        if (route.method, route.path) in read:
            text = b"".join(message.get("body", b"") for message in sent[1:])
            assert (status == 408 and b"BODY_TOO_SLOW" in text) or b"did not arrive" in text, (route, sent)


async def test_every_page_says_what_a_browser_may_do_with_it(app: Application) -> None:
    """It runs no script of others, is not framed, is of the type it says, and names itself to no other site."""
    pages = 0
    for route in routes(app):
        if route.method != "GET" or route.path in STREAMS:
            continue
        answer = await app.admin.get(route.address(), params=route.required(), headers={"Accept": "text/html"})
        if not answer.headers.get("content-type", "").startswith("text/html"):
            continue
        pages += 1
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy, route
        assert "unsafe" not in policy and "*" not in policy and "http" not in policy, (route, policy)
        assert answer.headers["x-content-type-options"] == "nosniff", route
        assert answer.headers["referrer-policy"] == "no-referrer", route
        assert answer.headers["cross-origin-opener-policy"] == "same-origin", route
    assert pages >= 3
