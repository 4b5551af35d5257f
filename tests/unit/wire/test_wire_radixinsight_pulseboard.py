"""RadixInsight's and PulseBoard's bodies."""

import json
from typing import Any

from tinycdp.api.ingest.adapters.pulseboard import parse_pulse
from tinycdp.api.ingest.adapters.radixinsight import parse_collect
from tinycdp.model import Identifier

NOW = 1_780_000_000_000


def collect(*events: Any) -> Any:
    return parse_collect(json.dumps(events).encode(), NOW)


def test_collected_events_are_track_calls() -> None:
    (message,) = collect(
        {
            "event_id": "e-1",
            "event_name": "button_click",
            "project_id": "crm",
            "timestamp": "2026-05-28T20:26:30.000Z",
            "user": {"user_id": "u1", "anonymous_id": "a1", "session_id": "s1"},
            "context": {"locale": "de"},
            "properties": {"button_id": "submit"},
        }
    ).messages
    assert (message.kind, message.name, message.message_id) == ("track", "button_click", "e-1")
    assert message.identifiers == (Identifier("userId", "u1"), Identifier("anonymousId", "a1"))
    assert message.occurred_at == NOW - 10_000
    assert message.context == {"sessionId": "s1", "locale": "de", "projectId": "crm"}
    assert message.properties == {"button_id": "submit"}


def test_identifiers_may_lie_at_the_root() -> None:
    (message,) = collect({"event_name": "a", "user_id": "u1", "session_id": "s"}).messages
    assert message.identifiers == (Identifier("userId", "u1"),)


def test_its_identify_is_an_event() -> None:
    event = {"event_name": "identify", "anonymous_id": "a1", "properties": {"user_id": "u1", "role": "x"}}
    (message,) = collect(event).messages
    assert (message.kind, message.name, message.properties) == ("identify", "", {"role": "x"})
    assert message.identifiers == (Identifier("userId", "u1"), Identifier("anonymousId", "a1"))


def test_paths_are_those_of_the_body() -> None:
    rejections = collect(
        {"event_name": "a", "user": {"user_id": True}},
        {"event_name": "", "user": {"user_id": "u"}},
        {"event_name": "a", "user": 5},
        {"event_name": "identify", "user": {"user_id": "u"}, "properties": [1]},
        {"event_id": [], "event_name": "a", "user": {"user_id": "u"}},
        {"event_name": "a", "user": {"anonymous_id": {}}},
        {"event_name": "identify", "user": {"user_id": "u"}, "properties": {"x": 10**30}},
    ).rejections
    assert [(r.code, r.path) for r in rejections] == [
        ("INVALID_IDENTIFIER", "$[0].user.user_id"),
        ("INVALID_EVENT_NAME", "$[1].event_name"),
        ("INVALID_IDENTIFIER", "$[2].user"),
        ("INVALID_PROPERTIES", "$[3].properties"),
        ("INVALID_MESSAGE_ID", "$[4].event_id"),
        ("INVALID_IDENTIFIER", "$[5].user.anonymous_id"),
        ("NUMBER_OUT_OF_RANGE", "$[6].properties['x']"),
    ]


def test_pulse_events_dedupe_by_their_idempotency_key() -> None:
    body = {"event": "signup", "userId": "u1", "idempotencyKey": "k-1", "properties": {"a": 1}}
    parsed = parse_pulse(json.dumps(body).encode(), NOW)
    assert parsed.single
    (message,) = parsed.messages
    assert (message.name, message.message_id, message.properties) == ("signup", "k-1", {"a": 1})
    (named,) = parse_pulse(b'{"name": "signup", "userId": "u1"}', NOW).messages
    assert named.name == "signup"
