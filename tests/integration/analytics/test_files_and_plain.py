"""Plain endpoints and files, over HTTP, on events that were tracked and copied."""

import asyncio
import csv
import io
import json
import zipfile
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any, get_args

import httpx
import pytest
from pyarrow import parquet

from analytics_answers import ANSWERS
from analytics_app import Analysed, analysing
from builders import iso
from clickhouse_engine import Engine
from formulas import PLAIN, RUNS
from serving import eventually
from tinycdp.model import DAY_MS
from tinycdp.products.analytics.compile import event_rows
from tinycdp.products.analytics.files.charts import chart_of
from tinycdp.products.analytics.files.drawing import draw
from tinycdp.products.analytics.files.tables import table_of
from tinycdp.products.analytics.questions.schemas import RawEventsQuestion
from tinycdp.products.analytics.routes.responses import first_part
from tinycdp.products.analytics.service.answering import Analytics
from tinycdp.products.analytics.service.files import AnswerFormat, Files, _as_statement, _literal
from tinycdp.products.analytics.store.clickhouse import ClickHouse
from tinycdp.runtime import clock
from tinycdp.runtime.access.keys import environment_named
from tinycdp.times import day_of

FORMULA = "=cmd|' /C calc'!A0"


async def get(shop: Analysed, path: str, **parameters: Any) -> httpx.Response:
    return await shop.app.read.get(path, params=parameters)


