"""Which catalog a process goes by when several are being made at once."""

import asyncio
from typing import Any

import pytest

from tinycdp.engine.catalog import Catalog, build_catalog
from tinycdp.engine.flags.trail import Killed
from tinycdp.runtime.definitions import catalogs
from tinycdp.runtime.definitions.catalogs import Catalogs

ENVIRONMENT = 1


class Loading:
    """Loads that end when the test says so."""

    def __init__(self) -> None:
        self.begun: dict[int, asyncio.Event] = {}

    async def __call__(
        self, connection: Any, environment_id: int, live: int, head: int, on_type_mismatch: Any
    ) -> Catalog:
        event = self.begun.setdefault(live, asyncio.Event())
        await event.wait()
        return build_catalog(environment_id, "UTC", [], [], live_revision=live, head_revision=head)


async def test_a_catalog_that_was_long_in_the_making_does_not_replace_a_newer_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loading = Loading()
    monkeypatch.setattr(catalogs, "load", loading)
    known = Catalogs()
    older = asyncio.create_task(known.at(None, ENVIRONMENT, 1, 1))
    newer = asyncio.create_task(known.at(None, ENVIRONMENT, 2, 2))
    await asyncio.sleep(0)
    loading.begun[2].set()
    assert (await newer).revision == 2
    loading.begun[1].set()
    assert (await older).revision == 1  # exactly what was asked for
    current = known.current(ENVIRONMENT)
    assert current is not None
    assert current.revision == 2


async def test_a_kill_outlives_a_catalog_that_was_begun_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    loading = Loading()
    monkeypatch.setattr(catalogs, "load", loading)
    known = Catalogs()
    making = asyncio.create_task(known.at(None, ENVIRONMENT, 1, 1))
    await asyncio.sleep(0)
    known.killed[ENVIRONMENT] = {7: Killed("ada")}
    loading.begun[1].set()
    assert (await making).killed == {7: Killed("ada")}
