"""A segment as a file: whole, as of one instant, harmless in a spreadsheet, bounded in memory, let go of in time."""

import asyncio
import csv
import gc
import io
import json
import os
import sys
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from application import Application, running
from builders import iso
from serving import PATIENCE_SECONDS, eventually
from tinycdp.errors import InvalidInput, Unavailable
from tinycdp.model import HOUR_MS
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.transfer.export import AT_ONCE, ExposuresRequest, SegmentRequest, form_of
from tinycdp.runtime.transfer.rows import COLUMNS
from tinycdp.runtime.worker.loops import Worker
from tinycdp.store.database.pool import connect
from tinycdp.times import day_of

EVERYONE = "!exists(profile.absent)"


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        yield application


async def read(app: Application, path: str) -> list[dict[str, str]]:
    answer = await app.read.get(f"/v1/export/segment/{path}")
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


async def populate(app: Application, n: int) -> None:
    """Put n people into the segment `all`, by SQL: a million by messages would take a while."""
    fingerprint = app.service.catalogs.serving(app.environment_id).live.fingerprints["segment", "all"]
    async with app.service.pool.acquire() as connection:
        await connection.execute(
            f"""
            INSERT INTO profiles (environment_id, id, bucketing_key, created_at, properties, state, version)
            SELECT {app.environment_id}, n, n::text, '2026-01-01', jsonb_build_object('x', repeat('x', 300)), '', 1
            FROM generate_series(1000000, 999999 + {n}) AS n
            """
        )
        await connection.execute(
            f"""
            INSERT INTO memberships (environment_id, fingerprint, profile_id, entered_at)
            SELECT {app.environment_id}, {fingerprint}, n, '2026-01-01'
            FROM generate_series(1000000, 999999 + {n}) AS n
            """
        )


async def no_transactions(dsn: str) -> bool:
    return await transactions(dsn) == 0


async def transactions(dsn: str) -> int:
    """How many transactions are open."""
    watcher = await connect(dsn)
    try:
        found: int = await watcher.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL"
            " AND pid <> pg_backend_pid()"
        )
        return found
    finally:
        await watcher.close()


async def test_a_file_has_everyone_with_their_columns(app: Application) -> None:
    await app.define("trait", key="spent", expression="events.purchase.sum(amount, 30d)")
    await app.define("segment", key="all", rule=EVERYONE)
    await app.write.post(
        "/v1/identify",
        json={"userId": "ada", "anonymousId": "a-1", "traits": {"plan": "pro", "tags": ["x", 1.5], "vip": True}},
    )
    await app.track({"userId": "ada", "event": "purchase", "properties": {"amount": 19.99}})
    await app.track({"anonymousId": "a-2", "event": "visit"})
    answer = await app.read.get("/v1/export/segment/all.csv?traits=spent")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="all.csv"'
    ada, stranger = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert list(ada) == [*COLUMNS, "plan", "tags", "vip", "spent"]
    assert (ada["user_id"], ada["anonymous_id"], ada["plan"], ada["tags"], ada["vip"], ada["spent"]) == (
        "ada", "a-1", "pro", '["x",1.5]', "true", "19.99",
    )  # fmt: skip
    assert (stranger["user_id"], stranger["anonymous_id"], stranger["plan"], stranger["spent"]) == ("", "a-2", "", "0")

    assert list((await read(app, "all.csv?columns=plan"))[0]) == [*COLUMNS, "plan"]
    assert list((await read(app, "all.csv?columns="))[0]) == [*COLUMNS]
    lines = (await app.read.get("/v1/export/segment/all.jsonl?traits=spent")).text.splitlines()
    first = json.loads(lines[0])
    assert first["properties"] == {"plan": "pro", "tags": ["x", 1.5], "vip": True}
    assert (first["userId"], first["traits"], len(lines)) == ("ada", {"spent": 19.99}, 2)


async def test_the_file_the_count_the_list_the_page_and_the_flag_agree(app: Application) -> None:
    await app.define("segment", key="openers", rule="events.app_open.exists_30d")
    await app.define("flag", key="on", rule="segments.openers")
    await app.track(*({"userId": f"u{n}", "event": "app_open" if n % 2 else "other"} for n in range(7)))
    wanted = ["u1", "u3", "u5"]
    assert [row["user_id"] for row in await read(app, "openers.csv")] == wanted
    assert (await app.admin.get("/v1/admin/segments/openers")).json()["members"] == len(wanted)
    listed = (await app.admin.get("/v1/admin/segments/openers/members")).json()["members"]
    assert [member["identifiers"][0]["value"] for member in listed] == wanted
    for n in range(7):
        person = (await app.read.get(f"/v1/profiles/u{n}")).json()
        decided = (await app.read.get(f"/v1/decide?flag=on&userId=u{n}")).json()["allow"]
        assert decided is bool(person["segments"]) is (f"u{n}" in wanted)


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"]


