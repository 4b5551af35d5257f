"""Exports as jobs: every format read back by another library, one snapshot, links, schedules, storage, cancelling."""

import asyncio
import contextlib
import csv
import errno
import io
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pyarrow.parquet
import pytest

from application import Application, running
from serving import ManualClock, eventually
from tinycdp.errors import Unavailable
from tinycdp.model import DAY_MS, HOUR_MS, MINUTE_MS
from tinycdp.products.exports import cron
from tinycdp.products.exports import running as export_running
from tinycdp.products.exports.running import ExportRuns
from tinycdp.products.exports.storage import Folder, StorageFailed
from tinycdp.runtime.transfer import writers
from tinycdp.times import iso

NOW = 1_790_000_000_000
EVERYONE = "!exists(profile.absent)"


class House:
    """The application, and what writes its exports."""

    def __init__(self, app: Application, dsn: str, clock: ManualClock, folder: Path) -> None:
        self.app, self.clock, self.folder = app, clock, folder
        self.runs = ExportRuns(dsn, app.service.pool, clock, app.service.export_jobs.storage)

    async def start(self, status: int = 202, **request: Any) -> Any:
        answer = await self.app.read.post("/v1/exports", json=request)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def export(self, **request: Any) -> Any:
        """Start an export, and write it as the worker does."""
        job = await self.start(**request)
        await self.runs.write(self.app.environment_id, job["id"])
        return await self.job(job["id"])

    async def job(self, id: int) -> Any:
        answer = await self.app.read.get(f"/v1/exports/{id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def file(self, job: Any) -> bytes:
        assert job["status"] == "done", job
        answer = await self.app.read.get(f"/v1/exports/{job['id']}/file")
        assert answer.status_code == 200, answer.text
        assert len(answer.content) == job["size"]
        return answer.content

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())


@pytest.fixture
async def house(dsn: str, tmp_path: Path) -> AsyncIterator[House]:
    clock = ManualClock(NOW)
    folder = tmp_path / "files"
    async with running(dsn, clock, data_dir=tmp_path, export_storage=str(folder)) as app:
        yield House(app, dsn, clock, folder)


PEOPLE: list[dict[str, Any]] = [
    {"userId": "ada", "traits": {"plan": "pro", "age": 36, "score": 19.99, "vip": True, "tags": ["x", 1.5]}},
    {"userId": "bob", "traits": {"plan": "=1+1", "age": 7, "big": 12345678901234567890, "mixed": 1}},
    {"userId": "cleo", "traits": {"plan": " ＝cmd", "age": -3, "long": 1234567890123456, "mixed": "one"}},
    {"userId": "dan", "traits": {"user_id": "taken"}},
]


async def settle(house: House) -> None:
    app = house.app
    await app.define("trait", key="spent", expression="events.purchase.sum(amount, 30d)")
    await app.define("segment", key="all", rule=EVERYONE)
    for person in PEOPLE:
        assert (await app.write.post("/v1/identify", json=person)).status_code == 200
    await app.track(
        *(
            {
                "userId": "ada", "event": "purchase", "messageId": f"m{n}", "properties": {"amount": n + 0.5},
                "timestamp": iso(NOW - n * DAY_MS),
            }
            for n in range(5)
        )
    )  # fmt: skip


