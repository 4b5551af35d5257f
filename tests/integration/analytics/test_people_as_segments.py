"""The people behind a number, saved as a segment: its members are the people that the number counts."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from analytics_app import Analysed, analysing
from clickhouse_engine import Engine
from serving import ManualClock
from tinycdp.model import DAY_MS
from tinycdp.products.analytics.store.clickhouse import ClickHouse
from tinycdp.store import memberships
from tinycdp.store.database.pool import Connection
from tinycdp.times import iso

NOON = 1_772_366_400_000  # 2026-03-01T12:00Z
BIG: dict[str, Any] = {"kind": "trend", "last": "7d", "series": [{"event": "purchase", "where": "amount >= 5"}]}
CELL = {"kind": "trend", "series": "A"}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
async def shop(dsn: str, engine: Engine, clickhouse: ClickHouse, clock: ManualClock) -> AsyncIterator[Analysed]:
    async with analysing(dsn, engine, clock) as analysed:
        yield analysed


def purchase(user: str, at: int, amount: int, name: str = "purchase") -> dict[str, Any]:
    return {"event": name, "userId": user, "timestamp": iso(at), "properties": {"amount": amount}}


async def save(shop: Analysed, status: int = 201, **body: Any) -> dict[str, Any]:
    answer = await shop.app.admin.post("/v1/analytics/segments", json={"question": BIG, "cell": CELL, **body})
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def members(shop: Analysed, key: str) -> set[str]:
    await shop.app.backfill()
    found = (await shop.app.admin.get(f"/v1/admin/segments/{key}/members")).json()["members"]
    return {one["value"] for member in found for one in member["identifiers"] if one["kind"] == "userId"}


async def test_static_and_live_segments_have_the_people_of_the_number(shop: Analysed, clock: ManualClock) -> None:
    midnight = NOON - NOON % DAY_MS
    await shop.track(
        purchase("ada", NOON - 1000, 5),
        purchase("first", midnight - 6 * DAY_MS, 9),  # the first instant of the range
        purchase("before", midnight - 6 * DAY_MS - 1, 9),
        purchase("small", NOON - 1000, 4),
        purchase("other", NOON - 1000, 9, "view"),
    )
    would = await save(shop, key="big", dryRun=True)
    assert (would["profiles"], would["dryRun"]) == (2, True)
    assert (await shop.app.admin.get("/v1/admin/segments")).json()["segments"] == []
    assert (await save(shop, key="big"))["profiles"] == 2
    live = await save(shop, key="big_live", live=True)
    assert (live["rule"], live["profiles"]) == ("events.purchase.where(amount >= 5).unique_days_7d >= 1", None)
    assert await members(shop, "big") == await members(shop, "big_live") == {"ada", "first"}
    assert (await save(shop, 409, key="big"))["code"] == "KEY_EXISTS"

    await shop.track(purchase("new", NOON, 7))
    assert await members(shop, "big") == {"ada", "first"}
    assert await members(shop, "big_live") == {"ada", "first", "new"}


async def test_people_active_on_so_many_days_are_a_live_segment(shop: Analysed, clock: ManualClock) -> None:
    await shop.track(
        *(purchase("ada", NOON - back * DAY_MS, 5) for back in (0, 3, 6)),
        *(purchase("bob", NOON - back * DAY_MS, 5) for back in (1, 2, 30)),
        purchase("eve", NOON - 7 * DAY_MS, 5),
    )
    active = {"kind": "active", "last": "2w", "event": "purchase"}
    sticky = {"kind": "stickiness", "last": "7d", "event": "purchase", "where": "amount >= 5"}
    for n, (question, cell, people) in enumerate(
        (
            (active, {"kind": "active", "days": 1}, {"ada"}),
            (active, {"kind": "active", "days": 7}, {"ada", "bob"}),
            (active, {"kind": "active", "days": 30}, {"ada", "bob", "eve"}),
            (sticky, {"kind": "stickiness"}, {"ada", "bob"}),
            (sticky, {"kind": "stickiness", "buckets": 2}, {"bob"}),
            (sticky, {"kind": "stickiness", "buckets": 2, "number": "atLeast"}, {"ada", "bob"}),
        )
    ):
        for live in (False, True):
            await save(shop, key=f"people_{n}_{live}".lower(), question=question, cell=cell, live=live)
            assert await members(shop, f"people_{n}_{live}".lower()) == people, (question, cell, live)


async def test_who_is_erased_while_a_list_is_saved_is_not_on_it(
    shop: Analysed, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.track(purchase("ada", NOON - 1000, 5), purchase("bob", NOON - 1000, 6))
    whole = memberships.list_staged

    async def and_erased(*given: Any) -> memberships.StagedList:
        listed = await whole(*given)
        erased = await shop.app.admin.delete("/v1/admin/profiles/ada")
        assert erased.status_code == 200, erased.text
        return listed

    monkeypatch.setattr(memberships, "list_staged", and_erased)
    await save(shop, key="big")
    page = (await shop.app.admin.get("/v1/admin/segments/big/list")).json()
    assert [one["value"] for one in page["identifiers"]] == ["bob"]
    assert await members(shop, "big") == {"bob"}


async def test_a_list_of_a_publish_that_was_overtaken_is_saved_once(
    shop: Analysed, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.track(purchase("ada", NOON - 1000, 5))
    rule = {"key": "pro", "rule": "profile.plan == 'pro'"}
    assert (await shop.app.admin.post("/v1/admin/segments", json=rule)).status_code == 201
    whole, tries = memberships.list_staged, []

    async def overtaken(*given: Any) -> memberships.StagedList:
        listed = await whole(*given)
        tries.append(listed)
        await shop.app.backfill()  # the first time, another revision goes live
        return listed

    monkeypatch.setattr(memberships, "list_staged", overtaken)
    await save(shop, key="big")
    assert len(tries) == 2
    assert await members(shop, "big") == {"ada"}
    async with shop.app.service.pool.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM listed_identifiers") == 1


async def test_people_with_a_variant_are_a_segment(shop: Analysed) -> None:
    await shop.app.define("flag", key="price", rules=[{"id": "all", "when": "true", "serve": "on"}])
    for user in ("ada", "bob"):
        await shop.track(purchase(user, NOON - DAY_MS, 5))
        assert (await shop.app.read.get("/v1/decide", params={"userId": user, "flag": "price"})).status_code == 200
    await shop.catch_up()
    question = {"kind": "experiment", "last": "7d", "flag": "price", "metrics": [{"event": "purchase"}]}
    cell = {"kind": "experiment", "variant": "on"}
    answer = await shop.app.read.post("/v1/analytics/people", json={"question": question, "cell": cell})
    assert (answer.status_code, answer.json()["total"]) == (200, 2), answer.text
    await save(shop, key="saw_on", question=question, cell=cell)
    assert await members(shop, "saw_on") == {"ada", "bob"}


async def test_what_the_language_cannot_say_is_refused_with_the_reason(shop: Analysed) -> None:
    await shop.app.define("segment", key="vip", rule="profile.plan == 'pro'")
    await shop.catch_up()
    (series,) = BIG["series"]
    for question, cell, path in (
        ({**BIG, "last": "8w"}, CELL, "question.last"),
        ({**BIG, "last": "", "from": "2026-02-01"}, CELL, "question.last"),
        ({**BIG, "sample": 0.5}, CELL, "question.sample"),
        (BIG, {**CELL, "bucket": "2026-03-01T00:00:00Z"}, "cell.bucket"),
        (BIG, {**CELL, "group": {"values": [1]}}, "cell.group"),
        ({**BIG, "series": [{**series, "where": "profile.plan == 'pro'"}]}, CELL, "question.series"),
        ({**BIG, "series": [{**series, "where": "segments.vip"}]}, CELL, "question.series"),
        ({"kind": "active", "from": "2026-02-01", "to": "2026-03-01"}, {"kind": "active", "days": 7}, "question.to"),
        ({"kind": "active", "last": "7d"}, {"kind": "active", "days": 7, "bucket": "2026-03-01"}, "cell.bucket"),
        ({"kind": "stickiness", "last": "7d", "bucket": "week"}, {"kind": "stickiness"}, "question.bucket"),
        (
            {"kind": "stickiness", "last": "7d", "event": {"any": [{"event": "a"}, {"event": "b"}]}},
            {"kind": "stickiness", "buckets": 2},
            "question.event",
        ),
        ({"kind": "funnel", "last": "7d", "steps": [{"event": "a"}]}, {"kind": "funnel"}, "kind"),
    ):
        refused = await save(shop, 400, key="x", live=True, question=question, cell=cell)
        assert (refused["code"], refused["path"], "`live`" in refused["message"]) == ("NOT_LIVE", path, True)
    people = {**BIG, "people": "segments.vip && profile.country == 'DE'", "series": [{"event": "*"}]}
    live = await save(shop, key="x", live=True, question=people)
    assert live["rule"] == 'events.any.unique_days_7d >= 1 && segments.vip && profile.country == "DE"'


async def test_a_save_that_is_interrupted_leaves_nothing_and_can_be_sent_again(
    shop: Analysed, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.track(purchase("ada", NOON - 1000, 5), purchase("bob", NOON - 1000, 6))
    for function in ("list_staged", "stage_identifiers", "forget_edits"):
        whole = getattr(memberships, function)

        async def killed(connection: Connection, *given: Any, whole: Any = whole, **options: Any) -> None:
            await whole(connection, *given, **options)
            await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

        with monkeypatch.context() as patched:
            patched.setattr(memberships, function, killed)
            answer = await shop.app.admin.post(
                "/v1/analytics/segments", json={"question": BIG, "cell": CELL, "key": f"after_{function}"}
            )
            assert answer.status_code >= 500, answer.text
        found = (await shop.app.admin.get("/v1/admin/segments")).json()["segments"]
        saved = f"after_{function}" in {one["key"] for one in found}
        assert saved == (function == "forget_edits")  # the only one after the commit
        if not saved:
            await save(shop, key=f"after_{function}")
        assert await members(shop, f"after_{function}") == {"ada", "bob"}
