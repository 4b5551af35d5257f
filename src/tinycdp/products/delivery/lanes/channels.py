"""How deliveries are sent one by one: a channel for each type of destination.

Shape   DeliveryChannel: prepare(destination, delivery) → Outgoing, None if the person was erased · send(…) → SendResult
        Channels(reach).of(destination) → its channel
Laws    prepare is pure, and what it makes may be shown: variables are read in `send` alone.
        send never raises for what a receiver does; it says what became of it
"""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from tinycdp.model import Instant
from tinycdp.products.delivery.definitions.schemas import (
    BatchDestination,
    FromVariable,
    OneByOneDestination,
    WebhookDocument,
)
from tinycdp.products.delivery.destinations import Destination
from tinycdp.products.delivery.happenings import Happening
from tinycdp.products.delivery.lanes.sender import SECONDS, Sender, SendResult
from tinycdp.products.delivery.messages import MessageFacts, body_of, headers_of
from tinycdp.products.delivery.reach import Reach
from tinycdp.products.delivery.signing import SigningKey
from tinycdp.products.delivery.sinks.make import Sinks
from tinycdp.products.delivery.sinks.records import record_of
from tinycdp.products.delivery.sinks.sink import SinkError, line_of


@dataclass(frozen=True, slots=True)
class PlannedDelivery:
    """One attempt to deliver a happening.

    id       of the message, the same at every attempt
    now      of the attempt
    keys     that sign
    is_test  the test route made it"""

    id: str
    happening: Happening
    facts: MessageFacts
    now: Instant
    keys: Sequence[SigningKey]
    is_test: bool = False


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What is sent, without what only the destination knows.

    method, url  where; the method is empty for what is not HTTP"""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes


class DeliveryChannel(Protocol):
    """How one type of destinations sends."""

    def prepare(self, destination: Destination, delivery: PlannedDelivery) -> Outgoing | None:
        """What is sent, None if it is about a profile that was erased."""

    async def send(self, destination: Destination, outgoing: Outgoing) -> SendResult:
        """Send it once."""

    async def close(self) -> None:
        """Close all connections."""


class Webhooks:
    """Signed requests of Standard Webhooks."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def prepare(self, destination: Destination, delivery: PlannedDelivery) -> Outgoing | None:
        document = destination.document
        assert isinstance(document, WebhookDocument)
        body = body_of(delivery.happening, delivery.facts)
        if body is None:
            return None
        headers = headers_of(delivery.id, delivery.now, body, delivery.keys)
        if delivery.is_test:
            headers = {"webhook-test": "true", **headers}
        return Outgoing("POST", document.url, headers, body)

    async def send(self, destination: Destination, outgoing: Outgoing) -> SendResult:
        document = destination.document
        assert isinstance(document, WebhookDocument)
        headers = {**_values(document.headers), **outgoing.headers}
        return await self._sender.send(outgoing.method, outgoing.url, headers, outgoing.body)

    async def close(self) -> None:
        await self._sender.close()


class TestedSinks:
    """Tests of destinations that take batches: a record is shown, and the sink is looked at. Nothing is written."""

    def __init__(self, sinks: Sinks) -> None:
        self._sinks = sinks

    def prepare(self, destination: Destination, delivery: PlannedDelivery) -> Outgoing | None:
        record = record_of(delivery.id, delivery.happening, delivery.facts)
        return None if record is None else Outgoing("", "", {}, line_of(record))

    async def send(self, destination: Destination, outgoing: Outgoing) -> SendResult:
        document = destination.document
        assert isinstance(document, BatchDestination)
        loop = asyncio.get_running_loop()
        began, error, sink = loop.time(), "", self._sinks.of(document)
        try:
            async with asyncio.timeout(SECONDS):
                await sink.check()
        except SinkError as failure:
            error = failure.reason
        except TimeoutError:
            error = f"There was no answer within {SECONDS:.0f} seconds."
        finally:
            await sink.close()
        return SendResult(None, error, "", int((loop.time() - began) * 1000))

    async def close(self) -> None:
        """It holds nothing."""


class Channels:
    """The channels of a process."""

    def __init__(self, reach: Reach) -> None:
        sender = Sender(reach)
        self._of_type: dict[type[OneByOneDestination], DeliveryChannel] = {WebhookDocument: Webhooks(sender)}
        #: What takes batches.
        self.sinks = Sinks(reach, partial(sender.send, "POST"))
        self._tested = TestedSinks(self.sinks)

    def of(self, destination: Destination) -> DeliveryChannel:
        """The channel of a destination; of one that takes batches, what tests it."""
        document = destination.document
        return self._tested if isinstance(document, BatchDestination) else self._of_type[type(document)]

    async def close(self) -> None:
        """Close all connections."""
        await self.sinks.close()
        for channel in self._of_type.values():
            await channel.close()


def _values(headers: "dict[str, str | FromVariable]") -> dict[str, str]:
    """The values of headers; a variable that is not set gives none."""
    return {
        name: found
        for name, value in headers.items()
        if (found := value if isinstance(value, str) else os.environ.get(value.env, ""))
    }
