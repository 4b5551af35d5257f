"""Whatever an admin writes as a plan is refused with a reason or can be held against whatever a client sends."""

import contextlib
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tinycdp.api.http.bodies import decode_json
from tinycdp.api.http.encoding import encode
from tinycdp.engine.schema.inference import KnownNames, MessageShapes
from tinycdp.engine.schema.tracking_plan import Naming, PlannedEvent, TrackingPlan
from tinycdp.errors import InvalidInput
from tinycdp.model import Identifier, Message
from tinycdp.runtime.policies.rejections import as_sent
from tinycdp.runtime.schema.tracking_plan import checked

_TEXTS = st.sampled_from(
    ["", "a", "b", "a.b", "5", "-0", "NaN", "Infinity", "1e400", "true", "2026-01-01T00:00:00Z", "é"]
)
_NUMBERS = st.integers(-(10**28), 10**28) | st.decimals(-(10**20), 10**20, places=9)
_VALUES = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=6,
)
_TYPES = st.sampled_from(["string", "number", "integer", "boolean", "datetime", "list", "object", "text", None])
_RULES = st.fixed_dictionaries(
    {},
    optional={
        "type": _TYPES,
        "required": st.booleans(),
        "values": st.lists(_VALUES, max_size=4),
        "minimum": _NUMBERS | _TEXTS,
        "maximum": _NUMBERS | _TEXTS,
        "maxLength": st.integers(-1, 5),
    },
)
_ENTRIES = st.fixed_dictionaries(
    {"properties": st.dictionaries(_TEXTS, _RULES, max_size=4)},
    optional={
        "status": st.sampled_from(["active", "deprecated", "blocked", "gone"]),
        "enforce": st.sampled_from(["warn", "reject"]),
        "additional": st.booleans(),
    },
)


@given(_ENTRIES, st.lists(st.dictionaries(_TEXTS, _VALUES, max_size=4), min_size=1, max_size=5))
def test_a_plan_is_refused_or_can_be_asked_of_anything(document: dict[str, Any], sent: list[dict[str, Any]]) -> None:
    entry: PlannedEvent | None = None
    with contextlib.suppress(InvalidInput):
        entry = checked(document)
    if entry is None:
        return
    # What is saved is read again as what it was.
    written = encode(entry)
    assert checked(decode_json(written)) == entry
    plan, observed = TrackingPlan({"open": entry}, Naming("snake_case", "camelCase")), MessageShapes()
    for properties in sent:
        message = Message(
            kind="track",
            message_id="m",
            identifiers=(Identifier("userId", "ada"),),
            occurred_at=0,
            received_at=0,
            name="open",
            properties=properties,
        )
        found, refused = plan.check(message)
        assert refused is None or entry.enforce == "reject" or entry.status == "blocked"
        observed.count_message(found)
        assert json.loads(encode(as_sent(found)))["event"] == "open"
    assert observed.rows(KnownNames()).types["open", "", ""].n == len(sent)
