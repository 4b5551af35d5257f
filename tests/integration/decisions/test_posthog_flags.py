"""PostHog's clients and flags: which variant was shown, as an event reports; sessions that keep variants; what
older clients ask."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from application import KEYS, Application, running
from tinycdp.model import DAY_MS, MINUTE_MS, Identifier
from tinycdp.runtime.decisions.exposures import Exposures
from tinycdp.times import iso

HALVES = {"a": 50_000, "b": 50_000}
TEST = {
    "key": "test",
    "type": "string",
    "variants": {"a": "A", "b": "B", "none": ""},
    "offVariant": "none",
    "rules": [
        {"id": "vips", "when": 'context.plan == "pro"', "serve": "a"},
        {"id": "half", "when": "true", "split": HALVES},
    ],
}


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        await application.define("flag", **TEST)
        await application.define("flag", key="paid", rule="events.purchase.exists()")
        yield application


async def ask(app: Application, person: str, path: str = "/flags/?v=2", **also: Any) -> Any:
    answer = await app.keyless.post(path, json={"api_key": KEYS["read"], "distinct_id": person, **also})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def capture(app: Application, *events: dict[str, Any]) -> None:
    answer = await app.keyless.post("/batch/", json={"api_key": KEYS["write"], "batch": events})
    assert (answer.status_code, answer.json()) == (200, {"status": 1})


def called(person: str, answer: Any, key: str = "test", **also: Any) -> dict[str, Any]:
    """The event as SDKs make it of what they were answered."""
    flag = answer["flags"][key]
    return {
        "event": "$feature_flag_called",
        "distinct_id": person,
        "properties": {
            "$feature_flag": key,
            "$feature_flag_response": flag["variant"] if flag["variant"] is not None else flag["enabled"],
            "$feature_flag_id": flag["metadata"]["id"],
            "$feature_flag_version": flag["metadata"]["version"],
            "$feature_flag_reason": flag["reason"]["description"],
            "$feature_flag_request_id": answer["requestId"],
            f"$feature/{key}": flag["variant"],
            **also,
        },
    }


async def exposures(app: Application) -> list[tuple[Any, ...]]:
    """(unit, variant, rule)."""
    await app.service.exposures.flush()
    rows = await app.service.pool.fetch("SELECT unit, variant, rule FROM exposures")
    return [tuple(row) for row in rows]


async def test_a_flag_that_was_looked_at_is_an_exposure(app: Application) -> None:
    ada, vip = await ask(app, "ada"), await ask(app, "vip", person_properties={"plan": "pro"})
    assert await exposures(app) == []
    once = {**called("ada", ada), "uuid": "e-1"}
    await capture(app, once, called("vip", vip), called("ada", ada, "paid"))
    await capture(app, once, called("ada", ada))
    variant = ada["flags"]["test"]["variant"]
    assert sorted(await exposures(app)) == sorted([("ada", "off", ""), ("ada", variant, "half"), ("vip", "a", "vips")])
    rows = await app.service.pool.fetch("SELECT DISTINCT version, stage, revision, profile_id IS NULL FROM exposures")
    assert [tuple(row) for row in rows] == [(1, 0, 2, False)]
    counted = await app.admin.get("/v1/admin/flags/test/exposures")
    assert counted.json()["units"] == 2
    journey = (await app.read.get("/v1/journeys/ada")).json()["events"]
    assert {event["event"] for event in journey} == {"$feature_flag_called"}, "and it stays an event"


async def test_it_counts_for_whom_the_id_belongs_to(app: Application) -> None:
    """Under the bucketing key, which the merge of a stranger into a user keeps."""
    said = await ask(app, "tab")
    looked = {"event": "looked", "distinct_id": "tab", "properties": {"$is_identified": False}}
    signed_in = {"event": "$identify", "distinct_id": "ada", "properties": {"$anon_distinct_id": "tab"}}
    await capture(app, looked, signed_in, called("ada", said))
    [key] = await app.service.pool.fetchrow("SELECT bucketing_key FROM profiles WHERE merged_into IS NULL")
    assert [unit for unit, *_ in await exposures(app)] == [key]


async def test_a_variant_that_an_older_flag_gave_is_of_no_rule(app: Application) -> None:
    before = await ask(app, "ada")
    document = {**TEST, "rules": [{"id": "half", "when": "true", "split": {"a": 10_000, "b": 90_000}}]}
    assert (await app.admin.put("/v1/admin/flags/test", json=document)).status_code == 200
    await app.backfill()
    await capture(app, called("ada", before))
    assert await exposures(app) == [("ada", before["flags"]["test"]["variant"], "")]


@pytest.mark.parametrize(
    "said",
    [
        {"$feature_flag": "unheard-of"},
        {"$feature_flag": ["test"]},
        {"$feature_flag": None},
        {"$feature_flag_response": "z"},
        {"$feature_flag_response": True},
        {"$feature_flag_response": None},
        {"$feature_flag_response": {"a": 1}},
    ],
)
async def test_what_no_flag_gave_is_no_exposure(app: Application, said: dict[str, Any]) -> None:
    await capture(app, called("ada", await ask(app, "ada"), **said))
    assert await exposures(app) == []
    assert await app.service.pool.fetchval("SELECT count(*) FROM events") == 1


@pytest.mark.parametrize("reported", [{"$feature_flag_id": 9}, {"$feature_flag_id": 0}, {"$feature_flag_id": "x"}])
async def test_an_odd_rule_is_none(app: Application, reported: dict[str, Any]) -> None:
    said = await ask(app, "ada")
    await capture(app, called("ada", said, **reported))
    assert await exposures(app) == [("ada", said["flags"]["test"]["variant"], "")]


async def test_an_exposure_sent_late_counts_on_the_day_it_happened(app: Application) -> None:
    now, said = app.service.now(), await ask(app, "ada")

    def at(ago: int) -> dict[str, Any]:
        return {**called("ada", said), "timestamp": iso(now - ago)}

    await capture(app, at(0), at(MINUTE_MS), at(2 * DAY_MS), at(2 * DAY_MS), at(8 * DAY_MS))
    await app.service.exposures.flush()
    days = await app.service.pool.fetch("SELECT first_at FROM exposures ORDER BY day")
    assert [now - row["first_at"] for row in days] == pytest.approx([2 * DAY_MS, 0], abs=MINUTE_MS)


async def test_whom_nothing_is_kept_of_is_not_counted(app: Application) -> None:
    said = await ask(app, "ada")
    await capture(app, called("ada", said))
    erased = await app.admin.delete("/v1/admin/profiles/ada?suppress=true")
    assert erased.status_code == 200, erased.text
    await capture(app, called("ada", said))
    assert await exposures(app) == []


async def test_reported_exposures_wait_in_the_same_bounded_buffer(app: Application) -> None:
    environment = app.environment_id
    catalog, now = app.service.catalogs.serving(environment), app.service.now()
    small = Exposures(app.service.pool, app.service.metrics.exposures, waiting=1)
    for person in ("ada", "bob", "ada"):
        small.record_reported(catalog, "test", "a", "half", Identifier("userId", person), now, now)
    assert (small.waiting, app.service.metrics.exposures["dropped"]) == (1, 1)
    await small.flush()
    # No profile has this id: it is the unit by itself, as in a decision.
    found = await app.service.pool.fetch("SELECT unit, profile_id FROM exposures")
    assert [tuple(row) for row in found] == [("ada", None)]


# Sessions


async def test_a_session_keeps_its_variant_for_posthog_s_clients_too(app: Application) -> None:
    await app.define("flag", key="beta", rule="!events.purchase.exists()", stickyFor="30m")
    await app.track({"userId": "ada", "event": "signup"})

    async def on(**session: Any) -> bool:
        return bool((await ask(app, "ada", **session))["flags"]["beta"]["enabled"])

    assert await on(**{"$session_id": "s-1"})
    await app.track({"userId": "ada", "event": "purchase"})
    assert not await on() and not await on(**{"$session_id": "s-2"})
    assert await on(**{"$session_id": "s-1"})
    assert await on(person_properties={"$session_id": "s-1"})
    held = await ask(app, "ada", **{"$session_id": "s-1"})
    assert held["flags"]["beta"]["metadata"]["id"] == 0, "no rule gave it this time"
    answer = await app.read.get("/v1/decide", params={"userId": "ada", "flag": "beta", "sessionId": "s-1"})
    assert answer.json()["variant"] == "on", "one session, whichever way is asked"


# What elder clients ask


async def test_the_first_form_lists_what_is_on(app: Application) -> None:
    for path in ("/decide/", "/decide/?v=1"):
        assert (await ask(app, "ada", path))["featureFlags"] == ["test"], path
    assert (await ask(app, "ada", "/decide/?v=2"))["featureFlags"].keys() == {"test", "paid"}


async def test_unity_s_and_hand_written_questions_are_understood(app: Application) -> None:
    body = {"$token": KEYS["read"], "$distinct_id": "ada", "$properties": {"plan": "pro"}, "$groups": {"company": "x"}}
    answer = await app.keyless.post("/flags/?v=2", content=json.dumps(body))
    assert answer.json()["flags"]["test"]["metadata"]["id"] == 1
    assert (await ask(app, "ada", disable_flags=True))["flags"] == {}
