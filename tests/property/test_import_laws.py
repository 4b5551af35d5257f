"""A file's rows are the messages they would be if they were sent: in any order, mixed with live ones, and begun again.

Source  docs/decisions/0025-import.md
"""

import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import serving
from laws import examples
from serving import ManualClock, new_environment
from tinycdp.api.ingest.adapters.history import PARSE
from tinycdp.api.ingest.adapters.segment import parse_batch
from tinycdp.app import Parts
from tinycdp.model import DAY_MS, Identifier
from tinycdp.runtime.ingest.pipeline import Client
from tinycdp.runtime.transfer.import_files import ImportFile
from tinycdp.runtime.transfer.imports import Importer

NOW = 1_790_000_000_000
DOCUMENT = {
    "traits": [
        {"key": "spent", "expression": "events.buy.sum(amount)"},
        {"key": "last_item", "expression": "events.buy.last(item)"},
    ],
    "segments": [{"key": "buyers", "rule": "events.buy.exists(30d)"}, {"key": "pros", "rule": 'profile.plan == "pro"'}],
}
_numbers = itertools.count(1)


@pytest.fixture
async def service(dsn: str) -> AsyncIterator[Parts]:
    async with serving.services(dsn, 1, ManualClock(NOW)) as [started]:
        yield started


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(("track", "track", "identify", "page", "alias", "nonsense")))
    event: dict[str, Any] = {"type": kind, "timestamp": NOW - draw(st.integers(0, 40)) * DAY_MS}
    event |= draw(
        st.fixed_dictionaries(
            {}, optional={"userId": st.sampled_from(("u1", "u2", 7, "null")), "anonymousId": st.just("a1")}
        )
    )
    if kind == "track":
        event |= {"event": draw(st.sampled_from(("buy", "open", "")))}
        event["properties"] = {
            "amount": draw(st.sampled_from((1, 0.1, "x"))),
            "item": draw(st.sampled_from("éx\u0000")),
        }
    elif kind == "identify":
        event["traits"] = {"plan": draw(st.sampled_from(("pro", "free")))}
    elif kind == "alias":
        event["previousId"] = draw(st.sampled_from(("u1", "a1")))
    return event


async def live(service: Parts, environment_id: int, sent: list[dict[str, Any]]) -> None:
    parsed = parse_batch(json.dumps({"batch": sent}).encode(), NOW)
    passed = service.pipeline.run(environment_id, parsed.messages, Client())
    await service.ingest.accept(environment_id, passed.messages, parsed.rejections)


async def seen(service: Parts, environment_id: int) -> dict[Any, Any]:
    await service.catalogs.refresh(service.pool, environment_id)
    rows = await service.pool.fetch(
        "SELECT profile_id, array_agg(kind || ' ' || value ORDER BY kind, value) AS identifiers FROM identifiers"
        " WHERE environment_id = $1 GROUP BY profile_id",
        environment_id,
    )
    found: dict[Any, Any] = {}
    for row in rows:
        name = Identifier("profileId", str(row["profile_id"]))
        snapshot = await service.snapshots.load(environment_id, name, NOW)
        assert snapshot is not None
        found[tuple(row["identifiers"])] = {
            "properties": dict(snapshot.properties),
            "seen": (snapshot.first_seen, snapshot.last_seen),
            **{key: snapshot.result(("trait", key), NOW)[0] for key in ("spent", "last_item")},
            **{key: snapshot.result(("segment", key), NOW)[0] for key in ("buyers", "pros")},
        }
    found["events"] = await service.pool.fetchval(
        "SELECT count(*) FROM events WHERE environment_id = $1", environment_id
    )
    return found


@examples(30, deep=300)
@given(history=st.lists(events(), min_size=1, max_size=14), data=st.data())
async def test_a_file_is_what_was_sent(
    service: Parts, tmp_path: Path, history: list[dict[str, Any]], data: st.DataObject
) -> None:
    one, other = [await new_environment(service.pool, f"w{next(_numbers)}", DOCUMENT, NOW - DAY_MS) for _ in range(2)]
    named = [{**event, "messageId": f"m{n}"} for n, event in enumerate(history)]
    await live(service, one, named)

    shuffled = data.draw(st.permutations(named))
    cut = data.draw(st.integers(0, len(shuffled)))
    path = tmp_path / f"{next(_numbers)}.jsonl"
    # What came live already is in the file as well, and the file is begun again.
    rows = [event if data.draw(st.booleans()) else {**event, "sentAt": "2020-01-01T00:00:00Z"} for event in shuffled]
    path.write_text("\n".join(map(json.dumps, rows)))
    await live(service, other, shuffled[:cut])
    importer = Importer(service.pool, service.ingest, service.pipeline, service.now, PARSE)
    done = await importer.run(other, ImportFile(path, "jsonl"), "test")
    assert (done.status, done.rows) == ("done", len(rows))
    assert await importer.run(other, ImportFile(path, "jsonl"), "test") == done
    assert await seen(service, one) == await seen(service, other)
