"""What a process keeps in memory is never older than its notifications, and never of another profile."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

import serving
from serving import PATIENCE_SECONDS, eventually, holds_for, new_environment, without_database
from tinycdp.app import Parts
from tinycdp.errors import Unavailable
from tinycdp.model import Identifier, IdentifierKind, Message
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.definitions.publish import apply_documents
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.worker.loops import Worker
from tinycdp.store import profiles as profile_store

NOW = 1_790_000_000_000
COUNTING = {"flags": [{"key": "opened", "rule": "events.open.exists()"}]}
ADA, BOB = Identifier(IdentifierKind.USER, "ada"), Identifier(IdentifierKind.USER, "bob")
TAB = Identifier(IdentifierKind.ANONYMOUS, "tab")


@pytest.fixture
async def services(dsn: str) -> AsyncIterator[list[Parts]]:
    async with serving.services(dsn, 2, lambda: NOW) as started:
        yield started


@pytest.fixture
async def shop(services: list[Parts]) -> int:
    environment = await new_environment(services[0].pool, "shop", COUNTING, NOW)
    for service in services:
        await service.catalogs.refresh(service.pool, environment)
    return environment


def opened(id: str, *identifiers: Identifier, ago: int = 0, name: str = "open") -> Message:
    return Message(
        kind="track", message_id=id, identifiers=identifiers, occurred_at=NOW - ago, received_at=NOW, name=name
    )


async def test_an_old_notification_does_not_bring_an_old_row_back(
    services: list[Parts], shop: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row read before our own commit is not kept, even if an older notification arrives after it."""
    service = services[0]
    first = await service.ingest.accept(shop, [opened("m1", ADA, name="other")])
    [id] = await service.pool.fetchrow("SELECT id FROM profiles")
    read = profile_store.load_by_identifiers

    async def overtaken(*arguments: Any) -> Any:
        rows = await read(*arguments)
        monkeypatch.setattr(profile_store, "load_by_identifiers", read)
        await service.ingest.accept(shop, [opened("m2", ADA)])
        service.mirror.profiles_changed(shop, first.version, [id])
        return rows

    monkeypatch.setattr(profile_store, "load_by_identifiers", overtaken)
    assert await holds_for(service, shop, "opened", ADA)


async def test_a_notification_of_another_environment_drops_nothing(services: list[Parts], shop: int) -> None:
    """Versions are compared inside of an environment only: elsewhere they may be any number."""
    service = services[0]
    version = (await service.ingest.accept(shop, [opened("m1", ADA)])).version
    assert await holds_for(service, shop, "opened", ADA)
    [id] = await service.pool.fetchrow("SELECT id FROM profiles")
    kept = service.profile_loader.cached(shop, ADA, 0)
    service.mirror.profiles_changed(shop + 1, version + 1_000_000, [id])
    assert kept is not None
    assert service.profile_loader.cached(shop, ADA, version) is kept
    service.mirror.profiles_changed(shop, version + 1, [id])
    assert service.profile_loader.cached(shop, ADA, 0) is None


async def test_a_database_set_back_is_believed(services: list[Parts], shop: int) -> None:
    """After a restore from a backup, versions are lower than those heard of before: reading must not wait for them."""
    service = services[0]
    await service.ingest.accept(shop, [opened("m1", ADA)])
    [id] = await service.pool.fetchrow("SELECT id FROM profiles")
    service.mirror.profiles_changed(shop, 1_000_000, [id])
    service.mirror.disconnected()
    service.mirror.reconnected()
    assert await holds_for(service, shop, "opened", ADA)


