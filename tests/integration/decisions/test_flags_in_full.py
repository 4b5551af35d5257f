"""Kill switches, schedules, holds, archived flags and overrides by identifier, through HTTP on the real application."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from application import Application, running
from builders import iso
from tinycdp.model import DAY_MS, MINUTE_MS
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.worker.loops import Worker

ON = {"key": "beta", "rule": "true"}


class Clock:
    def __init__(self, real: Any) -> None:
        self._real = real
        self.ahead = 0

    def __call__(self) -> int:
        return int(self._real()) + self.ahead


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        yield application


@pytest.fixture
def clock(app: Application) -> Clock:
    clock = Clock(app.service.now)
    app.service.now = clock
    return clock


async def decided(app: Application, flag: str = "beta", user: str = "ada", **more: Any) -> dict[str, Any]:
    answer = await app.read.get("/v1/decide", params={"userId": user, "flag": flag, **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_kill_acts_at_once_while_a_revision_backfills(app: Application) -> None:
    await app.track({"userId": "ada", "event": "app_open"})
    await app.define("flag", **ON)
    await app.admin.post("/v1/admin/traits", json={"key": "opens", "expression": "events.app_open.count_30d"})
    assert (await app.admin.get("/v1/admin/traits/opens")).json()["status"] == "backfilling"

    assert (await decided(app))["allow"] is True
    killed = (await app.admin.post("/v1/admin/flags/beta/kill", json={"note": "it is on fire"})).json()
    assert (killed["killed"], killed["kills"][0]["note"]) == (True, "it is on fire")
    answer = await decided(app)
    assert (answer["allow"], answer["reason"], answer["validUntil"]) == (False, "DISABLED", None)
    assert answer["reasons"][0].startswith("killed by bootstrap admin at ")
    assert answer["reasons"][0].endswith(": it is on fire")
    explained = (await decided(app, explain="true"))["explanation"]
    assert explained["killed"] == answer["reasons"][0]
    assert [rule["outcome"] for rule in explained["rules"]] == ["not reached"]


async def test_no_publish_undoes_a_kill_and_reviving_does(app: Application) -> None:
    await app.define("flag", **ON)
    await app.admin.post("/v1/admin/flags/beta/kill")
    await app.admin.put("/v1/admin/flags/beta", json={"rule": "true", "enabled": True, "description": "again"})
    assert (await decided(app))["allow"] is False

    again = (await app.admin.post("/v1/admin/flags/beta/kill", json={"note": "too late"})).json()
    assert [kill["note"] for kill in again["kills"]] == [""]
    revived = (await app.admin.post("/v1/admin/flags/beta/revive")).json()
    assert (revived["killed"], revived["kills"][0]["revivedBy"]) == (False, "bootstrap admin")
    assert (await decided(app))["allow"] is True
    missing = await app.admin.post("/v1/admin/flags/nowhere/kill")
    assert (missing.status_code, missing.json()["code"]) == (404, "NOT_FOUND")


async def test_a_step_acts_at_its_instant_and_becomes_a_revision_that_changes_no_answer(
    app: Application, clock: Clock
) -> None:
    at = clock() + 10 * MINUTE_MS
    await app.define("flag", **ON, schedule=[{"at": iso(at), "set": {"/enabled": False}}])
    before = await decided(app)
    assert (before["allow"], before["validUntil"]) == (True, iso(at))

    clock.ahead = at - clock()
    due = await decided(app)
    assert (due["allow"], due["reason"], due["revision"]) == (False, "DISABLED", before["revision"])

    worker = Worker(app.service.pool, Catalogs(), clock)
    assert await worker.apply_schedules() == 1
    assert await worker.apply_schedules() == 0
    await app.service.catalogs.refresh(app.service.pool, app.environment_id)
    after = await decided(app)
    assert (after["allow"], after["revision"]) == (False, before["revision"] + 1)
    saved = (await app.admin.get("/v1/admin/flags/beta")).json()
    assert (saved["enabled"], saved["document"].get("schedule", [])) == (False, [])
    revisions = (await app.admin.get("/v1/admin/revisions?limit=1")).json()["revisions"]
    assert (revisions[0]["author"], revisions[0]["note"]) == ("schedule", f"steps that were due: beta at {iso(at)}")


async def test_a_session_keeps_its_variant_until_it_is_silent(app: Application, clock: Clock) -> None:
    await app.track({"userId": "ada", "event": "signup"})
    await app.define("flag", key="beta", rule="!events.purchase.exists()", stickyFor="30m")
    assert (await decided(app, sessionId="s-1"))["variant"] == "on"
    await app.track({"userId": "ada", "event": "purchase"})

    assert (await decided(app))["variant"] == "off"
    held = await decided(app, sessionId="s-1")
    assert (held["variant"], held["value"], held["reason"]) == ("on", True, "CACHED")
    assert held["reasons"][-1] == "the session holds 'on', which it was given before"
    assert (await decided(app, sessionId="s-2"))["variant"] == "off"

    clock.ahead += 20 * MINUTE_MS  # renewed
    assert (await decided(app, sessionId="s-1"))["variant"] == "on"
    clock.ahead += 20 * MINUTE_MS
    assert (await decided(app, sessionId="s-1"))["variant"] == "on"
    clock.ahead += 31 * MINUTE_MS
    assert (await decided(app, sessionId="s-1"))["variant"] == "off"


async def test_a_hold_outlives_the_database_as_long_as_it_lasts(
    app: Application, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await app.track({"userId": "ada", "event": "signup"})
    await app.define("flag", key="beta", rule="!events.purchase.exists()", stickyFor="30m")
    assert (await decided(app, sessionId="s-1"))["variant"] == "on"
    await app.track({"userId": "ada", "event": "purchase"})
    nowhere = await asyncpg.create_pool(f"postgresql://absent@/none?host={tmp_path}", min_size=0)
    monkeypatch.setattr(app.service.session_variants, "pool", nowhere)
    clock.ahead += 29 * MINUTE_MS
    assert (await decided(app, sessionId="s-1"))["reason"] == "CACHED"
    clock.ahead += 2 * MINUTE_MS
    assert (await decided(app, sessionId="s-1"))["variant"] == "off", "it could not be renewed"
    assert (await decided(app, sessionId="s-2"))["variant"] == "off"


async def test_a_kill_ends_every_hold_and_another_process_knows_the_session(app: Application, dsn: str) -> None:
    await app.track({"userId": "ada", "event": "signup"})
    await app.define("flag", key="beta", rule="!events.purchase.exists()", stickyFor="30m")
    assert (await decided(app, sessionId="s-1"))["variant"] == "on"
    await app.track({"userId": "ada", "event": "purchase"})
    async with running(dsn) as other:
        assert (await decided(other, sessionId="s-1"))["variant"] == "on"
    await app.admin.post("/v1/admin/flags/beta/kill")
    assert (await decided(app, sessionId="s-1"))["reason"] == "DISABLED"


async def test_an_archived_flag_is_not_found_and_comes_back_with_its_salt(app: Application) -> None:
    await app.define("flag", key="beta", rules=[{"id": "half", "when": "true", "rollout": 50.0, "serve": "on"}])
    document = (await app.admin.get("/v1/admin/flags/beta")).json()["document"]
    people = [f"u-{n}" for n in range(40)]
    before = [(await decided(app, user=person))["variant"] for person in people]
    assert set(before) == {"on", "off"}

    archived = await app.admin.put("/v1/admin/flags/beta", json={**document, "archived": True})
    assert archived.status_code == 200, archived.text
    answer = await app.read.get("/v1/decide", params={"userId": "ada", "flag": "beta"})
    assert (answer.status_code, answer.json()["code"]) == (404, "FLAG_NOT_FOUND")
    refused = await app.admin.post(
        "/v1/admin/flags", json={**ON, "key": "other", "prerequisites": [{"flag": "beta", "variants": ["on"]}]}
    )
    assert (refused.status_code, refused.json()["code"]) == (400, "UNKNOWN_FLAG")
    everything = (await app.read.post("/v1/decide", json={"userId": "ada"})).json()
    assert everything["flags"] == {}

    document.pop("salt")
    await app.admin.put("/v1/admin/flags/beta", json=document)
    assert [(await decided(app, user=person))["variant"] for person in people] == before


async def test_nothing_that_is_required_is_archived_or_deleted(app: Application) -> None:
    await app.define("flag", key="billing", rule="true")
    await app.define("flag", **ON, prerequisites=[{"flag": "billing", "variants": ["on"]}])
    gone = await app.admin.delete("/v1/admin/flags/billing")
    assert (gone.status_code, gone.json()["usedBy"]) == (409, [{"kind": "flag", "key": "beta"}])
    archived = await app.admin.put("/v1/admin/flags/billing", json={"rule": "true", "archived": True})
    assert (archived.status_code, archived.json()["code"]) == (400, "UNKNOWN_FLAG")
    listed = (await app.admin.get("/v1/admin/flags/billing")).json()
    assert listed["usedBy"] == [{"kind": "flag", "key": "beta"}]


async def test_overrides_by_identifier_follow_a_merge(app: Application) -> None:
    await app.define(
        "flag",
        key="beta",
        rules=[],
        overrides=[{"identifier": {"kind": "anonymousId", "value": "a-1"}, "serve": "on"}],
    )
    assert (await decided(app))["variant"] == "off"
    await app.write.post("/v1/identify", json={"userId": "ada", "anonymousId": "a-1", "traits": {}})
    answer = await decided(app)
    assert (answer["variant"], answer["reasons"]) == ("on", ["override: for anonymousId 'a-1'"])
    stranger = await app.read.get("/v1/decide", params={"anonymousId": "a-2", "flag": "beta"})
    assert stranger.json()["variant"] == "off"


async def test_a_prerequisite_bounds_valid_until_and_is_explained(app: Application, clock: Clock) -> None:
    await app.track({"userId": "ada", "event": "purchase"})
    await app.define("flag", key="billing", rule="events.purchase.count_7d >= 1")
    await app.define("flag", **ON, prerequisites=[{"flag": "billing", "variants": ["on"]}])
    answer = await decided(app, explain="true")
    assert answer["allow"] is True
    assert answer["validUntil"] == (await decided(app, "billing"))["validUntil"]
    assert answer["explanation"]["prerequisites"] == [{"flag": "billing", "serves": "on", "needs": ["on"], "met": True}]
    clock.ahead += 8 * DAY_MS
    later = await decided(app)
    assert (later["reason"], later["reasons"]) == ("DISABLED", ["prerequisite 'billing' serves 'off', needs on"])


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"prerequisites": [{"flag": "nope", "variants": ["on"]}]}, "UNKNOWN_FLAG"),
        ({"overrides": [{"segment": "nope", "serve": "on"}]}, "UNKNOWN_SEGMENT"),
        (
            {"rules": [{"when": "true", "serve": "on", "exclusion": {"group": "g", "from": 0, "to": 9}}]},
            "EXCLUSION_OVERLAP",
        ),
    ],
)
async def test_validating_refuses_what_a_save_refuses(app: Application, more: dict[str, Any], code: str) -> None:
    share = {"group": "g", "from": 5, "to": 20}
    await app.define("flag", key="rival", rules=[{"when": "true", "serve": "on", "exclusion": share}])
    flag = {"key": "beta", **more}
    checked = (await app.admin.post("/v1/admin/validate", json={"kind": "flag", "flag": flag})).json()
    assert (checked["valid"], [d["code"] for d in checked["diagnostics"]]) == (False, [code])
    saved = await app.admin.post("/v1/admin/flags", json=flag)
    assert (saved.status_code, saved.json()["code"]) == (400, code)


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"schedule": [{"at": "tomorrow", "set": {"/enabled": False}}]}, "$.schedule[0].at"),
        ({"schedule": [{"at": "2026-12-01T00:00:00Z", "set": {"/rules/9/serve": "on"}}]}, "$.schedule[0]"),
        ({"schedule": [{"at": "2026-12-01T00:00:00Z", "set": {"/salt": "x"}}]}, "$.schedule[0]"),
        ({"stickyFor": "30 minutes"}, "$.stickyFor"),
        ({"holdouts": ["beta"]}, "$.holdouts"),
        ({"metadata": {"owner": {"name": "ada"}}}, "$.metadata.owner"),
        ({"prerequisites": [{"flag": "beta", "variants": ["on"]}]}, "$.prerequisites[0].flag"),
        ({"overrides": [{"serve": "on"}]}, "$.overrides[0]"),
    ],
)
async def test_what_is_wrong_with_a_flag_is_said_with_its_place(
    app: Application, wrong: dict[str, Any], path: str
) -> None:
    answer = await app.admin.post("/v1/admin/flags", json={**ON, **wrong})
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_FLAG")
    assert answer.json()["path"].startswith(path)


@pytest.mark.parametrize("parameter", ["userId", "sessionId", "flag"])
async def test_an_address_that_holds_what_no_text_may_is_refused(app: Application, parameter: str) -> None:
    await app.define("flag", key="beta", rule="true", stickyFor="30m")
    asked = {"userId": "ada", "flag": "beta", "sessionId": "s-1", parameter: "a\0b"}
    answer = await app.read.get("/v1/decide", params=asked)
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_REQUEST")


async def test_a_profile_id_is_written_in_one_way(app: Application) -> None:
    await app.track({"userId": "ada", "event": "signup"})
    await app.define("flag", **ON)
    id = (await decided(app))["profileId"]
    arabic = "".join(chr(ord("٠") + int(digit)) for digit in id)
    answers = [await app.read.get("/v1/decide", params={"profileId": i, "flag": "beta"}) for i in (id, arabic)]
    assert [answer.json()["profileId"] for answer in answers] == [id, None]


async def test_a_file_keeps_steps_that_were_carried_out(app: Application, clock: Clock) -> None:
    """What a repository says of a schedule stays true when its steps have been written down, and takes none back."""
    at = clock() + 10 * MINUTE_MS
    document = {
        "key": "beta",
        "rules": [{"id": "ramp", "when": "true", "rollout": 0, "serve": "on"}],
        "schedule": [
            {"at": iso(at), "set": {"/rules/ramp/rollout": 100}},
            {"at": iso(at + DAY_MS), "set": {"/enabled": False}},
        ],
    }
    await app.define("flag", **document)
    clock.ahead = at - clock()
    assert await Worker(app.service.pool, Catalogs(), clock).apply_schedules() == 1

    change = {"kind": "flag", "key": "beta", "document": document}
    answer = (await app.admin.post("/v1/admin/publish", json={"changes": [change]})).json()
    assert answer["changes"] == []
    assert (await app.admin.get("/v1/admin/flags/beta")).json()["version"] == 2
    document["description"] = "every profile has it"
    [changed] = (await app.admin.post("/v1/admin/publish", json={"changes": [change]})).json()["changes"]
    assert changed["version"] == 3
    await app.service.catalogs.refresh(app.service.pool, app.environment_id)
    assert (await decided(app))["allow"] is True
    early = {**document, "schedule": document["schedule"][:1]}
    await app.admin.put("/v1/admin/flags/beta", json=early)
    saved = (await app.admin.get("/v1/admin/flags/beta")).json()["document"]
    assert [step["at"] for step in saved["schedule"]] == [iso(at)]


async def test_a_renamed_flag_answers_by_one_key_at_a_time(app: Application) -> None:
    await app.track({"userId": "ada", "event": "app_open"})
    await app.define("flag", **ON)
    await app.admin.put("/v1/admin/segments/openers", json={"rule": "events.app_open.count_30d >= 1"})
    await app.admin.put("/v1/admin/flags/beta", json={"rule": "segments.openers"})
    await app.admin.post("/v1/admin/flags/beta/rename", json={"key": "gamma"})
    await app.service.catalogs.refresh(app.service.pool, app.environment_id)

    async def answers() -> list[Any]:
        asked = [{"userId": "ada", "flag": key} for key in ("beta", "gamma")]
        found = [(await app.read.get("/v1/decide", params=params)).json() for params in asked]
        return [answer.get("variant", answer.get("code")) for answer in found]

    assert (await app.admin.get("/v1/admin/segments/openers")).json()["status"] == "backfilling"
    assert await answers() == ["on", "FLAG_NOT_FOUND"]
    worker = Worker(app.service.pool, Catalogs(), app.service.now)
    while await worker.backfill():
        pass
    await app.service.catalogs.refresh(app.service.pool, app.environment_id)
    assert await answers() == ["FLAG_NOT_FOUND", "on"]
