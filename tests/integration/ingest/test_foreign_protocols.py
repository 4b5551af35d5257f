"""The other routes: what browsers' SDKs fetch first, short paths, and the endpoints of RudderStack, Jitsu, PostHog,
RadixInsight and PulseBoard; and what browsers ask before they use any of them."""

import base64
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote_plus

import httpx
import pytest

from application import KEYS, Application, running


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        yield application


async def names_of(app: Application, person: str) -> list[str]:
    journey = (await app.read.get(f"/v1/journeys/{person}")).json()
    return sorted(event["event"] or event["type"] for event in journey["events"])


async def test_short_paths_are_the_long_ones(app: Application) -> None:
    who = {"userId": "ada"}
    for path, body in {
        "/v1/t": {**who, "event": "app_open"},
        "/v1/i": {**who, "traits": {"plan": "pro"}},
        "/v1/p": {**who, "name": "Home"},
        "/v1/s": {**who, "name": "Start"},
        "/v1/g": {**who, "groupId": "acme"},
        "/v1/a": {**who, "previousId": "anon-1"},
        "/v1/b": {"batch": [{**who, "type": "track", "event": "purchase"}]},
    }.items():
        answer = await app.write.post(path, json=body)
        assert (answer.status_code, answer.json()["accepted"]) == (200, 1), path
    assert await names_of(app, "ada") == ["alias", "app_open", "group", "identify", "page", "purchase", "screen"]


async def test_radixinsight_is_answered_202(app: Application) -> None:
    event = {"event_id": "e-1", "event_name": "app_open", "project_id": "any", "user": {"user_id": "grace"}}
    assert (await app.write.post("/collect", json=[event, event])).status_code == 202
    assert await names_of(app, "grace") == ["app_open"]


async def test_pulseboard_gets_its_answer_for_a_duplicate(app: Application) -> None:
    event = {"userId": "linus", "event": "app_open", "idempotencyKey": "e-1"}
    first, second = [(await app.write.post("/api/events", json=event)).json()["status"] for _ in range(2)]
    assert (first, second) == ("accepted", "duplicate")
    assert await names_of(app, "linus") == ["app_open"]


# Segment and RudderStack in browsers


async def test_analytics_next_is_sent_back_to_where_it_asked(app: Application) -> None:
    answer = await app.keyless.get(f"/v1/projects/{KEYS['write']}/settings", headers={"Host": "cdp.test:8443"})
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "private, max-age=60")
    segment = {"apiKey": KEYS["write"], "apiHost": "cdp.test:8443/v1", "protocol": "http"}
    assert answer.json() == {
        "integrations": {"Segment.io": segment},
        "plan": {},
        "metrics": {"sampleRate": 0},
        "remotePlugins": [],
    }
    behind_tls = {"X-Forwarded-Proto": "https"}
    answer = await app.keyless.get(f"/v1/projects/{KEYS['write']}/settings", headers=behind_tls)
    assert answer.json()["integrations"]["Segment.io"]["protocol"] == "https"


async def test_rudderstack_s_source_is_enabled_and_has_no_destinations(app: Application) -> None:
    by_query = await app.keyless.get("/sourceConfig/", params={"p": "npm", "writeKey": KEYS["write"]})
    by_basic = await app.keyless.get("/sourceConfig/", auth=(KEYS["write"], ""))
    for answer in (by_query, by_basic):
        source = answer.json()["source"]
        assert (source["enabled"], source["destinations"], source["writeKey"]) == (True, [], KEYS["write"])


@pytest.mark.parametrize(
    "path",
    ["/v1/projects/wrong/settings", "/sourceConfig/?writeKey=wrong", "/array/wrong/config", "/array/wrong/config.js"],
)
async def test_a_wrong_key_configures_nothing(app: Application, path: str) -> None:
    answer = await app.keyless.get(path)
    assert (answer.status_code, answer.json()["code"]) == (401, "INVALID_KEY")


async def test_self_metrics_are_thrown_away(app: Application) -> None:
    assert (await app.keyless.post("/v1/m", content=b'{"series":[]}')).status_code == 200


