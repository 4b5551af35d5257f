"""Other people's clients, unmodified but for their address, change decisions; and an answer that got lost makes none of
them count twice.

Shape   the server is a real one; `losing` stands between it and the client and drops the first answer
        what a client did is read back through decisions
"""

import itertools
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import rudderstack.analytics.client
import segment.analytics.client
from posthog import Posthog

from javascript import JavaScript
from lossy import Lossy, losing
from serving import ADMIN_KEY, KEYS, WRITE_KEY, Server, bearer, define, served, until
from tinycdp.runtime import clock
from tinycdp.server.bootstrap import prepare
from tinycdp.settings import Settings

_numbers = itertools.count(1)

SHOP = {
    "segments": [{"key": "pros", "rule": 'profile.plan == "pro"'}],
    "flags": [
        {"key": "ordered", "rule": "events.`Order Completed`.count() >= 1"},
        {"key": "ordered_once", "rule": "events.`Order Completed`.count() == 1"},
        {"key": "ordered_twice", "rule": "events.`Order Completed`.count() == 2"},
        {"key": "spent_60_50", "rule": "events.`Order Completed`.sum(revenue) == 60.5"},
        {"key": "pro", "rule": 'segment("pros")'},
        {"key": "looked", "rule": "events.page.exists(1h)"},
        {
            "key": "banner",
            "type": "string",
            "variants": {"none": "", "green": "Green!"},
            "rules": [{"id": "pros", "when": 'segment("pros")', "serve": "green"}],
        },
        {
            "key": "limits",
            "type": "object",
            "variants": {"few": {"seats": 1}, "many": {"seats": 50}},
            "rules": [{"id": "said", "when": 'context.plan == "pro"', "serve": "many"}],
        },
    ],
}


