"""Segment's protocol and ours: what each variation that real clients send turns into."""

import json
from typing import Any

import pytest

from tinycdp.api.ingest.adapters.canonical import BLOCKED, EARLIEST, EVENTS_LIMIT, Parsed
from tinycdp.api.ingest.adapters.event import EVENT_LIMIT
from tinycdp.api.ingest.adapters.segment import KINDS, parse_batch, parse_single, write_key_of
from tinycdp.errors import InvalidInput, TooLarge
from tinycdp.model import Identifier, Message, MessageKind, Rejection

NOW = 1_780_000_000_000  # 2026-05-28T20:26:40Z
SECOND = 1_000


def single(kind: MessageKind, **fields: Any) -> Parsed:
    return parse_single(kind, json.dumps(fields).encode(), NOW)


def taken(kind: MessageKind = "track", **fields: Any) -> Message:
    """The message of one valid event; what is not given is the least that is needed."""
    least = {"userId": "u1", **({"event": "opened"} if kind == "track" else {})}
    parsed = single(kind, **{**least, **fields})
    assert parsed.rejections == []
    (message,) = parsed.messages
    return message


def refused(kind: MessageKind = "track", **fields: Any) -> Rejection:
    least = {"userId": "u1", **({"event": "opened"} if kind == "track" else {})}
    parsed = single(kind, **{**least, **fields})
    assert parsed.messages == []
    (rejection,) = parsed.rejections
    return rejection


def batch(*events: Any, **envelope: Any) -> Parsed:
    return parse_batch(json.dumps({"batch": events, **envelope}).encode(), NOW)


# Shapes


def test_a_track_call_becomes_one_message() -> None:
    assert taken(
        messageId="m1",
        anonymousId="a1",
        timestamp="2026-05-28T20:26:30.000Z",
        sentAt="2026-05-28T20:26:35.000Z",
        properties={"amount": 3},
        context={"library": {"name": "x"}},
        channel="server",
        _metadata={"bundled": []},
    ) == Message(
        kind="track",
        message_id="m1",
        identifiers=(Identifier("userId", "u1"), Identifier("anonymousId", "a1")),
        occurred_at=NOW - 5 * SECOND,
        received_at=NOW,
        original_at=NOW - 10 * SECOND,
        sent_at=NOW - 5 * SECOND,
        name="opened",
        properties={"amount": 3},
        context={"library": {"name": "x"}, "channel": "server"},
    )


def test_our_short_form_is_the_same_message() -> None:
    short = taken(event="opened", ts="2026-05-28T20:26:30Z", props={"a": 1}, messageId="m")
    long = taken(event="opened", timestamp="2026-05-28T20:26:30Z", properties={"a": 1}, messageId="m")
    assert short == long
    identified = taken("identify", deviceId="d1", externalId="e1", traits={"plan": "pro"})
    assert identified.identifiers == (
        Identifier("userId", "u1"),
        Identifier("externalId", "e1"),
        Identifier("deviceId", "d1"),
    )
    assert identified.properties == {"plan": "pro"}


def test_a_distinct_id_is_a_user_id() -> None:
    parsed = single("track", event="opened", distinct_id="u7")
    assert parsed.messages[0].identifiers == (Identifier("userId", "u7"),)


@pytest.mark.parametrize("kind", ["track", "identify"])
def test_a_bare_list_is_many_events(kind: MessageKind) -> None:
    body = json.dumps([{"userId": "u1", "event": "a"}, 7, {"userId": "u2", "event": "b"}]).encode()
    parsed = parse_single(kind, body, NOW)
    assert [m.identifiers[0].value for m in parsed.messages] == ["u1", "u2"]
    assert [(r.code, r.path, r.payload) for r in parsed.rejections] == [("INVALID_EVENT", "$[1]", b"7")]
    assert not parsed.single
    assert single(kind, userId="u", event="e").single


