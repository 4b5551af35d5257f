"""What must be true of a database before anything serves from it."""

import logging

import asyncpg

from tinycdp.model import Instant
from tinycdp.runtime.keys import bootstrap
from tinycdp.settings import Settings
from tinycdp.store.migrations import migrate

log = logging.getLogger(__name__)


async def prepare(settings: Settings, now: Instant) -> list[str]:
    """The schema is current and an empty database has its first keys; the migrations applied. Safe to run twice."""
    assert settings.database_url
    applied = await migrate(settings.database_url, now)
    for name in applied:
        log.info("migrated %s", name)
    async with asyncpg.create_pool(settings.database_url, min_size=1, max_size=1) as pool:
        await bootstrap(pool, settings, now)
    return applied
