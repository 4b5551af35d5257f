"""Exposures in the outbox: each id once, while there is a consumer, and none is missed by one that registers."""

import asyncio
from collections.abc import AsyncIterator

import pytest

import serving
from serving import ManualClock, new_environment, waiting_for_a_lock
from tinycdp.app import Parts
from tinycdp.engine import outbox as changes
from tinycdp.model import DAY_MS, Identifier, IdentifierKind, Message
from tinycdp.runtime import outbox
from tinycdp.runtime.decisions.decide import decide_one
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.outbox import Consumer
from tinycdp.runtime.privacy.erasure import Kind
from tinycdp.store.database.pool import open_pool

NOW = 1_790_000_000_000
ADA = Identifier(IdentifierKind.USER, "ada")
FLAG = {"flags": [{"key": "paid", "rule": 'profile.plan == "pro"'}]}


@pytest.fixture
async def service(dsn: str) -> AsyncIterator[Parts]:
    async with serving.services(dsn, 1, ManualClock(NOW)) as [started]:
        yield started


@pytest.fixture
async def shop(service: Parts) -> int:
    id = await new_environment(service.pool, "shop", FLAG, NOW - DAY_MS)
    await service.catalogs.refresh(service.pool, id)
    await service.privacy.load(service.pool)
    return id


@pytest.fixture
async def consumer(service: Parts, shop: int) -> Consumer:
    await outbox.register(service.environment(shop), "test")
    return Consumer(service.environment(shop), "test")


async def decide(service: Parts, environment_id: int, *users: str) -> None:
    """Each of these users is given the flag's variant, but nothing is written yet."""
    for user in users:
        identifier = Identifier(IdentifierKind.USER, user)
        catalog, snapshot, _ = await service.profile_loader.load(environment_id, identifier, NOW)
        service.exposures.record(catalog, decide_one(catalog, "paid", snapshot, NOW), snapshot, NOW)


async def recorded(service: Parts, shop: int) -> list[int]:
    """The ids that the outbox has of exposures."""
    found = []
    for row in (await Consumer(service.environment(shop), "test").read()).rows:
        for change in row.changes:
            if isinstance(change, changes.RecordedExposures):
                assert len(row.changes) == 1
                found += [id for first, last in change.ids for id in range(first, last + 1)]
    return found


async def stored(service: Parts) -> list[int]:
    return [row["id"] for row in await service.pool.fetch("SELECT id FROM exposures ORDER BY id")]


async def test_each_new_exposure_is_in_the_outbox_once(service: Parts, shop: int, consumer: Consumer) -> None:
    await decide(service, shop, "ada", "bob", "cy")
    await service.exposures.flush()
    assert await recorded(service, shop) == await stored(service)
    service.exposures._turn(NOW)  # as if another process had answered the same profiles
    await decide(service, shop, "ada", "bob", "dee")
    await service.exposures.flush()
    assert len(await stored(service)) == 4
    assert await recorded(service, shop) == await stored(service)


async def test_nothing_new_is_no_row(service: Parts, shop: int, consumer: Consumer) -> None:
    await decide(service, shop, "ada")
    await service.exposures.flush()
    service.exposures._turn(NOW)
    await decide(service, shop, "ada")
    await service.exposures.flush()
    assert len((await consumer.read()).rows) == 1


async def test_only_an_environment_with_a_consumer_has_rows(service: Parts, shop: int, consumer: Consumer) -> None:
    other = await new_environment(service.pool, "other", FLAG, NOW - DAY_MS)
    await service.catalogs.refresh(service.pool, other)
    await decide(service, other, "ada")
    await decide(service, shop, "ada")
    await service.exposures.flush()
    assert await service.pool.fetch("SELECT DISTINCT environment_id FROM outbox") == [(shop,)]


async def test_who_registers_has_an_exposure_in_the_tables_or_in_the_outbox(
    dsn: str, service: Parts, shop: int
) -> None:
    """A flush in flight is waited for, and is in the snapshot; a later one finds the consumer."""
    await decide(service, shop, "ada")
    async with await open_pool(dsn, 3) as beside, beside.acquire() as holder:
        held = holder.transaction()
        await held.start()
        await holder.execute("LOCK TABLE flag_uses IN SHARE MODE")
        flushing = asyncio.create_task(service.exposures.flush())
        await waiting_for_a_lock(service.pool, 1)

        async def register() -> int:
            async with outbox.register_anew(Environment(shop, beside, lambda: NOW), "test") as (connection, _):
                return int(await connection.fetchval("SELECT count(*) FROM exposures"))

        registering = asyncio.create_task(register())
        await waiting_for_a_lock(service.pool, 2)
        await held.rollback()
        await flushing
        assert await registering == 1
    await decide(service, shop, "bob")
    await service.exposures.flush()
    assert await recorded(service, shop) == (await stored(service))[1:]


@pytest.mark.parametrize("kind", ["erasure", "anonymization"])
async def test_an_erasure_says_which_exposures_were_its(
    service: Parts, shop: int, consumer: Consumer, kind: Kind
) -> None:
    sent = Message(
        kind="track", message_id="m1", identifiers=(ADA,), occurred_at=NOW, received_at=NOW, name="open", properties={}
    )
    await service.ingest.accept(shop, [sent])
    await decide(service, shop, "ada", "bob")
    await service.exposures.flush()
    of_ada = [row["id"] for row in await service.pool.fetch("SELECT id FROM exposures WHERE unit = 'ada'")]
    await service.erasures.erase(shop, ["ada"], "me", kind=kind)
    last = (await consumer.read()).rows[-1].changes
    [erased] = [change for change in last if isinstance(change, changes.Erased)]
    assert erased.exposures == changes.runs(of_ada)
    kept = [change.ids for change in last if isinstance(change, changes.RecordedExposures)]
    assert kept == ([changes.runs(of_ada)] if kind == "anonymization" else [])
