"""Mappings: what they make, and what is refused with its place."""

import hashlib
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tinycdp.api.http.encoding import encode
from tinycdp.dsl.check.expressions import Scope
from tinycdp.dsl.ir import Type
from tinycdp.products.delivery.mapping.checks import HAPPENING_FIELDS, check_mapping, references_of
from tinycdp.products.delivery.mapping.formats import text_of
from tinycdp.products.delivery.mapping.nodes import RecordMapping, RecordTooLarge
from tinycdp.products.delivery.mapping.reading import MOST_EXPRESSIONS, MOST_PARTS, read_mapping, rewritten

SCOPE = Scope(
    kind="segment",
    traits={"spend_90d": Type.NUMBER, "vip": Type.BOOL, "born": Type.DATETIME, "tags": Type.LIST, "plan": Type.STRING},
    segments={"big"},
)
FIELDS: dict[str, Any] = {
    "id": "msg_1",
    "type": "segment.entered",
    "timestamp": "2026-12-14T00:00:00.123Z",
    "segment": {"key": "big", "name": "Big spenders"},
    "profile": {"id": "7"},
    "identifier": {"userId": "ada"},
    "identifiers": [
        {"kind": "userId", "value": "ada"},
        {"kind": "email", "value": " Ada@Example.com "},
        {"kind": "email", "value": "a@b.c"},
    ],
}
VALUES: dict[str, Any] = {
    "profile.email": " Ada@Example.com ",
    "spend_90d": Decimal("12345678901234567890.123456789"),
    "vip": True,
    "vip && spend_90d > 10": True,
    "born": "1815-12-10T06:00:00.000Z",
    "tags": ("a", "b"),
    "plan": None,
    "profile.phone": Decimal("491701234567"),
}


def mapping_of(document: Any) -> RecordMapping:
    mapping, problems = read_mapping(document)
    assert mapping is not None, problems
    assert check_mapping(mapping, SCOPE, HAPPENING_FIELDS) == []
    return mapping


def made(document: Any) -> Any:
    return mapping_of(document).record(FIELDS, VALUES)


def wrong(document: Any) -> list[tuple[str, str]]:
    mapping, problems = read_mapping(document)
    return problems if mapping is None else check_mapping(mapping, SCOPE, HAPPENING_FIELDS)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"a": 1, "b": [None, True, "x"], "c": {}}, {"a": 1, "b": [None, True, "x"], "c": {}}),
        ({"email": {"expr": "profile.email", "as": "lower_trim"}}, {"email": "ada@example.com"}),
        ({"spend": {"expr": "spend_90d"}}, {"spend": Decimal("12345678901234567890.123456789")}),
        ({"spend": {"expr": "spend_90d", "as": "text"}}, {"spend": "12345678901234567890.123456789"}),
        ({"phone": {"expr": "profile.phone", "as": ["digits", "number"]}}, {"phone": Decimal("491701234567")}),
        ({"born": {"expr": "born", "as": "date"}}, {"born": "1815-12-10"}),
        ({"at": {"field": "timestamp", "as": "epoch_s"}}, {"at": 1797206400}),
        ({"at": {"field": "timestamp", "as": "epoch_ms"}}, {"at": 1797206400123}),
        ({"plan": {"expr": "plan"}, "x": [{"expr": "plan"}, 1]}, {"x": [1]}),
        ({"plan": {"expr": "plan", "else": None}}, {"plan": None}),
        ({"plan": {"expr": "plan", "else": {"field": "segment.key"}}}, {"plan": "big"}),
        ({"bad": {"expr": "profile.email", "as": ["number"], "else": 0}}, {"bad": 0}),
        ({"text": {"join": ["Hello ", {"field": "identifier.userId"}, "!"]}}, {"text": "Hello ada!"}),
        ({"text": {"join": ["Hello ", {"expr": "plan"}], "else": "Hello"}}, {"text": "Hello"}),
        ({"text": {"join": ["a", 1, True], "with": "-"}}, {"text": "a-1-true"}),
        ({"x": {"if": "vip && spend_90d > 10", "then": "gold", "else": "none"}}, {"x": "gold"}),
        ({"x": {"if": "segments.big", "then": "in"}}, {}),
        ({"x": {"if": {"field": "type", "in": ["segment.entered"]}, "then": "add", "else": "remove"}}, {"x": "add"}),
        (
            {"emails": {
                "each": {"field": "identifiers"},
                "where": {"item": "kind", "in": ["email"]},
                "of": {"value": {"item": "value", "as": "sha256_lower"}},
            }},
            {"emails": [{"value": hashlib.sha256(text).hexdigest()} for text in (b"ada@example.com", b"a@b.c")]},
        ),
        ({"tags": {"each": {"expr": "tags"}, "of": {"item": ""}, "most": 1}}, {"tags": ["a"]}),
        ({"plain": {"field": "1", "value": {"field": "profile.id"}}}, {"field": "1", "value": "7"}),
        ([{"field": "id"}], ["msg_1"]),
    ],
)  # fmt: skip
def test_what_a_mapping_makes(document: Any, expected: Any) -> None:
    assert made(document) == expected


