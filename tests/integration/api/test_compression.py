"""Which answers are compressed: whole JSON of some size, for clients that accept gzip; no decision and no stream."""

import gzip
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from application import Application, running
from streams import watching
from tinycdp.api.http.compression import LEAST, accepted


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        await application.track(*({"userId": "ada", "event": "open", "messageId": f"m{n}"} for n in range(50)))
        yield application


async def raw(
    http: httpx.AsyncClient, method: str, path: str, accepts: str, **sent: object
) -> tuple[httpx.Headers, bytes]:
    """The headers and the bytes as they were sent."""
    async with http.stream(method, path, headers={"Accept-Encoding": accepts}, **sent) as answer:  # type: ignore[arg-type]
        body = b"".join([part async for part in answer.aiter_raw()])
        assert answer.status_code == 200
        assert int(answer.headers["content-length"]) == len(body)
        return answer.headers, body


@pytest.mark.parametrize("path", ["/v1/journeys/ada", "/v1/journeys/ada?limit=5", "/openapi.json"])
async def test_a_long_answer_is_the_same_compressed(app: Application, path: str) -> None:
    plain_headers, plain = await raw(app.read, "GET", path, "identity")
    assert "content-encoding" not in plain_headers and len(plain) >= LEAST
    for accepts in ("gzip", "br, GZIP;q=0.5"):
        headers, body = await raw(app.read, "GET", path, accepts)
        assert (headers["content-encoding"], headers["vary"]) == ("gzip", "Accept-Encoding")
        assert headers["content-type"] == plain_headers["content-type"]
        assert gzip.decompress(body) == plain and len(body) < len(plain) / 2
    for accepts in ("", "br", "gzip;q=0", "deflate, gzip; q=0.00"):
        headers, body = await raw(app.read, "GET", path, accepts)
        assert "content-encoding" not in headers and body == plain


async def test_short_answers_decisions_and_errors_are_sent_as_they_are(app: Application) -> None:
    await app.define("flag", key="on", rule="events.open.count_30d > 3")
    for n in range(12):
        await app.define("flag", key=f"flag_{n}", rule="events.open.count_30d > 3 && profile.plan != 'pro'")
    body = json.dumps({"userId": "ada"})
    for http, method, path, sent in (
        (app.keyless, "GET", "/healthz", None),
        (app.read, "GET", "/v1/decide?userId=ada&flag=on", None),
        (app.read, "POST", "/v1/decide", body),
        (app.read, "POST", "/v1/snapshot", body),
        (app.write, "POST", "/v1/track", json.dumps({"userId": "ada", "event": "open"})),
    ):
        headers, answer = await raw(http, method, path, "gzip", content=sent)
        assert "content-encoding" not in headers, path
        assert json.loads(answer)
        assert len(answer) >= LEAST or path not in {"/v1/decide", "/v1/snapshot"}, path
    refused = await app.read.get("/v1/profiles/absent", headers={"Accept-Encoding": "gzip"})
    assert refused.json()["code"] == "PROFILE_NOT_FOUND"


async def test_a_stream_begins_at_once_and_a_file_is_what_it_says(app: Application) -> None:
    async with watching(app) as stream:
        await app.track({"userId": "ada", "event": "live"})
        [message] = await stream.messages(1)
        assert message["stored"]["event"] == "live"
    await app.define("segment", key="openers", rule="events.open.exists_30d")
    for form in ("csv", "jsonl"):
        answer = await app.read.get(f"/v1/export/segment/openers.{form}", headers={"Accept-Encoding": "gzip"})
        assert "content-encoding" not in answer.headers and "ada" in answer.text


def test_what_a_header_accepts() -> None:
    assert accepted("br;q=1.0, gzip;q=0.8, *;q=0.1") == {"br", "gzip", "*"}
    assert accepted("gzip;q=0, GZIP2") == {"gzip2"}
    assert accepted("") == {""}
