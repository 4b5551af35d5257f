"""SDKs that are run nowhere here, by what their sources put on the wire: address, headers, wrapping and body as they
are, and what becomes of it.

Shape   every client reports one order, a minute old. Those that say when they send have a clock that is an hour slow;
        those that do not are taken at their word
"""

import base64
import gzip
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx
import pytest

from application import KEYS, Application, running
from tinycdp.model import MINUTE_MS
from tinycdp.runtime import clock
from tinycdp.times import iso

KEY = KEYS["write"]
BASIC = {"Authorization": "Basic " + base64.b64encode(f"{KEY}:".encode()).decode()}
WITHOUT_COLON = {"Authorization": "Basic " + base64.b64encode(KEY.encode()).decode()}
JSON = {"Content-Type": "application/json"}
JSON_UTF8 = {"Content-Type": "application/json; charset=utf-8"}
GZIP = {"Content-Encoding": "gzip"}
TEXT = {"Content-Type": "text/plain"}

NOW = clock.now()
SENT = iso(NOW - 60 * MINUTE_MS)
AT = iso(NOW - 61 * MINUTE_MS)
TRUE = iso(NOW - MINUTE_MS)


def nanos(stamp: str) -> str:
    """As Go prints it."""
    return stamp.replace("Z", "456789Z")


def dotnet(stamp: str) -> str:
    """As .NET's round-trip format prints a local time: seven digits, and the zone."""
    local = datetime.fromisoformat(stamp).astimezone(timezone(timedelta(hours=5, minutes=30)))
    return local.strftime("%Y-%m-%dT%H:%M:%S.%f") + "7+05:30"


def segment(stamp: str = AT, **also: Any) -> dict[str, Any]:
    return {
        "type": "track",
        "event": "order",
        "messageId": "m-1",
        "userId": "ada",
        "properties": {"amount": 5},
        "context": {"library": {"name": "any", "version": "1"}},
        "integrations": {},
        "timestamp": stamp,
        **also,
    }


def rudder(stamp: str = AT, **also: Any) -> dict[str, Any]:
    """As phones build it: traits in the context of every event, and the time under its other name."""
    context = {"traits": {"anonymousId": "tab", "plan": "old"}, "sessionId": 1_780_000_000, "app": {"build": "1"}}
    event = segment(context=context, **{"anonymousId": "tab", "channel": "mobile", "originalTimestamp": stamp, **also})
    del event["timestamp"]
    return event


def posthog(stamp: str = TRUE, **also: Any) -> dict[str, Any]:
    return {
        "event": "order",
        "distinct_id": "ada",
        "uuid": "m-1",
        "timestamp": stamp,
        "properties": {"amount": 5, "$lib": "any", "$lib_version": "1"},
        **also,
    }


def php_seconds(stamp: str) -> str:
    return datetime.fromisoformat(stamp).replace(microsecond=0).astimezone(UTC).isoformat()


Request = tuple[str, dict[str, str], dict[str, Any]]