async def found_at(shop: Analysed, path: str, **parameters: Any) -> Any:
    """What a GET answers; asserts that it does."""
    answer = await get(shop, path, **parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def post(shop: Analysed, path: str, **body: Any) -> httpx.Response:
    return await shop.app.read.post(path, json=body)


@pytest.fixture
async def shop(dsn: str, engine: Engine, clickhouse: ClickHouse) -> AsyncIterator[Analysed]:
    async with analysing(dsn, engine, clock.now) as shop:
        app = shop.app
        await app.track(*_history(shop.app.service.now()))
        await app.service.registry.flush()
        await shop.catch_up()
        await shop.feed.step(app.service.environment(await environment_named(app.service.pool, "dev")))
        yield shop


def _history(now: int) -> list[dict[str, Any]]:
    """Three people: 5 views, 3 purchases, one event with a dangerous name; today and two days ago."""
    events = [("ann", "view", 0), ("ann", "view", 2), ("bob", "view", 0), ("bob", "view", 2), ("cem", "view", 2)]
    events += [("ann", "purchase", 0), ("ann", "purchase", 2), ("bob", "purchase", 0), ("cem", FORMULA, 0)]
    return [
        {
            "userId": user,
            "event": name,
            "timestamp": iso(now - days * DAY_MS - (n + 1)),
            "properties": {"amount": 0.1 + n, "note": 'it\'s "quoted"\n\\', "country": "DE" if n % 2 else "FR"},
            "messageId": f"m{n}",
        }
        for n, (user, name, days) in enumerate(events)
    ]


async def test_counts_days_names_and_active_people(shop: Analysed) -> None:
    found = await found_at(shop, "/v1/events/count", event="purchase")
    assert (found["count"], found["people"], found["warnings"]) == (3, 2, [])
    assert found["asOf"] <= iso(shop.app.service.now())
    assert (await found_at(shop, "/v1/events/count", last="1d"))["count"] == 5
    assert (await found_at(shop, "/v1/events/count", event="purchase", where="amount > 6"))["count"] == 2
    today = day_of(shop.app.service.now())
    days = await found_at(shop, "/v1/events/by-day", event="view", last="3d")
    assert [day["count"] for day in days] == [3, 0, 2]
    assert days[-1]["day"] == today.isoformat()
    top = await found_at(shop, "/v1/events/top")
    assert top == [
        {"event": "view", "count": 5, "people": 3},
        {"event": "purchase", "count": 3, "people": 2},
        {"event": FORMULA, "count": 1, "people": 1},
    ]
    assert [one["event"] for one in await found_at(shop, "/v1/events/top", limit=1)] == ["view"]
    assert (await found_at(shop, "/v1/active"))["people"] == 3
    found = await found_at(shop, "/v1/active", days=7, event="purchase")
    assert (found["days"], found["people"]) == (7, 2)


async def test_the_same_paths_without_a_prefix_are_for_clients_of_the_first_source(shop: Analysed) -> None:
    for path in ("/events/count", "/events/by-day", "/events/top", "/events/recent", "/active"):
        short, long = await get(shop, path), await get(shop, f"/v1{path}")
        assert (short.status_code, long.status_code) == (200, 200), path
        assert _undated(short.json()) == _undated(long.json())
        wrong = await get(shop, path, evnt="x")
        assert (wrong.status_code, wrong.json()["code"]) == (400, "UNKNOWN_PARAMETER"), path


def _undated(found: Any) -> Any:
    return {name: value for name, value in found.items() if name != "asOf"} if isinstance(found, dict) else found


async def test_an_unknown_event_is_a_warning_with_the_nearest_name(shop: Analysed) -> None:
    found = await found_at(shop, "/v1/events/count", event="purchas")
    assert found["count"] == 0
    (warning,) = found["warnings"]
    assert "purchase" in warning["message"]
    listed = await get(shop, "/v1/events/by-day", event="purchas")
    assert "purchase" in json.loads(listed.headers["X-Warnings"])[0]["message"]


@pytest.mark.parametrize(
    ("params", "path"),
    [
        ({"from": "2026-02-01", "to": "2026-01-01"}, "to"),
        ({"from": "yesterday"}, "from"),
        ({"last": "10000d"}, "last"),
        ({"where": "amount >"}, "where"),
        ({"people": "segments.absent"}, "people"),
    ],
)
async def test_a_mistake_says_where_it_is(shop: Analysed, params: dict[str, str], path: str) -> None:
    for address in ("/v1/events/count", "/v1/analytics/events.csv"):
        answer = await get(shop, address, **params)
        assert answer.status_code == 400, answer.text
        problem = answer.json()
        assert problem["code"] == "INVALID_QUESTION"
        assert path in problem["path"] or path == "last", problem


async def test_raw_events_as_csv(shop: Analysed) -> None:
    answer = await get(shop, "/v1/analytics/events.csv")
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert answer.headers["X-Row-Count"] == str(len(rows)) == "9"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="events.csv"'
    assert answer.headers["X-As-Of"]
    assert [row["occurred_at"] for row in rows] == sorted(row["occurred_at"] for row in rows)
    assert rows[0]["occurred_at"].endswith("Z")
    assert {row["event"] for row in rows} == {"view", "purchase", "'" + FORMULA}
    assert json.loads(rows[0]["properties"], parse_float=Decimal)["note"] == 'it\'s "quoted"\n\\'
    raw = await get(shop, "/v1/analytics/events.csv", event=FORMULA, raw=True)
    assert [row["event"] for row in csv.DictReader(io.StringIO(raw.text, newline=""))] == [FORMULA]


async def test_raw_events_as_json_lines_and_parquet(shop: Analysed) -> None:
    answer = await get(shop, "/v1/analytics/events.jsonl", event="purchase", where="amount > 6")
    lines = [json.loads(line, parse_float=Decimal) for line in answer.text.splitlines()]
    assert answer.headers["X-Row-Count"] == "2"
    assert [line["event"] for line in lines] == ["purchase", "purchase"]
    assert len({line["person_id"] for line in lines}) == 2
    answer = await get(shop, "/v1/analytics/events.parquet", people="!exists(profile.absent)")
    table = parquet.read_table(io.BytesIO(answer.content))
    assert answer.headers["X-Row-Count"] == str(table.num_rows) == "9"
    assert table["event"].to_pylist().count("view") == 5


QUESTIONS: list[dict[str, Any]] = [
    {"kind": "trend", "last": "3d", "series": [{"event": "purchase", "measure": "sum", "property": "amount"}],
     "breakdown": {"property": "country"}, "compare": "previous"},
    {"kind": "active", "last": "3d"},
    {"kind": "stickiness", "last": "3d"},
    {"kind": "frequency", "last": "3d", "event": "view"},
    {"kind": "lifecycle", "last": "3d", "bucket": "day"},
    {"kind": "sessions", "last": "3d"},
    {"kind": "paths", "last": "3d"},
    {"kind": "adoption", "last": "3d", "feature": {"event": "purchase"}, "bucket": "day"},
    {"kind": "impact", "last": "3d", "feature": {"event": "purchase"}, "outcome": {"event": "view"}, "within": "1h"},
]  # fmt: skip


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question["kind"])
async def test_every_answer_as_every_file(shop: Analysed, question: dict[str, Any]) -> None:
    answer = (await post(shop, "/v1/analytics/query", **question)).json()
    counts = set()
    for form in set(get_args(AnswerFormat)) - {"png"}:
        file = await post(shop, "/v1/analytics/export", question=question, format=form)
        assert file.status_code == 200, (form, file.text)
        assert file.headers["Content-Disposition"] == f'attachment; filename="{question["kind"]}.{form}"'
        counts.add(int(file.headers["X-Row-Count"]))
        match form:
            case "csv":
                rows = list(csv.DictReader(io.StringIO(file.text, newline="")))
            case "json":
                dated = ("asOf", "computedAt")
                assert {**file.json(), **dict.fromkeys(dated)} == {**answer, **dict.fromkeys(dated)}
            case "xlsx":
                with zipfile.ZipFile(io.BytesIO(file.content)) as book:
                    assert book.read("xl/worksheets/sheet1.xml").count(b"<row ") == int(file.headers["X-Row-Count"]) + 1
            case "parquet":
                table = parquet.read_table(io.BytesIO(file.content))
    assert counts == {len(rows)} == {table.num_rows}
    assert table.column_names == list(rows[0])
    for n, row in enumerate(table.to_pylist()):
        for name, value in row.items():
            if isinstance(value, int | Decimal) and not isinstance(value, bool):
                assert Decimal(rows[n][name]) == value


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: type(answer).__name__)
async def test_every_kind_of_table_is_parquet(clickhouse: ClickHouse, answer: Any) -> None:
    table = table_of(answer)
    statement = _as_statement(table, "Europe/Berlin")
    rows = await clickhouse.query(statement.sql)
    assert len(rows) == len(table)
    for given, found in zip(table.rows, rows, strict=True):
        for column, a, b in zip(table.columns, given, found, strict=True):
            assert (a is None) == (b is None), column
            if column.kind != "time":
                assert a == b, column


