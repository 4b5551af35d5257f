"""Groups: traits, members, and how a change reaches every member's segments and decisions."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from application import Application, running
from tinycdp import resources
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.profiles import groups
from tinycdp.runtime.profiles.verify import verify
from tinycdp.runtime.worker.loops import Worker


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        yield application


async def join(app: Application, user: str, group: str, at: str = "", **traits: Any) -> None:
    body = {"userId": user, "groupId": group, "traits": traits, **({"timestamp": at} if at else {})}
    answer = await app.write.post("/v1/group", json=body)
    assert answer.status_code == 200, answer.text


async def allowed(app: Application, user: str) -> bool:
    answer = await app.read.get("/v1/decide", params={"userId": user, "flag": "perk"})
    return bool(answer.json()["allow"])


async def members(app: Application) -> set[str]:
    found = (await app.admin.get("/v1/admin/segments/gold/members?limit=200")).json()["members"]
    return {identifier["value"] for member in found for identifier in member["identifiers"]}


async def update_members(app: Application) -> int:
    worker = Worker(app.service.pool, Catalogs(), app.service.now)
    batches = 0
    while await worker.update_group_members():
        batches += 1
    return batches


async def define(app: Application) -> None:
    await app.define("segment", key="gold", rule='group.tier == "gold"')
    await app.define("flag", key="perk", rule="segments.gold")


async def test_a_change_reaches_the_sender_at_once_and_the_others_by_the_worker(app: Application) -> None:
    await define(app)
    for user in ("ada", "bob", "eve"):
        await join(app, user, "acme", tier="iron")
    await join(app, "mia", "other", tier="iron")
    await update_members(app)
    assert await members(app) == set()

    await join(app, "ada", "acme", tier="gold")
    assert await allowed(app, "ada")
    assert not await allowed(app, "bob")
    await update_members(app)
    assert await allowed(app, "bob")
    assert await members(app) == {"ada", "bob", "eve"}
    assert [segment["key"] for segment in (await app.admin.get("/v1/profiles/bob")).json()["segments"]] == ["gold"]

    found = (await app.admin.get("/v1/admin/groups/acme")).json()
    assert (found["traits"], found["members"]) == ({"tier": "gold"}, 3)
    people = (await app.admin.get("/v1/admin/groups/acme/members?limit=2")).json()
    assert [identifier["value"] for m in people["members"] for identifier in m["identifiers"]] == ["ada", "bob"]
    rest = (await app.admin.get(f"/v1/admin/groups/acme/members?after={people['next']}")).json()
    assert [identifier["value"] for m in rest["members"] for identifier in m["identifiers"]] == ["eve"]
    listed = (await app.admin.get("/v1/admin/groups")).json()["groups"]
    assert [group["key"] for group in listed] == ["acme", "other"]
    assert (await app.admin.get("/v1/admin/groups/nowhere")).json()["code"] == "NOT_FOUND"


async def test_who_happens_to_be_in_the_same_transaction_is_reviewed_too(app: Application) -> None:
    await define(app)
    for user in ("ada", "bob"):
        await join(app, user, "acme", tier="iron")
    await update_members(app)
    together = [
        {"type": "group", "userId": "ada", "groupId": "acme", "traits": {"tier": "gold"}},
        {"type": "track", "userId": "bob", "event": "app_open"},
    ]
    assert (await app.write.post("/v1/batch", json={"batch": together})).json()["accepted"] == 2
    await update_members(app)
    assert await members(app) == {"ada", "bob"}


async def test_verifying_takes_a_change_on_its_way_for_no_fault(app: Application) -> None:
    await define(app)
    for user in ("ada", "bob"):
        await join(app, user, "acme", tier="iron")
    await update_members(app)
    await join(app, "ada", "acme", tier="gold")

    async def differences() -> int:
        report = await verify(app.service.environment(app.environment_id), sample=None)
        return report.differences

    assert await differences() == 0
    async with app.service.pool.acquire() as connection:
        await connection.execute("DELETE FROM group_changes")  # as though the worker had updated all members
    assert await differences() > 0


async def test_who_joins_knows_the_traits_and_who_leaves_forgets_them(app: Application) -> None:
    await define(app)
    await join(app, "ada", "acme", tier="gold")
    await join(app, "bob", "acme")
    assert await allowed(app, "bob")
    await join(app, "bob", "other")
    assert not await allowed(app, "bob")
    assert await members(app) == {"ada"}
    assert (await app.admin.get("/v1/admin/groups/acme")).json()["members"] == 1


async def test_a_new_definition_reads_groups_that_were_there_before(app: Application) -> None:
    await join(app, "ada", "acme", tier="gold")
    await join(app, "bob", "acme")
    await define(app)
    assert await members(app) == {"ada", "bob"}
    assert await allowed(app, "bob")


async def test_a_merge_keeps_the_later_group_with_its_traits(app: Application) -> None:
    await define(app)
    await join(app, "ada", "acme", "2026-01-01T00:00:00Z", tier="iron")
    body = {"anonymousId": "a-1", "groupId": "beta", "traits": {"tier": "gold"}, "timestamp": "2026-01-02T00:00:00Z"}
    await app.write.post("/v1/group", json=body)
    await app.write.post("/v1/identify", json={"userId": "ada", "anonymousId": "a-1"})
    assert await allowed(app, "ada")
    assert (await app.admin.get("/v1/admin/groups/beta")).json()["members"] == 1
    assert (await app.admin.get("/v1/admin/groups/acme")).json()["members"] == 0


async def test_many_members_are_updated_in_batches_and_a_change_meanwhile_is_not_lost(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "BATCH", 3)
    await define(app)
    for n in range(8):
        await join(app, f"u-{n}", "acme", tier="iron")
    await update_members(app)
    worker = Worker(app.service.pool, Catalogs(), app.service.now)
    await join(app, "u-0", "acme", tier="gold")
    assert await worker.update_group_members() == 1
    await join(app, "u-0", "acme", tier="silver")
    await join(app, "u-1", "acme", tier="gold")
    assert await update_members(app) >= 3
    assert await members(app) == {f"u-{n}" for n in range(8)}


async def test_groups_of_messages_that_are_stored_already_come_with_the_migration(app: Application) -> None:
    await join(app, "ada", "acme", "2026-01-02T00:00:00Z", tier="gold", seats=0.1)
    await join(app, "bob", "acme", "2026-01-01T00:00:00Z", tier="iron", city="Bonn")
    await join(app, "bob", "other", "2026-01-03T00:00:00Z")
    said = "SELECT key, traits, stamps FROM groups ORDER BY key"
    belong = "SELECT id, group_key FROM profiles ORDER BY id"
    text = resources.read_text("migrations/0012_groups.sql")
    text = text.replace("aliases", "identifiers").replace("alias_id", "identifier_id")  # their names since 0015
    async with app.service.pool.acquire() as connection:
        before = [list(map(tuple, await connection.fetch(query))) for query in (said, belong)]
        await connection.execute("TRUNCATE groups, group_changes; UPDATE profiles SET group_key = NULL")
        await connection.execute(text[text.index("UPDATE profiles p SET group_key") :])
        assert [list(map(tuple, await connection.fetch(query))) for query in (said, belong)] == before
        assert await connection.fetchval("SELECT count(*) FROM group_changes") == 2


async def test_whatever_the_order_everybody_ends_where_the_messages_say(app: Application) -> None:
    await define(app)
    chance = random.Random(7)
    calls = [
        {
            "type": "group",
            "userId": f"u-{chance.randrange(6)}",
            "groupId": f"g-{chance.randrange(3)}",
            "traits": {"tier": chance.choice(["gold", "iron"])} if chance.random() < 0.6 else {},
            "timestamp": f"2026-01-01T00:00:{n % 30:02}Z",
            "messageId": f"m-{n}",
        }
        for n in range(80)
    ]
    chance.shuffle(calls)
    worker = Worker(app.service.pool, Catalogs(), app.service.now)

    async def send(part: list[dict[str, Any]]) -> None:
        for call in part:
            assert (await app.write.post("/v1/batch", json={"batch": [call]})).status_code == 200

    async def work() -> None:
        for _ in range(40):
            await worker.update_group_members()
            await asyncio.sleep(0.005)

    await asyncio.gather(*(send(calls[n::4]) for n in range(4)), work())
    await update_members(app)
    ordered = sorted(calls, key=lambda call: (call["timestamp"], call["messageId"]))
    tiers: dict[Any, str] = {}
    of: dict[Any, Any] = {}
    for call in ordered:
        of[call["userId"]] = call["groupId"]
        if call["traits"]:
            tiers[call["groupId"]] = call["traits"]["tier"]
    assert await members(app) == {user for user, group in of.items() if tiers.get(group) == "gold"}


async def test_a_profile_names_its_group_and_since_when(app: Application) -> None:
    await app.write.post("/v1/track", json={"userId": "mia", "event": "app_open"})
    await join(app, "ada", "acme", "2026-01-02T03:04:05.000Z")
    assert (await app.read.get("/v1/profiles/mia")).json()["group"] is None
    assert (await app.read.get("/v1/profiles/ada")).json()["group"] == {
        "id": "acme",
        "since": "2026-01-02T03:04:05.000Z",
    }
