"""SQL of clients: what it can read, and everything it cannot."""

import csv
import io
import json
import re
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from pyarrow import parquet

from analytics_app import Analysed, analysing
from builders import iso
from clickhouse_engine import Engine
from tinycdp.products.analytics.store.clickhouse import ClickHouse
from tinycdp.products.analytics.store.views import VIEWS
from tinycdp.runtime import clock
from tinycdp.runtime.access.keys import environment_named
from tinycdp.runtime.environment import Environment

SECRET = "a secret of another environment"


async def post(shop: Analysed, path: str, **body: Any) -> httpx.Response:
    return await shop.app.read.post(path, json=body)


@pytest.fixture
async def shop(dsn: str, engine: Engine, clickhouse: ClickHouse) -> AsyncIterator[Analysed]:
    async with analysing(dsn, engine, clock.now) as shop:
        app = shop.app
        await app.define("segment", key="vip", expression="profile.plan == 'pro'")
        now = app.service.now()
        batch = [
            {"type": "identify", "userId": "ann", "traits": {"plan": "pro"}, "timestamp": iso(now - 5000)},
            {"type": "track", "userId": "ann", "event": "purchase", "properties": {"amount": 0.1, "note": "x"}},
            {"type": "track", "userId": "bob", "event": "purchase", "properties": {"amount": 25}},
            {"type": "page", "anonymousId": "a1", "name": "Home", "properties": {"path": "/"}},
        ]
        answer = await app.write.post("/v1/batch", json={"batch": batch})
        assert (answer.status_code, answer.json()["rejected"]) == (200, [])
        await clickhouse.command(
            "INSERT INTO events (environment_id, id, name, occurred_at, received_at, properties)"
            " SELECT 99, 1, {s:String}, now64(3), now64(3), '{}'",
            {"s": SECRET},
        )
        await shop.catch_up()
        await shop.feed.step(app.service.environment(await environment_named(app.service.pool, "dev")))
        yield shop


async def rows(shop: Analysed, sql: str, **more: Any) -> list[list[Any]]:
    answer = await post(shop, "/v1/analytics/sql", sql=sql, **more)
    assert answer.status_code == 200, answer.text
    found: list[list[Any]] = json.loads(answer.text, parse_float=Decimal)["rows"]
    return found


async def refused(shop: Analysed, sql: str, **more: Any) -> str:
    answer = await post(shop, "/v1/analytics/sql", sql=sql, **more)
    assert answer.status_code == 400, answer.text
    assert SECRET not in answer.text
    problem: dict[str, Any] = answer.json()
    assert problem["code"] in {"SQL_REFUSED", "SQL_FAILED"}
    return str(problem["message"])


async def test_rows_come_with_types_and_the_instant_of_which_they_are_true(shop: Analysed) -> None:
    total = "sum(properties.amount::Decimal(18, 9)) AS total"
    sql = f"SELECT name, count() AS n, {total} FROM events GROUP BY name ORDER BY name"
    answer = (await post(shop, "/v1/analytics/sql", sql=sql)).json()
    assert answer["columns"] == [
        {"name": "name", "type": "LowCardinality(String)"},
        {"name": "n", "type": "UInt64"},
        {"name": "total", "type": "Decimal(38, 9)"},
    ]
    assert [row[:2] for row in answer["rows"]] == [["page", 1], ["purchase", 2]]
    assert (answer["more"], answer["asOf"] <= iso(shop.app.service.now())) == (False, True)


async def test_the_views_have_people_and_histories_resolved(shop: Analysed) -> None:
    assert await rows(shop, "SELECT uniqExact(person_id) FROM events") == [[3]]
    assert await rows(shop, "SELECT segments, properties.plan FROM people WHERE notEmpty(segments)") == [
        [["vip"], "pro"]
    ]
    assert await rows(shop, "SELECT segment, entered FROM segment_history") == [["vip", True]]
    assert await rows(shop, "SELECT property, value FROM property_history") == [["plan", '"pro"']]
    assert await rows(shop, "SELECT count() FROM exposures") == [[0]]
    joined = "SELECT e.name FROM events AS e JOIN people AS p USING (person_id) WHERE has(p.segments, 'vip')"
    assert await rows(shop, joined) == [["purchase"]]
    for view in VIEWS:
        assert await rows(shop, f"SELECT * FROM {view} LIMIT 0") == []


