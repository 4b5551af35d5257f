"""The sink of a document.

Shape   Sinks(reach, post).of(document) → Sink · close()
"""

from tinycdp.products.delivery.definitions.schemas import (
    BatchDestination,
    ClickHouseDocument,
    DeltaDocument,
    KafkaDocument,
    PostgresDocument,
    S3Document,
)
from tinycdp.products.delivery.reach import Reach
from tinycdp.products.delivery.sinks.clickhouse import ClickHouseSink, Post
from tinycdp.products.delivery.sinks.delta import DeltaSink
from tinycdp.products.delivery.sinks.kafka import KafkaSink
from tinycdp.products.delivery.sinks.postgres import PostgresSink
from tinycdp.products.delivery.sinks.relay import Relay
from tinycdp.products.delivery.sinks.s3 import S3Sink
from tinycdp.products.delivery.sinks.sink import Sink


class Sinks:
    """What the sinks of a process share. post: sends a request, as webhooks are sent"""

    def __init__(self, reach: Reach, post: Post) -> None:
        self._reach = reach
        self._post = post
        self._relay = Relay(reach)

    def of(self, document: BatchDestination) -> Sink:
        """A sink of its own; it is closed by its user."""
        match document:
            case PostgresDocument():
                return PostgresSink(document, self._reach)
            case ClickHouseDocument():
                return ClickHouseSink(document, self._post)
            case S3Document():
                return S3Sink(document, self._reach, self._relay)
            case DeltaDocument():
                return DeltaSink(document, self._reach, self._relay)
            case KafkaDocument():
                return KafkaSink(document, self._reach)
        raise TypeError(type(document).__name__)

    async def close(self) -> None:
        """Close the way out."""
        await self._relay.close()
