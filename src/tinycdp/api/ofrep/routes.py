"""Decisions by the OpenFeature Remote Evaluation Protocol 0.3.

Shape   POST /ofrep/v1/evaluate/flags/{key} for one flag, POST /ofrep/v1/evaluate/flags for all, with an ETag, and
        GET /ofrep/v1/stream for news of the latter. `fast_lane` answers for one flag whatever memory knows
Laws    the same answers as /v1/decide: all end in decide_one. An ETag stands for answers and stream: whoever has both
        already needs nothing. Errors have errorCode and errorDetails, and none of them is a 429, which would make
        providers refuse to evaluate anything
Source  docs/reference/ofrep.md; docs/decisions/0019-pushes.md
"""

import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath, FromQuery, HeaderParameter, QueryParameter
from litestar.types import Receive, Scope, Send

from tinycdp.api.decisions.fast_lane import Memory, key_of
from tinycdp.api.decisions.routes import Exposed
from tinycdp.api.http import errors as problems
from tinycdp.api.http.auth import Bearer, allow
from tinycdp.api.http.bodies import BodyFault, clean, decode, number, read_body
from tinycdp.api.http.exchange import answer, encode, route_of
from tinycdp.api.http.openapi import takes
from tinycdp.api.http.sse import MEDIA_TYPE, Outlet, streaming
from tinycdp.engine.catalog import Catalog
from tinycdp.engine.decide import Decision
from tinycdp.errors import InvalidInput, NotFound, Retryable, TinyCDPError
from tinycdp.model import NEVER, Alias, AliasKind, Instant
from tinycdp.runtime import tickets
from tinycdp.runtime.decisions import decide_one
from tinycdp.runtime.evaluations import (
    UNIT_MISSING,
    Evaluated,
    Evaluations,
    decide_all,
    evaluations,
    metadata_of,
)
from tinycdp.runtime.keys import Key
from tinycdp.runtime.pushes import Watch
from tinycdp.runtime.service import Service
from tinycdp.runtime.snapshots import Snapshot, stranger
from tinycdp.runtime.tickets import Ticket
from tinycdp.runtime.times import iso

PREFIX = "/ofrep/v1/evaluate/flags/"
STREAM = "/ofrep/v1/stream"

#: How long a page that nobody looks at keeps its stream.
INACTIVITY_SECONDS = 120

#: Bytes that may wait for one client: some eight pieces of news.
_MOST_WAITING = 1_200

_ETAGS = re.compile(r'(?:W/)?("[^"]*")|\*')


class Evaluation(msgspec.Struct):
    """`context.targetingKey` is the user id; what else stands in `context` is what rules read."""

    context: dict[str, Any] = {}


_decoder = msgspec.json.Decoder(Evaluation, float_hook=number)


class EventStream(msgspec.Struct, rename="camel"):
    """Where a client hears that its answers changed. `endpoint.requestUri` is relative to this server."""

    type: str
    endpoint: dict[str, str]
    inactivity_delay_sec: int


class BulkEvaluation(msgspec.Struct, rename="camel"):
    """`flags` has an entry for each flag; one that could not be evaluated has errorCode and errorDetails instead of a
    value. `metadata` tells the revision of the definitions. `eventStreams` is missing where there is none."""

    flags: list[Evaluated]
    metadata: dict[str, Any]
    event_streams: list[EventStream] | msgspec.UnsetType = msgspec.UNSET


class BadContext(Exception):
    """A request that names nobody we could evaluate for: OpenFeature's word for it, and what is wrong."""

    def __init__(self, code: str, details: str) -> None:
        super().__init__(details)
        self.code = code
        self.details = details


def _refused(request: Request[Any, Any, Any], trouble: Exception) -> Response[bytes]:
    """Any failure as OpenFeature's providers read it, beside what every error of ours says."""
    status, headers = 500, {}
    code, message = "INTERNAL", "Something went wrong here, not in your request. It is logged."
    if isinstance(trouble, TinyCDPError):
        status, code, message = trouble.status, trouble.code, trouble.message
        if isinstance(trouble, Retryable):
            status, headers = 503, {"Retry-After": str(trouble.retry_after_seconds)}
    elif isinstance(trouble, HTTPException):
        status, code, message = trouble.status_code, "INVALID_REQUEST", trouble.detail
    else:
        problems.log.exception("%s %s failed", request.method, route_of(request.scope), exc_info=trouble)
    body = problems.body_of(code, message, errorCode="GENERAL", errorDetails=message)
    if "flag" in request.path_params:
        body["key"] = _flag_of(request.path_params["flag"])
    return answer(body, status, headers)


