"""Publish, backfill, ingest and decide at once, over real processes: nothing is ever answered from a mixture.

Every publish changes every definition that a flag reads, and writes its number into each of them. So an answer says by
itself which definitions it came from: a trait of one revision under a flag of another contradicts the `revision` that
the answer names. What people have done is known too, and each threshold moves, so that a segment or a backfilled
aggregate of another revision shows in whom it holds for.
"""

import asyncio
import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from laws import DEEP
from serving import ADMIN_KEY, READ_KEY, WRITE_KEY, Server, bearer, eventually, served, until
from tinycdp.runtime import clock
from tinycdp.runtime.access.keys import environment_named
from tinycdp.runtime.definitions.publish import apply_documents
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.environment import Environment
from tinycdp.server.bootstrap import prepare
from tinycdp.settings import Settings
from tinycdp.store.database.pool import Pool, open_pool

#: How long at least. What it usually takes to be hot is enough to see a mixture.
SECONDS = 60.0 if DEEP else 0.0
LONGEST_SECONDS = 1_000.0
#: Of the quiet nothing arrives during the fire, so what holds for them is known exactly. A backfill takes 200 at once.
QUIET, BUSY = 450, 60
PEOPLE = [f"u{n}" for n in range(QUIET + BUSY)]
MILLION = 1_000_000
FLAGS = ("whole", "high", "tall", "known")


@dataclass(frozen=True)
class Book:
    """What revision says what: `fast` is in every definition, `slow` only moves where people have to be gone through.

    ticks, heavies  thresholds of the segments; weight: what the backfilled aggregate counts from"""

    fast: int
    slow: int

    @property
    def ticks(self) -> int:
        return 1 + self.slow % 7

    @property
    def weight(self) -> int:
        return self.slow * 3 % 10

    @property
    def heavies(self) -> int:
        return 1 + self.slow % 3

    def document(self) -> dict[str, Any]:
        """Every definition, as a file has them."""
        a, c = self.fast * MILLION, self.slow * MILLION
        whole = f"a == events.tick.count + {a} && b == a * 2 && c == heavy + {c} && d == {a + c}"
        whole += (
            f" && segments.high == (events.tick.count >= {self.ticks}) && segments.tall == (c >= {c + self.heavies})"
        )
        counted = "events.tick.count >= context.least && events.tick.count <= context.most"
        weighed = (
            f"heavy >= context.weights.w{self.weight} && (heavy <= context.weights.w{self.weight} || context.busy)"
        )
        traits = {
            "a": f"events.tick.count + {a}",
            "b": "a * 2",
            "heavy": f"events.tick.where(weight >= {self.weight}).count",
            "c": f"heavy + {c}",
            "d": f"if(segments.high || !segments.high, {a + c}, 0)",
        }
        segments = {"high": f"events.tick.count >= {self.ticks}", "tall": f"c >= {c + self.heavies}"}
        sides = {"in": self.fast * 2 + 1, "out": self.fast * 2}
        return {
            "traits": [{"key": key, "expression": text} for key, text in traits.items()],
            "segments": [{"key": key, "rule": text} for key, text in segments.items()],
            "flags": [
                self._flag("whole", whole, {"right": self.fast, "mixture": -1}),
                self._flag("high", "segments.high", sides),
                self._flag("tall", "segments.tall", sides),
                self._flag("known", f"{counted} && {weighed}", {"right": self.fast, "wrong": -1}),
            ],
        }

    @staticmethod
    def _flag(key: str, when: str, variants: dict[str, int]) -> dict[str, Any]:
        first, second = variants
        return {
            "key": key,
            "type": "integer",
            "variants": variants,
            "offVariant": second,
            "default": {"serve": second},
            "rules": [{"id": "r", "when": when, "serve": first}],
        }


def weight_of(person: int, n: int) -> int:
    """Of a person's n-th event: every weight occurs, and each person has others."""
    return (person * 7 + n * 3) % 10


def heavies(person: int, count: int, weight: int) -> int:
    return sum(weight_of(person, n) >= weight for n in range(count))


@dataclass(frozen=True)
class Seen:
    """One answer, with what was known when it was asked for and when it came."""

    server: int
    person: int
    least: int
    most: int
    revision: int
    values: dict[str, Any]


