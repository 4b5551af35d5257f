"""A look at a file before its import: what it says of the rows is what the import then does, and nothing is stored."""

import gzip
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from application import Application, running
from serving import eventually
from tinycdp.api.ingest.adapters.history import field_of, guess_mapping

TABLE = (
    "customer_id,created_at,event_name,amount,zip\n"
    "ada,2026-01-01T10:00:00Z,purchase,19.99,01234\n"
    ",2026-01-02T10:00:00Z,purchase,5,01234\n"
    "bob,yesterday,purchase,5,01234\n"
)


@pytest.fixture
async def app(dsn: str, tmp_path: Path) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        application.service.imports.folder = tmp_path / "imports"
        yield application


async def inspected(app: Application, name: str, content: bytes | str = b"", **query: Any) -> dict[str, Any]:
    answer = await app.admin.post("/v1/admin/imports/inspect", params={"name": name, **query}, content=content)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def imported(app: Application, name: str, content: str, **query: Any) -> dict[str, Any]:
    begun = await app.admin.post("/v1/admin/imports", params={"name": name, **query}, content=content)
    assert begun.status_code == 202, begun.text

    async def ended() -> dict[str, Any] | None:
        progress: dict[str, Any] = (await app.admin.get(f"/v1/admin/imports/{begun.json()['id']}")).json()
        return progress if progress["status"] == "done" else None

    return await eventually(ended)


async def test_it_says_what_the_import_then_does(app: Application) -> None:
    found = await inspected(app, "orders.csv", TABLE)
    assert found["mapping"]["columns"] == {"userId": "customer_id", "timestamp": "created_at", "event": "event_name"}
    assert {one["name"]: one["field"] for one in found["columns"]} == {
        "customer_id": "userId",
        "created_at": "timestamp",
        "event_name": "event",
        "amount": None,
        "zip": None,
    }
    ada, unnamed, bob = found["rows"]
    assert ada["cells"]["zip"] == "01234" and ada["message"]["userId"] == "ada"
    assert ada["message"]["properties"] == {"amount": 19.99, "zip": "01234"}
    assert ada["message"]["timestamp"] == "2026-01-01T10:00:00.000Z"
    assert (unnamed["message"], unnamed["code"]) == (None, "MISSING_IDENTIFIER")
    assert (bob["message"], bob["line"]) == (None, 4) and "yesterday" not in (bob["code"] or "")
    assert (found["read"], found["rejected"], found["complete"], found["problem"]) == (3, 2, True, None)
    assert await app.service.pool.fetchval("SELECT count(*) FROM events") == 0
    assert os.listdir(app.service.imports.folder) == []

    done = await imported(app, "orders.csv", TABLE, mapping=json.dumps(found["mapping"]))
    assert (done["accepted"], done["rejected"]) == (1, 2)
    report = await app.admin.get(f"/v1/admin/imports/{done['id']}/report")
    reported = [(row["line"], row["code"]) for row in map(json.loads, report.text.splitlines())]
    assert reported == [(row["line"], row["code"]) for row in (unnamed, bob)]


async def test_a_mapping_changes_what_it_says(app: Application) -> None:
    mapping = {"columns": {"externalId": "zip"}, "fixed": {"event": "order"}, "text": ["amount"]}
    found = await inspected(app, "orders.csv", TABLE, mapping=json.dumps(mapping))
    assert found["mapping"] == mapping
    assert found["rows"][0]["message"]["properties"]["amount"] == "19.99"
    assert {row["message"]["event"] for row in found["rows"]} == {"order"}
    without = await inspected(app, "orders.csv", TABLE, mapping=json.dumps({"fixed": {"event": "order"}}))
    assert without["problem"].startswith("Map a column to one of")
    assert {row["code"] for row in without["rows"]} == {"MISSING_IDENTIFIER"}
    wrong = {"columns": {"userId": "customer_id", "timestamp": "nosuch"}, "fixed": {"event": "order"}}
    refused_whole = await inspected(app, "orders.csv", TABLE, mapping=json.dumps(wrong))
    assert refused_whole["problem"].startswith("Unknown column 'nosuch'.")
    assert [row["message"] for row in refused_whole["rows"]] == [None] * 3
    assert refused_whole["rejected"] == refused_whole["read"] == 3
    ada = refused_whole["rows"][0]
    assert (ada["code"], ada["why"]) == ("INVALID_MAPPING", refused_whole["problem"])
    refused = await app.admin.post(
        "/v1/admin/imports/inspect", params={"name": "a.csv", "mapping": '{"columns": {"user": "zip"}}'}, content=TABLE
    )
    assert (refused.status_code, refused.json()["code"]) == (400, "INVALID_MAPPING")
    assert os.listdir(app.service.imports.folder) == []