async def test_the_beacon_s_key_is_in_its_address(app: Application) -> None:
    body = {"batch": [{"type": "track", "event": "left", "userId": "", "anonymousId": "tab"}], "sentAt": None}
    for path in ("/beacon/v1/batch", "/beacon/v1/batch/"):
        answer = await app.keyless.post(path, params={"writeKey": KEYS["write"]}, json=body)
        assert answer.status_code == 200, answer.text
    assert await names_of(app, "tab") == ["left", "left"]


async def test_history_may_be_imported(app: Application) -> None:
    old = {"type": "track", "userId": "ada", "event": "app_open", "timestamp": "2021-01-01T00:00:00Z"}
    assert (await app.write.post("/v1/import", json={"batch": [old]})).json()["accepted"] == 1


# Keys


async def test_a_header_s_key_wins_over_the_body_s_and_the_body_s_over_the_address_s(app: Application) -> None:
    def call(n: int, **also: Any) -> dict[str, Any]:
        return {"userId": "ada", "event": "app_open", "messageId": f"m{n}", **also}

    wrong = {"writeKey": "wrong"}
    for n, sent in enumerate(
        [
            app.keyless.post("/v1/track", json=call(0, **wrong), params=wrong, auth=(KEYS["write"], "")),
            app.keyless.post("/v1/track", json=call(1, **wrong), headers={"X-Write-Key": KEYS["write"]}),
            app.keyless.post("/v1/track", json=call(2, writeKey=KEYS["write"]), params=wrong),
            app.keyless.post("/v1/track", json=call(3), params={"writeKey": KEYS["write"]}),
            app.keyless.post("/v1/track", json=call(6), auth=(KEYS["write"], ""), headers={"X-Write-Key": "wrong"}),
            app.keyless.post(
                "/v1/track",
                json=call(4),
                headers={"Authorization": "Basic " + base64.b64encode(KEYS["write"].encode()).decode().rstrip("=")},
            ),
        ]
    ):
        assert (await sent).status_code == 200, n
    answer = await app.keyless.post("/v1/track", json=call(5, writeKey=KEYS["write"]), headers={"X-Write-Key": "wrong"})
    assert (answer.status_code, answer.json()["code"]) == (401, "INVALID_KEY")


# Jitsu


@pytest.mark.parametrize("path", ["/api/s/track", "/api/s/s2s/track"])
async def test_jitsu_s_masked_key_in_the_body_is_not_read(app: Application, path: str) -> None:
    event = {"type": "track", "event": "app_open", "userId": "ada", "messageId": "j-1", "writeKey": "id:***"}
    answer = await app.keyless.post(path, json=event, headers={"X-Write-Key": KEYS["write"]})
    assert answer.status_code == 200
    assert isinstance(answer.json(), dict) and "destinations" not in answer.json()
    assert await names_of(app, "ada") == ["app_open"]


@pytest.mark.parametrize("form", ["id:{}", "{}:secret"])
async def test_jitsu_s_keys_have_two_parts_of_which_one_is_ours(app: Application, form: str) -> None:
    headers = {"X-Write-Key": form.format(KEYS["write"])}
    answer = await app.keyless.post("/api/s/track", json={"event": "app_open", "userId": "ada"}, headers=headers)
    assert answer.status_code == 200
    answer = await app.keyless.post("/api/s/track", json={}, headers={"X-Write-Key": "id:secret"})
    assert (answer.status_code, answer.json()["code"]) == (401, "INVALID_KEY")


async def test_jitsu_s_other_calls(app: Application) -> None:
    who = {"userId": "ada", "anonymousId": "tab", "context": {"traits": {"plan": "pro"}}}
    for kind, body in {
        "page": {"properties": {"name": "Home"}},
        "identify": {"traits": {"plan": "pro"}},
        "group": {"groupId": "acme"},
        "batch": {"batch": [{"type": "track", "event": "app_open", "userId": "ada"}]},
    }.items():
        assert (await app.write.post(f"/api/s/{kind}", json={**who, **body})).status_code == 200, kind
    assert await names_of(app, "tab") == ["app_open", "group", "identify", "page"]


# PostHog


