"""The compiled catalog of each environment, as this process knows it.

Shape   at(connection, environment, live, head) is exactly the catalog of those revisions; current(environment) is the
        newest known, without I/O
Laws    a catalog is immutable; a new revision is a new one. Compiling happens here and nowhere on a request's path
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from tinycdp.engine.catalog import Catalog, Definition, OnTypeMismatch, build_catalog, ignore
from tinycdp.engine.flags.document import read_flag
from tinycdp.engine.flags.trail import Killed
from tinycdp.errors import Unavailable
from tinycdp.runtime.definitions.kill_switches import in_force
from tinycdp.store import definitions as store
from tinycdp.store.database.pool import Connection, Pool, acquired


class Catalogs:
    """The newest catalog of each environment.

    killed            the flags that are turned off by hand, by environment
    on_growth         called if a new catalog reads state that its predecessor did not: cached profiles may lack it
    on_type_mismatch  called if a value has another type than an expression needs
    """

    def __init__(self, on_growth: Callable[[], None] = lambda: None, on_type_mismatch: OnTypeMismatch = ignore) -> None:
        self._catalogs: dict[int, Catalog] = {}
        # Kept apart: a catalog that took long to compile must not bring back outdated kills.
        self.killed: dict[int, dict[int, Killed]] = {}
        self._refreshing: dict[int, asyncio.Lock] = {}
        self._on_growth = on_growth
        self._on_type_mismatch = on_type_mismatch

    def __iter__(self) -> Iterator[int]:
        """The environments that are known."""
        return iter(list(self._catalogs))

    def __len__(self) -> int:
        return len(self._catalogs)

    def current(self, environment_id: int) -> Catalog | None:
        return self._catalogs.get(environment_id)

    def serving(self, environment_id: int) -> Catalog:
        """The newest known catalog. Raises Unavailable if none was read yet."""
        found = self._catalogs.get(environment_id)
        if found is None:
            raise Unavailable("DATABASE_AWAY", "The definitions could not be read yet; try again shortly.")
        return found

    async def at(self, connection: Connection, environment_id: int, live: int, head: int) -> Catalog:
        """The catalog of these revisions. It is compiled if this process does not have it yet."""
        known = self._catalogs.get(environment_id)
        if known is not None and known.revision == live and known.head == head:
            return known
        catalog = await load(connection, environment_id, live, head, self._on_type_mismatch)
        known = self._catalogs.get(environment_id)  # another task may have stored one meanwhile
        catalog = replace(catalog, killed=self.killed.get(environment_id, catalog.killed))
        if known is None or (catalog.head, catalog.revision) >= (known.head, known.revision):
            self._catalogs[environment_id] = catalog
            if known is not None and not catalog.complete <= known.complete:
                self._on_growth()
        return catalog

    async def current_in(self, connection: Connection, environment_id: int) -> Catalog:
        """The catalog of the revisions that the connection's transaction sees."""
        environment = await store.find_environment(connection, environment_id)
        return await self.at(connection, environment_id, environment.live_revision, environment.head_revision)

    async def refresh(self, pool: Pool, environment_id: int, least: int | None = None) -> Catalog:
        """The catalog as it is in the database now.

        With `least`, a known one of this revision or a later one is enough: of many waiting tasks only one reads."""
        # One at a time, so that the last read is the newest.
        async with self._refreshing.setdefault(environment_id, asyncio.Lock()):
            known = self._catalogs.get(environment_id)
            if least is not None and known is not None and known.revision >= least:
                return known
            return await self._reread(pool, environment_id)

    async def learn(self, pool: Pool, environments: Iterable[int]) -> None:
        """Read the catalogs of environments that are not known yet."""
        for environment_id in environments:
            if environment_id not in self._catalogs:
                await self.refresh(pool, environment_id)

    async def _reread(self, pool: Pool, environment_id: int) -> Catalog:
        async with acquired(pool) as connection:
            catalog = await self.current_in(connection, environment_id)
            killed = self.killed[environment_id] = await in_force(connection, environment_id)
            current = self._catalogs.get(environment_id, catalog)
            if current.killed != killed:
                current = self._catalogs[environment_id] = replace(current, killed=killed)
            return current


async def load(
    connection: Connection, environment_id: int, live: int, head: int, on_type_mismatch: OnTypeMismatch
) -> Catalog:
    environment = await store.find_environment(connection, environment_id)
    before = await definitions_at(connection, environment_id, live)
    after = await definitions_at(connection, environment_id, head) if head != live else before
    killed = await in_force(connection, environment_id)
    catalog = await compile_catalog(environment_id, environment.zone, before, after, live, head, on_type_mismatch)
    return replace(catalog, killed=killed)


async def compile_catalog(
    environment_id: int,
    zone: str,
    live: Iterable[Definition],
    head: Iterable[Definition],
    revision: int,
    newest: int,
    on_type_mismatch: OnTypeMismatch = ignore,
) -> Catalog:
    """Compile a catalog in a thread: hundreds of definitions take hundreds of milliseconds."""
    return await asyncio.to_thread(
        build_catalog,
        environment_id,
        zone,
        live,
        head,
        live_revision=revision,
        head_revision=newest,
        on_type_mismatch=on_type_mismatch,
    )


async def definitions_at(connection: Connection, environment_id: int, revision: int) -> list[Definition]:
    """Every definition as it stood at a revision."""
    return [read_definition(row) for row in await store.definitions_at(connection, environment_id, revision)]


def read_definition(row: store.DefinitionRow) -> Definition:
    document = row.document
    return Definition(
        id=row.definition_id,
        version=row.version,
        meaning=row.meaning,
        kind=row.kind,
        key=row.key,
        expression=document.get("expression", ""),
        flag=read_flag(document, "") if row.kind == "flag" else None,
        description=document.get("description", ""),
        static=bool(document.get("static")) and row.kind == "segment",
    )
