"""PostHog's bodies: its events, its forms, and who is meant."""

import base64
import gzip
import json
from typing import Any
from urllib.parse import quote_plus

import pytest

from tinycdp.api.http.bodies import unwrap
from tinycdp.api.ingest.adapters.posthog import key_in, parse_capture, parse_question
from tinycdp.errors import InvalidInput
from tinycdp.model import Identifier, Message

NOW = 1_780_000_000_000  # 2026-05-28T20:26:40Z
U1, A1 = Identifier("userId", "u1"), Identifier("anonymousId", "a1")


def captured(*events: Any, **envelope: Any) -> Any:
    return parse_capture(json.dumps({"api_key": "k", "batch": events, **envelope}).encode(), NOW)


def one(**event: Any) -> Message:
    (message,) = captured({"distinct_id": "u1", **event}).messages
    return message


def test_an_event_of_a_server_is_a_track_call_of_a_user() -> None:
    message = one(
        event="order",
        uuid="e-1",
        timestamp="2026-05-28T20:26:30+00:00",
        properties={"amount": 19.5, "$lib": "posthog-python", "$lib_version": "7", "$ip": "1.2.3.4", "token": "k"},
    )
    assert (message.kind, message.name, message.message_id) == ("track", "order", "e-1")
    assert (message.identifiers, message.occurred_at) == ((U1,), NOW - 10_000)
    assert "token" not in message.properties
    assert message.context == {"library": {"name": "posthog-python", "version": "7"}, "ip": "1.2.3.4"}


def test_the_fields_have_other_names_in_some_sdks() -> None:
    """posthog-rs writes $distinct_id, and times without a zone; old SDKs of phones and Ruby their own message ids."""
    event = {
        "event": "e",
        "$distinct_id": "u1",
        "timestamp": "2026-05-28T20:26:39.5",
        "properties": {"$lib": "posthog-rs"},
    }
    (message,) = captured(event).messages
    assert (message.identifiers, message.occurred_at) == ((U1,), NOW - 500)
    for name in ("uuid", "messageId", "message_id"):
        assert one(event="e", **{name: "e-1"}).message_id == "e-1", name
    assert one(event="e", uuid="e-1", messageId="e-2").message_id == "e-1"


def test_the_second_protocol_moves_the_session_out_of_the_properties() -> None:
    message = one(event="e", session_id="s-1", window_id="w-1", options={}, properties={"n": 1})
    assert message.properties == {"n": 1, "$session_id": "s-1", "$window_id": "w-1"}
    assert one(event="e", session_id="s-1", properties={"$session_id": "s-2"}).properties == {"$session_id": "s-2"}


def test_the_envelope_corrects_the_clock() -> None:
    event = {"event": "e", "distinct_id": "u1", "timestamp": "2020-01-01T00:00:00Z"}
    (message,) = captured(event, sent_at="2020-01-01T00:01:00Z").messages
    assert message.occurred_at == NOW - 60_000
    (message,) = parse_capture(json.dumps(event).encode(), NOW, sent_at=1_577_836_860_000).messages
    assert message.occurred_at == NOW - 60_000


def test_an_offset_counts_back_from_arrival_whatever_the_envelope_says() -> None:
    (message,) = captured({"event": "e", "distinct_id": "u1", "offset": 5000}, sent_at="2020-01-01T00:01:00Z").messages
    assert message.occurred_at == NOW - 5_000


@pytest.mark.parametrize(
    ("properties", "identifier"),
    [
        ({}, Identifier("userId", "d")),
        ({"$is_identified": True, "$device_id": "d"}, Identifier("userId", "d")),
        ({"$is_identified": False}, Identifier("anonymousId", "d")),
        ({"$device_id": "d"}, Identifier("anonymousId", "d")),
        ({"$device_id": "other"}, Identifier("userId", "d")),
    ],
)
def test_an_id_is_anonymous_where_the_sdk_says_so(properties: dict[str, Any], identifier: Identifier) -> None:
    assert one(event="e", distinct_id="d", properties=properties).identifiers == (identifier,)
    assert one(event="$set", distinct_id="d", properties=properties).identifiers == (identifier,)
    assert one(event="e", distinct_id=None, properties={"distinct_id": "d", **properties}).identifiers == (identifier,)


def test_identify_claims_the_anonymous_id_and_sets_traits() -> None:
    message = one(
        event="$identify",
        properties={"$anon_distinct_id": "a1", "$device_id": "a1", "$set": {"plan": "free", "x": 1}},
        **{"$set": {"plan": "pro"}},
    )
    assert (message.kind, message.identifiers, message.previous) == ("identify", (U1, A1), None)
    assert message.properties == {"plan": "pro", "x": 1}
    assert one(event="$identify", properties={"$anon_distinct_id": "u1"}).identifiers == (U1,)