def test_a_batch_reads_kinds_and_keeps_the_good() -> None:
    parsed = batch(
        {"type": "track", "userId": "u1", "event": "a"},
        {"type": "identify", "userId": "u1", "traits": {"x": 1}},
        {"type": "track", "userId": True, "event": "a"},
        {"type": "order", "userId": "u1"},
        "text",
        {"type": "page", "anonymousId": "a1", "name": "Home"},
    )
    assert [m.kind for m in parsed.messages] == ["track", "identify", "page"]
    assert [(r.code, r.path) for r in parsed.rejections] == [
        ("INVALID_IDENTIFIER", "$.batch[2].userId"),
        ("UNKNOWN_TYPE", "$.batch[3].type"),
        ("INVALID_EVENT", "$.batch[4]"),
    ]
    assert json.loads(parsed.rejections[0].payload) == {"type": "track", "userId": True, "event": "a"}


@pytest.mark.parametrize(
    ("event", "kind"),
    [({"event": "a"}, "track"), ({"traits": {}}, "identify"), ({"traits": {}, "groupId": "g"}, "group")],
)
def test_in_a_list_without_types_an_event_is_what_it_carries(event: dict[str, Any], kind: str) -> None:
    (message,) = parse_batch(json.dumps([{"userId": "u1", **event}]).encode(), NOW).messages
    assert message.kind == kind


def test_the_envelope_lies_under_each_event() -> None:
    parsed = batch(
        {"type": "track", "userId": "u", "event": "a", "context": {"ip": "1.1.1.1"}, "integrations": {"A": False}},
        {"type": "track", "userId": "u", "event": "b", "timestamp": "2026-05-28T20:26:30Z"},
        context={"ip": "2.2.2.2", "app": {"name": "shop"}},
        integrations={"A": True, "B": True},
        sentAt="2026-05-28T20:26:35Z",
        timestamp="2020-01-01T00:00:00Z",
    )
    first, second = parsed.messages
    assert first.context == {"ip": "1.1.1.1", "app": {"name": "shop"}, "integrations": {"A": False, "B": True}}
    assert second.context["ip"] == "2.2.2.2"
    # No time of its own: the envelope's timestamp is when it was sent, never when the event happened.
    assert (first.occurred_at, first.original_at) == (NOW, None)
    assert second.occurred_at == NOW - 5 * SECOND


def test_page_and_screen_are_events_with_their_name_among_the_properties() -> None:
    page = taken("page", name="Home", category=None, properties={"url": "/", "category": "docs"})
    assert (page.name, page.properties) == ("page", {"url": "/", "name": "Home", "category": "docs"})
    assert taken("screen", name="Cart", category="shop").properties == {"name": "Cart", "category": "shop"}
    assert taken("page", properties={"name": "Jitsu"}).properties == {"name": "Jitsu"}


def test_traits_in_the_context_are_read_on_identify_only() -> None:
    context = {"traits": {"plan": "free", "city": "Bonn"}}
    assert taken("identify", context=context).properties == {"plan": "free", "city": "Bonn"}
    assert taken("identify", traits={"plan": "pro"}, context=context).properties == {"plan": "pro", "city": "Bonn"}
    assert taken("track", context=context).properties == {}
    assert taken("group", groupId="g1", context=context).properties == {}


def test_group_calls_carry_a_group_and_its_traits() -> None:
    message = taken("group", groupId=12, traits={"seats": 4})
    assert (message.group_id, message.properties, message.name) == ("12", {"seats": 4}, "")
    assert taken("track", context={"groupId": "g2"}).group_id == "g2"
    assert refused("group").code == "MISSING_GROUP_ID"


def test_alias_calls_name_the_other_identifier() -> None:
    message = taken("alias", userId="u1", previousId="a1")
    assert (message.identifiers, message.previous) == ((Identifier("userId", "u1"),), "a1")
    assert taken("alias", userId="u1", previousId="u1").previous is None
    for previous in (None, "", "undefined"):
        assert (refused("alias", previousId=previous).code, refused("alias").path) == (
            "MISSING_PREVIOUS_ID",
            "$.previousId",
        )


def test_an_inactive_touch_is_marked() -> None:
    assert not taken(context={"active": False}).active
    assert taken(context={"active": None}).active
    assert taken().active


