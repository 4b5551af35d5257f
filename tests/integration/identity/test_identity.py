"""Two processes that meet over one person: a transaction that waited for a lock reads again before it acts."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

import serving
from serving import new_environment, waiting_for_a_lock
from tinycdp.app import Parts
from tinycdp.model import Identifier, IdentifierKind, Message
from tinycdp.runtime.ingest.group_commit import Ingest
from tinycdp.runtime.policies.identifier_rules import IdentifierRules, IdentityPolicy, KindPolicy

NOW = 1_790_000_000_000


@pytest.fixture
async def services(dsn: str) -> AsyncIterator[list[Parts]]:
    """Two processes' worth of service on one database."""
    async with serving.services(dsn, 2, lambda: NOW) as started:
        yield started


@pytest.fixture
async def environment(services: list[Parts]) -> int:
    return await new_environment(services[0].pool, "e", {}, NOW)


def message(id: str, at: int, **named: str) -> Message:
    identifiers = tuple(Identifier(kind, named[kind]) for kind in IdentifierKind if kind in named)
    return Message(
        kind="track", message_id=id, identifiers=identifiers, occurred_at=NOW + at, received_at=NOW, name="open"
    )


async def profile_of(service: Parts, environment: int, value: str) -> int:
    return await service.pool.fetchval(
        "SELECT profile_id FROM identifiers WHERE environment_id = $1 AND value = $2", environment, value
    )


async def test_two_claims_on_one_stranger_at_once_join_no_two_people(
    services: list[Parts], environment: int, dsn: str
) -> None:
    await services[0].ingest.accept(environment, [message("m0", -9, anonymousId="tab")])
    holder = await asyncpg.connect(dsn)
    async with holder.transaction():
        await holder.execute("SELECT FROM profiles FOR UPDATE")
        claims = [
            asyncio.create_task(
                services[0].ingest.accept(environment, [message("m1", -1, userId="ann", anonymousId="tab")])
            ),
            asyncio.create_task(
                services[1].ingest.accept(environment, [message("m2", -2, userId="bob", anonymousId="tab")])
            ),
        ]
        await waiting_for_a_lock(holder, 2)
    await asyncio.gather(*claims)
    await holder.close()
    ann, bob, tab = [await profile_of(services[0], environment, value) for value in ("ann", "bob", "tab")]
    assert ann != bob, "a device that two people used makes them one"
    assert tab == bob, "the earlier claim holds"


async def test_an_event_follows_its_device_when_that_moves_meanwhile(
    services: list[Parts], environment: int, dsn: str
) -> None:
    await services[0].ingest.accept(environment, [message("m1", -1, userId="ann", anonymousId="tab")])
    await services[0].ingest.accept(environment, [message("m2", -1, userId="bob")])
    ann = await profile_of(services[0], environment, "ann")
    holder = await asyncpg.connect(dsn)
    async with holder.transaction():
        await holder.execute("SELECT FROM profiles WHERE id = $1 FOR UPDATE", ann)
        move = asyncio.create_task(
            services[0].ingest.accept(environment, [message("m3", -5, userId="bob", anonymousId="tab")])
        )
        await waiting_for_a_lock(holder, 1)
        event = asyncio.create_task(services[1].ingest.accept(environment, [message("m4", -3, anonymousId="tab")]))
        await waiting_for_a_lock(holder, 2)
    await asyncio.gather(move, event)
    await holder.close()
    rows = await services[0].pool.fetch("SELECT id, first_seen_at FROM profiles")
    seen = dict(rows)
    assert await profile_of(services[0], environment, "tab") != ann
    assert seen[ann] == NOW - 1, "the event of a device that is no longer hers counts for her"


