"""What the feed writes to ClickHouse, for one environment.

Shape   Target(clickhouse, environment).insert("events", rows, token=…) · erase(…), fold(…), clear() · watermark()
        make_beside() and take(…): tables that are filled beside those that are read
Laws    a statement that was interrupted can be repeated, and changes nothing the second time: an insert of events by
        its token, any other by the key of its table, a deletion by what it names.
        An insert with a token is one block, whatever its rows are, so that it is stored as a whole or not at all.
        On a cluster, what rewrites or deletes goes to the table of each shard
"""

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import aclosing
from datetime import date
from typing import Any

from tinycdp.products.analytics.store.clickhouse import ClickHouse
from tinycdp.products.analytics.store.source import CopiedRows

#: Every table with rows of an environment; the watermark is the last one to be written.
TABLES = ("events", "said", "people", "moved", "exposed", "overrides", "touched", "noted", "watermarks")
#: What is noted when any person may have changed in any way: it concerns every answer that reads people.
EVERYBODY = ("everybody", "")
#: Ids in the text of one statement.
_IDS = 10_000
#: A block of another size, or of parts that were parsed side by side, would have another token.
_ONE_BLOCK = {
    "input_format_parallel_parsing": 0,
    "max_insert_block_size": 1_048_576,
    "max_insert_block_size_bytes": 0,
    "max_partitions_per_insert_block": 0,
    "type_json_skip_duplicated_paths": 1,
}
_WAITING = {"mutations_sync": 2, "lightweight_deletes_sync": 2, "allow_nondeterministic_mutations": 1}


