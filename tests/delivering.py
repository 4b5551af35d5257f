"""An application with a worker's deliveries beside it, and receivers on loopback."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from application import Application, running
from receiver import Receiver
from serving import ManualClock
from tinycdp.products.delivery.lanes.lane import SCHEDULE
from tinycdp.products.delivery.lanes.supervisor import Deliveries
from tinycdp.products.delivery.reach import Reach

NOW = 1_790_000_000_000


class House:
    """The application, its clock, and what delivers."""

    def __init__(self, app: Application, dsn: str, clock: ManualClock) -> None:
        self.app, self.dsn, self.clock = app, dsn, clock

    @asynccontextmanager
    async def delivering(self, schedule: Sequence[int] = SCHEDULE) -> AsyncIterator[Deliveries]:
        """Deliver, as a worker does."""
        reach = Reach(frozenset({"127.0.0.1", "localhost"}))
        deliveries = Deliveries(self.dsn, self.app.service.pool, self.clock, reach, schedule=schedule)
        stop = asyncio.Event()
        task = asyncio.create_task(deliveries.run(stop))
        try:
            yield deliveries
        finally:
            stop.set()
            await task

    async def put(self, key: str, receiver: Receiver | str, *events: str, status: int = 201, **document: Any) -> Any:
        url = receiver if isinstance(receiver, str) else receiver.url
        answer = await self.app.admin.put(f"/v1/destinations/{key}", json={"url": url, "events": events, **document})
        assert answer.status_code == status, answer.text
        return answer.json()

    async def enter(self, user: str, n: int = 0, event: str = "go") -> None:
        """Track an event, which puts a new person into the segment `went`."""
        await self.app.track({"event": event, "userId": user, "messageId": f"{user}-{event}-{n}"})

    async def health(self, key: str) -> dict[str, Any]:
        answer = await self.app.admin.get(f"/v1/destinations/{key}/health")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def post(self, key: str, what: str, body: Any = None, status: int = 200) -> Any:
        answer = await self.app.admin.post(f"/v1/destinations/{key}/{what}", json={} if body is None else body)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def toggle(self, user: str, n: int) -> None:
        """Cross the border of the segment `odd` once more."""
        await self.app.track({"event": "flip", "userId": user, "messageId": f"{user}-flip-{n}", "properties": {"n": n}})


@asynccontextmanager
async def house_on(dsn: str, setenv: Callable[[str, str], None]) -> AsyncIterator[House]:
    """A house whose destinations may be on loopback."""
    setenv("TINYCDP_DELIVERY_PRIVATE_HOSTS", "127.0.0.1,localhost")
    clock = ManualClock(NOW)
    async with running(dsn, clock, delivery_private_hosts="127.0.0.1,localhost") as app:
        await app.define("segment", key="went", rule="events.go.count(30d) >= 1")
        yield House(app, dsn, clock)