_HANDLERS: Any = {TinyCDPError: _refused, HTTPException: _refused, Exception: _refused}


def _failure(key: str | None, status: int, code: str, details: str) -> Response[bytes]:
    named = {"key": key} if key is not None else {}
    return answer({**named, "errorCode": code, "errorDetails": details}, status)


async def _context(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """The context of the request's body; raises BadContext."""
    try:
        return _read(read_body(await request.body(), request.headers.get("content-encoding")))
    except InvalidInput as wrong:
        if wrong.status != 400:
            raise
        raise BadContext("PARSE_ERROR", wrong.message) from None


def _read(raw: bytes) -> dict[str, Any]:
    try:
        context = decode(_decoder, clean(raw)).context if raw.strip() else {}
    except InvalidInput as wrong:
        parsed = wrong.code in {BodyFault.INVALID_BODY, BodyFault.NUMBER_OUT_OF_RANGE}
        raise BadContext("INVALID_CONTEXT" if parsed else "PARSE_ERROR", wrong.message) from None
    unit = context.get("targetingKey")
    if unit is not None and not isinstance(unit, str):
        raise BadContext("INVALID_CONTEXT", "$.context.targetingKey: expected a string.")
    return context


def _alias(context: Mapping[str, Any]) -> Alias | None:
    unit = context.get("targetingKey")
    return Alias(AliasKind.USER, unit) if unit else None


def _session(context: Mapping[str, Any]) -> str | None:
    session = context.get("sessionId")
    return session if isinstance(session, str) else None


# One flag


@post(
    PREFIX + "{flag:str}",
    status_code=200,
    operation_id="evaluateFlag",
    summary="One flag by the OpenFeature Remote Evaluation Protocol",
    tags=["Decisions"],
    exception_handlers=_HANDLERS,
    scope="decide",
    dependencies=takes(Evaluation),
    answer=Evaluated,
    example={"context": {"targetingKey": "ada", "platform": "ios"}},
)
async def evaluate(
    request: Request[Any, Any, Any], key: Bearer, flag: FromPath[str], exposure: Exposed = True
) -> Response[bytes]:
    """`context.targetingKey` is the user id; what else stands in `context` is what rules read."""
    service: Service = request.app.state.service
    try:
        context = await _context(request)
    except BadContext as wrong:
        return _failure(flag, 400, wrong.code, wrong.details)
    catalog, subject, stale = await service.decisions.known(key.environment_id, _alias(context), service.now())
    now = service.now()
    try:
        decision = decide_one(catalog, flag, subject, now, context)
    except NotFound as missing:
        return _failure(flag, 404, "FLAG_NOT_FOUND", missing.message)
    decision = await service.holds.keep(catalog, decision, subject, _session(context), now)
    service.metrics.decisions[decision.reason] += 1
    service.exposures.record(catalog, decision, subject, now, exposed=exposure)
    if decision.unit_missing:
        return _failure(flag, 400, "TARGETING_KEY_MISSING", UNIT_MISSING)
    return answer(_evaluated(catalog, decision, subject, stale))


@post(PREFIX + "{flag:str}/{rest:path}", include_in_schema=False, exception_handlers=_HANDLERS, scope="decide")
async def evaluate_nothing(flag: FromPath[str], rest: FromPath[str]) -> Response[bytes]:
    """Some providers do not escape a flag's key. No flag has a slash in its."""
    key = _flag_of(flag + str(rest))
    return _failure(key, 404, "FLAG_NOT_FOUND", f"There is no flag {key!r}.")


def _flag_of(path: str) -> str:
    return path.lstrip("/")


def _evaluated(catalog: Catalog, decision: Decision, subject: Snapshot, stale: bool) -> Evaluated:
    metadata: dict[str, Any] = {
        **metadata_of(catalog, decision.flag),
        "revision": catalog.revision,
        "version": subject.version,
        "reasons": "; ".join(decision.reasons),
    }
    if decision.rule is not None:
        metadata["rule"] = decision.rule
    if decision.until < NEVER:
        metadata["validUntil"] = iso(decision.until)
    reason = "STALE" if stale else decision.reason
    return Evaluated(decision.flag, decision.value, decision.variant, reason, metadata)


async def fast_lane(service: Memory, scope: Scope, receive: Receive) -> tuple[bytes | None, Receive]:
    """The body of the answer for one flag, where memory can give it, and None for whatever needs the ordinary route,
    which then receives the request by what stands beside it."""
    key = key_of(service, scope["headers"])
    if key is None or not key.may("decide") or service.snapshots.away or scope.get("query_string"):
        return None, receive
    message = await receive()
    return _at_once(service, key, scope, message), _again(message, receive)


def _at_once(service: Memory, key: Key, scope: Scope, message: Any) -> bytes | None:
    body = message.get("body", b"")
    if message.get("more_body") and (b"content-length", b"%d" % len(body)) not in scope["headers"]:
        return None
    try:
        context = _read(body)
        alias = _alias(context)
        catalog, now = service.catalogs.serving(key.environment_id), service.now()
        subject = (
            stranger(catalog, None, now)
            if alias is None
            else service.snapshots.find(key.environment_id, alias.kind, alias.value)
        )
        if subject is None or "sessionId" in context:
            return None
        decision = decide_one(catalog, scope["path"].removeprefix(PREFIX), subject, now, context)
    except (BadContext, TinyCDPError):
        return None
    if decision.unit_missing:
        return None
    service.metrics.requests["POST", PREFIX + "{flag}", "200"] += 1
    service.metrics.decisions[decision.reason] += 1
    service.exposures.record(catalog, decision, subject, now)
    return encode(_evaluated(catalog, decision, subject, False))


def _again(message: Any, receive: Receive) -> Receive:
    """What receives this message first, and then what else comes."""
    messages = [message]

    async def replayed() -> Any:
        return messages.pop() if messages else await receive()

    return replayed


# All flags


@post(
    PREFIX.rstrip("/"),
    status_code=200,
    operation_id="evaluateFlags",
    summary="All flags by the OpenFeature Remote Evaluation Protocol, with an ETag",
    tags=["Decisions"],
    exception_handlers=_HANDLERS,
    scope="decide",
    dependencies=takes(Evaluation),
    answer=BulkEvaluation,
    also={304: "answers and stream are those of the ETag in If-None-Match"},
    example={"context": {"targetingKey": "ada", "platform": "ios"}},
)
async def evaluate_all(
    request: Request[Any, Any, Any],
    key: Bearer,
    if_none_match: Annotated[str | None, HeaderParameter(name="If-None-Match")] = None,
    etag: Annotated[
        str | None,
        QueryParameter(
            name="flagConfigEtag", description="the ETag a stream told of: answered from what is at least as new"
        ),
    ] = None,
    exposure: Exposed = True,
) -> Response[bytes]:
    service: Service = request.app.state.service
    try:
        context = await _context(request)
    except BadContext as wrong:
        return _failure(None, 400, wrong.code, wrong.details)
    found = await _all(service, key, context)
    if etag is not None and etag != found.etag:
        # Another process told of it, and its news has not come here yet: what Postgres has is at least as new.
        await service.mirror.reread(key.environment_id, _alias(context))
        found = await _all(service, key, context)
    for decision in found.decisions:
        service.metrics.decisions[decision.reason] += 1
        service.exposures.record(found.catalog, decision, found.subject, found.now, exposed=exposure)
    headers = {"ETag": found.etag, "Cache-Control": "no-cache"}
    if if_none_match is not None and _matches(if_none_match, found.etag):
        return Response(b"", status_code=304, headers=headers)
    flags: Any = msgspec.Raw(found.answers.flags)
    body = BulkEvaluation(flags, {"revision": found.catalog.revision})
    if found.ticket is not None:
        uri = f"{STREAM}?token={tickets.issue(service.keyring, found.ticket)}"
        body.event_streams = [EventStream("sse", {"requestUri": uri}, INACTIVITY_SECONDS)]
    return answer(body, 200, headers)


class _All(msgspec.Struct):
    """Everything a bulk answer is made of; `ticket` is None where no stream can be had."""

    catalog: Catalog
    subject: Snapshot
    now: Instant
    decisions: list[Decision]
    answers: Evaluations
    ticket: Ticket | None

    @property
    def etag(self) -> str:
        return etag_of(self.answers, self.ticket)


async def _all(service: Service, key: Key, context: dict[str, Any]) -> _All:
    catalog, subject, stale = await service.decisions.known(key.environment_id, _alias(context), service.now())
    now = service.now()
    decisions = decide_all(catalog, subject, now, context)
    answers = evaluations(catalog, decisions)
    ticket = None
    if not service.pushes.full and tickets.fits(context):
        # The stream watches what the definitions say: that a session holds a variant is no news.
        ticket = Ticket(key.id, tickets.window_of(now), context, answers.mark)
    session = _session(context)
    if session is not None:
        decisions = [await service.holds.keep(catalog, decision, subject, session, now) for decision in decisions]
    if stale:
        decisions = [msgspec.structs.replace(decision, reason="STALE") for decision in decisions]
    if session is not None or stale:
        answers = evaluations(catalog, decisions)
    return _All(catalog, subject, now, decisions, answers, ticket)


def etag_of(answers: Evaluations, ticket: Ticket | None) -> str:
    """For these answers together with this stream."""
    scope = ticket.scope if ticket is not None else b""
    return f'"{blake2b(answers.digest + scope, digest_size=12).hexdigest()}"'


def _matches(if_none_match: str, etag: str) -> bool:
    """Whether a list of ETags, weak or not, or `*` names this one."""
    return any(found[0] == "*" or found[1] == etag for found in _ETAGS.finditer(if_none_match))


# News of all flags


@get(
    STREAM,
    operation_id="streamEvaluations",
    summary="Server-sent events: when the answers of a bulk evaluation change",
    tags=["Decisions"],
    media=(MEDIA_TYPE,),
    also={403: "the address has expired, or is not ours"},
)
async def stream(
    request: Request[Any, Any, Any],
    token: FromQuery[str],
    last_event_id: Annotated[str | None, HeaderParameter(name="Last-Event-ID")] = None,
) -> Response[bytes]:
    """The address comes with the bulk answer, under `eventStreams`."""
    service: Service = request.app.state.service
    ticket, key = tickets.redeem(service.keyring, token, service.now())
    allow(key, "decide")  # whoever has a key can sign with it, also one that may only write
    return streaming(_Stream(service, ticket, key, last_event_id))


class _Stream(Watch):
    __slots__ = ("_outlet", "_service", "_ticket")

    def __init__(self, service: Service, ticket: Ticket, key: Key, last_event_id: str | None) -> None:
        known = _mark_of(last_event_id) if last_event_id else ticket.mark
        super().__init__(key.id, key.environment_id, ticket.context, _alias(ticket.context), known)
        self._service = service
        self._ticket = ticket
        self._outlet = Outlet(_MOST_WAITING)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._service.pushes.open(self)
        try:
            # Whoever is cut off together comes back apart.
            await self._outlet.serve(receive, send, 1_000 + hash(self._ticket.scope) % 3_000)
        finally:
            self._service.pushes.close(self)

    def tell(self, answers: Evaluations, now: Instant) -> None:
        ticket = msgspec.structs.replace(self._ticket, window=tickets.window_of(now))
        data = encode({"type": "refetchEvaluation", "etag": etag_of(answers, ticket), "lastModified": now // 1000})
        self._outlet.write(b"id: %d%012d\ndata: %b\n\n" % (now, answers.mark, data))

    def keep_alive(self) -> None:
        if self._outlet.idle:
            self._outlet.write(b":\n\n")

    def end(self) -> None:
        self._outlet.end()


def _mark_of(event_id: str) -> int:
    """What the reader of an event knows: the last twelve digits of its id. -1 for what is no id of ours."""
    return int(event_id[-12:]) if event_id.isdecimal() and event_id.isascii() else -1


#: `stream` finds its key by the ticket in the address.
OPEN_ROUTES = [stream]
ROUTES = [evaluate, evaluate_nothing, evaluate_all]
