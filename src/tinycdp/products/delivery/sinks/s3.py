"""Batches as objects of an S3-compatible storage: exactly once.

Laws    a batch is one object, which its name makes its own, created only if it is not there (`If-None-Match: *`).
        A reader sees a whole object or none
Errors  SinkError
"""

from typing import Any

from tinycdp.products.delivery.definitions.schemas import S3Document
from tinycdp.products.delivery.reach import Reach
from tinycdp.products.delivery.sinks.files import lines_of, parquet_of
from tinycdp.products.delivery.sinks.relay import Relay
from tinycdp.products.delivery.sinks.sink import RecordBatch, SinkError, in_thread, library
from tinycdp.products.delivery.sinks.storage import failure_of, options_of
from tinycdp.times import iso

EXTRA = "s3"


class S3Sink:
    """A prefix of a bucket."""

    def __init__(self, document: S3Document, reach: Reach, relay: Relay) -> None:
        self._document = document
        self._reach = reach
        self._relay = relay

    async def write(self, batch: RecordBatch) -> None:
        """Create the object, unless it is there."""
        obstore, document = library("obstore", EXTRA), self._document
        if document.format == "parquet":
            content, kind = await in_thread(parquet_of, batch.records, EXTRA), "application/vnd.apache.parquet"
        else:
            content, kind = lines_of(batch.records), "application/x-ndjson"
        day = iso(batch.number)[:10]
        path = f"{document.prefix}date={day}/{batch.name}.{document.format}"
        store = await self._store()
        try:
            await obstore.put_async(store, path, content, mode="create", attributes={"Content-Type": kind})
        except obstore.exceptions.AlreadyExistsError:
            return
        except (obstore.exceptions.BaseError, FileNotFoundError, OSError, PermissionError) as error:
            raise failure_of(document, error) from None

    async def check(self) -> None:
        """List the prefix."""
        obstore, store = library("obstore", EXTRA), await self._store()
        try:
            await obstore.list_with_delimiter_async(store, self._document.prefix)
        except (obstore.exceptions.BaseError, FileNotFoundError, OSError, PermissionError) as error:
            raise failure_of(self._document, error) from None

    async def close(self) -> None:
        """Nothing stays open between batches."""

    async def _store(self) -> Any:
        s3, exceptions = library("obstore.store", EXTRA), library("obstore.exceptions", EXTRA)
        options = await options_of(self._document, self._reach, self._relay)
        try:
            return s3.S3Store(
                self._document.bucket,
                config={name: value for name, value in options.items() if name.startswith("aws_")},
                client_options={name: value for name, value in options.items() if not name.startswith("aws_")},
                retry_config={"max_retries": 2},
            )
        except exceptions.BaseError as error:
            raise SinkError(f"The storage cannot be opened: {str(error).partition(chr(10))[0]}", lasting=True) from None
