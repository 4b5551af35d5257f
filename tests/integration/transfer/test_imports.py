"""History from files: the same as if it had been sent live, however often it is begun."""

import asyncio
import csv
import gzip
import io
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from application import KEYS, Application, running
from serving import PATIENCE_SECONDS, eventually, until
from tinycdp.api.ingest.adapters.history import PARSE
from tinycdp.cli.main import main
from tinycdp.errors import InvalidInput
from tinycdp.runtime.transfer import import_reports, imports
from tinycdp.runtime.transfer.import_files import FileMapping, ImportFile, form_of
from tinycdp.runtime.transfer.imports import Importer, ImportProgress
from tinycdp.store.database.pool import connect


@pytest.fixture
async def app(dsn: str, tmp_path: Path) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        application.service.imports.folder = tmp_path / "imports"
        yield application


async def imported(app: Application, path: Path, **mapping: Any) -> ImportProgress:
    service = app.service
    importer = Importer(service.pool, service.ingest, service.pipeline, service.now, PARSE)
    source = ImportFile(path, form_of(path), FileMapping(**mapping))
    return await importer.run(app.environment_id, source, "test")


async def properties(app: Application, user: str) -> dict[str, Any]:
    found: dict[str, Any] = (await app.admin.get(f"/v1/profiles/{user}")).json()["properties"]
    return found


async def events_of(app: Application, user: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await app.admin.get(f"/v1/journeys/{user}?limit=200")).json()["events"]
    return found


def counts(progress: ImportProgress) -> tuple[str, int, int, int, int]:
    return progress.status, progress.rows, progress.accepted, progress.duplicates, progress.rejected


LINES = [
    {"type": "identify", "userId": "ada", "anonymousId": "b-1", "traits": {"plan": "pro"}, "timestamp": "2026-01-01"},
    {
        "type": "track", "userId": "ada", "event": "buy", "properties": {"amount": 1.10}, "messageId": "m-1",
        "originalTimestamp": "2020-01-01T00:00:00Z", "sentAt": "2020-01-01T00:00:01Z",
        "timestamp": "2026-01-02T00:00:00Z",
    },
    {"type": "track", "anonymousId": "b-1", "event": "buy", "timestamp": 1767571200},
]  # fmt: skip