def posthog(*events: dict[str, Any], **also: Any) -> dict[str, Any]:
    return {"api_key": KEYS["write"], "batch": list(events), **also}


ORDER = {"event": "order", "distinct_id": "grace", "uuid": "0190-1", "properties": {"amount": 5}}


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/batch/", json.dumps(posthog(ORDER)).encode()),
        ("/batch", gzip.compress(json.dumps(posthog(ORDER)).encode())),
        ("/capture/", json.dumps({**ORDER, "api_key": KEYS["write"]}).encode()),
        ("/e/?ip=0&_=1&compression=gzip-js", gzip.compress(json.dumps([{**ORDER, "token": KEYS["write"]}]).encode())),
        (
            "/i/v0/e/?compression=base64",
            b"data=" + quote_plus(base64.b64encode(json.dumps({**ORDER, "token": KEYS["write"]}).encode())).encode(),
        ),
    ],
)
async def test_posthog_s_events_in_all_their_wrappings(app: Application, path: str, content: bytes) -> None:
    for _ in range(2):
        answer = await app.keyless.post(path, content=content, headers={"Content-Type": "text/plain"})
        assert (answer.status_code, answer.json()) == (200, {"status": 1}), answer.text
    assert await names_of(app, "grace") == ["order"]


async def test_the_second_protocol_of_posthog_s_batches(app: Application) -> None:
    answer = await app.write.post(
        "/i/v1/analytics/events", json={"created_at": "2026-01-01T00:00:00Z", "batch": [ORDER]}
    )
    assert (answer.status_code, answer.json()) == (200, {"results": {}})
    assert await names_of(app, "grace") == ["order"]


async def test_one_anonymous_id_never_joins_two_users_of_posthog(app: Application) -> None:
    def event(name: str, who: str, hour: int, **properties: Any) -> dict[str, Any]:
        at = f"2026-01-01T{hour:02}:00:00Z"
        return {"event": name, "distinct_id": who, "timestamp": at, "properties": {"$device_id": "tab", **properties}}

    looked = event("looked", "tab", 9, **{"$is_identified": False})
    signed_in = [
        event("$identify", who, hour, **{"$anon_distinct_id": "tab"}) for who, hour in (("kim", 10), ("lee", 12))
    ]
    await app.keyless.post("/batch/", json=posthog(looked, *signed_in))
    assert await names_of(app, "kim") == ["identify", "looked"]
    assert await names_of(app, "lee") == ["identify"]


@pytest.fixture
async def flags(app: Application) -> Application:
    """Keys for both of PostHog's halves, and a flag of each kind."""
    await app.define("segment", key="buyers", rule="events.`order`.exists(7d)")
    await app.define("flag", key="thanks", rule='segment("buyers")')
    await app.define(
        "flag",
        key="offer",
        type="object",
        variants={"none": {}, "half": {"percent": 50.0}},
        rules=[{"id": "pro", "when": 'context.plan == "pro"', "serve": "half"}],
    )
    await app.define("flag", key="off", rule="true", enabled=False)
    return app


async def ask(app: Application, path: str = "/flags/?v=2", **question: Any) -> dict[str, Any]:
    answer = await app.keyless.post(path, json={"api_key": KEYS["admin"], **question})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_posthog_s_flags_are_the_engine_s(flags: Application) -> None:
    before = await ask(flags, distinct_id="grace")
    assert before["errorsWhileComputingFlags"] is False and "quotaLimited" not in before
    assert {key: flag["enabled"] for key, flag in before["flags"].items()} == {
        "thanks": False,
        "offer": False,
        "off": False,
    }
    assert before["flags"]["off"]["reason"]["code"] == "disabled"
    await flags.keyless.post("/batch/", json=posthog(ORDER))
    after = await ask(flags, distinct_id="grace", person_properties={"plan": "pro"}, groups={"company": "acme"})
    thanks, offer = after["flags"]["thanks"], after["flags"]["offer"]
    assert (thanks["enabled"], thanks["variant"], thanks["metadata"]["payload"]) == (True, None, None)
    assert (thanks["reason"]["code"], thanks["reason"]["condition_index"]) == ("condition_match", 0)
    assert (offer["enabled"], offer["variant"], offer["metadata"]["payload"]) == (True, "half", '{"percent":50.0}')


