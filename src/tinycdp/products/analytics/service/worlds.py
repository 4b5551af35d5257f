"""The world of a question: an environment's names, and how far its copy is.

Shape   Worlds(...).at(environment) → Place
Laws    the position is read before the definitions and the tables, so nothing acknowledged before as_of is missing
Errors  Unavailable ANALYTICS_FILLING while the first copy is made
"""

from dataclasses import dataclass, replace

from tinycdp.errors import Unavailable
from tinycdp.products.analytics.compile.world import World
from tinycdp.products.analytics.feed.state import watermark
from tinycdp.products.analytics.store.clickhouse import ClickHouse
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.definitions.workspace import EventNames, read_workspace, scope_of
from tinycdp.runtime.environment import Environment


@dataclass(frozen=True, slots=True)
class Place:
    """A world, and the position of the copy and the revision of the definitions that it stands for."""

    world: World
    position: int
    revision: int


class Worlds:
    """Makes worlds."""

    def __init__(self, clickhouse: ClickHouse, catalogs: Catalogs, event_names: EventNames) -> None:
        self._clickhouse = clickhouse
        self._catalogs = catalogs
        self._event_names = event_names

    async def at(self, environment: Environment) -> Place:
        """The world of an environment now."""
        mark = await watermark(environment, self._clickhouse)
        if mark is None:
            raise Unavailable(
                "ANALYTICS_FILLING",
                "Analytics is making its first copy of this environment. Ask again in a moment.",
                retry_after_seconds=5,
            )
        workspace = await read_workspace(environment, self._catalogs, self._event_names)
        live = workspace.catalog.live
        segments = {d.key: d.id for d in live.definitions.values() if d.kind == "segment"}
        scope = replace(scope_of(workspace, "segment", None), segments=frozenset(segments))
        world = World(environment.id, workspace.catalog.zone, mark.at, mark.merged, scope, segments, flags={})
        return Place(world, mark.position, workspace.catalog.revision)