@pytest.fixture(scope="module")
async def shop(module_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """One server for all tests: each has a person of its own."""
    keys = {name[8:].lower(): key for name, key in KEYS.items()}
    await prepare(Settings(database_url=module_dsn, **keys), clock.now())
    await define(module_dsn, SHOP, clock.now())
    with served(tmp_path_factory.mktemp("shop"), dsn=module_dsn, role="api") as running:
        yield running


@pytest.fixture
def ada() -> str:
    return f"ada-{next(_numbers)}"


@pytest.fixture
def lossy(shop: Server) -> Iterator[Lossy]:
    with losing(shop) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def project_key(shop: Server) -> str:
    """A key for both of PostHog's halves."""
    body = {"name": "posthog", "scopes": ["write", "decide"]}
    made = shop.http.post("/v1/admin/keys", json=body, headers=bearer(ADMIN_KEY))
    key: str = made.json()["key"]
    return key


def ordered_once(shop: Server, lossy: Lossy, user_id: str) -> bool:
    """One order counts, though its answer was lost and it was sent again."""
    assert lossy.lost == 1 and lossy.sent_again, lossy.seen
    return shop.holds("ordered_once", user_id) and shop.holds("spent_60_50", user_id)


# Segment and RudderStack in Python


@pytest.mark.parametrize(
    ("client", "gzip"),
    [
        (segment.analytics.client.Client, False),
        (segment.analytics.client.Client, True),
        (rudderstack.analytics.client.Client, False),
        (rudderstack.analytics.client.Client, True),
    ],
    ids=["segment", "segment, gzip", "rudder", "rudder, gzip"],
)
def test_segment_s_and_rudderstack_s_python_clients(
    shop: Server, ada: str, lossy: Lossy, client: Callable[..., Any], gzip: bool
) -> None:
    number = 4_711_000 + next(_numbers)
    trouble: list[Any] = []
    analytics = client(WRITE_KEY, host=lossy.url, gzip=gzip, on_error=lambda *error: trouble.append(error))
    try:
        analytics.track(ada, "Order Completed", {"revenue": 60.5})
        analytics.identify(ada, {"plan": "pro"})
        analytics.page(anonymous_id=f"tab-{ada}", name="Home")
        analytics.identify(ada, anonymous_id=f"tab-{ada}")
        analytics.alias(ada, f"{ada}@example.test")
        analytics.group(ada, "acme", {"employees": 3})
        analytics.track(number, "Order Completed", {"revenue": 60.5})
        analytics.flush()
    finally:
        analytics.shutdown() if hasattr(analytics, "shutdown") else analytics.join()
    assert not trouble
    assert ordered_once(shop, lossy, ada)
    assert shop.holds("pro", ada) and shop.holds("looked", ada) and shop.holds("pro", f"{ada}@example.test")
    assert shop.holds("ordered_once", str(number)) and not shop.holds("pro", str(number))


# Segment in Node


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/import"])
def test_segment_s_node_client(
    shop: Server, ada: str, lossy: Lossy, javascript: JavaScript, tmp_path: Path, path: str
) -> None:
    with javascript.script("segment.mjs", tmp_path) as node:
        node.ask("open", writeKey=WRITE_KEY, host=lossy.url, path=path, flushInterval=50)
        node.ask("call", method="track", userId=ada, event="Order Completed", properties={"revenue": 60.5})
        node.ask("call", method="identify", userId=ada, anonymousId=f"tab-{ada}", traits={"plan": "pro"})
        node.ask("call", method="page", anonymousId=f"tab-{ada}", name="Home")
        node.ask("call", method="group", userId=ada, groupId="acme", traits={"employees": 3})
        node.ask("call", method="alias", userId=ada, previousId=f"{ada}@example.test")
        assert node.ask("close") == []
    assert ordered_once(shop, lossy, ada)
    assert shop.holds("pro", ada) and shop.holds("looked", f"{ada}@example.test")


def test_a_wrong_key_reaches_segment_s_node_client(
    shop: Server, ada: str, javascript: JavaScript, tmp_path: Path
) -> None:
    with javascript.script("segment.mjs", tmp_path) as node:
        node.ask("open", writeKey="no-such-key", host=shop.url, maxRetries=1)
        node.ask("call", method="track", userId=ada, event="Order Completed")
        (error,) = node.ask("close")
    assert "401" in error


# PostHog


def shown(shop: Server, person: str) -> set[tuple[str, str, str | None]]:
    """Which flags were counted as shown to the person: flag, variant, and the rule that gave it."""
    answer = shop.http.get("/v1/admin/exposures", params={"profile": person}, headers=bearer(ADMIN_KEY))
    return {(one["flag"], one["variant"], one["rule"]) for one in answer.json()["exposures"]}


@pytest.fixture
def posthog(lossy: Lossy, project_key: str) -> Iterator[Posthog]:
    trouble: list[Any] = []
    client = Posthog(project_key, host=lossy.url, gzip=True, on_error=lambda *error: trouble.append(error))
    yield client
    client.shutdown()
    assert not trouble


def test_posthog_s_python_client_sends_events(shop: Server, ada: str, lossy: Lossy, posthog: Posthog) -> None:
    posthog.capture("Order Completed", distinct_id=ada, properties={"revenue": 60.5})
    posthog.set(distinct_id=ada, properties={"plan": "pro"})
    posthog.capture("$pageview", distinct_id=f"tab-{ada}", properties={"$current_url": "https://shop.test/"})
    posthog.alias(previous_id=f"tab-{ada}", distinct_id=ada)
    posthog.group_identify("company", "acme", {"employees": 3})
    posthog.capture("Order Completed", distinct_id=f"bob-{ada}", properties={"$set": {"plan": "pro"}})
    posthog.flush()
    assert ordered_once(shop, lossy, ada)
    assert shop.holds("pro", ada) and shop.holds("looked", ada) and shop.holds("looked", f"tab-{ada}")
    assert shop.holds("pro", f"bob-{ada}") and shop.holds("ordered_once", f"bob-{ada}")


@pytest.mark.parametrize("compression", ["none", "gzip", "deflate"])
def test_posthog_s_python_client_speaks_its_second_protocol(
    shop: Server, ada: str, lossy: Lossy, project_key: str, compression: str
) -> None:
    trouble: list[Any] = []
    client = Posthog(
        project_key,
        host=lossy.url,
        capture_mode="v1",
        capture_compression=compression,
        on_error=lambda *error: trouble.append(error),
    )
    client.capture("Order Completed", distinct_id=ada, properties={"revenue": 60.5})
    client.set(distinct_id=ada, properties={"plan": "pro"})
    client.shutdown()
    assert not trouble
    assert {path for _, path, _ in lossy.seen} == {"/i/v1/analytics/events"}
    assert ordered_once(shop, lossy, ada) and shop.holds("pro", ada)


def test_posthog_s_python_client_asks_for_flags(shop: Server, ada: str, posthog: Posthog) -> None:
    before = posthog.evaluate_flags(ada)
    assert set(before.keys) == {flag["key"] for flag in SHOP["flags"]}
    assert before.is_enabled("pro") is False and before.get_flag("banner") is False
    posthog.set(distinct_id=ada, properties={"plan": "pro"})
    posthog.flush()
    after = posthog.evaluate_flags(ada, person_properties={"plan": "pro"}, flag_keys=["pro", "banner", "limits"])
    assert len(after.keys) == 3
    assert after.is_enabled("pro") is True
    assert (after.get_flag("banner"), after.get_flag_payload("banner")) == ("green", "Green!")
    assert (after.get_flag("limits"), after.get_flag_payload("limits")) == ("many", {"seats": 50})
    posthog.capture("looked at offer", distinct_id=ada, flags=after)


@pytest.mark.filterwarnings("ignore:`:DeprecationWarning")
def test_posthog_s_python_client_asks_for_flags_as_most_programs_still_do(
    shop: Server, ada: str, posthog: Posthog
) -> None:
    shop.http.post("/v1/identify", json={"userId": ada, "traits": {"plan": "pro"}}, headers=bearer(WRITE_KEY))
    assert posthog.feature_enabled("pro", ada) is True and posthog.feature_enabled("pro", f"bob-{ada}") is False
    assert posthog.get_feature_flag("banner", ada) == "green"
    assert posthog.get_feature_flag_payload("banner", ada) == "Green!"
    everything = posthog.get_all_flags(ada)
    assert everything is not None and everything["limits"] is False
    assert not posthog.feature_enabled("unheard-of", ada)
    posthog.flush()
    assert shown(shop, ada) == {("pro", "on", "rule"), ("banner", "green", "pros")}
    assert shown(shop, f"bob-{ada}") == {("pro", "off", None)}


@pytest.mark.filterwarnings("ignore:`:DeprecationWarning")
def test_posthog_s_python_client_is_refused_the_rules_and_asks_for_answers(
    shop: Server, ada: str, project_key: str, caplog: pytest.LogCaptureFixture
) -> None:
    shop.track({"userId": ada, "event": "Order Completed"})
    with caplog.at_level(logging.CRITICAL):
        client = Posthog(project_key, host=shop.url, personal_api_key="phx_any")
        try:
            client.load_feature_flags()
            assert client.feature_enabled("ordered", ada) is True
        finally:
            client.shutdown()


def test_posthog_s_node_client(
    shop: Server, ada: str, lossy: Lossy, project_key: str, javascript: JavaScript, tmp_path: Path
) -> None:
    with javascript.script("posthog.mjs", tmp_path) as node:
        node.ask("open", key=project_key, host=lossy.url, flushInterval=50, fetchRetryDelay=50)
        assert node.ask("flag", key="pro", distinctId=ada) is False
        order = {"event": "Order Completed", "properties": {"revenue": 60.5}}
        node.ask("call", method="capture", distinctId=ada, **order)
        node.ask("call", method="identify", distinctId=ada, properties={"plan": "pro"})
        node.ask("call", method="capture", distinctId=f"tab-{ada}", event="$pageview")
        node.ask("call", method="alias", distinctId=ada, alias=f"tab-{ada}")
        node.ask("call", method="groupIdentify", groupType="company", groupKey="acme", properties={"seats": 3})
        node.ask("close")
        node.ask("open", key=project_key, host=lossy.url)
        assert node.ask("flag", key="pro", distinctId=ada) is True
        assert node.ask("flag", key="banner", distinctId=ada) == "green"
        assert node.ask("payload", key="banner", distinctId=ada) == "Green!"
        said = node.ask("flags", distinctId=f"eve-{ada}", personProperties={"plan": "pro"})
        assert said["limits"] == "many"
        node.ask("close")
    assert shown(shop, ada) == {("pro", "off", None), ("pro", "on", "rule"), ("banner", "green", "pros")}
    assert ordered_once(shop, lossy, ada)
    assert shop.holds("looked", ada) and shop.holds("pro", f"tab-{ada}")


# Browsers


@pytest.mark.parametrize("sdk", ["segment", "rudder", "posthog"])
def test_browsers_sdks(
    shop: Server, ada: str, lossy: Lossy, project_key: str, javascript: JavaScript, tmp_path: Path, sdk: str
) -> None:
    """The first call's answer is lost, and what comes after it overtakes it."""
    with javascript.script("browser.mjs", tmp_path) as page:
        page.ask("open", sdk=sdk, key=project_key, host=lossy.url)
        page.ask("call", method="page", given=[])
        page.ask("call", method="track", given=["Order Completed", {"revenue": 60.5}])
        page.ask("call", method="identify", given=[ada, {"plan": "pro"}])
        until(lambda: lossy.sent_again and shop.holds("ordered", ada), 60, lambda: str(lossy.seen))
        until(lambda: shop.holds("looked", ada) and shop.holds("pro", ada), 60, lambda: str(lossy.seen))
    assert ordered_once(shop, lossy, ada)


def test_rudderstack_s_beacon(shop: Server, ada: str, javascript: JavaScript, tmp_path: Path) -> None:
    beacon = {"useBeacon": True, "beaconQueueOptions": {"flushQueueInterval": 200}}
    with javascript.script("browser.mjs", tmp_path) as page:
        page.ask("open", sdk="rudder", key=WRITE_KEY, host=shop.url, **beacon)
        page.ask("call", method="identify", given=[ada, {"plan": "pro"}])
        page.ask("call", method="track", given=["Order Completed", {"revenue": 60.5}])
        until(lambda: shop.holds("pro", ada) and shop.holds("ordered_once", ada))


@pytest.mark.parametrize("options", [{}, {"s2s": True}], ids=["browser", "server"])
def test_jitsu_s_client(
    shop: Server, ada: str, javascript: JavaScript, tmp_path: Path, options: dict[str, Any]
) -> None:
    """It never sends anything twice: what it is answered must be true."""
    with javascript.script("browser.mjs", tmp_path) as page:
        page.ask("open", sdk="jitsu", key=WRITE_KEY, host=shop.url, **options)
        page.ask("ask", method="identify", given=[ada, {"plan": "pro"}])
        page.ask("ask", method="page", given=[{"name": "Home"}])
        page.ask("ask", method="track", given=["Order Completed", {"revenue": 60.5}])
    assert all(shop.holds(flag, ada) for flag in ("looked", "ordered_once", "pro"))


def test_posthog_s_flags_in_a_browser(
    shop: Server, ada: str, project_key: str, javascript: JavaScript, tmp_path: Path
) -> None:
    with javascript.script("browser.mjs", tmp_path) as page:
        page.ask("open", sdk="posthog", key=project_key, host=shop.url)
        until(lambda: page.ask("ask", method="flag", given=["banner"]) is False)
        page.ask("call", method="identify", given=[ada, {"plan": "pro"}])
        until(lambda: shop.holds("pro", ada))
        page.ask("call", method="reload", given=[])
        until(lambda: page.ask("ask", method="flag", given=["banner"]) == "green")
