"""What happens when receivers fail: retries, order, lanes of their own, giving up, replay."""

import asyncio
import re
from collections.abc import Sequence
from typing import Any

import pytest
from aiohttp import web

from delivering import House
from receiver import Receiver, Request, ok, receiving
from serving import eventually
from tinycdp.model import DAY_MS, HOUR_MS, MINUTE_MS
from tinycdp.products.delivery import destinations
from tinycdp.products.delivery.lanes import lane as lanes
from tinycdp.products.delivery.lanes import sender
from tinycdp.products.delivery.lanes.lane import SCHEDULE


def users(requests: Sequence[Request]) -> list[str]:
    return [user(request) for request in requests]


def user(request: Request) -> str:
    return str(request.body["data"]["profile"]["identifiers"][0]["value"])


async def failing(request: Request, raw: web.Request) -> web.StreamResponse:
    return web.Response(status=500, text="no")


def measured(text: str) -> dict[str, float]:
    """The series of the destination crm."""
    labels = r'\{destination="crm",environment="default/default/prod",process="\d+"\}'
    return {name: float(n) for name, n in re.findall(rf"^tinycdp_destination_(\w+){labels} (\S+)$", text, re.M)}


async def waits(house: House, key: str, **wanted: Any) -> dict[str, Any]:
    """The health, as soon as it has these values."""
    found: dict[str, Any] = {}

    async def has() -> bool:
        nonlocal found
        found = await house.health(key)
        return all(found[name] == value for name, value in wanted.items())

    await eventually(has)
    return found


async def arrives(receiver: Receiver, n: int) -> None:
    async def there() -> bool:
        return len(receiver.requests) >= n

    await eventually(there)


async def test_a_failed_one_is_tried_again_with_its_id_and_only_its_person_waits(
    house: House, receiver: Receiver
) -> None:
    async def only_ada_fails(request: Request, raw: web.Request) -> web.StreamResponse:
        return web.Response(status=400 if user(request) == "ada" else 200)

    receiver.answer = only_ada_fails
    await house.app.define("segment", key="big", rule="events.buy.count(30d) >= 1")
    await house.put("crm", receiver, "segment.entered")
    async with house.delivering():
        await house.enter("ada")
        await arrives(receiver, 1)
        await house.enter("ada", event="buy")
        await house.enter("bob")
        await waits(house, "crm", behind=0, waiting=2, delivered=1)
        assert users(receiver.requests) == ["ada", "bob"], "her second one waits behind the first"
        receiver.answer = ok
        house.clock.now += 6_000
        await waits(house, "crm", waiting=0, delivered=3)
    segments = [one.body["data"]["segment"]["key"] for one in receiver.requests]
    assert users(receiver.requests) == ["ada", "bob", "ada", "ada"]
    assert [segments[0], *segments[2:]] == ["went", "went", "big"]
    assert receiver.requests[0].id == receiver.requests[2].id
    assert len({request.id for request in receiver.requests}) == 3


