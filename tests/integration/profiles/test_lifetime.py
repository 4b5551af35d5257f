"""The lifetime of a profile against a naive computation from what was sent."""

import random
from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from application import Application, running
from builders import at, iso
from tinycdp.model import DAY_MS, MINUTE_MS

ZONE = "Europe/Berlin"


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn, zone=ZONE) as application:
        yield application


async def lifetime(app: Application, id: str) -> dict[str, Any]:
    answer = await app.read.get(f"/v1/profiles/{id}/lifetime")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("seed", range(4))
async def test_a_lifetime_is_what_the_events_add_up_to(app: Application, seed: int) -> None:
    chance = random.Random(seed)
    plan = {"properties": {"price.net": {"type": "number", "revenue": True}}}
    assert (await app.admin.put("/v1/registry/plan/purchase", json=plan)).status_code in {200, 201}
    base, sent = at("2026-03-27T22:00:00Z"), []
    for n in range(60):
        instant = base + chance.choice([chance.randrange(3 * DAY_MS), n * 30 * MINUTE_MS, n * 30 * MINUTE_MS - 1])
        net = chance.choice([Decimal("19.99"), 5, "7", None, "many"])
        sent.append({
            "event": chance.choice(["purchase", "visit"]), "timestamp": iso(instant), "messageId": f"m{n}",
            **chance.choice([{"userId": "ada"}, {"anonymousId": "a-1"}]),
            "properties": {"price": {"net": float(net) if isinstance(net, Decimal) else net}},
            "context": {"active": chance.random() < 0.8},
        })  # fmt: skip
    await app.track(*sent)
    await app.write.post("/v1/alias", json={"userId": "ada", "previousId": "a-1"})

    instants = sorted(at(one["timestamp"]) for one in sent)
    active = sorted(at(one["timestamp"]) for one in sent if one["context"]["active"])
    paid = [one["properties"]["price"]["net"] for one in sent if one["event"] == "purchase"]
    days = {datetime.fromtimestamp(instant / 1000, ZoneInfo(ZONE)).date() for instant in active}
    found = await lifetime(app, "ada")
    assert found["events"] == 60
    assert (found["firstEvent"], found["lastEvent"]) == (iso(instants[0]), iso(instants[-1]))
    assert found["activeDays"] == len(days)
    gaps = [later - earlier for earlier, later in pairwise(active)]
    assert found["sessions"] == 1 + sum(gap >= 30 * MINUTE_MS for gap in gaps)
    total = sum(Decimal(str(one)) for one in paid if one not in (None, "many"))
    assert Decimal(str(found["revenue"])) == total
    assert (await app.admin.get("/v1/admin/users/ada")).json()["lifetime"] == found
    profile = (await app.read.get("/v1/profiles/ada")).json()
    assert (found["firstSeen"], found["lastSeen"]) == (profile["firstSeen"], profile["lastSeen"])


async def test_without_events_and_without_a_plan_there_is_little_to_say(app: Application) -> None:
    await app.write.post("/v1/identify", json={"userId": "ada", "traits": {"plan": "pro"}})
    found = await lifetime(app, "ada")
    assert (found["events"], found["sessions"], found["activeDays"], found["revenue"]) == (0, 0, 0, None)
    assert found["firstEvent"] is None
    assert found["firstSeen"] is not None
    missing = await app.read.get("/v1/profiles/bob/lifetime")
    assert (missing.status_code, missing.json()["code"]) == (404, "PROFILE_NOT_FOUND")
