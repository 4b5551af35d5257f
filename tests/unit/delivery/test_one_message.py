"""What one message does to a lane: nothing, whatever is wrong with it."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from email.headerregistry import Address
from typing import Any, cast
from urllib.parse import unquote

import aiohttp
import msgspec
import pytest
from yarl import URL

from tinycdp.products.delivery.definitions.requests import plans_of
from tinycdp.products.delivery.definitions.schemas import ADDRESS, HttpDocument, PostgresDocument, WebhookDocument
from tinycdp.products.delivery.destinations import Destination
from tinycdp.products.delivery.happenings import Happening, WantedHappenings
from tinycdp.products.delivery.lanes import lane as lanes
from tinycdp.products.delivery.lanes.batches import BatchLane
from tinycdp.products.delivery.lanes.channels import HttpRequests, PlannedDelivery
from tinycdp.products.delivery.lanes.lane import Lane
from tinycdp.products.delivery.lanes.order import LaneItem
from tinycdp.products.delivery.lanes.sender import Sender, SendResult, reason_of
from tinycdp.products.delivery.mapping.reading import read_mapping
from tinycdp.products.delivery.mapping.urls import read_url
from tinycdp.products.delivery.messages import MessageFacts, ProfileFacts
from tinycdp.products.delivery.reach import Reach
from tinycdp.products.delivery.signing import PackageMissing
from tinycdp.products.delivery.sinks.records import record_of

EVENTS = ("segment.entered",)
HOOK = WebhookDocument(url="https://example.com/", events=EVENTS)
HTTP = HttpDocument(
    url="https://example.com/{id}", parameters={"id": {"field": "profile.id"}}, events=EVENTS, mapping={"x": 1}
)
TABLE = PostgresDocument(host="example.com", database="d", user="u", events=EVENTS)
FACTS = MessageFacts("prod", {7: ProfileFacts(7, [("email", "ada@example.com")])}, read_at=1e18)
ENTERED = Happening(1, 1, 0, "segment.entered", 7, object_id=1, cause="event")


def destination_of(document: Any) -> Destination:
    plans = plans_of(document) if isinstance(document, HttpDocument) else None
    return Destination(1, "crm", document, WantedHappenings(frozenset(EVENTS), None, None), plans)


def test_every_address_that_is_taken_can_be_written() -> None:
    for address in ("a..b@example.com", ".a@x.com", "a.@x.com", "@x.com", "a@", "a@x..y", "a" * 65 + "@x.com"):
        assert ADDRESS.fullmatch(address) is None, address
    for address in ("ada@example.com", "a.b+c@x", "a" * 64 + "@x.co", "!#$%&'*+/=?^_`{|}~-@x"):
        assert ADDRESS.fullmatch(address) is not None, address
    choose, taken = random.Random(1), 0
    for _ in range(20_000):
        address = "".join(choose.choices("a.@-+'", k=choose.randint(3, 9)))
        if ADDRESS.fullmatch(address) is not None:
            Address(addr_spec=address)
            taken += 1
    assert taken > 100


def test_a_record_that_is_too_large_keeps_its_place() -> None:
    mapping, _ = read_mapping({"each": {"field": "identifiers"}, "of": {"item": "value"}})
    for n, data in ((10, b'["' + b"x" * 20_000), (20, b'{"leftOut":["mapping"]}')):
        facts = replace(FACTS, profiles={7: ProfileFacts(7, [("email", "x" * 20_000)] * n)})
        record = record_of("msg_1", ENTERED, facts, mapping)
        assert record is not None
        assert record.data.startswith(data)


async def test_whatever_a_message_raises_is_an_attempt_of_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    raised: list[Exception] = [ValueError("ada@example.com"), KeyError("x"), PackageMissing(), RecursionError()]

    class Raising(HttpRequests):
        def prepare(self, destination: Destination, delivery: PlannedDelivery) -> Any:
            if delivery.happening.seq % 2:
                raise raised[0]
            return super().prepare(destination, delivery)

        async def send(self, *_: Any) -> SendResult:
            raise raised[0]

    async def no_keys(*_: Any) -> list[Any]:
        return []

    monkeypatch.setattr(lanes, "keys_of", no_keys)
    environment = cast("Any", type("Environment", (), {"id": 1, "now": lambda self: 5})())
    lane = Lane(environment, destination_of(HTTP), cast("Any", None), Raising(Sender(Reach())))
    while raised:
        for seq in (1, 2):
            item = LaneItem(replace(ENTERED, seq=seq))
            lane._order.add(item)
            lane._facts[seq] = FACTS
            assert lane._order.next(5) is item
            await lane._deliver(item, counts=True)
            assert (item.attempts, item.is_failed) == (1, True)
            said = "pip install" if isinstance(raised[0], PackageMissing) else type(raised[0]).__name__
            assert said in item.reason
            lane._order.done(item)
        raised.pop(0)
    assert "ada@example.com" not in caplog.text
    assert "ValueError" in caplog.text


@pytest.mark.parametrize(
    ("before", "after", "lane_of"),
    [
        (HOOK, HTTP, lambda one: Lane(cast("Any", None), one, cast("Any", None), cast("Any", None))),
        (HOOK, TABLE, lambda one: Lane(cast("Any", None), one, cast("Any", None), cast("Any", None))),
        (TABLE, HOOK, lambda one: BatchLane(cast("Any", None), one, cast("Any", None), cast("Any", None))),
    ],
)
async def test_a_document_of_another_type_ends_a_lane(
    before: Any, after: Any, lane_of: Callable[[Destination], Lane | BatchLane]
) -> None:
    lane = lane_of(destination_of(before))
    changed = destination_of(msgspec.structs.replace(before, name="x"))
    assert lane.follow(changed)
    assert not lane.follow(destination_of(after))
    assert lane.destination is changed
    assert not lane.follow(changed), "the supervisor makes another lane, also if the type is as it was"
    await asyncio.wait_for(lane.run(), 5)


def test_a_failure_names_no_url_and_no_values() -> None:
    url = URL("https://example.com/s3cret?email=ada%40example.com")
    asked = aiohttp.RequestInfo(url, "GET", cast("Any", {}), url)
    for failure in (
        aiohttp.ClientResponseError(asked, (), status=400, message="Bad status line"),
        aiohttp.ClientResponseError(asked, (), status=400, message=f"Data after:\n\n  b'{url}'"),
        aiohttp.InvalidURL(str(url)),
        ValueError(f"wrong: {url}\x00"),
    ):
        said = reason_of(failure)
        assert said.startswith(type(failure).__name__)
        assert "ada" not in said
        assert "s3cret" not in said


@pytest.mark.parametrize("value", ["a;b=c", "a/../b", "ada@example.com", "100%", "%3B", "Ü&x=1#y", "{token}", " "])
def test_a_value_arrives_as_it_was_encoded(value: str) -> None:
    filled = read_url("https://Example.com/a|b/%zz/{id}?x={id}&y=1;2").filled({"id": value})
    place = Reach().place_of(filled, is_encoded=True)
    assert str(place.url) == filled
    assert place.url.raw_path_qs.startswith("/a%7Cb/%25zz/")
    assert (place.host, place.port, place.named) == ("example.com", 443, False)
    assert place.url.raw_query_string.endswith("&y=1;2")
    assert unquote(place.url.raw_path.rpartition("/")[2]) == value
