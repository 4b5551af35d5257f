"""What a batch is, and what takes one.

Shape   SinkRecord · RecordBatch · Sink: write(batch), check(), close() · SinkError: why it failed
        line_of(record): as JSON
Laws    writing a batch again changes nothing, where the sink can tell: `stream` and `number` name it for good, and of
        one stream the numbers of later batches are greater. Batches of one stream are written in order
Errors  SinkError; its reason has no values of records, and no secrets
Source  docs/reference/sinks.md, docs/decisions/0047-sinks.md
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, TypeVar

import msgspec

from tinycdp.model import Instant
from tinycdp.products.delivery.definitions.schemas import SecretVariable
from tinycdp.times import iso

_LONGEST_REASON = 500
#: Threads of sinks alone: one that waits for a broker which is away holds up no other work of the process.
_threads = ThreadPoolExecutor(64, "sinks")
T = TypeVar("T")


class SinkError(Exception):
    """A batch was not written, or a check failed. lasting: trying again changes nothing before a person acts"""

    def __init__(self, reason: str, *, lasting: bool = False) -> None:
        shown = " ".join(reason.split())[:_LONGEST_REASON]
        super().__init__(shown)
        self.reason = shown
        self.lasting = lasting


def overtaken() -> SinkError:
    """Of a batch with a smaller number than the newest one that the sink has: batches come in order from one place."""
    message = "A later batch of this destination is there. Does a copy of this installation's database deliver, too?"
    return SinkError(message, lasting=True)


@dataclass(frozen=True, slots=True)
class SinkRecord:
    """One happening as a row: the same columns in every sink.

    data  JSON: what the body of a webhook has there"""

    id: str
    type: str
    at: Instant
    environment: str
    version: int
    cause: str
    segment: str | None
    profile: str | None
    data: bytes


#: The columns of a record, in the order of its fields.
COLUMNS = ("id", "type", "timestamp", "environment", "version", "cause", "segment", "profile", "data")


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Consecutive records of a destination.

    stream  of the destination, unique in the world: two installations may write to one table
    number  of the batch; the instant at which its bounds were stored, or more"""

    stream: str
    number: int
    first: int
    last: int
    records: Sequence[SinkRecord]

    @property
    def name(self) -> str:
        """A name of its own that sorts by the numbers of the log."""
        return f"{self.first:012d}-{self.last:012d}-{self.stream[:8]}-{self.number:x}"


class Sink(Protocol):
    """What takes batches."""

    async def write(self, batch: RecordBatch) -> None:
        """Write a batch, or find that it was written. Raises SinkError."""

    async def check(self) -> None:
        """Connect, and look whether a batch could be written. Raises SinkError."""

    async def close(self) -> None:
        """Close all connections."""


def line_of(record: SinkRecord) -> bytes:
    """A record as a JSON object."""
    return msgspec.json.encode(
        {
            "id": record.id,
            "type": record.type,
            "timestamp": iso(record.at),
            "environment": record.environment,
            "version": record.version,
            "cause": record.cause,
            "segment": record.segment,
            "profile": record.profile,
            "data": msgspec.Raw(record.data),
        }
    )


def secret_of(variable: SecretVariable) -> str:
    """The value of a variable of this process."""
    value = os.environ.get(variable.env, "")
    if not value:
        raise SinkError(f"The variable {variable.env} is not set in the environment of this process.", lasting=True)
    return value


async def in_thread(function: Callable[..., T], *arguments: Any) -> T:
    """What a function returns that blocks."""
    return await asyncio.get_running_loop().run_in_executor(_threads, function, *arguments)


def library(name: str, extra: str) -> Any:
    """A package that an installation may lack."""
    try:
        return import_module(name)
    except ImportError:
        message = f"This needs the package {name.partition('.')[0]}: pip install 'tinycdp[{extra}]'."
        raise SinkError(message, lasting=True) from None