async def test_nothing_in_the_file_runs_in_a_spreadsheet_unless_asked(app: Application) -> None:
    await app.define("segment", key="all", rule=EVERYONE)
    traits: dict[str, Any] = {f"p{n}": formula for n, formula in enumerate(FORMULAS)}
    traits |= {"number": -5, "plain": "a-b", "=name": "x", "quoted": 'a "b", c\r\nd'}
    await app.write.post("/v1/identify", json={"userId": "=cmd|' /C calc'!A0", "traits": traits})
    (row,) = await read(app, "all.csv")
    assert [row[f"p{n}"] for n in range(len(FORMULAS))] == ["'" + formula for formula in FORMULAS]
    assert row["user_id"] == "'=cmd|' /C calc'!A0"
    assert (row["number"], row["plain"], row["'=name"], row["quoted"]) == ("-5", "a-b", "x", 'a "b", c\r\nd')
    (row,) = await read(app, "all.csv?raw=true")
    assert [row[f"p{n}"] for n in range(len(FORMULAS))] == FORMULAS


async def test_all_rows_are_of_the_instant_at_which_it_began(app: Application) -> None:
    await app.define("segment", key="all", rule=EVERYONE)
    await populate(app, 5_000)
    export = await app.service.exports.open(app.environment_id, SegmentRequest(segment="all"), app.service.now())
    parts = export.parts()
    received = await anext(parts) + await anext(parts)
    async with app.service.pool.acquire() as connection:
        await connection.execute("DELETE FROM memberships WHERE profile_id > 1002500")
    await app.track({"userId": "newcomer", "event": "x"})
    await app.admin.put("/v1/admin/segments/all", json={"rule": "profile.plan == 1"})
    await app.backfill()
    received += b"".join([part async for part in parts])
    rows = list(csv.DictReader(io.StringIO(received.decode(), newline="")))
    assert [row["profile_id"] for row in rows] == [str(1_000_000 + n) for n in range(5_000)]
    assert export.profiles == 5_000
    export.close()
    assert await read(app, "all.csv") == []


async def test_a_large_file_is_never_in_memory(app: Application) -> None:
    await app.define("segment", key="all", rule=EVERYONE)
    await populate(app, 20_000)
    export = await app.service.exports.open(app.environment_id, SegmentRequest(segment="all"), app.service.now())
    tracemalloc.start()
    try:
        size = 0
        async for part in export.parts():
            size += len(part)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        export.close()
    assert size > 6_000_000
    assert peak < size / 2


async def test_a_reader_who_goes_away_frees_the_connection(app: Application, dsn: str) -> None:
    await app.define("segment", key="all", rule=EVERYONE)
    await populate(app, 20_000)
    full, gone = asyncio.Event(), asyncio.Event()
    received = 0

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal received
        received += len(message.get("body", b""))
        if received > 500_000:
            full.set()
            await asyncio.sleep(
                3600
            )  # a client that no longer reads: the server waits here until the test lets it go on

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": "/v1/export/segment/all.csv", "raw_path": b"/v1/export/segment/all.csv", "query_string": b"",
        "root_path": "", "headers": [(b"authorization", app.read.headers["authorization"].encode())],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "extensions": {},
    }  # fmt: skip
    gc.disable()  # what frees it must not be the collector's next round
    try:
        request = asyncio.create_task(app.litestar(scope, receive, send))  # type: ignore[arg-type]
        await full.wait()
        assert (app.service.exports.running, await transactions(dsn)) == (1, 1)
        gone.set()
        await asyncio.wait_for(request, PATIENCE_SECONDS)
        assert app.service.exports.running == 0
        await eventually(lambda: no_transactions(dsn))
    finally:
        gc.enable()
    assert 500_000 < received < 5_000_000


async def test_exports_at_once_are_bounded_and_what_fails_leaves_nothing_open(app: Application) -> None:
    await app.define("segment", key="all", rule=EVERYONE)
    opened = [
        await app.service.exports.open(app.environment_id, SegmentRequest(segment="all"), app.service.now())
        for _ in range(AT_ONCE)
    ]
    refused = await app.read.get("/v1/export/segment/all.csv")
    assert (refused.status_code, refused.json()["code"]) == (429, "EXPORTS_BUSY")
    assert int(refused.headers["retry-after"]) > 0
    for export in opened:
        assert [part async for part in export.parts()]
        export.close()
    for path, code in (
        ("absent.csv", "NOT_FOUND"), ("all.xlsx", "NOT_FOUND"), ("all.csv?traits=x", "NOT_FOUND"),
    ):  # fmt: skip
        missing = await app.read.get(f"/v1/export/segment/{path}")
        assert (missing.status_code, missing.json()["code"]) == (404, code), path
    assert app.service.exports.running == 0


