"""Sinks against the real thing: Postgres, ClickHouse, an object storage, a broker of Kafka's protocol.

What the table of sinks.md calls exactly once is held by one law over all of them: a batch may be written again
at any time, by any owner."""

import asyncio
import base64
import io
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from clickhouse_engine import Engine
from object_storage import Storage
from postgres_over_tcp import certificate, copied, over_tcp
from tinycdp.products.delivery.definitions.schemas import (
    ClickHouseDocument,
    DeltaDocument,
    KafkaDocument,
    PostgresDocument,
    S3Document,
    SecretVariable,
)
from tinycdp.products.delivery.lanes.sender import Sender
from tinycdp.products.delivery.reach import Reach
from tinycdp.products.delivery.sinks import storage as storage_module
from tinycdp.products.delivery.sinks.delta import DeltaSink
from tinycdp.products.delivery.sinks.make import Sinks
from tinycdp.products.delivery.sinks.postgres import PostgresSink
from tinycdp.products.delivery.sinks.relay import Relay
from tinycdp.products.delivery.sinks.s3 import S3Sink
from tinycdp.products.delivery.sinks.sink import RecordBatch, Sink, SinkError, SinkRecord

NOW = 1_790_000_000_000
#: Nothing listens there.
ELSEWHERE = "http://127.0.0.1:9"
REACH = Reach(frozenset({"127.0.0.1", "db.test"}))
STREAM = "5f2a9c1b-0000-4000-8000-00000000abcd"
EVENTS: Any = ("segment.entered",)


def record(n: int) -> SinkRecord:
    data = json.dumps({"environment": "prod", "version": n, "profile": {"id": str(n), "identifiers": []}}).encode()
    return SinkRecord(f"msg_{n}", "segment.entered", NOW + n, "prod", 100 + n, "event", "vip", str(n), data)


def batch(number: int, first: int, last: int) -> RecordBatch:
    return RecordBatch(STREAM, NOW + number, first, last, [record(n) for n in range(first, last + 1)])


@dataclass
class Far:
    """A sink, another one of the same document, and what reads the rows that are there as JSON."""

    sink: Sink
    other: Sink
    rows: Callable[[], Awaitable[list[dict[str, Any]]]]


@pytest.fixture
async def sinks() -> AsyncIterator[Sinks]:
    sender = Sender(REACH)

    async def post(url: str, headers: Any, body: bytes) -> Any:
        return await sender.send("POST", url, headers, body)

    made = Sinks(REACH, post)
    yield made
    await made.close()
    await sender.close()


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


