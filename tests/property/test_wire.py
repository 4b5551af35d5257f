"""Laws of the wire: nothing a client sends makes anything but messages and reasons."""

import gzip
import json
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from laws import examples
from tinycdp.api.http.bodies import read_body, unwrap
from tinycdp.api.ingest.adapters.canonical import EARLIEST, Parsed, identifier
from tinycdp.api.ingest.adapters.posthog import key_in, parse_capture, parse_question
from tinycdp.api.ingest.adapters.pulseboard import parse_pulse
from tinycdp.api.ingest.adapters.radixinsight import parse_collect
from tinycdp.api.ingest.adapters.rejection import EventRejected, RejectionCode
from tinycdp.api.ingest.adapters.segment import KINDS, parse_batch, parse_single, write_key_of
from tinycdp.errors import InvalidInput
from tinycdp.model import STRENGTH

NOW = 1_780_000_000_000

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(10**40), 10**40),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters()),  # surrogates included
    st.sampled_from(
        ["", "undefined", "2026-05-28T20:26:40Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
    ),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
)
fields = st.sampled_from(
    [
        "type", "messageId", "userId", "anonymousId", "deviceId", "externalId", "distinct_id", "event", "name",
        "category", "properties", "props", "traits", "groupId", "previousId", "originalTimestamp", "timestamp", "ts",
        "sentAt", "context", "integrations", "idempotencyKey", "writeKey", "batch", "event_id", "event_name", "user",
        "user_id", "session_id", "uuid", "offset", "$set", "api_key", "sent_at", "$anon_distinct_id",
        "person_properties", "flag_keys_to_evaluate",
        "$group_type", "$group_key", "$group_set", "$groups", "alias", "$is_identified", "$device_id",
    ]
)  # fmt: skip
instants = st.integers(-(10**14), 10**15)
# Mostly well-formed, so that every field is reached behind the ones before it.
events = st.fixed_dictionaries(
    {"type": st.sampled_from([*KINDS, "order"]), "userId": st.sampled_from(["u1", 7, "undefined", None])},
    optional={
        "event": st.sampled_from(["a", ""]),
        "groupId": scalars,
        "previousId": scalars,
        "timestamp": instants | scalars,
        "sentAt": instants | scalars,
        "messageId": scalars,
        "context": st.dictionaries(st.sampled_from(["traits", "externalIds", "active", "groupId"]), values),
        "properties": st.dictionaries(st.text(max_size=5), values, max_size=4),
        "traits": values,
    },
)
anything = values | events | st.dictionaries(fields, values | events, max_size=6) | st.lists(events, max_size=5)
bodies = st.one_of(
    anything.map(lambda value: json.dumps(value).encode()),
    st.lists(values | events, max_size=6).map(lambda batch: json.dumps({"batch": batch}).encode()),
    st.binary(max_size=60),
    st.binary(max_size=20).map(lambda noise: b'{"batch":[{"type":"track","userId":"u","event":"' + noise + b'"}]}'),
)

PARSERS = [
    parse_batch,
    parse_collect,
    parse_pulse,
    lambda body, now: parse_capture(unwrap(body), now),
    *(lambda body, now, kind=kind: parse_single(kind, body, now) for kind in KINDS.values()),
]


def outcomes(body: bytes) -> list[Parsed]:
    """What each parser makes of it. Any exception but InvalidInput fails the test."""
    found = []
    for parse in PARSERS:
        try:
            found.append(parse(body, NOW))
        except InvalidInput as error:
            assert error.code
            assert error.message
    return found


@examples(150)
@given(bodies)
def test_any_body_gives_messages_and_reasons_or_invalid_input(body: bytes) -> None:
    write_key_of(body)
    key_in(body)
    for parsed in outcomes(body):
        for message in parsed.messages:
            assert EARLIEST <= message.occurred_at <= message.received_at == NOW
            assert message.message_id
            assert message.identifiers
            ranks = [STRENGTH.get(identifier.kind, len(STRENGTH)) for identifier in message.identifiers]
            assert ranks == sorted(ranks)
            assert len(set(message.identifiers)) == len(message.identifiers)
            assert (message.previous is None) or message.kind == "alias"
            assert (message.group_id is not None) or message.kind != "group"
            assert bool(message.name) == (message.kind in {"track", "page", "screen"})
            # What is stored is Unicode without U+0000.
            stored = json.dumps([message.identifiers, message.name, message.properties, message.context], default=str)
            assert "\\u0000" not in stored.replace("\\\\", "")
            msgspec.json.encode(message)
        for rejection in parsed.rejections:
            assert rejection.code in set(RejectionCode)
            assert rejection.path.startswith("$")


