"""Whatever happens to saved definitions, and to the segments that they name: restoring a save undoes it exactly."""

import random
import re
from typing import Any

import pytest

from serving import ManualClock, new_environment, services
from tinycdp.app import Parts
from tinycdp.errors import TinyCDPError
from tinycdp.products.analytics.definitions.kinds import SAVED
from tinycdp.runtime.definitions.changes import Change
from tinycdp.runtime.definitions.publish import newest, publish
from tinycdp.runtime.edits import Edit
from tinycdp.store.products import saved as store
from tinycdp.store.products.saved import SavedRow

KINDS = ("event", "metric", "report", "dashboard")
STEPS = 60
NOW = 1_790_000_000_000
FIRST = {"segments": [{"key": key, "rule": f"profile.plan == '{key}'"} for key in "st"]}


class Life:
    """One environment with two segments that only change their keys, and saved definitions that change at random."""

    def __init__(self, service: Parts, id: int, seed: int) -> None:
        self.service, self.id = service, id
        self.random = random.Random(seed)
        self.after: dict[int, dict[int, Any]] = {}
        self.versions: dict[tuple[int, int], Any] = {}
        self.made = 0
        self.done: dict[str, int] = {}

    async def publish(self, *changes: Change) -> None:
        await publish(self.service.environment(self.id), changes, Edit("test", NOW))

    async def rows(self) -> list[SavedRow]:
        async with self.service.pool.acquire() as connection:
            return await store.newest_definitions(connection, self.id, KINDS)

    async def segments(self) -> dict[str, int]:
        return {one.key: one.id for one in await newest(self.service.environment(self.id)) if one.kind == "segment"}

    async def state(self) -> dict[int, Any]:
        """Every definition by its id: kind, key and document, in which names are the ids of what they mean."""
        rows = [row for row in await self.rows() if row.document is not None]
        ids: dict[tuple[str, str], int] = {(row.kind, row.key): row.definition_id for row in rows}
        segments = await self.segments()

        def meant(value: Any, field: str = "") -> Any:
            if isinstance(value, dict):
                return {name: meant(inner, name) for name, inner in value.items()}
            if isinstance(value, list):
                return [meant(inner) for inner in value]
            match field:
                case "people" | "where":
                    return re.sub(r"segments\.(\w+)", lambda found: f"#{segments[found[1]]}", value)
                case "segment":
                    return segments[value]
                case "derived":
                    return ids["event", value]
                case "metric" | "report":
                    return ids[field, value]
            return value

        return {row.definition_id: (row.kind, row.key, meant(row.document)) for row in rows}

    async def step(self) -> None:
        acts = (self.edit, self.edit, self.edit, self.rename, self.rename_segment, self.swap_segments)
        act = self.random.choice((*acts, self.delete, self.restore, self.restore_one))
        try:
            await act()
            self.done[act.__name__] = self.done.get(act.__name__, 0) + 1
        except TinyCDPError:
            # Refused: a key that is taken, a definition that is used, one that is gone.
            assert act != self.restore, "all that a save left can be restored while its segments exist"
        state = await self.state()
        rows = await self.rows()
        if rows:
            self.after[max(row.change for row in rows)] = state
        for row in rows:
            self.versions.setdefault((row.definition_id, row.version), state.get(row.definition_id))

    async def some(self, kind: str) -> str:
        """A key of a kind; one that never existed, if the kind has no definition."""
        keys = [row.key for row in await self.rows() if row.kind == kind and row.document is not None]
        return self.random.choice(keys or ["gone"])

    async def edit(self) -> None:
        kind, self.made = self.random.choice(KINDS), self.made + 1
        segment = self.random.choice(sorted(await self.segments()))
        where = f"segments.{segment} && a > {self.made}"
        event = self.random.choice(("x", {"derived": await self.some("event")}))
        question = {
            "kind": "trend",
            "last": "7d",
            "people": f"!segments.{segment}",
            "series": [self.random.choice(({"metric": await self.some("metric")}, {"event": event, "where": where}))],
        }
        documents: dict[str, dict[str, Any]] = {
            "event": {"any": [{"event": "x", "where": where}]},
            "metric": {"event": event, "where": where},
            "report": {"question": {**question, "breakdown": {"segment": segment}}},
            "dashboard": {"tiles": [{"report": await self.some("report")}, {"question": question}]},
        }
        key = self.random.choice((f"k{self.made}", await self.some(kind), "again"))
        await self.publish(Change(kind=kind, key=key, document=documents[kind]))

    async def rename(self) -> None:
        """To an unused key, or one that a deleted definition had."""
        kind, self.made = self.random.choice(KINDS), self.made + 1
        old = await self.some(kind)
        document = next((r.document for r in await self.rows() if (r.kind, r.key) == (kind, old)), None)
        new = self.random.choice((f"k{self.made}", f"k{self.random.randint(1, self.made)}"))
        if document is not None:
            await self.publish(Change(kind=kind, key=new, was=old, document=document))

    async def rename_segment(self) -> None:
        self.made += 1
        await self._rename_segments({self.random.choice(sorted(await self.segments())): f"s{self.made}"})

    async def swap_segments(self) -> None:
        one, other = sorted(await self.segments())
        await self._rename_segments({one: other, other: one})

    async def _rename_segments(self, keys: dict[str, str]) -> None:
        rules = {one.key: one.expression for one in await newest(self.service.environment(self.id))}
        changes = [Change(kind="segment", key=new, was=old, document={"expression": rules[old]})
                   for old, new in keys.items()]  # fmt: skip
        before = await self.state()
        await self.publish(*changes)
        assert await self.state() == before, "a rename changes no meaning"

    async def delete(self) -> None:
        kind = self.random.choice(KINDS)
        await self.publish(Change(kind=kind, key=await self.some(kind), document=None))

    async def restore(self) -> None:
        if self.after:
            number = self.random.choice(sorted(self.after))
            await self.publish(*await SAVED.restored_save(self.service.environment(self.id), number))
            assert await self.state() == self.after[number]

    async def restore_one(self) -> None:
        rows = await self.rows()
        if not rows:
            return
        row = self.random.choice(rows)
        version = self.random.randint(1, row.version)
        environment = self.service.environment(self.id)
        change = await SAVED.restored_version(environment, row.kind, row.key, version)
        assert change.id is not None
        await self.publish(change)
        wanted, found = self.versions[change.id, version], (await self.state()).get(change.id)
        assert (wanted is None) == (found is None)
        if wanted is not None and found is not None:
            assert found[2] == wanted[2], "the document means what it meant, whatever names it has now"


@pytest.mark.parametrize("seed", range(6))
async def test_restoring_a_save_undoes_exactly_what_came_after(dsn: str, seed: int) -> None:
    async with services(dsn, 1, ManualClock(NOW)) as [service]:
        life = Life(service, await new_environment(service.pool, "life", FIRST, NOW), seed)
        for _ in range(STEPS):
            await life.step()
        assert {"edit", "rename", "restore", "restore_one", "rename_segment"} <= life.done.keys(), life.done
