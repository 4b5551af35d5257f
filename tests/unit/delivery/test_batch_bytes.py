"""How large a batch is: what one may hold in memory, whatever records are."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from tinycdp.products.delivery.definitions.schemas import PostgresDocument
from tinycdp.products.delivery.destinations import Destination
from tinycdp.products.delivery.happenings import Happening, Type, WantedHappenings
from tinycdp.products.delivery.lanes import batches
from tinycdp.products.delivery.lanes.batches import BatchLane
from tinycdp.products.delivery.mapping.reading import read_mapping
from tinycdp.products.delivery.messages import MessageFacts, ProfileFacts
from tinycdp.products.delivery.sinks.sink import SinkError
from tinycdp.products.delivery.store.batches import BatchRow

EVENTS: tuple[Type, ...] = ("segment.entered",)
HAPPENINGS = [Happening(seq, seq, 0, "segment.entered", 7, object_id=1, cause="event") for seq in range(10, 2_010)]


class Facts:
    """Destinations whose facts are those of one person, with a value of some length."""

    def __init__(self, length: int) -> None:
        self.length, self.problem, self.asked = length, "", 0

    async def facts(self, *_: Any) -> MessageFacts:
        self.asked += 1
        person = ProfileFacts(7, [("email", "x" * self.length)])
        return MessageFacts("prod", {7: person}, {1: ("big", "Big")}, problem=self.problem)


@pytest.fixture
def facts(monkeypatch: pytest.MonkeyPatch) -> Facts:
    @asynccontextmanager
    async def acquired(_: Any) -> AsyncIterator[None]:
        yield None

    async def read(lane: BatchLane, after: int, upto: int, n: int) -> Sequence[Happening]:
        return [one for one in HAPPENINGS if after < one.seq <= upto][:n]

    monkeypatch.setattr(batches, "acquired", acquired)
    monkeypatch.setattr(BatchLane, "_read", read)
    monkeypatch.setattr(batches, "MOST_BYTES", 1_000_000)
    return Facts(100)


def lane_of(facts: Facts) -> BatchLane:
    mapping, _ = read_mapping({"field": "identifier.email"})
    document = PostgresDocument(host="example.com", database="d", user="u", events=EVENTS)
    destination = Destination(1, "x", document, WantedHappenings(frozenset(EVENTS), None, None), record=mapping)
    lane = BatchLane(
        cast("Any", type("E", (), {"id": 1, "pool": None})), destination, cast("Any", facts), cast("Any", 0)
    )
    lane._held = list(HAPPENINGS)
    return lane


def pending(n: int, attempts: int = 0) -> BatchRow:
    return BatchRow(5, HAPPENINGS[0].seq, HAPPENINGS[n - 1].seq, n, attempts, 0, "")


@pytest.mark.parametrize(("length", "rows"), [(100, 2_000), (1_000, 768), (200_000, 4)])
async def test_a_batch_ends_where_it_has_its_bytes(facts: Facts, length: int, rows: int) -> None:
    facts.length = length
    lane = lane_of(facts)
    assert await lane._measure() == rows
    asked = facts.asked
    records = await lane._records(pending(rows))
    assert (len(records), facts.asked) == (rows, asked), "those that were measured"
    again = await lane._records(pending(rows, attempts=1))
    assert again == records
    assert facts.asked > asked, "made again, as people may be erased"


async def test_records_that_cannot_be_measured_are_few(facts: Facts) -> None:
    facts.problem = "An expression is outdated."
    lane = lane_of(facts)
    assert await lane._measure() == 100
    with pytest.raises(SinkError, match="outdated"):
        await lane._records(pending(100))
    facts.problem, facts.length = "", 5_000
    assert len(await lane._records(pending(100, attempts=1))) == 100


async def test_a_batch_that_another_document_makes_too_large_is_refused(facts: Facts) -> None:
    lane = lane_of(facts)
    assert await lane._measure() == 2_000
    facts.length = 2_000
    with pytest.raises(SinkError, match="smaller") as refused:
        await lane._records(pending(2_000, attempts=1))
    assert refused.value.lasting
