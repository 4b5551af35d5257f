"""The feed: what ClickHouse has is what Postgres has, whatever happens, and whatever is killed meanwhile."""

import asyncio
import random
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

import serving
from analytics_copy import differences, in_clickhouse
from life import SHOP, START, Life
from serving import ManualClock, eventually, new_environment
from tinycdp.app import Parts
from tinycdp.errors import Unavailable
from tinycdp.model import DAY_MS, HOUR_MS, Identifier, IdentifierKind, Message
from tinycdp.products.analytics.feed import fill, lag, tidying, verify
from tinycdp.products.analytics.feed.loop import Feed
from tinycdp.products.analytics.store.clickhouse import ClickHouse
from tinycdp.products.analytics.store.errors import AnalyticsAway, QuestionFailed
from tinycdp.products.analytics.store.target import Target
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.store.database.pool import open_pool


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
async def services(dsn: str, clock: ManualClock) -> AsyncIterator[list[Parts]]:
    async with serving.services(dsn, 2, clock) as started:
        yield started


@pytest.fixture
async def shop(services: list[Parts]) -> int:
    id = await new_environment(services[0].pool, "shop", SHOP, START - DAY_MS)
    for service in services:
        await service.catalogs.refresh(service.pool, id)
        await service.privacy.load(service.pool)
    return id


class Following:
    """A feed of one environment that does a step when it is told to."""

    def __init__(self, clickhouse: Any, dsn: str, pool: Any, clock: ManualClock, service: Parts, shop: int) -> None:
        self.clickhouse, self.dsn, self.pool, self.clock = clickhouse, dsn, pool, clock
        self.environment = service.environment(shop)
        self.feed = self.new()

    def new(self) -> Feed:
        return Feed(self.clickhouse, self.dsn, self.pool, self.clock)

    async def catch_up(self) -> None:
        await self.feed.step(self.environment)
        while (await lag.lag(self.environment)).rows:
            await self.feed.step(self.environment)

    async def killed(self) -> None:
        """Another process takes its place."""
        await self.feed._locks.close()
        self.feed = self.new()


@pytest.fixture
async def following(
    clickhouse: ClickHouse, dsn: str, services: list[Parts], shop: int, clock: ManualClock
) -> AsyncIterator[Following]:
    async with await open_pool(dsn, 4) as pool:
        follower = Following(clickhouse, dsn, pool, clock, services[0], shop)
        yield follower
        await follower.feed._locks.close()


def message(id: str, user: str, name: str = "open", at: int = START, **more: Any) -> Message:
    identifiers = more.pop("identifiers", (Identifier(IdentifierKind.USER, user),))
    return Message(
        kind=more.pop("kind", "track"), message_id=id, identifiers=identifiers, occurred_at=at, received_at=at,
        name=name, **more,
    )  # fmt: skip


class Stumbling:
    """A ClickHouse that fails now and then, before a statement or after it, as one that is killed does."""

    def __init__(self, clickhouse: ClickHouse, seed: int, share: float) -> None:
        self._clickhouse = clickhouse
        self._dice = random.Random(seed)
        self._share = share
        self.stumbled = 0

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._clickhouse, name)
        if name not in ("insert", "command", "query"):
            return real

        async def call(*values: Any, **more: Any) -> Any:
            when = self._dice.random() / self._share
            if when < 0.5:
                self.stumbled += 1
                raise AnalyticsAway("killed before")
            done = await real(*values, **more)
            if when < 1:
                self.stumbled += 1
                raise AnalyticsAway("killed after")
            return done

        return call


@pytest.mark.parametrize(
    ("seed", "steps"), [(1, 24), (2, 24), *(pytest.param(n, 150, marks=pytest.mark.slow) for n in range(3, 15))]
)
async def test_the_copy_is_what_postgres_has(
    services: list[Parts], shop: int, clock: ManualClock, following: Following, seed: int, steps: int
) -> None:
    """Merges, undone ones, splits, erasures, anonymisations, edits, groups, exposures; overrides are folded."""
    life = Life(services, shop, clock, seed, with_exposures=True)
    await following.catch_up()
    target = Target(following.clickhouse, shop)
    for n in range(steps):
        await life.step()
        if n % 5 == 0:
            await following.catch_up()
            assert await differences(following.clickhouse, services[0].pool, shop) == {}, f"after step {n}"
        if n % 10 == 0:
            await tidying.fold(target, at_least=1)
            assert await target.overrides() == (0, 0)
    await following.catch_up()
    assert await differences(following.clickhouse, services[0].pool, shop) == {}
    assert await verify.verify(following.clickhouse, following.environment, Catalogs()) == []
    fed = await in_clickhouse(following.clickhouse, shop)
    await fill.request(following.environment)
    await following.catch_up()
    assert {table: sorted(rows, key=repr) for table, rows in fed.items()} == {
        table: sorted(rows, key=repr) for table, rows in (await in_clickhouse(following.clickhouse, shop)).items()
    }, "a copy that is made again is the one that was fed"


