"""The world of a question: an environment's names, and how far its copy is.

Shape   Worlds(...).at(environment) → PositionedWorld
Laws    the position is read before the definitions and the tables, so nothing acknowledged before as_of is missing
Errors  Unavailable ANALYTICS_FILLING while the first copy is made
"""

from dataclasses import dataclass, replace

from tinycdp.engine.catalog import Definition
from tinycdp.engine.flags.bucketing import BUCKETS
from tinycdp.products.analytics.compile.world import FlagFacts, SplitFacts, World
from tinycdp.products.analytics.feed.lag import watermark
from tinycdp.products.analytics.service.saved import Library
from tinycdp.products.analytics.store.clickhouse import ClickHouse
from tinycdp.products.analytics.store.target import Target
from tinycdp.runtime.decisions.exposure_stats import split_samples
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.definitions.workspace import EventNames, Workspace, read_workspace, scope_of
from tinycdp.runtime.environment import Environment
from tinycdp.store import exposures as exposure_store
from tinycdp.store import privacy as privacy_store
from tinycdp.store.database.pool import acquired


@dataclass(frozen=True, slots=True)
class PositionedWorld:
    """A world, and the position of the copy and the definitions that it stands for.

    revision  of traits, segments and flags
    saved     the number of the newest save of derived events and metrics
    secret    of the environment: no other installation has it"""

    world: World
    position: int
    revision: int
    saved: int
    secret: bytes


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

    async def at(self, environment: Environment, *, flag: str = "") -> PositionedWorld:
        """The world of an environment now. flag: whose splits a question is about."""
        mark = await watermark(environment)
        workspace = await read_workspace(environment, self._catalogs, self._event_names)
        overrides, _ = await Target(self._clickhouse, environment.id).overrides()
        saved = await self._library.of(environment)
        segments = {key: one.id for key, one in _named(workspace, "segment").items()}
        world = World(
            environment_id=environment.id,
            zone=workspace.catalog.zone,
            as_of=mark.at,
            merged=overrides > 0,
            scope=replace(scope_of(workspace, "segment", None), segments=frozenset(segments)),
            segments=segments,
            flags=await _flags(environment, workspace, flag) if flag else {},
            derived=saved.derived,
            metrics=saved.metrics,
            experiment_metrics=saved.experiment_metrics,
        )
        secret = await self._secret(environment)
        return PositionedWorld(world, mark.position, workspace.catalog.revision, saved.version, secret)

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
