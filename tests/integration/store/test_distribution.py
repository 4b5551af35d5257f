"""What the catalog of a migrated database must be like so that its rows can be sharded by environment, or moved."""

from typing import Any

from planner_rules import SHARED, distributed
from tinycdp.store.database.pool import Connection

#: Indexes that cannot begin with the environment, and why.
NOT_BY_ENVIRONMENT = {
    "profiles_properties": "a GIN index holds no plain integer; the environment is a condition beside it",
}


async def tables(connection: Connection) -> dict[str, Any]:
    """By name, without partitions: they have what their table has."""
    rows = await connection.fetch(
        """SELECT c.relname, c.relpersistence::text AS persistence,
                  'environment_id' = ANY (ARRAY(SELECT attname FROM pg_attribute WHERE attrelid = c.oid)) AS keyed,
                  EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = c.oid AND attidentity <> '') AS numbered
           FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
             AND NOT c.relispartition"""
    )
    return {row["relname"]: row for row in rows}


async def indexes(connection: Connection) -> list[Any]:
    """(table, index, unique, primary, the first column)."""
    return await connection.fetch(
        """SELECT t.relname AS table, c.relname AS index, i.indisunique AS unique, i.indisprimary AS primary,
                  (SELECT attname FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attnum = i.indkey[0]) AS first
           FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
           WHERE t.relnamespace = 'public'::regnamespace AND NOT t.relispartition ORDER BY 1, 2"""
    )


async def test_every_table_has_a_primary_key_and_is_logged(scratch: Connection) -> None:
    keyed = {row["table"] for row in await indexes(scratch) if row["primary"]}
    found = await tables(scratch)
    assert found.keys() - keyed == set()
    assert {name for name, table in found.items() if table["persistence"] != "p"} == set()


async def test_every_table_belongs_to_environments_or_is_known_to_be_shared(scratch: Connection) -> None:
    found = await tables(scratch)
    assert found.keys() >= SHARED.keys()
    assert {name for name, table in found.items() if not table["keyed"]} <= SHARED.keys()
    assert {name for name, table in found.items() if table["keyed"]} - SHARED.keys() <= distributed()


async def test_every_index_begins_with_the_environment(scratch: Connection) -> None:
    others = [row for row in await indexes(scratch) if row["table"] not in SHARED and row["first"] != "environment_id"]
    assert {row["index"] for row in others} == NOT_BY_ENVIRONMENT.keys()
    assert not any(row["unique"] for row in others)


async def test_a_foreign_key_stays_inside_its_environment(scratch: Connection) -> None:
    """Or names a shared table, by the environment alone; then the table has no identity column, which could not both be
    distributed."""
    found = await tables(scratch)
    keys = await scratch.fetch(
        """SELECT f.relname AS from, t.relname AS to, conname,
                  ARRAY(SELECT attname::text FROM unnest(conkey) WITH ORDINALITY AS k (n, place)
                        JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = k.n ORDER BY place) AS columns,
                  ARRAY(SELECT attname::text FROM unnest(confkey) WITH ORDINALITY AS k (n, place)
                        JOIN pg_attribute a ON a.attrelid = confrelid AND a.attnum = k.n ORDER BY place) AS theirs
           FROM pg_constraint JOIN pg_class f ON f.oid = conrelid JOIN pg_class t ON t.oid = confrelid
           WHERE contype = 'f'"""
    )
    assert keys
    for key in keys:
        if key["from"] in SHARED:
            assert key["to"] in SHARED, key["conname"]
        elif key["to"] in SHARED:
            assert (key["columns"], key["theirs"]) == (["environment_id"], ["id"]), key["conname"]
            assert not found[key["from"]]["numbered"], key["conname"]
        else:
            assert key["columns"][0] == key["theirs"][0] == "environment_id", key["conname"]


async def test_a_month_has_the_key_of_its_table(scratch: Connection) -> None:
    await scratch.execute(
        "CREATE TABLE events_of_2031 PARTITION OF events FOR VALUES FROM ('2031-01-01') TO ('2032-01-01')"
    )
    keyed = await scratch.fetch(
        """SELECT c.relname AS name,
                  EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary) AS keyed
           FROM pg_class c WHERE c.relispartition AND c.relkind = 'r'"""
    )
    assert "events_of_2031" in {row["name"] for row in keyed}
    assert all(row["keyed"] for row in keyed)