async def test_json_lines_once_however_often(app: Application, tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    good = [json.dumps(line) for line in LINES]
    path.write_text(
        "\n".join(["\ufeff" + good[0], "", "{broken", *good[1:], '{"type": "track", "userId": "ada"}', "7"])
    )
    assert counts(await imported(app, path)) == ("done", 6, 3, 0, 3)
    events = await events_of(app, "b-1")
    assert [event["timestamp"][:10] for event in events] == ["2026-01-05", "2026-01-02", "2026-01-01"]
    assert await properties(app, "ada") == {"plan": "pro"}
    rejections = (await app.admin.get("/v1/admin/rejections")).json()["rejections"]
    assert {r["message"].partition(":")[0]: r["code"] for r in rejections} == {
        "line 3": "INVALID_JSON",
        "line 6": "INVALID_EVENT_NAME",
        "line 7": "INVALID_EVENT",
    }
    again = await imported(app, path)
    assert counts(again) == ("done", 6, 3, 0, 3)
    # The same rows in another file: those without an id of their own are distinguished by the file they stand in.
    other = tmp_path / "other.jsonl.gz"
    other.write_bytes(gzip.compress(path.read_bytes() + b"\n\n"))
    assert counts(await imported(app, other)) == ("done", 6, 2, 1, 3)


@pytest.mark.parametrize("name", ["history.csv", "history.jsonl"])
async def test_a_compressed_copy_is_the_same_file(app: Application, tmp_path: Path, name: str) -> None:
    """Rows without a message id get one from the content, not from how it is packed or named."""
    text = "userId,event\nada,buy\nada,buy\n"
    if name.endswith("jsonl"):
        text = "".join(json.dumps({"type": "track", "userId": "ada", "event": "buy", "n": n}) + "\n" for n in (1, 2))
    plain, packed = tmp_path / name, tmp_path / f"renamed-{name}.gz"
    plain.write_text(text)
    packed.write_bytes(gzip.compress(text.encode()))
    assert counts(await imported(app, plain)) == ("done", 2, 2, 0, 0)
    assert counts(await imported(app, packed)) == ("done", 2, 2, 0, 0)  # the same import, which is done
    assert len(await events_of(app, "ada")) == 2


async def test_an_import_goes_by_the_policies_of_names_and_validation(app: Application, tmp_path: Path) -> None:
    naming = {"events": "snake_case", "rewrite": True, "aliases": {"signpu": "signup"}}
    assert (await app.admin.put("/v1/admin/policies/naming", json=naming)).status_code == 200
    validation = {"required": [{"path": "properties.plan", "action": "reject"}]}
    assert (await app.admin.put("/v1/admin/policies/validation", json=validation)).status_code == 200
    path = tmp_path / "old.jsonl"
    rows = [
        {"type": "track", "userId": "ada", "event": name, "properties": {"plan": "pro"}, "messageId": name}
        for name in ("signpu", "Order Placed")
    ] + [{"type": "track", "userId": "ada", "event": "open", "messageId": "open"}]
    path.write_text("\n".join(map(json.dumps, rows)))
    assert counts(await imported(app, path)) == ("done", 3, 2, 0, 1)
    assert {event["event"] for event in await events_of(app, "ada")} == {"signup", "order_placed"}


async def test_tables_of_events_and_of_people(app: Application, tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(
        'customer,when,total,zip,note,user.vip\r\n7,2026-01-01T10:00:00Z,19.90,01234,"two\r\nlines",true\r\n'
        "8,,5,,,\r\n9,1,2,3,4,5,6\r\n"
    )
    done = await imported(
        app,
        path,
        columns={"userId": "customer", "timestamp": "when", "context.vip": "user.vip"},
        fixed={"event": "order", "properties.source": "shop"},
        text=("zip",),
    )
    assert counts(done) == ("done", 3, 2, 0, 1)
    [event] = await events_of(app, "7")
    assert event["properties"] == {"total": 19.90, "zip": "01234", "note": "two\r\nlines", "source": "shop"}
    assert (event["context"], event["timestamp"]) == ({"vip": True}, "2026-01-01T10:00:00.000Z")
    assert (await events_of(app, "8"))[0]["properties"] == {"total": 5, "source": "shop"}

    people = tmp_path / "people.csv"
    people.write_text("User ID,plan,age\n7,pro,41\n10,free,007\n")
    assert counts(await imported(app, people)) == ("done", 2, 2, 0, 0)
    assert await properties(app, "7") == {"plan": "pro", "age": 41}
    assert await properties(app, "10") == {"plan": "free", "age": "007"}


async def test_parquet(app: Application, tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow.parquet import write_table

    path = tmp_path / "orders.parquet"
    columns = {
        "user_id": [1, 2],
        "event": ["order", "order"],
        "timestamp": pa.array([1767571200000, 1767571200001], pa.timestamp("ms", "UTC")),
        "total": [0.1, float("nan")],
        "items": [[{"sku": "a"}], []],
    }
    write_table(pa.table(columns), path, row_group_size=1)
    assert counts(await imported(app, path)) == ("done", 2, 2, 0, 0)
    [event] = await events_of(app, "1")
    assert event["properties"] == {"total": 0.1, "items": [{"sku": "a"}]}
    assert event["timestamp"] == "2026-01-05T00:00:00.000Z"
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 nothing")
    with pytest.raises(InvalidInput) as failure:
        await imported(app, broken)
    assert failure.value.code == "FILE_MALFORMED"


async def test_our_own_exports_come_back(app: Application, tmp_path: Path) -> None:
    await app.write.post("/v1/batch", json={"batch": LINES})
    await app.define("segment", key="everyone", rule="true")
    members = await app.read.get("/v1/export/segment/everyone.jsonl")
    held = (await app.admin.get("/v1/admin/profiles/ada/export")).json()
    assert (await app.admin.delete("/v1/admin/profiles/ada")).status_code == 200

    path = tmp_path / "members.jsonl"
    path.write_bytes(members.content)
    assert counts(await imported(app, path)) == ("done", 1, 1, 0, 0)
    assert await properties(app, "ada") == {"plan": "pro"}

    events = tmp_path / "events.jsonl"
    # Erased messages are known for repetitions: these come under ids of their own.
    events.write_text("\n".join(json.dumps({**event, "messageId": f"x{n}"}) for n, event in enumerate(held["events"])))
    assert counts(await imported(app, events)) == ("done", 3, 3, 0, 0)
    assert len(await events_of(app, "b-1")) == 4


async def test_what_was_killed_goes_on(app: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is killed at its third part: asked later, a quick machine would have it done, or a busy one look too late."""
    monkeypatch.setattr(imports, "PART", 200)
    path = tmp_path / "long.jsonl"
    path.write_text("\n".join(json.dumps({"userId": f"u-{n % 50}", "event": "a"}) for n in range(2_400)))
    service = app.service
    importer = Importer(service.pool, service.ingest, service.pipeline, service.now, PARSE)
    source = ImportFile(path, "jsonl")
    seen: list[ImportProgress] = []

    def advanced(progress: ImportProgress) -> None:
        seen.append(progress)
        if len(seen) == 3:
            first.cancel()

    first = asyncio.create_task(importer.run(app.environment_id, source, "test", advanced))
    with pytest.raises(asyncio.CancelledError):
        await first
    half = (await app.admin.get(f"/v1/admin/imports/{seen[0].id}")).json()
    assert (half["status"], half["rows"]) == ("interrupted", 600)
    done = await importer.run(app.environment_id, source, "test")
    assert (done.status, done.rows, done.accepted + done.duplicates) == ("done", 2_400, 2_400)
    async with service.pool.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM events") == 2_400


async def test_over_http(app: Application) -> None:
    rows = io.StringIO()
    writer = csv.writer(rows)
    writer.writerow(["user_id", "event", "amount"])
    writer.writerows([f"u-{n}", "buy", n] for n in range(1_000))
    answer = await app.admin.post("/v1/admin/imports?name=orders.csv", content=rows.getvalue())
    assert answer.status_code == 202, answer.text
    id = answer.json()["id"]

    async def done() -> Any:
        found = (await app.admin.get(f"/v1/admin/imports/{id}")).json()
        return found if found["status"] == "done" else None

    found = await eventually(done)
    assert (found["rows"], found["accepted"], found["share"]) == (1_000, 1_000, 1.0)
    assert [entry["id"] for entry in (await app.admin.get("/v1/admin/imports")).json()["imports"]] == [id]
    again = await app.admin.post("/v1/admin/imports?name=orders-2.csv", content=rows.getvalue())
    assert (again.json()["id"], again.json()["status"]) == (id, "done")
    assert (await app.stranger.get(f"/v1/admin/imports/{id}")).status_code == 404
    assert not list(app.service.imports.folder.iterdir())


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("name=x.txt", "FILE_MALFORMED"),
        ("name=x.csv&mapping=%7B", "INVALID_MAPPING"),
        ("name=x.csv&mapping=%7B%22columns%22:%7B%22who%22:%22x%22%7D%7D", "INVALID_MAPPING"),
        ("name=none.csv&stored=true", "IMPORT_NOT_FOUND"),
        ("name=..%2Fkey.csv&stored=true", "IMPORT_NOT_FOUND"),
    ],
)
async def test_what_cannot_be_begun(app: Application, query: str, code: str) -> None:
    body = b"" if "stored=true" in query else b"a\n1\n"
    assert (await app.admin.post(f"/v1/admin/imports?{query}", content=body)).json()["code"] == code


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ("{", "`mapping` is a JSON object: "),
        ("[]", "`mapping`, $: expected an object; found an empty list."),
        (
            '{"column": {}}',
            "`mapping`, $.column: unknown field. Did you mean `columns`? Valid are: columns, fixed, text.",
        ),
        ('{"columns": ["userId"]}', "`mapping`, $.columns: expected an object; found a list of 1."),
        ('{"columns": {"userId": 1}}', "`mapping`, $.columns.userId: expected a string; found the number 1."),
        ('{"text": "zip"}', '`mapping`, $.text: expected a list; found the string "zip".'),
        ('{"columns": {"userID": "a"}}', "Unknown field 'userID'. Did you mean 'userId'? Fields are type, "),
        ('{"columns": {"userId": "b"}}', "Unknown column 'b'."),
    ],
)
async def test_a_wrong_mapping_says_what_where_and_what_instead(app: Application, mapping: str, message: str) -> None:
    answer = await app.admin.post("/v1/admin/imports", params={"name": "x.csv", "mapping": mapping}, content=b"a\n1\n")
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_MAPPING")
    assert answer.json()["message"].startswith(message)


async def test_policies_hold_for_files_too(app: Application, tmp_path: Path) -> None:
    await app.admin.put("/v1/admin/policies/privacy", json={"rules": [{"path": "**.mail", "action": "drop"}]})
    path = tmp_path / "x.jsonl"
    lines = [
        {"userId": "u", "event": "a", "properties": {"mail": "m@x"}},
        {"event": "a", "properties": {"mail": "m@x"}},
    ]
    path.write_text("\n".join(map(json.dumps, lines)))
    assert counts(await imported(app, path)) == ("done", 2, 1, 0, 1)
    assert (await events_of(app, "u"))[0]["properties"] == {}
    assert "m@x" not in (await app.admin.get("/v1/admin/rejections")).text


async def test_the_report_has_every_rejected_row_and_nothing_that_a_rule_hides(
    app: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.service.imports.folder = tmp_path
    await app.admin.put("/v1/admin/policies/privacy", json={"rules": [{"path": "**.mail", "action": "drop"}]})
    rules = [{"path": "properties.plan", "calls": ["track"], "action": "reject"}]
    await app.admin.put("/v1/admin/policies/validation", json={"required": rules})
    lines = [json.dumps({"event": "a", "properties": {"mail": "m@x"}}) for _ in range(2_500)]
    lines[7] = json.dumps({"userId": "u", "event": "a", "messageId": "no-plan", "properties": {"mail": "m@x"}})
    lines[9] = json.dumps({"userId": "u", "event": "a", "properties": {"plan": "pro"}})

    async def sent(content: str) -> str:
        begun = await app.admin.post("/v1/admin/imports", params={"name": "x.jsonl"}, content=content)
        id: str = begun.json()["id"]

        async def done() -> bool:
            return bool((await app.admin.get(f"/v1/admin/imports/{id}")).json()["status"] == "done")

        assert await eventually(done)
        return id

    id = await sent("\n".join(lines))
    path = f"/v1/admin/imports/{id}/report"
    answer = await app.admin.get(path)
    found = [json.loads(line) for line in answer.text.splitlines()]
    assert answer.headers["content-type"].startswith("application/jsonl")
    assert sorted(one["line"] for one in found if one["line"]) == [n for n in range(1, 2_501) if n not in {8, 10}]
    (unread,) = [one for one in found if one["line"] is None]
    assert unread["code"] == "FIELD_REQUIRED" and "no-plan" in unread["message"]
    assert "m@x" not in answer.text
    assert await sent("\n".join(lines)) == id, "a file that was done is not done again"
    assert (await app.admin.get(path)).text == answer.text
    assert (await app.stranger.get(path)).json()["code"] == "IMPORT_NOT_FOUND"

    import_reports.remove_old(tmp_path, app.service.now() + import_reports.KEPT_MS - 60_000)
    assert (await app.admin.get(path)).status_code == 200
    import_reports.remove_old(tmp_path, app.service.now() + import_reports.KEPT_MS + 60_000)
    gone = await app.admin.get(path)
    assert (gone.status_code, gone.json()["code"]) == (404, "REPORT_NOT_FOUND")
    clean = await sent(lines[9])
    assert (await app.admin.get(f"/v1/admin/imports/{clean}/report")).text == ""

    monkeypatch.setattr(import_reports, "MOST_BYTES", 1_000)
    full = await sent("\n".join(json.dumps({"event": f"b{n}"}) for n in range(5_000)))
    *_, last = (await app.admin.get(f"/v1/admin/imports/{full}/report")).text.splitlines()
    assert json.loads(last)["code"] == "REPORT_FULL"


async def test_the_command(
    app: Application, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, report = tmp_path / "x.csv", tmp_path / "report.jsonl"
    path.write_text("who,event\nu-1,a\n,a\n")
    monkeypatch.setenv("DATABASE_URL", dsn)
    monkeypatch.setenv("TINYCDP_BOOTSTRAP_ADMIN_KEY", KEYS["admin"])
    argv = ["import", str(path), "--map", "userId=who", "--report", str(report)]
    assert await asyncio.to_thread(_command, argv) == 0
    assert "x.csv: 2 rows, 1 stored, 0 duplicates, 1 rejected" in capsys.readouterr().out
    assert [json.loads(line)["line"] for line in report.read_text().splitlines()] == [3]
    assert await asyncio.to_thread(_command, ["suppress", "userId:u-2", "--environment", "prod"]) == 0
    assert await asyncio.to_thread(_command, ["forget", "u-1", "--note", "test"]) == 0
    assert '"profiles": 1' in capsys.readouterr().out
    assert (await app.admin.get("/v1/profiles/u-1")).status_code == 404


async def test_the_command_says_that_the_import_was_stopped(
    app: Application, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join(json.dumps({"userId": f"u-{n % 50}", "event": "a"}) for n in range(60_000)))
    monkeypatch.setenv("DATABASE_URL", dsn)
    command = asyncio.create_task(asyncio.to_thread(_command, ["import", str(path)]))

    async def begun() -> Any:
        found = (await app.admin.get("/v1/admin/imports")).json()["imports"]
        return found[0]["id"] if found and found[0]["rows"] else None

    stopped = await app.admin.delete(f"/v1/admin/imports/{await eventually(begun)}")
    assert stopped.json()["status"] == "failed"
    assert await command == 1
    assert "x.jsonl: Stopped by bootstrap admin." in capsys.readouterr().err


def _command(argv: list[str]) -> int:
    import signal

    before, signal.signal = signal.signal, lambda *_: None  # only the main thread may listen to signals
    try:
        return main(argv)
    finally:
        signal.signal = before


def test_a_command_that_is_killed_goes_on(dsn: str, tmp_path: Path) -> None:
    """kill -9 in the middle, as often as it takes: in the end each row is stored once."""
    path = tmp_path / "long.jsonl"
    path.write_text("\n".join(json.dumps({"userId": f"u-{n % 99}", "event": "a"}) for n in range(30_000)))
    argv = [sys.executable, "-m", "tinycdp", "import", str(path)]
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("TINYCDP_", "DATABASE_"))}
    environ["DATABASE_URL"] = dsn
    subprocess.run([*argv[:3], "migrate"], env=environ, check=True, capture_output=True, timeout=PATIENCE_SECONDS)

    def rows() -> int:
        return asyncio.run(_rows(dsn))

    for part in (1, 2):
        run = subprocess.Popen(argv, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda part=part: rows() > part * 4_000)
        run.kill()
        run.wait()
        assert rows() < 30_000
    done = subprocess.run(argv, env=environ, check=True, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert "30,000 rows" in done.stdout
    assert rows() == 30_000


async def _rows(dsn: str) -> int:
    connection = await connect(dsn)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM events"))
    finally:
        await connection.close()