async def test_a_repeated_message_answers_with_a_version_that_includes_it(services: list[Parts], shop: int) -> None:
    """The first answer was lost on its way: the second must do as well for reading one's write elsewhere."""
    here, deaf = services
    deaf.mirror.profiles_changed = lambda *news: None  # type: ignore[method-assign]
    await here.ingest.accept(shop, [opened("m0", ADA, name="other")])
    assert not await holds_for(deaf, shop, "opened", ADA)
    await here.ingest.accept(shop, [opened("m1", ADA)])
    again = await here.ingest.accept(shop, [opened("m1", ADA)])
    assert again.duplicates == 1
    assert await holds_for(deaf, shop, "opened", ADA, min_version=again.version)


async def test_with_the_database_away_an_alias_that_moved_is_not_decided_as_its_former_owner(
    services: list[Parts], shop: int
) -> None:
    service = services[0]
    await service.ingest.accept(shop, [opened("m1", ADA, TAB, ago=1)])
    assert await holds_for(service, shop, "opened", TAB)
    await service.ingest.accept(shop, [opened("m2", BOB, TAB, ago=5, name="other")])  # earlier, so the tab is Bob's
    assert await holds_for(service, shop, "opened", ADA)
    with without_database(service):
        assert await holds_for(service, shop, "opened", ADA), "known, and not moved"
        with pytest.raises(Unavailable):
            await holds_for(service, shop, "opened", TAB)


async def test_what_was_read_before_a_revision_went_live_is_read_again(services: list[Parts], shop: int) -> None:
    """The catalog of a new revision may arrive before the notifications of the profiles that backfilled for it."""
    service = services[0]
    await service.ingest.accept(shop, [opened("m1", ADA)])
    assert await holds_for(service, shop, "opened", ADA)
    assert service.snapshots.find(shop, ADA.kind, ADA.value) is not None
    wider = {"flags": [{"key": "often", "rule": "events.open.count_7d >= 1"}]}
    await apply_documents(service.environment(shop), [wider], Edit("test", NOW))
    worker = Worker(service.pool, Catalogs(), lambda: NOW)
    while await worker.backfill():
        pass
    await service.catalogs.refresh(service.pool, shop)
    assert service.snapshots.find(shop, ADA.kind, ADA.value) is None
    # What is known would answer for a profile that never did anything.
    with without_database(service), pytest.raises(Unavailable):
        await holds_for(service, shop, "often", ADA)
    assert await holds_for(service, shop, "often", ADA)


async def test_an_identifier_that_moved_without_a_notification_follows_its_new_profile(
    services: list[Parts], shop: int
) -> None:
    """What is kept under an identifier answers for the profile that has it now, even if its move was not notified."""
    here, there = services
    await there.ingest.accept(shop, [opened("m1", BOB, TAB, ago=1_000, name="other")])
    assert not await holds_for(here, shop, "opened", TAB)
    here.snapshots.disconnected()
    heard, missed = here.mirror.profiles_changed, asyncio.Event()
    here.mirror.profiles_changed = lambda *news: missed.set()  # type: ignore[method-assign]
    await there.ingest.accept(shop, [opened("m2", ADA, TAB, ago=2_000, name="other")])  # an earlier claim: it moves
    await asyncio.wait_for(missed.wait(), PATIENCE_SECONDS)
    here.mirror.profiles_changed = heard  # type: ignore[method-assign]
    here.snapshots.reconnected()
    assert not await holds_for(here, shop, "opened", TAB)
    await there.ingest.accept(shop, [opened("m3", ADA)])
    await eventually(lambda: holds_for(here, shop, "opened", TAB))


async def test_a_profile_that_is_kept_is_kept_through_events_without_a_query(
    services: list[Parts], shop: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = services[0]
    await service.ingest.accept(shop, [opened("m1", ADA, name="other")])
    assert not await holds_for(service, shop, "opened", ADA)

    async def unread(*_: Any) -> Any:
        raise AssertionError("the profile was read again")

    monkeypatch.setattr(profile_store, "load_by_identifiers", unread)
    receipt = await service.ingest.accept(shop, [opened("m2", ADA)])
    assert await holds_for(service, shop, "opened", ADA, receipt.version)
