"""Preparation and checks of a database before any process serves from it."""

import logging

from tinycdp.model import Instant
from tinycdp.runtime.access.keys import Keyring, bootstrap
from tinycdp.settings import Settings
from tinycdp.store.database.migrations import migrate, open_migrated

log = logging.getLogger(__name__)


async def prepare(settings: Settings, now: Instant) -> list[str]:
    """Migrate the schema, and create the first keys of an empty database.

    Returns the migrations applied.

    Safe to run twice."""
    assert settings.database_url
    applied = await migrate(settings.database_url, now)
    for name in applied:
        log.info("migrated %s", name)
    async with await open_migrated(settings.database_url, 1) as pool:
        await bootstrap(pool, settings, now)
    return applied


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


async def usable_keys(settings: Settings) -> frozenset[str]:
    """Those keys of the settings that the database accepts."""
    assert settings.database_url
    given = (settings.bootstrap_admin_key, settings.bootstrap_write_key, settings.bootstrap_read_key)
    async with await open_migrated(settings.database_url, 1) as pool:
        keyring = Keyring(pool)
        await keyring.load()
    return frozenset(text for text in given if text and keyring.find(text) is not None)
