"""Questions over HTTP: answers as of a stated instant, the cache, and what is said of mistakes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from analytics_app import Analysed, analysing
from clickhouse_engine import Engine
from serving import ManualClock, eventually
from tinycdp.model import DAY_MS, HOUR_MS
from tinycdp.products.analytics.compile.sql import Statement
from tinycdp.products.analytics.service.answering import Running
from tinycdp.products.analytics.store.clickhouse import ClickHouse
from tinycdp.products.analytics.store.errors import QuestionFailed
from tinycdp.runtime.access.keys import environment_named
from tinycdp.times import iso

NOON = 1_772_366_400_000  # 2026-03-01T12:00Z
PURCHASES: dict[str, Any] = {
    "kind": "trend",
    "from": "2026-03-01",
    "to": "2026-03-03",
    "series": [{"event": "purchase"}, {"event": "purchase", "measure": "people"}],
}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
async def shop(dsn: str, engine: Engine, clickhouse: ClickHouse, clock: ManualClock) -> AsyncIterator[Analysed]:
    async with analysing(dsn, engine, clock) as analysed:
        yield analysed


def purchase(user: str, at: int = NOON, **properties: Any) -> dict[str, Any]:
    return {"event": "purchase", "userId": user, "timestamp": iso(at), "properties": properties}


def values(answer: dict[str, Any]) -> dict[str, Any]:
    return {line["series"]: (line["values"], line["total"]) for line in answer["lines"]}


async def test_an_answer_has_what_was_acknowledged_before_it(shop: Analysed) -> None:
    await shop.track(purchase("ada"), purchase("ada"), purchase("bob"))
    answer = await shop.ask(PURCHASES)
    assert values(answer) == {"A": ([3, None], 3), "B": ([2, None], 2)}
    assert answer["asOf"] == iso(NOON)
    assert [bucket["complete"] for bucket in answer["buckets"]] == [False, False]
    assert answer["question"]["from"] == "2026-03-01T00:00:00+00:00"


async def test_people_are_who_they_are_known_to_be_now(shop: Analysed) -> None:
    await shop.app.track(purchase("ada"))
    visitor = {"event": "purchase", "anonymousId": "browser-7", "timestamp": iso(NOON)}
    await shop.track(visitor)
    assert values(await shop.ask(PURCHASES))["B"] == ([2, None], 2)
    joined = await shop.app.write.post(
        "/v1/batch", json={"batch": [{"type": "identify", "userId": "ada", "anonymousId": "browser-7"}]}
    )
    assert joined.status_code == 200
    await shop.catch_up()
    assert values(await shop.ask(PURCHASES)) == {"A": ([2, None], 2), "B": ([1, None], 1)}


async def test_an_answer_that_nothing_changed_comes_from_the_cache(shop: Analysed, clock: ManualClock) -> None:
    await shop.track(purchase("ada"))
    first = await shop.ask(PURCHASES)
    clock.now += HOUR_MS
    again = await shop.ask(PURCHASES)
    assert (again["computedAt"], again["asOf"]) == (first["computedAt"], iso(NOON + HOUR_MS))
    await shop.track({"event": "view", "userId": "ada"})  # of no interest to the question
    assert (await shop.ask(PURCHASES))["computedAt"] == first["computedAt"]
    await shop.track(purchase("bob"))
    assert values(await shop.ask(PURCHASES))["A"] == ([2, None], 2)


async def test_a_cached_answer_takes_one_statement_of_each_database(
    shop: Analysed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one with people, whose changes it depends on, no more."""
    said: list[str] = []
    asked, prepare = ClickHouse.query, asyncpg.Connection._get_statement

    async def query(self: ClickHouse, sql: str, *args: Any, **kwargs: Any) -> Any:
        said.append(f"clickhouse: {sql}")
        return await asked(self, sql, *args, **kwargs)

    async def statement(self: Any, sql: str, *args: Any, **kwargs: Any) -> Any:
        said.append(f"postgres: {sql}")
        return await prepare(self, sql, *args, **kwargs)

    await shop.track(purchase("ada"))
    for question in (PURCHASES, {**PURCHASES, "people": 'profile.plan != "pro"'}):
        first = await shop.ask(question)
        with monkeypatch.context() as patch:
            patch.setattr(ClickHouse, "query", query)
            patch.setattr(asyncpg.Connection, "_get_statement", statement)
            said.clear()
            assert (await shop.ask(question))["computedAt"] == first["computedAt"]
        assert [one.partition(":")[0] for one in said] == ["postgres", "clickhouse"], said


async def test_time_alone_can_change_an_answer(shop: Analysed, clock: ManualClock) -> None:
    await shop.track(purchase("ada"))
    assert values(await shop.ask(PURCHASES))["A"] == ([1, None], 1)
    clock.now += DAY_MS
    answer = await shop.ask(PURCHASES)
    assert values(answer)["A"] == ([1, 0], 1)
    assert [bucket["complete"] for bucket in answer["buckets"]] == [True, False]


