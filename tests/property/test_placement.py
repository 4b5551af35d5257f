"""The law against silent loss: a field at the top of a body is stored, or a warning names it.

Shape   every protocol and every kind of call, with a field that it does not have
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laws import examples
from tinycdp.api.ingest.adapters.canonical import Parsed
from tinycdp.api.ingest.adapters.event import EVENT
from tinycdp.api.ingest.adapters.history import parse_rows
from tinycdp.api.ingest.adapters.placement import CONTEXT, CONTEXT_OBJECTS, KEYS, RECEIPTS
from tinycdp.api.ingest.adapters.posthog import parse_capture
from tinycdp.api.ingest.adapters.pulseboard import parse_beacon, parse_pulse
from tinycdp.api.ingest.adapters.radixinsight import parse_collect
from tinycdp.api.ingest.adapters.segment import parse_batch, parse_single
from tinycdp.model import Message
from tinycdp.runtime.transfer.import_files import FileMapping

NOW = 1_780_000_000_000
Event = dict[str, Any]

CALLS: dict[str, Event] = {
    "track": {"userId": "ada", "event": "purchase", "properties": {"amount": 3}},
    "page": {"userId": "ada", "name": "Home", "properties": {"path": "/"}},
    "screen": {"userId": "ada", "name": "Cart"},
    "identify": {"userId": "ada", "traits": {"plan": "pro"}},
    "group": {"userId": "ada", "groupId": "acme", "traits": {"seats": 3}},
    "alias": {"userId": "ada", "previousId": "a-1"},
}
POSTHOG: dict[str, Event] = {
    "capture": {"event": "purchase", "distinct_id": "ada", "properties": {"amount": 3}},
    "view": {"event": "$pageview", "distinct_id": "ada", "properties": {"$current_url": "https://a.example/"}},
    "identify": {"event": "$identify", "distinct_id": "ada", "$set": {"plan": "pro"}},
    "two": {"event": "purchase", "distinct_id": "ada", "$set": {"plan": "pro"}},
    "alias": {"event": "$create_alias", "distinct_id": "ada", "properties": {"alias": "a-1"}},
    "group": {"event": "$groupidentify", "distinct_id": "ada", "properties": {"$group_type": "c", "$group_key": "5"}},
}
RADIX: dict[str, Event] = {
    "track": {"event_name": "click", "user": {"user_id": "ada"}},
    "identify": {"event_name": "identify", "user": {"user_id": "ada"}, "properties": {"role": "x"}},
}


@dataclass(frozen=True)
class Shape:
    """A protocol's form of one event. body: the bytes of a request with the event."""

    name: str
    event: Event
    body: Callable[[Event], Any]
    parse: Callable[[bytes, int], Parsed]

    def messages(self, event: Event) -> list[Message]:
        parsed = self.parse(json.dumps(self.body(event)).encode(), NOW)
        assert not parsed.rejections, parsed.rejections
        return parsed.messages


def _imported(body: bytes, now: int) -> Parsed:
    messages, rejected = parse_rows([(1, body)], FileMapping(), "t", now)
    return Parsed(messages, [rejection for _, rejection in rejected])


def _shapes() -> Iterator[Shape]:
    for kind, event in CALLS.items():
        typed = {"type": kind, **event}
        yield Shape(f"segment {kind}", event, lambda e: e, partial(parse_single, kind))
        yield Shape(f"segment list {kind}", event, lambda e: [e], partial(parse_single, kind))
        yield Shape(f"segment batch {kind}", typed, lambda e: {"batch": [e]}, parse_batch)
        yield Shape(f"import {kind}", typed, lambda e: e, _imported)
        yield Shape(f"beacon {kind}", typed, lambda e: {"events": [e]}, parse_beacon)
    yield Shape("short track", {"userId": "a", "event": "e", "props": {"x": 1}}, lambda e: [e], parse_batch)
    identifiers = {"event": "e", "identifiers": {"userId": "a"}, "properties": {}, "context": {}}
    yield Shape("identifiers", identifiers, lambda e: e, partial(parse_single, "track"))
    yield Shape("pulse", {"event": "e", "userId": "a", "idempotencyKey": "k"}, lambda e: e, parse_pulse)
    for kind, event in RADIX.items():
        yield Shape(f"collect {kind}", event, lambda e: [e], parse_collect)
    for kind, event in POSTHOG.items():
        yield Shape(f"posthog {kind}", event, lambda e: e, parse_capture)
        yield Shape(f"posthog batch {kind}", event, lambda e: {"batch": [e]}, parse_capture)


