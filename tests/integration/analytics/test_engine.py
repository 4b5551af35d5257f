"""The engine as any client of ClickHouse sees it: curl, the stock Python client, and those that misbehave."""

import asyncio
import gzip
import shutil
import socket
import stat
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from clickhouse_engine import Engine, running_engine
from serving import PATIENCE_SECONDS, until
from tinycdp.products.analytics import endpoint

FOREVER = "SELECT count() FROM numbers(1000000000000) WHERE cityHash64(number) % 7 = 3"
_ALL = "SELECT number FROM numbers(1000000000000)"
FAILS_LATE = "SELECT throwIf(number = 150000) FROM numbers(200000) SETTINGS max_block_size = 1000, max_threads = 1"


@pytest.fixture
def table(engine: Engine) -> Iterator[str]:
    engine.ask("CREATE OR REPLACE TABLE t (a UInt64, b String) ENGINE = MergeTree ORDER BY a")
    yield "t"
    engine.ask("DROP TABLE t")


def _running(engine: Engine, query_id: str) -> int:
    return int(engine.ask(f"SELECT count() FROM system.processes WHERE Settings['log_comment'] = '{query_id}'"))


def test_curl_works(engine: Engine, table: str) -> None:
    def curl(data: str, *more: str) -> str:
        asked = [shutil.which("curl") or "curl", "-sS", engine.url + "?database=default", "-u", f"any:{engine.token}"]
        done = subprocess.run([*asked, "--data-binary", data, *more], capture_output=True, text=True, check=True)
        return done.stdout

    assert curl("INSERT INTO t VALUES (1, 'it''s'), (2, 'b')") == ""
    assert curl('INSERT INTO t FORMAT CSV\n3,"c"\n') == ""
    assert curl("SELECT * FROM t ORDER BY a FORMAT CSVWithNames") == '"a","b"\n1,"it\'s"\n2,"b"\n3,"c"\n'
    assert "X-ClickHouse-Exception-Code: 47" in curl("SELECT nope FROM t", "-i")


async def test_the_stock_client_works(engine: Engine, table: str) -> None:
    import clickhouse_connect

    address = urlsplit(engine.url)
    account = {"username": "any", "password": engine.token}
    with clickhouse_connect.get_client(host=address.hostname, port=address.port, **account) as client:
        client.insert(table, [[n, "x" * n] for n in range(100)], column_names=["a", "b"])  # compressed by lz4
        assert client.query("SELECT sum(a), {x:String} FROM t", parameters={"x": "y"}).result_rows == [(4950, "y")]
        assert client.query("SELECT * FROM t LIMIT 0").column_names == ("a", "b")
        assert client.command("SELECT count() FROM t") == 100
    async with await clickhouse_connect.get_async_client(host=address.hostname, port=address.port, **account) as client:
        found = await client.query("SELECT number, toString(number) FROM numbers(200000)")
        assert len(found.result_rows) == 200_000


def test_only_the_owner_is_answered(engine: Engine) -> None:
    for headers in ({}, {"X-ClickHouse-Key": "wrong"}, {"Authorization": "Basic !"}):
        answer = httpx.get(engine.url, params={"query": "SELECT 1"}, headers=headers)
        assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (401, "516")
    file = endpoint.folder(engine.settings) / "endpoint.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert httpx.get(engine.url + "ping").text == "Ok.\n"


@pytest.mark.parametrize(
    ("sql", "status", "code"),
    [
        ("SELEC 1", 400, "62"),
        ("SELECT * FROM nothing", 404, "60"),
        ("SELECT 1; SELECT 2", 400, "62"),
        ("SET a = 1", 400, "48"),
    ],
)
def test_errors_keep_clickhouse_s_code_and_text(engine: Engine, sql: str, status: int, code: str) -> None:
    with engine.http() as client:
        answer = client.post("", content=sql)
    assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (status, code)
    assert answer.text.startswith(f"Code: {code}. DB::Exception: ")


@pytest.mark.parametrize("format", ["TabSeparated", "CSVWithNames"])
def test_an_error_in_the_middle_of_an_answer_is_not_taken_for_its_end(engine: Engine, format: str) -> None:
    with engine.http() as client:
        read = b""
        with (
            pytest.raises(httpx.RemoteProtocolError),
            client.stream("POST", "", content=FAILS_LATE, params={"default_format": format}) as answer,
        ):
            assert answer.status_code == 200
            for part in answer.iter_raw():
                read += part
        tag = answer.headers["X-ClickHouse-Exception-Tag"]
        assert read.endswith(f"{tag}\r\n__exception__\r\n".encode())
        assert b"Code: 395" in read
        waited = client.post("", content=FAILS_LATE, params={"wait_end_of_query": "1", "default_format": format})
        assert waited.headers["X-ClickHouse-Exception-Code"] == "395"
    assert engine.ask("SELECT 1") == "1\n"