def test_what_an_event_sets_is_an_identify_call_beside_it() -> None:
    event = {"event": "order", "distinct_id": "u1", "uuid": "e-1", "properties": {"$set": {"plan": "pro"}, "n": 1}}
    order, identify = captured(event).messages
    assert (order.kind, order.properties, order.message_id) == ("track", {"n": 1}, "e-1")
    assert (identify.kind, identify.properties, identify.message_id) == ("identify", {"plan": "pro"}, "e-1$set")
    assert identify.occurred_at == order.occurred_at and identify.identifiers == order.identifiers


def test_both_messages_of_an_event_or_neither() -> None:
    parsed = captured({"event": "", "distinct_id": "u1", "$set": {"plan": "pro"}}, {"event": "e", "distinct_id": "u1"})
    assert [m.name for m in parsed.messages] == ["e"]
    assert [(r.code, r.path) for r in parsed.rejections] == [("INVALID_EVENT_NAME", "$.batch[0].event")]


@pytest.mark.parametrize(
    ("event", "code", "path"),
    [
        ({"distinct_id": True}, "INVALID_IDENTIFIER", "$.batch[0].distinct_id"),
        ({"distinct_id": [], "properties": {"$is_identified": False}}, "INVALID_IDENTIFIER", "$.batch[0].distinct_id"),
        ({"uuid": True}, "INVALID_MESSAGE_ID", "$.batch[0].uuid"),
        ({"timestamp": "yesterday"}, "INVALID_TIMESTAMP", "$.batch[0].timestamp"),
        ({"properties": 7}, "INVALID_PROPERTIES", "$.batch[0].properties"),
        ({"$set": 7}, "INVALID_PROPERTIES", "$.batch[0]['$set']"),
        ({"event": "$identify", "$set": {"k" * 201: 1}}, "INVALID_PROPERTIES", "$.batch[0]['$set']"),
        ({"$set": {"a": {"k" * 201: 1}}}, "INVALID_PROPERTIES", "$.batch[0]['$set']['a']"),
        ({"event": "$groupidentify"}, "MISSING_GROUP_ID", "$.batch[0].properties['$group_key']"),
    ],
)
def test_a_rejection_names_the_field_as_it_was_sent(event: dict[str, Any], code: str, path: str) -> None:
    (rejection,) = captured({"event": "e", "distinct_id": "u1", **event}).rejections
    assert (rejection.code, rejection.path) == (code, path)


def test_what_an_event_says_of_where_it_happened_is_its_context() -> None:
    said = {"$ip": "1.2.3.4", "$timezone": "Europe/Bonn", "$locale": "de", "$raw_user_agent": "Firefox"}
    said |= {"$current_url": "https://shop.test/a", "$pathname": "/a", "$referrer": "$direct", "title": "A"}
    assert one(event="e", properties=said).context == {
        "ip": "1.2.3.4",
        "timezone": "Europe/Bonn",
        "locale": "de",
        "userAgent": "Firefox",
        "page": {"url": "https://shop.test/a", "path": "/a", "referrer": "$direct", "title": "A"},
    }
    assert one(event="e", properties={"$browser_language": "fr", "$user_agent": "curl", "$title": "T"}).context == {
        "locale": "fr",
        "userAgent": "curl",
        "page": {"title": "T"},
    }
    assert one(event="e", properties={"$ip": "", "$timezone": None}).context == {}


def test_an_alias_joins_both_ways_round() -> None:
    message = one(event="$create_alias", distinct_id="old", properties={"alias": "new"})
    assert (message.kind, message.previous) == ("alias", "old")
    assert message.identifiers == (Identifier("userId", "new"), Identifier("anonymousId", "new"))
    assert one(event="$create_alias", distinct_id="u", properties={"alias": "u"}).previous is None
    (rejection,) = captured({"event": "$create_alias", "distinct_id": "u"}).rejections
    assert (rejection.code, rejection.path) == ("MISSING_PREVIOUS_ID", "$.batch[0].properties.alias")


def test_group_traits_are_no_event_of_a_profile() -> None:
    said = {"$group_type": "company", "$group_key": 5, "$group_set": {"seats": 3}}
    for made_up in ("$company_5", "company_5", None):
        message = one(event="$groupidentify", distinct_id=made_up, properties=said)
        assert (message.kind, message.group_id, message.properties) == ("group", "company:5", {"seats": 3})
        assert message.identifiers == (Identifier("groupId", "company:5"),)
    assert one(event="$groupidentify", properties=said).identifiers == (U1,)
    assert one(event="e", properties={"$groups": {"company": 5, "team": {}}}).group_id == "company:5"


def test_visitors_without_cookies_are_not_one_person() -> None:
    """A page that keeps nothing in the browser sends this for all, and leaves it to the server to tell them apart."""
    cookieless = "$posthog_cookieless"
    for name in ("looked", "$pageview", "$identify"):
        event = {"event": name, "distinct_id": cookieless, "properties": {"$cookieless_mode": True}}
        (rejection,) = captured(event).rejections
        assert (rejection.code, rejection.path) == ("MISSING_IDENTIFIER", "$.batch[0]")
    said = {"$group_type": "company", "$group_key": 5}
    assert one(event="$groupidentify", distinct_id=cookieless, properties=said).identifiers == (
        Identifier("groupId", "company:5"),
    )