SHAPES = list(_shapes())
SENTINEL = "the value of the field"
#: What only carries a message, or may be a key: not stored, by design.
CARRIERS = {"writeKey", "_metadata", "receivedAt", "api_key", "token", "$token", "options", "type"}


def _holds(value: Any) -> bool:
    return SENTINEL in json.dumps(value, default=str)


def is_accounted_for(name: str, messages: list[Message]) -> bool:
    """Whether the field's value is stored somewhere, or a warning names the field."""
    stored = any(_holds([m.properties, m.context, m.identifiers, m.message_id, m.name, m.group_id]) for m in messages)
    return stored or any(name in warned.path and name in warned.message for m in messages for warned in m.warnings)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
@pytest.mark.parametrize(
    "name",
    ["amount", "source", "sdk_version", "user_agent", "sessionId", "session_id", "propertes", "a b", "$x", "tier"],
)
def test_an_unknown_field_is_stored_or_warned_of(shape: Shape, name: str) -> None:
    for value in (SENTINEL, {"inner": SENTINEL}, [SENTINEL]):
        assert is_accounted_for(name, shape.messages({**shape.event, name: value})), value


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_no_field_of_ours_is_lost_in_another_kind_of_call(shape: Shape) -> None:
    """Fields that some call has, and that this one does not read."""
    known = {*EVENT.fields, *CONTEXT, *CONTEXT_OBJECTS} - shape.event.keys() - CARRIERS
    instants = {"timestamp", "originalTimestamp", "ts", "sentAt"}
    for name in sorted(known - instants - {"context", "integrations", "identifiers"}):
        for value in (SENTINEL, {"inner": SENTINEL}):
            parsed = shape.parse(json.dumps(shape.body({**shape.event, name: value})).encode(), NOW)
            assert parsed.rejections or is_accounted_for(name, parsed.messages), (name, value)


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)


@examples(200)
@given(st.sampled_from(SHAPES), NAMES)
def test_no_name_whatever_is_lost(shape: Shape, name: str) -> None:
    if name in shape.event or name in EVENT.fields or name in CARRIERS or name.lower() in RECEIPTS | KEYS:
        return
    try:
        messages = shape.messages({**shape.event, name: SENTINEL})
    except AssertionError:
        return  # rejected: not silently
    stored = any(_holds([m.properties, m.context, m.identifiers, m.group_id, m.message_id]) for m in messages)
    assert stored or any(m.warnings for m in messages)


@pytest.mark.parametrize("parse", [parse_batch, parse_beacon], ids=["segment", "beacon"])
def test_a_field_beside_the_events_is_for_all_of_them_or_warned_of(parse: Callable[[bytes, int], Parsed]) -> None:
    event = {"type": "track", "userId": "ada", "event": "purchase"}
    key = "batch" if parse is parse_batch else "events"
    body = {key: [event, event], "source": "web", "sdk_version": "3.1", "coupon": SENTINEL, "sentAt": None}
    first, second = parse(json.dumps(body).encode(), NOW).messages
    for message in (first, second):
        assert (message.context["source"], message.context["library"]) == ("web", {"version": "3.1"})
    assert [(w.code, w.path) for w in first.warnings] == [("ENVELOPE_FIELD_NOT_STORED", "$.coupon")]
    assert not second.warnings


def test_a_warning_never_has_a_value() -> None:
    for shape in SHAPES:
        for message in shape.messages({**shape.event, "propertes": {"inner": SENTINEL}, "apiKey": SENTINEL}):
            assert not _holds(message.warnings)
            assert SENTINEL not in json.dumps(message.properties.get("apiKey"))


def test_clean_events_have_no_warnings() -> None:
    for shape in SHAPES:
        for message in shape.messages(shape.event):
            assert not message.warnings, shape.name
