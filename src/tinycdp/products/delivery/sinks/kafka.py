"""Batches as messages of Kafka's protocol: at least once, and in order for each person.

Laws    the producer is idempotent: what it repeats itself arrives once. A batch that is written again after a crash
        arrives again, with the same header `id` in each message. Messages of one person have one key, so they are in
        one partition, in order
Errors  SinkError
"""

import logging
from collections.abc import Sequence
from typing import Any

from tinycdp.products.delivery.definitions.schemas import KafkaDocument
from tinycdp.products.delivery.reach import NotAllowed, Reach
from tinycdp.products.delivery.sinks.sink import (
    RecordBatch,
    SinkError,
    SinkRecord,
    in_thread,
    library,
    line_of,
    secret_of,
)

EXTRA = "kafka"
_WRITE_SECONDS, _CHECK_SECONDS = 30.0, 5.0
#: Less than `message.max.bytes`, which counts the key and the headers.
_MOST_BYTES = 990_000
#: What the library says of itself, which would be a line for each connection that is refused.
_quiet = logging.getLogger("tinycdp.kafka")
_quiet.setLevel(logging.CRITICAL)

#: A person has to act on these.
_LASTING = frozenset(
    {
        "CLUSTER_AUTHORIZATION_FAILED", "INVALID_CONFIG", "MSG_SIZE_TOO_LARGE", "SASL_AUTHENTICATION_FAILED",
        "TOPIC_AUTHORIZATION_FAILED", "TOPIC_EXCEPTION", "UNKNOWN_TOPIC_OR_PART", "_AUTHENTICATION", "_SSL",
        "_UNKNOWN_PARTITION", "_UNKNOWN_TOPIC",
    }
)  # fmt: skip


class KafkaSink:
    """A topic."""

    def __init__(self, document: KafkaDocument, reach: Reach) -> None:
        self._document = document
        self._reach = reach
        self._producer: Any = None
        self._last: Any = None

    async def write(self, batch: RecordBatch) -> None:
        """Produce a message for each record, and wait for all of them."""
        try:
            await in_thread(self._write, batch.records)
        except BaseException:
            await self.close()  # nothing that was given up arrives later
            raise

    async def check(self) -> None:
        """Ask a broker for the topic."""
        await in_thread(self._ask)

    async def close(self) -> None:
        """Give up what was not acknowledged."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.purge()
            await in_thread(producer.flush, 1.0)

    def _write(self, records: Sequence[SinkRecord]) -> None:
        producer, failed = self._connected(), []

        def arrived(error: Any, _: Any) -> None:
            if error is not None:
                failed.append(error)

        kafka = library("confluent_kafka", EXTRA)
        lines = [line_of(record) for record in records]
        if (longest := max(map(len, lines), default=0)) > _MOST_BYTES:  # found before a part of the batch is sent
            raise SinkError(f"A record has {longest:,} bytes; a message has {_MOST_BYTES:,} at most.", lasting=True)
        try:
            for record, line in zip(records, lines, strict=True):
                producer.produce(
                    self._document.topic,
                    line,
                    key=record.profile or record.id,
                    headers={"id": record.id, "type": record.type},
                    timestamp=max(record.at, 0),
                    on_delivery=arrived,
                )
                producer.poll(0)
        except kafka.KafkaException as error:
            raise self._failure(error.args[0]) from None
        except BufferError:
            raise SinkError("The broker takes messages more slowly than they come.") from None
        left = producer.flush(_WRITE_SECONDS + 5)
        if failed or left:
            raise self._failure(failed[0] if failed else None)

    def _ask(self) -> None:
        kafka = library("confluent_kafka", EXTRA)
        producer, topic = self._connected(), self._document.topic
        try:
            found = producer.list_topics(topic, timeout=_CHECK_SECONDS).topics[topic]
        except kafka.KafkaException as error:
            raise self._failure(error.args[0]) from None
        if found.error is not None:
            raise self._failure(found.error)

    def _failure(self, error: Any) -> SinkError:
        """What went wrong; a message that timed out did so for another reason, which a poll tells."""
        self._producer.poll(0)
        if error is None or error.name() in ("_MSG_TIMED_OUT", "_TIMED_OUT", "_TRANSPORT", "_ALL_BROKERS_DOWN"):
            error = self._last or error
        if error is None:
            return SinkError("The broker acknowledged nothing in time.")
        return SinkError(f"Kafka: {error.str()}", lasting=error.name() in _LASTING)

    def _connected(self) -> Any:
        if self._producer is None:
            kafka = library("confluent_kafka", EXTRA)
            self._last = None
            try:
                self._producer = kafka.Producer(self._configured(), logger=_quiet)
            except (kafka.KafkaException, ValueError) as error:
                raise SinkError(f"Kafka: {error}", lasting=True) from None
        return self._producer

    def _configured(self) -> dict[str, Any]:
        document = self._document
        try:
            for broker in document.hosts():
                self._reach.place_for(broker)
        except NotAllowed as error:
            raise SinkError(f"The address is refused: {error}", lasting=True) from None

        def noted(error: Any) -> None:
            if error.name() != "_ALL_BROKERS_DOWN" or self._last is None:
                self._last = error

        found: dict[str, Any] = {
            "bootstrap.servers": ",".join(document.brokers),
            "client.id": "tinycdp",
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 20,
            "message.timeout.ms": int(_WRITE_SECONDS * 1000),
            "error_cb": noted,
            "security.protocol": ("SASL_" if document.user else "") + ("SSL" if document.tls else "PLAINTEXT"),
        }
        if document.ca is not None:
            found["ssl.ca.pem"] = secret_of(document.ca)
        if document.user:
            found |= {"sasl.mechanism": document.mechanism, "sasl.username": document.user}
            if document.password is not None:
                found["sasl.password"] = secret_of(document.password)
        return found