def test_views_are_page_and_screen_calls() -> None:
    page = one(event="$pageview", properties={"$current_url": "https://shop.test/a", "$pathname": "/a", "title": "A"})
    assert (page.kind, page.name, page.context["page"]["url"]) == ("page", "page", "https://shop.test/a")
    assert (page.properties["path"], page.properties["$pathname"], page.properties["title"]) == ("/a", "/a", "A")
    screen = one(event="$screen", properties={"$screen_name": "Cart"})
    assert (screen.kind, screen.properties["name"]) == ("screen", "Cart")


def test_one_event_and_lists_are_bodies_too() -> None:
    event = {"event": "e", "properties": {"distinct_id": "u1", "token": "k"}}
    for body in (event, [event], {"batch": [event]}):
        raw = json.dumps(body).encode()
        assert [m.identifiers for m in parse_capture(raw, NOW).messages] == [(U1,)]
        assert key_in(raw) == "k"


def test_the_project_key_is_found_wherever_it_stands() -> None:
    assert key_in(b'{"api_key":"a","token":"t"}') == "a"
    assert key_in(b'{"token":"t","batch":[]}') == "t"
    assert key_in(b'{"$token":"t"}') == key_in(b'[{"$token":"t"}]') == "t"
    for name in (b"api_key", b"token", b"$token"):
        assert key_in(b'{"%s":"t","batch":[{"api_key":"other"}]}' % name) == "t"
    assert key_in(b'{"batch":[{"properties":{"token":"t"}},{"api_key":"other"}]}') == "t"
    for body in (b"[]", b"{}", b"", b"{", b"7", b'{"api_key":7}', b'{"batch":[7]}', b"\xff"):
        assert key_in(body) is None


def test_forms_base64_and_gzip_are_opened() -> None:
    text = json.dumps({"event": "ü?>", "list": [1, 2]}).encode()
    packed = base64.b64encode(text)
    zipped = base64.b64encode(gzip.compress(text))
    for body in (
        text,
        b"\n " + text,
        packed,
        packed.rstrip(b"="),
        base64.urlsafe_b64encode(text),
        zipped,
        b"data=" + packed,
        b"data=" + quote_plus(packed).encode() + b"&compression=base64",
        b"data=" + quote_plus(zipped).encode(),
        b"data=" + quote_plus(text).encode(),
    ):
        assert json.loads(unwrap(body)) == json.loads(text), body


@pytest.mark.parametrize("body", [b"data=", b"hello world", b"data=%%%", b"\xff\xfe"])
def test_what_is_neither_json_nor_base64_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_capture(unwrap(body), NOW)
    assert caught.value.code in {"INVALID_BASE64", "INVALID_JSON"}


def test_a_bomb_in_base64_is_not_inflated() -> None:
    with pytest.raises(InvalidInput) as caught:
        unwrap(b"data=" + base64.b64encode(gzip.compress(b" " * 2000)), limit=1000)
    assert caught.value.code == "BODY_TOO_LARGE"


def test_what_a_question_says_is_context() -> None:
    question = parse_question(
        b'{"distinct_id":"u1","person_properties":{"plan":"pro"},"groups":{"company":"acme"},"group_properties":null}'
    )
    assert question.distinct_id == "u1"
    assert question.context() == {"plan": "pro", "groups": {"company": "acme"}, "groupProperties": {}}
    assert parse_question(
        b'{"$distinct_id":"u1","$properties":{"plan":"pro"},"$groups":{"company":"acme"},"$group_properties":{"company":{}}}'
    ).context() == {"plan": "pro", "groups": {"company": "acme"}, "groupProperties": {"company": {}}}
    assert parse_question(b" ").context() == {}
    assert parse_question(b'{"person_properties":[],"groups":7}').context() == {}


def test_a_question_names_its_person_and_flags_in_either_spelling() -> None:
    for body in (b'{"distinct_id":"u1","$anon_distinct_id":"a1"}', b'{"$distinct_id":"u1","anon_distinct_id":"a1"}'):
        question = parse_question(body)
        assert (question.distinct_id, question.anon_distinct_id) == ("u1", "a1")
    assert parse_question(b"{}").wanted() is None
    assert (
        parse_question(b'{"flag_keys":["a"]}').wanted() == parse_question(b'{"flag_keys_to_evaluate":["a"]}').wanted()
    )
    assert parse_question(b'{"flag_keys":["a",{},null]}').wanted() == {"a"}
    # A client that wants the configuration alone says so.
    assert parse_question(b'{"disable_flags":true,"flag_keys":["a"]}').wanted() == frozenset()


def test_the_session_is_wherever_the_client_keeps_it() -> None:
    for body in (
        b'{"$session_id":"s"}',
        b'{"session_id":"s"}',
        b'{"person_properties":{"$session_id":"s"}}',
    ):
        assert parse_question(body).session() == "s", body
    for body in (b"{}", b'{"$session_id":7}', b'{"person_properties":[]}', b'{"$session_id":""}'):
        assert parse_question(body).session() is None, body