async def test_the_schedule_ends_with_the_undelivered_which_can_be_sent_again(house: House, receiver: Receiver) -> None:
    async def bad(request: Request, raw: web.Request) -> web.StreamResponse:
        if user(request) != "ada":
            return web.Response()
        return web.Response(status=422, text="what is that?\x00" + "x" * 5_000)

    def of_ada() -> list[Request]:
        return [request for request in receiver.requests if user(request) == "ada"]

    async def tried(n: int) -> None:
        async def enough() -> bool:
            return len(of_ada()) >= n

        await eventually(enough)

    receiver.answer = bad
    await house.put("crm", receiver, "segment.entered")
    async with house.delivering():
        await house.enter("ada")
        for n, pause in enumerate(SCHEDULE, 1):
            await tried(n)
            found = await waits(house, "crm", behind=0, waiting=1)
            assert found["nextAt"] is not None
            house.clock.now += pause * 8 // 10
            await house.enter(f"bob-{n}")
            await waits(house, "crm", delivered=n, behind=0)
            assert len(of_ada()) == n, "not before its time"
            house.clock.now += pause * 4 // 10
        await waits(house, "crm", waiting=0, undelivered=1)
        assert len(of_ada()) == 10
        page = (await house.app.admin.get("/v1/destinations/crm/undelivered")).json()["undelivered"]
        assert [(one["attempts"], one["status"], one["type"]) for one in page] == [(10, 422, "segment.entered")]
        assert page[0]["answer"].startswith("what is that?")
        assert len(page[0]["answer"]) == 1_000
        log = (await house.app.admin.get("/v1/destinations/crm/deliveries?failed=true")).json()["deliveries"]
        assert [one["attempt"] for one in log] == [*range(10, 0, -1)]
        again = (await house.app.admin.get(f"/v1/destinations/crm/messages/{page[0]['seq']}")).json()
        assert (again["webhookId"], again["body"]) == (of_ada()[0].id, of_ada()[0].body)
        assert again["headers"]["webhook-signature"].startswith("v1,")
        missing = await house.app.admin.get("/v1/destinations/crm/messages/999999999999999999999")
        assert (missing.status_code, missing.json()["code"]) == (404, "NOT_FOUND")
        (figures,) = (await house.app.admin.get("/v1/delivery/health")).json()["destinations"]
        assert (figures["key"], figures["failed"], figures["undelivered"]) == ("crm", 10, 1)
        assert measured((await house.app.keyless.get("/metrics")).text) == {
            "active": 1, "behind": 0, "lag_seconds": 0, "waiting": 0, "undelivered": 1,
            "delivered_total": len(SCHEDULE), "failed_total": 10,
        }  # fmt: skip
        counted = await house.post("crm", "replay", {"undelivered": True, "dryRun": True})
        assert counted["messages"] == 1
        receiver.answer = ok
        assert (await house.post("crm", "replay", {"undelivered": True}))["messages"] == 1
        await waits(house, "crm", waiting=0, undelivered=0, delivered=1 + len(SCHEDULE))
    assert len({request.id for request in of_ada()}) == 1


async def test_replay_sends_what_happened_again(house: House, receiver: Receiver) -> None:
    await house.put("crm", receiver, "segment.entered")
    async with house.delivering():
        for name in ("ada", "bob", "eve"):
            await house.enter(name)
            await arrives(receiver, 1)
        await waits(house, "crm", delivered=3)
        first = receiver.requests[0].body["data"]["version"]
        assert (await house.post("crm", "replay", {"afterVersion": first}))["messages"] == 2
        await waits(house, "crm", delivered=5, behind=0)
        assert (await house.post("crm", "replay", {"since": "2020-01-01T00:00:00Z"}))["messages"] == 3
        await waits(house, "crm", delivered=8, behind=0)
    assert sorted(users(receiver.requests)) == sorted(["ada", "bob", "eve", "bob", "eve", "ada", "bob", "eve"])
    for wrong in ({}, {"afterVersion": 1, "undelivered": True}, {"since": "yesterday"}, {"since": "2020-01-01"}):
        assert (await house.post("crm", "replay", wrong, 400))["code"] == "INVALID_REPLAY"


async def test_gone_disables_and_resuming_goes_on_where_it_stopped(house: House, receiver: Receiver) -> None:
    async def gone(request: Request, raw: web.Request) -> web.StreamResponse:
        return web.Response(status=410)

    receiver.answer = gone
    await house.put("crm", receiver, "segment.entered")
    async with house.delivering():
        await house.enter("ada")
        found = await waits(house, "crm", state="disabled")
        assert "410" in found["reason"]
        await house.enter("bob")
        receiver.answer = ok
        await house.post("crm", "resume")
        await waits(house, "crm", state="active", delivered=2, waiting=0, behind=0)
    assert sorted(users(receiver.requests)) == ["ada", "ada", "bob"]


async def test_pause_holds_and_resume_sends(house: House, receiver: Receiver) -> None:
    await house.put("crm", receiver, "segment.entered")
    async with house.delivering():
        paused = await house.post("crm", "pause", {"reason": "it moves"})
        assert (paused["state"], paused["reason"]) == ("paused", "it moves")
        await house.enter("ada")
        await waits(house, "crm", behind=1)
        assert receiver.requests == []
        await house.post("crm", "resume")
        await waits(house, "crm", delivered=1)
    await house.put("crm", receiver, "segment.entered", status=200, paused=True)
    assert (await house.health("crm"))["state"] == "paused"
    assert (await house.post("crm", "resume", status=409))["code"] == "DESTINATION_PAUSED"


