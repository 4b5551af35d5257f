"""Destinations that take batches: when a batch is cut, what a failure does, and that a crash changes nothing."""

import asyncio
import json
import random
from dataclasses import replace
from typing import Any

import asyncpg
import msgspec
import pytest
from test_delivery_killed import TESTS, Process
from test_lanes import failing, waits

from delivering import House
from object_storage import Storage
from postgres_over_tcp import FarPostgres, over_tcp
from receiver import Receiver, ok
from serving import eventually
from tinycdp.model import DAY_MS, MINUTE_MS, SECOND_MS
from tinycdp.products.delivery.definitions.schemas import HttpDocument
from tinycdp.products.delivery.lanes import batches
from tinycdp.products.delivery.lanes.batches import BatchLane


async def put(house: House, key: str, status: int = 201, **document: Any) -> Any:
    answer = await house.app.admin.put(f"/v1/destinations/{key}", json={"events": ["segment.entered"], **document})
    assert answer.status_code == status, answer.text
    return answer.json()


def document_of(far: FarPostgres, **given: Any) -> dict[str, Any]:
    return {
        "type": "postgres", "host": "127.0.0.1", "port": far.port, "database": far.database, "user": "postgres",
        "tls": "off", "schema": "far", **given,
    }  # fmt: skip


async def rows(house: House, table: str = "far.tinycdp_happenings", by: str = "version") -> list[dict[str, Any]]:
    connection = await asyncpg.connect(house.dsn)
    try:
        if await connection.fetchval("SELECT to_regclass($1)", table) is None:
            return []
        return [dict(row) for row in await connection.fetch(f"SELECT * FROM {table} ORDER BY {by}")]
    finally:
        await connection.close()


async def execute(house: House, sql: str) -> None:
    connection = await asyncpg.connect(house.dsn)
    await connection.execute(sql)
    await connection.close()


async def deliveries(house: House, key: str) -> list[tuple[int, int, bool]]:
    """(records, attempt, whether it failed) of each attempt, oldest first."""
    answer = await house.app.admin.get(f"/v1/destinations/{key}/deliveries")
    found = answer.json()["deliveries"]
    return [(one["records"], one["attempt"], one["error"] != "") for one in reversed(found)]


