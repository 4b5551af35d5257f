"""Two real processes on one database: an id counts once whichever took it, and both decide alike, at once."""

import asyncio
import functools
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncpg
import pytest

import serving
from serving import (
    READ_KEY,
    WRITE_KEY,
    Server,
    bearer,
    define,
    eventually,
    holds_for,
    new_environment,
    served,
    until,
    waiting_for_a_lock,
)
from tinycdp.engine.catalog import Catalog
from tinycdp.model import Identifier, IdentifierKind, Message
from tinycdp.runtime import clock
from tinycdp.runtime.access.keys import create_key, environment_named, revoke_key
from tinycdp.runtime.decisions.decide import decide_one
from tinycdp.runtime.definitions.publish import apply_documents
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.worker.backfill import Backfiller
from tinycdp.server.bootstrap import prepare
from tinycdp.settings import Settings
from tinycdp.store.database.pool import open_pool

COUNTING = {
    "traits": [{"key": "opens", "expression": "events.open.count()"}],
    "flags": [{"key": "opened", "rule": "opens >= 1"}, {"key": "counted", "rule": "opens == context.n"}],
}


@pytest.fixture(scope="module")
async def pair(module_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Server, Server]]:
    """Two servers for all tests: each has people and messages of its own."""
    dsn, folder = module_dsn, tmp_path_factory.mktemp("pair")
    await prepare(Settings(database_url=dsn, **keys()), clock.now())
    await define(dsn, COUNTING, clock.now())
    with served(folder / "a", dsn=dsn, role="api") as a, served(folder / "b", dsn=dsn, role="api") as b:
        yield a, b


def keys() -> dict[str, Any]:
    return {
        "bootstrap_write_key": WRITE_KEY,
        "bootstrap_read_key": READ_KEY,
        "bootstrap_admin_key": serving.ADMIN_KEY,
    }


def opened(id: str, user: str = "ada") -> dict[str, Any]:
    return {"type": "track", "event": "open", "userId": user, "messageId": id}


async def test_an_id_counts_once_by_whatever_way_it_comes(pair: tuple[Server, Server], module_dsn: str) -> None:
    """By /v1/track and /v1/batch, twice in one batch, by both processes, all at once and again afterwards."""
    ids = [f"once-{n}" for n in range(60)]
    requests = []
    for n, id in enumerate(ids):
        one, other = pair if n % 2 else pair[::-1]
        requests += [
            (one.track, opened(id, "once")),
            (other.track, opened(id, "once")),
            (other.batch, [opened(id, "once"), opened(ids[n - 1], "once"), opened(id, "once")]),
        ]

    def ask(request: tuple[Any, Any]) -> int:
        answer = request[0](request[1])
        assert answer.status_code == 200, answer.text
        return int(answer.json()["accepted"])

    def everything() -> int:
        with ThreadPoolExecutor(16) as threads:
            return sum(threads.map(ask, requests))

    assert await asyncio.to_thread(everything) == len(ids)
    assert await asyncio.to_thread(everything) == 0
    connection = await asyncpg.connect(module_dsn)
    assert await connection.fetchval("SELECT count(*) FROM events WHERE message_id LIKE 'once-%'") == len(ids)
    await connection.close()
    for server in pair:
        until(lambda server=server: server.holds("counted", "once", n=len(ids)))


def test_both_processes_read_a_write(pair: tuple[Server, Server]) -> None:
    """The process that took the event at once; the other soon, and at once where the request names the version."""
    here, there = pair
    for n in range(200):
        user = f"reader-{n}"
        assert not there.decide("opened", user).json()["allow"]
        there.track({"event": "other", "userId": user})  # known to both, in memory of one
        assert not there.decide("opened", user).json()["allow"]
        accepted = here.track(opened(f"reader-{n}", user)).json()
        if n % 2:
            assert there.decide("opened", user, minVersion=accepted["version"]).json()["allow"]
        else:
            until(lambda user=user: there.decide("opened", user).json()["allow"])
        assert here.decide("opened", user).json()["allow"]