async def test_five_days_of_failing_pause(house: House, receiver: Receiver) -> None:
    receiver.answer = failing
    await house.put("crm", receiver, "segment.entered")
    async with house.delivering():
        await house.enter("ada")
        await waits(house, "crm", waiting=1)
        house.clock.now += 5 * DAY_MS + HOUR_MS
        found = await waits(house, "crm", state="paused")
    assert "five days" in found["reason"]
    assert found["failingSince"] is not None


class _Answers:
    """What bad receivers do."""

    @staticmethod
    async def redirects(request: Request, raw: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": str(raw.url.with_path("/elsewhere"))})

    @staticmethod
    async def hangs(request: Request, raw: web.Request) -> web.StreamResponse:
        await asyncio.sleep(3_600)
        raise AssertionError

    @staticmethod
    async def streams(request: Request, raw: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(status=500)
        await answer.prepare(raw)
        while True:
            await answer.write(b"x" * 65_536)

    @staticmethod
    async def trickles(request: Request, raw: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(status=200)
        await answer.prepare(raw)
        while True:
            await answer.write(b"x")
            await asyncio.sleep(0.05)

    @staticmethod
    async def sends_garbage(request: Request, raw: web.Request) -> web.StreamResponse:
        assert raw.transport is not None
        raw.transport.write(b"\x00\xff\xfe garbage\r\n\r\n")  # type: ignore[attr-defined]
        raw.transport.close()
        return web.Response()

    @staticmethod
    async def closes(request: Request, raw: web.Request) -> web.StreamResponse:
        assert raw.transport is not None
        raw.transport.close()
        return web.Response()


@pytest.mark.parametrize("how", [name for name in vars(_Answers) if not name.startswith("_")])
async def test_a_bad_receiver_is_a_failure_and_no_more(
    house: House, receiver: Receiver, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "SECONDS", 0.5)
    receiver.answer = getattr(_Answers, how)
    await house.put("crm", receiver, "segment.entered")
    async with house.delivering():
        await house.enter("ada")
        found = await waits(house, "crm", waiting=1, behind=0)
        assert found["lastFailure"]
        receiver.answer = ok
        house.clock.now += MINUTE_MS
        await waits(house, "crm", waiting=0, delivered=1)
    assert all(request.headers["host"].startswith("127.0.0.1") for request in receiver.requests)


async def test_an_answer_without_an_end_is_read_in_part(house: House, receiver: Receiver) -> None:
    async def much(request: Request, raw: web.Request) -> web.StreamResponse:
        endless = web.StreamResponse()
        await endless.prepare(raw)
        while True:  # until the connection is closed
            await endless.write(b"x" * 65_536)

    receiver.answer = much
    await house.put("crm", receiver, "segment.entered")
    async with house.delivering():
        await house.enter("ada")
        await waits(house, "crm", delivered=1, waiting=0)


async def test_one_dead_and_one_slow_lane_do_not_hold_up_the_others(house: House) -> None:
    """Counted: all others have all that happened while the slow one answers its first and the dead one none."""
    release = asyncio.Event()

    async def slow(request: Request, raw: web.Request) -> web.StreamResponse:
        await release.wait()
        return web.Response()

    async with receiving(failing) as dead, receiving(slow) as late:
        await house.put("dead", dead, "segment.entered")
        await house.put("slow", late, "segment.entered")
        others = []
        async with receiving() as quick:
            for n in range(8):
                await house.put(f"quick{n}", f"{quick.url}/{n}", "segment.entered")
                others.append(f"quick{n}")
            async with house.delivering():
                for n in range(40):
                    await house.enter(f"user{n}")
                for key in others:
                    await waits(house, key, delivered=40, behind=0, waiting=0)
                assert (await house.health("slow"))["delivered"] == 0
                assert (await house.health("dead"))["delivered"] == 0
                assert len(dead.requests) < 40, "its breaker is open"
                release.set()
                await waits(house, "slow", delivered=40, waiting=0)


async def test_what_waited_for_a_receiver_is_sent_when_it_is_back(house: House, receiver: Receiver) -> None:
    """The breaker's probe brings everything forward: nothing waits for hours after an outage."""
    receiver.answer = failing
    await house.put("crm", receiver, "segment.entered", concurrency=2)
    async with house.delivering():
        for n in range(20):
            await house.enter(f"user{n}")

        async def open_() -> bool:
            return (await house.health("crm"))["probeAt"] is not None

        await eventually(open_)
        assert len(receiver.requests) >= 5
        receiver.answer = ok
        await waits(house, "crm", delivered=20, waiting=0, behind=0, probeAt=None)


async def test_a_long_delivery_holds_up_only_its_person(
    house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "_LONG_SECONDS", 0.1)
    release = asyncio.Event()

    async def hold_ada(request: Request, raw: web.Request) -> web.StreamResponse:
        if user(request) == "ada":
            await release.wait()
        return web.Response()

    receiver.answer = hold_ada
    await house.put("crm", receiver, "segment.entered")
    async with house.delivering():
        for name in ("ada", "bob", "eve"):
            await house.enter(name)
        await waits(house, "crm", delivered=2, waiting=1, behind=0)
        release.set()
        await waits(house, "crm", delivered=3, waiting=0)


async def test_a_deleted_destination_gets_nothing_and_the_last_one_ends_the_log(
    house: House, receiver: Receiver
) -> None:
    await house.put("crm", receiver, "segment.entered")
    async with house.app.service.pool.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM outbox_cursors WHERE consumer = 'delivery'") == 1
        async with house.delivering():
            await house.enter("ada")
            await arrives(receiver, 1)
            await house.app.admin.delete("/v1/destinations/crm")
            await house.enter("bob")
        assert await connection.fetchval("SELECT count(*) FROM outbox_cursors WHERE consumer = 'delivery'") == 0
        assert await connection.fetchval("SELECT count(*) FROM destination_lanes") == 0
    assert users(receiver.requests) == ["ada"]


async def test_a_read_that_fails_skips_no_message(
    house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, failures = destinations.facts_of, iter([True, False, True])

    async def failing_now_and_then(*arguments: Any) -> Any:
        if next(failures, False):
            raise ConnectionResetError("the database is away")
        return await read(*arguments)

    monkeypatch.setattr(destinations, "facts_of", failing_now_and_then)
    monkeypatch.setattr(lanes, "_READ_AHEAD", 0)
    monkeypatch.setattr(lanes, "_FRESH_SECONDS", -1.0)  # as if each read took long
    await house.put("crm", receiver, "segment.entered", concurrency=8)
    people = [f"person-{n}" for n in range(20)]
    for one in people:
        await house.enter(one)

    async def all_arrived() -> bool:
        return set(users(receiver.requests)) == set(people)

    async with house.delivering():
        await eventually(all_arrived)


async def test_what_a_replay_has_not_reached_is_not_sent_twice_by_another(house: House, receiver: Receiver) -> None:
    async def bad(request: Request, raw: web.Request) -> web.StreamResponse:
        return web.Response(status=422 if user(request) == "ada" else 200)

    receiver.answer = bad
    await house.put("crm", receiver, "segment.entered")
    async with house.delivering(schedule=()):
        await house.enter("bob")
        await house.enter("ada")
        await waits(house, "crm", undelivered=1, behind=0)
    receiver.answer = ok
    await house.post("crm", "replay", {"since": "2000-01-01T00:00:00Z"})
    assert (await house.health("crm"))["undelivered"] == 0, "the replay sends it again"
    assert (await house.post("crm", "replay", {"undelivered": True}))["messages"] == 0
    receiver.requests.clear()
    async with house.delivering(schedule=()):
        await waits(house, "crm", behind=0, waiting=0, delivered=3)
    assert users(receiver.requests) == ["bob", "ada"]


async def test_nothing_is_kept_of_who_was_erased_while_a_receiver_answered(house: House, receiver: Receiver) -> None:
    async def quotes(request: Request, raw: web.Request) -> web.StreamResponse:
        erased = await house.app.admin.delete("/v1/admin/profiles/ada")
        assert erased.status_code in {200, 404}, erased.text
        return web.Response(status=422, text="ada@example.com is unknown")

    receiver.answer = quotes
    await house.put("crm", receiver, "segment.entered")
    async with house.delivering(schedule=()):
        await house.enter("ada")
        await arrives(receiver, 1)
        await waits(house, "crm", behind=0, waiting=0)
        found = await house.health("crm")
        assert found["undelivered"] == 0
    for page in ("deliveries", "undelivered"):
        answer = await house.app.admin.get(f"/v1/destinations/crm/{page}")
        assert answer.json()[page] == []