async def test_only_the_flags_that_were_asked_for(flags: Application) -> None:
    answer = await ask(flags, distinct_id="grace", flag_keys_to_evaluate=["thanks", "unheard-of", {}, None])
    assert list(answer["flags"]) == ["thanks"]


@pytest.mark.parametrize("path", ["/flags/?v=1", "/decide/?v=3"])
async def test_elder_clients_get_the_form_of_their_time(flags: Application, path: str) -> None:
    answer = await ask(flags, path, distinct_id="grace", person_properties={"plan": "pro"})
    assert answer["featureFlags"] == {"thanks": False, "offer": "half", "off": False}
    assert answer["featureFlagPayloads"] == {"offer": '{"percent":50.0}'}


async def test_who_was_anonymous_is_known_by_either_id(flags: Application) -> None:
    order = {**ORDER, "distinct_id": "tab", "properties": {"$is_identified": False}}
    await flags.keyless.post("/batch/", json=posthog(order))
    for question in ({"distinct_id": "tab"}, {"distinct_id": "kim", "$anon_distinct_id": "tab"}):
        assert (await ask(flags, **question))["flags"]["thanks"]["enabled"] is True, question
    assert (await ask(flags, distinct_id="kim"))["flags"]["thanks"]["enabled"] is False


async def test_flags_are_asked_for_in_forms_too(flags: Application) -> None:
    question = json.dumps({"token": KEYS["read"], "distinct_id": "grace"}).encode()
    body = b"data=" + quote_plus(base64.b64encode(question)).encode()
    answer = await flags.keyless.post("/flags/?v=2&compression=base64&config=true", content=body)
    assert answer.json()["flags"].keys() == {"thanks", "offer", "off"}
    assert answer.json()["hasFeatureFlags"] is True


async def test_a_key_that_may_only_decide_reads_no_profile(flags: Application) -> None:
    made = await flags.admin.post("/v1/admin/keys", json={"name": "shop window", "scopes": ["write", "decide"]})
    assert made.status_code == 201, made.text
    key = {"Authorization": f"Bearer {made.json()['key']}"}
    ada = {"userId": "ada"}
    assert (await flags.keyless.post("/v1/track", json={**ada, "event": "order"}, headers=key)).status_code == 200
    allowed = [
        await flags.keyless.get("/v1/decide", params={**ada, "flag": "thanks"}, headers=key),
        await flags.keyless.post("/v1/decide", json=ada, headers=key),
        await flags.keyless.post("/ofrep/v1/evaluate/flags/thanks", json={}, headers=key),
        await flags.keyless.post("/ofrep/v1/evaluate/flags", json={}, headers=key),
        await flags.keyless.post("/flags/?v=2", json={"distinct_id": "ada"}, headers=key),
    ]
    assert [answer.status_code for answer in allowed] == [200] * len(allowed)
    refused = [
        await flags.keyless.get("/v1/decide", params={**ada, "flag": "thanks", "explain": True}, headers=key),
        await flags.keyless.post("/v1/decide", json={**ada, "explain": True}, headers=key),
        await flags.keyless.get("/v1/profiles/ada", headers=key),
        await flags.keyless.get("/v1/journeys/ada", headers=key),
        await flags.keyless.get("/v1/admin/flags", headers=key),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in refused] == [(403, "MISSING_SCOPE")] * len(
        refused
    )


async def test_a_write_key_decides_nothing(app: Application) -> None:
    answer = await app.keyless.post("/flags/?v=2", json={"api_key": KEYS["write"], "distinct_id": "ada"})
    assert (answer.status_code, answer.json()["code"]) == (403, "MISSING_SCOPE")


@pytest.mark.parametrize(
    ("question", "code"), [({}, "MISSING_IDENTIFIER"), ({"distinct_id": []}, "INVALID_IDENTIFIER")]
)
async def test_flags_without_an_identifier_are_an_error(app: Application, question: dict[str, Any], code: str) -> None:
    answer = await app.keyless.post("/flags/?v=2", json={"api_key": KEYS["read"], **question})
    assert (answer.status_code, answer.json()["code"]) == (400, code)


