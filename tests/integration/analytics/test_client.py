"""The client of ClickHouse, and the tables, on the embedded engine."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from clickhouse_engine import Engine, running_engine
from serving import eventually
from tinycdp.errors import Conflict
from tinycdp.products.analytics.store.clickhouse import ClickHouse, Site
from tinycdp.products.analytics.store.errors import AnalyticsAway, OutOfMemory, QuestionFailed, TimedOut
from tinycdp.products.analytics.store.tables import prepare, statements, templates
from tinycdp.products.analytics.store.target import TABLES
from tinycdp.runtime import clock
from tinycdp.settings import Settings

FOREVER = "SELECT count() FROM numbers(1000000000000) WHERE cityHash64(number) % 7 = 3"


async def _chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_values_keep_their_types(clickhouse: ClickHouse) -> None:
    sql = "SELECT {n:UInt64} + 1, {t:String}, toDecimal64('0.1', 9), {at:DateTime64(3, 'UTC')}, NULL, {l:Array(String)}"
    at = datetime(2026, 3, 29, 1, 30, 0, 123_000, UTC)
    rows = await clickhouse.query(sql, {"n": 41, "t": "it's \\ \t", "at": at, "l": ["a'", "b"]})
    assert rows == [(42, "it's \\ \t", Decimal("0.1"), at.replace(tzinfo=None), None, ["a'", "b"])]


async def test_a_batch_sent_twice_is_stored_once(clickhouse: ClickHouse) -> None:
    row = b"1\t7\tpurchase\ttrack\t2026-03-01 00:00:00.000\t2026-03-01 00:00:00.001\ttrue\t3\t4\t4\tm\t" + (
        b'{"amount": 1.10, "a.b": "2026-03-01", "deep": {"x": [1, "1"]}}\t{}\t0\n'
    )
    for token in ("events:1:1-1", "events:1:1-1", "events:1:2-2"):
        await clickhouse.insert("events", _chunks(row[:20], row[20:]), token=token)
    found = await clickhouse.query(
        "SELECT count(), any(properties.`a%2Eb`::String), any(properties.deep.x) FROM events"
    )
    assert found[0][:2] == (2, "2026-03-01")


async def test_a_result_streams_as_one_file(clickhouse: ClickHouse, tmp_path: Path) -> None:
    from pyarrow import parquet

    with (tmp_path / "file").open("wb") as file:
        async for part in clickhouse.stream("SELECT number AS n FROM numbers(300000)", format="Parquet"):
            file.write(part)
    assert parquet.read_table(tmp_path / "file")["n"].to_pylist() == list(range(300_000))
    lines = b"".join([part async for part in clickhouse.stream("SELECT 1 AS a LIMIT 0", format="CSVWithNames")])
    assert lines == b'"a"\n'


async def test_errors_say_what_to_do(clickhouse: ClickHouse) -> None:
    with pytest.raises(TimedOut, match="shorter range"):
        await clickhouse.query(FOREVER, settings={"max_execution_time": 1})
    with pytest.raises(OutOfMemory, match="too much memory"):
        await clickhouse.query("SELECT groupArray(number) FROM numbers(300000000)")
    with pytest.raises(QuestionFailed) as failed:
        await clickhouse.query("SELECT nope FROM events")
    assert failed.value.number == 47
    assert "nope" in failed.value.text
    assert await clickhouse.query("SELECT 1") == [(1,)]


async def _running(clickhouse: ClickHouse, comment: str) -> int:
    sql = "SELECT count() FROM system.processes WHERE Settings['log_comment'] = {comment:String}"
    rows = await clickhouse.query(sql, {"comment": comment})
    return int(rows[0][0])


async def test_a_call_that_is_cancelled_ends_its_statement(clickhouse: ClickHouse) -> None:
    asking = asyncio.create_task(clickhouse.query(FOREVER, comment="cancelled"))

    async def begun() -> bool:
        return await _running(clickhouse, "cancelled") == 1

    async def over() -> bool:
        return await _running(clickhouse, "cancelled") == 0

    await eventually(begun)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await eventually(over)


async def test_a_statement_is_killed_by_its_comment(clickhouse: ClickHouse) -> None:
    asking = asyncio.create_task(clickhouse.query(FOREVER, comment="unwanted"))

    async def begun() -> bool:
        return await _running(clickhouse, "unwanted") == 1

    await eventually(begun)
    await clickhouse.kill("unwanted")
    with pytest.raises(QuestionFailed) as killed:
        await asking
    assert killed.value.number == 394


async def test_without_an_engine_it_is_away(tmp_path: Path, engine: Engine) -> None:
    async with ClickHouse(Settings(data_dir=tmp_path)) as absent:
        with pytest.raises(AnalyticsAway):
            await absent.query("SELECT 1")
    async with ClickHouse(Settings(clickhouse_url="http://127.0.0.1:1")) as refused:
        with pytest.raises(AnalyticsAway):
            await refused.query("SELECT 1")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Engine]:
    with running_engine(tmp_path / "data") as started:
        yield started


async def test_after_kill_9_all_that_was_acknowledged_is_there(own: Engine) -> None:
    async with ClickHouse(own.settings) as client:
        assert await prepare(client, clock.now()) == [name for name, _ in templates()][1:]
        for n in range(3):
            await client.insert("touched", _chunks(f"1\tsignup\t2026-03-0{n + 1}\t{n}\n".encode()), token=f"t{n}")
            own.kill()
            with pytest.raises(AnalyticsAway):
                await client.query("SELECT 1")
            own.start()
            assert await client.query("SELECT count() FROM touched") == [(n + 1,)]
        assert await prepare(client, clock.now()) == []


async def test_the_tables_of_another_release_are_refused(clickhouse: ClickHouse) -> None:
    await clickhouse.command("INSERT INTO migrations VALUES ('9999_later.sql', '', 0)")
    with pytest.raises(Conflict, match="newer release"):
        await prepare(clickhouse, clock.now())
    await clickhouse.command("DELETE FROM migrations WHERE name = '9999_later.sql'", settings={"mutations_sync": 1})
    assert await prepare(clickhouse, clock.now()) == []


async def test_an_override_is_read_through_the_dictionary(clickhouse: ClickHouse) -> None:
    await clickhouse.insert("overrides", _chunks(b"1\t5\t70\t1\n1\t5\t71\t2\n"))
    await clickhouse.command("SYSTEM RELOAD DICTIONARY who")
    sql = "SELECT dictGetOrDefault('who', 'profile_id', (toUInt32(1), toUInt64({n:UInt64})), toUInt64(9))"
    assert [await clickhouse.query(sql, {"n": n}) for n in (5, 6)] == [[(71,)], [(9,)]]


@pytest.mark.parametrize("cluster", ["", "main"])
def test_a_template_has_engines_for_its_place(cluster: str) -> None:
    made = [text for _, template in templates() for text in statements(template, Site("tinycdp", cluster, "u", "p'"))]
    tables = [text for text in made if text.startswith("CREATE TABLE")]
    others = [text for text in made if text.startswith(("CREATE DICTIONARY", "ALTER TABLE"))]
    assert len(made) == len(tables) + len(others)
    assert len(tables) == 1 + len(TABLES) * (2 if cluster else 1)
    assert all(text.count("ENGINE =") == 1 and "@" not in text and "$" not in text for text in tables)
    assert all(("ON CLUSTER" in text) == bool(cluster) for text in made)
    assert sum("Distributed(" in text for text in tables) == (len(TABLES) if cluster else 0)
    assert [r"PASSWORD 'p\''" in text for text in others if "DICTIONARY" in text] == [True]
