"""How deliveries are sent one by one: a channel for each type of destination.

Shape   DeliveryChannel: prepare(destination, delivery) → Outgoing, None if the person was erased · send(…) → SendResult
        Channels(reach).of(destination) → its channel · only_unsendable(destination), around both
Laws    prepare is pure, and what it makes may be shown: variables are read in `send` alone.
        A request of a template goes to the host of its document, whatever the values are
        send never raises for what a receiver does; it says what became of it
        What one message makes prepare or send raise never stops the others: `only_unsendable` holds for all of them
Errors  Unsendable: nothing can be sent, and the receiver has no part in it
"""

import asyncio
import logging
import os
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol
from urllib.parse import quote

import msgspec

from tinycdp.errors import TinyCDPError
from tinycdp.model import Instant
from tinycdp.products.delivery.definitions.requests import RequestPlan
from tinycdp.products.delivery.definitions.schemas import (
    BatchDestination,
    FromVariable,
    HttpDocument,
    OneByOneDestination,
    SmtpDocument,
    WebhookDocument,
)
from tinycdp.products.delivery.destinations import Destination
from tinycdp.products.delivery.happenings import Happening
from tinycdp.products.delivery.lanes.mail import MailMessage, date_header, id_header, mail_of, send_mail
from tinycdp.products.delivery.lanes.sender import SECONDS, Sender, SendResult, Unsendable
from tinycdp.products.delivery.mapping.formats import text_of
from tinycdp.products.delivery.mapping.nodes import RecordTooLarge
from tinycdp.products.delivery.mapping.urls import BadUrl
from tinycdp.products.delivery.messages import MessageFacts, body_of, fields_of, headers_of, values_of
from tinycdp.products.delivery.reach import Reach
from tinycdp.products.delivery.signing import SigningKey
from tinycdp.products.delivery.sinks.make import Sinks
from tinycdp.products.delivery.sinks.records import record_of
from tinycdp.products.delivery.sinks.sink import SinkError, line_of

log = logging.getLogger(__name__)
#: When a failure that was not expected was logged, by destination and name.
_logged_at: dict[tuple[int, str], float] = {}

_encode = msgspec.json.Encoder(decimal_format="number").encode
_MOST_BYTES = 256_000
#: A batch has megabytes, and its target may write them to disks first.
_BATCH_SECONDS = 60.0
_REMIND_SECONDS = 60.0


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

    method, url  where; the method is empty for what is not HTTP. A place of the URL that a variable fills is open
    variables    of these places
    success      statuses that mean delivered, beside 2xx"""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes
    variables: Mapping[str, FromVariable] = field(default_factory=dict)
    success: tuple[int, ...] = ()


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
        result = await self._sender.send(outgoing.method, outgoing.url, headers, outgoing.body)
        return replace(result, is_gone=result.status == 410)

    async def close(self) -> None:
        await self._sender.close()


def request_of(
    plan: RequestPlan, id: str, fields: Mapping[str, Any], values: Mapping[str, Any], unmapped: Callable[[], bytes]
) -> Outgoing:
    """The request of a plan. unmapped: its body if the plan has no mapping."""
    body = b""
    if plan.body is not None:
        body = _encode(plan.body.record(fields, values))
    elif plan.has_body:
        body = unmapped()
    if len(body) > _MOST_BYTES:
        raise Unsendable(f"The body has {len(body):,} bytes; at most {_MOST_BYTES:,} are sent.")
    places = {name: text_of(one.record(fields, values)) or "" for name, one in plan.parameters.items()}
    url = plan.url.filled(places, {name: f"{{{name}}}" for name in plan.variables})
    headers = {"Idempotency-Key": id, **({"Content-Type": "application/json"} if body else {})}
    return Outgoing(plan.method, url, headers, body, plan.variables, plan.success)


class HttpRequests:
    """Requests in a receiver's own form."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def prepare(self, destination: Destination, delivery: PlannedDelivery) -> Outgoing | None:
        happening, facts = delivery.happening, delivery.facts
        fields = fields_of(delivery.id, happening, facts)
        if fields is None:
            return None
        assert destination.plans is not None
        plan, values = destination.plans.of(happening.type), values_of(happening, facts)
        return request_of(plan, delivery.id, fields, values, lambda: body_of(happening, facts) or b"")

    async def send(self, destination: Destination, outgoing: Outgoing) -> SendResult:
        document = destination.document
        assert isinstance(document, HttpDocument)
        url = outgoing.url
        for name, variable in outgoing.variables.items():
            url = url.replace(f"{{{name}}}", quote(_set(variable), safe="/"))
        own = {name: value if isinstance(value, str) else _set(value) for name, value in document.headers.items()}
        said = {name.lower() for name in own}
        headers = {name: value for name, value in outgoing.headers.items() if name.lower() not in said} | own
        result = await self._sender.send(outgoing.method, url, headers, outgoing.body, is_encoded=True)
        return replace(result, error="") if result.status in outgoing.success else result

    async def close(self) -> None:
        """The sender is that of webhooks."""


