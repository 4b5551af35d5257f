"""The records of a batch as a file: lines of JSON, or Parquet.

Laws    pure. Columns and their types are the same in every file
"""

from collections.abc import Sequence
from typing import Any

from tinycdp.products.delivery.sinks.sink import SinkRecord, library, line_of


def lines_of(records: Sequence[SinkRecord]) -> bytes:
    """One JSON object in a line."""
    return b"".join(line_of(record) + b"\n" for record in records)


def table_of(records: Sequence[SinkRecord], extra: str) -> Any:
    """A table of Arrow."""
    pa = library("pyarrow", extra)
    columns = {
        "id": (pa.string(), [one.id for one in records]),
        "type": (pa.string(), [one.type for one in records]),
        "timestamp": (pa.timestamp("us", tz="UTC"), [one.at * 1000 for one in records]),
        "environment": (pa.string(), [one.environment for one in records]),
        "version": (pa.int64(), [one.version for one in records]),
        "cause": (pa.string(), [one.cause for one in records]),
        "segment": (pa.string(), [one.segment for one in records]),
        "profile": (pa.string(), [one.profile for one in records]),
        "data": (pa.string(), [one.data.decode() for one in records]),
    }
    schema = pa.schema([pa.field(name, kind) for name, (kind, _) in columns.items()])
    return pa.table([pa.array(values, kind) for kind, values in columns.values()], schema=schema)


def parquet_of(records: Sequence[SinkRecord], extra: str) -> bytes:
    """A file of Parquet."""
    pa, parquet = library("pyarrow", extra), library("pyarrow.parquet", extra)
    file = pa.BufferOutputStream()
    parquet.write_table(table_of(records, extra), file, compression="zstd")
    return bytes(file.getvalue())