async def test_clickhouse_escapes_the_texts_that_we_escape(clickhouse: ClickHouse) -> None:
    texts = [*RUNS, *PLAIN]
    given = _literal(json.dumps(texts, ensure_ascii=False))
    shown = event_rows._shown("text", guarded=True)
    rows = await clickhouse.query(
        f"SELECT {shown} FROM (SELECT arrayJoin(JSONExtract({given}, 'Array(String)')) AS text)"
    )
    assert [row[0] for row in rows] == ["'" + text for text in RUNS] + PLAIN


@pytest.mark.slow
@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: type(answer).__name__)
async def test_every_chart_is_drawn(answer: Any) -> None:
    picture = await draw(chart_of(answer))
    assert picture.startswith(b"\x89PNG\r\n")
    width, height = (int.from_bytes(picture[at : at + 4]) for at in (16, 20))
    assert width > 400
    assert height > 80


async def test_a_chart_is_a_file_of_an_answer(shop: Analysed) -> None:
    file = await post(shop, "/v1/analytics/export", question=QUESTIONS[1], format="png")
    assert file.status_code == 200, file.text
    assert (file.headers["content-type"], file.content[:4]) == ("image/png", b"\x89PNG")


async def test_a_format_whose_package_is_missing_says_what_to_install(
    shop: Analysed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinycdp.products.analytics.files.writers.find_spec", lambda name: None)
    for form in ("xlsx", "png"):
        file = await post(shop, "/v1/analytics/export", question=QUESTIONS[1], format=form)
        assert file.status_code == 501, file.text
        assert (file.json()["code"], "pip install" in file.text) == ("ANALYTICS_MISSING", True)


async def test_a_client_that_hangs_up_cancels_its_statement(shop: Analysed, clickhouse: ClickHouse) -> None:
    """A file of which one part is read."""
    await clickhouse.command(
        "INSERT INTO events (environment_id, id, name, occurred_at, received_at, active, identifier_id, message_id)"
        " SELECT {e:UInt32}, number, 'bulk', now64(3) - 60, now64(3) - 60, true, 1, toString(number)"
        " FROM numbers(400000)",
        {"e": shop.app.environment_id},
    )
    await asyncio.sleep(0.01)
    analytics: Analytics = shop.app.service.analytics
    environment = shop.app.service.environment(shop.app.environment_id)
    file = await Files(analytics).events(environment, RawEventsQuestion(last="1d", event="bulk"), "jsonl")
    assert file.rows == 400_000
    parts = await first_part(file.parts)
    assert await anext(parts)
    await parts.aclose()

    async def running() -> bool:
        ours = "query LIKE '%toJSONString%' AND query NOT LIKE '%system.processes%'"
        sql = f"SELECT count() FROM system.processes WHERE {ours}"
        return (await clickhouse.query(sql, anywhere=True))[0][0] == 0

    await eventually(running)


async def test_a_file_needs_a_key_that_reads(shop: Analysed) -> None:
    for client, status in ((shop.app.keyless, 401), (shop.app.write, 403)):
        client_answer: httpx.Response = await client.get("/v1/analytics/events.csv")
        assert client_answer.status_code == status
    foreign = await shop.app.stranger.get("/v1/analytics/events.csv", params={"last": "1d"})
    assert foreign.headers["X-Row-Count"] == "0"


async def test_a_funnel_is_saved_listed_and_answered(shop: Analysed) -> None:
    steps = [{"event": "view"}, {"event": "purchase"}]
    body = {"key": "checkout", "name": "Checkout", "question": {"kind": "funnel", "last": "3d", "steps": steps}}
    made = await shop.app.admin.post("/v1/funnels", json=body)
    assert (made.status_code, made.json()["version"]) == (201, 1), made.text
    assert (await shop.app.admin.post("/v1/funnels", json=body)).json()["code"] == "KEY_EXISTS"
    assert (await post(shop, "/v1/funnels", **body)).status_code == 403
    for prefix in ("/v1", ""):
        (found,) = (await found_at(shop, f"{prefix}/funnels"))["funnels"]
        assert (found["key"], found["name"], len(found["question"]["steps"])) == ("checkout", "Checkout", 2)
        (group,) = (await found_at(shop, f"{prefix}/funnels/checkout/results"))["groups"]
        assert [step["reached"] for step in group["steps"]] == [3, 2]
    (group,) = (await found_at(shop, "/v1/funnels/checkout/results", **{"from": "2020-01-01", "to": "2020-02-01"}))[
        "groups"
    ]
    assert group["reached"] == 0
    assert (await get(shop, "/v1/funnels/absent/results")).status_code == 404


async def test_the_people_behind_a_number_are_as_many_as_it_says(shop: Analysed) -> None:
    question = {"kind": "trend", "last": "3d", "series": [{"event": "view", "measure": "people"}]}
    total = (await shop.ask(question))["lines"][0]["total"]
    found, after = [], 0
    while after is not None:
        cell = {"kind": "trend", "series": "A"}
        page = (await post(shop, "/v1/analytics/people", question=question, cell=cell, limit=2, after=after)).json()
        assert page["total"] == total == 3
        found += page["people"]
        after = page["next"]
    assert sorted(one["identifiers"][0]["value"] for one in found) == ["ann", "bob", "cem"]
    wrong = await post(shop, "/v1/analytics/people", question=question, cell={"kind": "trend", "series": "Z"})
    assert (wrong.status_code, wrong.json()["path"]) == (400, "cell.series")
