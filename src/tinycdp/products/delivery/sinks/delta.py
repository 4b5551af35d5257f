"""Batches into a table of Delta Lake on an S3-compatible storage: exactly once.

Laws    a commit says which batch it is: the application is the stream, the version the number. A batch was written if
        its number is the newest of the table. Of two that commit the same batch at once, Delta lets one
Errors  SinkError
"""

from typing import Any

from tinycdp.products.delivery.definitions.schemas import DeltaDocument
from tinycdp.products.delivery.reach import Reach
from tinycdp.products.delivery.sinks.files import table_of
from tinycdp.products.delivery.sinks.relay import Relay
from tinycdp.products.delivery.sinks.sink import COLUMNS, RecordBatch, SinkError, in_thread, library, overtaken
from tinycdp.products.delivery.sinks.storage import failure_of, options_of

EXTRA = "delta"


class DeltaSink:
    """A table."""

    def __init__(self, document: DeltaDocument, reach: Reach, relay: Relay) -> None:
        self._document = document
        self._reach = reach
        self._relay = relay
        self._uri = f"s3://{document.bucket}/{document.path}"

    async def write(self, batch: RecordBatch) -> None:
        """Append the rows, unless the table has the batch."""
        options = await options_of(self._document, self._reach, self._relay)
        await in_thread(self._write, batch, options)

    async def check(self) -> None:
        """Look at the table if there is one."""
        options = await options_of(self._document, self._reach, self._relay)
        table = await in_thread(self._table, options)
        if table is not None:
            found = {field.name for field in table.schema().fields}
            if missing := [name for name in COLUMNS if name not in found]:
                raise SinkError(f"The table {self._uri} has no column {', '.join(missing)}.", lasting=True)

    async def close(self) -> None:
        """Nothing stays open between batches."""

    def _write(self, batch: RecordBatch, options: dict[str, str]) -> None:
        delta = library("deltalake", EXTRA)
        rows = table_of(batch.records, EXTRA)
        try:
            if (table := self._table(options)) is None:
                # Empty at first: Delta tells two that append apart by their application, but not two that create.
                delta.DeltaTable.create(self._uri, rows.schema, mode="ignore", storage_options=options)
                table = self._table(options)
            written = table.transaction_version(batch.stream)
            if written is not None and written > batch.number:
                raise overtaken()
            if written == batch.number:
                return
            transaction = delta.Transaction(batch.stream, batch.number, batch.number)
            delta.write_deltalake(
                table, rows, mode="append", commit_properties=delta.CommitProperties(app_transactions=[transaction])
            )
        except delta.exceptions.CommitFailedError as error:
            raise SinkError(f"Another process wrote to {self._uri} meanwhile: {error}") from None
        except delta.exceptions.SchemaMismatchError:
            message = f"The columns of {self._uri} are not {', '.join(COLUMNS)}, of the types of a record."
            raise SinkError(message, lasting=True) from None
        except (delta.exceptions.DeltaError, OSError, ValueError) as error:
            raise failure_of(self._document, error) from None

    def _table(self, options: dict[str, str]) -> Any:
        """The table as it is now, None if it does not exist."""
        delta = library("deltalake", EXTRA)
        try:
            return delta.DeltaTable(self._uri, storage_options=options)
        except delta.exceptions.TableNotFoundError:
            return None
        except (delta.exceptions.DeltaError, OSError, ValueError) as error:
            raise failure_of(self._document, error) from None
