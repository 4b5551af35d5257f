"""Bytes to JSON: inflating, bounds, exact numbers, and where a text stops being JSON."""

import gzip
import tracemalloc
import zlib
from decimal import Decimal

import pytest

from tinycdp.api.http.bodies import BODY_LIMIT, decode_json, read_body
from tinycdp.errors import InvalidInput, TooLarge

TEXT = b'{"batch":[]}'


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip", None, "", "identity"])
def test_gzip_is_inflated_by_header_or_by_its_first_bytes(encoding: str | None) -> None:
    assert read_body(gzip.compress(TEXT), encoding) == TEXT


@pytest.mark.parametrize("encoding", [None, "", "identity"])
def test_plain_bodies_pass_unchanged(encoding: str | None) -> None:
    assert read_body(TEXT, encoding) == TEXT


@pytest.mark.parametrize(
    "raw",
    [
        TEXT,
        b"",
        gzip.compress(TEXT, mtime=0)[:-1],
        gzip.compress(TEXT, mtime=0) + b"x",
        gzip.compress(TEXT, mtime=0) * 2,
        b"\x1f\x8b" + bytes(20),
    ],
)
def test_bad_gzip_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_body(raw, "gzip")
    assert caught.value.code == "INVALID_GZIP"


def test_deflate_is_inflated_by_header() -> None:
    assert read_body(zlib.compress(TEXT), "deflate") == TEXT


def test_an_unknown_encoding_is_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        read_body(TEXT, "br")
    assert caught.value.code == "UNSUPPORTED_ENCODING"


def test_the_limit_is_on_the_inflated_size() -> None:
    assert len(read_body(gzip.compress(b" " * 1000), "gzip", limit=1000)) == 1000
    for raw, encoding in ((gzip.compress(b" " * 1001), "gzip"), (b" " * 1001, None)):
        with pytest.raises(TooLarge) as caught:
            read_body(raw, encoding, limit=1000)
        assert (caught.value.code, caught.value.status) == ("BODY_TOO_LARGE", 413)


def test_a_bomb_costs_no_more_than_the_limit() -> None:
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    bomb = b"".join(packer.compress(bytes(1_000_000)) for _ in range(80)) + packer.flush()
    assert len(bomb) < 100_000
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            read_body(bomb, None)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Twice, because zlib doubles its output buffer as it grows.
    assert peak < 2.5 * BODY_LIMIT


def test_numbers_are_exact() -> None:
    value = decode_json(b"[2.0, 2, 0.1, 19.99, 18446744073709551616, 1e2]")
    assert value == [Decimal("2.0"), 2, Decimal("0.1"), Decimal("19.99"), 2**64, Decimal(100)]
    assert [type(item) for item in value] == [Decimal, int, Decimal, Decimal, int, Decimal]


@pytest.mark.parametrize(
    "text", [b"1e29", b"-1e29", b"1e999999", b"1e9999999999999999999999", b"9" * 5000, b"0." + b"3" * 1000]
)
def test_numbers_that_nothing_can_hold_are_refused(text: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        decode_json(b'{"a":' + text + b"}")
    assert caught.value.code == "NUMBER_OUT_OF_RANGE"


@pytest.mark.parametrize("text", [b"1e-999999", b"-1e-9999999999999999999999", b"0e999999", b"-0.0", b"0.000e-5"])
def test_what_is_smaller_than_any_double_is_zero(text: bytes) -> None:
    zero = decode_json(text)
    assert str(zero) == "0"


@pytest.mark.parametrize(
    ("raw", "byte", "line", "column"),
    [
        (b"", 0, 1, 1),
        (b'{"a":', 5, 1, 6),
        (b'{\n "a": tru}', 11, 2, 10),
        (b'{"a":NaN}', 5, 1, 6),
        (b'{"a":1} x', 8, 1, 9),
        (b'{"a":\n"\xff"}', 7, 2, 2),
        (b'{"a":"\x00"}', 6, 1, 7),
    ],
)
def test_broken_json_is_placed(raw: bytes, byte: int, line: int, column: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        decode_json(raw)
    assert caught.value.code == "INVALID_JSON"
    # Where the decoder gave up, which for a misspelt literal is just behind it.
    assert caught.value.details == {"byte": byte, "line": line, "column": column}
    place = f"at line {line}, column {column}" if raw else "is empty"
    assert place in caught.value.message


def test_deep_nesting_is_refused_without_a_stack_overflow() -> None:
    for raw in (b"[" * 1_000_000, b'{"a":' * 500_000):
        with pytest.raises(InvalidInput) as caught:
            decode_json(raw)
        assert caught.value.code == "TOO_DEEP"


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (rb'"a\u0000b"', "a�b"),
        (rb'"a\\u0000b"', r"a\u0000b"),
        (rb'"\\\u0000"', "\\�"),
        (rb'"\u0000\u0000"', "��"),
        (rb'"\ud83d\ude00"', "😀"),
        (rb'"\ud83d"', "�"),
        (rb'"x\ude00"', "x�"),
        (rb'"\ud83d\n"', "�\n"),
        (rb'"\ud83d\ud83d\ude00"', "�😀"),
        (rb'"\ud83d\ude00\ude00"', "😀�"),
        ("\ufeff[1]".encode(), [1]),
    ],
)
def test_what_cannot_be_stored_is_replaced(raw: bytes, value: object) -> None:
    assert decode_json(raw) == value
