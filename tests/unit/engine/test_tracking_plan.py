"""The tracking plan against single messages: conversion, warnings, refusals, names."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinycdp.engine.schema.event_names import is_written
from tinycdp.engine.schema.tracking_plan import MOST_WARNINGS, Naming, PlannedEvent, TrackingPlan, convert
from tinycdp.model import Identifier, Message

_ANY = Naming()


def message(properties: dict[str, Any], name: str = "purchase", kind: Any = "track") -> Message:
    return Message(
        kind=kind,
        message_id="m",
        identifiers=(Identifier("userId", "ada"),),
        occurred_at=0,
        received_at=0,
        name=name,
        properties=properties,
    )


def plan(naming: Naming = _ANY, **entries: dict[str, Any]) -> TrackingPlan:
    return TrackingPlan({name: msgspec.convert(entry, PlannedEvent) for name, entry in entries.items()}, naming)


def codes(found: Message) -> list[tuple[str, str]]:
    return [(warned.code, warned.path) for warned in found.warnings]


@pytest.mark.parametrize(
    ("value", "declared", "want"),
    [
        ("5", "number", 5),
        ("-1.50", "number", Decimal("-1.50")),
        ("05", "number", None),
        ("1e3", "number", None),
        (" 5", "number", None),
        ("5", "integer", 5),
        ("5.0", "integer", Decimal("5.0")),
        ("5.5", "integer", None),
        (Decimal("2.0"), "integer", Decimal("2.0")),
        (True, "number", None),
        (5, "string", "5"),
        (Decimal("1E+2"), "string", "100"),
        (True, "string", "true"),
        ([], "string", None),
        ("true", "boolean", True),
        ("True", "boolean", None),
        (1, "boolean", None),
        ("2026-01-01T00:00:00Z", "datetime", "2026-01-01T00:00:00Z"),
        ("2026-01-01", "datetime", None),
        ([1], "list", [1]),
        ("a,b", "list", None),
        ({"a": 1}, "object", {"a": 1}),
    ],
)
def test_what_is_taken_for_what(value: Any, declared: Any, want: Any) -> None:
    found = convert(value, declared)
    assert found == want and type(found) is type(want)


def test_a_text_becomes_the_number_it_is_declared_as_and_the_event_says_so() -> None:
    it = plan(purchase={"properties": {"amount": {"type": "number"}, "cart.size": {"type": "integer"}}})
    sent = message({"amount": "19.99", "cart": {"size": "3", "id": "x"}})
    found, refused = it.check(sent)
    assert found.properties == {"amount": Decimal("19.99"), "cart": {"size": 3, "id": "x"}}
    assert codes(found) == [("CONVERTED", "$.properties.amount"), ("CONVERTED", "$.properties.cart.size")]
    assert refused is None
    assert sent.properties == {"amount": "19.99", "cart": {"size": "3", "id": "x"}}, "what came is not touched"


def test_what_is_not_as_planned_is_warned_of_and_taken() -> None:
    it = plan(
        purchase={
            "additional": False,
            "properties": {
                "amount": {"type": "number", "required": True, "minimum": 0, "maximum": 100},
                "currency": {"values": ["EUR", "USD"]},
                "code": {"type": "string", "maxLength": 3},
            },
        }
    )
    found, refused = it.check(message({"currency": "GBP", "code": "abcd", "extra": 1, "_country": "DE"}))
    assert codes(found) == [
        ("MISSING_PROPERTY", "$.properties.amount"),
        ("NOT_ALLOWED", "$.properties.currency"),
        ("NOT_ALLOWED", "$.properties.code"),
        ("UNPLANNED_PROPERTY", "$.properties.extra"),
    ]
    assert refused is None
    assert codes(it.check(message({"amount": None}))[0]) == [("MISSING_PROPERTY", "$.properties.amount")]
    assert codes(it.check(message({"amount": 101}))[0]) == [("NOT_ALLOWED", "$.properties.amount")]
    assert codes(it.check(message({"amount": []}))[0]) == [("WRONG_TYPE", "$.properties.amount")]
    right = message({"amount": 100, "currency": "EUR", "code": "abc"})
    assert it.check(right) == (right, None) and it.check(right)[0] is right


def test_only_an_entry_that_says_so_rejects() -> None:
    it = plan(purchase={"enforce": "reject", "properties": {"amount": {"type": "number", "required": True}}})
    _, refused = it.check(message({}))
    assert refused is not None and (refused.code, refused.path) == ("MISSING_PROPERTY", "$.properties.amount")
    found, refused = it.check(message({"amount": "5"}))
    assert refused is None and found.properties == {"amount": 5}, "what can be converted breaks nothing"


def test_a_blocked_event_is_rejected_and_a_deprecated_one_warned_of() -> None:
    it = plan(purchase={"status": "blocked"}, open={"status": "deprecated"})
    _, refused = it.check(message({}))
    assert refused is not None and refused.code == "EVENT_BLOCKED"
    found, refused = it.check(message({}, "open"))
    assert codes(found) == [("DEPRECATED_EVENT", "$.event")] and refused is None


def test_traits_of_identify_calls_are_planned_too() -> None:
    it = plan(**{"$identify": {"properties": {"age": {"type": "number"}}}})
    found, _ = it.check(message({"age": "5"}, "", "identify"))
    assert found.properties == {"age": 5} and codes(found) == [("CONVERTED", "$.traits.age")]
    other = message({"age": "5"}, "", "group")
    assert it.check(other)[0] is other


def test_names_have_a_style() -> None:
    it = plan(Naming("snake_case", "camelCase", True))
    found, _ = it.check(message({"orderId": 1, "order_id": 1, "_os": "x"}, "Order Completed"))
    assert codes(found) == [
        ("UNPLANNED_EVENT", "$.event"),
        ("NAMING", "$.event"),
        ("NAMING", "$.properties.order_id"),
    ]
    assert not it.check(message({"orderId": 1}, "page", "page"))[0].warnings, "these names are no client's choice"
    for style, name in [
        ("snake_case", "order_completed"),
        ("camelCase", "orderCompleted"),
        ("PascalCase", "OrderCompleted"),
        ("kebab-case", "order-completed"),
        ("dot.separated", "order.completed"),
        ("dot.separated", "checkout.step_2.done"),
        ("Title Case", "Order Completed"),
        ("Sentence case", "Order completed"),
    ]:
        assert is_written(name, style), style  # type: ignore[arg-type]
        assert not is_written("order Completed!", style), style  # type: ignore[arg-type]


def test_warnings_are_few_and_never_repeat_a_value() -> None:
    names = {f"p{n}": {"type": "number"} for n in range(50)}
    found, _ = plan(purchase={"properties": names}).check(message(dict.fromkeys(names, "secret")))
    assert len(found.warnings) == MOST_WARNINGS
    assert not any("secret" in warned.message for warned in found.warnings)


def test_without_a_plan_a_message_is_itself() -> None:
    assert plan().is_empty
    sent = message({"a": 1})
    assert plan(open={}).check(sent)[0] is sent


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.decimals(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["5", "5.5", "true", "x", "2026-01-01T00:00:00Z", "-0", "00", ""]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip
_TYPES = st.sampled_from(["string", "number", "integer", "boolean", "datetime", "list", "object"])


@given(st.dictionaries(st.sampled_from("abcd"), _VALUES), st.dictionaries(st.sampled_from(["a", "b", "c.a"]), _TYPES))
def test_looking_again_finds_nothing_to_convert(properties: dict[str, Any], types: dict[str, str]) -> None:
    it = plan(purchase={"properties": {name: {"type": type_} for name, type_ in types.items()}})
    once, _ = it.check(message(properties))
    twice, _ = it.check(message(once.properties))
    assert twice.properties == once.properties
    assert not [warned for warned in twice.warnings if warned.code == "CONVERTED"]
    assert [w.path for w in twice.warnings] == [w.path for w in once.warnings if w.code != "CONVERTED"]
