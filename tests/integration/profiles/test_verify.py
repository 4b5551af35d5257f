"""`doctor --verify`: nothing to report of what is right, every kind of damage found, and mended by --repair."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

import serving
from serving import ManualClock, new_environment
from tinycdp.app import Parts
from tinycdp.cli.doctor import run_doctor
from tinycdp.cli.main import build_parser
from tinycdp.model import DAY_MS, HOUR_MS, MINUTE_MS, Identifier, IdentifierKind, Instant, Message
from tinycdp.runtime import clock
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.definitions.publish import apply_documents
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.profiles import storage
from tinycdp.runtime.profiles.verify import Difference, Report, as_text, verify
from tinycdp.runtime.worker.loops import Worker
from tinycdp.server.bootstrap import prepare
from tinycdp.settings import Settings
from tinycdp.store.history import verify as store

START = 1_790_000_000_000
SHOP = {
    "traits": [
        {"key": "spend", "expression": "events.buy.sum(amount, 30d)"},
        {"key": "plan", "expression": "profile.plan"},
        {"key": "app", "expression": "semver(profile.app)"},
        {"key": "last_buy", "expression": "events.buy.last_at"},
        {"key": "idle", "expression": "ago(last_seen_at)"},
    ],
    "segments": [
        {"key": "buyers", "rule": "spend > 0"},
        {"key": "pros", "rule": 'plan == "pro" && segments.buyers'},
        {"key": "active", "rule": "events.any.count_1h >= 1"},
    ],
}


@pytest.fixture
def now() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
async def service(dsn: str, now: ManualClock) -> AsyncIterator[Parts]:
    async with serving.services(dsn, 1, now) as [started]:
        yield started


@pytest.fixture
async def shop(service: Parts) -> int:
    """An environment with three buyers, one of whom is two devices' owner."""
    environment_id = await new_environment(service.pool, "shop", SHOP, START)
    await service.catalogs.refresh(service.pool, environment_id)
    await service.ingest.accept(
        environment_id,
        [
            *(bought(f"b{n}", "ada", n + 1, START - n * DAY_MS) for n in range(40)),
            bought("c1", "bob", 5, START - MINUTE_MS),
            message("d1", "cy", "identify", START - 40 * DAY_MS, {"plan": "free", "app": "1.2.3-rc.1"}),
            message("d2", "cy", "identify", START - 2 * DAY_MS, {"plan": "pro"}),
            bought("d3", "cy", 7, START - HOUR_MS + 1),
            message(
                "d4",
                "cy-phone",
                "track",
                START - 3 * DAY_MS,
                {"amount": 1},
                kind_of_identifier=IdentifierKind.ANONYMOUS,
            ),
            message("d5", "cy", "identify", START - DAY_MS, {}, also=Identifier(IdentifierKind.ANONYMOUS, "cy-phone")),
        ],
    )
    return environment_id


def bought(id: str, who: str, amount: int, at: Instant) -> Message:
    return message(id, who, "track", at, {"amount": amount})


def message(
    id: str,
    who: str,
    kind: Any,
    at: Instant,
    properties: dict[str, Any],
    *,
    kind_of_identifier: str = IdentifierKind.USER,
    also: Identifier | None = None,
) -> Message:
    identifiers = (Identifier(kind_of_identifier, who), *([also] if also is not None else []))
    return Message(
        kind=kind,
        message_id=id,
        identifiers=identifiers,
        occurred_at=at,
        received_at=max(at, START),
        name="buy" if kind == "track" else "",
        properties=properties,
    )


async def person(service: Parts, environment_id: int, who: str) -> int:
    query = "SELECT profile_id FROM identifiers WHERE environment_id = $1 AND value = $2"
    return int(await service.pool.fetchval(query, environment_id, who))


def found(report: Report) -> set[tuple[str, str, str]]:
    return {(d.profile, d.kind, d.key) for d in report.listed}