ORDINARY: list[tuple[str, list[Any]]] = [
    ("WITH e AS (SELECT * FROM events) SELECT count() FROM e", [[3]]),
    ("WITH events AS (SELECT 7 AS x) SELECT x FROM events", [[7]]),
    ("SELECT count() FROM events WHERE person_id IN (SELECT person_id FROM people)", [[3]]),
    ("SELECT countIf(name = 'purchase') FROM events -- a comment\n;", [[2]]),
    ("SELECT x FROM ((SELECT 1 AS x) UNION ALL (SELECT 2)) ORDER BY x", [[1], [2]]),
    ("SELECT row_number() OVER (ORDER BY occurred_at) AS n FROM events ORDER BY n LIMIT 1", [[1]]),
    ("SELECT arrayMap(x -> x + 1, [1]), if(1, 'FORMAT', ''), 'a\\'b', (1, 2).1", [[[2], "FORMAT", "a'b", 1]]),
    ("SELECT * EXCEPT (context, properties) FROM events LIMIT 0", []),
    ("SELECT toStartOfInterval(occurred_at, INTERVAL 1 DAY) AS d FROM events GROUP BY d HAVING count() > 5", []),
    ("SELECT toDateTime64('2026-03-01 00:00:00', 3, 'UTC')", [["2026-03-01T00:00:00.000Z"]]),
    ("SELECT 0.1::Decimal(9, 1), 18446744073709551615, NULL, nan", [[Decimal("0.1"), 2**64 - 1, None, None]]),
]


async def test_ordinary_sql_runs(shop: Analysed) -> None:
    for sql, found in ORDINARY:
        assert await rows(shop, sql) == found, sql


async def test_parameters_are_values(shop: Analysed) -> None:
    sql = "SELECT {text:String}, {n:Int64} + 1, {list:Array(String)}"
    text = "it's \\ \n {n:Int64} %s"
    found = await rows(shop, sql, parameters={"text": text, "n": 41, "list": ["a'", "b"]})
    assert found == [[text, 42, ["a'", "b"]]]
    await refused(shop, "SELECT {n:Int64}")
    for name in ("a b", "", "1x"):
        answer = await post(shop, "/v1/analytics/sql", sql="SELECT 1", parameters={name: 1})
        assert answer.json()["code"] == "INVALID_REQUEST"