class Target:
    """The rows of one environment."""

    def __init__(self, clickhouse: ClickHouse, environment_id: int, *, suffix: str = "") -> None:
        self._clickhouse = clickhouse
        self.environment_id = environment_id
        self.suffix = suffix
        #: The tables beside that have rows; the others were not made.
        self._made: set[str] = set()

    async def insert(self, table: str, rows: CopiedRows, *, token: str = "") -> None:
        """Insert whole lines. With a token, at most a million."""
        async with aclosing(rows.chunks) as chunks:
            first = await anext(chunks, None)
            if first is None:
                return
            await self._make(table)
            await self._clickhouse.insert(
                f"{table}{self.suffix} ({', '.join(rows.columns)})",
                _joined(first, chunks),
                token=token,
                settings=_ONE_BLOCK,
            )

    async def insert_values(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Insert a few rows that were made here: numbers, and text without tabs."""
        lines = ["\t".join(map(str, (self.environment_id, *row))) + "\n" for row in rows]
        if lines:
            await self.insert(table, CopiedRows(("environment_id", *columns), _once("".join(lines).encode())))

    async def note(self, noted: Iterable[tuple[str, object]], version: int) -> None:
        """Note that these things of people changed. Names are numbers, or empty."""
        await self.insert_values(
            "noted", ("what", "name", "version"), [(what, name, version) for what, name in sorted(noted, key=str)]
        )

    # Erasure

    async def touch_identifiers(self, identifiers: Collection[int], zone: str, version: int) -> None:
        """Note that the events of these identifiers change, before they are deleted."""
        for ids in _batches(identifiers):
            await self._clickhouse.command(
                f"INSERT INTO touched{self.suffix} (environment_id, name, day, version)"
                " SELECT DISTINCT environment_id, name, toDate32(toTimeZone(occurred_at, {zone:String})),"
                " {version:UInt64} FROM events WHERE environment_id = {environment:UInt32}"
                f" AND identifier_id IN ({ids})",
                {"zone": zone, "version": version, "environment": self.environment_id},
            )

    async def erase(self, table: str, column: str, ids: Collection[int]) -> None:
        """Delete the rows that have one of these ids in a column."""
        for part in _batches(ids):
            await self._delete(table, f"{column} IN ({part})")

    async def erase_runs(self, table: str, column: str, runs: Collection[tuple[int, int]]) -> None:
        """Delete the rows with an id in one of these runs, both ends included."""
        parts = [f"{column} BETWEEN {first:d} AND {last:d}" for first, last in runs]
        for start in range(0, len(parts), 500):
            await self._delete(table, f"({' OR '.join(parts[start : start + 500])})")

    async def erase_replaced(self, restored: Mapping[int, int]) -> None:
        """Delete earlier copies of events that an anonymisation stores again; restored: id → its position."""
        by_position: dict[int, list[int]] = {}
        for id, position in restored.items():
            by_position.setdefault(position, []).append(id)
        for position, ids in by_position.items():
            for part in _batches(ids):
                await self._delete("events", f"restored < {position:d} AND id IN ({part})")

    async def clear(self) -> None:
        """Delete everything of this environment. The watermark goes first: without one the copy is not complete."""
        found = " UNION ALL ".join(
            f"(SELECT '{table}' FROM {table}{self.suffix} WHERE environment_id = {self.environment_id:d} LIMIT 1)"
            for table in TABLES
        )
        filled = {table for (table,) in await self._clickhouse.query(found)}
        for table in reversed(TABLES):
            if table in filled:
                await self._delete(table, "1")
        await self.reload_who()

    async def _delete(self, table: str, condition: str) -> None:
        place = self._place(table)
        await self._clickhouse.command(
            f"DELETE FROM {place} WHERE environment_id = {self.environment_id:d} AND {condition}", settings=_WAITING
        )

    # Overrides

    async def reload_who(self) -> None:
        """Load the overrides into memory."""
        await self._clickhouse.command(f"SYSTEM RELOAD DICTIONARY {self._on_cluster()} who")

    async def overrides(self) -> tuple[int, int]:
        """How many identifiers have an override, and the newest version."""
        [(n, newest)] = await self._clickhouse.query(
            "SELECT uniqExact(identifier_id), max(version) FROM overrides WHERE environment_id = {e:UInt32}",
            {"e": self.environment_id},
        )
        return int(n), int(newest)

    async def fold(self, version: int) -> None:
        """Write the overrides up to a version into the rows themselves, and drop them.

        A question gets the same profiles from either meanwhile."""
        environment = f"environment_id = {self.environment_id:d}"
        for table in ("events", "said"):
            await self._clickhouse.command(
                f"ALTER TABLE {self._place(table)} UPDATE profile_id = dictGetOrDefault({self._who()}, 'profile_id',"
                f" (environment_id, identifier_id), profile_id) WHERE {environment} AND identifier_id IN"
                f" (SELECT identifier_id FROM overrides WHERE {environment} AND version <= {version:d})",
                settings=_WAITING,
            )
        await self._delete("overrides", f"version <= {version:d}")
        await self.reload_who()

    def _who(self) -> str:
        return f"'{self._clickhouse.place.database}.who'"

    # The watermark

    async def watermark(self) -> int | None:
        """The position up to which everything is here, None for a copy that is not complete."""
        found = await self._clickhouse.query(
            "SELECT max(position) FROM watermarks WHERE environment_id = {e:UInt32} HAVING count() > 0",
            {"e": self.environment_id},
        )
        return int(found[0][0]) if found else None

    async def newest_change(
        self, names: Collection[str] | None, days: tuple[date, date], noted: Collection[tuple[str, str]]
    ) -> int:
        """The newest position that changed events with one of these names, or any, on these days; 0 for none.

        noted  things of people; the newest change of any of them counts, too"""
        named = "" if names is None else " AND name IN {names:Array(String)}"
        touched = (
            "SELECT version FROM touched WHERE environment_id = {e:UInt32}"
            " AND day BETWEEN {first:Date32} AND {last:Date32}" + named
        )
        also = ""
        values: dict[str, Any] = {
            "e": self.environment_id,
            "names": list(names or ()),
            "first": days[0],
            "last": days[1],
        }
        if noted:
            also = (
                " UNION ALL SELECT version FROM noted WHERE environment_id = {e:UInt32}"
                " AND what IN {whats:Array(String)} AND concat(what, ' ', name) IN {noted:Array(String)}"
            )
            values["whats"] = sorted({what for what, _ in noted})
            values["noted"] = sorted(f"{what} {name}" for what, name in noted)
        [(version,)] = await self._clickhouse.query(f"SELECT max(version) FROM ({touched}{also})", values)
        return int(version)

    async def counts(self, zone: str) -> dict[tuple[str, ...], int]:
        """Events by name and local day, profiles, and members of each segment, to be compared with Postgres."""
        values = {"e": self.environment_id, "zone": zone}
        found: dict[tuple[str, ...], int] = {}
        for name, day, n in await self._clickhouse.query(
            "SELECT name, toString(toDate32(toTimeZone(occurred_at, {zone:String}))) AS day, count() FROM events"
            " WHERE environment_id = {e:UInt32} GROUP BY name, day",
            values,
        ):
            found["events", str(name), str(day)] = int(n)
        [(people,)] = await self._clickhouse.query(
            "SELECT count() FROM people FINAL WHERE environment_id = {e:UInt32} AND alive", values
        )
        found["profiles",] = int(people)
        for segment, n in await self._clickhouse.query(
            "SELECT arrayJoin(segments) AS segment, count() FROM people FINAL"
            " WHERE environment_id = {e:UInt32} AND alive GROUP BY segment",
            values,
        ):
            found["segment", str(segment)] = int(n)
        return found

    # Places

    def _place(self, table: str) -> str:
        """The table whose rows can be rewritten."""
        local = "_local" if self._clickhouse.place.cluster else ""
        return f"{table}{self.suffix}{local} {self._on_cluster()}"

    def _on_cluster(self) -> str:
        cluster = self._clickhouse.place.cluster
        return f"ON CLUSTER '{cluster}'" if cluster else ""

    # Tables beside

    async def make_beside(self) -> "Target":
        """Empty tables beside those that are read; on a cluster those that are read, which are cleared.

        Each is made when it gets its first rows: an environment that has nothing yet costs next to nothing."""
        if self._clickhouse.place.cluster:
            await self.clear()
            return self
        beside = Target(self._clickhouse, self.environment_id, suffix=f"_fill_{self.environment_id:d}")
        await beside.drop()
        return beside

    async def _make(self, table: str) -> None:
        if self.suffix and table not in self._made:
            await self._clickhouse.command(f"CREATE TABLE {table}{self.suffix} AS {table}")
            self._made.add(table)

    async def take(self, beside: "Target") -> None:
        """Put the rows that were filled beside in the place of this environment's; all other rows stay."""
        if beside is self:
            return
        await self.clear()
        parts = await self._clickhouse.query(
            "SELECT DISTINCT table, partition_id FROM system.parts"
            " WHERE database = {d:String} AND table IN {t:Array(String)} AND active",
            {"d": self._clickhouse.place.database, "t": [f"{table}{beside.suffix}" for table in TABLES]},
        )
        for filled, partition in parts:
            await self._clickhouse.command(
                f"ALTER TABLE {filled.removesuffix(beside.suffix)} ATTACH PARTITION ID '{partition}' FROM {filled}"
            )
        await beside.drop()

    async def drop(self) -> None:
        """Drop tables that were made beside, also by a process that was killed."""
        assert self.suffix
        found = await self._clickhouse.query(
            "SELECT name FROM system.tables WHERE database = {d:String} AND name IN {t:Array(String)}",
            {"d": self._clickhouse.place.database, "t": [f"{table}{self.suffix}" for table in TABLES]},
        )
        for (table,) in found:
            await self._clickhouse.command(f"DROP TABLE IF EXISTS {table} SYNC")
        self._made.clear()

    async def touch_everything(self, zone: str, version: int) -> None:
        """Note that every event may have changed up to a version."""
        if self.suffix and "events" not in self._made:
            return
        await self._make("touched")
        await self._clickhouse.command(
            f"INSERT INTO touched{self.suffix} (environment_id, name, day, version)"
            " SELECT DISTINCT environment_id, name, toDate32(toTimeZone(occurred_at, {zone:String})), {version:UInt64}"
            f" FROM events{self.suffix} WHERE environment_id = {{environment:UInt32}}",
            {"zone": zone, "version": version, "environment": self.environment_id},
            settings={"max_execution_time": 0},
        )


# All environments


async def delete_for_good(clickhouse: ClickHouse) -> int:
    """Rewrite the parts that still hold deleted rows; returns how many tables had some."""
    _, on = _cluster(clickhouse)
    found = await clickhouse.query(
        "SELECT DISTINCT table FROM system.parts WHERE database = {d:String} AND active AND has_lightweight_delete",
        {"d": clickhouse.place.database},
    )
    for (table,) in found:
        await clickhouse.command(f"ALTER TABLE {table} {on} APPLY DELETED MASK", settings=_WAITING)
    return len(found)


async def months(clickhouse: ClickHouse) -> set[int]:
    """The months of arrival that have events, as YYYYMM."""
    local, _ = _cluster(clickhouse)
    found = await clickhouse.query(
        "SELECT DISTINCT toUInt32(partition) FROM system.parts WHERE database = {d:String} AND table = {t:String}"
        " AND active AND rows > 0",
        {"d": clickhouse.place.database, "t": f"events{local}"},
    )
    return {int(month) for (month,) in found}


async def drop_month(clickhouse: ClickHouse, month: int) -> None:
    """Drop the events that arrived in a month, of all environments."""
    local, on = _cluster(clickhouse)
    await clickhouse.command(f"ALTER TABLE events{local} {on} DROP PARTITION {month:d}")


async def delete_exposures_before(clickhouse: ClickHouse, day: date) -> None:
    """Delete the exposures of earlier days (UTC), of all environments."""
    local, on = _cluster(clickhouse)
    values = {"day": day}
    if await clickhouse.query("SELECT 1 FROM exposed WHERE toDate32(first_at) < {day:Date32} LIMIT 1", values):
        await clickhouse.command(
            f"DELETE FROM exposed{local} {on} WHERE toDate32(first_at) < toDate32('{day.isoformat()}')",
            settings=_WAITING,
        )


def _cluster(clickhouse: ClickHouse) -> tuple[str, str]:
    cluster = clickhouse.place.cluster
    return ("_local", f"ON CLUSTER '{cluster}'") if cluster else ("", "")


def _batches(ids: Collection[int]) -> Iterable[str]:
    ordered = sorted(ids)
    for start in range(0, len(ordered), _IDS):
        yield ", ".join(f"{id:d}" for id in ordered[start : start + _IDS])


async def _joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk


async def _once(data: bytes) -> AsyncGenerator[bytes, None]:
    yield data