async def test_what_is_right_raises_no_alarm(service: Parts, shop: int, now: ManualClock) -> None:
    report = await verify(Environment(shop, service.pool, now), sample=None)
    assert (report.differences, report.listed, report.incomplete) == (0, [], 0)
    assert (report.profiles, report.of, report.traits, report.segments) == (3, 3, 5, 3)
    assert "verified 3 of 3 profiles" in as_text(report)
    assert as_text(report).endswith("no differences")


async def test_a_wake_up_that_is_due_is_no_difference(service: Parts, shop: int, now: ManualClock) -> None:
    """No worker woke them: the table still says that they are active. A read would not."""
    for later in (1, HOUR_MS - 1, HOUR_MS, 31 * DAY_MS, 400 * DAY_MS):
        now.now = START + later
        assert found(await verify(Environment(shop, service.pool, now), sample=None)) == set()
    await Worker(service.pool, service.catalogs, now).wake_due()
    assert found(await verify(Environment(shop, service.pool, now), sample=None)) == set()


async def test_a_clock_that_lags_behind_another_machines_is_no_difference(service: Parts, shop: int) -> None:
    ahead = bought("e1", "bob", 1, START + 5_000)
    await service.ingest.accept(
        shop, [ahead, msgspec.structs.replace(ahead, message_id="e2", context={"active": False}, active=False)]
    )
    assert found(await verify(Environment(shop, service.pool, ManualClock(START - 5_000)), sample=None)) == set()


async def test_a_sample_looks_at_so_many(service: Parts, shop: int, now: ManualClock) -> None:
    report = await verify(Environment(shop, service.pool, now), sample=2)
    assert (report.profiles, report.of) == (2, 3)


async def test_damage_of_every_kind_is_found_and_repaired(service: Parts, shop: int, now: ManualClock) -> None:
    ada, bob, cy = [await person(service, shop, who) for who in ("ada", "bob", "cy")]
    catalog = service.catalogs.serving(shop)
    prints = {s.name[1]: s.fingerprint for s in catalog.segments}
    async with service.pool.acquire() as connection:
        # Ada has the state of someone who bought for one; Bob is in a segment by the table only; Cy's wake-up is lost.
        [a, b] = [storage.from_row(row) for row in await store.load_profiles(connection, shop, [ada, bob])]
        a.decode(b.encode())
        await connection.execute(
            "UPDATE profiles SET state = $3 WHERE environment_id = $1 AND id = $2", shop, ada, a.encode()
        )
        await connection.execute(
            "INSERT INTO memberships VALUES ($1, $2, $3, to_timestamp(0))", shop, prints["pros"], bob
        )
        await connection.execute(
            "UPDATE profiles SET recompute_at = NULL, properties = properties || '{\"plan\": \"free\"}'"
            " WHERE environment_id = $1 AND id = $2", shop, cy,
        )  # fmt: skip
    now.now = START + HOUR_MS + 1
    report = await verify(Environment(shop, service.pool, now), sample=None)
    assert found(report) == {
        (str(ada), "trait", "spend"),
        (str(ada), "trait", "last_buy"),
        (str(bob), "membership", "pros"),
        (str(cy), "trait", "plan"),
        (str(cy), "segment", "pros"),
        (str(cy), "membership", "active"),
    }
    assert Difference(str(ada), "trait", "spend", 5, sum(range(1, 31))) in report.listed
    assert report.different_profiles == 3
    assert f'profile {cy}  trait plan: kept "free", by raw events "pro"' in as_text(report)

    heard: list[int] = []
    service.snapshots.changed = lambda environment_id, version, ids: heard.extend(ids)  # type: ignore[method-assign]
    repaired = await verify(Environment(shop, service.pool, now), sample=None, repair=True)
    assert (repaired.repaired, repaired.differences, repaired.listed) == (3, 0, [])
    assert found(await verify(Environment(shop, service.pool, now), sample=None)) == set()
    left = await service.pool.fetch("SELECT * FROM transitions WHERE environment_id = $1 AND at = $2", shop, now.now)
    segments = {d.id: d.key for d in catalog.live.definitions.values()}
    assert (cy, "active", False) in {(t["profile_id"], segments[t["segment_id"]], t["entered"]) for t in left}

    async def announced() -> bool:
        return set(heard) >= {ada, bob, cy}

    await serving.eventually(announced)


