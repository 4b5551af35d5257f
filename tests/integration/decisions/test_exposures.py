"""Who was given which variant: each once a day, whatever is asked how often where, and nothing waits for it."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from application import Application, running
from serving import ManualClock, define, eventually, new_environment, served, services
from tinycdp.app import Parts
from tinycdp.errors import Unavailable
from tinycdp.model import DAY_MS, Identifier, IdentifierKind, Message
from tinycdp.runtime import clock
from tinycdp.runtime.decisions.decide import decide_one
from tinycdp.runtime.decisions.exposures import BATCH, Exposures
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.definitions.publish import apply_documents
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.worker.loops import Worker
from tinycdp.store import exposures as store
from tinycdp.store.database.pool import Pool, transaction

NOW = 1_790_000_000_000
NOON = NOW - NOW % DAY_MS + DAY_MS // 2
FLAG = {"flags": [{"key": "paid", "rule": 'profile.plan == "pro"'}]}
HALVES = {"a": 50_000, "b": 50_000}


def split(key: str = "test", weights: dict[str, int] | None = None, **more: Any) -> dict[str, Any]:
    variants = {"a": "A", "b": "B", "none": ""}
    rule = {"id": "half", "when": "true", "split": weights or HALVES}
    return {"key": key, "type": "string", "variants": variants, "offVariant": "none", "rules": [rule], **more}


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        yield application


@pytest.fixture
async def shop(pool: Pool) -> int:
    """An environment with a split and a plain flag, there before any service starts."""
    return await new_environment(pool, "shop", {"flags": [split(), *FLAG["flags"]]}, NOON - 10 * DAY_MS)


async def rows(pool: Pool) -> list[tuple[Any, ...]]:
    """What stands in the table: (unit, variant, rule), sorted."""
    found = await pool.fetch("SELECT unit, variant, rule FROM exposures ORDER BY unit, variant, rule")
    return [tuple(row) for row in found]


async def answered(
    service: Parts, environment: int, flag: str, users: Sequence[str], *, exposed: bool = True
) -> list[str]:
    """Decide as a request handler does; the variants."""
    found = []
    for user in users:
        catalog, snapshot, _ = await service.profile_loader.load(
            environment, Identifier(IdentifierKind.USER, user), service.now()
        )
        decision = decide_one(catalog, flag, snapshot, service.now())
        service.exposures.record(catalog, decision, snapshot, service.now(), exposed=exposed)
        found.append(decision.variant)
    return found


async def test_every_route_records_a_unit_once_a_day(app: Application) -> None:
    await app.define("flag", key="paid", rule='profile.plan == "pro"')
    await app.write.post("/v1/identify", json={"userId": "ada", "traits": {"plan": "pro"}})
    for _ in range(2):
        await app.read.get("/v1/decide?flag=paid&userId=ada")
        await app.read.post("/v1/decide", json={"userId": "ada"})
        await app.read.post("/ofrep/v1/evaluate/flags/paid", json={"context": {"targetingKey": "ada"}})
        await app.read.post("/ofrep/v1/evaluate/flags", json={"context": {"targetingKey": "ada"}})
        await app.read.get("/v1/decide?flag=paid&anonymousId=stranger")
    await app.service.exposures.flush()
    assert await rows(app.service.pool) == [("ada", "on", "rule"), ("stranger", "off", "")]
    kept = await app.service.pool.fetch("SELECT * FROM exposures ORDER BY unit")
    [profile_id] = await app.service.pool.fetchrow("SELECT id FROM profiles")
    assert [(r["profile_id"], r["revision"], r["version"], r["stage"]) for r in kept] == [
        (profile_id, 1, 1, 0),
        (None, 1, 1, 0),
    ]
    assert all(r["first_at"] // DAY_MS == (r["day"] - date(1970, 1, 1)).days for r in kept)


async def test_what_is_only_looked_at_is_no_exposure(app: Application) -> None:
    await app.define("flag", **split())
    context = {"context": {"targetingKey": "ada"}}
    for door in ("/ofrep/v1/evaluate/flags/test", "/ofrep/v1/evaluate/flags"):
        assert (await app.read.post(f"{door}?exposure=false", json=context)).status_code == 200
    prefetched = await app.read.post("/flags/?v=2", json={"distinct_id": "ada", "api_key": "x"})
    assert prefetched.json()["flags"].keys() == {"test"}
    for path in ("&userId=ada&exposure=false", "&userId=ada&explain=true"):
        assert (await app.read.get(f"/v1/decide?flag=test{path}")).status_code == 200
    assert (await app.read.post("/v1/decide", json={"userId": "ada", "exposure": False})).status_code == 200
    assert (await app.admin.get("/v1/admin/explain?flag=test&userId=ada")).status_code == 200
    absent = await app.read.post("/ofrep/v1/evaluate/flags/test", json={"context": {}})
    assert absent.json()["errorCode"] == "TARGETING_KEY_MISSING"
    await app.service.exposures.flush()
    assert await rows(app.service.pool) == []
    assert await app.service.pool.fetchval("SELECT count(*) FROM flag_uses") > 0, "asked for it was"


async def test_the_fast_lane_records_too_and_stopping_writes_what_waits(dsn: str, tmp_path: Path) -> None:
    with served(tmp_path, dsn=dsn) as server:
        await define(dsn, FLAG, clock.now())
        server.batch([{"type": "identify", "userId": "ada", "traits": {"plan": "pro"}, "messageId": "m1"}])

        async def on() -> bool:
            return bool(server.decide("paid", "ada", exposure="false").json().get("allow"))

        await eventually(on)
        connection = await asyncpg.connect(dsn)
        assert await connection.fetchval("SELECT count(*) FROM exposures") == 0
        assert server.decide("paid", "ada").json()["variant"] == "on"  # from memory, ahead of the framework
        server.decide("paid", "bob")
    assert [row["unit"] for row in await connection.fetch("SELECT unit FROM exposures ORDER BY unit")] == ["ada", "bob"]
    await connection.close()


async def test_two_processes_and_a_restart_record_no_unit_twice(dsn: str, shop: int) -> None:
    for _ in range(2):  # the second round is a process that remembers nothing
        async with services(dsn, 2, lambda: NOON) as pair:
            users = [f"user-{n}" for n in range(50)]
            for service in pair:
                await answered(service, shop, "test", users)
            await asyncio.gather(*(service.exposures.flush() for service in pair))
            assert sum(s.metrics.exposures["stored"] for s in pair) == (50 if _ == 0 else 0)
            assert len(await rows(pair[0].pool)) == 50


async def test_each_day_counts_anew_and_ends_at_midnight_utc(dsn: str, shop: int) -> None:
    now = ManualClock(NOON)
    async with services(dsn, 1, now) as [service]:
        midnight = NOON + DAY_MS // 2
        for instant in (NOON, midnight - 1, midnight, midnight + 1, midnight - 1):
            now.now = instant
            await answered(service, shop, "test", ["ada"])
        await service.exposures.flush()
        found = await service.pool.fetch("SELECT first_at FROM exposures ORDER BY day")
        assert [row["first_at"] for row in found] == [NOON, midnight]


async def test_memory_is_bounded_and_what_it_forgets_postgres_knows(pool: Pool, dsn: str, shop: int) -> None:
    async with services(dsn, 1, lambda: NOON) as [service]:
        users = [f"user-{n}" for n in range(100)]
        small = service.exposures = Exposures(service.pool, service.metrics.exposures, waiting=60, remembered=20)
        await answered(service, shop, "test", users)
        counts = service.metrics.exposures
        assert (small.waiting, counts["dropped"]) == (60, 40)
        await small.flush()
        await answered(service, shop, "test", users[60:])  # dropped is not forgotten: the next decision tries again
        await small.flush()
        assert (counts["stored"], counts["dropped"], len(await rows(pool))) == (100, 40, 100)
        await answered(service, shop, "test", users[80:])  # some of the newest are remembered, the others not
        assert 0 < small.waiting <= 20
        await answered(service, shop, "test", users[:60])
        assert small.waiting == 60
        await small.flush()
        assert counts["stored"] == 100


async def test_who_was_recorded_today_does_not_wait_again(dsn: str, shop: int) -> None:
    async with services(dsn, 1, lambda: NOON) as [service]:
        unhurried = service.exposures = Exposures(service.pool, service.metrics.exposures)
        for _ in range(3):
            await answered(service, shop, "test", ["ada", "bob"])
            assert unhurried.waiting == 2


async def test_with_the_database_away_decisions_go_on_and_exposures_wait(
    dsn: str, maintenance: asyncpg.Connection, shop: int
) -> None:
    async with services(dsn, 1, lambda: NOON) as [service]:
        for user in ("ada", "bob"):
            identifier = (Identifier(IdentifierKind.USER, user),)
            event = Message(
                kind="track", message_id=user, identifiers=identifier, occurred_at=NOON, received_at=NOON, name="x"
            )
            await service.ingest.accept(shop, [event])
        await answered(service, shop, "test", ["ada", "bob"], exposed=False)
        name = re.search(r"/(test_\d+)", dsn)[1]  # type: ignore[index]
        await maintenance.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await maintenance.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)

        async def noticed() -> bool:
            return service.snapshots.away

        await eventually(noticed)
        await answered(service, shop, "test", ["ada", "bob"])
        with pytest.raises(Unavailable):
            await service.exposures.flush()
        assert service.metrics.exposures["dropped"] == 0
        await maintenance.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

        async def written() -> bool:
            return service.metrics.exposures["stored"] == 2

        await eventually(written)  # by the task, once Postgres is back
        assert len(await rows(service.pool)) == 2


async def test_stopping_writes_what_waits(dsn: str, pool: Pool, shop: int) -> None:
    async with services(dsn, 1, lambda: NOON) as [service]:
        await answered(service, shop, "test", [f"user-{n}" for n in range(BATCH + 5)])
    assert len(await rows(pool)) == BATCH + 5


@pytest.mark.parametrize("unit", ["nul \0", "half \ud800", "x" * 257])
async def test_an_impossible_id_keeps_no_other_waiting(dsn: str, unit: str, shop: int) -> None:
    async with services(dsn, 1, lambda: NOON) as [service]:
        catalog, snapshot, _ = await service.profile_loader.load(shop, Identifier(IdentifierKind.USER, "ada"), NOON)
        snapshot.unit = unit
        service.exposures.record(catalog, decide_one(catalog, "test", snapshot, NOON), snapshot, NOON)
        longest = "\U0001f600" * 256
        await answered(service, shop, "test", [longest])
        await service.exposures.flush()
        assert [row[0] for row in await rows(service.pool)] == [longest]
        assert service.metrics.exposures == {"stored": 1, "dropped": 1}


async def test_a_merged_person_stays_one_unit(dsn: str, shop: int) -> None:
    """The older profile's bucketing key survives, and with it what the person was exposed to."""
    now = ManualClock(NOON)
    async with services(dsn, 1, now) as [service]:
        tab, ada = Identifier(IdentifierKind.ANONYMOUS, "tab"), Identifier(IdentifierKind.USER, "ada")

        async def seen(id: str, *identifiers: Identifier) -> None:
            now.now += 1_000
            message = Message(
                kind="track", message_id=id, identifiers=identifiers, occurred_at=now(), received_at=now(), name="open"
            )
            await service.ingest.accept(shop, [message])

        async def exposed(identifier: Identifier) -> str:
            catalog, snapshot, _ = await service.profile_loader.load(shop, identifier, now())
            decision = decide_one(catalog, "test", snapshot, now())
            service.exposures.record(catalog, decision, snapshot, now())
            return decision.variant

        await seen("m1", tab)
        before = await exposed(tab)
        await seen("m2", ada, tab)
        assert [await exposed(ada), await exposed(tab)] == [before, before]
        await service.exposures.flush()
        assert await rows(service.pool) == [("tab", before, "half")]


