"""The tables of a cluster of two shards in this process, for laws about SQL that has to run on one.

Shape   run(sql, parameters, database) → rows as JSON arrays
        plan(sql, parameters) plans a statement over the tables of the cluster templates, whose shards do not answer.
        ClickHouse refuses a subquery over all shards that each of them would run again
        HALVES: tables that are read from two shards of this process; each person has events on both
        WHOLE: the same rows in the tables of one server
Laws    one process has one embedded engine, which cannot reach itself over the network
"""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from clickhouse_rows import CLUSTER, SETTINGS, insert, session
from tinycdp.products.analytics.store.clickhouse import Site
from tinycdp.products.analytics.store.tables import statements, templates

PLANNED, HALVES, WHOLE = "planned", "halves", "whole"
_UNREACHABLE = "ALL_CONNECTION_TRIES_FAILED"
#: Shards that do not answer are tried once, and then taken for empty where they can be.
_SETTINGS = (
    f"{SETTINGS}, enable_json_type = 1, compile_expressions = 0, skip_unavailable_shards = 1, "
    "connections_with_failover_max_tries = 1"
)
#: What needs a coordination service, which this process has not.
_REPLICATED = {
    "ReplicatedReplacingMergeTree": "ReplacingMergeTree",
    "ReplicatedMergeTree": "MergeTree",
    " replicated_deduplication_window": " non_replicated_deduplication_window",
    f"ON CLUSTER '{CLUSTER}'": "",
}
#: What half of a table's rows a shard has. The others are whole on both: a shard removes older versions by itself, so
#: it must have all of one key, and no answer may depend on how often a row is there.
_HALVED = {"events": "id", "said": "cityHash64(message_id)", "moved": "id"}
_TWICE = ("people", "overrides", "exposed")


def plan(sql: str, parameters: Mapping[str, Any]) -> None:
    """Plan a statement for a cluster. Raises what ClickHouse has against it."""
    try:
        run(sql, parameters, PLANNED)
    except RuntimeError as failure:
        if _UNREACHABLE not in str(failure):  # it comes when all is planned
            raise


def run(sql: str, parameters: Mapping[str, Any], database: str) -> list[tuple[Any, ...]]:
    """The rows of a statement over the tables of a database."""
    from clickhouse_connect.driver.binding import format_bind_value

    opened = _with_tables()
    others = str(opened.query("SELECT currentDatabase()", "TabSeparated")).strip()
    opened.query(f"USE {database}")
    for name, value in parameters.items():
        sent = format_bind_value(value).replace("\\", "\\\\").replace("'", "\\'")
        opened.query(f"SET param_{name} = '{sent}'")
    try:
        found = opened.query(f"{sql}\nSETTINGS {_SETTINGS}", "JSONCompactEachRow")
    finally:
        opened.query(f"USE {others}")  # other tests of this process share the session
    return [tuple(json.loads(line)) for line in str(found).splitlines()]


def fill(rows: Mapping[str, tuple[str, list[list[Any]]]]) -> None:
    """Insert rows into WHOLE, and so into HALVES: columns and rows by table."""
    _with_tables()
    for table, (columns, found) in rows.items():
        insert(f"{WHOLE}.{table}", columns, found)
    for database in (WHOLE, HALVES):
        session().query(f"SYSTEM RELOAD DICTIONARY {database}.who")


@cache
def _with_tables() -> Any:
    """The session, with the three databases."""
    opened = session()
    for database, cluster in ((PLANNED, CLUSTER), (WHOLE, ""), (HALVES, "")):
        opened.query(f"CREATE DATABASE {database}")
        for name, template in templates():
            for statement in statements(template, Site(database, cluster)):
                of_a_table = "CREATE TABLE" in statement or "ALTER TABLE" in statement
                if name != "0000_migrations.sql" and not (database == HALVES and of_a_table):
                    opened.query(_alone(statement))
    for table, number in _HALVED.items():
        half = f"SELECT * FROM {WHOLE}.{table} WHERE {number} % 2 + 1 = shardNum()"
        opened.query(f"CREATE VIEW {HALVES}.{table}_half AS {half}")
        opened.query(f"CREATE TABLE {HALVES}.{table} AS {_shards(HALVES, f'{table}_half')}")
    for table in _TWICE:
        opened.query(f"CREATE TABLE {HALVES}.{table} AS {_shards(WHOLE, table)}")
    return opened


def _shards(database: str, table: str) -> str:
    return f"remote('127.0.0.1,127.0.0.1', '{database}', '{table}')"


def _alone(statement: str) -> str:
    for theirs, ours in _REPLICATED.items():
        statement = statement.replace(theirs, ours)
    return statement