@pytest.mark.parametrize("part", ["the whole", "an aggregate"])
async def test_a_state_that_cannot_be_read_is_rebuilt(service: Parts, shop: int, now: ManualClock, part: str) -> None:
    ada = await person(service, shop, "ada")
    state = b"\x00\xff\x00"
    if part == "an aggregate":
        [row] = await store.load_profiles(service.pool, shop, [ada])
        version, states, *rest = msgspec.msgpack.decode(row.state, strict=False)
        state = msgspec.msgpack.encode([version, dict.fromkeys(states, "none"), *rest])
    since = "SELECT fingerprint, entered_at FROM memberships WHERE environment_id = $1 AND profile_id = $2 ORDER BY 1"
    before = await service.pool.fetch(since, shop, ada)
    await service.pool.execute("UPDATE profiles SET state = $3 WHERE environment_id = $1 AND id = $2", shop, ada, state)

    report = await verify(Environment(shop, service.pool, now), sample=None)
    assert found(report) == {(str(ada), "profile", "state")}
    assert f'profile {ada}  profile state: kept "unreadable", by raw events null' in as_text(report)
    repaired = await verify(Environment(shop, service.pool, now), sample=None, repair=True)
    assert (repaired.repaired, repaired.differences) == (1, 0)
    assert await service.pool.fetch(since, shop, ada) == before


async def test_a_rebuild_reads_context_as_its_arrival_did(service: Parts, shop: int, now: ManualClock) -> None:
    """Only `false` says that a profile was not active; what merely looks like it does not."""
    later = [
        msgspec.structs.replace(
            bought(f"e{n}", "bob", 1, START + n), context={"active": active}, active=active is not False
        )
        for n, active in enumerate((True, None, 0, False, "false"), start=1)
    ]
    await service.ingest.accept(shop, later)
    assert found(await verify(Environment(shop, service.pool, now), sample=None)) == set()
    await service.pool.execute("UPDATE profiles SET last_seen_at = to_timestamp(1) WHERE environment_id = $1", shop)
    report = await verify(Environment(shop, service.pool, now), sample=None, repair=True)
    assert (report.repaired, report.listed) == (3, [])


async def test_whose_events_are_gone_is_neither_judged_nor_repaired(
    service: Parts, shop: int, now: ManualClock
) -> None:
    """Rebuilding from what is left would forget what is true."""
    await service.pool.execute("DELETE FROM events WHERE environment_id = $1 AND message_id = 'b39'", shop)
    report = await verify(Environment(shop, service.pool, now), sample=None, repair=True)
    assert (report.profiles, report.incomplete, report.differences, report.repaired) == (2, 1, 0, 0)
    assert "1 more cannot be verified" in as_text(report)
    await service.pool.execute("DELETE FROM events WHERE environment_id = $1 AND message_id = 'c1'", shop)
    assert (await verify(Environment(shop, service.pool, now), sample=None)).incomplete == 2


async def test_more_people_than_one_statement_takes(service: Parts, shop: int, now: ManualClock) -> None:
    await service.ingest.accept(shop, [bought(f"e{n}", f"e{n}", 1, START) for n in range(700)])
    seen: list[tuple[int, int]] = []
    report = await verify(
        Environment(shop, service.pool, now), sample=None, progress=lambda done, total: seen.append((done, total))
    )
    assert (report.profiles, report.differences) == (703, 0)
    assert seen == [(500, 703), (703, 703)]


