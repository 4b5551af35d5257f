"""Whatever is written between two asks: an answer from the cache is the answer that is computed anew."""

import random
from collections import Counter
from typing import Any

import pytest

from analytics_app import Analysed, analysing
from clickhouse_engine import Engine
from laws import DEEP
from serving import ManualClock
from tinycdp.model import DAY_MS, HOUR_MS, MINUTE_MS
from tinycdp.products.analytics.service.cache import AnswerCache, Entry
from tinycdp.products.analytics.store.clickhouse import ClickHouse
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.worker.loops import Worker
from tinycdp.times import iso

NOON = 1_772_366_400_000  # 2026-03-01T12:00Z
#: The questions are asked in parts, each of them after every step.
PARTS, STEPS = 2, 60 if DEEP else 18
SPAN = {"from": "2026-02-27", "to": "2026-03-04"}
BUY: dict[str, Any] = {"kind": "trend", **SPAN, "series": [{"event": "buy", "measure": "people"}]}
TWO = [{"event": "view"}, {"event": "buy"}]
#: Of each kind of question one, and of each thing of people that one can read.
QUESTIONS: list[dict[str, Any]] = [
    BUY,
    BUY | {"people": 'profile.plan == "pro"'},
    BUY | {"people": "!segments.pros"},
    BUY | {"people": "segments.busy"},
    BUY | {"people": "segments.listed"},
    BUY | {"people": "group.size > 5"},
    BUY | {"people": "ago(last_seen_at) < 2d"},
    BUY | {"people": 'first_seen_at < datetime("2026-03-01T12:30:00Z")'},
    BUY | {"series": [{"event": "buy", "where": 'profile.plan == "pro"'}]},
    BUY | {"series": [{"event": "buy", "where": "segments.busy"}]},
    BUY | {"breakdown": {"profile": "plan", "at": "now"}},
    BUY | {"breakdown": {"segment": "pros", "at": "now"}},
    BUY | {"breakdown": {"group": "size", "at": "now"}},
    {"kind": "active", **SPAN, "days": [1, 7], "people": "segments.pros"},
    {"kind": "stickiness", **SPAN, "event": "view"},
    {"kind": "frequency", **SPAN, "event": "view", "people": 'profile.plan == "free"'},
    {"kind": "funnel", **SPAN, "steps": TWO, "within": "2h"},
    {"kind": "funnel", **SPAN, "steps": [*TWO, {"event": "view", "within": "20m"}], "within": "3h", "bucket": "day"},
    {"kind": "funnel", **SPAN, "steps": TWO, "within": "90m", "order": "any", "exclude": [{"event": "leave"}]},
    {"kind": "funnel", **SPAN, "steps": TWO, "hold": ["shop"], "breakdown": {"profile": "plan"}, "top": 1},
    {"kind": "retention", **SPAN, "start": {"event": "view"}, "returns": {"event": "buy"}, "periods": 3},
    {"kind": "lifecycle", **SPAN, "bucket": "day", "people": "!segments.busy"},
    {"kind": "sessions", **SPAN},
    {"kind": "paths", **SPAN},
    {"kind": "adoption", **SPAN, "feature": {"event": "buy"}, "bucket": "day"},
    {"kind": "impact", **SPAN, "feature": {"event": "buy"}, "outcome": {"event": "view"}, "within": "5h"},
    {"kind": "experiment", **SPAN, "flag": "price", "metrics": [{"event": "buy", "within": "2h"}]},
    {"kind": "experiment", **SPAN, "flag": "price", "people": "segments.pros", "metrics": [
        {"event": "view", "within": "30m"},
        {"event": "buy", "where": "shop == 1", "measure": "count", "within": "1d"}]},
]  # fmt: skip


class NoCache(AnswerCache):
    """Finds nothing, and keeps nothing."""

    async def get(self, key: str) -> Entry | None:
        return None

    async def put(self, key: str, entry: Entry) -> None:
        pass