class Mails:
    """E-mails that a server sends on."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    def prepare(self, destination: Destination, delivery: PlannedDelivery) -> Outgoing | None:
        document, mapping = destination.document, destination.record
        assert isinstance(document, SmtpDocument)
        assert mapping is not None
        fields = fields_of(delivery.id, delivery.happening, delivery.facts)
        if fields is None:
            return None
        mail = mail_of(document, mapping.record(fields, values_of(delivery.happening, delivery.facts)))
        headers = {"Message-ID": id_header(document, delivery.id), "Date": date_header(delivery.now)}
        return Outgoing("", "", headers, msgspec.json.encode(mail))

    async def send(self, destination: Destination, outgoing: Outgoing) -> SendResult:
        document = destination.document
        assert isinstance(document, SmtpDocument)
        return await send_mail(
            document, self._reach, msgspec.json.decode(outgoing.body, type=MailMessage), outgoing.headers
        )

    async def close(self) -> None:
        """A connection is used once."""


class TestedSinks:
    """Tests of destinations that take batches: a record is shown, and the sink is looked at. Nothing is written."""

    def __init__(self, sinks: Sinks) -> None:
        self._sinks = sinks

    def prepare(self, destination: Destination, delivery: PlannedDelivery) -> Outgoing | None:
        record = record_of(delivery.id, delivery.happening, delivery.facts, destination.record)
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
        except Exception as failure:
            log.exception("a test of destination %s failed", destination.key)
            error = f"{type(failure).__name__}; the server's log has more."
        finally:
            await sink.close()
        return SendResult(None, error, "", int((loop.time() - began) * 1000))

    async def close(self) -> None:
        """It holds nothing."""


class Channels:
    """The channels of a process."""

    def __init__(self, reach: Reach) -> None:
        sender = Sender(reach)
        self._of_type: dict[type[OneByOneDestination], DeliveryChannel] = {
            WebhookDocument: Webhooks(sender),
            HttpDocument: HttpRequests(sender),
            SmtpDocument: Mails(reach),
        }
        #: What takes batches.
        self.sinks = Sinks(reach, partial(sender.send, "POST", seconds=_BATCH_SECONDS))
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


@contextmanager
def only_unsendable(destination: Destination) -> Iterator[None]:
    """Whatever goes wrong with one message becomes Unsendable: it must not stop the others."""
    try:
        yield
    except Unsendable:
        raise
    except (BadUrl, RecordTooLarge) as reason:
        raise Unsendable(str(reason)) from None
    except TinyCDPError as reason:
        raise Unsendable(reason.message) from None
    except Exception as failure:
        name, now = type(failure).__name__, time.monotonic()
        if now - _logged_at.get((destination.id, name), -_REMIND_SECONDS) >= _REMIND_SECONDS:
            _logged_at[destination.id, name] = now
            # Without its text, which may have values of people.
            places = "".join(traceback.format_tb(failure.__traceback__))
            log.error("destination %s: a message cannot be sent: %s\n%s", destination.key, name, places)
        raise Unsendable(f"{name}; the log of this process has more.") from None


def _values(headers: "dict[str, str | FromVariable]") -> dict[str, str]:
    """The values of headers; a variable that is not set gives none."""
    return {
        name: found for name, value in headers.items() if (found := value if isinstance(value, str) else _value(value))
    }


def _value(variable: FromVariable) -> str:
    """The value of a variable with its prefix, "" if it is not set."""
    found = os.environ.get(variable.env, "")
    return variable.prefix + found if found else ""


def _set(variable: FromVariable) -> str:
    if not (found := _value(variable)):
        raise Unsendable(f"The variable {variable.env} is not set where this runs; set it, and restart.")
    return found