QUESTIONS = st.dictionaries(
    st.sampled_from(
        ["distinct_id", "$distinct_id", "$anon_distinct_id", "anon_distinct_id", "person_properties", "$properties",
         "groups", "$groups", "group_properties", "$group_properties", "flag_keys_to_evaluate", "flag_keys",
         "disable_flags", "$session_id", "session_id", "properties", "api_key"]
    ),
    values | st.lists(scalars, max_size=3) | st.dictionaries(st.sampled_from(["$session_id", "plan"]), values),
).map(lambda question: json.dumps(question).encode())  # fmt: skip


@examples(150)
@given(bodies | QUESTIONS)
def test_any_body_is_a_question_or_invalid_input(body: bytes) -> None:
    try:
        question = parse_question(unwrap(body))
    except InvalidInput as error:
        assert error.code
    else:
        msgspec.json.encode(question.context())
        assert question.wanted() is None or all(type(name) is str for name in question.wanted() or ())
        assert question.session() is None or (type(question.session()) is str and question.session())


POSTHOG_EVENTS = st.fixed_dictionaries(
    {
        "event": st.sampled_from(["e", "$identify", "$set", "$create_alias", "$groupidentify", "$pageview", "", 7]),
        "distinct_id": st.sampled_from(["u1", "$company_5", 7, None, ""]),
    },
    optional={
        "uuid": scalars,
        "message_id": scalars,
        "messageId": scalars,
        "$distinct_id": scalars,
        "session_id": scalars,
        "window_id": values,
        "timestamp": instants | scalars,
        "offset": st.integers() | scalars,
        "$set": values,
        "properties": st.dictionaries(fields, values, max_size=6),
    },
)


@examples(150)
@given(st.lists(POSTHOG_EVENTS, max_size=5))
def test_each_of_posthog_s_events_is_messages_or_a_reason(batch: list[Any]) -> None:
    sent = json.dumps({"batch": batch}).encode()
    parsed = parse_capture(sent, NOW)
    assert len(batch) <= len(parsed.messages) + len(parsed.rejections) <= 2 * len(batch)
    for message in parsed.messages:
        assert EARLIEST <= message.occurred_at <= NOW
        assert message.identifiers and (message.previous is None or message.kind == "alias")
        msgspec.json.encode(message)
    # Retried, an event with an id gives the same ids.
    again = parse_capture(sent, NOW)
    named = [m.message_id for m in parsed.messages if len(m.message_id) < 36]
    assert named == [m.message_id for m in again.messages if len(m.message_id) < 36]


@examples(100)
@given(st.lists(events, max_size=8))
def test_a_bad_event_never_takes_its_neighbours(batch: list[Any]) -> None:
    parsed = parse_batch(json.dumps({"batch": batch}).encode(), NOW)
    assert len(parsed.messages) + len(parsed.rejections) == len(batch)
    places = [int(rejection.path.partition("[")[2].partition("]")[0]) for rejection in parsed.rejections]
    assert places == sorted(places)
    for index, event in enumerate(batch):
        alone = parse_batch(json.dumps([event]).encode(), NOW)
        assert bool(alone.rejections) == (index in places)


@examples(200)
@given(instants, st.none() | instants)
def test_clamping(original: int, sent: int | None) -> None:
    event = {"userId": "u", "event": "e", "timestamp": original, "sentAt": sent}
    parsed = parse_single("track", json.dumps(event).encode(), NOW)
    for rejection in parsed.rejections:
        assert rejection.code in {RejectionCode.TIMESTAMP_OUT_OF_RANGE, RejectionCode.INVALID_TIMESTAMP}
    for message in parsed.messages:
        assert message.original_at is not None
        claimed = message.original_at if message.sent_at is None else NOW - (message.sent_at - message.original_at)
        assert message.occurred_at == min(claimed, NOW)
        assert message.future == (claimed > NOW)


@given(st.text() | st.integers(-(10**28), 10**28) | st.decimals(-(10**9), 10**9, places=6).map(Decimal))
def test_identifiers_are_stable(value: Any) -> None:
    try:
        once = identifier(value, ".userId")
    except EventRejected:
        return
    assert once is None or identifier(once, ".userId") == once
    if type(value) is int:
        assert identifier(Decimal(value), ".userId") == identifier(Decimal(f"{value}.0"), ".userId") == once


@given(st.binary(max_size=200))
def test_inflating_is_the_inverse_of_gzip_and_bounded(raw: bytes) -> None:
    assert read_body(gzip.compress(raw), "gzip", limit=200 + 100) == raw
    try:
        read_body(b"\x1f\x8b" + raw, None, limit=300)
    except InvalidInput as error:
        assert error.code in {"INVALID_GZIP", "BODY_TOO_LARGE"}