# Absence


@pytest.mark.parametrize("nothing", [None, ""])
def test_null_and_empty_text_are_absent(nothing: Any) -> None:
    message = taken(
        messageId="m", userId=nothing, anonymousId="a1", externalId=nothing, deviceId=nothing, properties=nothing,
        context=nothing, timestamp=nothing, originalTimestamp=nothing, ts=nothing, sentAt=nothing, integrations=nothing,
    )  # fmt: skip
    assert message == Message(
        kind="track", message_id="m", identifiers=(Identifier("anonymousId", "a1"),), occurred_at=NOW, received_at=NOW,
        name="opened",
    )  # fmt: skip


def test_phps_empty_array_is_an_empty_object() -> None:
    assert taken(properties=[]).properties == {}


# Identifiers


@pytest.mark.parametrize(
    ("sent", "text"),
    [("42", "42"), ("42.0", "42"), ('"42"', "42"), ('"42.0"', "42.0"), ("1e3", "1000"), ("1.50", "1.5"), ("-7", "-7")],
)
def test_numeric_identifiers_are_text(sent: str, text: str) -> None:
    (message,) = parse_single("track", f'{{"event":"e","userId":{sent}}}'.encode(), NOW).messages
    assert message.identifiers == (Identifier("userId", text),)


@pytest.mark.parametrize("value", [True, False, {"id": 1}, ["u1"], "x" * 257])
def test_what_can_be_no_identifier_is_rejected(value: Any) -> None:
    for field in ("userId", "anonymousId", "deviceId", "externalId"):
        rejection = refused(**{field: value})
        assert (rejection.code, rejection.path) == ("INVALID_IDENTIFIER", f"$.{field}")


@pytest.mark.parametrize(
    "value",
    [*sorted(BLOCKED - {""}), "NULL", " Undefined ", "0", 0, 0.0, "000-000", "--", "   ", -1, "NaN", "[object Object]",
     "00000000-0000-0000-0000-000000000000"],
)  # fmt: skip
def test_values_that_identify_no_profile_are_absent(value: Any) -> None:
    assert taken(userId=value, anonymousId="a1").identifiers == (Identifier("anonymousId", "a1"),)
    rejection = refused(userId=value)
    assert (rejection.code, rejection.path) == ("BLOCKED_IDENTIFIER", "$.userId")


def test_a_value_beside_an_id_that_identifies_no_profile_is_remembered() -> None:
    ids = [{"id": "undefined", "type": "email"}, {"id": "5", "type": "crm"}, {"id": None, "type": "phone"}]
    ids.append({"id": "null", "collection": "accounts", "type": "account"})
    message = taken(userId="u1", anonymousId="null", deviceId="", externalId=0, context={"externalIds": ids})
    assert message.identifiers == (Identifier("userId", "u1"), Identifier("crm", "5"))
    assert message.ignored == (
        Identifier("externalId", "0"),
        Identifier("anonymousId", "null"),
        Identifier("email", "undefined"),
    )
    assert taken(userId="u1", anonymousId="a1").ignored == ()
    assert taken(userId=None, distinct_id="none", anonymousId="a1").ignored == (Identifier("userId", "none"),)


def test_an_event_without_identifiers_is_rejected() -> None:
    assert refused(userId=None).code == "MISSING_IDENTIFIER"


def test_aliases_are_ordered_by_strength_custom_kinds_last() -> None:
    message = taken(
        deviceId="d",
        anonymousId="a",
        externalId="e",
        context={
            "externalIds": [
                {"id": "z@example.com", "type": "email", "collection": "users", "encoding": "none"},
                {"id": 5, "type": "crm"},
                {"id": "acme", "type": "account", "collection": "accounts"},
                {"id": "", "type": "phone"},
                {"id": "u1", "type": "userId"},
            ]
        },
    )
    assert message.identifiers == (
        Identifier("userId", "u1"),
        Identifier("externalId", "e"),
        Identifier("anonymousId", "a"),
        Identifier("deviceId", "d"),
        Identifier("email", "z@example.com"),
        Identifier("crm", "5"),
    )