REQUESTS: dict[str, Request] = {
    # Segment: phones send no header with the key, which is the last thing in the body
    "analytics-kotlin": (
        "/v1/b",
        {**TEXT, **GZIP},
        {"batch": [segment(anonymousId="tab", _metadata={"bundled": []})], "sentAt": SENT, "writeKey": KEY},
    ),
    "analytics-swift, react-native and flutter": (
        "/v1/b",
        JSON_UTF8,
        {"batch": [segment(anonymousId="tab", traits=None)], "sentAt": SENT, "writeKey": KEY},
    ),
    "analytics-android and ios before them": (
        "/v1/import",
        {**BASIC, **JSON, **GZIP},
        {"batch": [segment(anonymousId="tab", channel="mobile")], "sentAt": SENT},
    ),
    "analytics-go": (
        "/v1/batch",
        {**BASIC, **JSON},
        {"messageId": "b-1", "sentAt": nanos(SENT), "batch": [segment(nanos(AT), anonymousId="ada")], "context": None},
    ),
    "analytics-ruby": (
        "/v1/batch",
        {**BASIC, **JSON, "Accept": "application/json"},
        {"sentAt": SENT, "batch": [segment()]},
    ),
    "analytics-java": (
        "/v1/import/",
        {**BASIC, **JSON_UTF8},
        {
            "batch": [segment()],
            "sentAt": SENT,
            "context": {"library": {"name": "analytics-java"}},
            "sequence": 1,
            "writeKey": KEY,
        },
    ),
    "analytics-php": (
        "/v1/batch",
        {**BASIC, **JSON},
        {"batch": [segment(php_seconds(AT), integrations=[])], "sentAt": php_seconds(SENT)},
    ),
    "Analytics.NET": (
        "/v1/import",
        {**BASIC, **JSON, **GZIP},
        {"batch": [segment(dotnet(AT), anonymousId=None)], "messageId": "b-1", "sentAt": dotnet(SENT), "writeKey": KEY},
    ),
    "analytics-cpp": ("/v1/batch", {**WITHOUT_COLON, **JSON}, {"batch": [segment(sentAt=SENT, category="")]}),
    # RudderStack: the time of sending is in every event as well, or a place is kept for it
    "rudder-sdk-android and ios": (
        "/v1/batch",
        {**BASIC, "Content-Type": "Application/json", "AnonymousId": "dGFi"},
        {"sentAt": SENT, "batch": [rudder(sentAt=SENT)]},
    ),
    "rudder-sdk-kotlin and swift": (
        "/v1/batch",
        {**BASIC, **JSON, **GZIP, "AnonymousId": "dGFi"},
        {"batch": [rudder(sentAt="{{_RSA_DEF_SENT_AT_TS_}}")], "sentAt": SENT},
    ),
    "rudder-sdk-go, java and net": (
        "/v1/batch",
        {**BASIC, **JSON, **GZIP},
        {"batch": [rudder(nanos(AT), channel="server", sentAt=nanos(SENT))], "sentAt": nanos(SENT), "messageId": "b-1"},
    ),
    "rudder-sdk-node": (
        "/v1/batch",
        {**BASIC, **GZIP, "Content-Type": "application/x-www-form-urlencoded"},
        {"batch": [rudder(channel="server", sentAt=SENT)], "sentAt": SENT, "timestamp": SENT},
    ),
    # PostHog: the key is in the body, and few say when they send
    "posthog-android, ios, flutter and react-native": (
        "/batch",
        {**JSON_UTF8, **GZIP},
        {"api_key": KEY, "batch": [posthog(AT)], "sent_at": SENT},
    ),
    "posthog-php": (
        "/batch/",
        {**JSON, **GZIP},
        {"batch": [posthog(type="capture", library="posthog-php", send_feature_flags=False)], "api_key": KEY},
    ),
    "posthog-ruby": ("/batch/", JSON, {"api_key": KEY, "batch": [posthog(type="capture")]}),
    "posthog-ruby before uuids": ("/batch/", JSON, {"api_key": KEY, "batch": [posthog(uuid=None, messageId="m-1")]}),
    "posthog-go": ("/batch/", JSON, {"api_key": KEY, "batch": [posthog(nanos(TRUE))], "historical_migration": False}),
    "posthog-go, second protocol": (
        "/i/v1/analytics/events",
        {"Authorization": f"Bearer {KEY}", **JSON, "PostHog-Attempt": "1"},
        {"created_at": TRUE, "batch": [posthog(nanos(TRUE), session_id="s", options={})]},
    ),
    "posthog-rs": (
        "/batch/",
        JSON,
        {
            "api_key": KEY,
            "historical_migration": False,
            "batch": [posthog(TRUE.replace("Z", "456789"), distinct_id=None, api_key=KEY, **{"$distinct_id": "ada"})],
        },
    ),
    "posthog-dotnet": (
        "/batch",
        JSON_UTF8,
        {
            "api_key": KEY,
            "historical_migrations": False,
            "batch": [posthog(dotnet(TRUE), properties={"distinct_id": "ada"})],
        },
    ),
    "posthog-elixir": ("/batch", {**JSON, **GZIP}, {"batch": [posthog()], "api_key": KEY}),
    "posthog-java": ("/batch", JSON_UTF8, {"api_key": KEY, "batch": [posthog()]}),
    # Jitsu
    "@jitsu/js": (
        "/api/s/s2s/track",
        {**JSON, "X-Write-Key": f"id:{KEY}", "X-Enable-Debug": "false"},
        segment(sentAt=SENT, writeKey="id:***", groupId=None, requestIp=""),
    ),
}


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        application.service.now = lambda: NOW
        yield application


async def send(app: Application, request: Request) -> httpx.Response:
    path, headers, body = request
    content = json.dumps(body).encode()
    if "Content-Encoding" in headers:
        content = gzip.compress(content)
    return await app.keyless.post(path, content=content, headers=headers)


@pytest.mark.parametrize("client", REQUESTS)
async def test_an_order_is_taken_once_and_when_it_happened(app: Application, client: str) -> None:
    for _ in range(2):
        answer = await send(app, REQUESTS[client])
        # Exactly 200, and a JSON object that holds no `error`: Ruby's client looks for it on success, too.
        assert (answer.status_code, answer.json().get("error")) == (200, None), answer.text
    (event,) = await app.service.pool.fetch("SELECT name, occurred_at, message_id FROM events")
    assert (event["name"], event["message_id"]) == ("order", "m-1")
    assert event["occurred_at"] == pytest.approx(NOW - MINUTE_MS, abs=1)
    person = (await app.read.get("/v1/profiles/ada")).json()
    assert person["properties"].get("plan") is None


async def test_a_wrong_key_is_answered_as_every_client_reads_it(app: Application) -> None:
    wrong = {"Authorization": "Basic " + base64.b64encode(b"wrong:").decode()}
    for client, (path, headers, body) in REQUESTS.items():
        answer = await send(app, (path, {**headers, **wrong}, body))
        assert answer.status_code == 401, client
        assert {"code", "message", "error"} <= answer.json().keys()
        # RudderStack's SDKs for phones look for these words.
        assert "invalid write key" in answer.text.lower()


async def test_phones_of_rudderstack_find_every_field_they_require(app: Application) -> None:
    """Kotlin's and Swift's decoders refuse the whole document for one that is missing."""
    answer = await app.keyless.get("/sourceConfig?p=android&v=1.22.0&bv=30", headers=BASIC)
    source = answer.json()["source"]
    for name in ("id", "name", "writeKey", "workspaceId", "updatedAt"):
        assert type(source[name]) is str, name
    assert source["enabled"] is True and source["destinations"] == []
    assert source["config"] == {"statsCollection": {"errors": {"enabled": False}, "metrics": {"enabled": False}}}


async def test_phones_of_segment_are_sent_back_here(app: Application) -> None:
    """They put https:// before and /b behind the host they are given."""
    answer = await app.keyless.get(f"/v1/projects/{KEY}/settings", headers={"Host": "cdp.test", **JSON_UTF8})
    settings = answer.json()
    assert settings["integrations"]["Segment.io"]["apiHost"] == "cdp.test/v1"
    assert all(type(settings[name]) is dict for name in ("integrations", "plan", "metrics"))
