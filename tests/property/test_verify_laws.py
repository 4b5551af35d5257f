"""Whatever arrives, in whatever order and company, what is kept of people is what their raw events say: random
definitions, published before, between and after random messages of people who share devices, verified at every edge."""

import itertools
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, note
from hypothesis import strategies as st
from test_sql_oracle import sound

import serving
from laws import examples
from serving import ManualClock, new_environment
from strategies.histories import instants
from strategies.oddities import PLACE, definitions, people
from tinycdp.app import Parts
from tinycdp.model import Identifier, IdentifierKind, Message
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.definitions.publish import apply_documents
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.profiles.verify import verify
from tinycdp.runtime.worker.loops import Worker

law = examples(12, deep=300)
_numbers = itertools.count(1)
CLOCK = ManualClock(0)


@pytest.fixture
async def service(dsn: str) -> AsyncIterator[Parts]:
    async with serving.services(dsn, 1, CLOCK) as [started]:
        yield started


@law
@given(place=PLACE, sources=definitions(), data=st.data())
async def test_what_is_kept_is_what_raw_events_say(
    service: Parts, place: tuple[str, tuple[str, ...]], sources: list[tuple[str, str, str]], data: st.DataObject
) -> None:
    sources, _ = sound(sources)
    crowd = [data.draw(people(place)) for _ in range(data.draw(st.integers(1, 3)))]
    owner = data.draw(st.randoms(use_true_random=False))
    arriving = sorted(
        (sent_by(message, n, owner) for n, history in enumerate(crowd) for message in history.messages),
        key=lambda message: message.received_at,
    )
    moments = sorted(data.draw(instants(history)) for history in crowd for _ in range(3))
    early = data.draw(st.integers(0, len(sources)))
    CLOCK.now = min([*moments, *(message.received_at for message in arriving)], default=0)
    environment_id = await new_environment(service.pool, f"e{next(_numbers)}", {}, CLOCK.now)
    await service.pool.execute("UPDATE environments SET zone = $2 WHERE id = $1", environment_id, place[0])
    worker = Worker(service.pool, Catalogs(), CLOCK)

    async def publish(some: list[tuple[str, str, str]]) -> None:
        if some:
            await apply_documents(service.environment(environment_id), [document(some)], Edit("test", CLOCK.now))
            while data.draw(st.booleans()) and await worker.backfill():
                pass

    async def look() -> None:
        report = await verify(Environment(environment_id, service.pool, CLOCK), sample=None)
        note(f"at {CLOCK.now}")
        assert (report.listed, report.incomplete) == ([], 0)

    await publish(sources[:early])
    published = early
    for at in moments:
        batch: list[Message] = []
        while arriving and arriving[0].received_at <= at:
            batch.append(arriving.pop(0))
            if not arriving or arriving[0].received_at != batch[-1].received_at or data.draw(st.booleans()):
                CLOCK.now = batch[-1].received_at
                await service.ingest.accept(environment_id, batch)
                batch = []
        if batch:
            await service.ingest.accept(environment_id, batch)
        CLOCK.now = at
        if published < len(sources) and data.draw(st.booleans()):
            await publish(sources[published:])
            published = len(sources)
        await look()
        if data.draw(st.booleans()):
            await worker.wake_due()
            await worker.backfill()
            await look()
    while await worker.backfill():
        pass
    await look()


def sent_by(message: Message, n: int, random: Random) -> Message:
    """The message as person n's, by their user id, a device that others use too, or both."""
    user, device = (
        Identifier(IdentifierKind.USER, f"u{n}"),
        Identifier(IdentifierKind.ANONYMOUS, f"d{random.randrange(3)}"),
    )
    return msgspec.structs.replace(
        message,
        message_id=f"{n} {message.message_id}",
        identifiers=random.choice([(user,), (user,), (user, device), (device,)]),
        context={} if message.active else {"active": False},
    )


def document(sources: list[tuple[str, str, str]]) -> dict[str, Any]:
    return {
        "traits": [{"key": key, "expression": text} for kind, key, text in sources if kind == "trait"],
        "segments": [{"key": key, "rule": text} for kind, key, text in sources if kind == "segment"],
    }