@pytest.mark.parametrize(
    ("ids", "path"),
    [
        ({}, ""),
        ("x", ""),
        ([{"type": "a", "id": "1"}] * 21, ""),
        ([{"id": "1"}], "[0]"),
        ([{"type": "a b", "id": "1"}], "[0]"),
        ([{"type": "a", "id": "1"}, {"type": "a", "id": True}], "[1].id"),
    ],
)
def test_odd_external_ids_are_rejected(ids: Any, path: str) -> None:
    rejection = refused(context={"externalIds": ids})
    assert (rejection.code, rejection.path) == ("INVALID_IDENTIFIER", "$.context.externalIds" + path)


# Message ids


def test_message_ids_are_the_clients_or_fresh() -> None:
    assert taken(messageId=7).message_id == "7"
    assert taken(idempotencyKey="k").message_id == "k"
    assert taken(messageId="m", idempotencyKey="k").message_id == "m"
    assert taken(messageId="x" * 100).message_id == "x" * 100
    for counted in ("0", "0-0", 0):  # a client that counts from nought: its first id is an id
        assert taken(messageId=counted).message_id == str(counted)
    for nothing in (None, "", " ", "undefined", "00000000-0000-0000-0000-000000000000"):
        assert taken(messageId=nothing).message_id != taken(messageId=nothing).message_id


@pytest.mark.parametrize("value", ["x" * 101, True, {}, []])
def test_odd_message_ids_are_rejected(value: Any) -> None:
    rejection = refused(messageId=value)
    assert (rejection.code, rejection.path) == ("INVALID_MESSAGE_ID", "$.messageId")


# Time


