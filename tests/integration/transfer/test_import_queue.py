"""Files sent to a server: resumed whatever happens to it, each row once, and given up only with a reason."""

import csv
import gzip
import io
import json
import os
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from application import Application, running
from serving import ADMIN_KEY, Server, bearer, eventually, served, services, until
from tinycdp.api.ingest.adapters.history import PARSE
from tinycdp.model import DAY_MS
from tinycdp.runtime import clock
from tinycdp.runtime.access.keys import environment_named
from tinycdp.runtime.transfer import imports
from tinycdp.runtime.transfer.import_files import FileMapping, ImportFile, Parse, identity_of, parts
from tinycdp.runtime.transfer.import_queue import AT_ONCE, Ticket
from tinycdp.runtime.transfer.imports import GENTLE_PART, PART
from tinycdp.server.bootstrap import prepare
from tinycdp.settings import Settings
from tinycdp.store import imports as store


@pytest.fixture
async def app(dsn: str, tmp_path: Path) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        application.service.imports.folder = tmp_path / "imports"
        yield application


def lines(n: int, name: str = "a", filling: int = 300) -> bytes:
    return b"".join(
        json.dumps({"userId": f"u-{k % 997}", "event": name, "properties": {"k": k, "filling": "x" * filling}}).encode()
        + b"\n"
        for k in range(n)
    )


async def sent(app: Application, name: str, content: bytes, **query: str) -> httpx.Response:
    return await app.admin.post("/v1/admin/imports", params={"name": name, **query}, content=content)


async def ended(app: Application, id: str) -> dict[str, Any]:
    """The import once it is done or has failed."""

    async def found() -> dict[str, Any] | None:
        progress: dict[str, Any] = (await app.admin.get(f"/v1/admin/imports/{id}")).json()
        return progress if progress["status"] in ("done", "failed") else None

    return await eventually(found)


async def stored(app: Application) -> int:
    return int(await app.service.pool.fetchval("SELECT count(*) FROM events"))


def left(app: Application) -> list[str]:
    """What lies in the folder."""
    folder = app.service.imports.folder
    return sorted(os.listdir(folder)) if folder.exists() else []


# A server that is killed, or stopped


def test_a_server_that_is_killed_goes_on_by_itself(tmp_path: Path) -> None:
    """kill -9 in the middle, then Ctrl-C, then to the end, and no client sends anything again."""
    content = lines(9_000, filling=1_000)
    assert len(content) > 2 * 4 * 1024 * 1024  # more than any other body may have
    with served(tmp_path) as server:
        begun = server.http.post("/v1/admin/imports?name=long.jsonl", content=content, headers=bearer(ADMIN_KEY))
        assert begun.status_code == 202, begun.text
        id = begun.json()["id"]
        until(lambda: _progress(server, id)["rows"] > 1_000)
        server.kill()
    with served(tmp_path) as server:
        killed = _progress(server, id)
        assert 1_000 < killed["rows"] < 9_000
        until(lambda: _progress(server, id)["rows"] > killed["rows"] + 1_000)
    with served(tmp_path) as server:
        until(lambda: _progress(server, id)["status"] == "done")
        done = _progress(server, id)
        assert (done["rows"], done["accepted"] + done["duplicates"], done["rejected"]) == (9_000, 9_000, 0)
        figures = server.http.get("/v1/admin/metrics", headers=bearer(ADMIN_KEY)).json()
        assert figures["events"] == {"value": 9_000, "exact": True}, figures
        until(lambda: not os.listdir(tmp_path / "data" / "imports"))