async def test_a_new_version_begins_a_new_sample(dsn: str, shop: int) -> None:
    """Else only those who are moved would be counted on the day of a change, and the ratio would look wrong."""
    async with services(dsn, 1, lambda: NOON) as [service]:
        users = [f"user-{n}" for n in range(40)]
        await answered(service, shop, "test", users)
        await apply_documents(
            service.environment(shop), [{"flags": [split(weights={"a": 90_000, "b": 10_000})]}], Edit("t", NOON)
        )
        await service.catalogs.refresh(service.pool, shop)
        await answered(service, shop, "test", users)
        await service.exposures.flush()
        found = await service.pool.fetch("SELECT version, count(*) AS n FROM exposures GROUP BY version ORDER BY 1")
        assert [tuple(row) for row in found] == [(1, 40), (2, 40)]


async def test_the_worker_forgets_old_exposures_flag_by_flag(dsn: str, shop: int) -> None:
    now = ManualClock(NOON - 10 * DAY_MS)
    async with services(dsn, 1, now) as [service]:
        for _ in range(10):
            await answered(service, shop, "test", ["ada", "bob"])
            await answered(service, shop, "paid", ["ada"])
            now.now += DAY_MS
        await service.exposures.flush()
        await Worker(service.pool, Catalogs(), now, exposure_days=4).maintain()
        found = await service.pool.fetch(
            "SELECT min(first_at), count(*) FROM exposures GROUP BY definition_id ORDER BY 2"
        )
        assert [tuple(row) for row in found] == [(NOON - 4 * DAY_MS, 4), (NOON - 4 * DAY_MS, 8)]