@pytest.mark.parametrize(
    ("seed", "steps"), [(21, 16), *(pytest.param(n, 120, marks=pytest.mark.slow) for n in range(22, 30))]
)
async def test_what_is_killed_at_any_statement_stores_everything_once(
    services: list[Parts], shop: int, clock: ManualClock, following: Following, seed: int, steps: int
) -> None:
    life, real = Life(services, shop, clock, seed, with_exposures=True), following.clickhouse
    following.clickhouse = stumbling = Stumbling(real, seed, 0.08)
    await following.killed()
    for _ in range(steps):
        await life.step()
        for _ in range(4):
            await following.feed.step(following.environment)
            if life.dice.random() < 0.3:
                await following.killed()
    assert stumbling.stumbled > 3
    following.clickhouse = real
    await following.killed()
    await following.catch_up()
    assert await differences(real, services[0].pool, shop) == {}


async def test_merge_then_undo_is_as_if_it_never_happened(
    services: list[Parts], shop: int, following: Following
) -> None:
    service = services[0]
    await following.catch_up()
    await service.ingest.accept(shop, [message("m1", "ada"), message("m2", "bob", "buy")])
    await following.catch_up()

    async def people() -> list[Any]:
        found = await in_clickhouse(following.clickhouse, shop)
        return sorted((row[0], row[7]) for row in found["events"])

    never = await people()
    merged = await service.merges.merge(shop, ["ada", "bob"], "me")
    await following.catch_up()
    assert len({profile for _, profile in await people()}) == 1
    await service.merges.undo(shop, int(merged.merges[0]), "me")
    await following.catch_up()
    assert await people() == never


async def test_there_is_no_watermark_before_the_copy_is_whole(
    services: list[Parts], shop: int, following: Following
) -> None:
    with pytest.raises(Unavailable) as refused:
        await lag.watermark(following.environment)
    assert refused.value.code == "ANALYTICS_FILLING"
    await services[0].ingest.accept(shop, [message("m1", "ada")])
    await following.catch_up()
    assert (await lag.watermark(following.environment)).at == START
    assert len((await in_clickhouse(following.clickhouse, shop))["events"]) == 1


async def test_the_watermark_says_what_is_in_the_copy(
    services: list[Parts], shop: int, clock: ManualClock, following: Following
) -> None:
    await following.catch_up()
    clock.now += HOUR_MS
    taken = await services[0].ingest.accept(shop, [message("m1", "ada", at=clock.now)])
    committed = clock.now
    clock.now += HOUR_MS
    behind = await lag.watermark(following.environment)
    assert (behind.at, behind.position < taken.version) == (committed, True)
    assert await lag.lag(following.environment) == lag.CopyLag(1, 3600.0)
    await following.catch_up()
    assert await lag.watermark(following.environment) == lag.Watermark(taken.version, clock.now)


@pytest.mark.parametrize("lost", ["clickhouse", "postgres"])
async def test_a_copy_that_lost_its_other_half_is_made_again(
    services: list[Parts], shop: int, following: Following, lost: str
) -> None:
    """ClickHouse's folder was deleted, or Postgres is an older backup."""
    await following.catch_up()
    await services[0].ingest.accept(shop, [message("m1", "ada")])
    await following.catch_up()
    if lost == "clickhouse":
        await Target(following.clickhouse, shop).clear()
    else:
        await services[0].pool.execute("UPDATE outbox_cursors SET position = position - 1")
    await following.killed()
    await following.catch_up()
    assert await differences(following.clickhouse, services[0].pool, shop) == {}


