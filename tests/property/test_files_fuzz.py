"""Whatever is in a file or a compressed body, it is read, or refused with a reason; nothing else is raised."""

import gzip
import io
import json
import zlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laws import examples
from tinycdp.api.http.bodies import read_body, unwrap
from tinycdp.api.ingest.adapters.history import PARSE
from tinycdp.errors import InvalidInput
from tinycdp.runtime.transfer.import_files import ImportFile, columns_of, identity_of, parts

NOW = 1_790_000_000_000
ROWS: list[dict[str, Any]] = [
    {"type": "track", "userId": f"u{n}", "event": "buy", "timestamp": NOW - n, "properties": json.dumps({"a": n / 4})}
    for n in range(40)
]


def _parquet() -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), file, row_group_size=16)
    return file.getvalue()


def _csv() -> bytes:
    lines = [",".join(f'"{str(cell).replace(chr(34), chr(34) * 2)}"' for cell in row.values()) for row in ROWS]
    return "\n".join([",".join(ROWS[0]), *lines]).encode()


LINES = "\n".join(map(json.dumps, ROWS)).encode()
FILES: dict[str, bytes] = {
    "a.jsonl": LINES,
    "a.jsonl.gz": gzip.compress(LINES),
    "a.csv": _csv(),
    "a.csv.gz": gzip.compress(_csv()),
    "a.parquet": _parquet(),
}


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """A file that was cut, overwritten, repeated, or mixed with another."""
    found = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(found)))
        piece = draw(
            st.binary(min_size=1, max_size=8) | st.sampled_from([b"\0" * 40, b"\xff" * 8, b'"', b"\n\r", b"PAR1"])
        )
        match draw(st.integers(0, 4)):
            case 0:
                found[at : at + len(piece)] = piece
            case 1:
                found[at:at] = piece
            case 2:
                del found[at:]
            case 3:
                del found[: at // 8]
            case _:
                found[at:at] = draw(st.sampled_from([*FILES.values()]))[:200]
    return bytes(found)


@pytest.mark.parametrize("name", FILES)
@given(data=st.data())
@examples(60, deep=5_000)
async def test_a_damaged_file_is_read_or_refused(name: str, tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / name
    path.write_bytes(data.draw(damaged(FILES[name])))
    source = ImportFile(path, form=name.split(".")[1])  # type: ignore[arg-type]
    try:
        token = identity_of(source)
        if source.form != "jsonl":
            PARSE.check_columns(columns_of(source), source.mapping)
        async for rows, share in parts(source, 0, lambda: 16):
            assert 0 <= share <= 1
            messages, rejections = PARSE.call(rows, source.mapping, token, NOW)
            assert len(messages) + len(rejections) <= len(rows)
    except InvalidInput as refused:
        assert refused.code in {"FILE_MALFORMED", "FILE_UNREADABLE", "INVALID_MAPPING", "COLUMN_MISSING"}, refused


BODY = b'{"batch": [{"type": "track", "userId": "u", "event": "e"}]}'
PACKED = [gzip.compress(BODY * 50), zlib.compress(BODY * 50), gzip.compress(b"0" * 5_000_000)]


@given(data=st.data(), encoding=st.sampled_from([None, "gzip", "deflate", "x-gzip", "identity", "br", "gzip, gzip"]))
@examples(200, deep=20_000)
def test_a_damaged_body_is_inflated_within_its_limit_or_refused(data: st.DataObject, encoding: str | None) -> None:
    raw = data.draw(damaged(data.draw(st.sampled_from([*PACKED, BODY]))))
    for read in (lambda: read_body(raw, encoding, 4_000), lambda: unwrap(read_body(raw, encoding), 4_000_000)):
        try:
            assert len(read()) <= 4_000_000
        except InvalidInput as refused:
            assert refused.code.isupper()