class Life:
    """Writes at random, and holds cached answers against those that are computed."""

    def __init__(self, shop: Analysed, clock: ManualClock, part: int) -> None:
        self.shop, self.app, self.clock = shop, shop.app, clock
        self.random = random.Random(part)
        self.worker = Worker(shop.app.service.pool, Catalogs(), clock)
        self.analytics = shop.app.service.analytics
        self.cache, self.none = self.analytics._cache, NoCache()
        self.asked = range(part, len(QUESTIONS), PARTS)
        self.hits: Counter[int] = Counter()

    async def begin(self) -> None:
        await self.app.define("segment", key="pros", rule='profile.plan == "pro"')
        await self.app.define("segment", key="busy", rule="events.view.count_1d >= 2")
        await self.app.define("segment", key="listed", static=True)
        rules = [{"id": "half", "when": "true", "split": {"on": 50_000, "off": 50_000}}]
        await self.app.define("flag", key="price", rules=rules)
        for user in range(6):
            await self.event(user)
            await self.identify(user)

    async def act(self, n: int) -> None:
        """Each kind of write in turn, begun anywhere."""
        acts = (self.event, self.identify, self.unrelated, self.expose, self.group, self.join, self.list, self.wait)
        acts += (self.identify, self.event, self.merge, self.wait, self.edit, self.group, self.undo, self.erase)
        at = n if self.random.random() < 0.7 else self.random.randrange(len(acts))
        await acts[at % len(acts)](self.random.randrange(7))

    async def sent(self, **message: Any) -> None:
        answer = await self.app.write.post("/v1/batch", json={"batch": [message]})
        assert answer.status_code == 200, answer.text

    async def event(self, user: int) -> None:
        back = self.random.choice((0, 5 * MINUTE_MS, 3 * HOUR_MS, DAY_MS))
        name = self.random.choice(("view", "view", "buy", "leave", "other"))
        properties = {"shop": self.random.randrange(2)}
        at = iso(self.clock.now - back)
        await self.sent(type="track", event=name, userId=f"u{user}", timestamp=at, properties=properties)

    async def identify(self, user: int) -> None:
        at = iso(self.clock.now - self.random.choice((0, DAY_MS)))
        await self.sent(
            type="identify", userId=f"u{user}", timestamp=at, traits={"plan": self.random.choice(["pro", "free"])}
        )

    async def unrelated(self, user: int) -> None:
        """Of no interest to any question but those that read when people were seen."""
        await self.sent(type="identify", userId=f"u{user}", traits={"color": self.random.random()})

    async def expose(self, user: int) -> None:
        answer = await self.app.read.get("/v1/decide", params={"userId": f"u{user}", "flag": "price"})
        assert answer.status_code == 200, answer.text

    async def group(self, user: int) -> None:
        await self.sent(
            type="group", userId=f"u{user}", groupId=f"g{user % 2}", traits={"size": self.random.randrange(10)}
        )
        while await self.worker.update_group_members():
            pass

    async def join(self, user: int) -> None:
        """A visitor whose events become those of a user."""
        await self.sent(type="track", event="view", anonymousId=f"a{user}", timestamp=iso(self.clock.now))
        await self.sent(type="identify", userId=f"u{user}", anonymousId=f"a{user}", traits={})

    async def list(self, user: int) -> None:
        await self.app.admin.post("/v1/admin/segments/listed/list", json={"identifiers": [f"u{user}"]})

    async def wait(self, user: int) -> None:
        self.clock.now += self.random.choice((MINUTE_MS, 20 * MINUTE_MS, HOUR_MS, 7 * HOUR_MS))
        while await self.worker.wake_due():
            pass

    async def merge(self, user: int) -> None:
        await self.app.admin.post("/v1/admin/profiles/merge", json={"profiles": [f"u{user}", f"u{(user + 1) % 7}"]})

    async def undo(self, user: int) -> None:
        merges = (await self.app.admin.get("/v1/admin/merges")).json()["merges"]
        if merges:
            await self.app.admin.post(f"/v1/admin/merges/{self.random.choice(merges)['id']}/undo", json={})

    async def erase(self, user: int) -> None:
        if self.random.random() < 0.5:
            await self.app.admin.post("/v1/admin/erasures", json={"profiles": [f"u{user}"]})

    async def edit(self, user: int) -> None:
        rule = f"events.view.count_1d >= {self.random.choice((1, 2, 3))}"
        await self.app.admin.put("/v1/admin/segments/busy", json={"rule": rule})
        while await self.worker.backfill():
            pass

    async def compare(self) -> None:
        for n in self.asked:
            given = await self.shop.ask(QUESTIONS[n])
            if given["computedAt"] == iso(self.clock.now):
                continue
            self.hits[n] += 1
            self.analytics._cache = self.none
            computed = await self.shop.ask(QUESTIONS[n])
            self.analytics._cache = self.cache
            assert given | {"computedAt": ""} == computed | {"computedAt": ""}, QUESTIONS[n]


@pytest.mark.parametrize("part", range(PARTS))
async def test_a_cached_answer_is_what_is_computed_anew(
    dsn: str, engine: Engine, clickhouse: ClickHouse, part: int
) -> None:
    clock = ManualClock(NOON)
    async with analysing(dsn, engine, clock) as shop:
        life = Life(shop, clock, part)
        await life.begin()
        for n in range(STEPS):
            # Mostly one, so that nothing else happens that would have the answer computed anew.
            for _ in range(life.random.choice((1, 1, 1, 2))):
                await life.act(n)
            await shop.catch_up()
            await life.compare()
            clock.now += 1
        assert len(life.hits) >= len(life.asked) // 2, life.hits