async def test_every_format_has_the_rows_of_the_database(house: House) -> None:
    await settle(house)
    asked: dict[str, Any] = {"what": "segment", "segment": "all", "traits": ["spent"]}
    job = await house.export(**asked, format="jsonl")
    assert (job["rows"], job["total"], job["share"], job["name"]) == (4, 4, 1, "all.jsonl")
    objects = [json.loads(line, parse_float=Decimal) for line in (await house.file(job)).splitlines()]
    assert [one["properties"] for one in objects] == json.loads(
        json.dumps([person["traits"] for person in PEOPLE]), parse_float=Decimal
    )
    assert [one["traits"] for one in objects] == [{"spent": Decimal("12.5")}, {"spent": 0}, {"spent": 0}, {"spent": 0}]
    assert json.loads(await house.file(await house.export(**asked, format="json")), parse_float=Decimal) == objects

    lines = list(csv.reader(io.StringIO((await house.file(await house.export(**asked))).decode(), newline="")))
    names = [
        "profile_id", "user_id", "anonymous_id", "entered_at", "first_seen", "last_seen", "age", "big", "long", "mixed",
        "plan", "score", "tags", "properties.user_id", "vip", "spent",
    ]  # fmt: skip
    assert lines[0] == names
    streamed = (await house.app.read.get("/v1/export/segment/all.csv?traits=spent")).text
    assert list(csv.reader(io.StringIO(streamed, newline=""))) == lines, "a stream and a job have one way of writing"
    assert [line[names.index("plan")] for line in lines[1:]] == ["pro", "'=1+1", "' ＝cmd", ""]

    expected = [
        [one.get(key) for key in ("profileId", "userId", "anonymousId", "enteredAt", "firstSeen", "lastSeen")]
        + [one["properties"].get(name.removeprefix("properties.")) for name in names[6:-1]]
        + [one["traits"]["spent"]]
        for one in objects
    ]

    def instant(text: str | None) -> datetime | None:
        return datetime.fromisoformat(text) if text is not None else None

    book = openpyxl.load_workbook(io.BytesIO(await house.file(await house.export(**asked, format="xlsx"))))
    head, *rows = book.active.iter_rows(values_only=True)
    assert list(head) == names
    for row, wanted in zip(rows, expected, strict=True):
        for name, cell, value in zip(names, row, wanted, strict=True):
            if name in ("entered_at", "first_seen", "last_seen"):
                assert cell == (instant(value).replace(tzinfo=None) if value else None)
            elif isinstance(value, list):
                assert json.loads(cell, parse_float=Decimal) == value
            elif isinstance(value, int | Decimal) and not isinstance(value, bool):
                exact = len(str(abs(value)).replace(".", "")) <= 15
                assert (Decimal(repr(cell)) if exact else Decimal(cell)) == value
            else:
                assert cell == value, name

    table = pyarrow.parquet.read_table(io.BytesIO(await house.file(await house.export(**asked, format="parquet"))))
    assert table.column_names == names
    types = {field.name: str(field.type) for field in table.schema}
    assert types["entered_at"] == "timestamp[ms, tz=UTC]"
    assert (types["age"], types["long"], types["big"], types["score"]) == ("double", "int64", "string", "double")
    assert (types["vip"], types["mixed"], types["tags"], types["spent"]) == ("bool", "string", "string", "double")
    for found, wanted in zip(table.to_pylist(), expected, strict=True):
        for name, value in zip(names, wanted, strict=True):
            cell = found[name]
            if name in ("entered_at", "first_seen", "last_seen"):
                assert cell == instant(value)
            elif types[name] == "string" and value is not None and not isinstance(value, str):
                assert json.loads(cell, parse_float=Decimal) == value
            else:
                assert cell is value is None or cell == (float(value) if isinstance(value, Decimal) else value)


