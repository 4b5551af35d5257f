"""The real application on a test's own database, in this process and loop.

Shape   running(dsn, clock, settings…) → Application: a client per key, the service behind it, warm() for what a worker
        would do
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from litestar import Litestar

from tinycdp.app import Parts, create_litestar
from tinycdp.runtime import clock
from tinycdp.runtime.access.keys import bootstrap, create_key, environment_named
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.worker.loops import Worker
from tinycdp.settings import Settings
from tinycdp.store.database.migrations import open_migrated

KEYS = {scope: f"{scope}-key-of-the-tests" for scope in ("write", "read", "admin")}

#: Routes that no test uses now. Making them takes longer than most tests; only the service behind them is a test's own.
_IDLE: list[Litestar] = []


@dataclass
class Application:
    """admin, read, write send the key of that scope, keyless sends none, stranger is an admin of environment dev."""

    service: Parts
    litestar: Litestar
    admin: httpx.AsyncClient
    read: httpx.AsyncClient
    write: httpx.AsyncClient
    keyless: httpx.AsyncClient
    stranger: httpx.AsyncClient
    environment_id: int

    async def track(self, *events: dict[str, Any]) -> None:
        answer = await self.write.post("/v1/batch", json={"batch": [{"type": "track", **event} for event in events]})
        assert (answer.status_code, answer.json()["rejected"]) == (200, [])

    async def define(self, kind: str, **document: Any) -> dict[str, Any]:
        """Save a definition and let it go live."""
        answer = await self.admin.post(f"/v1/admin/{kind}s", json=document)
        assert answer.status_code == 201, answer.text
        await self.backfill()
        found: dict[str, Any] = answer.json()
        return found

    async def backfill(self) -> None:
        """Do what a worker does for a revision that backfills, and know it."""
        worker = Worker(self.service.pool, Catalogs(), self.service.now)
        while await worker.backfill():
            pass
        await self.service.catalogs.refresh(self.service.pool, self.environment_id)


@asynccontextmanager
async def running(dsn: str, now: Clock = clock.now, **settings: Any) -> AsyncIterator[Application]:
    """The application by this clock, and with settings that are not the default's, on a migrated database."""
    chosen = Settings(
        database_url=dsn,
        bootstrap_write_key=KEYS["write"],
        bootstrap_read_key=KEYS["read"],
        bootstrap_admin_key=KEYS["admin"],
        **settings,
    )
    async with await open_migrated(dsn, 1) as pool:
        await bootstrap(pool, chosen, clock.now())
    has_demo = chosen.demo_key is not None  # the one setting that decides which routes there are
    litestar = _IDLE.pop() if _IDLE and not has_demo else create_litestar(chosen)
    litestar.state.settings, litestar.state.now = chosen, now

    def client(key: str | None) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(litestar),
            base_url="http://test",
            headers={"Authorization": f"Bearer {key}"} if key else {},
        )

    async with _alive(litestar):
        service: Parts = litestar.state.parts
        dev = await environment_named(service.pool, "dev")
        foreign = await create_key(Environment(dev, service.pool, clock.now), ["admin"], "stranger")
        await service.keyring.load()
        yield Application(
            service,
            litestar,
            *(client(KEYS[scope]) for scope in ("admin", "read", "write")),
            client(None),
            client(foreign.key),
            await environment_named(service.pool, "prod"),
        )
    del litestar.state["parts"]
    if not has_demo:
        _IDLE.append(litestar)


@asynccontextmanager
async def _alive(litestar: Litestar) -> AsyncIterator[None]:
    """The application's lifespan in a task of its own: pytest sets a fixture up in one task and tears it down in
    another, which a task group does not allow."""
    started, stopping = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with litestar.lifespan():
            started.set()
            await stopping.wait()

    task = asyncio.create_task(live())
    waiting = asyncio.create_task(started.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    try:
        if waiting.done():
            yield
    finally:
        waiting.cancel()
        stopping.set()
        await task