async def test_a_segment_that_was_never_live_has_no_file_yet(app: Application) -> None:
    await app.track({"userId": "ada", "event": "x"})
    await app.admin.post("/v1/admin/segments", json={"key": "new", "rule": "events.x.count_30d > 0"})
    refused = await app.read.get("/v1/export/segment/new.csv")
    assert (refused.status_code, refused.json()["code"]) == (409, "BACKFILLING")
    await app.backfill()
    assert len(await read(app, "new.csv")) == 1


async def test_too_many_different_properties_have_to_be_chosen_from(app: Application) -> None:
    await app.define("segment", key="all", rule=EVERYONE)
    for user in "ab":
        traits = {f"{user}{n}": n for n in range(600)}
        await app.write.post("/v1/identify", json={"userId": user, "traits": traits})
    refused = await app.read.get("/v1/export/segment/all.csv")
    assert (refused.status_code, refused.json()["code"]) == (400, "TOO_MANY_COLUMNS")
    assert [row["a7"] for row in await read(app, "all.csv?columns=a7")] == ["7", ""]
    assert len((await app.read.get("/v1/export/segment/all.jsonl")).text.splitlines()) == 2


async def test_as_of_is_no_later_than_what_the_clock_has_yet_to_do(app: Application) -> None:
    await app.define("segment", key="recent", rule="events.x.exists_1h")
    await app.track({"userId": "ada", "event": "x"})
    entered = app.service.now()
    later = entered + 2 * HOUR_MS
    app.service.now = lambda: later
    due = (await app.read.get("/v1/export/segment/recent.csv")).headers["x-as-of"]
    assert due <= iso(entered + HOUR_MS) < iso(later)
    worker = Worker(app.service.pool, Catalogs(), app.service.now)
    await worker.wake_due()
    answer = await app.read.get("/v1/export/segment/recent.csv")
    assert (answer.headers["x-as-of"], len(answer.text.splitlines())) == (iso(later), 1)


async def test_a_database_that_goes_away_in_the_middle_breaks_the_file_off(app: Application) -> None:
    await app.define("segment", key="all", rule=EVERYONE)
    await populate(app, 5_000)
    export = await app.service.exports.open(app.environment_id, SegmentRequest(segment="all"), app.service.now())
    parts = export.parts()
    await anext(parts)
    async with app.service.pool.acquire() as connection:
        await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE xact_start < now()")
    with pytest.raises(Unavailable):
        async for _ in parts:
            pass
    export.close()
    assert app.service.exports.running == 0


async def exposures(app: Application, query: str = "", ending: str = "csv") -> httpx.Response:
    answer = await app.admin.get(f"/v1/export/exposures/test.{ending}{query}")
    assert answer.status_code == 200, answer.text
    return answer


async def split(app: Application) -> None:
    """A flag that gives each variant to half of the profiles."""
    rule = {"id": "half", "when": "true", "split": {"a": 50_000, "b": 50_000}}
    await app.define("flag", key="test", type="string", variants={"a": "A", "b": "B"}, offVariant="a", rules=[rule])


async def test_the_file_of_exposures_is_the_list_of_them(app: Application) -> None:
    await split(app)
    await app.track({"userId": "known", "event": "x"})
    users = ["known", "=1+1", 'a "b", c', *(f"u{n}" for n in range(450))]
    for user in users:
        await app.read.get("/v1/decide", params={"flag": "test", "userId": user})
    listed: list[dict[str, Any]] = []
    query = {"flag": "test", "limit": "200"}
    while page := (await app.admin.get("/v1/admin/exposures", params=query)).json():
        listed += page["exposures"]
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert len(listed) == len(users)

    lines = await exposures(app, ending="jsonl")
    assert [json.loads(line) for line in lines.text.splitlines()] == listed
    file = await exposures(app, "?raw=true")
    assert file.headers["content-type"] == "text/csv; charset=utf-8"
    assert file.headers["content-disposition"] == 'attachment; filename="test-exposures.csv"'
    rows = list(csv.reader(io.StringIO(file.text, newline="")))
    assert rows[0] == ["flag", "day", "variant", "unit", "profile_id", "rule", "version", "revision", "first_at"]
    assert rows[1:] == [["" if cell is None else str(cell) for cell in exposure.values()] for exposure in listed]
    assert {row[3]: bool(row[4]) for row in rows[1:]} == {user: user == "known" for user in users}
    guarded = list(csv.reader(io.StringIO((await exposures(app)).text, newline="")))
    assert {row[3] for row in guarded} - {row[3] for row in rows} == {"'=1+1"}

    some = list(csv.DictReader(io.StringIO((await exposures(app, "?variant=b")).text, newline="")))
    assert [row["unit"] for row in some] == [one["unit"].replace("=", "'=") for one in listed if one["variant"] == "b"]
    assert len((await exposures(app, "?from=2001-01-01&to=2001-01-02")).text.splitlines()) == 1