async def test_profiles_and_events_are_exported_whole(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await settle(house)
    people = [
        json.loads(line)
        for line in (await house.file(await house.export(what="profiles", format="jsonl"))).splitlines()
    ]
    assert [one["userId"] for one in people] == ["ada", "bob", "cleo", "dan"]
    assert "enteredAt" not in people[0]

    asked = {"what": "events", "events": ["purchase"], "last": "3d"}
    job = await house.export(**asked, format="jsonl")
    events = [json.loads(line) for line in (await house.file(job)).splitlines()]
    assert [one["messageId"] for one in events] == ["m0", "m1", "m2", "m3"], "in the order of their arrival"
    assert events[1]["properties"] == {"amount": 1.5}
    assert (events[1]["profileId"], events[1]["identifier"]) == (people[0]["profileId"], "ada")
    span = {"from": iso(NOW - 4 * DAY_MS), "to": iso(NOW - 2 * DAY_MS)}
    lines = (await house.file(await house.export(what="events", **span))).decode().splitlines()
    assert lines[0].split(",")[-2:] == ["amount", "context"]
    assert len(lines) == 3, "from is in, to is not"

    monkeypatch.setattr("tinycdp.runtime.transfer.workbook.MOST_EXCEL_ROWS", 3)
    book = openpyxl.load_workbook(io.BytesIO(await house.file(await house.export(what="events", format="xlsx"))))
    sheets = [list(sheet.iter_rows(values_only=True)) for sheet in book]
    assert [len(rows) for rows in sheets] == [3, 3, 2], "a full sheet is followed by another"
    assert all(rows[0] == sheets[0][0] for rows in sheets)

    empty = {"what": "events", "events": ["never"]}
    assert await house.file(await house.export(**empty, format="json")) == b"[]\n"
    table = pyarrow.parquet.read_table(io.BytesIO(await house.file(await house.export(**empty, format="parquet"))))
    assert (table.num_rows, table.column_names[:2]) == (0, ["event_id", "event"])


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"what": "segment"}, "INVALID_REQUEST", "$.segment"),
    ({"what": "segment", "segment": "none"}, "NOT_FOUND", "none"),
    ({"what": "profiles", "segment": "all"}, "INVALID_REQUEST", "$.segment"),
    ({"what": "profiles", "traits": ["spend"]}, "NOT_FOUND", "spent"),
    ({"what": "profiles", "columns": ["plam"]}, "UNKNOWN_COLUMN", "plan"),
    ({"what": "events", "traits": ["spent"]}, "INVALID_REQUEST", "$.traits"),
    ({"what": "events", "from": "yesterday"}, "INVALID_REQUEST", "$.from"),
    ({"what": "events", "last": "7d", "to": "2026-01-01"}, "INVALID_REQUEST", "$.last"),
    ({"what": "events", "last": "a week"}, "INVALID_REQUEST", "$.last"),
    ({"what": "profiles", "raw": True, "format": "json"}, "INVALID_REQUEST", "$.raw"),
    ({"what": "profiles", "format": "pdf"}, "INVALID_BODY", "$.format"),
    ({"what": "profiles", "colums": []}, "INVALID_BODY", "colums"),
]


async def test_a_wrong_request_is_refused_at_once(house: House) -> None:
    await settle(house)
    for request, code, said in WRONG:
        answer = await house.app.read.post("/v1/exports", json=request)
        assert (answer.status_code, answer.json()["code"]) == (404 if code == "NOT_FOUND" else 400, code)
        assert said in answer.text
    assert (await house.app.write.post("/v1/exports", json={"what": "profiles"})).status_code == 403