@pytest.mark.parametrize(
    "sent",
    [
        "2026-05-28T20:26:40Z",
        "2026-05-28T20:26:40.000Z",
        "2026-05-28T20:26:40.000999+00:00",
        "2026-05-28T22:26:40+02:00",
        "2026-05-28T20:26:40",
        "2026-05-28 20:26:40",
        NOW,
        NOW // 1000,
        float(NOW // 1000),
    ],
)
def test_instants_are_read_in_every_form(sent: Any) -> None:
    for field in ("timestamp", "originalTimestamp", "ts"):
        assert taken(**{field: sent}).original_at == NOW


def test_fractions_of_seconds_and_dates() -> None:
    assert taken(ts=1_779_999_999.5).occurred_at == NOW - 500
    assert taken(ts="2026-05-28").occurred_at == 1_779_926_400_000


def test_the_original_timestamp_wins() -> None:
    message = taken(originalTimestamp=NOW - 3000, timestamp=NOW - 2000, ts=NOW - 1000)
    assert message.original_at == NOW - 3000
    assert taken(originalTimestamp=None, timestamp="", ts=NOW - 1000).original_at == NOW - 1000


def test_a_wrong_clock_is_corrected() -> None:
    # A device that thinks it is 2001, five seconds after the event.
    message = taken(timestamp="2001-01-01T00:00:00Z", sentAt="2001-01-01T00:00:05Z")
    assert (message.occurred_at, message.future) == (NOW - 5 * SECOND, False)
    # An event's own sentAt is nearer to it than the envelope's.
    event = {"type": "track", "userId": "u", "event": "e", "timestamp": NOW - 9000, "sentAt": NOW - 8000}
    assert batch(event, sentAt=NOW - 2000).messages[0].occurred_at == NOW - 1000


def test_history_keeps_its_distance() -> None:
    assert taken(timestamp=NOW - 86_400_000, sentAt=NOW - 40).occurred_at == NOW - 86_400_000 + 40


def test_an_unreadable_sent_at_is_no_sent_at() -> None:
    for sent_at in ("yesterday", True, {}, 10**30):
        message = taken(timestamp=NOW - 1000, sentAt=sent_at)
        assert (message.occurred_at, message.sent_at) == (NOW - 1000, None)
        # RudderStack's SDKs for phones fill a placeholder in, or fail to: then the envelope's is the best there is.
        event = {"type": "track", "userId": "u", "event": "e", "timestamp": NOW - 9000, "sentAt": sent_at}
        assert batch(event, sentAt=NOW - 2000).messages[0].occurred_at == NOW - 7000


@pytest.mark.parametrize("timestamp", [NOW + 1, "9999-12-31T23:59:59Z"])
def test_the_future_is_now_and_flagged(timestamp: Any) -> None:
    message = taken(timestamp=timestamp)
    assert (message.occurred_at, message.future) == (NOW, True)
    assert message.original_at is not None
    assert message.original_at > NOW
    assert not taken(timestamp=NOW).future


@pytest.mark.parametrize("timestamp", ["0001-01-01T00:00:00Z", 0, -5, "1999-12-31T23:59:59.999Z", "1970-01-01"])
def test_the_distant_past_is_rejected(timestamp: Any) -> None:
    rejection = refused(timestamp=timestamp)
    assert (rejection.code, rejection.path) == ("TIMESTAMP_OUT_OF_RANGE", "$.timestamp")


def test_the_first_instant_taken() -> None:
    assert taken(timestamp="2000-01-01T00:00:00Z").occurred_at == EARLIEST


@pytest.mark.parametrize(
    "timestamp",
    ["now", "28.05.2026", "2026-13-01", "2026-05-28T25:00:00Z", True, [], {}, 10**30, "9999-12-31T23:59-14:00"],
)
def test_what_is_no_instant_is_rejected(timestamp: Any) -> None:
    for field in ("timestamp", "originalTimestamp", "ts"):
        rejection = refused(**{field: timestamp})
        assert (rejection.code, rejection.path) == ("INVALID_TIMESTAMP", f"$.{field}")


# Limits


@pytest.mark.parametrize("name", [None, "", "  ", 7, True, [], "x" * 201])
def test_a_track_call_needs_a_name(name: Any) -> None:
    rejection = refused(event=name)
    assert (rejection.code, rejection.path) == ("INVALID_EVENT_NAME", "$.event")
    assert taken(event="x" * 200).name == "x" * 200


@pytest.mark.parametrize(
    ("properties", "path"),
    [
        ([1], "$.properties"),
        ("text", "$.properties"),
        (7, "$.properties"),
        ({"k" * 201: 1}, "$.properties"),
        ({"a": {"k" * 201: 1}}, "$.properties['a']"),
        ({str(n): n for n in range(1001)}, "$.properties"),
    ],
)
def test_odd_properties_are_rejected(properties: Any, path: str) -> None:
    rejection = refused(properties=properties)
    assert (rejection.code, rejection.path) == ("INVALID_PROPERTIES", path)


def test_the_limits_themselves_are_taken() -> None:
    assert taken(event="x" * 200).name == "x" * 200
    assert taken(userId="x" * 256).identifiers == (Identifier("userId", "x" * 256),)
    properties = {"k" * 200: 1, **{str(n): n for n in range(999)}}
    assert taken(properties=properties).properties == properties
    assert len(taken(context={"externalIds": [{"type": "a", "id": str(n + 1)} for n in range(20)]}).identifiers) == 21


def test_absent_properties_leave_room_for_props() -> None:
    for nothing in (None, ""):
        assert taken(properties=nothing, props={"a": 1}).properties == {"a": 1}


def test_odd_contexts_are_rejected() -> None:
    assert (refused(context="x").code, refused(context="x").path) == ("INVALID_CONTEXT", "$.context")


def test_large_events_are_rejected_alone() -> None:
    large = {"type": "track", "userId": "u", "event": "e", "properties": {"x": "y" * EVENT_LIMIT}}
    rejection = refused(properties=large["properties"])
    assert (rejection.code, rejection.path, len(rejection.payload)) == ("EVENT_TOO_LARGE", "$", EVENT_LIMIT)
    parsed = batch(large, {"type": "track", "userId": "u", "event": "kept"})
    assert [m.name for m in parsed.messages] == ["kept"]
    assert [(r.code, r.path) for r in parsed.rejections] == [("EVENT_TOO_LARGE", "$.batch[0]")]


def test_the_number_of_events_is_bounded() -> None:
    def of(count: int) -> bytes:
        return b'{"batch":[' + b",".join([b"0"] * count) + b"]}"

    assert len(parse_batch(of(EVENTS_LIMIT), NOW).rejections) == EVENTS_LIMIT
    with pytest.raises(TooLarge) as caught:
        parse_batch(of(EVENTS_LIMIT + 1), NOW)
    assert caught.value.code == "TOO_MANY_EVENTS"


def nested(levels: int) -> Any:
    value: Any = 1
    for level in range(levels):
        value = {"a": value} if level % 2 else [value]
    return value


def test_nesting_is_bounded() -> None:
    # The event is one level, and its properties or context another.
    assert taken(properties={"a": nested(18)}).properties
    for field in ("properties", "context"):
        assert refused(**{field: {"a": nested(19)}}).code == "TOO_DEEP"
    # Brackets in text and beside each other are not levels.
    assert taken(properties={"text": "[{" * 100, "list": [{}] * 100}).properties


@pytest.mark.parametrize("number", ["1e999999", "1e29", "9" * 30, "-" + "9" * 30, "9" * 5000])
def test_numbers_that_nothing_can_hold_cost_one_event(number: str) -> None:
    body = f'[{{"event":"a","userId":"u","properties":{{"l":[{{"n":{number}}}]}}}},{{"event":"b","userId":"u"}}]'
    parsed = parse_batch(body.encode(), NOW)
    assert [m.name for m in parsed.messages] == ["b"]
    assert [r.code for r in parsed.rejections] == ["NUMBER_OUT_OF_RANGE"]


def test_bad_text_costs_one_event() -> None:
    body = b'{"batch":[{"type":"track","userId":"u","event":"a\xff"},{"type":"track","userId":"u","event":"b"}]}'
    parsed = parse_batch(body, NOW)
    assert [m.name for m in parsed.messages] == ["b"]
    assert [(r.code, r.path) for r in parsed.rejections] == [("INVALID_JSON", "$.batch[0]")]


def test_half_an_emoji_and_nul_cost_nothing() -> None:
    body = rb'{"batch":[{"type":"track","userId":"u","event":"a","properties":{"a":"\ud83d","b":"\u0000"}}]}'
    assert parse_batch(body, NOW).messages[0].properties == {"a": "�", "b": "�"}


@pytest.mark.parametrize("body", [b"", b"x", b"{", b"5", b'"x"', b"null", b"{}", b'{"batch":null}', b'{"batch":{}}'])
def test_a_body_that_is_no_batch_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_batch(body, NOW)
    assert caught.value.code in {"INVALID_JSON", "INVALID_BODY"}


def test_empty_batches_and_odd_envelopes_are_taken() -> None:
    assert batch().messages == []
    event = {"type": "track", "userId": "u", "event": "e"}
    assert len(batch(event, context=3, integrations=[], sentAt={}, writeKey=5).messages) == 1


def test_write_keys_in_bodies() -> None:
    assert write_key_of(b'{"writeKey":"k","batch":[{"a":1}]}') == "k"
    for body in (b"[]", b"{}", b"", b"{", b'{"writeKey":7}', b'{"writeKey":""}', b"\xff"):
        assert write_key_of(body) is None


def test_every_kind_has_a_type() -> None:
    for kind in ("track", "page", "screen", "identify", "group", "alias"):
        event = {"type": kind, "userId": "u", "event": "e", "groupId": "g", "previousId": "p"}
        assert [message.kind for message in batch(event).messages] == [kind] == [KINDS[kind]]


def test_an_event_may_be_as_large_as_the_limit() -> None:
    event = b'{"event":"e","userId":"u","properties":{"x":"%s"}}'
    largest = event % (b"y" * (EVENT_LIMIT - len(event) + 2))
    assert len(largest) == EVENT_LIMIT
    assert parse_single("track", largest, NOW).rejections == []
    assert [r.code for r in parse_single("track", largest.replace(b"y", b"yy", 1), NOW).rejections] == [
        "EVENT_TOO_LARGE"
    ]
