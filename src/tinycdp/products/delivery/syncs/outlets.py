"""How the records of a sync are sent: one request for each, over a channel.

Shape   SyncOutlet(environment, sync, destination, channel).send(send, document) → SyncAnswer
        message_of(…): what is sent, also for previews
Laws    the id of a message is that of its send: the same at every attempt, and of no other record
Source  docs/reference/syncs.md
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgspec

from tinycdp.model import Instant
from tinycdp.products.delivery.definitions.schemas import HttpDocument, OneByOneDestination, WebhookDocument
from tinycdp.products.delivery.definitions.syncs.requests import plans_of_records
from tinycdp.products.delivery.definitions.syncs.schemas import SyncDocument
from tinycdp.products.delivery.destinations import Destination
from tinycdp.products.delivery.lanes.channels import DeliveryChannel, Outgoing, only_unsendable, request_of
from tinycdp.products.delivery.lanes.lane import keys_of
from tinycdp.products.delivery.lanes.sender import Unsendable
from tinycdp.products.delivery.ledger import RecordSend
from tinycdp.products.delivery.messages import headers_of
from tinycdp.products.delivery.signing import SigningKey
from tinycdp.products.delivery.syncs.records import key_of, payload_of
from tinycdp.runtime.environment import Environment
from tinycdp.times import iso

_KEYS_SECONDS = 1.0
_encode = msgspec.json.Encoder(decimal_format="number").encode


@dataclass(frozen=True, slots=True)
class SyncAnswer:
    """What became of a record. error: "" if the receiver has it now; is_away: whatever is sent, it fails"""

    error: str
    is_away: bool = False
    retry_after: float = 0.0


@dataclass(frozen=True, slots=True)
class SyncPlace:
    """Where records come from, as messages say it."""

    environment_id: int
    environment: str
    definition_id: int
    sync: str


def id_of(place: SyncPlace, send: RecordSend) -> str:
    """The id of a message: the same at every attempt."""
    # After a database was restored, a number may be given again, to another record.
    what = send.hash or blake2b(f"{send.operation} {send.match_key}".encode(), digest_size=16).digest()
    return f"sync_{place.environment_id}_{place.definition_id}_{send.number}_{what.hex()[:12]}"


def message_of(
    place: SyncPlace,
    destination: Destination,
    send: RecordSend,
    document: SyncDocument,
    now: Instant,
    keys: Sequence[SigningKey],
) -> Outgoing:
    """What is sent for one record."""
    to, id, record = destination.document, id_of(place, send), payload_of(send, document)
    if isinstance(to, HttpDocument):
        fields = {
            "environment": place.environment,
            "sync": place.sync,
            "operation": send.operation,
            "profile": {"id": str(send.profile_id)},
            "record": record,
            "key": key_of(send),
        }
        plan = plans_of_records(document, to)[send.operation]
        return request_of(plan, id, fields, {}, lambda: _encode(record))
    assert isinstance(to, WebhookDocument)
    body = _encode(
        {
            "type": f"record.{send.operation}",
            "timestamp": iso(now),
            "data": {
                "environment": place.environment,
                "sync": place.sync,
                "profile": {"id": str(send.profile_id)},
                "key": msgspec.json.decode(send.match_key),
                "record": record,
            },
        }
    )
    return Outgoing("POST", to.url, headers_of(id, now, body, keys), body)


class SyncOutlet:
    """Sends the records of one sync, as fast as its destination allows."""

    def __init__(
        self, environment: Environment, place: SyncPlace, destination: Destination, channel: DeliveryChannel
    ) -> None:
        self._environment, self._place = environment, place
        self._destination, self._channel = destination, channel
        document = destination.document
        assert isinstance(document, OneByOneDestination), "checked when it is saved"
        self._to = document
        self._keys: tuple[float, list[SigningKey]] = (float("-inf"), [])
        self._next_at = 0.0
        self._reading = asyncio.Lock()

    @property
    def at_once(self) -> int:
        """How many may be sent at once."""
        return self._to.concurrency

    async def send(self, send: RecordSend, document: SyncDocument) -> SyncAnswer:
        """Send one record; never raises for what a receiver does, or for what is wrong with the record."""
        await self._pace()
        keys = await self._signing() if isinstance(self._to, WebhookDocument) else []
        try:
            with only_unsendable(self._destination):
                outgoing = message_of(self._place, self._destination, send, document, self._environment.now(), keys)
                result = await self._channel.send(self._destination, outgoing)
        except Unsendable as reason:
            return SyncAnswer(str(reason))
        if result.is_delivered:
            return SyncAnswer("")
        error = f"{result.error} {result.answer[:200]}".strip()
        return SyncAnswer(error, result.is_away, result.retry_after or 0.0)

    async def _pace(self) -> None:
        """Wait for the turn that the rate gives."""
        if not (rate := self._to.rate):
            return
        now = asyncio.get_running_loop().time()
        self._next_at = max(self._next_at, now) + 1 / rate
        await asyncio.sleep(self._next_at - 1 / rate - now)

    async def _signing(self) -> list[SigningKey]:
        async with self._reading:
            read_at, keys = self._keys
            now = asyncio.get_running_loop().time()
            if now - read_at > _KEYS_SECONDS:
                keys = await keys_of(self._environment, self._destination.id)
                self._keys = (now, keys)
            return keys


def decoded(outgoing: Outgoing) -> Any:
    """The body of what is sent, as JSON."""
    return msgspec.json.decode(outgoing.body)