def test_numbers_keep_their_digits_on_the_wire() -> None:
    written = encode(made({"spend": {"expr": "spend_90d"}, "rate": Decimal("0.1"), "n": 10**30}))
    assert written == b'{"spend":12345678901234567890.123456789,"rate":0.1,"n":1000000000000000000000000000000}'


@pytest.mark.parametrize(
    ("document", "path", "message"),
    [
        ({"a": {"expr": "spend_9d"}}, "$.mapping.a.expr", "E302"),
        ({"a": {"expr": "1 +"}}, "$.mapping.a.expr", "E"),
        ({"a": {"expr": "events.x.count_30d"}}, "$.mapping.a.expr", "Save this as a trait"),
        ({"a": {"expr": "context.page"}}, "$.mapping.a.expr", "E506"),
        ({"a": {"expr": "vip", "as": "sha256"}}, "$.mapping.a.as", "this is true or false"),
        ({"a": {"expr": "spend_90d", "as": "iso"}}, "$.mapping.a.as", "iso takes"),
        ({"a": {"expr": "born", "as": ["epoch_s", "iso"]}}, "$.mapping.a.as", "this is a number"),
        ({"a": {"expr": "vip", "as": "sha265"}}, "$.mapping.a.as", "Did you mean 'sha256'"),
        ({"a": {"expr": "vip", "sa": "text"}}, "$.mapping.a.sa", "Did you mean `as`"),
        ({"a": {"field": "segment.kee"}}, "$.mapping.a.field", "segment.key"),
        ({"a": {"field": "x", "value": 1}}, "$.mapping.a.value", "`plain`"),
        ({"a b": {"if": "spend_90d", "then": 1}}, '$.mapping["a b"].if', "true or false"),
        ({"a": {"if": "profile.x", "then": 1}}, "$.mapping.a.if", "Write == true"),
        ({"a": {"if": "vip"}}, "$.mapping.a.then", "missing"),
        ({"a": [{"item": "x"}]}, "$.mapping.a[0].item", "inside `each`"),
        ({"a": {"each": "x", "of": 1}}, "$.mapping.a.each", "a list"),
        ({"a": {"each": {"field": "identifiers"}, "of": {"each": {"field": "identifiers"}, "of": 1}}},
         "$.mapping.a.of.each", "inside another"),
        ({"a": {"each": {"field": "identifiers"}, "of": 1, "most": 1001}}, "$.mapping.a.most", "1,000"),
        ({"a": {"join": "x"}}, "$.mapping.a.join", "a list"),
        ({"a": {"each": {"field": "identifiers"}, "where": {"item": "kind"}, "of": 1}}, "$.mapping.a.where", "in"),
        ({"a": [0] * (MOST_PARTS + 1)}, "$.mapping", f"{MOST_PARTS}"),
        ({"a": [{"expr": f"profile.x{n}"} for n in range(MOST_EXPRESSIONS + 1)]}, "$.mapping", f"{MOST_EXPRESSIONS}"),
    ],
)  # fmt: skip
def test_what_is_wrong_has_its_place(document: Any, path: str, message: str) -> None:
    found = wrong(document)
    assert [one[0] for one in found] == [path]
    assert message in found[0][1]


def test_a_mapping_without_end_is_refused_without_reading_it_all() -> None:
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    assert [path for path, _ in wrong(deep)] == ["$.mapping" + "[0]" * 17]
    assert len(wrong({str(n): {"expr": "nosuch"} for n in range(100_000)})) <= 3