@pytest.mark.parametrize("path", ["/flags/definitions?token=x", "/api/feature_flag/local_evaluation/?send_cohorts"])
async def test_rules_are_not_given_away(app: Application, path: str) -> None:
    answer = await app.admin.get(path)
    assert (answer.status_code, answer.json()["code"]) == (401, "NO_LOCAL_EVALUATION")
    assert answer.json()["detail"] == answer.json()["message"]


async def test_posthog_js_is_configured_as_json_and_as_a_script(app: Application) -> None:
    config = (await app.keyless.get(f"/array/{KEYS['write']}/config")).json()
    assert (config["sessionRecording"], config["surveys"], config["hasFeatureFlags"]) == (False, False, False)
    script = await app.keyless.get(f"/array/{KEYS['write']}/config.js")
    assert script.headers["content-type"].startswith("application/javascript")
    name = json.dumps(KEYS["write"])
    assert f"window._POSTHOG_REMOTE_CONFIG[{name}]={{config:" in script.text
    assert json.loads(script.text.partition("{config:")[2].partition(",siteApps:[]};")[0]) == config


# Browsers

PAGE = {"Origin": "https://shop.test"}
DOORS = [
    "/v1/track",
    "/v1/batch",
    "/v1/t",
    "/v1/b",
    "/v1/m",
    "/beacon/v1/batch",
    "/api/s/track",
    "/batch/",
    "/e/",
    "/i/v0/e/",
    "/flags/",
    "/decide/",
    "/v1/decide",
    "/ofrep/v1/evaluate/flags/x",
    "/ofrep/v1/evaluate/flags",
]
CONFIGURATIONS = ["/v1/projects/x/settings", "/sourceConfig/", "/array/x/config", "/array/x/config.js"]
SENT_BY_PAGES = [
    *("authorization", "content-type", "x-api-key", "if-none-match", "x-retry-count"),
    *("x-write-key", "x-enable-debug", "x-ip-policy", "anonymousid", "sentat"),
]


@pytest.mark.parametrize(
    ("path", "method"), [*((path, "POST") for path in DOORS), *((path, "GET") for path in CONFIGURATIONS)]
)
async def test_a_browser_may_send_what_its_sdk_wants_to(app: Application, path: str, method: str) -> None:
    answer = await app.keyless.options(
        path,
        headers={
            **PAGE,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": ",".join(SENT_BY_PAGES),
        },
    )
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert method in answer.headers["access-control-allow-methods"]
    allowed = {name.strip().lower() for name in answer.headers["access-control-allow-headers"].split(",")}
    assert allowed >= set(SENT_BY_PAGES)
    assert int(answer.headers["access-control-max-age"]) >= 7200


async def test_a_page_may_read_answers_and_errors(app: Application) -> None:
    event = {"userId": "ada", "event": "app_open"}
    answers = {
        200: await app.write.post("/v1/track", json=event, headers=PAGE),
        400: await app.write.post("/v1/track", content=b"{", headers=PAGE),
        401: await app.keyless.post("/v1/track", json=event, headers=PAGE),
        403: await app.read.post("/v1/track", json=event, headers=PAGE),
        404: await app.keyless.get("/nowhere", headers=PAGE),
        405: await app.keyless.get("/v1/track", headers=PAGE),
        413: await app.write.post("/v1/track", content=b" " * (5 << 20), headers=PAGE),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == "*", status
        exposed = {name.strip() for name in answer.headers["access-control-expose-headers"].split(",")}
        assert exposed >= {"ETag", "Retry-After"}
        if status != 200:
            assert {"code", "message"} <= answer.json().keys()


@pytest.mark.parametrize(("path", "method"), [("/v1/track", "POST"), ("/sourceConfig", "GET"), ("/flags", "POST")])
async def test_a_wrong_method_is_answered_with_the_right_one(app: Application, path: str, method: str) -> None:
    answer: httpx.Response = await app.keyless.request("DELETE", path)
    assert (answer.status_code, answer.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert method in {name.strip() for name in answer.headers["allow"].split(",")}