async def test_filters_speak_the_language_as_of_the_event_and_as_of_now(shop: Analysed) -> None:
    async def identify(plan: str, at: int) -> None:
        message = {"type": "identify", "userId": "ada", "traits": {"plan": plan}, "timestamp": iso(at)}
        assert (await shop.app.write.post("/v1/batch", json={"batch": [message]})).status_code == 200

    await identify("free", NOON - 2 * HOUR_MS)
    await shop.app.track(purchase("ada", NOON - HOUR_MS, amount=10), purchase("bob", NOON, amount=99))
    await identify("pro", NOON)
    await shop.track(purchase("ada", NOON, amount=60))

    async def count(where: str = "", people: str = "") -> int:
        series = [{"event": "purchase", "where": where}]
        return int(values(await shop.ask(PURCHASES | {"series": series, "people": people}))["A"][1])

    assert await count("amount >= 50") == 2
    assert await count('profile.plan == "free"') == 1
    assert await count('profile.plan == "pro" && amount >= 50') == 1
    assert await count(people='profile.plan == "pro"') == 2
    assert await count("exists(profile.plan)") == 2


async def test_segments_as_of_now(shop: Analysed) -> None:
    await shop.app.define("segment", key="buyers", rule="events.purchase.count_7d >= 2")
    await shop.track(purchase("ada"), purchase("ada"), purchase("bob"))
    answer = await shop.ask(PURCHASES | {"people": "segments.buyers"})
    assert values(answer)["A"] == ([2, None], 2)


@pytest.mark.parametrize(
    ("change", "path", "says"),
    [
        ({"to": "2026-02-01"}, "to", "backwards"),
        ({"from": "2020-01-01"}, "from", "longer than 400 days"),
        ({"from": "", "to": ""}, "from", "Give a range"),
        ({"formula": "A / C"}, "formula", "There is no series C"),
        ({"top": 0}, "top", "Between 1 and 1,000"),
        ({"series": []}, "series", "Give 1 to 26 series"),
        ({"series": [{"event": ""}]}, "series[0].event", "Name an event"),
        ({"series": [{"event": "purchase", "measure": "sum"}]}, "series[0].property", "needs a property"),
        ({"series": [{"event": "purchase", "measure": "avrg"}]}, "series[0].measure", "the measures are count"),
        ({"series": [{"event": "purchase", "where": "amount >"}]}, "series[0].where", "character"),
        ({"series": [{"event": "purchase", "where": "segments.byers"}]}, "series[0].where", "byers"),
        ({"series": [{"metric": "revenue"}]}, "series[0].metric", "There is no metric"),
        ({"people": "events.purchase.count_7d > 1"}, "people", "segment"),
        ({"breakdown": {"property": "a", "profile": "b"}}, "breakdown", "exactly one"),
        ({"breakdown": {"property": "a", "bins": [2, 1]}}, "breakdown.bins", "rise"),
        ({"sample": 2}, "sample", "share"),
        ({"rolling": 1}, "rolling", "2 to"),
        ({"bucket": "hour", "from": "2025-06-01"}, "bucket", "5,000"),
    ],
)
async def test_a_mistake_names_its_field(shop: Analysed, change: dict[str, Any], path: str, says: str) -> None:
    await shop.catch_up()
    response = await shop.post(PURCHASES | change)
    assert response.status_code == 400
    document = response.json()
    assert (document["code"], document["path"]) == ("INVALID_QUESTION", path)
    assert says in document["message"]


async def test_an_unknown_event_is_a_warning_with_the_nearest_name(shop: Analysed) -> None:
    await shop.track(purchase("ada"))
    answer = await shop.ask(PURCHASES | {"series": [{"event": "purchse"}]})
    assert answer["warnings"] == [
        {"path": "series[0].event", "message": "Unknown event 'purchse'. Did you mean 'purchase'?"}
    ]


async def test_without_clickhouse_questions_are_refused_and_all_else_goes_on(dsn: str, clock: ManualClock) -> None:
    from application import running

    async with running(dsn, clock, clickhouse_url="http://127.0.0.1:9") as app:
        await app.track(purchase("ada"))
        response = await app.read.post("/v1/analytics/query", json=PURCHASES)
        assert (response.status_code, response.json()["code"]) == (503, "ANALYTICS_FILLING")


async def test_a_question_that_runs_is_cancelled_by_its_name(shop: Analysed) -> None:
    await shop.catch_up()
    slow = Statement("SELECT sleepEachRow(0.1) FROM numbers(250) SETTINGS max_block_size = 1", {})
    running = Running(shop.app.environment_id, "mine")
    question = asyncio.create_task(shop.app.service.analytics.rows([slow], running))

    async def is_cancelled(name: str) -> bool:
        return (await shop.app.read.delete(f"/v1/analytics/queries/{name}")).status_code == 204

    assert not await is_cancelled("other")
    assert (await shop.app.stranger.delete("/v1/analytics/queries/mine")).status_code == 404
    await eventually(lambda: is_cancelled("mine"))
    with pytest.raises(QuestionFailed):
        await question


async def test_a_key_of_another_environment_sees_nothing(shop: Analysed) -> None:
    await shop.track(purchase("ada"))
    other = shop.app.service.environment(await environment_named(shop.app.service.pool, "dev"))
    await shop.feed.step(other)
    response = await shop.app.stranger.post("/v1/analytics/query", json=PURCHASES)
    assert response.status_code == 200, response.text
    assert values(response.json()) == {"A": ([0, None], 0), "B": ([0, None], 0)}
