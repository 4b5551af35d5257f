"""The policy `validation` against single messages."""

from typing import Any

import msgspec
import pytest

from tinycdp.model import Identifier, Message
from tinycdp.runtime.policies.validation import Validation, ValidationPolicy, rejection

_UUID = "0190163d-8694-7e5f-bf8a-4c8a1b2c3d4e"


def message(**changes: Any) -> Message:
    whole = {
        "kind": "track",
        "message_id": _UUID,
        "identifiers": (Identifier("userId", "ada"),),
        "occurred_at": 0,
        "received_at": 0,
        "name": "purchase",
    }
    return Message(**{**whole, **changes})


def found(document: dict[str, Any], sent: Message) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """(warnings, rejections), each as code and path."""
    kept, refused = Validation(msgspec.convert(document, ValidationPolicy)).check([sent])
    return (
        [(one.code, one.path) for kept_one in kept for one in kept_one.warnings],
        [(one.code, one.path) for one in (rejection(*pair) for pair in refused)],
    )


@pytest.mark.parametrize(
    ("rule", "sent", "fits"),
    [
        ({"uuids": [{"path": "messageId"}]}, message(), True),
        ({"uuids": [{"path": "messageId"}]}, message(message_id="m-1"), False),
        ({"uuids": [{"path": "userId"}]}, message(), False),
        ({"uuids": [{"path": "userId"}]}, message(identifiers=(Identifier("userId", _UUID.upper()),)), True),
        ({"uuids": [{"path": "anonymousId"}]}, message(), True),
        ({"uuids": [{"path": "properties.id"}]}, message(properties={"id": 5}), False),
        ({"required": [{"path": "properties.cart.size"}]}, message(properties={"cart": {"size": 0}}), True),
        ({"required": [{"path": "properties.cart.size"}]}, message(properties={"cart.size": 1}), True),
        ({"required": [{"path": "properties.cart.size"}]}, message(properties={"cart": {"size": None}}), False),
        ({"required": [{"path": "properties.cart.size"}]}, message(properties={"cart": []}), False),
        ({"required": [{"path": "properties.plan"}]}, message(kind="identify", name=""), True),
        ({"required": [{"path": "traits.plan"}]}, message(kind="identify", name=""), False),
        ({"required": [{"path": "traits.plan"}]}, message(), True),
        ({"required": [{"path": "userId", "calls": ["page"]}]}, message(identifiers=()), True),
        ({"required": [{"path": "userId", "calls": ["track"]}]}, message(identifiers=()), False),
        ({"required": [{"path": "properties.a", "event": "refund"}]}, message(), True),
        ({"required": [{"path": "properties.a", "event": "purchase"}]}, message(), False),
        ({"required": [{"path": "context.app"}]}, message(context={"app": ""}), False),
        ({"allowed": [{"path": "context.projectId", "values": ["shop"]}]}, message(), True),
        (
            {"allowed": [{"path": "context.projectId", "values": ["shop"]}]},
            message(context={"projectId": "shop"}),
            True,
        ),
        ({"allowed": [{"path": "context.projectId", "values": ["shop"]}]}, message(context={"projectId": "x"}), False),
        ({"allowed": [{"path": "properties.n", "values": [1]}]}, message(properties={"n": True}), False),
        ({"allowed": [{"path": "properties.n", "values": [1]}]}, message(properties={"n": [1]}), False),
        ({"allowed": [{"path": "event", "values": ["purchase"]}]}, message(name="open"), False),
    ],
)
def test_a_rule_warns_or_rejects_with_a_code_and_its_path(rule: dict[str, Any], sent: Message, fits: bool) -> None:
    ((name, [one]),) = rule.items()
    code = {"uuids": "NOT_A_UUID", "required": "FIELD_REQUIRED", "allowed": "VALUE_NOT_ALLOWED"}[name]
    want = [] if fits else [(code, f"$.{one['path']}")]
    assert found(rule, sent) == (want, [])
    assert found({name: [{**one, "action": "reject"}]}, sent) == ([], want)


def test_a_message_that_fits_is_itself_and_no_message_repeats_a_value() -> None:
    rules = {
        "uuids": [{"path": "userId"}],
        "allowed": [{"path": "properties.plan", "values": ["pro"], "action": "reject"}],
    }
    validation = Validation(msgspec.convert(rules, ValidationPolicy))
    right = message(identifiers=(Identifier("userId", _UUID),), properties={"plan": "pro"})
    kept, refused = validation.check([right, message(properties={"plan": "secret"})])
    assert kept == [right] and kept[0] is right
    (logged,) = (rejection(*pair) for pair in refused)
    assert logged.message_id == _UUID
    assert "secret" not in logged.message and "secret" in logged.payload.decode()


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"uuids": [{"path": "usrId"}]}, "nearest is 'userId'"),
        ({"uuids": [{"path": "mesageId"}]}, "nearest is 'messageId'"),
        ({"required": [{"path": "propertys.a"}]}, "not a path"),
        ({"required": [{"path": "properties."}]}, "names joined by dots"),
        ({"required": [{"path": "properties"}]}, "names joined by dots"),
        ({"required": [{"path": "traits.plan", "calls": ["track"]}]}, "track calls cannot have it"),
        ({"allowed": [{"path": "context.a", "values": []}]}, "length >= 1"),
        ({"uuids": [{"path": "userId", "action": "drop"}]}, "drop"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(document: dict[str, Any], says: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=says):
        msgspec.convert(document, ValidationPolicy)


@pytest.mark.parametrize("kind", ["user", "device", "emailHash", "crm:id"])
def test_a_kind_of_the_environments_own_is_a_path(kind: str) -> None:
    other = message(identifiers=(Identifier(kind, "x"),))
    assert found({"uuids": [{"path": kind}]}, other) == ([("NOT_A_UUID", f"$.{kind}")], [])