async def test_no_request_waits_for_a_version_for_long(dsn: str) -> None:
    """A process without notifications answers from memory, until it is asked for a version: then exactly that one."""
    now = clock.now()
    async with serving.services(dsn, 2, clock.now) as [here, deaf]:
        environment = await new_environment(here.pool, "e", COUNTING, now)
        await deaf.catalogs.refresh(deaf.pool, environment)
        deaf.mirror.profiles_changed = lambda *news: None  # type: ignore[method-assign]
        ada = Identifier(IdentifierKind.USER, "ada")

        def message(id: str, name: str) -> Message:
            return Message(kind="track", message_id=id, identifiers=(ada,), occurred_at=now, received_at=now, name=name)

        await here.ingest.accept(environment, [message("m0", "other")])
        assert not await holds_for(deaf, environment, "opened", ada)
        receipt = await here.ingest.accept(environment, [message("m1", "open")])
        assert await holds_for(here, environment, "opened", ada), "read your own write"
        assert not await holds_for(deaf, environment, "opened", ada), "it is notified of nothing, as this test wants it"
        assert await holds_for(deaf, environment, "opened", ada, min_version=receipt.version)
        again = await here.ingest.accept(environment, [message("m1", "open")])
        assert again.duplicates == 1
        catalog, snapshot, stale = await deaf.profile_loader.load(environment, ada, now, again.version)
        assert decide_one(catalog, "opened", snapshot, now).value and not stale