async def test_a_consumer_that_lapsed_begins_again(services: list[Parts], shop: int, following: Following) -> None:
    await following.catch_up()
    await services[0].ingest.accept(shop, [message("m1", "ada")])
    await services[0].pool.execute("UPDATE outbox_cursors SET lapsed_at = now()")
    await following.feed.step(following.environment)
    await following.catch_up()
    assert await differences(following.clickhouse, services[0].pool, shop) == {}


async def test_verify_finds_what_differs(services: list[Parts], shop: int, following: Following) -> None:
    await following.catch_up()
    await services[0].ingest.accept(shop, [message("m1", "ada"), message("m2", "bob", "buy")])
    await following.catch_up()
    assert await verify.verify(following.clickhouse, following.environment, Catalogs()) == []
    await following.clickhouse.command("DELETE FROM events WHERE name = 'buy'")
    [found] = await verify.verify(following.clickhouse, following.environment, Catalogs())
    assert (found.what[:2], found.postgres, found.clickhouse) == (("events", "buy"), 1, 0)


async def test_verify_may_run_while_events_come_in(services: list[Parts], shop: int, following: Following) -> None:
    await following.catch_up()
    done = asyncio.Event()

    async def send() -> None:
        n = 0
        while not done.is_set():
            n += 1
            await services[0].ingest.accept(shop, [message(f"m{n}", f"u{n}", ("open", "buy")[n % 2])])

    async def follow() -> None:
        while not done.is_set():
            await following.feed.step(following.environment)

    sending, feeding = asyncio.create_task(send()), asyncio.create_task(follow())
    for _ in range(3):
        assert await verify.verify(following.clickhouse, following.environment, Catalogs()) == []
    done.set()
    await asyncio.gather(sending, feeding)


async def test_a_touch_is_newer_than_what_was_read_before(
    services: list[Parts], shop: int, following: Following
) -> None:
    await following.catch_up()
    today = START // DAY_MS
    days = _days(today)
    first = await services[0].ingest.accept(shop, [message("m1", "ada"), message("m2", "bob", "buy")])
    await following.catch_up()
    touch = lag.newest_touch
    assert await touch(following.clickhouse, shop, ["open"], days) == first.version
    second = await services[0].ingest.accept(shop, [message("m3", "ada", "buy")])
    await following.catch_up()
    assert await touch(following.clickhouse, shop, ["open"], days) == first.version
    assert await touch(following.clickhouse, shop, ["buy", "open"], days) == second.version
    assert await touch(following.clickhouse, shop, None, _days(today - 1)) == 0
    await services[0].merges.merge(shop, ["ada", "bob"], "me")
    await following.catch_up()
    assert await touch(following.clickhouse, shop, ["open"], days) == first.version
    assert await touch(following.clickhouse, shop, ["buy"], days) > second.version, "its people are others now"


def _days(day: int) -> Any:
    from datetime import date, timedelta

    one = date(1970, 1, 1) + timedelta(day)
    return one, one


ODD: list[dict[str, Any]] = [
    {"text": "tab\t, newline\n, return\r, backslash \\, \\N, quotes \"'`, zero-width \u200b, emoji 🦜"},
    {"a.b": 1, "a": {"b": 2}, "": 3, "ключ": 5, "tab\tkey": 6},
    {"date": "2026-01-01", "instant": "2026-01-01T00:00:00Z", "number": "1", "empty": ""},
    {"n": Decimal("0.1"), "m": 18446744073709551615, "k": -9223372036854775808, "z": 0, "s": Decimal("1e-9")},
    {"list": [1, "x", [2, [3]], {"deep": {"deeper": [{"deepest": True}]}}]},
    {str(n): n for n in range(700)},
    {"same": 1},
    {"same": "1"},
    {"same": [True]},
    {"same": {"path": 1.5}},
]


async def test_values_arrive_as_they_are(services: list[Parts], shop: int, following: Following) -> None:
    """Fed, and copied anew: text stays text, a key with a dot is no path, and one path may hold every type."""
    await following.catch_up()
    sent = [message(f"m\t{n}\\", "ada", "open\tdoor\n", properties=one) for n, one in enumerate(ODD)]
    said = [message(f"i{n}", "bob", "", kind="identify", properties=one) for n, one in enumerate(ODD)]
    await services[0].ingest.accept(shop, [*sent, *said])
    await following.catch_up()
    stored = await services[0].pool.fetchval("SELECT count(*) FROM events WHERE environment_id = $1", shop)
    assert stored == 2 * len(ODD)
    for _ in range(2):
        assert await differences(following.clickhouse, services[0].pool, shop) == {}
        await fill.request(following.environment)
        await following.catch_up()


