"""The log: one JSON object a line, one line for an outage and one for its end, and what a request leaves."""

import json
import logging
import sys
from typing import Any

import pytest

from tinycdp.api.http.access_log import logged
from tinycdp.api.http.openapi import scope_of
from tinycdp.api.routes import FOREIGN, FOREIGN_GUARDED, GUARDED
from tinycdp.outages import Outage
from tinycdp.products.analytics import routes as analytics
from tinycdp.runtime.metrics import ACKNOWLEDGED, DECIDED, LATENCY, Latency
from tinycdp.server.logs import JsonFormatter, granian_logging


def entry(**given: Any) -> dict[str, Any]:
    text = JsonFormatter().format(logging.makeLogRecord({"name": "some.logger", "levelname": "INFO", **given}))
    assert "\n" not in text
    found: dict[str, Any] = json.loads(text)
    return found


def test_a_record_is_one_object() -> None:
    found = entry(msg="%d rows\nin two lines", args=(3,), created=1_750_000_000.5, fields={"keyId": 7})
    assert found == {
        "time": "2025-06-15T15:06:40.500Z",
        "level": "info",
        "logger": "some.logger",
        "message": "3 rows\nin two lines",
        "process": found["process"],
        "keyId": 7,
    }


def test_a_traceback_is_a_field() -> None:
    try:
        raise ValueError("wrong")
    except ValueError:
        found = entry(msg="failed", exc_info=sys.exc_info())
    assert found["message"] == "failed"
    assert found["traceback"].endswith("ValueError: wrong")


def test_granian_has_no_handlers_of_its_own() -> None:
    assert all(one == {"handlers": [], "propagate": True} for one in granian_logging()["loggers"].values())


def test_an_outage_is_two_lines(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage("the thing")
    with caplog.at_level(logging.INFO):
        outage.ended()
        for _ in range(3):
            outage.noticed(OSError("no route\nto it"))
        outage.ended()
        outage.ended()
    away, back = (record.getMessage() for record in caplog.records)
    assert away == "the thing is away, will try again: no route"
    assert back.startswith("the thing is back after ")


# The access log


async def request(path: str, *, query: bytes = b"", headers: tuple[tuple[bytes, bytes], ...] = ()) -> dict[str, Any]:
    """The headers of an answer to this request."""
    sent: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 201, "headers": [(b"a", b"b")]})
        await send({"type": "http.response.body", "body": b"12", "more_body": True})
        await send({"type": "http.response.body", "body": b"345"})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {}

    scope = {"type": "http", "method": "GET", "path": path, "query_string": query, "headers": headers}
    await logged(application, lambda _: 7)(scope, receive, send)  # type: ignore[arg-type]
    return dict(sent[0]["headers"])


async def test_a_request_is_one_line_without_its_secrets(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)  # it was asked for by name, so it does not depend on the level
    caplog.handler.setLevel(logging.NOTSET)
    secret = b"a-secret-key-of-some-length"
    answered = await request(
        "/v1/projects/a-secret-key-of-some-length/settings",
        query=b"writeKey=" + secret,
        headers=((b"authorization", b"Bearer " + secret), (b"x-request-id", b"r-1")),
    )
    assert answered == {b"a": b"b", b"x-request-id": b"r-1"}
    (record,) = caplog.records
    fields = record.fields  # type: ignore[attr-defined]
    assert fields.pop("durationMs") >= 0
    assert fields == {
        "method": "GET",
        "path": "/v1/projects/***/settings",
        "status": 201,
        "bytes": 5,
        "requestId": "r-1",
        "keyId": 7,
    }
    assert "secret" not in record.getMessage()


@pytest.mark.parametrize("id", [b"", b"two\nlines", b"x" * 200, b"\xff"])
async def test_an_id_that_is_not_one_is_replaced(id: bytes) -> None:
    answered = await request("/", headers=((b"x-request-id", id),))
    assert answered[b"x-request-id"] != id
    assert len(answered[b"x-request-id"]) == 16


async def test_a_path_does_not_break_the_line(caplog: pytest.LogCaptureFixture) -> None:
    await request("/a\nINFO forged")
    assert "\n" not in caplog.records[0].getMessage()


async def test_no_path_shows_its_key(caplog: pytest.LogCaptureFixture) -> None:
    """Each route with a key in its path; their parameters have these names."""
    paths = [path for route in FOREIGN for path in route.paths if "{token" in path or "{write_key" in path]
    assert len(paths) >= 3
    for path in paths:
        await request(path.replace("{token:str}", "SECRET").replace("{write_key:str}", "SECRET"))
    assert len(caplog.records) == len(paths)
    assert "SECRET" not in caplog.text


# Latencies


def test_every_route_that_tracks_or_decides_has_a_histogram() -> None:
    tracking = {route for route in FOREIGN if "Tracking" in (route.tags or ()) and "POST" in route.http_methods}
    deciding = {
        route
        for route in [*FOREIGN, *FOREIGN_GUARDED, *GUARDED, *analytics.GUARDED]
        if "Decisions" in (route.tags or ()) and scope_of(route) == "decide"
    }
    assert {route.opt.get(LATENCY) for route in tracking} == set(ACKNOWLEDGED)
    assert {route.opt.get(LATENCY) for route in deciding} == set(DECIDED)


def test_a_latency_counts_what_is_at_most_its_bound() -> None:
    latency = Latency((0.1, 1.0))
    for seconds in (0.05, 0.1, 0.5, 7.0):
        latency.observe(seconds)
    assert latency.buckets() == [("0.1", 2.0), ("1.0", 3.0), ("+Inf", 4.0)]
    assert latency.total == pytest.approx(7.65)
