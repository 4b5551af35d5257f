"""The filters of events and the columns of exports: what is asked for is filtered exactly, or is an error."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from application import Application, running


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        days = ("2026-10-01", "2026-10-02", "2026-10-03")
        for user in ("ada", "bob"):
            for name in ("app_open", "purchase"):
                for day in days:
                    await application.track({"userId": user, "event": name, "timestamp": f"{day}T12:00:00Z"})
        yield application


def listed(answer: Any) -> list[tuple[str, str]]:
    assert answer.status_code == 200, answer.text
    return [(event["event"], event["timestamp"][:10]) for event in answer.json()["events"]]


@pytest.mark.parametrize(
    ("query", "days"),
    [
        ({}, ["03", "02", "01"]),
        ({"from": "2026-10-02"}, ["03", "02"]),
        ({"to": "2026-10-03"}, ["02", "01"]),
        ({"from": "2026-10-02", "to": "2026-10-03"}, ["02"]),
        ({"from": "2026-10-02T12:00:00Z", "to": "2026-10-02T12:00:00.001Z"}, ["02"]),
        ({"from": "2026-10-02T12:00:00Z", "to": "2026-10-02T12:00:00Z"}, []),
        ({"from": "2026-10-02T12:00:00.001Z"}, ["03"]),
        ({"to": "2026-10-02T12:00:00Z"}, ["01"]),
        ({"from": "2026-10-02T14:00:00+02:00"}, ["03", "02"]),
    ],
)
async def test_a_journey(app: Application, query: dict[str, str], days: list[str]) -> None:
    asked = {"event": "purchase", **query}
    expected = [("purchase", f"2026-10-{day}") for day in days]
    assert listed(await app.read.get("/v1/journeys/ada", params=asked)) == expected
    pages, cursor = [], None
    while True:
        page = await app.read.get(
            "/v1/journeys/ada", params={**asked, "limit": 1, **({"cursor": cursor} if cursor else {})}
        )
        pages += listed(page)
        if (cursor := page.json()["next"]) is None:
            break
    assert pages == expected
    assert len(listed(await app.read.get("/v1/journeys/ada", params=query))) == 2 * len(days)


async def test_an_instant_that_cannot_be_read(app: Application) -> None:
    answer = await app.read.get("/v1/journeys/ada", params={"from": "yesterday"})
    assert (answer.status_code, answer.json()["path"]) == (400, "from")
    assert "'yesterday' is not an instant" in answer.json()["message"]


async def test_recent_events_of_one_profile(app: Application) -> None:
    both = listed(await app.read.get("/v1/events/recent", params={"userId": "ada", "event": "app_open"}))
    assert both == [("app_open", "2026-10-03"), ("app_open", "2026-10-02"), ("app_open", "2026-10-01")]
    page = await app.read.get("/v1/events/recent", params={"userId": "ada", "limit": 4})
    rest = await app.read.get("/v1/events/recent", params={"userId": "ada", "limit": 4, "cursor": page.json()["next"]})
    assert len(listed(page)) == 4
    assert len(listed(rest)) == 2
    assert {event["by"]["value"] for answer in (page, rest) for event in answer.json()["events"]} == {"ada"}
    assert listed(await app.read.get("/v1/events/recent", params={"userId": "ada", "event": "nosuch"})) == []


async def test_columns_that_no_profile_has(app: Application) -> None:
    await app.define("segment", key="all", rule="true")
    await app.write.post("/v1/identify", json={"userId": "ada", "traits": {"country": "DE"}})
    await app.backfill()
    exported = await app.read.get("/v1/export/segment/all.csv", params={"columns": "country"})
    assert exported.text.splitlines()[0].endswith(",country")
    for form in ("csv", "jsonl"):
        wrong = await app.read.get(f"/v1/export/segment/all.{form}", params={"columns": "country,contry"})
        assert (wrong.status_code, wrong.json()["code"]) == (400, "UNKNOWN_COLUMN")
        assert wrong.json()["message"] == "`columns`: no profile has a property 'contry'. Did you mean 'country'?"