@pytest.fixture(params=["postgres", "clickhouse", "jsonl", "parquet", "delta"])
async def far(
    request: pytest.FixtureRequest, dsn: str, sinks: Sinks, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> Far:
    if request.param == "postgres":
        document, rows = await _postgres(dsn, stack)
    else:
        make = {"clickhouse": _clickhouse, "delta": _delta}.get(request.param, _objects)
        document, rows = make(request, monkeypatch)
    return Far(sinks.of(document), sinks.of(document), rows)


async def _postgres(dsn: str, stack: AsyncExitStack) -> Any:
    far = await stack.enter_async_context(over_tcp(dsn))
    document = postgres(far.port, far.database, schema="Far away", table="it's")

    async def rows() -> list[dict[str, Any]]:
        connection = await asyncpg.connect(dsn)
        found = await connection.fetch("""SELECT to_json(t)::text FROM "Far away"."it's" t ORDER BY version""")
        await connection.close()
        return [json.loads(row[0]) for row in found]

    return document, rows


def postgres(port: int, database: str, **given: Any) -> PostgresDocument:
    return PostgresDocument(
        **{"events": EVENTS, "host": "127.0.0.1", "port": port, "database": database, "user": "postgres",
           "tls": "off"} | given
    )  # fmt: skip


def _clickhouse(request: Any, monkeypatch: Any) -> Any:
    engine: Engine = request.getfixturevalue("engine")
    monkeypatch.setenv("DELIVERY_CLICKHOUSE", engine.token)
    engine.ask("DROP TABLE IF EXISTS default.`far ``away`")
    document = ClickHouseDocument(
        events=EVENTS, url=engine.url, table="far `away", password=SecretVariable(env="DELIVERY_CLICKHOUSE")
    )

    async def rows() -> list[dict[str, Any]]:
        asked = "SELECT * FROM default.`far ``away` ORDER BY version FORMAT JSONEachRow"
        found = [json.loads(line) for line in engine.ask(asked).splitlines()]
        return [{**row, "version": int(row["version"]), "data": json.loads(row["data"])} for row in found]

    return document, rows


def _keys(storage: Storage, monkeypatch: Any) -> dict[str, Any]:
    monkeypatch.setenv("DELIVERY_ACCESS", storage.access_key)
    monkeypatch.setenv("DELIVERY_SECRET", storage.secret_key)
    # What the machine has is not used, or every test of a storage fails.
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.setenv(name, ELSEWHERE)
    for name in ("AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "of-the-machine")
    return {
        "events": EVENTS,
        "endpoint": storage.url,
        "access_key": SecretVariable(env="DELIVERY_ACCESS"),
        "secret_key": SecretVariable(env="DELIVERY_SECRET"),
    }


def _objects(request: Any, monkeypatch: Any) -> Any:
    storage: Storage = request.getfixturevalue("storage")
    bucket = storage.bucket()
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, ELSEWHERE)
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    document = S3Document(**_keys(storage, monkeypatch), bucket=bucket, prefix="lake/vip/", format=request.param)

    async def rows() -> list[dict[str, Any]]:
        from pyarrow import parquet

        found: list[dict[str, Any]] = []
        for name, content in sorted(storage.objects(bucket).items()):
            assert name.startswith("lake/vip/date=2026-09-21/")
            if request.param == "parquet":
                read = parquet.read_table(io.BytesIO(content)).to_pylist()
                found += [{**row, "data": json.loads(row["data"])} for row in read]
            else:
                found += [json.loads(line) for line in content.splitlines()]
        return found

    return document, rows


def _delta(request: Any, monkeypatch: Any) -> Any:
    storage: Storage = request.getfixturevalue("storage")
    if find_spec("deltalake") is None:
        pytest.skip("needs deltalake: pip install -r requirements-dev.lock")
    bucket = storage.bucket()
    document = DeltaDocument(**_keys(storage, monkeypatch), bucket=bucket, path="lake/vip")

    async def rows() -> list[dict[str, Any]]:
        import deltalake

        options = {
            "aws_endpoint": storage.url, "aws_access_key_id": storage.access_key, "aws_region": "us-east-1",
            "aws_secret_access_key": storage.secret_key, "allow_http": "true",
        }  # fmt: skip
        table = deltalake.DeltaTable(f"s3://{bucket}/lake/vip", storage_options=options).to_pyarrow_table()
        return sorted(
            ({**row, "data": json.loads(row["data"])} for row in table.to_pylist()), key=lambda row: row["version"]
        )

    return document, rows


async def test_a_batch_is_there_once_however_often_it_is_written(far: Far) -> None:
    await far.sink.check()
    one, two = batch(1, 1, 3), batch(2, 4, 5)
    written = await asyncio.gather(far.sink.write(one), far.other.write(one), return_exceptions=True)
    assert all(failure is None or isinstance(failure, SinkError) for failure in written)
    await far.sink.write(one)
    await far.sink.write(two)
    if isinstance(far.sink, PostgresSink | DeltaSink):
        with pytest.raises(SinkError, match="later batch"):
            await far.other.write(one)  # by an owner that was overtaken, or by a copy of the installation
    else:
        await far.other.write(one)
    await far.other.write(two)
    await far.sink.check()
    rows = await far.rows()
    assert [row["id"] for row in rows] == [f"msg_{n}" for n in range(1, 6)]
    first = rows[0]
    assert (first["type"], first["environment"], first["version"]) == ("segment.entered", "prod", 101)
    assert (first["cause"], first["segment"], first["profile"]) == ("event", "vip", "1")
    assert first["data"]["profile"] == {"id": "1", "identifiers": []}
    assert str(first["timestamp"]).replace("T", " ").startswith("2026-09-21 14:13:20.001")


async def test_postgres_gets_from_a_replay_what_is_missing(dsn: str, sinks: Sinks) -> None:
    async with over_tcp(dsn) as far:
        sink = sinks.of(postgres(far.port, far.database))
        await sink.write(batch(1, 1, 3))
        connection = await asyncpg.connect(dsn)
        await connection.execute("DELETE FROM tinycdp_happenings WHERE id = 'msg_2'")
        await sink.write(batch(2, 1, 3))
        assert await connection.fetchval("SELECT count(*) FROM tinycdp_happenings") == 3
        await connection.close()


async def refused(sink: Sink, *, lasting: bool) -> str:
    """The reason of a failure, which writing and checking agree on."""
    with pytest.raises(SinkError) as failure:
        await sink.write(batch(1, 1, 2))
    assert failure.value.lasting is lasting, failure.value.reason
    return failure.value.reason


async def test_postgres_says_what_is_wrong(
    dsn: str, sinks: Sinks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with over_tcp(dsn) as far:
        connection = await asyncpg.connect(dsn)
        await connection.execute("CREATE TABLE lacks (id text PRIMARY KEY, type text)")
        sink = sinks.of(postgres(far.port, far.database, table="lacks"))
        assert 'column "timestamp" of relation "lacks" does not exist' in await refused(sink, lasting=True)
        with pytest.raises(SinkError, match="no column timestamp, environment, version"):
            await sink.check()
        await connection.execute(
            "CREATE TABLE narrow (id text PRIMARY KEY, type text, timestamp timestamptz, environment text, version int,"
            " cause text, segment text, profile text, data jsonb CHECK (data ? 'ssn'))"
        )
        reason = await refused(sinks.of(postgres(far.port, far.database, table="narrow")), lasting=True)
        assert "the rows do not fit the table (CheckViolationError, narrow_data_check)" in reason
        assert "msg_1" not in reason, "no values"
        assert await connection.fetchval("SELECT to_regclass('tinycdp_batches')") is None, "all of it was rolled back"
        assert "does not exist" in await refused(sinks.of(postgres(far.port, "nowhere")), lasting=True)
        await connection.execute("CREATE ROLE guest LOGIN")
        guest_document = postgres(far.port, far.database, user="guest", schema="private")
        assert "permission denied for database" in await refused(sinks.of(guest_document), lasting=True)
        await connection.execute("CREATE SCHEMA crm; GRANT USAGE, CREATE ON SCHEMA crm TO guest")
        await sinks.of(replaced(guest_document, schema="crm")).write(batch(1, 1, 2))
        await connection.execute("REVOKE CREATE ON SCHEMA crm FROM guest")
        await sinks.of(replaced(guest_document, schema="crm")).write(batch(2, 3, 4))
        assert await connection.fetchval("SELECT count(*) FROM crm.tinycdp_happenings") == 4
        await connection.execute("DROP OWNED BY guest; DROP ROLE guest")
        monkeypatch.setenv("PGPASSWORD", "of-this-process")
        missing = postgres(far.port, far.database, password=SecretVariable(env="DELIVERY_MISSING"))
        assert "DELIVERY_MISSING is not set" in await refused(sinks.of(missing), lasting=True)
        await far.cut()
        assert "cannot be reached" in await refused(sink, lasting=False)
        await connection.close()
    public = postgres(5432, "x", host="127.0.0.2")
    assert "operator names" in await refused(sinks.of(public), lasting=True)
    assert "127.0.0.2, which is no public address" in await refused(
        sinks.of(replaced(public, tls="verify")), lasting=True
    )


def replaced(document: Any, **changed: Any) -> Any:
    return msgspec.structs.replace(document, **changed)


async def test_postgres_asks_for_the_certificate_of_the_host_of_the_document(
    dsn: str, sinks: Sinks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, pem = certificate(tmp_path, "localhost")
    monkeypatch.setenv("DELIVERY_CA", pem)
    reach = Reach(frozenset({"localhost", "127.0.0.1"}))
    ours = Sinks(reach, lambda *_: None)  # type: ignore[arg-type,return-value]
    async with over_tcp(dsn, context) as far:
        document = postgres(
            far.port, far.database, host="localhost", tls="verify", ca=SecretVariable(env="DELIVERY_CA")
        )
        await ours.of(document).write(batch(1, 1, 3))
        reason = await refused(ours.of(replaced(document, host="127.0.0.1")), lasting=True)
        assert "IP address mismatch" in reason
        assert "self-signed certificate" in await refused(ours.of(replaced(document, ca=None)), lasting=True)


async def test_clickhouse_says_what_is_wrong(engine: Engine, sinks: Sinks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELIVERY_CLICKHOUSE", engine.token)
    document = ClickHouseDocument(events=EVENTS, url=engine.url, password=SecretVariable(env="DELIVERY_CLICKHOUSE"))
    engine.ask("CREATE OR REPLACE TABLE default.forgets (id String) ENGINE = MergeTree ORDER BY id")
    forgets = sinks.of(replaced(document, table="forgets"))
    assert "MODIFY SETTING non_replicated_deduplication_window" in await refused(forgets, lasting=True)
    engine.ask(
        "CREATE OR REPLACE TABLE default.lacks (id String) ENGINE = MergeTree ORDER BY id"
        " SETTINGS non_replicated_deduplication_window = 9"
    )
    assert "No such column type" in await refused(sinks.of(replaced(document, table="lacks")), lasting=True)
    assert "nowhere" in await refused(sinks.of(replaced(document, database="nowhere")), lasting=True)
    monkeypatch.setenv("DELIVERY_CLICKHOUSE", "wrong")
    await refused(sinks.of(document), lasting=True)
    away = sinks.of(replaced(document, url="http://127.0.0.1:1/"))
    assert "Cannot connect" in await refused(away, lasting=False)


@pytest.mark.parametrize("kind", ["s3", "delta"])
async def test_a_storage_says_what_is_wrong(
    kind: str, storage: Storage, sinks: Sinks, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {**_keys(storage, monkeypatch), "bucket": storage.bucket()}
    document: Any = S3Document(**keys) if kind == "s3" else DeltaDocument(**keys, path="lake")
    missing = sinks.of(replaced(document, bucket="missing"))
    assert "NoSuchBucket" in await refused(missing, lasting=True)
    with pytest.raises(SinkError, match="NoSuchBucket"):
        await missing.check()
    monkeypatch.setenv("DELIVERY_READER", "reader")
    monkeypatch.setenv("DELIVERY_READER_SECRET", "secret-of-the-reader")
    reader = replaced(
        document,
        access_key=SecretVariable(env="DELIVERY_READER"),
        secret_key=SecretVariable(env="DELIVERY_READER_SECRET"),
    )
    assert "AccessDenied" in await refused(sinks.of(reader), lasting=True)
    monkeypatch.setenv("DELIVERY_READER_SECRET", "wrong-wrong-wrong")
    reason = await refused(sinks.of(reader), lasting=True)
    assert "SignatureDoesNotMatch" in reason
    assert "wrong-wrong" not in reason
    away = sinks.of(replaced(document, endpoint="http://127.0.0.1:1"))
    assert "cannot be reached" in await refused(away, lasting=False)
    private = sinks.of(replaced(document, endpoint="https://10.0.0.1"))
    assert "no public address" in await refused(private, lasting=True)


async def test_a_library_leaves_only_through_the_checks_of_addresses() -> None:
    """What a name resolves to may change after the check; the relay connects to what it checked itself."""
    relay = Relay(Reach())
    url = await relay.url()
    port, token = int(url.rpartition(":")[2]), url.partition("//")[2].partition("@")[0]

    async def asked(*lines: str) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write("\r\n".join([*lines, "", ""]).encode())
        answer = await reader.read(100)
        writer.close()
        return answer.decode().partition("\r\n")[0]

    ours = f"Proxy-Authorization: Basic {base64.b64encode(token.encode()).decode()}"
    for target in (
        "127.0.0.1:443",
        "[::1]:443",
        "169.254.169.254:443",
        "localhost:443",
        "1.1.1.1:22",
        "2130706433:443",
    ):
        assert "403" in await asked(f"CONNECT {target} HTTP/1.1", ours), target
    assert "407" in await asked("CONNECT 1.1.1.1:443 HTTP/1.1")
    assert "407" in await asked("GET http://127.0.0.1/ HTTP/1.1", ours)
    await relay.close()


@pytest.mark.parametrize("kind", ["s3", "delta"])
async def test_a_storage_on_a_public_address_is_reached_through_the_relay(
    kind: str, storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test has no public address: the relay is told that loopback may be reached, and the sink is not."""
    context, _ = certificate(tmp_path, "localhost")
    through: list[str] = []
    arrived: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.append("")
        there, back = await asyncio.open_connection("127.0.0.1", int(storage.url.rpartition(":")[2]))
        await asyncio.gather(copied(reader, back), copied(there, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    relay = Relay(Reach(frozenset({"localhost"})))
    is_ours = Relay._is_ours
    monkeypatch.setattr(Relay, "_is_ours", lambda self, headers: through.append("") or is_ours(self, headers))
    monkeypatch.setattr(Reach, "check", nothing)
    options_of = storage_module.options_of

    async def trusting(*given: Any) -> dict[str, str]:
        return {**await options_of(*given), "allow_invalid_certificates": "true"}

    monkeypatch.setattr(f"tinycdp.products.delivery.sinks.{kind}.options_of", trusting)
    keys = {**_keys(storage, monkeypatch), "endpoint": f"https://localhost:{port}", "bucket": storage.bucket()}
    public = Reach(ports=frozenset({port}))
    if kind == "s3":
        await S3Sink(S3Document(**keys), public, relay).write(batch(1, 1, 3))
    else:
        await DeltaSink(DeltaDocument(**keys, path="t"), public, relay).write(batch(1, 1, 3))
    assert len(through) == len(arrived) > 0, "no connection went around the relay"
    assert storage.objects(keys["bucket"])
    server.close()
    await relay.close()


async def nothing(*given: Any) -> None:
    pass


@dataclass
class Broker:
    """librdkafka's mock of a cluster."""

    producer: Any
    address: str

    def messages(self, topic: str, n: int) -> list[Any]:
        import confluent_kafka as kafka

        consumer = kafka.Consumer({"bootstrap.servers": self.address, "group.id": "tests"})
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        consumer.assign([kafka.TopicPartition(topic, one, 0) for one in partitions])
        found: list[Any] = []
        while len(found) < n:
            found += [one for one in consumer.consume(n, timeout=1) if one.error() is None]
        consumer.close()
        return found


@pytest.fixture
def broker() -> Broker:
    if find_spec("confluent_kafka") is None:
        pytest.skip("needs confluent-kafka: pip install -r requirements-dev.lock")
    import logging

    import confluent_kafka as kafka

    producer = kafka.Producer({"test.mock.num.brokers": 1}, logger=logging.getLogger("quiet"))
    (one,) = producer.list_topics(timeout=10).brokers.values()
    return Broker(producer, f"{one.host}:{one.port}")


async def test_kafka_gets_messages_of_one_person_in_order(broker: Broker, sinks: Sinks) -> None:
    document = KafkaDocument(events=EVENTS, brokers=(broker.address,), topic="vip", tls=False)
    sink = sinks.of(document)
    await sink.check()
    records = [replace(record(n), profile=str(n % 3)) for n in range(60)]
    await sink.write(replace(batch(1, 0, 59), records=records))
    await sink.close()
    found = await asyncio.to_thread(broker.messages, "vip", 60)
    assert {dict(one.headers())["id"].decode() for one in found} == {f"msg_{n}" for n in range(60)}
    for person in ("0", "1", "2"):
        of_one = [one for one in found if one.key() == person.encode()]
        assert len({one.partition() for one in of_one}) == 1
        versions = [json.loads(one.value())["version"] for one in of_one]
        assert versions == sorted(versions)
        assert len(versions) == 20


async def test_kafka_says_what_is_wrong(broker: Broker, sinks: Sinks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinycdp.products.delivery.sinks.kafka._WRITE_SECONDS", 1.0)
    monkeypatch.setattr("tinycdp.products.delivery.sinks.kafka._CHECK_SECONDS", 1.0)
    away = KafkaDocument(events=EVENTS, brokers=("127.0.0.1:1",), topic="vip", tls=False)
    assert "Connection refused" in await refused(sinks.of(away), lasting=False)
    with pytest.raises(SinkError, match="Connection refused"):
        await sinks.of(away).check()
    unnamed = replaced(away, brokers=("kafka.example.com:9092",))
    assert "is not among the hosts that the operator names" in await refused(sinks.of(unnamed), lasting=True)


async def test_a_missing_library_is_named_with_what_installs_it(sinks: Sinks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    document = KafkaDocument(events=EVENTS, brokers=("127.0.0.1:1",), topic="vip", tls=False)
    assert "pip install 'tinycdp[kafka]'" in await refused(sinks.of(document), lasting=True)
