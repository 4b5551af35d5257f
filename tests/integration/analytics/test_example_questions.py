"""The questions of the example workspace: saved as they stand, each has an answer about the example visitors."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import yaml

from analytics_app import Analysed, analysing
from clickhouse_engine import Engine
from serving import ManualClock
from tinycdp import resources
from tinycdp.products.analytics.store.clickhouse import ClickHouse
from tinycdp.server.example_shop import generate

NOON = 1_780_056_000_000  # 2026-05-29T12:00Z
VISITORS = 60
BATCH = 100


@pytest.fixture
async def shop(dsn: str, engine: Engine, clickhouse: ClickHouse) -> AsyncIterator[Analysed]:
    async with analysing(dsn, engine, ManualClock(NOON)) as analysed:
        yield analysed


def changes() -> list[dict[str, Any]]:
    """What `tinycdp apply` publishes of questions.yaml."""
    document = yaml.safe_load(resources.read_text("dsl/examples/questions.yaml"))
    return [
        {"kind": kind.removesuffix("s"), "key": one["key"], "document": {k: v for k, v in one.items() if k != "key"}}
        for kind, listed in document.items()
        for one in listed
    ]


def numbers(answer: Any) -> Iterator[float]:
    """Every number in an answer."""
    if isinstance(answer, dict):
        for value in answer.values():
            yield from numbers(value)
    elif isinstance(answer, list):
        for value in answer:
            yield from numbers(value)
    elif isinstance(answer, int | float) and not isinstance(answer, bool):
        yield answer


async def test_every_tile_of_the_example_dashboard_has_an_answer(shop: Analysed) -> None:
    published = await shop.app.admin.post("/v1/admin/publish", json={"changes": changes()})
    assert published.status_code == 200, published.text
    events = list(generate(NOON, visitors=VISITORS))
    for first in range(0, len(events), BATCH):
        body = json.dumps({"batch": events[first : first + BATCH]})
        answer = await shop.app.write.post("/v1/batch", content=body)
        assert (answer.status_code, answer.json()["rejected"]) == (200, [])
    await shop.catch_up()

    answer = await shop.app.read.post("/v1/analytics/dashboards/shop/run")
    assert answer.status_code == 200, answer.text
    tiles = answer.json()["tiles"]
    saved = yaml.safe_load(resources.read_text("dsl/examples/questions.yaml"))
    assert [one["tile"]["report"] for one in tiles] == [one["report"] for one in saved["dashboards"][0]["tiles"]]
    for tile in tiles:
        assert tile["error"] is None, tile
        content = {name: part for name, part in tile["answer"].items() if name != "question"}
        assert content.get("warnings", []) == [], tile["title"]
        assert any(number > 0 for number in numbers(content)), tile["title"]
