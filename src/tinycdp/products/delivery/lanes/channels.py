"""How deliveries are sent one by one: a channel for each type of destination.

Shape   DeliveryChannel: prepare(destination, delivery) → Outgoing, None if the person was erased · send(…) → SendResult
        Channels(reach).of(destination) → its channel
Laws    prepare is pure, and what it makes may be shown: variables are read in `send` alone.
        send never raises for what a receiver does; it says what became of it
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tinycdp.model import Instant
from tinycdp.products.delivery.definitions.schemas import FromVariable, OneByOneDestination, WebhookDocument
from tinycdp.products.delivery.destinations import Destination
from tinycdp.products.delivery.happenings import Happening
from tinycdp.products.delivery.lanes.sender import Sender, SendResult
from tinycdp.products.delivery.messages import MessageFacts, body_of, headers_of
from tinycdp.products.delivery.reach import Reach
from tinycdp.products.delivery.signing import SigningKey


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


class Channels:
    """The channels of a process."""

    def __init__(self, reach: Reach) -> None:
        self._of_type: dict[type[OneByOneDestination], DeliveryChannel] = {WebhookDocument: Webhooks(Sender(reach))}

    def of(self, destination: Destination) -> DeliveryChannel:
        """The channel of a destination that gets each message on its own."""
        return self._of_type[type(destination.document)]

    async def close(self) -> None:
        """Close all connections."""
        for channel in self._of_type.values():
            await channel.close()


def _values(headers: "dict[str, str | FromVariable]") -> dict[str, str]:
    """The values of headers; a variable that is not set gives none."""
    return {
        name: found
        for name, value in headers.items()
        if (found := value if isinstance(value, str) else os.environ.get(value.env, ""))
    }
