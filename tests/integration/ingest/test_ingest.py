"""Acknowledged means durable and applied, whole or not at all; what cannot be stored harms no other message."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

import serving
from serving import new_environment, waiting_for_a_lock
from tinycdp.app import Parts
from tinycdp.errors import Overloaded, Unavailable
from tinycdp.model import Identifier, IdentifierKind, Message
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.definitions.publish import apply_documents
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.ingest.group_commit import Receipt
from tinycdp.runtime.worker.loops import Worker

NOW = 1_790_000_000_000
TABLES = ("message_ids", "identifiers", "events", "profiles", "memberships", "transitions")
SHOP = {
    "traits": [{"key": "orders", "expression": "events.order.count_7d"}],
    "segments": [{"key": "buyers", "rule": "orders > 0"}],
}


@pytest.fixture
async def service(dsn: str) -> AsyncIterator[Parts]:
    async with serving.services(dsn, 1, lambda: NOW) as [started]:
        yield started


@pytest.fixture
async def shop(service: Parts) -> int:
    return await new_environment(service.pool, "shop", SHOP, NOW)


@pytest.fixture
async def beside(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that has no part in the service."""
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


def order(id: str, user: str = "ada", **properties: Any) -> Message:
    identifier = Identifier(IdentifierKind.USER, user)
    return Message(
        kind="track",
        message_id=id,
        identifiers=(identifier,),
        occurred_at=NOW,
        received_at=NOW,
        name="order",
        properties=properties,
    )


async def contents(connection: asyncpg.Connection) -> dict[str, int]:
    return {table: await connection.fetchval(f"SELECT count(*) FROM {table}") for table in TABLES}


async def test_an_answer_means_that_all_of_it_is_there(service: Parts, shop: int, beside: asyncpg.Connection) -> None:
    receipt = await service.ingest.accept(shop, [order("m1"), order("m2"), order("m3", "bob")])
    assert receipt.accepted == 3
    assert await contents(beside) == {
        "message_ids": 3, "identifiers": 2, "events": 3, "profiles": 2, "memberships": 2, "transitions": 2,
    }  # fmt: skip
    # One transaction wrote all of it, so that no reader can have seen a part.
    for table in TABLES:
        writers = await beside.fetch(f"SELECT DISTINCT xmin::text FROM {table}")
        assert len(writers) == 1
    assert await beside.fetchval("SELECT DISTINCT version FROM profiles") == receipt.version


@pytest.mark.parametrize("table", ["events", "profiles", "transitions", "memberships"])
async def test_what_fails_on_the_way_leaves_nothing(
    service: Parts, shop: int, beside: asyncpg.Connection, table: str
) -> None:
    await beside.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'disk on fire'; END $$"
    )
    await beside.execute(f"CREATE TRIGGER refuse AFTER INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION refuse()")
    with pytest.raises(Unavailable) as answer:
        await service.ingest.accept(shop, [order("m1")])
    assert answer.value.retry_after_seconds >= 1
    assert set((await contents(beside)).values()) == {0}
    await beside.execute(f"DROP TRIGGER refuse ON {table}")
    assert (await service.ingest.accept(shop, [order("m1")])).accepted == 1, "the same message may come again"


