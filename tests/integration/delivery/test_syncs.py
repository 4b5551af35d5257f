"""Syncs on Postgres: a receiver is kept in step with people, whatever fails."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from itertools import pairwise
from typing import Any

import pytest
from aiohttp import web

from delivering import NOW, House
from receiver import Receiver, Request
from serving import eventually
from tinycdp.model import DAY_MS, HOUR_MS
from tinycdp.products.delivery.destinations import Destinations
from tinycdp.products.delivery.reach import Reach
from tinycdp.products.delivery.store import syncs as store
from tinycdp.products.delivery.syncs import run as runs
from tinycdp.products.delivery.syncs import worker as workers
from tinycdp.products.delivery.syncs.definitions import SavedSyncs
from tinycdp.products.delivery.syncs.worker import SyncWorker, next_time
from tinycdp.runtime.environment import Environment

MAPPING = {"email": {"expr": "profile.email"}, "name": {"expr": "profile.name"}}


class Copy:
    """What a receiver has: it knows ids, as the documentation advises."""

    def __init__(self) -> None:
        self.records: dict[str, Any] = {}
        self.operations: list[str] = []
        self.ids: set[str] = set()

    def take(self, request: Request) -> None:
        operation = request.body["type"].removeprefix("record.")
        data = request.body["data"]
        self.operations.append(f"{operation} {data['key']['email']}")
        if request.id in self.ids:
            return
        self.ids.add(request.id)
        if operation in {"upsert", "add"}:
            self.records[data["key"]["email"]] = data["record"]
        elif operation == "clear":
            self.records[data["key"]["email"]].update(data["record"])
        else:
            self.records.pop(data["key"]["email"], None)

    async def answer(self, request: Request, raw: web.Request) -> web.StreamResponse:
        self.take(request)
        return web.Response()


class Syncing:
    """A house with a destination `crm`, whose receiver keeps a copy, and the worker of syncs."""

    def __init__(self, house: House, receiver: Receiver) -> None:
        self.house, self.receiver, self.copy = house, receiver, Copy()
        receiver.answer = self.copy.answer

    async def begin(self, **document: Any) -> None:
        await self.house.put("crm", self.receiver)
        await self.put(**document)

    async def put(self, status: int | None = None, **document: Any) -> Any:
        body = {"destination": "crm", "mapping": MAPPING, "match": ["email"], "mode": "mirror", **document}
        answer = await self.house.app.admin.put("/v1/syncs/people", json=body)
        assert answer.status_code == status if status else answer.status_code in {200, 201}, answer.text
        return answer.json()

    async def identify(self, user: str, n: int, **traits: Any) -> None:
        message = {"type": "identify", "userId": user, "messageId": f"{user}-i-{n}", "traits": traits}
        await self.house.app.track(message)

    async def erase(self, user: str) -> None:
        answer = await self.house.app.admin.post("/v1/admin/erasures", json={"profiles": [user], "note": "asked"})
        assert answer.status_code < 300, answer.text

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[SyncWorker]:
        """The worker of syncs, as a worker process has it."""
        pool = self.house.app.service.pool
        worker = SyncWorker(self.house.dsn, pool, self.house.clock, Reach(frozenset({"127.0.0.1"})))
        stop = asyncio.Event()
        task = asyncio.create_task(worker.run(stop))
        try:
            yield worker
        finally:
            stop.set()
            await task

    async def health(self) -> dict[str, Any]:
        answer = await self.house.app.admin.get("/v1/syncs/people/health")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def post(self, what: str, body: Any = None, status: int = 200) -> Any:
        answer = await self.house.app.admin.post(f"/v1/syncs/people/{what}", json={} if body is None else body)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def ran(self, *, prove: bool = False) -> dict[str, Any]:
        """The health after the worker has marked everybody, and has run once more."""
        pool, id = self.house.app.service.pool, self.house.app.environment_id

        async def is_marked() -> bool:
            return bool(
                await pool.fetchval(
                    "SELECT NOT EXISTS (SELECT FROM outbox o JOIN outbox_cursors c USING (environment_id)"
                    " WHERE c.consumer = 'syncs' AND o.position > c.position AND o.environment_id = $1)",
                    id,
                )
            )

        await eventually(is_marked)
        self.house.clock.now += 1
        before = self.house.clock.now
        await self.post("run", {"prove": prove})
        found: dict[str, Any] = {}

        async def has_run() -> bool:
            nonlocal found
            row = await pool.fetchrow("SELECT ran_at, next_run_at, is_requested FROM sync_states")
            found = await self.health()
            return row["ran_at"] is not None and row["ran_at"] >= before and row["next_run_at"] is not None

        await eventually(has_run)
        return found


@pytest.fixture
async def syncing(house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Syncing:
    monkeypatch.setattr(workers, "_IDLE_SECONDS", 0.03)
    return Syncing(house, receiver)


async def test_only_what_changed_is_sent_and_who_leaves_is_removed(syncing: Syncing) -> None:
    copy = syncing.copy
    await syncing.identify("ada", 1, email="a@x", name="Ada")
    await syncing.identify("bob", 1, email="b@x", name="Bob")
    await syncing.identify("eve", 1, name="Eve")
    await syncing.begin()
    async with syncing.worker():
        found = await syncing.ran()
        assert copy.records == {"a@x": {"email": "a@x", "name": "Ada"}, "b@x": {"email": "b@x", "name": "Bob"}}
        assert (found["counts"]["sent"], found["counts"]["unmatched"], found["sent"]) == (2, 1, 2)
        await syncing.identify("ada", 2, name="Ada L.")
        await syncing.identify("bob", 2, plan="pro")  # its record stays the same
        await syncing.ran()
        assert copy.operations[2:] == ["upsert a@x"]
        assert copy.records["a@x"]["name"] == "Ada L."
        # Another address is another record.
        await syncing.identify("ada", 3, email="ada@x")
        await syncing.ran()
        assert copy.operations[3:] == ["upsert ada@x", "delete a@x"]
        await syncing.identify("eve", 3, email="ada@x")
        found = await syncing.ran()
        assert copy.operations[5:] == [], "ada has that key"
        listed = (await syncing.house.app.admin.get("/v1/syncs/people/records")).json()["records"]
        assert [one["state"] for one in listed] == ["waiting"]
        assert "has the same match key" in listed[0]["reason"]
        await syncing.erase("ada")
        await syncing.ran()
        found = await syncing.ran()
    assert copy.records == {"b@x": {"email": "b@x", "name": "Bob"}, "ada@x": {"email": "ada@x", "name": "Eve"}}
    assert len({request.id for request in syncing.receiver.requests}) == len(syncing.receiver.requests)


async def test_merged_people_hand_their_record_over(syncing: Syncing) -> None:
    copy = syncing.copy
    await syncing.identify("ada", 1, email="a@x", name="Ada")
    await syncing.house.app.track(
        {"type": "identify", "anonymousId": "web", "messageId": "w", "traits": {"name": "A."}}
    )
    await syncing.begin()
    async with syncing.worker():
        await syncing.ran()
        alias = {"type": "identify", "userId": "ada", "anonymousId": "web", "messageId": "m", "traits": {}}
        await syncing.house.app.track(alias)
        await syncing.ran(prove=True)
        assert copy.operations[0] == "upsert a@x"
        assert set(copy.operations) == {"upsert a@x"}, "nothing was removed"
        assert len(copy.records) == 1


async def test_time_alone_changes_records_and_segments(syncing: Syncing) -> None:
    house, copy = syncing.house, syncing.copy
    await house.app.define("trait", key="gone", expression="events.go.count(1d)")
    for user in ("ada", "bob"):
        await syncing.identify(user, 1, email=f"{user}@x")
    await house.enter("ada")
    await syncing.begin(
        mapping={"email": {"expr": "profile.email"}, "n": {"expr": "gone"}},
        segment="went",
        filter="profile.email != ''",
    )
    async with syncing.worker():
        await syncing.ran()
        assert copy.records == {"ada@x": {"email": "ada@x", "n": 1}}
        house.clock.now += DAY_MS + HOUR_MS
        await syncing.ran()
        assert copy.records == {"ada@x": {"email": "ada@x", "n": 0}}
        house.clock.now += 31 * DAY_MS
        await house.app.advance() if hasattr(house.app, "advance") else None
        await syncing.ran()
        assert copy.records == {}
        assert copy.operations == ["upsert ada@x", "upsert ada@x", "delete ada@x"]


async def test_what_failed_is_tried_in_every_run_with_its_id(syncing: Syncing) -> None:
    async def only_ada_fails(request: Request, raw: web.Request) -> web.StreamResponse:
        is_ada = request.body["data"]["key"]["email"] == "ada@x"
        return web.Response(status=422, text="no such field") if is_ada else await syncing.copy.answer(request, raw)

    def of_ada() -> list[str]:
        return [one.id for one in syncing.receiver.requests if one.body["data"]["key"]["email"] == "ada@x"]

    syncing.receiver.answer = only_ada_fails
    for user in ("ada", "bob"):
        await syncing.identify(user, 1, email=f"{user}@x")
    await syncing.begin()
    async with syncing.worker():
        await syncing.ran()
        found = await syncing.ran()
        assert (found["counts"]["sent"], found["counts"]["failed"]) == (1, 1)
        (listed,) = (await syncing.house.app.admin.get("/v1/syncs/people/records?state=failed")).json()["records"]
        assert listed["attempts"] == len(of_ada()) >= 2
        assert "422" in listed["reason"]
        assert "no such field" in listed["reason"]
        syncing.receiver.answer = syncing.copy.answer
        found = await syncing.ran()
        assert (found["counts"]["sent"], found["counts"]["failed"]) == (2, 0)
        await syncing.ran()
    assert len(set(of_ada())) == 1


async def test_a_receiver_that_is_away_ends_the_run(syncing: Syncing) -> None:
    async def away(request: Request, raw: web.Request) -> web.StreamResponse:
        return web.Response(status=503)

    syncing.receiver.answer = away
    for n in range(40):
        await syncing.identify(f"user{n}", 1, email=f"{n}@x")
    await syncing.begin()
    async with syncing.worker():
        found = await syncing.ran()
        assert "503" in found["problem"]
        assert 5 <= len(syncing.receiver.requests) <= 5 + 8
        syncing.receiver.answer = syncing.copy.answer
        found = await syncing.ran()
    assert (found["problem"], len(syncing.copy.records)) == ("", 40)


async def test_records_that_never_pass_hold_up_no_others(syncing: Syncing) -> None:
    """The first people, and a removal, always get a 5xx: the load, removals, erasures and the proof go on without."""
    copy, is_mended = syncing.copy, False

    async def some_never_pass(request: Request, raw: web.Request) -> web.StreamResponse:
        key = request.body["data"]["key"]["email"]
        is_bad = key.startswith("bad") or (key, request.body["type"]) == ("0@x", "record.delete")
        return web.Response(status=500) if is_bad and not is_mended else await copy.answer(request, raw)

    syncing.receiver.answer = some_never_pass
    for n in range(6):
        await syncing.identify(f"bad{n}", 1, email=f"bad{n}@x")
    for n in range(5):
        await syncing.identify(f"good{n}", 1, email=f"{n}@x")
    await syncing.house.put("crm", syncing.receiver, concurrency=1)
    await syncing.put(brake=1)
    async with syncing.worker():
        for _ in range(2):
            found = await syncing.ran()
        assert copy.records.keys() == {f"{n}@x" for n in range(5)}
        assert "500" in found["problem"]
        await syncing.identify("good0", 2, email="new@x")
        await syncing.erase("good1")
        found = await syncing.ran(prove=True)
        assert copy.records.keys() == {"new@x"} | {f"{n}@x" for n in (0, 2, 3, 4)}
        assert (found["proofProfiles"], found["counts"]["failedRemovals"]) == (10, 1), "all but the erased one"
        await syncing.identify("good2", 2, email="2nd@x")
        for n in range(6):  # what changes is no less a retry
            await syncing.identify(f"bad{n}", 2, name="other")
        await syncing.ran()
        assert "2@x" not in copy.records, "another removal passes"
        listed = (await syncing.house.app.admin.get("/v1/syncs/people/records?state=failed")).json()["records"]
        assert len(listed) == 6
        attempts = [one["attempts"] for one in listed]
        assert max(attempts) - min(attempts) <= 2, "they take turns"
        assert all("500" in one["reason"] for one in listed)
        is_mended = True
        found = await syncing.ran()
    assert (found["problem"], found["counts"]["failed"], found["counts"]["removals"]) == ("", 0, 0)
    assert len(copy.records) == 6 + 4


async def test_a_paused_destination_ends_the_run_that_goes_on(
    syncing: Syncing, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = syncing.house

    async def pause(request: Request, raw: web.Request) -> web.StreamResponse:
        monkeypatch.setattr(syncing.receiver, "answer", syncing.copy.answer)
        await house.put("crm", syncing.receiver, status=200, paused=True)
        return await syncing.copy.answer(request, raw)

    monkeypatch.setattr(runs, "PART", 3)
    for n in range(9):
        await syncing.identify(f"user{n}", 1, email=f"{n}@x")
    await syncing.begin()
    syncing.receiver.answer = pause
    environment = Environment(house.app.environment_id, house.app.service.pool, house.clock)
    worker = SyncWorker(house.dsn, environment.pool, house.clock, Reach(frozenset({"127.0.0.1"})))
    async with environment.pool.acquire() as connection:
        (sync,) = await SavedSyncs(Destinations()).of(connection, environment.id)
        row = await store.see_sync(connection, environment.id, sync.id)
    assert row is not None
    try:
        with pytest.raises(runs.OvertakenRun):
            await worker.run_once(environment, sync, row.generation)
    finally:
        (stop := asyncio.Event()).set()
        await worker.run(stop)
    assert len(syncing.receiver.requests) == 3


async def test_the_brake_stops_mass_removal_until_it_is_released(syncing: Syncing) -> None:
    house, copy = syncing.house, syncing.copy
    for n in range(20):
        await syncing.identify(f"user{n}", 1, email=f"{n}@x", plan="pro")
    others = {f"{n}@x" for n in range(20, 45)}
    for n in range(20, 45):
        await syncing.identify(f"user{n}", 1, email=f"{n}@x", plan="x")
    # More come than leave: their share is that of those who were there.
    await syncing.begin(filter='profile.plan == "pro"', brake=0.5)
    async with syncing.worker():
        await syncing.ran()
        assert len(copy.records) == 20
        preview = await syncing.post(
            "preview", {"document": {**await document(syncing), "filter": 'profile.plan == "x"'}}
        )
        assert (preview["removed"], preview["wouldBrake"], preview["isComplete"]) == (20, True, True)
        assert preview["examples"][0]["operation"] == "delete"
        await syncing.put(filter='profile.plan == "x"', brake=0.5)
        for _ in range(2):
            found = await syncing.ran()
            assert found["state"] == "braked"
            assert "20 of 20" in found["reason"]
        assert len(copy.records) == 45
        removals = (await house.app.admin.get("/v1/syncs/people/removals")).json()["removals"]
        assert [one["isBraked"] for one in removals] == [True] * 20
        await syncing.identify("user1", 2, plan="x")
        found = await syncing.ran()
        assert found["counts"]["removals"] == 19, "who comes back is not removed"
        assert found["counts"]["sent"] == 26
        await syncing.erase("user0")
        await syncing.ran()
        assert "0@x" not in copy.records, "an erasure does not wait"
        assert (await syncing.post("release"))["removals"] == 18
        found = await syncing.ran()
        assert (found["state"], copy.records.keys()) == ("active", {"1@x"} | others)
        assert (await syncing.post("release", status=409))["code"] == "NOT_BRAKED"
        await syncing.put(filter='profile.plan == "pro"', brake=0.5)
        found = await syncing.ran()
        assert (found["state"], found["counts"]["removals"]) == ("braked", 26)
        await syncing.put(filter='profile.plan == "pro"', mode="upsert")
        found = await syncing.ran()
        assert (found["state"], found["counts"]["removals"]) == ("active", 0), "what stays is not kept as a removal"
        assert copy.records.keys() == {"1@x"} | others | {f"{n}@x" for n in range(2, 20)}


async def document(syncing: Syncing) -> dict[str, Any]:
    found: dict[str, Any] = (await syncing.house.app.admin.get("/v1/syncs/people")).json()["document"]
    return found


async def test_the_nightly_comparison_finds_what_was_missed(syncing: Syncing) -> None:
    house, copy = syncing.house, syncing.copy
    for user in ("ada", "bob"):
        await syncing.identify(user, 1, email=f"{user}@x", name=user)
    await syncing.begin()
    async with syncing.worker():
        await syncing.ran()
        found = await syncing.ran(prove=True)
        assert (found["proofProfiles"], found["differences"]) == (2, 0)
        # As if a change had been missed.
        await house.app.service.pool.execute("UPDATE sync_records SET hash = '\\x00' WHERE profile_id = 1")
        found = await syncing.ran()
        assert len(copy.operations) == 2
        found = await syncing.ran(prove=True)
        assert (found["proofDifferences"], found["differences"], len(copy.operations)) == (1, 1, 3)


async def test_a_changed_mapping_is_previewed_and_sent(syncing: Syncing) -> None:
    for user in ("ada", "bob"):
        await syncing.identify(user, 1, email=f"{user}@x", name=user)
    await syncing.begin()
    async with syncing.worker():
        await syncing.ran()
        changed = {**await document(syncing), "mapping": {**MAPPING, "vip": {"expr": "profile.name == 'ada'"}}}
        preview = await syncing.post("preview", {"document": changed})
        assert (preview["changed"], preview["unchanged"], preview["added"], preview["removed"]) == (2, 0, 0, 0)
        assert preview["examples"][0]["record"] == {"email": "ada@x", "name": "ada", "vip": True}
        assert len(syncing.copy.operations) == 2, "a preview sends nothing"
        await syncing.put(mapping=changed["mapping"])
        await syncing.ran()
        assert syncing.copy.records["bob@x"] == {"email": "bob@x", "name": "bob", "vip": False}
        assert (await syncing.post("preview"))["unchanged"] == 2


@pytest.mark.parametrize("seed", [1, 2])
async def test_whatever_fails_the_receiver_has_the_members_in_the_end(
    syncing: Syncing, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    choose = random.Random(seed)
    trouble = 0.3
    saved = runs.SyncRun._save

    async def answer(request: Request, raw: web.Request) -> web.StreamResponse:
        if choose.random() < trouble:
            if choose.random() < 0.5:
                syncing.copy.take(request)
            return web.Response(status=500)
        return await syncing.copy.answer(request, raw)

    async def save_or_die(self: Any, connection: Any, ledger: Any) -> None:
        if choose.random() < trouble / 3:
            raise RuntimeError("died")
        await saved(self, connection, ledger)

    syncing.receiver.answer = answer
    monkeypatch.setattr(runs.SyncRun, "_save", save_or_die)
    await syncing.begin(filter='profile.plan == "pro"', everySeconds=1, brake=1)
    people = [f"user{n}" for n in range(8)]
    async with syncing.worker():
        for n in range(60):
            user = choose.choice(people)
            traits = {"email": f"{choose.randrange(6)}@x", "name": str(n), "plan": choose.choice(["pro", "free"])}
            await syncing.identify(user, n, **traits)
            syncing.house.clock.now += choose.choice([0, 100, 1_100])
            if n % 5 == 0:
                await asyncio.sleep(0.02)
        trouble = 0.0
        for _ in range(4):
            found = await syncing.ran()
    assert found["counts"]["failed"] == found["counts"]["removals"] == 0
    rows = await syncing.house.app.service.pool.fetch("SELECT properties FROM profiles WHERE merged_into IS NULL")
    members = [json.loads(r[0]) if isinstance(r[0], str) else r[0] for r in rows]
    wanted: dict[str, list[str]] = {}
    for one in members:
        if one["plan"] == "pro":
            wanted.setdefault(one["email"], []).append(one["name"])
    assert syncing.copy.records.keys() == wanted.keys()
    for key, names in wanted.items():
        assert syncing.copy.records[key]["name"] in names


async def test_an_http_destination_gets_requests_in_its_own_form(syncing: Syncing) -> None:
    """An audience of an ad platform: members are posted in a list, and leave by DELETE."""
    url = syncing.receiver.url
    place = {"type": "http", "url": url, "headers": {"Authorization": "Bearer x"}, "concurrency": 1}
    answer = await syncing.house.app.admin.put("/v1/destinations/ads", json=place)
    assert answer.status_code == 201, answer.text
    users = {"payload": {"schema": ["EMAIL"], "data": [[{"field": "record.user.email"}]]}}
    document = {
        "destination": "ads",
        "filter": 'profile.plan == "pro"',
        "mapping": {"user": {"email": {"expr": "profile.email", "as": "sha256_lower"}}},
        "match": ["user.email"],
        "mode": "audience",
        "requests": {
            "add": {"mapping": users},
            "remove": {"url": url + "/{email}", "parameters": {"email": {"field": "key.user.email"}}, "success": [404]},
        },
    }
    wrong = {"add": {"mapping": {"email": {"expr": "profile.email"}, "kind": {"field": "segment.key"}}}}
    answer = await syncing.put(400, **{**document, "requests": wrong})
    assert {"$.requests.add.mapping.email.expr", "$.requests.add.mapping.kind.field"} == {
        one["path"] for one in answer["findings"]
    }
    assert "$.requests.upsert" in str(await syncing.put(400, **{**document, "requests": {"upsert": {}}}))
    seen: list[tuple[str, str, str, bytes]] = []

    async def answered(request: Request, raw: web.Request) -> web.StreamResponse:
        seen.append((raw.method, raw.path, request.headers["idempotency-key"], request.raw))
        assert request.headers["authorization"] == "Bearer x"
        return web.Response(status=404 if raw.method == "DELETE" else 200)

    syncing.receiver.answer = answered
    await syncing.identify("ada", 1, email=" Ada@X ", plan="pro")
    await syncing.put(201, **document)
    hashed = sha256(b"ada@x").hexdigest()
    async with syncing.worker():
        await syncing.ran()
        await syncing.identify("ada", 2, plan="free")
        found = await syncing.ran()
    assert (found["sent"], found["removed"], found["counts"]["removals"]) == (1, 1, 0)
    (added, removed) = seen
    assert added[:2] == ("POST", "/hook")
    assert json.loads(added[3]) == {"payload": {"schema": ["EMAIL"], "data": [[hashed]]}}
    assert removed[:2] == ("DELETE", f"/hook/{hashed}")
    assert added[2] != removed[2]
    assert removed[3] == b""


async def test_documents_say_what_is_wrong_with_them(syncing: Syncing) -> None:
    house = syncing.house
    await syncing.begin(segment="went")
    for wrong, path in (
        ({"destination": "crn"}, "$.destination"),
        ({"segment": "wnt"}, "$.segment"),
        ({"filter": "profile.plan =="}, "$.filter"),
        ({"filter": "events.go.count(1d) > 1"}, "$.filter"),
        ({"match": ["mail"]}, "$.match[0]"),
        ({"mapping": {"email": {"expr": "unknown_trait"}}}, "$.mapping.email.expr"),
        ({"onLeave": "clear"}, "$.onLeave"),
        ({"mode": "upsert", "onLeave": "clear"}, "$.clear"),
        ({"nightly": "25:00"}, "$.nightly"),
        ({"brake": 0}, "$.brake"),
    ):
        answer = await syncing.put(400, **wrong)
        assert path in str(answer), (wrong, answer)
    broker = {"type": "kafka", "brokers": ["127.0.0.1:9092"], "topic": "went", "events": ["segment.entered"]}
    answer = await house.app.admin.put("/v1/destinations/crm", json=broker)
    assert "takes batches" in answer.text
    answer = await house.app.admin.delete("/v1/destinations/crm")
    assert (answer.status_code, answer.json()["code"]) == (409, "REFERENCED")
    answer = await house.app.admin.post("/v1/destinations/crm/rename", json={"key": "hub"})
    assert answer.status_code == 200, answer.text
    answer = await house.app.admin.post("/v1/admin/segments/went/rename", json={"key": "gone_there"})
    assert answer.status_code == 200, answer.text
    found = await document(syncing)
    assert (found["destination"], found["segment"]) == ("hub", "gone_there")
    assert (await house.app.admin.delete("/v1/syncs/people")).status_code == 200
    async with house.app.service.pool.acquire() as connection:
        assert await store.count_syncs(connection, house.app.environment_id) == 0
        assert not await connection.fetchval("SELECT count(*) FROM outbox_cursors WHERE consumer = 'syncs'")


def test_the_night_comes_once_a_day_whatever_the_clocks_do() -> None:
    at, nights = NOW, []
    for _ in range(400):
        at = next_time("02:30", "Europe/Berlin", at)
        nights.append(at)
    pauses = {(later - earlier) // HOUR_MS for earlier, later in pairwise(nights)}
    assert pauses == {23, 24, 25}