class Fire:
    """Everything that goes on, and what came of it. Each thread writes lists and numbers of its own."""

    def __init__(self, dsn: str, servers: list[Server]) -> None:
        self.dsn = dsn
        self.servers = servers
        self.books: dict[int, Book] = {}
        self.book = Book(0, 0)
        self.published = 0
        self.acked = [1 + person % 8 if person < QUIET else 0 for person in range(len(PEOPLE))]
        self.sent = list(self.acked)
        self.version = [0] * len(PEOPLE)
        self.seen: list[Seen] = []
        self.files: list[list[dict[str, Any]]] = []
        self.floors = [0, 0]
        self.over = threading.Event()
        self.failures: list[str] = []

    # What is done

    def publish(self) -> None:
        asyncio.run(self._publish())

    async def _publish(self) -> None:
        chance = random.Random(1)
        async with await open_pool(self.dsn, 1) as pool:
            while not self.over.is_set():
                slow = self.book.slow + (chance.random() < 0.4)
                self.book = Book(self.book.fast + 1, slow)
                await self.save(pool)
                # A publish during a backfill starts it over: without waits hardly any revision would ever be live.
                if chance.random() < 0.5:
                    await self.live(pool)
                await asyncio.sleep(chance.choice((0.02, 0.1, 0.3, 0.6)))

    async def live(self, pool: Pool) -> None:
        """Returns once the newest revision is live, or the fire is over."""
        query = "SELECT live_revision = head_revision FROM environments WHERE key = 'prod'"
        await eventually(lambda: self._is(pool, query))

    async def _is(self, pool: Pool, query: str) -> bool:
        return self.over.is_set() or bool(await pool.fetchval(query))

    async def save(self, pool: Pool) -> None:
        id = await environment_named(pool, "prod")
        plan = await apply_documents(
            Environment(id, pool, clock.now), [self.book.document()], Edit("test", clock.now())
        )
        self.published = plan.revision
        self.books[plan.revision] = self.book

    def ingest(self, seed: int) -> None:
        """One sender's own people, a few events at a time; now and then everything twice, by both processes."""
        chance = random.Random(seed)
        mine = range(QUIET + seed, len(PEOPLE), 2)
        while not self.over.is_set():
            people = chance.sample(mine, 4)
            batch = [self.event(person, self.sent[person]) for person in people]
            for person in people:
                self.sent[person] += 1
            there = chance.randrange(2)
            for server in (there, 1 - there)[: 1 + (chance.random() < 0.2)]:
                answer = self.servers[server].batch(batch)
                assert answer.status_code == 200, answer.text
            for person in people:
                self.version[person] = answer.json()["version"]
                self.acked[person] += 1

    @staticmethod
    def event(person: int, n: int) -> dict[str, Any]:
        properties = {"weight": weight_of(person, n)}
        return {
            "type": "track", "event": "tick", "userId": PEOPLE[person], "messageId": f"{person}-{n}",
            "properties": properties,
        }  # fmt: skip

    def decide(self, seed: int) -> None:
        chance = random.Random(seed)
        while not self.over.is_set():
            person = chance.randrange(len(PEOPLE))
            server = chance.randrange(2)
            if chance.random() < 0.3:
                self.ask_one(server, person, chance.choice(("whole", "high", "tall")))
            else:
                self.ask_all(server, person)

    def ask_one(self, server: int, person: int, flag: str) -> None:
        """By the fast lane, which promises nothing of what another process has just taken."""
        floor = self.floors[server]
        answer = self.servers[server].decide(flag, PEOPLE[person])
        assert answer.status_code == 200, answer.text
        least = self.acked[person] if person < QUIET else 0
        found = answer.json()
        self.noted(Seen(server, person, least, self.sent[person], found["revision"], {flag: found["value"]}), floor)

    def ask_all(self, server: int, person: int) -> None:
        floor, least, version = self.floors[server], self.acked[person], self.version[person]
        weights = {f"w{weight}": heavies(person, least, weight) for weight in range(10)}
        context = {
            "least": least,
            "most": least if person < QUIET else MILLION,
            "weights": weights,
            "busy": person >= QUIET,
        }
        body = {"userId": PEOPLE[person], "flags": FLAGS, "context": context, "minVersion": version}
        answer = self.servers[server].http.post("/v1/decide", json=body, headers=bearer(READ_KEY))
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert {flag["revision"] for flag in found["flags"].values()} == {found["revision"]}
        values = {key: flag["value"] for key, flag in found["flags"].items()}
        assert values.keys() == set(FLAGS), found
        self.noted(Seen(server, person, least, self.sent[person], found["revision"], values), floor)

    def noted(self, seen: Seen, floor: int) -> None:
        if seen.revision < floor:
            self.failures.append(f"process {seen.server} went back from revision {floor} to {seen.revision}")
        self.floors[seen.server] = max(self.floors[seen.server], seen.revision)
        self.seen.append(seen)

    def look(self) -> None:
        """Files and profile pages, which read the database themselves."""
        chance = random.Random(9)
        while not self.over.is_set():
            self.files.append(self.exported("high", self.servers[chance.randrange(2)]))
            self.page(chance.randrange(len(PEOPLE)), chance.randrange(2))

    def page(self, person: int, server: int) -> None:
        least = self.acked[person]
        address = f"/v1/admin/users/{PEOPLE[person]}"
        answer = self.servers[server].http.get(address, headers=bearer(ADMIN_KEY))
        if answer.status_code == 404:  # a busy one of whom nothing arrived yet
            assert not least, answer.text
            return
        found = answer.json()["profile"]
        traits = {key: trait["value"] for key, trait in found["traits"].items()}
        high = "high" in {segment["key"] for segment in found["segments"]}
        page = (traits["a"], traits["b"], traits["c"] - traits["heavy"], traits["d"], high)
        self.seen.append(Seen(server, person, least, self.sent[person], found["revision"], {"page": page}))

    @staticmethod
    def exported(segment: str, server: Server) -> list[dict[str, Any]]:
        """Everyone in a segment, with the traits that show the revision."""
        query = {"columns": "", "traits": "a,c,heavy"}
        answer = server.http.get(f"/v1/export/segment/{segment}.jsonl", params=query, headers=bearer(READ_KEY))
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]

    def counts(self) -> dict[str, int]:
        live = {seen.revision for seen in list(self.seen)} & self.books.keys()
        slow = {self.books[revision].slow for revision in live}
        figures = {"published": len(self.books), "live": len(live), "backfilled": len(slow) - 1}
        return figures | {"decisions": len(self.seen), "files": len(self.files)}

    def is_hot(self) -> bool:
        """Whether enough has gone on, however busy the machine."""
        counts = self.counts()
        return counts["live"] > 5 and counts["backfilled"] > 1 and counts["decisions"] > 1_000 and counts["files"] > 10

    # What is asserted

    def assert_seen(self, seen: Seen) -> None:
        """The answer is what the definitions of its revision make of what the person had done by then."""
        book = self.books[seen.revision]
        for key, value in seen.values.items():
            match key:
                case "whole" | "known":
                    assert value == book.fast, (key, seen, book)
                case "high":
                    self._in(seen, value, book, seen.least >= book.ticks, seen.most < book.ticks)
                case "tall":
                    counts = [heavies(seen.person, count, book.weight) for count in (seen.least, seen.most)]
                    self._in(seen, value, book, counts[0] >= book.heavies, counts[1] < book.heavies)
                case "page":
                    a, b, c, d, high = value
                    count = a - book.fast * MILLION
                    assert seen.least <= count <= seen.most, (seen, book)
                    assert b == 2 * a and c == book.slow * MILLION and d == a - count + c, (seen, book)
                    assert high is (count >= book.ticks), (seen, book)

    def assert_file(self, rows: list[dict[str, Any]]) -> None:
        """All rows are of one revision, and everyone is in it of whom that is certain."""
        [fast] = {row["traits"]["a"] // MILLION for row in rows}
        [book] = [book for book in self.books.values() if book.fast == fast]
        assert {row["traits"]["c"] - row["traits"]["heavy"] for row in rows} == {book.slow * MILLION}, book
        assert all(row["traits"]["a"] - fast * MILLION >= book.ticks for row in rows), book
        quiet = {row["userId"] for row in rows} & set(PEOPLE[:QUIET])
        assert quiet == {PEOPLE[p] for p in range(QUIET) if self.acked[p] >= book.ticks}, book

    @staticmethod
    def _in(seen: Seen, value: int, book: Book, surely: bool, surely_not: bool) -> None:
        assert value // 2 == book.fast, (seen, book)
        assert value % 2 or not surely, (seen, book)
        assert not value % 2 or not surely_not, (seen, book)


@contextmanager
def going_on(fire: Fire, *work: Callable[[], None]) -> Iterator[None]:
    """Does all the work at once until the block ends; what fails in a thread fails the test."""

    def guarded(one: Callable[[], None]) -> None:
        try:
            one()
        except BaseException as trouble:
            fire.failures.append(f"{type(trouble).__name__}: {trouble}")
            fire.over.set()

    threads = [threading.Thread(target=guarded, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        fire.over.set()
        for thread in threads:
            thread.join()
    assert not fire.failures, fire.failures[:5]


@pytest.mark.timeout(1_500)
async def test_nothing_is_ever_decided_by_a_mixture(dsn: str, tmp_path: Path) -> None:
    await prepare(
        Settings(
            database_url=dsn,
            bootstrap_write_key=WRITE_KEY,
            bootstrap_read_key=READ_KEY,
            bootstrap_admin_key=ADMIN_KEY,
        ),
        clock.now(),
    )
    with (
        served(tmp_path / "a", dsn=dsn, role="all", workers=1, backfill_share=100) as a,
        served(tmp_path / "b", dsn=dsn, role="api", workers=1) as b,
    ):
        fire = Fire(dsn, [a, b])
        events = [fire.event(person, n) for person in range(QUIET) for n in range(fire.acked[person])]
        for start in range(0, len(events), 200):
            assert a.batch(events[start : start + 200]).status_code == 200
        async with await open_pool(dsn, 1) as pool:
            await fire.save(pool)
        settled(fire)
        with going_on(
            fire,
            fire.publish,
            *(lambda seed=seed: fire.ingest(seed) for seed in range(2)),
            *(lambda seed=seed: fire.decide(seed) for seed in range(3)),
            fire.look,
        ):
            fire.over.wait(SECONDS)
            until(lambda: fire.over.wait(0.2) or fire.is_hot(), LONGEST_SECONDS)
        for seen in fire.seen:
            fire.assert_seen(seen)
        for rows in fire.files:
            fire.assert_file(rows)
        print(json.dumps(fire.counts() | {"events": sum(fire.acked) - len(events)}))
        settled(fire)
        await assert_at_rest(fire, dsn)


def settled(fire: Fire) -> None:
    """Returns once the newest revision serves on both processes."""
    for server in fire.servers:
        until(lambda server=server: server.decide("whole", "absent").json().get("revision") == fire.published)


async def assert_at_rest(fire: Fire, dsn: str) -> None:
    """Everything is what a fresh computation from raw events says, wherever it is asked."""
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch(
        "SELECT a.value, count(*) AS n, array_agg((e.properties ->> 'weight')::int) AS weights FROM events e "
        "JOIN identifiers a ON a.environment_id = e.environment_id AND a.id = e.identifier_id "
        "WHERE e.name = 'tick' GROUP BY 1"
    )
    await connection.close()
    assert {row["value"]: row["n"] for row in rows} == {PEOPLE[p]: n for p, n in enumerate(fire.acked) if n}
    book, weights = fire.books[fire.published], {int(row["value"][1:]): row["weights"] for row in rows}
    high = {person for person, found in weights.items() if len(found) >= book.ticks}
    tall = {p for p, found in weights.items() if sum(weight >= book.weight for weight in found) >= book.heavies}
    for number, server in enumerate(fire.servers):
        fire.seen.clear()
        for person in weights:
            fire.ask_all(number, person)
            if person % 10 == 0:
                fire.page(person, number)
        for seen in fire.seen:
            fire.assert_seen(seen)
            assert seen.revision == fire.published
        decided = [seen for seen in fire.seen if "high" in seen.values]
        assert {seen.person for seen in decided if seen.values["high"] % 2} == high
        assert {seen.person for seen in decided if seen.values["tall"] % 2} == tall
        for segment, members in (("high", high), ("tall", tall)):
            assert {row["userId"] for row in fire.exported(segment, server)} == {PEOPLE[p] for p in members}
            found = server.http.get(f"/v1/admin/segments/{segment}", headers=bearer(ADMIN_KEY)).json()
            assert found["members"] == len(members)