def test_a_file_that_is_gone_is_missed(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        begun = server.http.post("/v1/admin/imports?name=x.jsonl", content=lines(9_000), headers=bearer(ADMIN_KEY))
        server.kill()
    [file] = (tmp_path / "data" / "imports").glob("*.upload")
    file.unlink()
    with served(tmp_path) as server:
        id = begun.json()["id"]
        until(lambda: _progress(server, id)["status"] == "failed")
        assert _progress(server, id)["error"] == "The file is no longer on the server; send it again."
        assert not os.listdir(tmp_path / "data" / "imports")
        again = server.http.post("/v1/admin/imports?name=x.jsonl", content=lines(9_000), headers=bearer(ADMIN_KEY))
        assert (again.json()["id"], again.json()["status"]) == (id, "running")
        until(lambda: _progress(server, id)["status"] == "done")


def _progress(server: Server, id: str) -> dict[str, Any]:
    found: dict[str, Any] = server.http.get(f"/v1/admin/imports/{id}", headers=bearer(ADMIN_KEY)).json()
    return found


async def test_processes_that_share_a_folder_import_a_file_once(dsn: str, tmp_path: Path) -> None:
    await prepare(Settings(database_url=dsn), clock.now())
    (tmp_path / "imports").mkdir()
    path = tmp_path / "imports" / "x.upload"
    path.write_bytes(lines(3_000))
    source = ImportFile(path, "jsonl", name="x.jsonl")
    async with services(dsn, 3, clock.now, data_dir=tmp_path) as started:
        pool = started[0].pool
        environment_id = await environment_named(pool, "prod")
        id = identity_of(source)
        await pool.execute(
            "INSERT INTO imports (environment_id, id, name, form, mapping, author, started_at, advanced_at)"
            " VALUES ($1, $2, 'x.jsonl', 'jsonl', '{}', 'test', $3, $3)",
            environment_id, id, clock.now(),
        )  # fmt: skip
        ticket = Ticket(environment_id, id, path.name, "jsonl", FileMapping(), "x.jsonl", "test", 1, False)
        (tmp_path / "imports" / "x.ticket").write_bytes(msgspec.json.encode(ticket))
        for service in started:
            service.imports.start(PARSE)

        async def done() -> bool:
            return (await started[1].imports.find(environment_id, id)).status == "done"

        await eventually(done)
        found = await started[2].imports.find(environment_id, id)
        assert (found.rows, found.accepted, found.duplicates) == (3_000, 3_000, 0)
        await eventually(lambda: _true(not os.listdir(tmp_path / "imports")))


async def _true(value: bool) -> bool:
    return value


async def test_a_database_that_was_away_does_not_end_it(app: Application, dsn: str) -> None:
    begun = (await sent(app, "x.jsonl", lines(6_000))).json()
    async with app.service.pool.acquire() as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    done = await ended(app, begun["id"])
    assert (done["status"], done["error"], await stored(app)) == ("done", None, 6_000)
    assert left(app) == []


@pytest.mark.parametrize("trouble", [asyncpg.DeadlockDetectedError("crossed"), TimeoutError()])
async def test_what_may_pass_does_not_end_it(
    app: Application, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    advance, left_to_fail = store.advance_import, [trouble]

    async def failing(*arguments: Any) -> Any:
        if left_to_fail:
            raise left_to_fail.pop()
        return await advance(*arguments)

    path = app.service.imports.folder / "prod" / "x.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(lines(500))
    monkeypatch.setattr(store, "advance_import", failing)
    refused = await app.admin.post("/v1/admin/imports?name=x.jsonl&stored=true")
    assert refused.status_code in (500, 503)
    [progress] = (await app.admin.get("/v1/admin/imports")).json()["imports"]
    done = await ended(app, progress["id"])
    assert (done["status"], done["error"], await stored(app)) == ("done", None, 500)
    await eventually(lambda: _true(left(app) == ["prod"]))
    assert path.exists()


async def test_what_no_import_is_known_for_goes_a_day_later(app: Application) -> None:
    uploads = app.service.imports
    uploads.folder.mkdir()
    old, fresh, standing = (uploads.folder / name for name in ("old.upload", "fresh.upload", "mine.csv"))
    for path in (old, fresh, standing):
        path.write_bytes(b"")
    unknown = Ticket(app.environment_id, "0" * 16, "held.upload", "csv", FileMapping(), "x", "test", 1, False)
    held = [uploads.folder / name for name in ("held.upload", "held.ticket")]
    held[0].write_bytes(b"")
    held[1].write_bytes(msgspec.json.encode(unknown))
    await uploads.tick(PARSE)
    assert len(left(app)) == 5
    for path in (old, standing, *held):
        os.utime(path, (time.time() - 90_000, time.time() - DAY_MS / 1000 - 60))
    await uploads.tick(PARSE)
    await uploads.tick(PARSE)
    assert left(app) == ["fresh.upload", "mine.csv"]


# Stopping, and too many


async def test_one_that_is_stopped_stays_so_until_it_is_sent_again(app: Application) -> None:
    content = lines(8_000)
    id = (await sent(app, "x.jsonl", content)).json()["id"]
    stopped = await app.admin.delete(f"/v1/admin/imports/{id}")
    assert (stopped.status_code, stopped.json()["status"]) == (200, "failed")
    assert stopped.json()["error"] == "Stopped by bootstrap admin."
    await eventually(lambda: _true(left(app) == []))
    rows = (await ended(app, id))["rows"]
    assert rows < 8_000
    await app.service.imports.tick(PARSE)
    assert (await app.admin.get(f"/v1/admin/imports/{id}")).json()["rows"] == rows

    again = (await sent(app, "x.jsonl", content)).json()
    assert (again["id"], again["error"]) == (id, None)
    done = await ended(app, id)
    assert (done["status"], done["rows"], await stored(app)) == ("done", 8_000, 8_000)
    after = await app.admin.delete(f"/v1/admin/imports/{id}")
    assert (after.json()["status"], after.json()["error"]) == ("done", None)
    assert (await app.admin.delete("/v1/admin/imports/nothing")).json()["code"] == "IMPORT_NOT_FOUND"
    assert (await app.stranger.delete(f"/v1/admin/imports/{id}")).json()["code"] == "IMPORT_NOT_FOUND"


async def test_two_at_once_and_no_third(app: Application) -> None:
    begun = [(await sent(app, f"{n}.jsonl", lines(4_000, f"e{n}"))).json() for n in range(AT_ONCE)]
    assert [progress["status"] for progress in begun] == ["running"] * AT_ONCE
    running = [(await app.admin.get(f"/v1/admin/imports/{progress['id']}")).json() for progress in begun]
    assert all(progress["rate"] > 0 for progress in running)

    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("the body of what is refused is not read")
        yield b""

    refused = await app.admin.post("/v1/admin/imports?name=x.jsonl", content=never())
    assert (refused.status_code, refused.json()["code"]) == (429, "IMPORTS_BUSY")
    for progress in begun:
        assert (await ended(app, progress["id"]))["accepted"] == 4_000
    assert (await stored(app), left(app)) == (4_000 * AT_ONCE, [])


async def test_the_same_file_twice_at_once(app: Application) -> None:
    content = lines(4_000)
    id = (await sent(app, "x.jsonl", content)).json()["id"]
    other = await sent(app, "y.jsonl", content)
    assert (other.status_code, other.json()["code"]) == (409, "IMPORT_RUNNING")
    assert (await ended(app, id))["accepted"] == 4_000
    assert left(app) == []


# Files that are broken


def table(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


ORDERS = table([["user_id", "event", "note"], *([f"u-{n}", "order", f"{n * 7919}"] for n in range(3_000))])
PACKED = gzip.compress(ORDERS)


@pytest.mark.parametrize(
    ("name", "content", "mapping", "code", "says"),
    [
        ("x.csv.gz", PACKED[:-2_000], None, "FILE_MALFORMED", "the gzip data is damaged"),
        ("x.jsonl.gz", gzip.compress(lines(2_000))[:-9], None, "FILE_MALFORMED", "the gzip data is damaged"),
        ("x.csv.gz", PACKED[:5_000] + bytes(50) + PACKED[5_050:], None, "FILE_MALFORMED", "the gzip data is damaged"),
        ("x.csv", ORDERS.decode().encode("utf-16"), None, "FILE_MALFORMED", "UTF-16"),
        ("x.csv", b"", None, "FILE_MALFORMED", "no column names"),
        ("x.csv", b"who,event\nu,a\n", None, "INVALID_MAPPING", "Columns are who, event"),
        ("x.csv", b"who;event\nu;a\n", None, "INVALID_MAPPING", "Columns are who;event"),
        ("x.csv", ORDERS, {"columns": {"userId": "usr_id"}}, "INVALID_MAPPING", "Unknown column 'usr_id'"),
        ("x.csv", ORDERS, {"text": ["zip"]}, "INVALID_MAPPING", "Unknown column 'zip'"),
        ("x.jsonl", lines(3), {"fixed": {"event": "order"}}, "INVALID_MAPPING", "JSON lines"),
        ("x.parquet", b"PAR1" + bytes(100), None, "FILE_MALFORMED", "not a complete Parquet"),
    ],
)
async def test_what_is_wrong_with_a_file_is_found_before_anything_is_stored(
    app: Application, name: str, content: bytes, mapping: dict[str, Any] | None, code: str, says: str
) -> None:
    query = {"mapping": json.dumps(mapping)} if mapping is not None else {}
    refused = await sent(app, name, content, **query)
    assert (refused.status_code, refused.json()["code"]) == (400, code), refused.text
    assert says in refused.json()["message"]
    assert (await stored(app), left(app)) == (0, [])
    assert (await app.admin.get("/v1/admin/imports")).json() == {"imports": []}


async def test_a_parquet_file_that_lacks_its_end(app: Application) -> None:
    content = parquet({"user_id": [f"u-{n}" for n in range(5_000)], "event": ["a"] * 5_000})
    refused = await sent(app, "x.parquet", content[: len(content) // 2])
    assert (refused.status_code, refused.json()["code"]) == (400, "FILE_MALFORMED"), refused.text
    assert (await stored(app), left(app)) == (0, [])


async def test_rows_that_cannot_be_read_harm_no_others(app: Application) -> None:
    content = (
        '\ufeff"user id",event,note\r\n'
        'u-1,a,"two\r\nlines, and ""quotes"""\r\n'
        'u-2,a,"closed" too early\r\n'
        "u-3,a,after\r\n"
    ).encode() + "u-4,a,Müller\r\n".encode("latin-1") + b"u-5,a,last\r\n"  # fmt: skip
    done = await ended(app, (await sent(app, "x.csv", content)).json()["id"])
    assert (done["status"], done["rows"], done["accepted"], done["rejected"]) == ("done", 5, 3, 2)
    rejections = (await app.admin.get("/v1/admin/rejections")).json()["rejections"]
    assert {r["message"].partition(":")[0]: r["code"] for r in rejections} == {
        "line 4": "INVALID_ROW",
        "line 6": "INVALID_ROW",
    }
    [event] = (await app.admin.get("/v1/journeys/u-1")).json()["events"]
    assert event["properties"] == {"note": 'two\r\nlines, and "quotes"'}


def parquet(columns: dict[str, Any]) -> bytes:
    import pyarrow as pa
    from pyarrow.parquet import write_table

    file = io.BytesIO()
    write_table(pa.table(columns), file)
    return file.getvalue()


async def test_instants_as_other_tools_write_them(app: Application) -> None:
    """pandas counts nanoseconds; a century has no place in Python's."""
    import pyarrow as pa

    content = parquet(
        {
            "user_id": [1, 2, 3],
            "event": ["a", "a", "a"],
            "timestamp": pa.array([1767571200_000000001, 1767571200_000000000, None], pa.timestamp("ns")),
            "until": pa.array([1, 400_000_000_000_000, 2], pa.timestamp("ms")),
        }
    )
    done = await ended(app, (await sent(app, "x.parquet", content)).json()["id"])
    assert (done["status"], done["rows"], done["accepted"], done["rejected"]) == ("done", 3, 2, 1)
    [event] = (await app.admin.get("/v1/journeys/1")).json()["events"]
    assert event["timestamp"] == "2026-01-05T00:00:00.000Z"
    [rejection] = (await app.admin.get("/v1/admin/rejections")).json()["rejections"]
    assert (rejection["code"], rejection["message"][:6]) == ("INVALID_ROW", "line 2")


# How it goes


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
async def test_the_share_is_that_of_what_was_read(form: str, tmp_path: Path) -> None:
    n = 20_000
    path = tmp_path / f"x.{form}"
    match form:
        case "jsonl":
            path.write_bytes(lines(n))
        case "csv":
            path.write_bytes(table([["user_id", "note"], *([f"u-{k}", "x" * 100] for k in range(n))]))
        case _:
            path.write_bytes(parquet({"user_id": [f"u-{k}" for k in range(n)], "note": list(range(n))}))
    read, rows = [], 0
    async for part, share in parts(ImportFile(path, form), 0, lambda: PART):  # type: ignore[arg-type]
        rows += len(part)
        read.append(abs(share - rows / n))
    assert (rows, len(read)) == (n, n // PART)
    assert max(read) < 0.1


async def test_long_rows_come_in_short_parts(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"".join(b'{"x": "' + b"x" * 1_000_000 + b'"}\n' for _ in range(12)))
    sizes = [len(part) async for part, _ in parts(ImportFile(path, "jsonl"), 0, lambda: PART)]
    assert sizes == [5, 5, 2]


async def test_it_gives_way_while_others_are_served(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small parts as long as a client was served lately, large ones once none was."""
    sizes: list[int] = []

    def watched(rows: Any, *rest: Any) -> Any:
        sizes.append(len(rows))
        return PARSE.call(rows, *rest)

    monkeypatch.setattr("tinycdp.api.transfer.imports.PARSE", Parse(watched, PARSE.check_columns))
    monkeypatch.setattr(imports, "QUIET_SECONDS", 1e9)
    id = (await sent(app, "x.jsonl", lines(20_000))).json()["id"]
    await eventually(lambda: _true(sum(sizes) > 1_000))
    assert set(sizes) == {GENTLE_PART}
    monkeypatch.setattr(imports, "QUIET_SECONDS", 0)
    assert (await ended(app, id))["accepted"] == 20_000
    assert PART in sizes


def test_others_are_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    now, asked = 100.0, 7
    monkeypatch.setattr(imports, "time", type("Clock", (), {"monotonic": staticmethod(lambda: now)}))
    pace = imports.Pace(lambda: asked)
    assert (pace.is_idle(), pace.size(), pace.in_flight) == (False, GENTLE_PART, 1)
    now += imports.QUIET_SECONDS
    assert (pace.is_idle(), pace.size()) == (True, PART)
    asked += 1
    assert (pace.is_idle(), pace.size(), pace.in_flight) == (False, GENTLE_PART, 1)
    now += imports.QUIET_SECONDS / 2
    assert not pace.is_idle()
    now += imports.QUIET_SECONDS / 2
    assert pace.is_idle()


async def test_what_is_asked_of_a_process(app: Application) -> None:
    """Live messages and decisions are others to an import; what an import brings is not."""
    metrics = app.service.metrics
    await ended(app, (await sent(app, "x.jsonl", lines(10))).json()["id"])
    assert metrics.asked == 0
    await app.track({"userId": "u-1", "event": "a"}, {"userId": "u-2", "event": "a"})
    assert metrics.asked == 2
    await app.define("flag", key="on", rule="true")
    assert (await app.read.get("/v1/decide?flag=on&userId=u-1")).status_code == 200
    assert metrics.asked == 3