async def test_a_person_of_a_newer_revision_is_decided_by_it(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has not heard of the swap reads someone whom the other has taken an event of since: their row has
    no state of the older revision any more, which would look like a profile that never did anything."""
    now = clock.now()
    async with serving.services(dsn, 2, clock.now) as [here, deaf]:
        environment = await new_environment(here.pool, "e", COUNTING, now)
        await deaf.catalogs.refresh(deaf.pool, environment)
        deaf.mirror.revision_changed = lambda *news: None  # type: ignore[method-assign]
        ada, bob = Identifier(IdentifierKind.USER, "ada"), Identifier(IdentifierKind.USER, "bob")

        def message(id: str, identifier: Identifier) -> Message:
            return Message(
                kind="track",
                message_id=id,
                identifiers=(identifier,),
                occurred_at=now,
                received_at=now,
                name="open",
                properties={"device": "phone"},
            )

        await here.ingest.accept(environment, [message("m0", ada), message("m1", bob)])
        assert await holds_for(deaf, environment, "opened", bob)
        elsewhere = {"key": "opens", "expression": "events.open.where(device == 'phone').count()"}
        await apply_documents(here.environment(environment), [COUNTING | {"traits": [elsewhere]}], Edit("test", now))
        backfill = Backfiller(here.pool, here.catalogs, clock.now, share=100)
        while await backfill.step(environment):
            pass
        others = [Identifier(IdentifierKind.USER, f"u{n}") for n in range(8)]
        sent = [message("m2", ada), *(message(f"m-{identifier.value}", identifier) for identifier in others)]
        await here.ingest.accept(environment, sent)
        reads, read = [], deaf.catalogs.at

        async def counted(*asked: Any) -> Catalog:
            reads.append(asked)
            return await read(*asked)

        monkeypatch.setattr(deaf.catalogs, "at", counted)
        found = await asyncio.gather(
            *(holds_for(deaf, environment, "opened", identifier) for identifier in (ada, *others))
        )
        assert all(found)
        assert len(reads) == 1, "of many who miss the revision at once, one reads it"
        assert await holds_for(deaf, environment, "opened", bob), "whom it knew before, it knows by the same revision"
        assert deaf.catalogs.serving(environment).revision == here.catalogs.serving(environment).revision


async def test_one_decision_of_two_processes(pair: tuple[Server, Server], module_dsn: str) -> None:
    """A flag edited under fire: at every revision both give the same answers, for every person."""
    people = [f"ramp-{n}" for n in range(40)]
    assert pair[0].batch([opened(f"m-{user}", user) for user in people]).status_code == 200

    def answers(server: Server) -> list[tuple[Any, ...]]:
        found = [server.decide("ramp", user).json() for user in people]
        return [(a.get("revision"), a.get("allow"), a.get("reasons"), a.get("profileId")) for a in found]

    async def alike(after: int) -> int:
        one, other = [await asyncio.to_thread(answers, server) for server in pair]
        revisions = {answer[0] for answer in (*one, *other)}
        assert one == other or len(revisions) > 1, "at one revision they differ"
        [revision, *more] = revisions
        return revision if not more and revision is not None and revision > after else 0

    revision = 0
    for share in (10, 50, 90):
        rule = {"id": "r", "when": "opens >= 1", "rollout": share, "serve": "on"}
        await define(module_dsn, {"flags": [{"key": "ramp", "rules": [rule]}]}, clock.now())
        revision = await eventually(functools.partial(alike, revision))


async def test_a_key_opens_one_environment_and_nothing_of_another(pair: tuple[Server, Server], module_dsn: str) -> None:
    here, there = pair
    async with await open_pool(module_dsn, 1) as pool:
        dev = await environment_named(pool, "dev")
        made = await create_key(Environment(dev, pool, clock.now), ["read", "write"], "dev")
    for server in pair:
        until(lambda server=server: server.decide("opened", "kay", key=made.key).status_code != 401)
    assert there.decide("opened", "kay", key=made.key).status_code == 404, "prod's flags are not dev's"
    await define(module_dsn, COUNTING, clock.now(), "dev")
    until(lambda: there.decide("opened", "kay", key=made.key).status_code == 200)
    assert here.track(opened("k1", "kay")).json()["accepted"] == 1
    assert not there.decide("opened", "kay", key=made.key).json()["allow"], "prod's events are not dev's"
    assert there.track(opened("k1", "kay"), key=made.key).json()["accepted"] == 1, (
        "an id counts once in each environment"
    )
    own, other = here.decide("opened", "kay").json(), there.decide("opened", "kay", key=made.key).json()
    assert own["allow"] and other["allow"] and own["profileId"] != other["profileId"]
    question = {"profileId": own["profileId"], "flags": ["opened"]}
    foreign = there.http.post("/v1/decide", json=question, headers=bearer(made.key)).json()["flags"]["opened"]
    assert not foreign["allow"] and foreign["profileId"] is None, "a profile's id means nothing elsewhere"
    assert here.holds("counted", "kay", n=1)
    # A revoked key ends on every process.
    async with await open_pool(module_dsn, 1) as pool:
        await revoke_key(Environment(dev, pool, clock.now), made.id)
    for server in pair:
        until(lambda server=server: server.track(opened("k3", "kay"), key=made.key).status_code == 401)


async def test_a_full_queue_answers_429_over_http(dsn: str, tmp_path: Path) -> None:
    """One is under way and held up, five may wait: of eight more, three get Retry-After, at once."""
    await prepare(Settings(database_url=dsn, **keys()), clock.now())
    beside = await asyncpg.connect(dsn)
    with served(tmp_path, dsn=dsn, role="api", ingest_queue=5) as server, ThreadPoolExecutor(9) as threads:
        async with beside.transaction():
            await beside.execute("SELECT pg_advisory_xact_lock(74, id) FROM environments")
            under_way = threads.submit(server.track, opened("m0"))
            await waiting_for_a_lock(beside, 1)
            others = [threads.submit(server.track, opened(f"q{n}")) for n in range(8)]

            async def three_are_answered() -> bool:
                return sum(future.done() for future in others) == 3

            await eventually(three_are_answered)
            for refused in [future.result() for future in others if future.done()]:
                assert refused.status_code == 429 and refused.headers["retry-after"].isdigit()
                assert refused.json()["code"] == "INGEST_QUEUE_FULL" and refused.json()["message"]
        assert under_way.result().status_code == 200
        assert sorted(future.result().status_code for future in others) == [200] * 5 + [429] * 3
    await beside.close()
