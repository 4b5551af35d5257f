"""A client that sends faster than its key may: it waits as it is asked, and in the end each event is there once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from segment.analytics.client import Client

from serving import ADMIN_KEY, WRITE_KEY, Server, bearer, served


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Server]:
    with served(tmp_path, workers=1) as running:
        yield running


def test_segments_sdk_waits_and_loses_nothing(shop: Server) -> None:
    limits = {"events": {"perSecond": 40, "burst": 20}}
    answer = shop.http.put("/v1/admin/policies/limits", json=limits, headers=bearer(ADMIN_KEY))
    assert answer.status_code == 200, answer.text
    trouble: list[Any] = []
    client = Client(WRITE_KEY, host=shop.url, upload_size=10, on_error=lambda *error: trouble.append(error))
    for n in range(50):
        client.track(f"u{n % 7}", "Product Viewed", {"n": n})
    client.flush()
    client.shutdown()
    assert not trouble
    figures = shop.http.get("/metrics").text
    counted = {line.split(" ")[0].split("{")[1]: line for line in figures.splitlines() if "/v1/batch" in line}
    assert any('status="429"' in labels for labels in counted), "it was too fast"
    events = shop.http.get("/v1/events/recent", params={"limit": 200}, headers=bearer(ADMIN_KEY)).json()["events"]
    assert sorted(event["properties"]["n"] for event in events) == list(range(50))
