"""What a call of the Python client becomes on the wire, and what is not sent at all."""

import datetime as dt
import enum
import json
import uuid
from decimal import Decimal
from typing import Any

import pytest

from tinycdp_client.messages import Invalid, encode, to_json


class Plan(enum.Enum):
    PRO = "pro"


def _message(*args: Any, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(encode(*args, **options)[1], parse_float=Decimal)
    return found


def test_a_message_has_an_id_an_instant_and_only_what_was_given() -> None:
    message = _message("track", "ada", {"event": "purchase", "properties": None}, anonymous_id="tab", message_id="o-1")
    assert dt.datetime.fromisoformat(message.pop("timestamp")).tzinfo is not None
    assert message == {
        "type": "track",
        "messageId": "o-1",
        "userId": "ada",
        "anonymousId": "tab",
        "event": "purchase",
    }


def test_two_messages_have_two_ids() -> None:
    assert encode("track", "ada", {"event": "a"})[0] != encode("track", "ada", {"event": "a"})[0]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("19.99"), "19.99"),
        (Decimal("12345678901234567890.123456789"), "12345678901234567890.123456789"),
        (Decimal("1E+3"), "1000"),
        (dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2))), '"2026-03-01T10:00:00.000Z"'),
        (dt.date(2026, 3, 1), '"2026-03-01"'),
        (Plan.PRO, '"pro"'),
        (uuid.UUID(int=7), '"00000000-0000-0000-0000-000000000007"'),
        ({2, 1}, "[1,2]"),
        ("caf\u00e9 \ud83d\ude00", '"café 😀"'),
        ("half \ud83d", '"half �"'),
        (2**70, "1180591620717411303424"),
    ],
)
def test_values_are_sent_exactly(value: Any, text: str) -> None:
    assert to_json({"v": value}).decode() == f'{{"v":{text}}}'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Decimal("NaN"), object(), b"bytes", {(1, 2): 3}])
def test_what_json_cannot_hold_is_said(value: Any) -> None:
    with pytest.raises(Invalid) as caught:
        encode("track", "ada", {"event": "a", "properties": {"v": value}})
    assert caught.value.code == "NOT_JSON"


def test_a_cycle_is_said() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(Invalid):
        encode("track", "ada", {"event": "a", "properties": {"v": cycle}})


@pytest.mark.parametrize("user_id", [None, ""])
def test_a_message_without_a_profile_is_said(user_id: str | None) -> None:
    with pytest.raises(Invalid) as caught:
        encode("identify", user_id, {"traits": {"plan": "pro"}})
    assert caught.value.code == "MISSING_IDENTIFIER"


@pytest.mark.parametrize(
    "options",
    [
        {"anonymous_id": "a"},
        {"device_id": "d"},
        {"external_id": "e"},
        {"email_hash": "9f"},
        {"identifiers": {"crmId": "7"}},
        {"context": {"externalIds": [{"id": "7", "type": "crm"}]}},
    ],
)
def test_each_identifier_is_enough(options: dict[str, Any]) -> None:
    assert encode("track", None, {"event": "a"}, **options)


def test_a_message_of_more_than_32_kb_is_said() -> None:
    encode("track", "ada", {"event": "a", "properties": {"v": "x" * 32_000}})
    with pytest.raises(Invalid) as caught:
        encode("track", "ada", {"event": "a", "properties": {"v": "x" * 32_768}})
    assert caught.value.code == "EVENT_TOO_LARGE"
