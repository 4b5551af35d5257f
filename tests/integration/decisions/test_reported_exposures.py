"""Exposures that a client reports in a batch, and the bulk answers of clients that do."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from application import KEYS, Application, running
from tinycdp.model import DAY_MS, SECOND_MS
from tinycdp.times import iso

ALL = "/ofrep/v1/evaluate/flags"
FLAG = {
    "key": "test",
    "type": "string",
    "variants": {"a": "A", "b": "B", "none": ""},
    "offVariant": "none",
    "rules": [{"id": "half", "when": "true", "split": {"a": 50_000, "b": 50_000}}],
}


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        await application.define("flag", **FLAG)
        yield application


def exposure(visitor: str, variant: Any = "a", **more: Any) -> dict[str, Any]:
    properties = {"flag": "test", "variant": variant, "rule": "half", **more.pop("properties", {})}
    return {"type": "exposure", "anonymousId": visitor, "messageId": "x-1", "properties": properties, **more}


async def send(app: Application, *batch: dict[str, Any]) -> dict[str, Any]:
    """As a browser does: text, with the key in the body."""
    answer = await app.keyless.post(
        "/v1/batch", json={"writeKey": KEYS["write"], "batch": batch}, headers={"Content-Type": "text/plain"}
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def recorded(app: Application) -> list[tuple[Any, ...]]:
    """(unit, variant, rule)."""
    await app.service.exposures.flush()
    return [
        tuple(row) for row in await app.service.pool.fetch("SELECT unit, variant, rule FROM exposures ORDER BY unit")
    ]


async def test_it_counts_once_and_is_no_event(app: Application) -> None:
    page = {"type": "page", "anonymousId": "tab", "messageId": "p-1"}
    first = await send(app, page, exposure("tab"), exposure("tab", messageId="x-2"))
    assert (first["accepted"], first["duplicates"], first["exposures"], first["rejected"]) == (1, 0, 2, [])
    again = await send(app, page, exposure("tab"))
    assert (again["accepted"], again["duplicates"], again["exposures"]) == (0, 1, 1)
    assert await recorded(app) == [("tab", "a", "half")]
    assert await app.service.pool.fetchval("SELECT count(*) FROM events") == 1
    assert await app.service.pool.fetchval("SELECT profile_id IS NULL FROM exposures") is False


async def test_a_visitor_without_an_event_is_counted_as_a_decision_would(app: Application) -> None:
    answer = await send(app, exposure("stranger"))
    assert (answer["accepted"], answer["exposures"]) == (0, 1)
    assert await recorded(app) == [("stranger", "a", "half")]


async def test_it_is_of_whom_the_id_belongs_to(app: Application) -> None:
    """Under the bucketing key, which a merge keeps."""
    page = {"type": "page", "anonymousId": "tab"}
    signed_in = {"type": "identify", "userId": "ada", "anonymousId": "tab"}
    await send(app, page)
    await send(app, signed_in, {**exposure("tab"), "userId": "ada"})
    assert await recorded(app) == [("tab", "a", "half")]


@pytest.mark.parametrize(
    ("properties", "code", "path"),
    [
        ({"flag": "nope"}, "UNKNOWN_FLAG", "$.batch[1].properties.flag"),
        ({"flag": None}, "UNKNOWN_FLAG", "$.batch[1].properties.flag"),
        ({"flag": ["test"]}, "UNKNOWN_FLAG", "$.batch[1].properties.flag"),
        ({"variant": "z"}, "UNKNOWN_VARIANT", "$.batch[1].properties.variant"),
        ({"variant": True}, "UNKNOWN_VARIANT", "$.batch[1].properties.variant"),
        ({"variant": {"a": 1}}, "UNKNOWN_VARIANT", "$.batch[1].properties.variant"),
    ],
)
async def test_what_no_flag_gives_is_rejected_alone(
    app: Application, properties: dict[str, Any], code: str, path: str
) -> None:
    answer = await send(app, {"type": "page", "anonymousId": "tab"}, exposure("tab", properties=properties))
    assert (answer["accepted"], answer.get("exposures")) == (1, None)
    assert [(one["code"], one["path"]) for one in answer["rejected"]] == [(code, path)]
    assert await recorded(app) == []
    logged = (await app.admin.get("/v1/admin/rejections")).json()["rejections"]
    assert [one["code"] for one in logged] == [code]


async def test_it_needs_an_identifier(app: Application) -> None:
    answer = await send(app, exposure(""))
    assert [one["code"] for one in answer["rejected"]] == ["MISSING_IDENTIFIER"]


async def test_warnings_name_the_event_beside_an_exposure(app: Application) -> None:
    odd = {"type": "track", "event": "open", "anonymousId": "tab", "propertes": {"a": 1}}
    answer = await send(app, exposure("tab"), odd)
    assert [one["path"] for one in answer["warnings"]] == ["$.batch[1].propertes"]


async def test_a_rule_that_is_gone_is_none(app: Application) -> None:
    await send(app, exposure("tab", properties={"rule": "older"}), exposure("eve", properties={"rule": 7}))
    assert await recorded(app) == [("eve", "a", ""), ("tab", "a", "")]


async def test_it_counts_on_the_day_it_happened_by_a_corrected_clock(app: Application) -> None:
    now = app.service.now()
    ahead = 400 * DAY_MS  # the client's clock
    late = exposure("late", timestamp=iso(now + ahead - 2 * DAY_MS), sentAt=iso(now + ahead))
    older = exposure("older", timestamp=iso(now - 8 * DAY_MS), sentAt=iso(now))
    await send(app, late, older)
    await app.service.exposures.flush()
    rows = await app.service.pool.fetch("SELECT unit, first_at FROM exposures")
    assert [row["unit"] for row in rows] == ["late"], "older than a week is not counted"
    assert rows[0]["first_at"] == pytest.approx(now - 2 * DAY_MS, abs=60 * SECOND_MS)


async def test_whom_nothing_is_kept_of_is_not_counted(app: Application) -> None:
    await send(app, {"type": "page", "userId": "ada"})
    erased = await app.admin.delete("/v1/admin/profiles/ada?suppress=true")
    assert erased.status_code == 200, erased.text
    answer = await send(app, {**exposure(""), "userId": "ada"})
    assert [one["code"] for one in answer["rejected"]] == ["SUPPRESSED"]
    assert await recorded(app) == []


async def test_a_profile_that_is_erased_before_it_is_written_is_not_counted(app: Application) -> None:
    await send(app, {"type": "page", "userId": "ada"}, {**exposure(""), "userId": "ada"})
    assert (await app.admin.delete("/v1/admin/profiles/ada")).status_code == 200
    assert await recorded(app) == []


# The answers of clients that report


async def bulk(app: Application, query: str = "", **headers: str) -> Any:
    answer = await app.read.post(f"{ALL}{query}", json={"context": {"anonymousId": "tab"}}, headers=headers)
    assert answer.status_code in {200, 304}, answer.text
    return answer


async def test_a_client_that_reports_keeps_sticky_variants_without_an_exposure(app: Application) -> None:
    sticky = {**FLAG, "sticky": True}
    assert (await app.admin.put("/v1/admin/flags/test", json=sticky)).status_code == 200
    await app.service.catalogs.refresh(app.service.pool, app.environment_id)
    await send(app, {"type": "page", "anonymousId": "tab"})

    async def assigned() -> int:
        found: int = await app.service.pool.fetchval("SELECT count(*) FROM session_variants")
        return found

    await bulk(app, "?exposure=false")
    assert await assigned() == 0
    await bulk(app, "?exposure=false&assign=true")
    assert (await assigned(), await recorded(app)) == (1, [])


async def test_bulk_answers_include_a_write_of_the_client_s_own(app: Application) -> None:
    await app.define("flag", key="opened", rule="events.open.exists()")
    sent = await send(app, {"type": "track", "event": "open", "anonymousId": "tab"})
    flags = {flag["key"]: flag for flag in (await bulk(app, f"?minVersion={sent['version']}")).json()["flags"]}
    assert flags["opened"]["value"] is True
    one = await app.read.post(f"{ALL}/opened?minVersion={sent['version']}", json={"context": {"anonymousId": "tab"}})
    assert one.json()["value"] is True
    for path in (ALL, f"{ALL}/opened"):
        ahead = await app.read.post(f"{path}?minVersion={sent['version'] + 99}", json={"context": {"userId": "eve"}})
        assert (ahead.status_code, ahead.json()["code"]) == (503, "VERSION_AHEAD")
        assert ahead.headers["retry-after"]


async def test_answers_say_how_long_they_hold(app: Application) -> None:
    """In milliseconds, so that a client with a wrong clock wakes in time; after a 304, too."""
    assert "x-valid-for" not in (await bulk(app)).headers, "these hold for ever"
    await app.define("flag", key="recent", rule="events.open.exists(1h)")
    await send(app, {"type": "track", "event": "open", "anonymousId": "tab"})
    first = await bulk(app)
    assert 0 < int(first.headers["x-valid-for"]) <= 3_600 * SECOND_MS
    again = await bulk(app, **{"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert 0 < int(again.headers["x-valid-for"]) <= int(first.headers["x-valid-for"])


async def test_a_page_can_read_what_it_needs(app: Application) -> None:
    """A text with the key in it needs no preflight; the headers of answers are open to scripts."""
    page = {"Origin": "https://shop.example", "Content-Type": "text/plain;charset=UTF-8"}
    body = {"writeKey": KEYS["write"], "batch": [{"type": "page", "anonymousId": "tab"}]}
    sent = await app.keyless.post("/v1/batch", json=body, headers=page)
    assert (sent.status_code, sent.headers["access-control-allow-origin"]) == (200, "*")
    refused = await app.keyless.post("/v1/batch", json={**body, "writeKey": "write_wrong"}, headers=page)
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "*")
    answered = await bulk(app, Origin="https://shop.example")
    exposed = {name.strip() for name in answered.headers["access-control-expose-headers"].split(",")}
    assert exposed >= {"ETag", "Retry-After", "X-Valid-For"}