@pytest.mark.parametrize("sql", [FOREVER, _ALL, f"{_ALL} FORMAT JSON"])
def test_hanging_up_ends_the_statement(engine: Engine, sql: str) -> None:
    address = urlsplit(engine.url)
    with socket.create_connection((address.hostname, address.port or 0)) as connection:
        request = f"POST /?query_id=hung HTTP/1.1\r\nHost: x\r\nX-ClickHouse-Key: {engine.token}\r\n"
        connection.sendall(f"{request}Content-Length: {len(sql)}\r\n\r\n{sql}".encode())
        until(lambda: _running(engine, "hung") == 1)
    until(lambda: _running(engine, "hung") == 0)


def test_more_clients_than_connections_all_get_their_answer(engine: Engine) -> None:
    async def ask() -> list[str]:
        async with httpx.AsyncClient(headers={"X-ClickHouse-Key": engine.token}, timeout=PATIENCE_SECONDS) as client:
            sql = "SELECT max(number), getSetting('max_block_size') FROM numbers(100000)"
            asked = [client.post(engine.url, content=sql, params={"max_block_size": 1000 + n}) for n in range(20)]
            return [answer.text for answer in await asyncio.gather(*asked)]

    assert asyncio.run(ask()) == [f"99999\t{1000 + n}\n" for n in range(20)]
    default = engine.ask("SELECT getSetting('max_block_size')")
    assert {engine.ask("SELECT getSetting('max_block_size')") for _ in range(4)} == {default}, "settings do not stay"


@pytest.mark.parametrize("encoding", ["identity", "gzip", "deflate", "zstd"])
def test_data_arrive_in_parts_and_compressed(engine: Engine, table: str, encoding: str) -> None:
    data = b"".join(b"%d\t%s\n" % (n, b"x" * 50) for n in range(100_000))
    if encoding == "zstd":
        zstd = pytest.importorskip("backports.zstd")
        body = zstd.compress(data[:1000]) + zstd.compress(data[1000:])
    else:
        body = {"identity": bytes, "gzip": gzip.compress, "deflate": zlib.compress}[encoding](data)
    parts = (body[n : n + 5000] for n in range(0, len(body), 5000))
    with engine.http() as client:
        answer = client.post(
            "", content=parts, params={"query": "INSERT INTO t FORMAT TSV"}, headers={"Content-Encoding": encoding}
        )
    assert answer.status_code == 200, answer.text
    assert '"written_rows": "100000"' in answer.headers["X-ClickHouse-Summary"]
    assert engine.ask("SELECT count(), sum(a), uniqExact(b) FROM t") == "100000\t4999950000\t1\n"


def test_an_insert_that_breaks_off_stores_nothing(engine: Engine, table: str) -> None:
    address = urlsplit(engine.url)
    with socket.create_connection((address.hostname, address.port or 0)) as connection:
        request = f"POST /?query=INSERT+INTO+t+FORMAT+TSV HTTP/1.1\r\nHost: x\r\nX-ClickHouse-Key: {engine.token}\r\n"
        connection.sendall(f"{request}Content-Length: 1000\r\n\r\n1\ta\n".encode())
    assert engine.ask("INSERT INTO t VALUES (2, 'b')") == ""  # the feed's one connection is free again
    assert engine.ask("SELECT a FROM t") == "2\n"
    with engine.http() as client:
        bad = client.post("", content="INSERT INTO t FORMAT TSV\n3\tc\nx\td\n")
    assert bad.headers["X-ClickHouse-Exception-Code"] == "27"
    assert engine.ask("SELECT a FROM t") == "2\n"


def test_a_folder_has_one_engine(engine: Engine) -> None:
    second = Engine.__new__(Engine)
    second.settings, second.log = engine.settings, engine.settings.data_dir / "second.log"
    with pytest.raises(AssertionError):
        second.start()
    assert second.process.wait() == 1
    assert "[ANALYTICS_RUNNING]" in second.said()
    assert engine.ask("SELECT 1") == "1\n"


def test_it_needs_little_memory_when_idle(tmp_path: Path) -> None:
    with running_engine(tmp_path / "data") as idle:
        idle.ask("SELECT count() FROM numbers(10000000)")
        status = Path(f"/proc/{idle.process.pid}/status")
        if not status.exists():
            return
        resident = next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmRSS"))
        assert resident <= 500_000