async def test_writes_during_an_export_do_not_show(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file has what was there when its snapshot began, whatever is written while it is."""
    await settle(house)
    began, go_on = asyncio.Event(), asyncio.Event()
    count = export_running.open_rows

    async def slowly(*arguments: Any) -> Any:
        found = await count(*arguments)
        began.set()
        await go_on.wait()
        return found

    monkeypatch.setattr(export_running, "open_rows", slowly)
    jobs = [await house.start(what=what, format="jsonl") for what in ("profiles", "events")]
    for job, wanted in zip(jobs, (4, 5), strict=True):
        began.clear()
        go_on.clear()
        writing = asyncio.create_task(house.runs.write(house.app.environment_id, job["id"]))
        await began.wait()
        await house.app.track({"userId": f"late{job['id']}", "event": "late"})
        await house.app.write.post("/v1/identify", json={"userId": "ada", "traits": {"plan": f"late{job['id']}"}})
        go_on.set()
        await writing
        lines = (await house.file(await house.job(job["id"]))).splitlines()
        assert len(lines) == wanted + (job is jobs[1]), "an event came before the second snapshot"
        assert f"late{job['id']}".encode() not in b"".join(lines)


async def test_a_link_opens_the_file_and_nothing_else(house: House) -> None:
    await settle(house)
    app, job = house.app, await house.export(what="segment", segment="all")
    whole = await house.file(job)
    made = await app.read.post(f"/v1/exports/{job['id']}/link", json={"hours": 2})
    assert made.status_code == 201
    assert made.json()["until"] == iso(NOW + 2 * HOUR_MS)
    path = made.json()["url"].removeprefix("http://test")
    answer = await app.keyless.get(path)
    assert (answer.status_code, answer.content) == (200, whole)
    assert answer.headers["content-disposition"] == 'attachment; filename="all.csv"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["content-length"] == str(len(whole))

    tag = answer.headers["etag"]
    for asked, part in {
        "bytes=0-9": whole[:10],
        "bytes=10-": whole[10:],
        "bytes=-7": whole[-7:],
        "bytes=5-99999": whole[5:],
    }.items():
        answer = await app.keyless.get(path, headers={"Range": asked, "If-Range": tag})
        assert (answer.status_code, answer.content) == (206, part)
        first = whole.index(part)
        assert answer.headers["content-range"] == f"bytes {first}-{first + len(part) - 1}/{len(whole)}"
    for ignored in ({"Range": "bytes=0-1,4-5"}, {"Range": "lines=1-2"}, {"Range": "bytes=0-9", "If-Range": '"other"'}):
        answer = await app.keyless.get(path, headers=ignored)
        assert (answer.status_code, answer.content) == (200, whole)
    answer = await app.keyless.get(path, headers={"Range": f"bytes={len(whole)}-"})
    assert (answer.status_code, answer.json()["code"]) == (416, "RANGE_NOT_SATISFIABLE")

    # A link of one kind, of another key, or of another environment opens nothing.
    token = path.rpartition("/")[2]
    for wrong in (f"/v1/export/download/{token}", path[:-3], path + "A", "/v1/exports/download/x.y"):
        assert (await app.keyless.get(wrong)).status_code == 403
    assert (await app.stranger.get(f"/v1/exports/{job['id']}")).status_code == 404
    assert (await app.stranger.post(f"/v1/exports/{job['id']}/link", json={})).status_code == 404
    assert (await app.stranger.get(f"/v1/exports/{job['id']}/file")).status_code == 404
    assert (await app.write.get(f"/v1/exports/{job['id']}/file")).status_code == 403

    house.clock.now += 2 * HOUR_MS
    assert (await app.keyless.get(path)).json()["code"] == "INVALID_DOWNLOAD_LINK"
    # A link is never valid for longer than its file is kept.
    made = await app.read.post(f"/v1/exports/{job['id']}/link", json={"hours": 168})
    assert made.json()["until"] == job["expiresAt"] == iso(NOW + 7 * DAY_MS)


async def test_a_file_goes_when_it_expires_is_removed_or_a_profile_is_erased(house: House) -> None:
    await settle(house)
    app = house.app
    expiring, removed, erased = [await house.export(what="profiles") for _ in range(3)]
    assert len(house.files()) == 3
    assert (await app.write.delete(f"/v1/exports/{removed['id']}")).status_code == 403
    ended = (await app.read.delete(f"/v1/exports/{removed['id']}")).json()
    assert (ended["status"], ended["note"]) == ("removed", "Removed by bootstrap read.")
    answer = await app.read.get(f"/v1/exports/{removed['id']}/file")
    assert (answer.status_code, answer.json()["code"]) == (404, "EXPORT_FILE_GONE")
    await house.runs.tidy()
    assert len(house.files()) == 2
    # One that cannot be removed, here a folder in its place, keeps nothing else.
    stuck = house.folder / (await house.app.service.pool.fetchval("SELECT place FROM exports ORDER BY id LIMIT 1"))
    whole = stuck.read_bytes()
    stuck.unlink()
    stuck.mkdir()
    (house.folder / ".writing" / "no.folder").touch()

    house.clock.now += 7 * DAY_MS
    assert (await app.read.get(f"/v1/exports/{expiring['id']}/file")).status_code == 404, "before it is tidied up, too"
    fresh = await house.export(what="profiles")
    with pytest.raises(StorageFailed, match="could not be removed"):
        await house.runs.tidy()
    (left,) = (name for name in house.files() if name.startswith("prod/"))
    assert left.endswith(f"-{fresh['id']}.csv")
    stuck.rmdir()
    stuck.write_bytes(whole)
    (house.folder / ".writing" / "no.folder").unlink()
    await house.runs.tidy()
    assert house.files() == [
        f"prod/profiles-{fresh['createdAt'][:16].replace('-', '').replace(':', '')}Z-{fresh['id']}.csv"
    ]
    assert [(await house.job(one["id"]))["note"] for one in (expiring, erased)] == ["It expired."] * 2

    answer = await app.admin.delete("/v1/admin/profiles/userId:ada")
    assert answer.status_code == 200, answer.text
    answer = await app.read.get(f"/v1/exports/{fresh['id']}/file")
    assert (answer.status_code, answer.json()["code"]) == (404, "EXPORT_FILE_GONE"), "before it is tidied up, too"
    await house.runs.tidy()
    assert house.files() == []
    assert (await house.job(fresh["id"]))["note"] == "A profile was erased after it was written."
    again = await house.export(what="profiles")
    await house.runs.tidy()
    assert await house.file(again), "what is written after an erasure stays"

    listed = (await app.read.get("/v1/exports?limit=2")).json()
    assert [one["id"] for one in listed["exports"]] == [again["id"], fresh["id"]]
    following = (await app.read.get(f"/v1/exports?before={listed['next']}")).json()
    assert [one["id"] for one in following["exports"]] == [erased["id"], removed["id"], expiring["id"]]
    log = (await app.admin.get("/v1/admin/audit?kind=export")).json()["entries"]
    assert [(one["action"], one["author"]) for one in log if one["id"] == str(removed["id"])] == [
        ("removed", "bootstrap read"), ("started", "bootstrap read"),
    ]  # fmt: skip
    house.clock.now += 200 * DAY_MS
    await house.runs.tidy()  # its file goes, and then what is said of it
    await house.runs.tidy()
    assert (await app.read.get("/v1/exports")).json() == {"exports": [], "next": None}


async def test_an_export_is_cancelled_while_it_waits_and_while_it_runs(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await settle(house)
    waiting = await house.start(what="profiles")
    other = await house.app.admin.post("/v1/exports", json={"what": "profiles"})
    refused = await house.app.read.delete(f"/v1/exports/{other.json()['id']}")
    assert (refused.status_code, refused.json()["code"]) == (403, "MISSING_SCOPE")
    assert (await house.app.read.delete(f"/v1/exports/{waiting['id']}")).json()["status"] == "canceled"
    assert not await house.runs.write(house.app.environment_id, waiting["id"])

    keep = Folder.keep
    for n in range(2):
        job = await house.start(what="profiles")

        async def cancel(id: int = job["id"]) -> None:
            await house.app.read.delete(f"/v1/exports/{id}")

        async def and_keep(
            storage: Folder, path: Path, place: str, cancel: Callable[[], Awaitable[None]] = cancel
        ) -> None:
            await cancel()
            await keep(storage, path, place)

        with monkeypatch.context() as patched:
            if n:  # in its last moment, when the file is written
                patched.setattr(Folder, "keep", and_keep)
            else:
                patched.setattr(export_running, "_ADVANCE_SECONDS", 0.0)
                patched.setattr(
                    export_running, "check_number_of", lambda _, cancel=cancel: asyncio.ensure_future(cancel())
                )
            await house.runs.write(house.app.environment_id, job["id"])
        assert (await house.job(job["id"]))["status"] == "canceled"
        assert house.files() == []


async def test_what_attempts_leave_is_removed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bucket's answer is lost, and processes end, between the file and the row that says it is there."""
    await house.app.track({"userId": "ada", "event": "go"})
    lost, again, ended = [await house.start(what="profiles") for _ in range(3)]
    keep = Folder.keep
    for job, end in (
        (lost, StorageFailed("no answer")),
        (again, asyncio.CancelledError()),
        (ended, asyncio.CancelledError()),
    ):

        async def and_end(storage: Folder, path: Path, place: str, end: BaseException = end) -> None:
            await keep(storage, path, place)
            raise end

        with monkeypatch.context() as patched, contextlib.suppress(asyncio.CancelledError):
            patched.setattr(Folder, "keep", and_end)
            await house.runs.write(house.app.environment_id, job["id"])
    assert [(await house.job(job["id"]))["status"] for job in (lost, again, ended)] == ["failed", "running", "running"]
    assert len(house.files()) == 3
    await house.app.read.delete(f"/v1/exports/{ended['id']}")
    # The locks of the processes that ended are released within moments.
    await eventually(lambda: house.runs.write(house.app.environment_id, again["id"]))
    await house.file(await house.job(again["id"]))

    async def is_tidy() -> bool:
        await house.runs.tidy()
        return len(house.files()) == 1

    await eventually(is_tidy)
    assert house.files()[0].endswith(f"-{again['id']}-2.csv"), "no attempt replaces the file of another one"


async def test_no_environment_waits_for_the_queue_of_another(house: House) -> None:
    for client in (house.app.read, house.app.read, house.app.stranger):
        assert (await client.post("/v1/exports", json={"what": "profiles"})).status_code == 202
    await house.runs.look()
    started = {environment for environment, _ in house.runs._running}
    await asyncio.gather(*house.runs._running.values())
    assert len(started) == 2


async def test_what_goes_wrong_is_said_with_a_code(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await settle(house)
    job = await house.start(what="segment", segment="all")
    await house.app.admin.delete("/v1/admin/segments/all")
    await house.app.backfill()
    await house.runs.write(house.app.environment_id, job["id"])
    failed = await house.job(job["id"])
    assert (failed["status"], failed["error"]["code"]) == ("failed", "NOT_FOUND")
    assert (await house.app.read.get(f"/v1/exports/{job['id']}/file")).json()["code"] == "EXPORT_NOT_DONE"

    house.folder.mkdir(exist_ok=True)
    (house.folder / "prod").write_text("no folder")
    failed = await house.export(what="profiles")
    assert (failed["status"], failed["error"]["code"]) == ("failed", "EXPORT_STORAGE_FAILED")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for written, request in ((writers.Spool, {}), (writers._TextFile, {"columns": ["plan"]})):
        with monkeypatch.context() as patched:
            patched.setattr(written, "write", full)
            failed = await house.export(what="profiles", **request)
        assert failed["error"]["code"] == "EXPORT_STORAGE_FAILED", "a full disk is no database that is away"
        assert "No space left" in failed["error"]["message"]

    with monkeypatch.context() as patched:
        patched.setattr("tinycdp.runtime.transfer.rows.MOST_COLUMNS", 2)
        failed = await house.export(what="profiles")
    assert failed["error"]["code"] == "TOO_MANY_COLUMNS"
    (house.folder / "prod").unlink()
    assert (await house.export(what="profiles", columns=["plan"]))["status"] == "done"


async def test_what_the_database_cannot_do_now_is_done_later(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await settle(house)
    job = await house.start(what="profiles", columns=["plan"])

    async def trouble(*_: Any) -> None:
        raise Unavailable(code, "Later.")

    with monkeypatch.context() as patched:
        patched.setattr(export_running, "open_rows", trouble)
        for code in ("DATABASE_AWAY", "DATABASE_BUSY", "DATABASE_FULL"):
            for _ in range(export_running.MOST_ATTEMPTS):
                with pytest.raises(Unavailable) as later:
                    await house.runs.write(house.app.environment_id, job["id"])
                assert later.value.code == code
            assert (await house.job(job["id"]))["status"] == "running"
    await house.runs.write(house.app.environment_id, job["id"])
    assert (await house.job(job["id"]))["status"] == "done"


@pytest.mark.parametrize(
    ("expression", "forward", "back"),
    [
        ("30 2 * * *", ["03:00+02:00"], ["02:30+02:00"]),
        ("*/30 2 * * *", ["03:00+02:00"], ["02:00+02:00", "02:30+02:00"]),
        ("0 */2 * * *", ["00:00+01:00", "03:00+02:00", "04:00+02:00"], ["00:00+02:00", "02:00+02:00", "04:00+01:00"]),
        ("30 0-23 * * *", ["00:30+01:00", "01:30+01:00", "03:30+02:00", "04:30+02:00"],
         ["00:30+02:00", "01:30+02:00", "02:30+02:00", "02:30+01:00", "03:30+01:00", "04:30+01:00"]),
    ],
)  # fmt: skip
def test_a_schedule_keeps_to_the_clock_when_clocks_change(expression: str, forward: list[str], back: list[str]) -> None:
    """In Berlin there is no 02:30 on 29 March 2026, and two of them on 25 October."""
    berlin = ZoneInfo("Europe/Berlin")
    for day, expected in (("2026-03-29", forward), ("2026-10-25", back)):
        at = int(datetime.fromisoformat(day).replace(tzinfo=berlin).timestamp() * 1000) - 1
        found = []
        while (following := cron.next_run(expression, "Europe/Berlin", at)) is not None:
            at, local = following, datetime.fromtimestamp(following // 1000, berlin)
            if local.hour > 4 or not local.isoformat().startswith(day):
                break
            found.append(local.isoformat(timespec="minutes").removeprefix(f"{day}T"))
        assert found == expected


async def test_a_schedule_runs_on_time_in_its_zone_and_once_for_what_was_missed(dsn: str, tmp_path: Path) -> None:
    """Berlin's clocks go forward on 28 March 2027 at 02:00, which is 01:00 UTC."""

    def at(text: str) -> int:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000

    clock = ManualClock(at("2027-03-27T00:00"))
    async with running(dsn, clock, data_dir=tmp_path, zone="Europe/Berlin") as app:
        house = House(app, dsn, clock, tmp_path)
        document = {"cron": "30 2 * * *", "what": "profiles", "format": "jsonl"}
        answer = await app.admin.put("/v1/exports/schedules/nightly", json=document)
        assert answer.status_code == 201, answer.text
        assert (answer.json()["zone"], answer.json()["nextAt"]) == ("Europe/Berlin", "2027-03-27T01:30:00.000Z")

        async def due() -> list[str]:
            await house.runs.queue_due()
            await house.runs.look()
            await asyncio.gather(*house.runs._running.values())
            shown = (await app.read.get("/v1/exports/schedules/nightly")).json()
            listed = (await app.read.get("/v1/exports")).json()["exports"]
            assert all((one["schedule"], one["status"]) == ("nightly", "done") for one in listed)
            assert shown["last"] == (listed[0] if listed else None)
            return [str(len(listed)), shown["nextAt"][:16]]

        assert await due() == ["0", "2027-03-27T01:30"]
        clock.now = at("2027-03-27T01:30")
        # On the 28th there is no 02:30 in Berlin: it runs at 03:00, which is 01:00 UTC.
        assert await due() == ["1", "2027-03-28T01:00"]
        assert await due() == ["1", "2027-03-28T01:00"]
        clock.now = at("2027-03-28T01:00")
        assert await due() == ["2", "2027-03-29T00:30"]
        # A server that was away for a week runs it once.
        clock.now = at("2027-04-05T12:00")
        assert await due() == ["3", "2027-04-06T00:30"]
        # Two workers that find it due queue one export.
        clock.now = at("2027-04-06T00:31")
        await asyncio.gather(house.runs.queue_due(), house.runs.queue_due())
        assert await due() == ["4", "2027-04-07T00:30"]

        # The names it has follow what they name, and what it names is not deleted.
        await app.define("segment", key="all", rule=EVERYONE)
        changed = {**document, "what": "segment", "segment": "all", "format": "csv"}
        assert (await app.admin.put("/v1/exports/schedules/nightly", json=changed)).status_code == 200
        assert (await app.admin.delete("/v1/admin/segments/all")).json()["code"] == "REFERENCED"
        assert (await app.admin.post("/v1/admin/segments/all/rename", json={"key": "everyone"})).status_code == 200
        shown = (await app.read.get("/v1/exports/schedules/nightly")).json()
        assert shown["document"]["segment"] == "everyone"
        for wrong, said in {"30 2 * *": "five fields", "61 2 * * *": "minute", "0 0 31 2 *": "day"}.items():
            answer = await app.admin.put("/v1/exports/schedules/x", json={**document, "cron": wrong})
            assert (answer.status_code, said in answer.text) == (400, True), answer.text
        paused = await app.admin.put("/v1/exports/schedules/nightly", json={**document, "paused": True})
        assert paused.json()["nextAt"] is None
        clock.now += 30 * DAY_MS
        await house.runs.queue_due()
        resumed = await app.admin.put("/v1/exports/schedules/nightly", json=document)
        assert resumed.json()["nextAt"] > iso(clock()), "what was due while it was paused is left out"
        assert (await app.read.put("/v1/exports/schedules/nightly", json=document)).status_code == 403
        assert (await app.admin.delete("/v1/exports/schedules/nightly")).status_code == 200
        clock.now += 3 * DAY_MS + MINUTE_MS
        await house.runs.queue_due()
        listed = (await app.read.get("/v1/exports")).json()["exports"]
        assert len(listed) == 4, "the exports of a deleted schedule stay"