async def test_exposures_that_come_meanwhile_are_in_the_next_file(app: Application) -> None:
    await split(app)
    async with app.service.pool.acquire() as connection:
        await connection.execute(
            """
            INSERT INTO exposures (environment_id, definition_id, day, version, stage, variant, unit, rule, revision,
                                   first_at)
            SELECT environment_id, id, current_date, 1, 0, 'a', 'unit-' || n, 'half', 1, now()
            FROM definitions, generate_series(1, 30000) AS n
            """
        )
    today = app.service.now()
    wanted = ExposuresRequest(flag="test", days=(day_of(today), day_of(today)))
    export = await app.service.exports.open(app.environment_id, wanted, today)
    parts = export.parts()
    size = len(await anext(parts)) + len(await anext(parts))
    await app.service.pool.execute("DELETE FROM exposures WHERE unit LIKE '%7'")
    tracemalloc.start()
    try:
        rows = 0
        async for part in parts:
            size, rows = size + len(part), rows + part.count(b"\r\n")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        export.close()
    assert rows == 30_000 - 200
    assert peak < size / 2
    assert app.service.exports.running == 0
    assert len((await exposures(app)).text.splitlines()) == 27_001


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("nothing.csv", 404, "NOT_FOUND"),
        ("test.xlsx", 404, "NOT_FOUND"),
        ("test.csv?from=2026-02-02&to=2026-02-01", 400, "INVALID_REQUEST"),
    ],
)
async def test_exposures_that_have_no_file(app: Application, path: str, status: int, code: str) -> None:
    await split(app)
    refused = await app.admin.get(f"/v1/export/exposures/{path}")
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert (await app.write.get("/v1/export/exposures/test.csv")).status_code == 403
    assert (await app.stranger.get("/v1/export/exposures/test.csv")).status_code == 404
    assert app.service.exports.running == 0


@pytest.mark.parametrize(
    ("path", "form", "found"),
    [
        (None, None, "csv"),
        (None, "jsonl", "jsonl"),
        ("a.csv", None, "csv"),
        ("a.JSONL", None, "jsonl"),
        ("a.ndjson", None, "jsonl"),
        ("a.dump", "jsonl", "jsonl"),
        ("a.parquet", None, None),
        ("a.csv.gz", None, None),
        ("a", None, None),
        ("a.csv", "xlsx", None),
    ],
)
def test_the_format_follows_the_name_or_is_rejected(path: str | None, form: str | None, found: str | None) -> None:
    if found is None:
        with pytest.raises(InvalidInput, match=r"\.csv or \.jsonl"):
            form_of(path and Path(path), form)
    else:
        assert form_of(path and Path(path), form) == found


async def test_the_command_line_writes_the_same_file(app: Application, dsn: str, tmp_path: Path) -> None:
    await app.define("segment", key="all", rule=EVERYONE)
    await app.write.post("/v1/identify", json={"userId": "ada", "traits": {"plan": "=x"}})
    served = (await app.read.get("/v1/export/segment/all.csv")).content
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TINYCDP_")}

    async def export(*arguments: str) -> tuple[int, bytes, bytes]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tinycdp", "export", "segment", *arguments, env=environment | {"DATABASE_URL": dsn},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=tmp_path,
        )  # fmt: skip
        said, complained = await process.communicate()
        return process.returncode or 0, said, complained

    status, said, complained = await export("all")
    assert (status, said) == (0, served)
    assert complained.startswith(b"1 profiles as of 20")
    status, _, complained = await export("all", "--output", "all.parquet")
    assert (status, b"EXPORT_FORMAT" in complained) == (1, True)
    assert (await export("all", "--output", "all.jsonl"))[0] == 0
    assert json.loads((tmp_path / "all.jsonl").read_text())["userId"] == "ada"
    status, _, complained = await export("absent", "--output", "all.jsonl")
    assert (status, b"NOT_FOUND" in complained) == (1, True)
    assert json.loads((tmp_path / "all.jsonl").read_text())["userId"] == "ada"
    assert os.listdir(tmp_path) == ["all.jsonl"]
