"""What the registry counts: shapes, bounds, that sums add up, and what state a property is in."""

from collections import Counter
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tinycdp.engine.schema.inference import OTHER, KnownNames, MessageShapes, Rows, state_of
from tinycdp.engine.schema.tracking_plan import kind_of
from tinycdp.model import DAY_MS, HOUR_MS, Identifier, Message, Warned

_AT = 20_000 * DAY_MS


def message(name: str = "open", at: int = _AT, kind: Any = "track", **properties: Any) -> Message:
    return Message(
        kind=kind,
        message_id="m",
        identifiers=(Identifier("userId", "ada"),),
        occurred_at=0,
        received_at=at,
        name=name,
        properties=properties,
        context={"library": {"name": "js", "version": "1.2"}, "os": {"name": "iOS"}},
    )


def rows(*messages: Message, known: KnownNames | None = None, shapes: int = 5_000) -> Rows:
    observed = MessageShapes(shapes)
    for one in messages:
        observed.count_message(one)
    return observed.rows(known or KnownNames())


def test_an_event_is_counted_with_its_properties_by_type_day_hour_and_sdk() -> None:
    found = rows(
        message(amount=Decimal(1), cart={"size": 2}),
        message(at=_AT + HOUR_MS, amount="1"),
        message("", kind="identify", plan="pro"),
        message("", kind="alias"),
    )
    assert {key: span.n for key, span in found.types.items()} == {
        ("open", "", ""): 2,
        ("open", "amount", "number"): 1,
        ("open", "amount", "string"): 1,
        ("open", "cart", "object"): 1,
        ("open", "cart.size", "number"): 1,
        ("$identify", "", ""): 1,
        ("$identify", "plan", "string"): 1,
    }
    assert (found.types["open", "", ""].first, found.types["open", "", ""].last) == (_AT, _AT + HOUR_MS)
    assert found.days["open", 20_000, "amount", "string", "js 1.2"] == 1
    assert found.hours == {("open", 480_000): 1, ("open", 480_001): 1, ("$identify", 480_000): 1}
    assert found.sdks["js", "1.2", "iOS"].n == 3


def test_warnings_and_rejections_are_counted() -> None:
    observed = MessageShapes()
    warned = Warned("WRONG_TYPE", "$.properties.amount", "…")
    observed.count_message(
        Message(**{name: getattr(message(), name) for name in Message.__struct_fields__} | {"warnings": (warned,)})
    )
    observed.count_rejected(message(), "MISSING_PROPERTY", "$.properties.amount")
    assert {key: span.n for key, span in observed.rows(KnownNames()).violations.items()} == {
        ("open", 20_000, "WRONG_TYPE", "$.properties.amount", False): 1,
        ("open", 20_000, "MISSING_PROPERTY", "$.properties.amount", True): 1,
    }


def test_names_beyond_the_bounds_are_counted_as_others() -> None:
    known = KnownNames(events=2, properties=2, most_sdks=0)
    found = rows(*(message(f"e{n}", p=1) for n in range(5)), message("e0", q=1, r=1, s=1), known=known)
    counted = {key: span.n for key, span in found.types.items()}
    assert counted["e0", "", ""] == 2 and counted["e1", "", ""] == 1 and counted[OTHER, "", ""] == 3
    assert counted["e0", OTHER, ""] == 2 and {name for event, name, _ in counted if event == "e0"} == {
        "",
        "p",
        "q",
        OTHER,
    }
    assert set(found.sdks) == {(OTHER, "", "")}


def test_shapes_beyond_the_bound_keep_their_events_volume() -> None:
    found = rows(*(message(**{f"p{n}": 1}) for n in range(20)), *(message(f"x{n}") for n in range(30)), shapes=5)
    assert found.types["open", "", ""].n == 20
    assert sum(n for key, n in found.hours.items()) == 50
    assert found.types["open", OTHER, ""].n == 15


def test_odd_contexts_are_no_trouble() -> None:
    for context in ({"library": 5}, {"library": {"name": [], "version": {}}}, {"os": {"name": 1}}, {"platform": []}):
        odd = Message(
            kind="track", message_id="m", identifiers=(), occurred_at=0, received_at=_AT, name="open", context=context
        )
        assert set(rows(odd).sdks) == {("", "", "")}


_MESSAGES = st.builds(
    lambda name, at, properties: message(name, _AT + at, **properties),
    st.sampled_from(["a", "b", "c"]),
    st.integers(0, 3 * DAY_MS),
    st.dictionaries(st.sampled_from("pq"), st.sampled_from([1, "x", True, None, [1], Decimal(2)])),
)


@given(st.lists(_MESSAGES, max_size=30), st.integers(0, 30))
def test_what_two_saw_adds_up_to_what_one_would_have_seen(messages: list[Message], cut: int) -> None:
    parts, whole = [rows(*messages[:cut]), rows(*messages[cut:])], rows(*messages)
    assert sum((Counter(part.days) for part in parts), Counter()) == Counter(whole.days)
    assert sum((Counter(part.hours) for part in parts), Counter()) == Counter(whole.hours)
    naive = Counter((m.name, name, kind_of(value)) for m in messages for name, value in m.properties.items())
    assert {key: span.n for key, span in whole.types.items() if key[1]} == naive


def test_a_propertys_state_has_a_rule() -> None:
    today = 20_000

    def state(*days: tuple[int, str, int], last: int = 0, event_last: int = 0) -> str:
        return state_of([(today - back, kind, n) for back, kind, n in days], {}, today, last, event_last)[0]

    assert state((0, "number", 10), (20, "number", 5)) == "active"
    assert state((0, "number", 99), (0, "string", 1)) == "unstable"
    assert state((0, "number", 999), (0, "string", 1)) == "active", "one stray in a thousand is no drift"
    assert state((0, "number", 10), (20, "string", 50)) == "type_changed"
    assert state((0, "null", 10), (20, "string", 50)) == "active", "no value is of no type"
    assert state((40, "number", 10), last=0, event_last=31 * DAY_MS) == "deprecated"
    assert state((40, "number", 10), last=0, event_last=DAY_MS) == "active", "its event does not come either"


def test_a_property_of_two_types_is_not_said_to_have_one() -> None:
    days = [(100, "number", 999), (100, "string", 1)]
    state, why = state_of(days, {"number": 999, "string": 1, "null": 5}, 100, 0, 0)
    assert (state, why) == ("active", "Received regularly as number; less than 1% of all values are string.")
    # Also if the other type was received before the days that are kept.
    assert state_of(days[:1], {"number": 9, "string": 1}, 100, 0, 0)[1].endswith("10% of all values are string.")
    assert state_of(days[:1], {"number": 9, "null": 1}, 100, 0, 0)[1].endswith("always with the same type.")