async def test_a_better_claim_by_the_same_person_is_no_quarrel(services: list[Parts], environment: int) -> None:
    """Two logins of one person and a browser: that the earlier login claims it, too, wins over no other claim."""
    [service, _] = services
    joined = Message(
        kind="alias", message_id="m1", identifiers=(Identifier(IdentifierKind.USER, "ann"),),
        occurred_at=NOW - 9, received_at=NOW,
        previous="ann@old",
    )  # fmt: skip
    await service.ingest.accept(environment, [joined])
    await service.ingest.accept(environment, [message("m2", -1, userId="ann", anonymousId="tab")])
    await service.ingest.accept(environment, [message("m3", -5, userId="ann@old", anonymousId="tab")])
    assert len({await profile_of(service, environment, value) for value in ("ann", "ann@old", "tab")}) == 1
    assert await service.pool.fetchval("SELECT count(*) FROM rejected_claims") == 0
    owner = await service.pool.fetchval(
        "SELECT owner.value FROM identifiers i JOIN identifiers owner ON owner.id = i.owner_id WHERE i.value = 'tab'"
    )
    assert owner == "ann@old", "the earlier claim holds"


async def test_a_better_claim_by_what_an_identifier_owns_takes_both_to_a_new_profile(
    services: list[Parts], environment: int
) -> None:
    """Only the device connected the user `a1` with the browser a1, which claims the device after all."""
    [service, _] = services
    kinds = (IdentifierKind.ANONYMOUS, IdentifierKind.USER, IdentifierKind.DEVICE)
    rules = IdentifierRules(IdentityPolicy(kinds=tuple(KindPolicy(kind=kind) for kind in kinds)))
    ingest = Ingest(
        service.pool, service.catalogs, service.now, lambda done: None, batch=9, queue=9, rules=lambda _: rules
    )
    joined = Message(
        kind="alias", message_id="m1", identifiers=(Identifier(IdentifierKind.DEVICE, "d1"),),
        occurred_at=NOW - 9, received_at=NOW,
        previous="a1",
    )  # fmt: skip
    await ingest.accept(environment, [joined])
    await ingest.accept(environment, [message("m2", -5, anonymousId="a1", deviceId="d1")])
    rows = await service.pool.fetch(
        "SELECT p.bucketing_key, p.first_seen_at, p.merged_into, array_agg(a.kind ORDER BY a.kind) AS kinds"
        " FROM profiles p JOIN identifiers a ON a.environment_id = $1 AND a.profile_id = p.id GROUP BY p.id, 1, 2, 3"
        " ORDER BY kinds",
        environment,
    )
    assert [tuple(row) for row in rows] == [
        ("a1", NOW - 9, None, ["anonymousId", "deviceId"]),
        ("a1", None, None, ["userId"]),
    ]
    assert await service.pool.fetchval("SELECT count(*) FROM profiles") == 2


async def test_many_merges_at_once_on_two_processes(services: list[Parts], environment: int) -> None:
    """Forty devices and five people in every combination, all at once: groups cross, wait, begin anew, and each
    message counts once."""
    sent = [
        message(
            f"{n}-{user}-{device}",
            -1 - n,
            userId=f"u{user}",
            anonymousId=f"a{device}",
            deviceId=f"d{(device + n) % 40}",
        )
        for n in range(2)
        for user in range(5)
        for device in range(40)
    ]
    strangers = [message(f"s{device}", -9, anonymousId=f"a{device}") for device in range(40)]
    requests = [*(sent[start : start + 10] for start in range(0, len(sent), 10)), *([m] for m in strangers)]
    receipts = await asyncio.gather(
        *(services[n % 2].ingest.accept(environment, request) for n, request in enumerate(requests))
    )
    assert sum(receipt.accepted for receipt in receipts) == len(sent) + len(strangers)
    people = {await profile_of(services[0], environment, f"u{user}") for user in range(5)}
    assert len(people) == 5, "shared devices join no two people"
    again = await asyncio.gather(*(services[0].ingest.accept(environment, request) for request in requests))
    assert sum(receipt.accepted for receipt in again) == 0
    assert await services[0].pool.fetchval("SELECT count(*) FROM events") == len(sent) + len(strangers)