@pytest.mark.parametrize("packed", [False, True])
async def test_of_a_long_file_its_beginning_is_enough(app: Application, packed: bool) -> None:
    event = {"event": "open", "properties": {"x": os.urandom(200).hex()}}
    lines = [json.dumps({"userId": f"u{n}", **event}) for n in range(900)]
    lines[30] = '{"event": "open"}'
    content = "\n".join(lines).encode()
    name = "long.jsonl.gz" if packed else "long.jsonl"
    beginning = (gzip.compress(content) if packed else content)[: 3_000 if packed else 60_000]
    found = await inspected(app, name, beginning, partial=True)
    assert len(found["rows"]) == 20 and found["columns"] == []
    assert found["rows"][0]["text"] == lines[0] and found["rows"][0]["message"]["userId"] == "u0"
    assert [(row["line"], row["text"]) for row in found["rejectedRows"]] == [(31, lines[30])]
    assert found["rejected"] == 1 and not found["complete"], "the row that is cut is not counted"


async def test_of_a_small_file_that_unpacks_to_much_the_end_is_known(app: Application) -> None:
    lines = [json.dumps({"userId": f"u{n}", "event": "open", "properties": {"x": "x" * 30_000}}) for n in range(170)]
    long = await inspected(app, "long.jsonl.gz", gzip.compress("\n".join(lines).encode()))
    assert 100 < long["read"] < 170 and not long["complete"]
    short = await inspected(app, "short.jsonl.gz", gzip.compress("\n".join(lines[:100]).encode()))
    assert short["read"] == 100 and short["complete"]


async def test_files_of_the_server_are_listed_and_inspected_where_they_are(app: Application) -> None:
    assert (await app.admin.get("/v1/admin/imports/files")).json()["files"] == []
    folder = app.service.imports.folder / "prod"
    folder.mkdir(parents=True)
    (folder / "orders.csv").write_text(TABLE)
    for own in ("notes.txt", "a.upload", "1-a.ticket", "1-a.report", ".hidden.csv"):
        (folder / own).write_text("x")
    (folder / "folder.csv").mkdir()
    listed = (await app.admin.get("/v1/admin/imports/files")).json()
    assert listed["folder"] == str(folder)
    assert [(one["name"], one["form"], one["size"]) for one in listed["files"]] == [
        ("notes.txt", None, 1),
        ("orders.csv", "csv", len(TABLE)),
    ]
    found = await inspected(app, "orders.csv", stored=True)
    assert found["read"] == 3 and (folder / "orders.csv").exists()
    asked = {"stored": True, "format": "csv"}
    # Another environment of the machine has files of its own.
    assert (await app.stranger.get("/v1/admin/imports/files")).json()["files"] == []
    for address in ("/v1/admin/imports", "/v1/admin/imports/inspect"):
        refused = await app.stranger.post(address, params={**asked, "name": "orders.csv"})
        assert (refused.status_code, refused.json()["code"]) == (404, "IMPORT_NOT_FOUND")
    for name in ("a.upload", "1-a.report", "../orders.csv", "nosuch.csv", "x" * 300 + ".csv"):
        refused = await app.admin.post("/v1/admin/imports/inspect", params={**asked, "name": name})
        assert (refused.status_code, refused.json()["code"]) == (404, "IMPORT_NOT_FOUND"), name
    path = "/v1/admin/imports"
    for address, parameters, content, named in (
        (f"{path}/inspect", {"partial": True}, "", "partial"),
        (f"{path}/inspect", {}, TABLE, "stored"),
        (path, {}, TABLE, "stored"),
    ):
        both = {**asked, "name": "orders.csv", **parameters}
        refused = await app.admin.post(address, params=both, content=content)
        assert (refused.status_code, refused.json()["code"]) == (400, "INVALID_REQUEST"), refused.text
        assert f"`{named}`" in refused.text and "leave" in refused.text


async def test_a_table_is_read_with_its_types(app: Application, tmp_path: Path) -> None:
    import pyarrow
    from pyarrow.parquet import write_table

    path = tmp_path / "users.parquet"
    write_table(pyarrow.table({"uid": ["ada", "bob"], "age": [36, None]}), path)
    found = await inspected(app, "users.parquet", path.read_bytes())
    assert found["mapping"]["columns"] == {"userId": "uid"}
    assert [row["message"]["traits"] for row in found["rows"]] == [{"age": 36}, {}]
    cut = await app.admin.post(
        "/v1/admin/imports/inspect", params={"name": "users.parquet"}, content=path.read_bytes()[:100]
    )
    assert (cut.status_code, cut.json()["code"]) == (400, "FILE_MALFORMED")


@pytest.mark.parametrize(
    ("columns", "guessed"),
    [
        (["user_id", "event", "timestamp"], {}),
        (["User ID", "time", "Event Name"], {"timestamp": "time", "event": "Event Name"}),
        (["id", "email"], {"userId": "id"}),
        (["id", "user_id"], {}),
        (
            ["id", "distinct_id", "$insert_id"],
            {"userId": "id", "anonymousId": "distinct_id", "messageId": "$insert_id"},
        ),
        (["created_at", "time"], {"timestamp": "time"}),
        (["a", "b"], {}),
    ],
)
def test_columns_that_often_hold_a_field_are_guessed(columns: list[str], guessed: dict[str, str]) -> None:
    mapping = guess_mapping(columns)
    assert mapping.columns == guessed
    assert all(field_of(column, mapping) == field for field, column in guessed.items())
