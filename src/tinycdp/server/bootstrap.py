"""Preparation of a database before any process serves from it."""

import logging

from tinycdp.model import Instant
from tinycdp.runtime.access.keys import bootstrap
from tinycdp.settings import Settings
from tinycdp.store.database.migrations import migrate
from tinycdp.store.database.pool import open_pool

log = logging.getLogger(__name__)


async def prepare(settings: Settings, now: Instant) -> list[str]:
    """Migrate the schema, and create the first keys of an empty database.

    Returns the migrations applied.

    Safe to run twice."""
    assert settings.database_url
    applied = await migrate(settings.database_url, now)
    for name in applied:
        log.info("migrated %s", name)
    async with await open_pool(settings.database_url, 1) as pool:
        await bootstrap(pool, settings, now)
    return applied