async def test_a_batch_is_written_when_it_is_full_or_old(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async with over_tcp(house.dsn) as far, house.delivering():
        await put(house, "warehouse", **document_of(far, batch={"rows": 3, "seconds": 60}))
        for n in range(4):
            await house.enter(f"user{n}")
        await waits(house, "warehouse", delivered=3, behind=1)
        house.clock.now += 61 * SECOND_MS
        found = await waits(house, "warehouse", delivered=4, behind=0)
        assert (found["waiting"], found["undelivered"], found["lastFailure"]) == (0, 0, "")
        assert await deliveries(house, "warehouse") == [(3, 1, False), (1, 1, False)]
        first = (await rows(house))[0]
        data = json.loads(first["data"])
        assert (first["type"], first["segment"], first["cause"]) == ("segment.entered", "went", "event")
        assert data["profile"]["identifiers"] == [{"kind": "userId", "value": "user0"}]
        assert first["profile"] == data["profile"]["id"]
        # A replay writes what the table lacks.
        await execute(house, "DELETE FROM far.tinycdp_happenings WHERE profile = '" + first["profile"] + "'")
        assert (await house.post("warehouse", "replay", {"afterVersion": 0}))["messages"] == 4
        house.clock.now += 61 * SECOND_MS
        await waits(house, "warehouse", delivered=8, behind=0)
        assert len(await rows(house)) == 4
        # A batch is cut by its bytes too, and what is left is the next one.
        await execute(house, "DELETE FROM far.tinycdp_happenings")
        monkeypatch.setattr(batches, "MOST_BYTES", 1_100)
        for n in range(4, 7):
            await house.enter(f"user{n}")
        await waits(house, "warehouse", delivered=10, behind=1)
        house.clock.now += 61 * SECOND_MS
        await waits(house, "warehouse", delivered=11, behind=0)
        assert await deliveries(house, "warehouse") == [
            (3, 1, False), (1, 1, False), (3, 1, False), (1, 1, False), (2, 1, False), (1, 1, False)
        ]  # fmt: skip
        assert len(await rows(house)) == 3


async def test_a_failed_batch_is_written_again_with_the_same_bounds(house: House) -> None:
    async with over_tcp(house.dsn) as far, house.delivering():
        await put(house, "warehouse", **document_of(far, batch={"rows": 2, "seconds": 60}))
        await far.cut()
        for n in range(5):
            await house.enter(f"user{n}")
        found = await waits(house, "warehouse", waiting=2, behind=5)
        assert "cannot be reached" in found["lastFailure"]
        assert found["nextAt"] is not None
        await far.listen()
        house.clock.now += 2 * SECOND_MS
        await waits(house, "warehouse", waiting=0, delivered=4, behind=1)
        assert await deliveries(house, "warehouse") == [(2, 1, True), (2, 2, False), (2, 1, False)]
        # What a person has to mend is tried rarely, and at once when they say so.
        await execute(house, "ALTER TABLE far.tinycdp_happenings RENAME cause TO reason")
        house.clock.now += 60 * SECOND_MS
        found = await waits(house, "warehouse", waiting=1)
        assert 'column "cause" of relation "tinycdp_happenings" does not exist' in found["lastFailure"]
        await execute(house, "ALTER TABLE far.tinycdp_happenings RENAME reason TO cause")
        house.clock.now += MINUTE_MS
        assert (await house.health("warehouse"))["waiting"] == 1
        await house.post("warehouse", "resume")
        await waits(house, "warehouse", waiting=0, delivered=5, behind=0)
        # Five days of failures pause it.
        await far.cut()
        await house.enter("user5")
        await waits(house, "warehouse", behind=1)
        house.clock.now += MINUTE_MS
        await waits(house, "warehouse", waiting=1)
        house.clock.now += 5 * DAY_MS
        assert (await waits(house, "warehouse", state="paused"))["reason"] == "Nothing was delivered for five days."
        await far.listen()
        await house.post("warehouse", "resume")
        await waits(house, "warehouse", state="active", delivered=6)
    assert len(await rows(house)) == 6


async def test_a_destination_may_become_one_of_another_type(house: House, receiver: Receiver) -> None:
    receiver.answer = failing
    await house.put("crm", receiver, "segment.entered")
    async with over_tcp(house.dsn) as far, house.delivering() as worker:
        await house.enter("ada")
        await house.enter("bob")
        await waits(house, "crm", waiting=2, behind=0)
        await put(house, "crm", 200, **document_of(far, batch={"rows": 2}))
        await waits(house, "crm", waiting=0, delivered=2, behind=0)
        assert len(await rows(house)) == 2
        received = len(receiver.requests)
        await house.put("crm", receiver, "segment.entered", status=200)
        await house.enter("eve")

        async def arrived() -> bool:
            return len(receiver.requests) > received

        await eventually(arrived)
        # A batch that failed comes one by one when the type is another one, and nothing stays of it.
        await waits(house, "crm", waiting=1, behind=0)
        receiver.answer = ok
        house.clock.now += 6 * SECOND_MS
        await waits(house, "crm", waiting=0, delivered=3)
        await put(house, "crm", 200, **document_of(far, batch={"rows": 2}))
        await far.cut()
        await house.enter("fay")
        await house.enter("gus")
        await waits(house, "crm", waiting=2, behind=2)
        await house.put("crm", receiver, "segment.entered", status=200)
        found = await waits(house, "crm", waiting=0, behind=0, delivered=5)
        assert found["nextAt"] is None
        # A lane may find out before the supervisor, which then sees the type that it knows.
        for running in worker._running.values():
            for lane, _ in running.lanes.values():
                other = msgspec.structs.replace(lane.destination.document, name="x")
                lane.follow(replace(lane.destination, document=other))
                lane.follow(replace(lane.destination, document=HttpDocument(url="https://x/", events=other.events)))
        await house.enter("hal")
        await waits(house, "crm", behind=0, delivered=6)


async def test_events_are_written_too_and_erased_people_are_left_out(house: House) -> None:
    async with over_tcp(house.dsn) as far, house.delivering():
        document = document_of(far, events=["segment.entered", "event"], batch={"rows": 9, "seconds": 60})
        await put(house, "warehouse", **document)
        await house.enter("ada")
        await house.enter("bob")
        await waits(house, "warehouse", behind=4)
        answer = await house.app.admin.delete("/v1/admin/profiles/ada")
        assert answer.status_code in (200, 202), answer.text
        house.clock.now += 61 * SECOND_MS
        await waits(house, "warehouse", delivered=2, behind=0)
    found = {row["type"]: row for row in await rows(house)}
    assert found.keys() == {"segment.entered", "event"}
    for row in found.values():
        assert json.loads(row["data"])["profile"]["identifiers"][0]["value"] == "bob"
    assert found["event"]["segment"] is None
    assert json.loads(found["event"]["data"])["event"]["name"] == "go"


async def test_addresses_are_checked_when_a_destination_is_saved(house: House) -> None:
    keys = {"accessKey": {"env": "DELIVERY_A"}, "secretKey": {"env": "DELIVERY_B"}, "bucket": "lake"}
    sql = {"database": "x", "user": "x"}
    for path, document in (
        ("$.host", {"type": "postgres", "host": "10.0.0.1", **sql}),
        ("$.host", {"type": "postgres", "host": "example.com", "port": 22, **sql}),
        ("$.host", {"type": "postgres", "host": "example.com", "tls": "off", **sql}),
        ("$.brokers[1]", {"type": "kafka", "brokers": ["127.0.0.1:9092", "example.com:9092"], "topic": "t"}),
        ("$.url", {"type": "clickhouse", "url": "https://[::1]:443/"}),
        ("$.endpoint", {"type": "s3", "endpoint": "https://169.254.169.254", **keys}),
        ("$.endpoint", {"type": "delta", "endpoint": "http://example.com", "path": "t", **keys}),
    ):
        answer = await put(house, "x", 400, **document)
        assert answer["code"] == "ADDRESS_REFUSED", answer
        assert path in json.dumps(answer), answer
    for wrong in ({"bucket": "../x"}, {"prefix": "no-slash"}, {"accessKey": "plain"}, {"batch": {"rows": 0}}):
        assert (await put(house, "x", 400, **{"type": "s3", **keys, **wrong}))["code"] == "INVALID_DOCUMENT"


async def test_a_test_shows_a_record_and_looks_at_the_sink(
    house: House, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DELIVERY_ACCESS", storage.access_key)
    monkeypatch.setenv("DELIVERY_SECRET", storage.secret_key)
    keys = {"accessKey": {"env": "DELIVERY_ACCESS"}, "secretKey": {"env": "DELIVERY_SECRET"}, "endpoint": storage.url}
    bucket = storage.bucket()
    saved = await put(house, "lake", type="s3", bucket=bucket, format="jsonl", batch={"rows": 2}, **keys)
    assert storage.secret_key not in json.dumps(saved)
    await house.enter("ada")
    asked = {"type": "segment.entered", "profile": "1", "dryRun": True}
    found = await house.post("lake", "test", asked)
    assert (found["delivered"], found["body"]["segment"], found["body"]["profile"]) == (None, "went", "1")
    found = await house.post("lake", "test", {**asked, "dryRun": False})
    assert (found["delivered"], found["error"]) == (True, "")
    assert storage.objects(bucket) == {}, "nothing is written"
    await put(house, "lake", 200, type="s3", bucket="missing", **keys)
    found = await house.post("lake", "test", {**asked, "dryRun": False})
    assert found["delivered"] is False
    assert "NoSuchBucket" in found["error"]
    async with house.delivering():
        await put(house, "lake", 200, type="s3", bucket=bucket, format="jsonl", batch={"rows": 2}, **keys)
        await house.enter("bob")
        await waits(house, "lake", delivered=2, behind=0)
    (content,) = storage.objects(bucket).values()
    assert [json.loads(line)["profile"] for line in content.splitlines()] == ["1", "2"]


#: A table whose trigger sees each row that is inserted, also one whose id is there.
SEEING = """
CREATE SCHEMA far;
CREATE TABLE far.seen (n bigserial, id text);
CREATE FUNCTION far.see() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN INSERT INTO far.seen (id) VALUES (NEW.id); RETURN NEW; END$$;
CREATE TABLE far.t (id text PRIMARY KEY, type text, timestamp timestamptz, environment text, version bigint, cause text,
                    segment text, profile text, data jsonb);
CREATE TRIGGER see BEFORE INSERT ON far.t FOR EACH ROW EXECUTE FUNCTION far.see();
"""


async def test_what_was_written_before_a_crash_is_not_written_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, crashes = BatchLane._commit, 0

    async def crashing(lane: BatchLane, pending: Any, *given: Any) -> None:
        nonlocal crashes
        if crashes < 2:
            crashes += 1
            raise RuntimeError("a crash between the two commits")
        await commit(lane, pending, *given)

    monkeypatch.setattr(BatchLane, "_commit", crashing)
    async with over_tcp(house.dsn) as far, house.delivering():
        await execute(house, SEEING)
        await put(house, "warehouse", **document_of(far, table="t", batch={"rows": 2, "seconds": 60}))
        for n in range(5):
            await house.enter(f"user{n}")
        await waits(house, "warehouse", delivered=4, behind=1)
    assert crashes == 2
    assert len(await rows(house, "far.seen", "n")) == 4


PEOPLE, CROSSINGS, KILLS = 8, 4, 6


async def test_killed_at_any_instant_every_row_is_there_once(house: House) -> None:
    for n in range(2, CROSSINGS + 1):
        await house.app.define("segment", key=f"went{n}", rule=f"events.go.count(30d) >= {n}")
    choose = random.Random(7)
    async with over_tcp(house.dsn) as far:
        await put(house, "warehouse", **document_of(far, table="t", batch={"rows": 4, "seconds": 1}))
        await execute(house, SEEING)
        worker = Process(str(TESTS / "delivery_worker.py"), house.dsn)
        try:

            async def people_go() -> None:
                for n in range(CROSSINGS):
                    for person in range(PEOPLE):
                        await house.enter(f"user{person}", n)
                        await asyncio.sleep(0.02)

            going = asyncio.create_task(people_go())
            for _ in range(KILLS):
                before = len(await rows(house, "far.t"))

                async def moved(before: int = before) -> bool:
                    found = len(await rows(house, "far.t"))
                    return found > before or found == PEOPLE * CROSSINGS

                await eventually(moved)
                await asyncio.sleep(choose.uniform(0, 0.05))
                worker.kill()
                worker.start()
            await going
            await waits(house, "warehouse", behind=0)
        finally:
            worker.kill()
    found = [row["id"] for row in await rows(house, "far.t")]
    seen = [row["id"] for row in await rows(house, "far.seen", "n")]
    assert len(found) == PEOPLE * CROSSINGS
    assert seen == found, "once, and in order"