class Refusing(Stumbling):
    """A ClickHouse that cannot read a word."""

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._clickhouse, name)
        if name != "insert":
            return real

        async def insert(into: str, chunks: AsyncIterator[bytes], **more: Any) -> Any:
            data = b"".join([chunk async for chunk in chunks])
            if b"poison" in data and into.startswith("events"):
                raise QuestionFailed(117, "cannot read")

            async def again() -> AsyncIterator[bytes]:
                yield data

            return await real(into, again(), **more)

        return insert


async def test_an_event_that_clickhouse_refuses_holds_up_no_other(
    services: list[Parts], shop: int, following: Following
) -> None:
    await following.catch_up()
    real = following.clickhouse
    following.clickhouse = Refusing(real, 1, 0)
    await following.killed()
    sent = [message(f"m{n}", "ada", properties={"drink": "poison" if n == 3 else "tea"}) for n in range(7)]
    await services[0].ingest.accept(shop, sent)
    await following.catch_up()
    found = {row[8]: row[9] for row in (await in_clickhouse(real, shop))["events"]}
    assert found == {f"m{n}": "{}" if n == 3 else '{"drink": "tea"}' for n in range(7)}


async def test_what_was_erased_leaves_the_disk(services: list[Parts], shop: int, following: Following) -> None:
    await following.catch_up()
    await services[0].ingest.accept(shop, [message("m1", "ada"), message("m2", "bob")])
    await following.catch_up()
    await services[0].erasures.erase(shop, ["ada"], "me")
    await following.catch_up()
    assert len((await in_clickhouse(following.clickhouse, shop))["events"]) == 1
    await tidying.delete_for_good(following.clickhouse)
    masked = "SELECT count() FROM system.parts WHERE active AND has_lightweight_delete AND database = currentDatabase()"
    assert await following.clickhouse.query(masked) == [(0,)]
    assert await following.clickhouse.query("SELECT sum(rows) FROM system.parts WHERE table = 'events' AND active") == [
        (1,)
    ]


async def test_months_that_postgres_dropped_are_dropped(
    services: list[Parts], shop: int, clock: ManualClock, following: Following
) -> None:
    await following.catch_up()
    await services[0].ingest.accept(shop, [message("m1", "ada"), message("m2", "ada", at=START - 90 * DAY_MS)])
    await following.catch_up()
    await tidying.tidy(following.clickhouse, services[0].pool, clock.now, 400 * DAY_MS)
    assert len((await in_clickhouse(following.clickhouse, shop))["events"]) == 2
    await services[0].pool.execute("DELETE FROM events WHERE message_id = 'm2'")
    await tidying.tidy(following.clickhouse, services[0].pool, clock.now, 400 * DAY_MS)
    assert await differences(following.clickhouse, services[0].pool, shop) == {}


async def test_exposures_that_are_too_old_are_dropped(
    services: list[Parts], shop: int, clock: ManualClock, following: Following
) -> None:
    await following.catch_up()
    await Life(services, shop, clock, 1).expose(services[0])
    await following.catch_up()
    for days, left in ((399, 1), (402, 0)):
        await tidying.tidy(following.clickhouse, services[0].pool, clock.now + days * DAY_MS, 400 * DAY_MS)
        assert len((await in_clickhouse(following.clickhouse, shop))["exposed"]) == left


async def test_two_processes_do_not_feed_one_environment(
    services: list[Parts], shop: int, following: Following
) -> None:
    await following.catch_up()
    other = following.new()
    await services[0].ingest.accept(shop, [message("m1", "ada")])
    assert await other.step(following.environment) > 0
    assert (await lag.lag(following.environment)).rows == 1
    await following.feed._locks.close()
    await eventually(lambda: _takes(other, following))
    await other._locks.close()


async def _takes(feed: Feed, following: Following) -> bool:
    await feed.step(following.environment)
    return (await lag.lag(following.environment)).rows == 0
