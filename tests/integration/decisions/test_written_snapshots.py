"""What a process keeps after its own writes is what Postgres has, however late it hears of another's."""

import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest

import serving
from serving import new_environment
from tinycdp.app import Parts
from tinycdp.engine.catalog import Catalog
from tinycdp.model import HOUR_MS, Identifier, IdentifierKind, Message
from tinycdp.runtime.decisions.snapshots import Snapshot, _of_row
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.definitions.publish import apply_documents
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.worker.loops import Worker
from tinycdp.store import profiles as profile_store

NOW = 1_790_000_000_000
STEPS = 40
PEOPLE = [
    Identifier(IdentifierKind.USER, "ada"),
    Identifier(IdentifierKind.USER, "bob"),
    Identifier(IdentifierKind.ANONYMOUS, "tab"),
    Identifier(IdentifierKind.ANONYMOUS, "phone"),
]
TRAITS = [
    {"key": "views", "expression": "events.view.count_30d"},
    {"key": "last", "expression": "last_seen_at"},
    {"key": "plan", "expression": "profile.plan"},
    {"key": "size", "expression": "group.size"},
]
DEFINITIONS: dict[str, Any] = {
    "traits": TRAITS,
    "segments": [{"key": "fans", "rule": 'events.view.count_7d >= 2 && profile.plan == "pro"'}],
    "flags": [{"key": "offer", "rule": 'segment("fans")'}],
}
LATER: dict[str, Any] = {"traits": [{"key": "bought", "expression": "events.buy.sum(amount, 9d)"}]}


class Late:
    """A process that hears of profiles late: notifications wait until they are let in, in their order."""

    def __init__(self, service: Parts) -> None:
        self.service = service
        self.waiting: list[Callable[[], None]] = []
        service.mirror._listener._subscriber = self

    def profiles_changed(self, *news: Any) -> None:
        self.waiting.append(lambda: self.service.mirror.profiles_changed(*news))

    def profiles_created(self, *news: Any) -> None:
        self.waiting.append(lambda: self.service.mirror.profiles_created(*news))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.service.mirror, name)

    def let_in(self, n: int) -> None:
        for deliver in self.waiting[:n]:
            deliver()
        del self.waiting[:n]


def seen(snapshot: Snapshot, catalog: Catalog) -> Any:
    """What a decision can see of a profile, however it is kept."""
    snapshot.bind(catalog)
    results = {name: snapshot.result(name, NOW)[0] for name in sorted(snapshot.evaluators)}
    return snapshot.profile_id, snapshot.unit, sorted(snapshot.names), snapshot.properties, results


def written(rng: random.Random, id: str) -> Message:
    given: dict[str, Any] = {"kind": "track", "name": rng.choice(["view", "view", "buy"]), "properties": {"amount": 7}}
    match rng.randrange(6):
        case 0:
            given = {"kind": "identify", "properties": {"plan": rng.choice(["pro", "free"])}}
        case 1:
            given = {"kind": "group", "group_id": "acme", "properties": {"size": rng.randrange(9)}}
    identifiers = tuple(rng.sample(PEOPLE, 2 if rng.random() < 0.2 else 1))
    at = NOW - rng.randrange(200) * HOUR_MS
    return Message(message_id=id, identifiers=identifiers, occurred_at=at, received_at=NOW, **given)


@pytest.mark.parametrize("seed", range(4))
async def test_a_kept_profile_is_what_postgres_had_at_its_version(dsn: str, seed: int) -> None:
    rng = random.Random(seed)
    renewed = 0
    async with serving.services(dsn, 2, lambda: NOW) as processes:
        shop = await new_environment(processes[0].pool, "shop", DEFINITIONS, NOW)
        for service in processes:
            await service.catalogs.refresh(service.pool, shop)
        late = [Late(service) for service in processes]
        history: dict[tuple[Identifier, int], Any] = {}
        for n in range(STEPS):
            here = rng.randrange(2)
            service = processes[here]
            for identifier in PEOPLE:
                await service.profile_loader.load(shop, identifier, NOW)
            known = {one: service.profile_loader.cached(shop, one, 0) for one in PEOPLE}
            if n == STEPS // 2:
                await apply_documents(service.environment(shop), [LATER], Edit("test", NOW))
                worker = Worker(service.pool, Catalogs(), lambda: NOW)
                while await worker.backfill():
                    pass
                for each in processes:
                    await each.catalogs.refresh(each.pool, shop)
                history.clear()  # it reads what was not kept before: nothing that is in memory counts
            else:
                await service.ingest.accept(shop, [written(rng, f"{n} {i}") for i in range(rng.randrange(1, 4))])
                now = {one: service.profile_loader.cached(shop, one, 0) for one in PEOPLE}
                renewed += sum(now[one] is not None and now[one] is not known[one] for one in PEOPLE)
            catalog = service.catalogs.serving(shop)
            for identifier in PEOPLE:
                async with service.pool.acquire() as connection:
                    row = await profile_store.load_by_identifier(connection, shop, identifier.kind, identifier.value)
                if row is not None:
                    history[identifier, row.version] = seen(_of_row(row, catalog, NOW), catalog)
            for heard, process in zip(late, processes, strict=True):
                heard.let_in(rng.randrange(len(heard.waiting) + 1))
                for identifier in PEOPLE:
                    kept = process.profile_loader.cached(shop, identifier, 0)
                    if kept is not None:
                        assert seen(kept, catalog) == history[identifier, kept.version], (n, identifier)
        await serving.eventually(lambda: caught_up(late, history, shop))
    assert renewed > STEPS // 4, "what is kept was hardly ever written through"


async def caught_up(late: list[Late], history: Mapping[tuple[Identifier, int], Any], shop: int) -> bool:
    """Once every notification is in, what is kept is of the newest version."""
    for each in late:
        each.let_in(len(each.waiting))
        for identifier in PEOPLE:
            kept = each.service.profile_loader.cached(shop, identifier, 0)
            newest = max((version for one, version in history if one == identifier), default=0)
            if kept is not None and kept.version != newest:
                return False
    return True