def test_names_are_found_and_renamed_where_they_are_expressions() -> None:
    document = {
        "vip": {"if": "vip && segments.big", "then": {"expr": "vip"}, "else": "vip"},
        "p": {"plain": {"expr": "vip", "x": {"expr": "vip"}}},
        "l": {"each": {"expr": "tags"}, "where": {"item": "vip", "in": ["vip"]}, "of": {"item": "vip"}},
    }
    mapping, problems = read_mapping(document)
    assert mapping is not None, problems
    assert references_of(mapping) == {("trait", "vip"), ("segment", "big"), ("trait", "tags")}
    renamed = rewritten(document, lambda text: text.replace("vip", "best"))
    assert renamed == {
        "vip": {"if": "best && segments.big", "then": {"expr": "best"}, "else": "vip"},
        "p": {"plain": {"expr": "vip", "x": {"expr": "best"}}},
        "l": {"each": {"expr": "tags"}, "where": {"item": "vip", "in": ["vip"]}, "of": {"item": "vip"}},
    }


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1e999999999", None),
        ("-1e29", None),
        ("NaN", None),
        ("99999999999999999999999999999", Decimal(10**29 - 1)),
        ("1e-999999999", Decimal(0)),
        ("0e999999999", Decimal(0)),
    ],
)
def test_a_number_is_one_that_can_be_written(text: str, number: Decimal | None) -> None:
    values = {"profile.x": text}
    as_number = {"expr": "profile.x", "as": "number", "else": None}
    assert mapping_of(as_number).record({}, values) == number
    as_text = {"join": ["n=", {"expr": "profile.x", "as": ["number", "text"]}], "else": "none"}
    assert mapping_of(as_text).record({}, values) == ("none" if number is None else f"n={number}")
    assert text_of(Decimal("1e999999999")) is None


def test_a_record_is_given_up_while_it_grows() -> None:
    listed, bio = list(range(1_000)), "x" * 2_000
    loop = {"each": {"expr": "profile.list"}, "of": [{"item": ""}, {"expr": "profile.bio"}], "most": 1_000}
    assert len(mapping_of(loop).record({}, {"profile.list": listed[:100], "profile.bio": bio})) == 100
    with pytest.raises(RecordTooLarge, match="256,000 bytes"):
        mapping_of(loop).record({}, {"profile.list": listed, "profile.bio": {"a": [bio]}})
    with pytest.raises(RecordTooLarge, match="256,000 bytes"):
        joined = {"join": ["a"] * 200, "with": "-" * 2_000}
        mapping_of({"each": {"expr": "profile.list"}, "of": joined}).record({}, {"profile.list": listed})
    with pytest.raises(RecordTooLarge, match="items"):
        none = {"each": {"expr": "profile.list"}, "where": {"item": "", "in": ["no"]}, "of": 1}
        mapping_of([none] * 30).record({}, {"profile.list": listed})


def test_what_is_only_looked_at_does_not_count() -> None:
    identifiers = [{"kind": "userId", "value": "x" * 1_000} for _ in range(1_000)]
    loop = {"each": {"field": "identifiers"}, "where": {"item": "kind", "in": ["email"]}, "of": {"item": "value"}}
    assert mapping_of([loop] * 10).record({"identifiers": identifiers}, {}) == [[]] * 10


def test_constants_are_compared_as_json() -> None:
    test = {"if": {"field": "event.properties.x", "in": [1, "a", True]}, "then": "yes", "else": "no"}
    for value, expected in ((1, "yes"), (Decimal("1.0"), "yes"), (True, "yes"), (False, "no"), ("a", "yes"),
                            (0, "no"), ([], "no"), (None, "no"), ({}, "no")):  # fmt: skip
        assert mapping_of(test).record({"event": {"properties": {"x": value}}}, {}) == expected
    assert mapping_of({**test, "if": {"field": "event.properties.x", "in": [1]}}).record(
        {"event": {"properties": {"x": True}}}, {}) == "no"  # fmt: skip


def test_a_document_of_yaml_has_floats_and_they_keep_what_was_written() -> None:
    assert encode(made(msgspec.json.decode(b'{"a": 0.1}'))) == b'{"a":0.1}'
