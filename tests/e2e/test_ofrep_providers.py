"""OpenFeature's own providers, unmodified: Python, Node, and the browser's with its event stream."""

import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason

from javascript import JavaScript, Script
from serving import KEYS, READ_KEY, WRITE_KEY, Server, bearer, define, free_port, served, until
from tinycdp.runtime import clock
from tinycdp.server.bootstrap import prepare
from tinycdp.settings import Settings

SHOP = {
    "flags": [
        {"key": "opened", "rule": "events.open.exists()"},
        {"key": "beta", "rule": 'context.platform == "ios"'},
        {"key": "ratio", "type": "float", "variants": {"two": 2}, "metadata": {"owner": "growth", "tier": 3}},
        {"key": "retries", "type": "integer", "variants": {"seven": 7}},
        {"key": "greeting", "type": "string", "variants": {"hello": "hello"}},
        {"key": "farewell", "type": "string", "variants": {"bye": "bye"}},
        {"key": "layout", "type": "object", "variants": {"wide": {"columns": [1, 2.5], "name": "wide"}}},
        {"key": "list", "type": "object", "variants": {"two": ["a", "b"]}},
        {"key": "half", "rules": [{"when": "true", "rollout": 50, "serve": "on"}]},
        {
            "key": "paywall",
            "type": "string",
            "variants": {"off": "none", "a": "soft", "b": "hard"},
            "rules": [{"when": "events.view.exists()", "split": {"a": 50000, "b": 50000}}],
        },
    ],
}


_numbers = itertools.count(1)


@pytest.fixture
async def database(dsn: str) -> str:
    await furnish(dsn)
    return dsn


async def furnish(dsn: str) -> None:
    await prepare(Settings(database_url=dsn, **{name[8:].lower(): key for name, key in KEYS.items()}), clock.now())
    await define(dsn, SHOP, clock.now())


