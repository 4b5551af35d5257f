"""Tracking endpoints of all protocols except PostHog's, which are in posthog.py.

Shape   accept(request, parse) handles a tracking request of any protocol; each route passes its parser
Laws    The answer is 200 only after everything is committed. An invalid event in a batch is logged as rejected and
        affects no other; an invalid single call is a 400.
Source  docs/reference/tracking.md
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import perf_counter
from typing import Any, Literal, Protocol

import msgspec
from litestar import Request, post
from litestar.handlers import HTTPRouteHandler
from litestar.response.base import ASGIResponse

from tinycdp.api.http import auth
from tinycdp.api.http.encoding import encode
from tinycdp.api.http.openapi import takes
from tinycdp.api.ingest import exposures
from tinycdp.api.ingest.adapters.canonical import Parsed
from tinycdp.api.ingest.adapters.placement import IN_ENVELOPE
from tinycdp.api.ingest.adapters.pulseboard import parse_beacon, parse_pulse
from tinycdp.api.ingest.adapters.radixinsight import parse_collect
from tinycdp.api.ingest.adapters.segment import parse_batch, parse_single, write_key_of
from tinycdp.api.ingest.intake import inflated
from tinycdp.api.ingest.schemas import (
    Accepted,
    BatchBody,
    CollectedEvent,
    EventBody,
    IngestWarning,
    Pulse,
    RejectedEvent,
)
from tinycdp.errors import InvalidInput
from tinycdp.model import Instant, Message, MessageKind, Rejection
from tinycdp.runtime.access.keys import Keyring
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.decisions.exposures import Exposures
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.ingest.event_stream import EventStreams
from tinycdp.runtime.ingest.group_commit import Ingest
from tinycdp.runtime.ingest.pipeline import Client, Pipeline, Processed, address_of
from tinycdp.runtime.memory_budget import MemoryBudget
from tinycdp.runtime.metrics import Metrics
from tinycdp.runtime.policies.documents import Policies
from tinycdp.runtime.policies.limits import Charge, Limiter, Limits
from tinycdp.settings import Settings

_MOST_WARNINGS = 20
#: Bodies from this size on take milliseconds to parse. They are parsed in one thread, one by one: several would wait
#: for the interpreter in turns, and the event loop behind all of them.
_LARGE_BYTES = 128 * 1024
_LARGE_BODIES = ThreadPoolExecutor(1, thread_name_prefix="large-bodies")
#: Messages that the pipeline takes before other tasks run: a few milliseconds.
_AT_ONCE = 250

Parse = Callable[[bytes, Instant], Parsed]

_KINDS: dict[MessageKind, str] = {
    "track": "Record an event",
    "identify": "Set identifiers and traits of a user",
    "page": "Record a page view",
    "screen": "Record a screen view of an app",
    "group": "Set the group of a user, and its traits",
    "alias": "Join two identifiers of one user",
}


_EXAMPLES: dict[MessageKind, dict[str, Any]] = {
    "track": {"userId": "ada", "event": "purchase", "properties": {"amount": 19.99}, "messageId": "m-1"},
    "identify": {"userId": "ada", "anonymousId": "a-1", "traits": {"plan": "pro", "country": "DE"}},
    "page": {"userId": "ada", "properties": {"path": "/pricing"}},
    "screen": {"userId": "ada", "properties": {"name": "Cart"}},
    "group": {"userId": "ada", "groupId": "acme", "traits": {"seats": 12}},
    "alias": {"userId": "ada", "previousId": "a-1"},
}


class Intake(Protocol):
    """The parts that a tracking request goes through."""

    @property
    def catalogs(self) -> Catalogs: ...
    @property
    def pipeline(self) -> Pipeline: ...
    @property
    def exposures(self) -> Exposures: ...
    @property
    def ingest(self) -> Ingest: ...
    @property
    def keyring(self) -> Keyring: ...
    @property
    def limiter(self) -> Limiter: ...
    @property
    def event_streams(self) -> EventStreams: ...
    @property
    def metrics(self) -> Metrics: ...
    @property
    def now(self) -> Clock: ...
    @property
    def policies(self) -> Policies: ...
    @property
    def memory_budget(self) -> MemoryBudget: ...
    @property
    def settings(self) -> Settings: ...


async def answered(request: Request[Any, Any, Any], parse: Parse, status: int = 200) -> ASGIResponse:
    """Accept a tracking request.

    The answer is encoded by hand, because this is the busiest path."""
    return ASGIResponse(body=encode(await accept(request, parse)), status_code=status, media_type="application/json")


async def accept(
    request: Request[Any, Any, Any],
    parse: Parse,
    *,
    key_in: Callable[[bytes], str | None] = write_key_of,
    open_up: Callable[[bytes], bytes] | None = None,
    then: Callable[["Intake", int, Sequence[Message]], None] | None = None,
) -> Accepted:
    """Read, parse and commit one tracking request.

    key_in   finds a key in the body, if no header has one
    open_up  unwraps a body that is not plain JSON
    then     called after the commit with the environment and the messages"""
    # Without dependency injection, because this is the busiest path.
    parts: Intake = request.app.state.parts
    received_at = parts.now()
    with parts.memory_budget.reserve() as reservation:
        body = await inflated(request, parts, reservation)
        if open_up is not None:
            body = open_up(body)
        key = auth.recognise(request, auth.in_headers(request) or key_in(body) or _in_query(request), "write")
        request.scope["auth"] = key  # for the access log
        limits = parts.policies.of(key.environment_id, Limits)
        await parts.limiter.request(limits, key.id, received_at)
        if len(body) < _LARGE_BYTES:
            parsed = parse(body, received_at)
        else:
            parsed = await asyncio.get_running_loop().run_in_executor(_LARGE_BODIES, parse, body, received_at)
        if parsed.rejections:
            parsed.rejections = _without_keys(parsed.rejections, (key_in(body), auth.in_headers(request)))
        sent = len(parsed.messages) + len(parsed.rejections) + len(parsed.exposures)
        async with await parts.limiter.admit(limits, key.environment_id, key.id, sent, received_at) as charge:
            processed = await _process(parts, key.environment_id, parsed.messages, _client(request, parts), charge)
            reported, invalid = (
                exposures.known(parts, key.environment_id, parsed.exposures) if parsed.exposures else ((), ())
            )
            rejections = [
                *parts.pipeline.redact_rejections(key.environment_id, [*parsed.rejections, *invalid]),
                *processed.rejections,
            ]
            visible = parts.pipeline.visible(key.environment_id, parsed.messages)
            start = perf_counter()
            with parts.event_streams.arriving(key.environment_id, visible):
                receipt = await parts.ingest.accept(key.environment_id, processed.messages, rejections, key.id)
            seconds = perf_counter() - start
    if reported:
        exposures.record(parts, key.environment_id, reported)
    if then is not None:
        then(parts, key.environment_id, processed.messages)
    rejections += receipt.rejected
    codes = [rejection.code for rejection in rejections]
    parts.metrics.stored(key.environment_id, receipt.accepted, receipt.duplicates, codes, seconds)
    parts.metrics.messages["sampled"] += processed.sampled
    parts.metrics.messages["dead"] += receipt.dead
    if parsed.single and rejections:
        first = rejections[0]
        raise InvalidInput(first.code, f"{first.path}: {first.message}", path=first.path)
    return Accepted(
        True,
        receipt.accepted,
        receipt.duplicates,
        receipt.version,
        sampled=processed.sampled,
        dead_lettered=receipt.dead,
        exposures=len(reported),
        rejected=[_rejected(r) for r in rejections[:20]],
        warnings=_warnings(parsed, receipt.warned) if receipt.warned else (),
    )


async def _process(
    parts: Intake, environment_id: int, messages: Sequence[Message], client: Client, charge: Charge | None
) -> Processed:
    """The messages through the pipeline; of many, some at a time, so that decisions go on between them."""
    if len(messages) <= _AT_ONCE:
        return parts.pipeline.run(environment_id, messages, client, charge)
    kept: list[Message] = []
    rejections: list[Rejection] = []
    sampled = 0
    for start in range(0, len(messages), _AT_ONCE):
        some = parts.pipeline.run(environment_id, messages[start : start + _AT_ONCE], client, charge)
        kept += some.messages
        rejections += some.rejections
        sampled += some.sampled
        await asyncio.sleep(0)
    return Processed(kept, rejections, sampled)


def _warnings(parsed: Parsed, warned: Sequence[Message]) -> list[IngestWarning]:
    """Each different warning once, with the place of the first event that has it."""
    found: dict[tuple[str, str], IngestWarning] = {}
    for message in warned:
        for warning in message.warnings:
            if (warning.code, warning.message) not in found:
                at = "$" if warning.code == IN_ENVELOPE else parsed.path_of(message.message_id)
                path = at + warning.path[1:]
                found[warning.code, warning.message] = IngestWarning(warning.code, path, warning.message)
        if len(found) >= _MOST_WARNINGS:
            break
    return list(found.values())[:_MOST_WARNINGS]


def _client(request: Request[Any, Any, Any], parts: Intake) -> Client:
    peer = request.scope["client"]
    forwarded = request.headers.get("x-forwarded-for", "")
    address = address_of(peer[0] if peer is not None else "", forwarded, parts.settings.trusted_proxies)
    return Client(address, "origin" in request.headers)


def _in_query(request: Request[Any, Any, Any]) -> str | None:
    given = request.query_params
    return given.get("writeKey") or given.get("apiKey") or given.get("token")


def _rejected(rejection: Rejection) -> RejectedEvent:
    return RejectedEvent(rejection.code, rejection.message, rejection.path)


def _without_keys(rejections: list[Rejection], keys: Iterable[str | None]) -> list[Rejection]:
    """The rejections without the API key that the body may contain."""
    for text in filter(None, keys):
        hidden = encode(text)
        rejections = [
            msgspec.structs.replace(rejection, payload=rejection.payload.replace(hidden, b'"***"'))
            for rejection in rejections
        ]
    return rejections


def _single(kind: MessageKind, summary: str) -> HTTPRouteHandler:
    @post(
        f"/v1/{kind}",
        status_code=200,
        operation_id=kind,
        summary=summary,
        tags=["Tracking"],
        latency="single",
        dependencies=takes(EventBody),
        answer=Accepted,
        example=_EXAMPLES[kind],
    )
    async def handler(request: Request[Any, Any, Any]) -> ASGIResponse:
        return await answered(request, partial(parse_single, kind))

    return handler


def _also(path: str, parse: Parse, kind: str) -> HTTPRouteHandler:
    """Another path for the same request; the reference describes only the first."""

    @post(path, status_code=200, tags=["Tracking"], latency=kind, include_in_schema=False)
    async def handler(request: Request[Any, Any, Any]) -> ASGIResponse:
        return await answered(request, parse)

    return handler


@post("/v1/m", status_code=200, include_in_schema=False)
async def self_metrics() -> ASGIResponse:
    """Accept and ignore the metrics that analytics-next reports about itself.

    After an error it would retry."""
    return ASGIResponse(body=b'{"success":true}', media_type="application/json")


@post(
    "/v1/batch",
    status_code=200,
    summary="Many messages of any kind",
    tags=["Tracking"],
    latency="batch",
    dependencies=takes(BatchBody),
    answer=Accepted,
    example={
        "batch": [
            {"type": "identify", "userId": "ada", "traits": {"plan": "pro"}},
            {"type": "track", "userId": "ada", "event": "app_open", "messageId": "m-1"},
        ]
    },
)
async def batch(request: Request[Any, Any, Any]) -> ASGIResponse:
    return await answered(request, parse_batch)


@post(
    "/collect",
    status_code=202,
    summary="RadixInsight's events",
    tags=["Tracking"],
    latency="collect",
    dependencies=takes(list[CollectedEvent]),
    answer=Accepted,
    example=[{"event_id": "e-1", "event_name": "app_open", "user": {"user_id": "ada"}}],
)
async def collect(request: Request[Any, Any, Any]) -> ASGIResponse:
    return await answered(request, parse_collect, 202)


@post(
    "/api/events",
    status_code=200,
    summary="PulseBoard's events",
    tags=["Tracking"],
    latency="pulse",
    dependencies=takes(EventBody),
    example={"userId": "ada", "event": "app_open", "idempotencyKey": "e-1"},
)
async def pulse(request: Request[Any, Any, Any]) -> Pulse:
    outcome = await accept(request, parse_pulse)
    known = outcome.duplicates > 0 and outcome.accepted == 0
    status: Literal["accepted", "duplicate"] = "duplicate" if known else "accepted"
    return Pulse(status, outcome.accepted, outcome.duplicates, outcome.warnings)


ROUTES = [
    *(_single(kind, summary) for kind, summary in _KINDS.items()),
    *(_also(f"/v1/{kind[0]}", partial(parse_single, kind), "single") for kind in _KINDS),
    *(_also(f"/{kind}", partial(parse_single, kind), "single") for kind in _KINDS),
    *(_also(path, parse_batch, "batch") for path in ("/v1/b", "/v1/import", "/beacon/v1/batch")),
    _also("/api/analytics/batch", parse_beacon, "batch"),
    *(_also(f"/api/s/{way}{kind}", partial(parse_single, kind), "single") for kind in _KINDS for way in ("", "s2s/")),
    *(_also(f"/api/s/{way}batch", parse_batch, "batch") for way in ("", "s2s/")),
    batch,
    self_metrics,
    collect,
    pulse,
]
