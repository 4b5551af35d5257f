"""Bodies and signatures of webhooks."""

import base64
import hashlib
import hmac
import json
import sys
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook

from tinycdp.products.delivery import signing
from tinycdp.products.delivery.happenings import Happening, WantedHappenings, of_all
from tinycdp.products.delivery.messages import (
    MOST_BYTES,
    EventFacts,
    MessageFacts,
    ProfileFacts,
    body_of,
    headers_of,
    id_of,
)

NOW = 1_790_000_000_123
ENTERED = Happening(7, 40, NOW, "segment.entered", 1, object_id=5, cause="clock")
FACTS = MessageFacts(
    "prod", {1: ProfileFacts(1, [("userId", "ada"), ("email", "ada@example.com")])}, {5: ("vip", "Best people")}
)


def test_a_body_says_what_who_when_and_why() -> None:
    body = body_of(ENTERED, FACTS)
    assert body is not None
    assert json.loads(body) == {
        "type": "segment.entered",
        "timestamp": "2026-09-21T14:13:20.123Z",
        "data": {
            "environment": "prod",
            "version": 40,
            "cause": "clock",
            "segment": {"key": "vip", "name": "Best people"},
            "profile": {
                "id": "1",
                "identifiers": [{"kind": "userId", "value": "ada"}, {"kind": "email", "value": "ada@example.com"}],
            },
        },
    }


@pytest.mark.parametrize(("given", "left_out"), [
    ({}, None),
    ({"context": {"x": "y" * 30_000}}, ["context"]),
    ({"context": {"x": "y" * 30_000}, "properties": {"x": "y" * 30_000}}, ["context", "properties"]),
])  # fmt: skip
def test_a_body_about_an_event_stays_small(given: dict[str, Any], left_out: list[str] | None) -> None:
    event = EventFacts("track", "buy", "m", NOW, given.get("properties", {"n": 1}), given.get("context", {}))
    happening = Happening(7, 40, NOW, "event", 1, object_id=9, cause="buy")
    body = body_of(happening, MessageFacts("prod", FACTS.profiles, events={9: event}))
    assert body is not None and len(body) < MOST_BYTES
    said = json.loads(body)["data"]["event"]
    assert (said.get("leftOut"), said["name"]) == (left_out, "buy")
    assert body_of(happening, MessageFacts("prod", FACTS.profiles)) is None, "the message is gone"


def test_nothing_is_said_about_an_erased_person() -> None:
    assert body_of(ENTERED, MessageFacts("prod", {}, FACTS.definitions, erased=frozenset({1}))) is None
    with pytest.raises(KeyError):  # it was not looked for
        body_of(ENTERED, MessageFacts("prod", {}, FACTS.definitions))


def test_an_absorbed_profile_has_the_identifiers_of_the_one_that_it_is_part_of() -> None:
    body = body_of(ENTERED, MessageFacts("prod", {1: ProfileFacts(2, [("userId", "ada")])}, FACTS.definitions))
    assert body is not None
    profile = json.loads(body)["data"]["profile"]
    assert profile == {"id": "1", "identifiers": [{"kind": "userId", "value": "ada"}], "mergedInto": "2"}


@pytest.mark.parametrize("n", [1, 100, 101, 5_000])
def test_a_body_stays_small(n: int) -> None:
    profile = ProfileFacts(1, [("anonymousId", f"{i:04d}" + "x" * 500) for i in range(n)])
    body = body_of(ENTERED, MessageFacts("prod", {1: profile}, FACTS.definitions))
    assert body is not None and len(body) < MOST_BYTES
    profile = json.loads(body)["data"]["profile"]
    assert len(profile["identifiers"]) + profile.get("identifiersLeftOut", 0) == n


def test_the_standards_library_verifies_each_secret_of_a_rotation() -> None:
    old, new = signing.new_key("v1"), signing.new_key("v1")
    body = body_of(ENTERED, FACTS)
    assert body is not None
    from datetime import UTC, datetime

    now = int(datetime.now(UTC).timestamp() * 1000)
    headers = headers_of(id_of(1, 4, 7, 99), now, body, [old, new])
    assert headers["webhook-id"] == "msg_1_4_7_99"
    for key in (old, new):
        assert Webhook(signing.shown(key)).verify(body.decode(), headers) == json.loads(body)
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(signing.shown(signing.new_key("v1"))).verify(body.decode(), headers)
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(signing.shown(old)).verify(body.decode() + " ", headers)


def test_the_signature_is_that_of_the_standard() -> None:
    """The example of its specification."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = signing.signature(
        [signing.SigningKey("v1", secret)], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    expected = hmac.new(secret, b'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}', hashlib.sha256)
    assert signed == "v1," + base64.b64encode(expected.digest()).decode()


def test_a_public_key_verifies_beside_a_secret() -> None:
    shared, own = signing.new_key("v1"), signing.new_key("v1a")
    public = signing.shown(own)
    assert public.startswith("whpk_") and own.secret not in base64.b64decode(public.removeprefix("whpk_"))
    hmac_part, own_part = signing.signature([shared, own], "msg_1", 1614265330, b"{}").split()
    assert hmac_part.startswith("v1,")
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public.removeprefix("whpk_")))
    signed = base64.b64decode(own_part.removeprefix("v1a,"))
    key.verify(signed, b"msg_1.1614265330.{}")
    with pytest.raises(InvalidSignature):
        key.verify(signed, b"msg_1.1614265331.{}")


def test_without_its_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.ed25519", None)
    with pytest.raises(signing.PackageMissing, match="ed25519"):
        signing.new_key("v1a")


def test_the_log_has_what_some_destination_wants() -> None:
    flags = WantedHappenings(frozenset({"flag.changed"}), None)
    of_five = WantedHappenings(frozenset({"segment.entered"}), frozenset({5}))
    of_six = WantedHappenings(frozenset({"segment.exited"}), frozenset({6}))
    assert of_all([flags]).has(ENTERED) is False
    assert of_all([flags, of_six]).has(ENTERED) is False
    assert of_all([flags, of_five]).has(ENTERED) is True
    assert of_all([of_six, WantedHappenings(frozenset({"segment.entered"}))]).has(ENTERED) is True
    assert of_all([]).has(ENTERED) is False
    bought = Happening(8, 41, NOW, "event", 1, object_id=9, cause="buy")
    named = WantedHappenings(frozenset({"event"}), names=frozenset({"view"}))
    assert of_all([named, of_five]).has(bought) is False
    assert of_all([named, WantedHappenings(frozenset({"event"}), names=frozenset({"buy"}))]).has(bought) is True
    assert of_all([named, WantedHappenings(frozenset({"event"}))]).has(bought) is True
