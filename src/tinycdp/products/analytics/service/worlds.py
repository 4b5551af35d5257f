"""The world of a question: an environment's names, and how far its copy is.

Shape   Worlds(...).place(environment) → Standpoint: what an answer depends on beside its tables
        world(environment, standpoint) · at(environment) → both
Laws    the position is read before the tables, so nothing acknowledged before as_of is missing.
        A place is one statement of Postgres while nothing was published or saved, and asks ClickHouse nothing:
        a cached answer needs no more
Errors  Unavailable ANALYTICS_FILLING while the first copy is made
"""

from dataclasses import dataclass, replace

from tinycdp.engine.catalog import Definition
from tinycdp.engine.flags.bucketing import BUCKETS
from tinycdp.model import Instant
from tinycdp.products.analytics.compile.world import FlagFacts, SplitFacts, World
from tinycdp.products.analytics.definitions.naming import Saved
from tinycdp.products.analytics.feed.lag import standing
from tinycdp.products.analytics.service.saved import Library
from tinycdp.products.analytics.store.clickhouse import ClickHouse
from tinycdp.products.analytics.store.target import Target
from tinycdp.runtime.decisions.exposure_stats import split_samples
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.definitions.workspace import EventNames, Workspace, read_workspace, scope_of, workspace_of
from tinycdp.runtime.environment import Environment
from tinycdp.store import exposures as exposure_store
from tinycdp.store import privacy as privacy_store
from tinycdp.store.database.pool import acquired


@dataclass(frozen=True, slots=True)
class Standpoint:
    """The position of the copy, and the definitions.

    position, as_of  everything up to it, and acknowledged before it, is in the tables
    secret           of the environment: no other installation has it"""

    position: int
    as_of: Instant
    workspace: Workspace
    saved: Saved
    secret: bytes

    @property
    def zone(self) -> str:
        return self.workspace.catalog.zone

    @property
    def revision(self) -> int:
        """Of traits, segments and flags."""
        return self.workspace.catalog.revision


class Worlds:
    """Makes worlds."""

    def __init__(self, clickhouse: ClickHouse, catalogs: Catalogs, event_names: EventNames) -> None:
        self._clickhouse = clickhouse
        self._catalogs = catalogs
        self._event_names = event_names
        self._library = Library()
        self._secrets: dict[int, bytes] = {}

    async def workspace(self, environment: Environment) -> Workspace:
        """The definitions and names of an environment; ClickHouse is not asked."""
        return await read_workspace(environment, self._catalogs, self._event_names)

    async def place(self, environment: Environment) -> Standpoint:
        """The place of an environment now."""
        async with acquired(environment.pool) as connection:
            found = await standing(connection, environment)
            catalog = await self._catalogs.at(connection, environment.id, found.live_revision, found.head_revision)
            workspace = await workspace_of(connection, environment, catalog, self._event_names)
        saved = await self._library.of(environment, found.saved)
        return Standpoint(found.position, found.at, workspace, saved, await self._secret(environment))

    async def world(self, environment: Environment, place: Standpoint, *, flag: str = "") -> World:
        """The world at a place. flag: whose splits a question is about."""
        workspace = place.workspace
        segments = {key: one.id for key, one in _named(workspace, "segment").items()}
        overrides, _ = await Target(self._clickhouse, environment.id).overrides()
        return World(
            environment_id=environment.id,
            zone=place.zone,
            as_of=place.as_of,
            merged=overrides > 0,
            scope=replace(scope_of(workspace, "segment", None), segments=frozenset(segments)),
            segments=segments,
            flags=await _flags(environment, workspace, flag) if flag else {},
            derived=place.saved.derived,
            metrics=place.saved.metrics,
            experiment_metrics=place.saved.experiment_metrics,
        )

    async def at(self, environment: Environment, *, flag: str = "") -> tuple[World, Standpoint]:
        """The world of an environment now."""
        place = await self.place(environment)
        return await self.world(environment, place, flag=flag), place

    async def _secret(self, environment: Environment) -> bytes:
        """The environment's secret, which never changes."""
        if (found := self._secrets.get(environment.id)) is None:
            async with acquired(environment.pool) as connection:
                self._secrets = dict(await privacy_store.secrets(connection))
            found = self._secrets[environment.id]
        return found


async def _flags(environment: Environment, workspace: Workspace, asked: str) -> dict[str, FlagFacts]:
    """Every live flag by its key; the one that is asked about with its splits."""
    found = {}
    for key, definition in _named(workspace, "flag").items():
        flag = definition.flag
        assert flag is not None
        splits: dict[str, SplitFacts] = {}
        if key == asked:
            async with acquired(environment.pool) as connection:
                versions = await exposure_store.versions_of_flags(connection, environment.id, [definition.id])
            for sample in split_samples(definition, versions, environment.now()):
                shares = {variant: weight / BUCKETS for variant, weight in sample.weights.items()}
                splits[sample.rule] = SplitFacts(shares, sample.version)
        found[key] = FlagFacts(definition.id, tuple(flag.variants), flag.off_variant, splits)
    return found


def _named(workspace: Workspace, kind: str) -> dict[str, Definition]:
    """The live definitions of a kind by their keys, and by those that they have once the newest revision is live.

    Saved questions have the new keys at once, also while that revision backfills."""
    live = {d.id: d for d in workspace.catalog.live.definitions.values() if d.kind == kind}
    coming = {d.key: live[d.id] for d in workspace.head.definitions.values() if d.kind == kind and d.id in live}
    return {**coming, **{d.key: d for d in live.values()}}
