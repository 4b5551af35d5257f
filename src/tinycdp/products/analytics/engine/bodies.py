"""The body of a request, decompressed as it arrives."""

import sys
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from tinycdp.products.analytics.engine.dialect import EngineError


async def received(parts: AsyncIterator[bytes], encoding: str) -> AsyncIterator[bytes]:
    """The parts of a body, decompressed. Raises EngineError if they are not of this encoding."""
    encoding = encoding.lower()
    decompress = _decompressor(encoding)
    async for part in parts:
        try:
            if data := decompress(part):
                yield data
        except Exception as wrong:
            raise EngineError.because(354, "CANNOT_DECOMPRESS", f"The body is not {encoding}: {wrong}") from None


def _decompressor(encoding: str) -> Callable[[bytes], bytes]:
    if encoding in ("", "identity"):
        return bytes
    if encoding in ("gzip", "deflate"):
        return _frames(lambda: zlib.decompressobj(wbits=47))
    if encoding == "lz4":
        from lz4.frame import LZ4FrameDecompressor  # noqa: PLC0415 - rarely used

        return _frames(LZ4FrameDecompressor)
    if encoding == "zstd":
        if sys.version_info >= (3, 14):
            from compression.zstd import ZstdDecompressor  # noqa: PLC0415
        else:
            from backports.zstd import ZstdDecompressor  # noqa: PLC0415

        return _frames(ZstdDecompressor)
    raise EngineError.because(
        89, "UNKNOWN_COMPRESSION_METHOD", f"Unknown compression {encoding}; use gzip, deflate, lz4 or zstd"
    )


def _frames(new: Callable[[], Any]) -> Callable[[bytes], bytes]:
    """Decompress one frame after another."""
    current = new()

    def decompress(data: bytes) -> bytes:
        nonlocal current
        found = []
        while data:
            if current.eof:
                current = new()
            found.append(current.decompress(data))
            data = current.unused_data or b""
        return b"".join(found)

    return decompress