@pytest.fixture(scope="module")
async def shop(module_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """One server for all tests but those that stop it: each has people, and what it edits, of its own."""
    await furnish(module_dsn)
    with served(tmp_path_factory.mktemp("shop"), dsn=module_dsn, role="api") as running:
        yield running


@pytest.fixture
def ada() -> str:
    return f"ada-{next(_numbers)}"


@pytest.fixture(params=["", "/"], ids=["base", "base with a slash"])
def base(request: pytest.FixtureRequest, shop: Server) -> str:
    return shop.url + str(request.param)


# Python


def test_the_python_provider(shop: Server, base: str, ada: str) -> None:
    api.set_provider(OFREPProvider(base, headers_factory=lambda: bearer(READ_KEY)))
    client = api.get_client()
    asked = EvaluationContext(ada, {"platform": "ios", "since": "2026-01-01", "cart": {"items": [1, 2]}})
    assert client.get_float_value("ratio", 0.5, asked) == 2.0
    assert client.get_integer_value("retries", 1, asked) == 7
    assert client.get_string_value("greeting", "", asked) == "hello"
    assert client.get_object_value("layout", {}, asked) == {"columns": [1, 2.5], "name": "wide"}
    assert client.get_object_value("list", [], asked) == ["a", "b"]
    beta = client.get_boolean_details("beta", False, asked)
    assert (beta.value, beta.variant, beta.reason) == (True, "on", Reason.TARGETING_MATCH)
    ratio = client.get_float_details("ratio", 0.5)
    assert ratio.reason == Reason.STATIC and ratio.flag_metadata["owner"] == "growth"
    assert client.get_boolean_value("opened", False, asked) is False
    shop.track({"userId": ada, "event": "open"})
    assert client.get_boolean_value("opened", False, asked) is True


@pytest.mark.parametrize(
    ("key", "code"), [("half", ErrorCode.TARGETING_KEY_MISSING), ("a/b", ErrorCode.FLAG_NOT_FOUND)]
)
def test_the_python_provider_reads_our_errors(base: str, key: str, code: ErrorCode) -> None:
    api.set_provider(OFREPProvider(base, headers_factory=lambda: bearer(READ_KEY)))
    details = api.get_client().get_boolean_details(key, True)
    assert (details.value, details.error_code) == (True, code) and details.error_message


#: Enough visitors that splits by another key would differ for one of them.
VISITORS = [f"visitor-{n}" for n in range(12)]


def view(shop: Server, visitor: str) -> None:
    assert shop.track({"anonymousId": visitor, "event": "view"}).status_code == 200


def sign_up(shop: Server, visitor: str) -> str:
    user = f"user-of-{visitor}"
    body = {"userId": user, "anonymousId": visitor, "traits": {"plan": "pro"}}
    assert shop.http.post("/v1/identify", json=body, headers=bearer(WRITE_KEY)).status_code == 200
    return user


def test_a_visitor_keeps_the_variant_in_python(shop: Server) -> None:
    api.set_provider(OFREPProvider(shop.url, headers_factory=lambda: bearer(READ_KEY)))
    client = api.get_client()
    for visitor in VISITORS:
        assert client.get_string_value("paywall", "", EvaluationContext(visitor)) == "none"
        view(shop, visitor)
        before = client.get_string_details("paywall", "", EvaluationContext(visitor))
        assert before.value in {"soft", "hard"}
        user = sign_up(shop, visitor)
        for context in (
            EvaluationContext(visitor),
            EvaluationContext(user),
            EvaluationContext("a session", {"anonymousId": visitor}),
            EvaluationContext(None, {"userId": user}),
        ):
            after = client.get_string_details("paywall", "", context)
            assert (after.value, after.variant) == (before.value, before.variant)


# Node


def headers() -> list[list[str]]:
    return [["Authorization", f"Bearer {READ_KEY}"]]


def test_the_node_provider(javascript: JavaScript, shop: Server, base: str, ada: str, tmp_path: Path) -> None:
    with javascript.script("ofrep_server.mjs", tmp_path) as node:
        node.ask("start", baseUrl=base, headers=headers())

        def evaluate(type: str, key: str, fallback: Any, **context: Any) -> dict[str, Any]:
            found: dict[str, Any] = node.ask("evaluate", type=type, key=key, fallback=fallback, context=context)
            return found

        ratio = evaluate("Number", "ratio", 0, targetingKey=ada)
        assert (ratio["value"], ratio["variant"], ratio["reason"]) == (2, "two", "STATIC")
        assert ratio["flagMetadata"]["owner"] == "growth"
        assert evaluate("Object", "layout", {})["value"] == {"columns": [1, 2.5], "name": "wide"}
        assert evaluate("Boolean", "beta", False, platform="ios")["value"] is True
        assert evaluate("Boolean", "half", True)["errorCode"] == "TARGETING_KEY_MISSING"
        for key in ("nothing", "a/b", "a b", "é"):
            missing = evaluate("Boolean", key, True)
            assert (missing["value"], missing["errorCode"]) == (True, "FLAG_NOT_FOUND")
        shop.track({"userId": ada, "event": "open"})
        assert evaluate("Boolean", "opened", False, targetingKey=ada)["value"] is True


def test_a_visitor_keeps_the_variant_in_node(javascript: JavaScript, shop: Server, tmp_path: Path) -> None:
    with javascript.script("ofrep_server.mjs", tmp_path) as node:
        node.ask("start", baseUrl=shop.url, headers=headers())

        def paywall(**context: str) -> tuple[Any, Any]:
            found = node.ask("evaluate", type="String", key="paywall", fallback="", context=context)
            return found["value"], found["variant"]

        for visitor in VISITORS:
            view(shop, visitor)
            before = paywall(targetingKey=visitor)
            assert before[0] in {"soft", "hard"}
            user = sign_up(shop, visitor)
            assert paywall(targetingKey=visitor) == paywall(targetingKey=user) == before
            assert paywall(targetingKey="x", anonymousId=visitor) == paywall(userId=user) == before


# The browser


@contextmanager
def browser(javascript: JavaScript, folder: Path, base: str, **context: Any) -> Iterator[Script]:
    with javascript.script("ofrep_web.mjs", folder) as page:
        page.ask("start", baseUrl=base, headers=headers(), context=context)
        yield page


def value(page: Script, key: str, type: str = "Boolean", fallback: Any = False) -> Any:
    return page.ask("evaluate", type=type, key=key, fallback=fallback)["value"]


def test_the_web_provider(javascript: JavaScript, base: str, tmp_path: Path) -> None:
    with browser(javascript, tmp_path, base, targetingKey="ada", platform="ios") as page:
        assert value(page, "beta") is True and value(page, "ratio", "Number", 0) == 2
        assert value(page, "layout", "Object", {}) == {"columns": [1, 2.5], "name": "wide"}
        assert page.ask("evaluate", type="Number", key="ratio", fallback=0)["flagMetadata"]["tier"] == 3
    with browser(javascript, tmp_path, base) as page:
        assert page.ask("evaluate", type="Boolean", key="half", fallback=True)["errorCode"] == "TARGETING_KEY_MISSING"


def test_a_visitor_keeps_the_variant_in_a_page(javascript: JavaScript, shop: Server, tmp_path: Path) -> None:
    with browser(javascript, tmp_path, shop.url, targetingKey="visitor-of-the-page") as page:
        assert value(page, "paywall", "String", "") == "none"
        view(shop, "visitor-of-the-page")  # the stream of an unknown visitor learns of the profile
        page.ask("changed", times=1)
        before = value(page, "paywall", "String", "")
        assert before in {"soft", "hard"}
        user = sign_up(shop, "visitor-of-the-page")
        assert value(page, "paywall", "String", "") == before
        page.ask("become", context={"targetingKey": user})
        assert value(page, "paywall", "String", "") == before
        page.ask("become", context={"targetingKey": "x", "anonymousId": "visitor-of-the-page"})
        assert value(page, "paywall", "String", "") == before


async def test_a_page_is_notified_of_events_and_of_definitions(
    javascript: JavaScript, shop: Server, ada: str, tmp_path: Path
) -> None:
    with browser(javascript, tmp_path, shop.url, targetingKey=ada) as page:
        assert value(page, "opened") is False
        shop.track({"userId": ada, "event": "open"})
        page.ask("changed", times=1)
        assert value(page, "opened") is True
        changed = {"key": "farewell", "type": "string", "variants": {"bye": "so long"}}
        shop.http.put("/v1/admin/flags/farewell", json=changed, headers=bearer(KEYS["TINYCDP_BOOTSTRAP_ADMIN_KEY"]))
        page.ask("changed", times=2)
        assert value(page, "farewell", "String", "") == "so long"
        seen = page.ask("seen")
        assert len(seen["streams"]) == 1, "the stream stays while the answers change"
        assert seen["requests"] == [[200, []], *[[200, ["flagConfigEtag", "flagConfigLastModified"]]] * 2]


def test_another_context_has_another_stream(javascript: JavaScript, shop: Server, ada: str, tmp_path: Path) -> None:
    with browser(javascript, tmp_path, shop.url, targetingKey=ada) as page:
        page.ask("become", context={"targetingKey": ada, "platform": "ios"})
        page.ask("changed", times=1)  # it shows what it remembers of ada first
        assert value(page, "beta") is True
        page.ask("become", context={"targetingKey": f"bob-{ada}"})
        assert value(page, "beta") is False
        shop.track({"userId": ada, "event": "open"})
        shop.track({"userId": f"bob-{ada}", "event": "open"})
        page.ask("changed", times=2)
        assert value(page, "opened") is True
        streams = page.ask("seen")["streams"]
        assert len(streams) == 3 and streams[:2] == [2, 2], "those of before are closed"


def test_what_happened_while_the_server_was_away_is_notified(
    javascript: JavaScript, database: str, tmp_path: Path
) -> None:
    port = free_port()
    with served(tmp_path, dsn=database, role="api", port=port) as server:
        page_of = browser(javascript, tmp_path, server.url, targetingKey="ada")
        page = page_of.__enter__()
        assert value(page, "opened") is False
    with served(tmp_path / "other", dsn=database, role="api") as other:
        other.track({"userId": "ada", "event": "open"})
    with served(tmp_path, dsn=database, role="api", port=port) as server:
        page.ask("changed", times=1)
        assert value(page, "opened") is True
        assert page.ask("seen")["requests"][-1][0] == 200
        page_of.__exit__(None, None, None)


def test_a_server_with_open_streams_stops_at_once(javascript: JavaScript, database: str, tmp_path: Path) -> None:
    with served(tmp_path, dsn=database, role="api", drain_seconds=600) as server:
        with browser(javascript, tmp_path, server.url, targetingKey="ada"):
            server.process.terminate()
            until(lambda: server.process.poll() is not None)
        assert "refused to gracefully stop" not in server.said()
