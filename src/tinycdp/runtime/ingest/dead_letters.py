"""Dead letters: messages that were accepted and could not be stored.

Shape   keep(…) stores one · page(…) and find(…) read · replay(…) tries again · discard(…) deletes
Laws    A message has one letter, however often it fails. An interrupted replay can be repeated: a message id counts
        once. A letter is deleted only when its message is stored, rejected or discarded.
Errors  NotFound for an unknown letter
Source  docs/decisions/0026-limits.md; docs/how-to/operate.md "Dead letters"
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Protocol

import msgspec

from tinycdp.errors import NotFound
from tinycdp.model import Instant, Message, Rejection
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.policies.rejections import storable, whole
from tinycdp.store import limits as store
from tinycdp.store.database.pool import UNSTORABLE, Connection, acquired, transaction
from tinycdp.times import iso

#: Letters of one replay: a group or two of ordinary ingestion.
MOST_AT_ONCE = 1_000
_LONGEST_ERROR = 1_000

_decode = msgspec.json.Decoder(Message, float_hook=Decimal).decode


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter.

    code  UNSTORABLE if the database rejected the message, INTERNAL for an internal error
    type, event, message_id  null if the payload cannot be read"""

    id: str
    code: str
    error: str
    type: str | None
    event: str | None
    message_id: str | None
    key: str | None
    attempts: int
    first_failed_at: str
    last_failed_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeLetter(Letter):
    """A dead letter with its payload: the message in its stored form, as JSON text."""

    payload: str


@dataclass(frozen=True, slots=True)
class Letters:
    """A page of letters. next: pass it as `before`; None on the last page."""

    dead_letters: list[Letter]
    next: str | None


@dataclass(frozen=True, slots=True)
class Replayed:
    """The outcome of a replay. next: the id of the last letter, if there may be more."""

    stored: int
    duplicates: int
    rejected: int
    failed: int
    next: str | None


class ReplayReceipt(Protocol):
    """The outcome of storing the messages of a replay."""

    @property
    def accepted(self) -> int: ...
    @property
    def duplicates(self) -> int: ...
    @property
    def dead(self) -> int: ...
    @property
    def rejected(self) -> Sequence[object]: ...


class Accepting(Protocol):
    """The ordinary path of messages; `Ingest` implements it."""

    async def accept(
        self, environment_id: int, messages: Sequence[Message], rejections: Sequence[Rejection]
    ) -> ReplayReceipt: ...


#: Splits messages into those that privacy rules still allow, and rejections of the others.
Admit = Callable[[int, Sequence[Message]], tuple[Sequence[Message], list[Rejection]]]


async def keep(
    connection: Connection,
    environment_id: int,
    digest: bytes,
    message: Message,
    api_key_id: int | None,
    fault: Exception,
    now: Instant,
) -> None:
    """Store a message with the error that prevented its storage."""
    code = "UNSTORABLE" if isinstance(fault, UNSTORABLE) else "INTERNAL"
    error = storable(f"{type(fault).__name__}: {fault}")[:_LONGEST_ERROR]
    await store.keep_dead_letter(connection, environment_id, digest, api_key_id, code, error, whole(message), now)


async def page(environment: Environment, before: int, code: str | None, n: int) -> Letters:
    """A page of letters, newest first."""
    async with acquired(environment.pool) as connection:
        rows = await store.list_dead_letters(connection, environment.id, before, code, n)
    found = [_letter(row) for row in rows]
    return Letters(found, found[-1].id if len(rows) == n else None)


async def find(environment: Environment, id: int) -> WholeLetter:
    """One letter with its message."""
    async with acquired(environment.pool) as connection:
        rows = await store.list_dead_letters(connection, environment.id, id + 1, None, 1)
    if not rows or rows[0].id != id:
        raise _unknown()
    payload = rows[0].payload.decode("utf-8", "replace")
    return WholeLetter(**asdict(_letter(rows[0])), payload=payload)


async def replay(
    environment: Environment, ingest: Accepting, admit: Admit, ids: Sequence[int] | None, code: str | None, after: int
) -> Replayed:
    """Try letters again, oldest first.

    The letters are those of `ids`, or all with a code, or all. They went through the pipeline on arrival; only privacy
    rules are applied again, so that messages of suppressed identifiers are rejected."""
    async with acquired(environment.pool) as connection:
        rows = await store.oldest_dead_letters(connection, environment.id, ids, code, after, MOST_AT_ONCE)
    if ids is not None and not rows:
        raise _unknown()
    readable = [(row, message) for row in rows if (message := _message(row.payload)) is not None]
    messages, rejected = admit(environment.id, [message for _, message in readable])
    receipt = await ingest.accept(environment.id, messages, rejected)
    async with transaction(environment.pool) as connection:
        # A letter that failed again has a higher count of attempts by now, and stays.
        tried = [(row.id, row.attempts) for row, _ in readable]
        await store.settle_dead_letters(connection, environment.id, tried)
    return Replayed(
        receipt.accepted,
        receipt.duplicates,
        len(rejected) + len(receipt.rejected),
        receipt.dead + len(rows) - len(readable),
        str(rows[-1].id) if len(rows) == MOST_AT_ONCE else None,
    )


async def discard(
    environment: Environment, ids: Sequence[int] | None, code: str | None, *, dry_run: bool = False
) -> int:
    """Delete letters: those of `ids`, or all with a code. Returns their number."""
    async with transaction(environment.pool, dry_run=dry_run) as connection:
        return await store.discard_dead_letters(connection, environment.id, ids, code)


def _letter(row: store.DeadLetterRow) -> Letter:
    message = _message(row.payload)
    return Letter(
        str(row.id),
        row.code,
        row.error,
        message.kind if message is not None else None,
        message.name if message is not None else None,
        message.message_id if message is not None else None,
        row.key_name,
        row.attempts,
        iso(row.first_failed_at),
        iso(row.last_failed_at),
    )


def _message(payload: bytes) -> Message | None:
    try:
        return _decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _unknown() -> NotFound:
    return NotFound("NOT_FOUND", "There is no such dead letter: it was stored or discarded.")
