"""What ClickHouse has of an environment, against what Postgres has: each table row by row.

Shape   differences(clickhouse, pool, environment) is empty where both have the same. Overrides are applied, and
        people are who they are now
"""

import json
from typing import Any

from tinycdp.products.analytics.store.clickhouse import ClickHouse
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.store.database.pool import Pool


async def differences(clickhouse: ClickHouse, pool: Pool, environment_id: int) -> dict[str, Any]:
    """table → (what Postgres has and ClickHouse lacks, what ClickHouse has and Postgres lacks)."""
    theirs, ours = await in_postgres(pool, environment_id), await in_clickhouse(clickhouse, environment_id)
    assert theirs.keys() == ours.keys()
    found = {}
    for table in theirs:
        a, b = sorted(theirs[table], key=repr), sorted(ours[table], key=repr)
        if a != b:
            found[table] = [one for one in a if one not in b], [one for one in b if one not in a], len(a), len(b)
    return found


async def in_postgres(pool: Pool, environment_id: int) -> dict[str, list[Any]]:
    catalog = await Catalogs().refresh(pool, environment_id)
    segments = {one.fingerprint: one.id for one in catalog.segments if not one.is_candidate}
    profiles = await pool.fetch(
        "SELECT id, merged_into, properties, group_key, first_seen_at, last_seen_at FROM profiles"
        " WHERE environment_id = $1",
        environment_id,
    )
    survivors = {row["id"]: row["merged_into"] for row in profiles}
    members: dict[int, list[int]] = {}
    for row in await pool.fetch("SELECT * FROM memberships WHERE environment_id = $1", environment_id):
        if row["fingerprint"] in segments:
            members.setdefault(row["profile_id"], []).append(segments[row["fingerprint"]])
    identifiers = await pool.fetch(
        "SELECT id, value, profile_id FROM identifiers WHERE environment_id = $1 ORDER BY id", environment_id
    )
    owners = {row["id"]: row["profile_id"] for row in identifiers}
    named: dict[str, int] = {}
    for row in identifiers:
        named.setdefault(row["value"], row["profile_id"])

    def person(profile_id: int | None, unit: str) -> int:
        if profile_id is None:
            return named.get(unit, 0)
        while survivors.get(profile_id) is not None:
            profile_id = survivors[profile_id]
        return profile_id

    groups = await pool.fetch("SELECT key, traits FROM groups WHERE environment_id = $1", environment_id)
    traits = {row["key"]: plain(row["traits"]) for row in groups}
    events = await pool.fetch("SELECT * FROM events WHERE environment_id = $1", environment_id)
    return {
        "events": [
            (
                row["id"], row["name"], row["kind"], row["occurred_at"], row["received_at"],
                row["context"].get("active") is not False, row["identifier_id"], owners[row["identifier_id"]],
                row["message_id"], plain(row["properties"]),
            )
            for row in events if row["name"]
        ],
        "said": [
            (
                name, row["identifier_id"], owners[row["identifier_id"]], row["occurred_at"], row["message_id"],
                plain(value),
            )
            for row in events if row["kind"] == "identify" for name, value in row["properties"].items()
        ],
        "people": [
            (
                row["id"], plain(row["properties"]), row["first_seen_at"] or 0, row["last_seen_at"] or 0,
                row["group_key"] or "", traits.get(row["group_key"], "{}"), sorted(members.get(row["id"], [])),
            )
            for row in profiles if row["merged_into"] is None
        ],
        "moved": [
            (row["segment_id"], row["profile_id"], row["at"], row["entered"], row["id"])
            for row in await pool.fetch("SELECT * FROM transitions WHERE environment_id = $1", environment_id)
        ],
        "exposed": [
            (
                row["definition_id"], row["unit"], person(row["profile_id"], row["unit"]), row["variant"], row["rule"],
                row["version"], row["first_at"], row["id"],
            )
            for row in await pool.fetch("SELECT * FROM exposures WHERE environment_id = $1", environment_id)
        ],
    }  # fmt: skip


async def in_clickhouse(clickhouse: ClickHouse, environment_id: int) -> dict[str, list[Any]]:
    async def rows(sql: str) -> list[Any]:
        return [list(row) for row in await clickhouse.query(sql, {"e": environment_id})]

    where = "WHERE environment_id = {e:UInt32}"
    dictionary = f"'{clickhouse.place.database}.who'"
    who = f"dictGetOrDefault({dictionary}, 'profile_id', (environment_id, identifier_id), profile_id)"
    events = await rows(
        "SELECT id, name, toString(kind), toUnixTimestamp64Milli(occurred_at), toUnixTimestamp64Milli(received_at),"
        f" active, identifier_id, {who}, message_id, toJSONString(properties) FROM events {where}"
    )
    said = await rows(
        f"SELECT property, identifier_id, {who}, toUnixTimestamp64Milli(at), message_id, value FROM said FINAL {where}"
    )
    people = await rows(
        "SELECT profile_id, toJSONString(properties), toUnixTimestamp64Milli(first_seen),"
        f" toUnixTimestamp64Milli(last_seen), group_key, group_traits, segments FROM people FINAL {where} AND alive"
    )
    moved = await rows(
        f"SELECT segment_id, profile_id, toUnixTimestamp64Milli(at), entered, id FROM moved FINAL {where}"
    )
    exposed = await rows(
        "SELECT definition_id, unit, profile_id, variant, rule, version, toUnixTimestamp64Milli(first_at), id"
        f" FROM exposed FINAL {where}"
    )
    return {
        "events": [(*row[:9], plain(json.loads(row[9]))) for row in events],
        "said": [(*row[:5], plain(json.loads(row[5]))) for row in said],
        "people": [
            (row[0], plain(json.loads(row[1])), *row[2:5], plain(json.loads(row[5])), sorted(row[6])) for row in people
        ],
        "moved": [tuple(row) for row in moved],
        "exposed": [tuple(row) for row in exposed],
    }


def plain(value: Any) -> str:
    """JSON as text, the same for the same value."""
    return json.dumps(value, sort_keys=True, default=float)
