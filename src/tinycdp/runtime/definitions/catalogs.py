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
from tinycdp.store.pool import Connection, Pool, acquired


class Catalogs:
    """killed  the flags that are switched off by hand, by environment
    grown  hears when a new catalog reads state that the one before did not: whatever was read of a profile until
           then may lack it
    mismatched  hears where a value is of another type than an expression needs"""

    def __init__(self, grown: Callable[[], None] = lambda: None, on_type_mismatch: OnTypeMismatch = ignore) -> None:
        self._catalogs: dict[int, Catalog] = {}
        # Beside the catalogs: one that was long in the making must not bring back the kills of its beginning.
        self.killed: dict[int, dict[int, Killed]] = {}
        self._refreshing: dict[int, asyncio.Lock] = {}
        self._grown = grown
        self._on_type_mismatch = on_type_mismatch

    def __iter__(self) -> Iterator[int]:
        """The environments that are known."""
        return iter(list(self._catalogs))

    def __len__(self) -> int:
        return len(self._catalogs)

    def current(self, environment_id: int) -> Catalog | None:
        return self._catalogs.get(environment_id)

    def serving(self, environment_id: int) -> Catalog:
        """The newest known, to answer by."""
        found = self._catalogs.get(environment_id)
        if found is None:
            raise Unavailable("DATABASE_AWAY", "The definitions could not be read yet; try again shortly.")
        return found

    async def at(self, connection: Connection, environment_id: int, live: int, head: int) -> Catalog:
        """The catalog of these revisions, compiled where this process does not hold it yet."""
        known = self._catalogs.get(environment_id)
        if known is not None and known.revision == live and known.head == head:
            return known
        catalog = await load(connection, environment_id, live, head, self._on_type_mismatch)
        known = self._catalogs.get(environment_id)  # another may have come while this one was made
        catalog = replace(catalog, killed=self.killed.get(environment_id, catalog.killed))
        if known is None or (catalog.head, catalog.revision) >= (known.head, known.revision):
            self._catalogs[environment_id] = catalog
            if known is not None and not catalog.complete <= known.complete:
                self._grown()
        return catalog

    async def current_in(self, connection: Connection, environment_id: int) -> Catalog:
        """The catalog of the revisions that the connection's transaction sees."""
        environment = await store.find_environment(connection, environment_id)
        return await self.at(connection, environment_id, environment.live_revision, environment.head_revision)

    async def refresh(self, pool: Pool, environment_id: int, least: int | None = None) -> Catalog:
        """The catalog as the database has it now; where `least` is given, one of that revision or a later one will do:
        of many who miss it at once, one reads it."""
        # One at a time: what is read last is the newest.
        async with self._refreshing.setdefault(environment_id, asyncio.Lock()):
            known = self._catalogs.get(environment_id)
            if least is not None and known is not None and known.revision >= least:
                return known
            return await self._reread(pool, environment_id)

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
    catalog = await compiled(environment_id, environment.zone, before, after, live, head, on_type_mismatch)
    return replace(catalog, killed=killed)


async def compiled(
    environment_id: int,
    zone: str,
    live: Iterable[Definition],
    head: Iterable[Definition],
    revision: int,
    newest: int,
    on_type_mismatch: OnTypeMismatch = ignore,
) -> Catalog:
    """The catalog, made in a thread: hundreds of definitions take hundreds of milliseconds, and decisions go on."""
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
    )