ATTACKS = [
    # other tables
    "SELECT * FROM tinycdp.events",
    "SELECT * FROM `tinycdp.events`",
    "SELECT * FROM tinycdp_environment_2.events",
    "SELECT * FROM system.tables",
    "SELECT name FROM events WHERE name IN system.functions",
    "SELECT name FROM events WHERE 1 IN tinycdp.events",
    "SELECT name FROM events WHERE (1, 2) NOT IN (tinycdp.events)",
    "SELECT name FROM events WHERE name GLOBAL NOT IN tinycdp.events",
    "SELECT nullIn(1, tinycdp.events)",
    "SELECT EXISTS(SELECT 1 FROM tinycdp.events)",
    "WITH x AS (SELECT * FROM tinycdp.events) SELECT * FROM x",
    "SELECT 1 UNION ALL SELECT count() FROM tinycdp.events",
    "SELECT 1 EXCEPT SELECT count() FROM system.one",
    "SELECT * FROM events JOIN tinycdp.said ON 1",
    "SELECT * FROM INFORMATION_SCHEMA.tables",
    "SELECT (SELECT count() FROM tinycdp.events)",
    "SELECT 1 ORDER BY (SELECT count() FROM tinycdp.events)",
    "SELECT 1 LIMIT (SELECT count() FROM tinycdp.events)",
    "SELECT 1 WINDOW w AS (ORDER BY (SELECT 1 FROM tinycdp.events))",
    # table functions
    "SELECT * FROM url('http://127.0.0.1/', 'CSV', 'x String')",
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT * FROM remote('127.0.0.1', tinycdp.events)",
    "SELECT * FROM s3('https://x/y', 'CSV')",
    "SELECT * FROM merge('tinycdp', 'events')",
    "SELECT * FROM view(SELECT * FROM tinycdp.events)",
    "SELECT * FROM clusterAllReplicas('default', system.one)",
    "SELECT * FROM executable('ls', 'CSV', 'x String')",
    "SELECT * FROM dictionary('tinycdp.who')",
    "SELECT * FROM loop(tinycdp.events)",
    "SELECT * FROM numbers(10)",
    "SELECT * FROM format('CSV', '1')",
    "SELECT * FROM python('x')",
    "SELECT * FROM values('x Int8', 1)",
    # functions that do more than compute
    "SELECT file('/etc/passwd')",
    "SELECT dictGet('tinycdp.who', 'profile_id', (1, 1))",
    "SELECT dictHas('tinycdp.who', (1, 1))",
    "SELECT joinGet('tinycdp.events', 'name', 1)",
    "SELECT hasColumnInTable('tinycdp', 'events', 'name')",
    "SELECT getSetting('max_threads')",
    "SELECT getServerPort('tcp_port')",
    "SELECT hostName(), currentUser(), version()",
    "SELECT sleep(3)",
    "SELECT sleepEachRow(3) FROM events",
    "SELECT catboostEvaluate('/etc/passwd', 1)",
    "SELECT aiGenerate('x')",
    "SELECT formatRow('CapnProto', 1)",
    "SELECT addressToLine(1)",
    "SELECT showCertificate()",
    "SELECT * APPLY(file) FROM events",
    "SELECT * REPLACE (file('x') AS name) FROM events",
    "SELECT `system.numbers`(1)",
    "SELECT 1 AS x ORDER BY x WITH FILL INTERPOLATE (x AS file('/etc/passwd'))",
    # statements and clauses
    "DROP TABLE events",
    "INSERT INTO events SELECT * FROM events",
    "CREATE TABLE x (a Int8) ENGINE = Memory",
    "ALTER TABLE tinycdp.events DELETE WHERE 1",
    "SET max_execution_time = 0",
    "USE tinycdp",
    "KILL QUERY WHERE 1",
    "SYSTEM SHUTDOWN",
    "SHOW TABLES",
    "DESCRIBE TABLE tinycdp.events",
    "EXPLAIN SELECT 1",
    "EXISTS TABLE tinycdp.events",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE tinycdp.events",
    "SELECT 1 SETTINGS max_execution_time = 0",
    "SELECT * FROM (SELECT 1 SETTINGS max_memory_usage = 0)",
    "SELECT 1 SETTINGS additional_table_filters = {'events': '1'}",
    "SELECT 1 FORMAT CSV",
    "SELECT 1 INTO OUTFILE '/tmp/x'",
    "SELECT 1 INTO OUTFILE '/tmp/x' FORMAT CSV",
    "SELECT 1 PARALLEL WITH SELECT 2",
    "",
    "SELECT",
    ") UNION ALL SELECT * FROM tinycdp.events --",
    # names that pretend to be nodes of the tree
    "SELECT 1 AS `x)\n   TablesInSelectQuery (children 1`",
    "SELECT name IN (system.functions) AS `y)\n    Literal 1 (children 0` FROM events",
    "SELECT (name AS `a\n      Function plus (children 1)\n       ExpressionList (children 1)`) IN system.one",
    "SELECT `a\nTableIdentifier b` FROM events",
]


async def test_everything_else_is_refused(shop: Analysed) -> None:
    came_through = []
    for sql in ATTACKS:
        answer = await post(shop, "/v1/analytics/sql", sql=sql)
        if (
            answer.status_code != 400
            or answer.json()["code"] not in {"SQL_REFUSED", "SQL_FAILED"}
            or SECRET in answer.text
        ):
            came_through.append((sql, answer.status_code, answer.text[:200]))
    assert came_through == []
    # Nothing happened to the tables.
    assert await rows(shop, "SELECT count() FROM events") == [[3]]


async def test_a_parameter_cannot_name_a_table(shop: Analysed) -> None:
    for table in ("tinycdp.events", "system.one", "events` , `tinycdp`.`events"):
        await refused(shop, "SELECT * FROM {t:Identifier}", parameters={"t": table})
        await refused(shop, "SELECT 1 IN {t:Identifier}", parameters={"t": table})
    await refused(shop, "SELECT * FROM {d:Identifier}.events", parameters={"d": "tinycdp"})


