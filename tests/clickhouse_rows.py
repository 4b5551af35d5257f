"""Rows in an embedded ClickHouse inside this process, for laws about SQL: without tables of the product or a server.

Shape   session() → the one session of this process · ask(session, sql, parameters) → rows as JSON arrays
        CLUSTER is a cluster that it knows, of two shards that do not answer
Laws    one process has one embedded engine, so one worker of pytest has one
"""

import atexit
import json
import shutil
import tempfile
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

#: As the feed inserts, and as questions read.
SETTINGS = (
    "input_format_try_infer_dates=0, input_format_try_infer_datetimes=0, json_type_escape_dots_in_keys=1, "
    "output_format_json_quote_64bit_integers=0, output_format_json_quote_decimals=1"
)


#: `remote_servers` of the session. Port 1 refuses at once.
CLUSTER = "shards"
_CONFIGURATION = f"""<clickhouse><remote_servers><{CLUSTER}>
  <shard><replica><host>127.0.0.1</host><port>1</port></replica></shard>
  <shard><replica><host>127.0.0.1</host><port>1</port></replica></shard>
</{CLUSTER}></remote_servers></clickhouse>
"""


@cache
def session() -> Any:
    """The session of this process, in a folder of its own."""
    from chdb.session import Session  # a library of 300 MB: loaded by the tests that need it

    folder = tempfile.mkdtemp(prefix="tinycdp-clickhouse-")
    configuration = Path(folder) / "configuration.xml"
    configuration.write_text(_CONFIGURATION)
    opened = Session(f"{folder}/data?config-file={configuration}")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(opened.close)
    opened.query("CREATE DATABASE IF NOT EXISTS laws")
    return opened


def ask(sql: str, parameters: Mapping[str, Any]) -> list[list[Any]]:
    """The rows of a query. Parameters are sent as the client sends them."""
    from clickhouse_connect.driver.binding import format_bind_value

    for name, value in parameters.items():
        sent = format_bind_value(value).replace("\\", "\\\\").replace("'", "\\'")
        session().query(f"SET param_{name} = '{sent}'")
    answer = str(session().query(f"{sql} SETTINGS {SETTINGS}", "JSONCompactEachRow"))
    return [json.loads(line) for line in answer.splitlines()]


def insert(table: str, columns: str, rows: list[list[Any]]) -> None:
    """Insert rows as tab-separated text, as the feed does. A dict is JSON."""
    lines = "".join("\t".join(map(_escaped, row)) + "\n" for row in rows)
    session().query(f"INSERT INTO {table} ({columns}) SETTINGS {SETTINGS} FORMAT TabSeparated\n{lines}")


def _escaped(value: Any) -> str:
    if value is None:
        return "\\N"
    text = value if isinstance(value, str) else json_text(value)
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def json_text(value: Any) -> str:
    """JSON as Postgres writes it: numbers with all digits, without an exponent."""
    match value:
        case dict():
            return "{" + ", ".join(f"{json_text(name)}: {json_text(item)}" for name, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(json_text, value)) + "]"
        case Decimal():
            return format(value, "f")
        case _:
            return json.dumps(value, ensure_ascii=False)