async def test_live_traffic_raises_no_alarm(dsn: str) -> None:
    """Events, merges, wake-ups and publishes go on while all profiles are verified again and again, by real clocks."""
    async with serving.services(dsn, 2, clock.now) as services:
        environment_id = await new_environment(services[0].pool, "busy", SHOP, clock.now())
        for service in services:
            await service.catalogs.refresh(service.pool, environment_id)
        stop = asyncio.Event()
        sent = 0

        async def send(service: Parts, name: str) -> None:
            nonlocal sent
            for n in itertools.count():
                if stop.is_set():
                    return
                at, who, device = clock.now(), f"u{n % 40}", Identifier(IdentifierKind.ANONYMOUS, f"a{n % 60}")
                batch = [
                    bought(f"{name}{n}a", who, n % 7, at - n % 5 * 300),
                    message(
                        f"{name}{n}b", device.value, "track", at - DAY_MS, {"amount": 1}, kind_of_identifier=device.kind
                    ),
                    message(f"{name}{n}c", who, "identify", at, {"plan": ("pro", "free")[n % 2]}, also=device),
                ]
                await service.ingest.accept(environment_id, [msgspec.structs.replace(m, received_at=at) for m in batch])
                sent += len(batch)

        async def work(service: Parts) -> None:
            worker = Worker(service.pool, Catalogs(), clock.now)
            for n in itertools.count():
                if stop.is_set():
                    return
                brisk = {"key": "brisk", "rule": f"events.buy.count(1m) > {n % 9}"}
                if n % 5 == 0:
                    await apply_documents(
                        service.environment(environment_id), [{"segments": [brisk]}], Edit("test", clock.now())
                    )
                await worker.wake_due()
                await worker.backfill()

        async def look() -> None:
            looked = 0
            while looked < 12 or sent < 1_000:
                report = await verify(Environment(environment_id, services[1].pool, clock.now), sample=None)
                assert (report.listed, report.incomplete) == ([], 0)
                looked += 1
            stop.set()

        async with asyncio.TaskGroup() as tasks:
            for name, service in zip("xy", services, strict=True):
                tasks.create_task(send(service, name))
            tasks.create_task(work(services[0]))
            tasks.create_task(look())
        report = await verify(Environment(environment_id, services[0].pool, clock.now), sample=None)
        assert (report.listed, report.profiles) == ([], report.of)


async def test_a_sample_of_several_batches_is_looked_at_whole(
    service: Parts, shop: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinycdp.runtime.profiles.verify.BATCH", 2)
    for sample in (3, None):
        report = await verify(service.environment(shop), sample=sample)
        assert (report.profiles, report.of, report.differences) == (3, 3, 0)


async def test_the_command_says_what_differs(dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole command: status 0, then 1 with the difference, then 0 again after --repair."""
    settings = Settings(database_url=dsn)
    await prepare(settings, clock.now())
    async with serving.services(dsn, 1, clock.now) as [service]:
        environment_id = await new_environment(service.pool, "shop", SHOP, clock.now())
        await service.catalogs.refresh(service.pool, environment_id)
        await service.ingest.accept(environment_id, [bought("b1", "ada", 3, clock.now() - HOUR_MS)])
        await service.pool.execute("DELETE FROM memberships WHERE environment_id = $1", environment_id)

        async def run(*options: str) -> tuple[int, str]:
            status = await asyncio.to_thread(run_doctor, *parsed(options))
            return status, capsys.readouterr().out

        def parsed(options: tuple[str, ...]) -> tuple[Any, Settings]:
            arguments = build_parser().parse_args(["doctor", *options])
            return arguments, msgspec.structs.replace(settings, environment="shop")

        status, said = await run("--verify", "--all", "--json")
        report = json.loads(said)
        assert (status, report["profiles"], report["differences"]) == (1, 1, len(report["listed"]))
        status, said = await run("--verify")
        assert (status, "membership buyers: kept false, by raw events true" in said) == (1, True)
        status, said = await run("--verify", "--repair")
        assert status == 0
        assert said.endswith("no differences\n")
        assert (await run("--verify"))[0] == 0
