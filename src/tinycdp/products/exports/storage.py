"""Where the files of exports are: a folder, or a bucket that speaks the protocol of S3.

Shape   storage_of(settings) → Storage: scratch, keep(path, place), read(place, start, end), size(place), remove(place)
Laws    a file appears under its place when it is whole, and replaces one that was there.
        The operator names the storage. No client does, so its address is not checked as that of a destination is
Errors  StorageFailed: what the storage said. Without the package of S3, what to install
"""

import asyncio
import os
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from tinycdp.errors import Unavailable
from tinycdp.settings import Settings

_PART_BYTES = 256 * 1024
_S3 = "s3://"
#: How long a request to a bucket is tried again.
_RETRY_SECONDS = 60


class StorageFailed(Unavailable):
    """The storage refuses, is full, or is away."""

    def __init__(self, message: str) -> None:
        super().__init__("EXPORT_STORAGE_FAILED", message)


class Storage(ABC):
    """A storage. scratch: the folder on this machine in which files are written before they are kept"""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch

    @abstractmethod
    async def keep(self, path: Path, place: str) -> None:
        """Move a whole file of the scratch folder to its place."""

    @abstractmethod
    async def size(self, place: str) -> int | None:
        """The bytes of a file, None if it is not there."""

    @abstractmethod
    def read(self, place: str, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes from start to before end."""

    @abstractmethod
    async def remove(self, place: str) -> None:
        """Remove a file; one that is not there is no error."""


def storage_of(settings: Settings) -> Storage:
    """The storage that the operator chose. A bucket is not connected to before it is used."""
    own = settings.data_dir / "exports"
    chosen = settings.export_storage
    if chosen is None:
        return Folder(own)
    if chosen.startswith(_S3):
        return S3Bucket(own / ".writing", settings)
    return Folder(Path(chosen))


class Folder(Storage):
    """A folder of this machine."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / ".writing")
        self._folder = folder

    async def keep(self, path: Path, place: str) -> None:
        def move() -> None:
            final = self._folder / place
            final.parent.mkdir(0o700, parents=True, exist_ok=True)
            with path.open("rb") as file:
                os.fsync(file.fileno())
            path.replace(final)

        try:
            await asyncio.to_thread(move)
        except OSError as wrong:
            raise StorageFailed(f"The file could not be moved to {place}: {wrong.strerror}.") from wrong

    async def size(self, place: str) -> int | None:
        try:
            return (await asyncio.to_thread((self._folder / place).stat)).st_size
        except OSError:
            return None

    async def read(self, place: str, start: int, end: int) -> AsyncIterator[bytes]:
        with (self._folder / place).open("rb") as file:
            file.seek(start)
            while start < end:
                part = await asyncio.to_thread(file.read, min(_PART_BYTES, end - start))
                if not part:
                    raise StorageFailed(f"{place} is shorter than it was.")
                start += len(part)
                yield part

    async def remove(self, place: str) -> None:
        try:
            await asyncio.to_thread((self._folder / place).unlink, missing_ok=True)
        except OSError as wrong:
            raise StorageFailed(f"{place} could not be removed: {wrong.strerror}.") from wrong


class S3Bucket(Storage):
    """A bucket that speaks the protocol of S3."""

    def __init__(self, scratch: Path, settings: Settings) -> None:
        super().__init__(scratch)
        self._settings = settings
        self._bucket: Any = None

    def _opened(self) -> Any:
        if self._bucket is not None:
            return self._bucket
        if find_spec("obstore") is None:
            raise StorageFailed("S3 needs obstore, which is not installed on the server: pip install 'tinycdp[s3]'.")
        from datetime import timedelta  # noqa: PLC0415 - with the package, which is optional

        from obstore.store import S3Store  # noqa: PLC0415

        chosen = self._settings
        assert chosen.export_storage is not None
        bucket, _, prefix = chosen.export_storage.removeprefix(_S3).partition("/")
        given = {
            "region": chosen.export_s3_region,
            "endpoint": chosen.export_s3_endpoint,
            "access_key_id": chosen.export_s3_key_id,
            "secret_access_key": chosen.export_s3_secret,
        }
        plain = (chosen.export_s3_endpoint or "").startswith("http://")
        self._bucket = S3Store(
            bucket,
            prefix=prefix.strip("/") or None,
            config=cast("Any", {name: value for name, value in given.items() if value}),
            client_options={"allow_http": plain, "timeout": "10min", "connect_timeout": "10s"},
            retry_config={"max_retries": 5, "retry_timeout": timedelta(seconds=_RETRY_SECONDS)},
        )
        return self._bucket

    async def keep(self, path: Path, place: str) -> None:
        bucket = self._opened()
        import obstore  # noqa: PLC0415 - an optional package

        try:
            await obstore.put_async(bucket, place, path)
        except _errors() as wrong:
            raise _failed("be written", place, wrong) from wrong
        await asyncio.to_thread(path.unlink, missing_ok=True)

    async def size(self, place: str) -> int | None:
        bucket = self._opened()
        import obstore  # noqa: PLC0415 - an optional package

        try:
            return int((await obstore.head_async(bucket, place))["size"])
        except FileNotFoundError:
            return None
        except _errors() as wrong:
            raise _failed("be found", place, wrong) from wrong

    async def read(self, place: str, start: int, end: int) -> AsyncIterator[bytes]:
        bucket = self._opened()
        import obstore  # noqa: PLC0415 - an optional package

        if start >= end:
            return
        try:
            found = await obstore.get_async(bucket, place, options={"range": (start, end)})
            async for part in found.stream(min_chunk_size=_PART_BYTES):
                yield bytes(part)
        except _errors() as wrong:
            raise _failed("be read", place, wrong) from wrong

    async def remove(self, place: str) -> None:
        bucket = self._opened()
        import obstore  # noqa: PLC0415 - an optional package

        try:
            await obstore.delete_async(bucket, place)
        except FileNotFoundError:
            return
        except _errors() as wrong:
            raise _failed("be removed", place, wrong) from wrong


def _errors() -> tuple[type[Exception], ...]:
    from obstore.exceptions import BaseError  # noqa: PLC0415 - an optional package

    return (BaseError, OSError, ValueError)


def _failed(what: str, place: str, wrong: Exception) -> StorageFailed:
    """The error of a bucket, by its first line: the rest repeats the request."""
    said = str(wrong).strip().split("\n", 1)[0][:300]
    return StorageFailed(f"{place} could not {what}: {said}")