async def test_an_environment_sees_only_itself(shop: Analysed) -> None:
    assert await rows(shop, f"SELECT count() FROM events WHERE name = '{SECRET}'") == [[0]]
    foreign = await shop.app.stranger.post("/v1/analytics/sql", json={"sql": "SELECT count() FROM events"})
    assert foreign.json()["rows"] == [[0]]
    # Its own view is made once for each, and the other's is still its own.
    assert await rows(shop, "SELECT count() FROM events") == [[3]]


async def test_an_error_of_clickhouse_is_shown_without_what_is_for_operators(shop: Analysed) -> None:
    message = await refused(shop, "SELECT nme FROM events")
    assert "nme" in message
    assert "127.0.0.1" not in message
    assert "nothing" in await refused(shop, "SELECT * FROM nothing")


async def test_a_statement_has_the_limits_of_a_question(shop: Analysed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinycdp.products.analytics.service.sql.LONGEST_SECONDS", 1)
    endless = (
        "SELECT count() FROM (SELECT arrayJoin(range(1000000)) AS a) AS x, (SELECT arrayJoin(range(1000000)) AS b) AS y"
    )
    answer = await post(shop, "/v1/analytics/sql", sql=f"{endless} WHERE cityHash64(a, b) = 1")
    assert answer.json()["code"] in {"TIMED_OUT", "OUT_OF_MEMORY"}, answer.text
    answer = await post(
        shop, "/v1/analytics/sql", sql="SELECT groupArray(repeat('x', 100000)) FROM (SELECT arrayJoin(range(100000)))"
    )
    assert answer.json()["code"] in {"TIMED_OUT", "OUT_OF_MEMORY"}, answer.text


async def test_an_answer_says_if_there_are_more_rows_and_a_file_has_all(shop: Analysed) -> None:
    sql = "SELECT arrayJoin(range(12000)) AS n"
    answer = (await post(shop, "/v1/analytics/sql", sql=sql)).json()
    assert (len(answer["rows"]), answer["more"]) == (10_000, True)
    file = await post(shop, "/v1/analytics/sql", sql=sql, format="csv")
    assert [row["n"] for row in csv.DictReader(io.StringIO(file.text))] == [str(n) for n in range(12_000)]
    assert file.headers["X-As-Of"]
    file = await post(shop, "/v1/analytics/sql", sql=sql, format="parquet")
    assert parquet.read_table(io.BytesIO(file.content)).num_rows == 12_000
    file = await post(shop, "/v1/analytics/sql", sql=sql, format="jsonl")
    assert [json.loads(line)["n"] for line in file.text.splitlines()] == list(range(12_000))


async def test_a_new_segment_has_its_key_in_the_views(shop: Analysed) -> None:
    await rows(shop, "SELECT 1 FROM people LIMIT 0")
    await shop.app.define("segment", key="second", expression="exists(profile.plan)")
    await shop.catch_up()
    assert await rows(shop, "SELECT arraySort(segments) FROM people WHERE notEmpty(segments)") == [[["second", "vip"]]]


async def test_it_needs_a_key_that_reads(shop: Analysed) -> None:
    for client, status in ((shop.app.keyless, 401), (shop.app.write, 403)):
        assert (await client.post("/v1/analytics/sql", json={"sql": "SELECT 1"})).status_code == status
    environment: Environment = shop.app.service.environment(shop.app.environment_id)
    assert environment.id == shop.app.environment_id


async def test_the_models_of_the_example_for_dbt_run_over_the_views(shop: Analysed) -> None:
    models = Path(__file__).parents[3] / "examples" / "dbt" / "models"
    sources = yaml.safe_load((models / "sources.yml").read_text())["sources"][0]["tables"]
    assert {table["name"] for table in sources} == VIEWS.keys()
    found = {}
    for model in sorted(models.glob("*.sql")):
        sql = re.sub(r"\{\{ source\('tinycdp', '(\w+)'\) \}\}", r"\1", model.read_text())
        found[model.stem] = await rows(shop, sql)
    assert [row[1:] for row in found["daily_purchases"]] == [[2, 2, Decimal("25.1")]]
    assert sorted(row[1] for row in found["buyers"]) == [[], ["vip"]]