async def test_a_commit_that_fails_leaves_nothing(service: Parts, shop: int, beside: asyncpg.Connection) -> None:
    await beside.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'at the last moment'; END $$"
    )
    await beside.execute(
        "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON message_ids DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    with pytest.raises(Unavailable):
        await service.ingest.accept(shop, [order("m1")])
    assert set((await contents(beside)).values()) == {0}
    assert len(service.snapshots) == 0, "nothing of it stays in memory"


async def in_one_group(
    service: Parts, shop: int, beside: asyncpg.Connection, requests: list[list[Message]]
) -> list[Receipt | BaseException]:
    """The answers of requests that share one transaction: they gather while the one before waits for a lock."""
    async with beside.transaction():
        await beside.execute("SELECT pg_advisory_xact_lock(74, $1)", shop)
        first = asyncio.create_task(service.ingest.accept(shop, [order("first", "first")]))
        await waiting_for_a_lock(beside, 1)
        answers = asyncio.gather(*(service.ingest.accept(shop, r) for r in requests), return_exceptions=True)
        await asyncio.sleep(0)  # until each has joined the queue
    await first
    return await answers


@pytest.mark.parametrize(
    "poison",
    [
        order("p1", "nul \x00"),
        order("p2", note="a\x00b"),
        order("p3", note="half \ud83d"),
        order("p4", "half \ud83d"),
        order("\ud83d"),
        order("p6", what=object()),
    ],
    ids=["nul in id", "nul in property", "surrogate in property", "surrogate in id", "surrogate as id", "unforeseen"],
)
async def test_what_cannot_be_stored_is_kept_aside_and_harms_nothing_beside_it(
    service: Parts, shop: int, beside: asyncpg.Connection, poison: Message
) -> None:
    requests = [[order("g1")], [order("g2"), poison, order("g3")], [order("g4")]]
    answers = await in_one_group(service, shop, beside, requests)
    assert [(a.accepted, a.dead) for a in answers if isinstance(a, Receipt)] == [(1, 0), (2, 1), (1, 0)]
    kept = {row["message_id"] for row in await beside.fetch("SELECT message_id FROM events")}
    assert kept == {"first", "g1", "g2", "g3", "g4"}
    code = "INTERNAL" if poison.message_id == "p6" else "UNSTORABLE"
    assert await beside.fetch("SELECT code, attempts FROM dead_letters") == [(code, 1)]

    again = await service.ingest.accept(shop, requests[1])
    assert (again.accepted, again.duplicates, again.dead) == (0, 2, 1)
    assert await beside.fetch("SELECT code, attempts FROM dead_letters") == [(code, 2)], "one letter, not two"


async def test_a_broken_database_is_no_messages_fault(service: Parts, shop: int, beside: asyncpg.Connection) -> None:
    await beside.execute("ALTER TABLE events RENAME TO mislaid")
    with pytest.raises(Unavailable):
        await service.ingest.accept(shop, [order("m1"), order("m2")])
    await beside.execute("ALTER TABLE mislaid RENAME TO events")
    assert await beside.fetchval("SELECT count(*) FROM dead_letters") == 0
    assert (await service.ingest.accept(shop, [order("m1"), order("m2")])).accepted == 2


async def test_a_letter_that_cannot_be_kept_is_not_acknowledged(
    service: Parts, shop: int, beside: asyncpg.Connection
) -> None:
    await beside.execute("ALTER TABLE dead_letters RENAME TO mislaid")
    with pytest.raises(Unavailable):
        await service.ingest.accept(shop, [order("m1"), order("p2", note="a\x00b")])
    await beside.execute("ALTER TABLE mislaid RENAME TO dead_letters")
    again = await service.ingest.accept(shop, [order("m1"), order("p2", note="a\x00b")])
    assert (again.accepted + again.duplicates, again.dead) == (1, 1)


async def test_a_group_is_one_transaction_and_counts_each_id_once(
    service: Parts, shop: int, beside: asyncpg.Connection
) -> None:
    requests = [[order("m1"), order("m2"), order("m1")], [order("m2"), order("m3")], [order("m1")]]
    answers = await in_one_group(service, shop, beside, requests)
    assert [(a.accepted, a.duplicates) for a in answers if isinstance(a, Receipt)] == [(2, 1), (1, 1), (0, 1)]
    assert await beside.fetchval("SELECT count(DISTINCT xmin::text) FROM events WHERE message_id LIKE 'm_'") == 1


async def test_a_full_queue_says_when_to_come_again(dsn: str, beside: asyncpg.Connection) -> None:
    async with serving.services(dsn, 1, lambda: NOW, ingest_queue=3) as [service]:
        shop = await new_environment(service.pool, "shop", SHOP, NOW)
        async with beside.transaction():
            await beside.execute("SELECT pg_advisory_xact_lock(74, $1)", shop)
            under_way = asyncio.create_task(service.ingest.accept(shop, [order("m0")]))
            await waiting_for_a_lock(beside, 1)
            queued = asyncio.create_task(service.ingest.accept(shop, [order("m1"), order("m2"), order("m3")]))
            await asyncio.sleep(0)
            with pytest.raises(Overloaded) as refused:
                await service.ingest.accept(shop, [order("m4")])
            assert refused.value.status == 429 and refused.value.retry_after_seconds >= 1
        await asyncio.gather(under_way, queued)
        assert (await service.ingest.accept(shop, [order("m4")])).accepted == 1


async def test_publishing_races_with_ingesting(service: Parts, shop: int, beside: asyncpg.Connection) -> None:
    """Events stream in while thresholds change, one revision after the other: in the end every membership is what the
    last revision says, whichever revision an event arrived under."""
    people = [f"u{n}" for n in range(12)]
    worker = Worker(service.pool, Catalogs(), lambda: NOW)

    async def stream(worker: int) -> None:
        for n in range(20):
            await service.ingest.accept(shop, [order(f"{worker}-{n}", people[(worker + n * n) % len(people)])])

    async def edit() -> None:
        for n in range(1, 7):
            document = {"segments": [{"key": "buyers", "rule": f"orders > {n}"}]}
            await apply_documents(service.environment(shop), [document], Edit("test", NOW))
            while await worker.backfill():
                pass

    await asyncio.gather(edit(), *(stream(n) for n in range(4)))
    live, head = await beside.fetchrow("SELECT live_revision, head_revision FROM environments WHERE id = $1", shop)
    assert live == head == 7
    counted = await beside.fetch(
        "SELECT a.profile_id AS id, count(*) AS n FROM events e JOIN identifiers a ON a.id = e.identifier_id GROUP BY 1"
    )
    members = {row["profile_id"] for row in await beside.fetch("SELECT profile_id FROM memberships")}
    assert sum(row["n"] for row in counted) == 80
    assert members == {row["id"] for row in counted if row["n"] > 6}
    # Every entry and exit in the log, played back, leaves the same members.
    log = await beside.fetch("SELECT profile_id, entered FROM transitions ORDER BY id")
    assert {id for id, entered in dict(map(tuple, log)).items() if entered} == members