def exposed(
    environment: int, definition: int, unit: str | None, at: int, identifier: Identifier | None = None
) -> store.Exposed:
    named = (identifier.kind, identifier.value) if identifier is not None else (None, None)
    return (environment, definition, 1, 0, "a", unit, None, "half", 1, at, *named)


async def test_old_exposures_go_the_oldest_first_and_no_more_than_asked(pool: Pool, shop: int) -> None:
    other = await new_environment(pool, "other", {"flags": [split()]}, NOON - 10 * DAY_MS)
    found = await pool.fetch("SELECT environment_id, id FROM definitions ORDER BY environment_id, id")
    [(_, first), (_, second)] = [tuple(row) for row in found if row["environment_id"] == shop]
    [(_, third)] = [tuple(row) for row in found if row["environment_id"] == other]
    flags = [(shop, first), (shop, second), (other, third)]
    old = [exposed(*flag, f"u{n}", NOON - day * DAY_MS) for flag in flags for day in (1, 2, 3) for n in range(4)]
    async with transaction(pool) as connection:
        assert await store.record_exposures(connection, old, NOON) == 36
        today = date.fromordinal(date(1970, 1, 1).toordinal() + NOON // DAY_MS)
        left = []
        for _ in range(5):
            gone = await store.prune_exposures(connection, shop, today.replace(day=today.day - 1), 5)
            days = await connection.fetch(
                "SELECT definition_id, count(*) FROM exposures WHERE environment_id = $1 GROUP BY 1 ORDER BY 1", shop
            )
            left.append((gone, [row["count"] for row in days]))
        assert left == [(5, [7, 12]), (5, [4, 10]), (5, [4, 5]), (1, [4, 4]), (0, [4, 4])]
        days = await connection.fetch("SELECT DISTINCT day FROM exposures WHERE environment_id = $1", shop)
        assert [row["day"] for row in days] == [today.replace(day=today.day - 1)], "the day itself stays"
        assert await connection.fetchval("SELECT count(*) FROM exposures WHERE environment_id = $1", other) == 12


async def test_a_batch_may_be_of_several_environments_and_name_people_by_identifier(
    dsn: str, pool: Pool, shop: int
) -> None:
    other = await new_environment(pool, "other", {"flags": [split()]}, NOON - 10 * DAY_MS)
    ada = Identifier(IdentifierKind.USER, "ada")
    async with services(dsn, 1, lambda: NOON) as [service]:
        for environment in (shop, other):
            identifiers = (Identifier(IdentifierKind.ANONYMOUS, f"tab-{environment}"), ada)
            message = Message(
                kind="track", message_id="m", identifiers=identifiers, occurred_at=NOON, received_at=NOON, name="a"
            )
            await service.ingest.accept(environment, [message])
    definitions = dict(await pool.fetch("SELECT environment_id, min(id) FROM definitions GROUP BY 1"))
    batch = [
        row
        for environment in (other, shop)
        for row in (
            exposed(environment, definitions[environment], "given", NOON),
            exposed(environment, definitions[environment], None, NOON, ada),
            exposed(environment, definitions[environment], None, NOON, Identifier(IdentifierKind.USER, "absent")),
            exposed(environment, definitions[environment], None, NOON),
        )
    ]
    async with transaction(pool) as connection:
        assert await store.record_exposures(connection, batch, NOON) == 6
        assert await store.record_exposures(connection, batch, NOON) == 0
    found = await pool.fetch(
        "SELECT e.environment_id, e.unit, p.bucketing_key FROM exposures e"
        " LEFT JOIN profiles p ON p.environment_id = e.environment_id AND p.id = e.profile_id ORDER BY 1, 2 DESC"
    )
    keys = dict(await pool.fetch("SELECT environment_id, bucketing_key FROM profiles"))
    assert [tuple(row) for row in found] == [
        row
        for environment in sorted((shop, other))
        for row in sorted(
            [
                (environment, "given", None),
                (environment, "absent", None),  # the identifier is the unit where no profile has it
                (environment, keys[environment], keys[environment]),
            ],
            key=lambda one: one[1],
            reverse=True,
        )
    ]
    assert len(keys) == 2
    assert await pool.fetchval("SELECT count(*) FROM flag_uses") == 2
