"""The history of a segment against counts that were taken at the time, and its transitions against the table."""

import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from application import Application, running
from builders import at, iso
from serving import ManualClock
from tinycdp.model import DAY_MS, HOUR_MS, MINUTE_MS
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.worker.loops import Worker

START = at("2026-03-02T00:00:00Z")
MEMBERS = "SELECT count(*) FROM memberships WHERE environment_id = $1 AND fingerprint = $2"


@pytest.fixture
def now() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
async def app(dsn: str, now: ManualClock) -> AsyncIterator[Application]:
    async with running(dsn, now) as application:
        yield application


async def ask(app: Application, path: str, **query: Any) -> dict[str, Any]:
    answer = await app.admin.get(f"/v1/admin/segments/{path}", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def wake(app: Application) -> None:
    worker = Worker(app.service.pool, Catalogs(), app.service.now)
    while await worker.wake_due():
        pass


@pytest.mark.parametrize("seed", range(4))
async def test_members_are_those_that_were_counted_at_the_time(app: Application, now: ManualClock, seed: int) -> None:
    """Whatever happened: events, windows that slide, merges, undone merges, edits."""
    chance = random.Random(seed)
    await app.define("segment", key="fresh", rule="events.visit.count_3h >= 1")
    counted: list[int] = []
    merges: list[int] = []
    limit = 1
    for hour in range(36):
        now.now = START + hour * HOUR_MS + chance.randrange(HOUR_MS // 2)
        who = f"u{chance.randrange(6)}"
        await app.track({"userId": who, "event": "visit"}, {"anonymousId": f"a{chance.randrange(4)}", "event": "visit"})
        match chance.randrange(6):
            case 0:
                other = f"a{chance.randrange(4)}"
                await app.write.post("/v1/alias", json={"userId": who, "previousId": other})
            case 1:
                pair = [f"userId:u{n}" for n in chance.sample(range(6), 2)]
                merged = await app.admin.post("/v1/admin/profiles/merge", json={"profiles": pair})
                merges += [int(id) for id in merged.json().get("merges", ())]
            case 2 if merges:
                await app.admin.post(f"/v1/admin/merges/{merges.pop()}/undo", json={})
            case 3 if hour > 20:
                limit = 3 - limit
                edited = await app.admin.put(
                    "/v1/admin/segments/fresh", json={"rule": f"events.visit.count_3h >= {limit}"}
                )
                assert edited.status_code == 200, edited.text
                await app.backfill()
        now.now = START + (hour + 1) * HOUR_MS - 1
        await wake(app)
        catalog = await app.service.catalogs.refresh(app.service.pool, app.environment_id)
        fingerprint = catalog.live.fingerprints["segment", "fresh"]
        counted.append(await app.service.pool.fetchval(MEMBERS, app.environment_id, fingerprint))

    found = await ask(app, "fresh/history", bucket="hour", **{"from": iso(START)})
    buckets = found["buckets"]
    assert [one["start"] for one in buckets] == [iso(START + hour * HOUR_MS) for hour in range(36)]
    assert [one["members"] for one in buckets] == counted
    changes = [one["entered"] - one["left"] + one["moved"] for one in buckets]
    assert [sum(changes[: n + 1]) for n in range(36)] == counted
    assert len(set(counted)) > 2
    # The same in days and weeks.
    for bucket, width in (("day", 24), ("week", 24 * 7)):
        coarse = (await ask(app, "fresh/history", bucket=bucket, **{"from": iso(START)}))["buckets"]
        assert [one["members"] for one in coarse] == [counted[min(n + width, 36) - 1] for n in range(0, 36, width)]
        for name in ("entered", "left", "moved"):
            assert sum(one[name] for one in coarse) == sum(one[name] for one in buckets)
    # The list has the same entries and exits.
    listed: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": 7}
    while True:
        page = await ask(app, "fresh/transitions", **query)
        listed += page["transitions"]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert [one["at"] for one in listed] == sorted((one["at"] for one in listed), reverse=True)
    assert sum(one["entered"] for one in listed) == sum(one["entered"] for one in buckets)
    assert sum(not one["entered"] for one in listed) == sum(one["left"] for one in buckets)


async def test_transitions_are_filtered_by_kind_cause_and_time(app: Application, now: ManualClock) -> None:
    await app.define("segment", key="fresh", rule="events.visit.exists_1h")
    await app.define("segment", key="other", rule="events.visit.exists_2h")
    await app.track({"userId": "ada", "event": "visit"})
    now.now += 90 * MINUTE_MS
    await wake(app)
    entry, leave = iso(START), iso(START + HOUR_MS)
    every = (await ask(app, "fresh/transitions"))["transitions"]
    assert [(one["entered"], one["at"], one["cause"]) for one in every] == [
        (False, leave, "clock"), (True, entry, "event"),
    ]  # fmt: skip
    assert every[0]["recordedAt"] == iso(now.now)
    assert every[0]["identifiers"] == [{"kind": "userId", "value": "ada"}]
    for query, wanted in (
        ({"kind": "entered"}, [entry]),
        ({"kind": "left"}, [leave]),
        ({"cause": "clock"}, [leave]),
        ({"cause": "merge"}, []),
        ({"from": leave}, [leave]),
        ({"to": leave}, [entry]),
    ):
        assert [one["at"] for one in (await ask(app, "fresh/transitions", **query))["transitions"]] == wanted, query
    page = (await app.admin.get("/v1/admin/users/ada")).json()
    assert [one["cause"] for one in page["transitions"]] == ["clock", "event", "event"]


async def test_an_erased_profile_is_in_no_bucket(app: Application, now: ManualClock) -> None:
    await app.define("segment", key="visitors", rule="events.visit.exists()")
    await app.track({"userId": "ada", "event": "visit"}, {"userId": "bob", "event": "visit"})
    now.now += DAY_MS
    await app.admin.delete("/v1/admin/profiles/ada")
    found = (await ask(app, "visitors/history", **{"from": iso(START)}))["buckets"]
    assert [(one["entered"], one["members"]) for one in found] == [(1, 1), (0, 1)]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("none/history", 404, "NOT_FOUND"),
        ("none/transitions", 404, "NOT_FOUND"),
        ("all/history?from=yesterday", 400, "INVALID_REQUEST"),
        ("all/history?from=2030-01-01T00:00:00Z", 400, "INVALID_REQUEST"),
        ("all/history?bucket=hour&from=2020-01-01T00:00:00Z", 400, "INVALID_REQUEST"),
        ("all/history?bucket=month", 400, "INVALID_REQUEST"),
        ("all/transitions?kind=gone", 400, "INVALID_REQUEST"),
        ("all/transitions?cause=moved", 400, "INVALID_REQUEST"),
        ("all/transitions?cursor=x", 400, "INVALID_CURSOR"),
        ("all/transitions?form=2026-01-01T00:00:00Z", 400, "UNKNOWN_PARAMETER"),
    ],
)
async def test_a_wrong_question_is_an_error(app: Application, path: str, status: int, code: str) -> None:
    await app.define("segment", key="all", rule="true")
    refused = await app.admin.get(f"/v1/admin/segments/{path}")
    assert (refused.status_code, refused.json()["code"]) == (status, code), refused.text
