"""Preparation and checks of a database before any process serves from it."""

import logging
from typing import NamedTuple

from tinycdp.model import Instant
from tinycdp.runtime.access.keys import Keyring, bootstrap, environment_named, store_key
from tinycdp.runtime.notifications import announce_keys
from tinycdp.settings import Settings
from tinycdp.store import definitions
from tinycdp.store.database.figures import count
from tinycdp.store.database.migrations import migrate, open_migrated
from tinycdp.store.database.pool import acquired, transaction

log = logging.getLogger(__name__)


async def is_empty(settings: Settings) -> bool:
    """Whether the environment of the settings has neither definitions nor profiles."""
    assert settings.database_url
    async with await open_migrated(settings.database_url, 1) as pool:
        environment_id = await environment_named(pool, settings.environment)
        async with acquired(pool) as connection:
            row = await definitions.find_environment(connection, environment_id)
            profiles, _ = await count(connection, "profiles", environment_id)
    return row.head_revision == 0 and profiles == 0


class Prepared(NamedTuple):
    """The migrations that were applied, and whether the keys of the settings were created."""

    migrations: list[str]
    created_keys: bool


async def prepare(settings: Settings, now: Instant) -> Prepared:
    """Migrate the schema, and create the first keys of an empty database.

    Safe to run twice."""
    assert settings.database_url
    applied = await migrate(settings.database_url, now)
    for name in applied:
        log.info("migrated %s", name)
    async with await open_migrated(settings.database_url, 1) as pool:
        created = await bootstrap(pool, settings, now)
    return Prepared(applied, created)


async def prepare_page(settings: Settings, now: Instant) -> None:
    """Create the key of the demo shop's page, unless it was created before; one that was revoked stays so."""
    assert settings.database_url and settings.demo_key
    async with await open_migrated(settings.database_url, 1) as pool:
        environment_id = await environment_named(pool, settings.environment)
        async with transaction(pool) as connection:
            # The same text again adds nothing.
            await store_key(
                connection,
                environment_id,
                settings.demo_key,
                ["write", "decide"],
                "demo shop's page",
                now,
                author="first start",
            )
            await announce_keys(connection)


def check_files(settings: Settings) -> None:
    """Raise if a file of the settings is of another kind than the processes need."""
    if settings.geoip_file is not None:
        from tinycdp.runtime.policies.enrichment import open_geo  # noqa: PLC0415 - slow to import, and optional

        open_geo(settings.geoip_file).close()


async def check(settings: Settings) -> None:
    """Raise what keeps a process from serving: the database cannot be used, or its schema is not this release's."""
    assert settings.database_url
    async with await open_migrated(settings.database_url, 1):
        pass


async def usable_keys(settings: Settings, now: Instant) -> frozenset[str]:
    """Those keys of the settings that the database accepts."""
    assert settings.database_url
    given = (settings.bootstrap_admin_key, settings.bootstrap_write_key, settings.bootstrap_read_key)
    async with await open_migrated(settings.database_url, 1) as pool:
        keyring = Keyring(pool)
        await keyring.load()
    found = {text: keyring.find(text) for text in given if text}
    return frozenset(text for text, key in found.items() if key is not None and not key.expired(now))
