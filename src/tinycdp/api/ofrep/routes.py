"""Decisions by the OpenFeature Remote Evaluation Protocol 0.3.

Shape   POST /ofrep/v1/evaluate/flags/{key} for one flag, POST /ofrep/v1/evaluate/flags for all, with an ETag, and
        GET /ofrep/v1/stream for changes of the latter. `fast_lane` answers for one flag from memory
Laws    the same answers as /v1/decide: all end in decide_one. An ETag stands for answers and stream: a client that
        has both gets a 304. Errors have errorCode and errorDetails, and none of them is a 429, which would make
        providers refuse to evaluate anything
Source  docs/reference/ofrep.md; docs/decisions/0019-change-streams.md
"""

from time import perf_counter
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath, FromQuery, HeaderParameter, QueryParameter
from litestar.types import Receive, Scope, Send

from tinycdp.api.decisions.answers import DecisionService
from tinycdp.api.decisions.fast_lane import Memory, admitted
from tinycdp.api.decisions.local import named_in
from tinycdp.api.decisions.routes import Exposed, MinVersion
from tinycdp.api.decisions.streams import STREAM, etag_of, matches
from tinycdp.api.http import errors as problems
from tinycdp.api.http.auth import admit_from, allow
from tinycdp.api.http.bodies import BodyFault, clean, decode, number, punctual, read_body
from tinycdp.api.http.encoding import encode
from tinycdp.api.http.mistakes import explained
from tinycdp.api.http.openapi import takes
from tinycdp.api.http.params import route_of
from tinycdp.api.http.parts import Injected
from tinycdp.api.http.requests import ExactRequest
from tinycdp.api.http.responses import ExactResponse
from tinycdp.api.http.sse import MEDIA_TYPE, Outlet, streaming
from tinycdp.api.ofrep.bulk import Bulk, identifier_of, session_of
from tinycdp.api.ofrep.schemas import BulkEvaluation, Evaluation, EventStream
from tinycdp.dsl.fields import shown
from tinycdp.engine.catalog import Catalog
from tinycdp.engine.flags.decide import Decision
from tinycdp.engine.flags.trail import DecisionReason, texts_of
from tinycdp.errors import InvalidInput, NotFound, Retryable, TinyCDPError, TooSlow
from tinycdp.model import NEVER, Instant
from tinycdp.runtime.access import stream_tokens
from tinycdp.runtime.access.actor import Actor
from tinycdp.runtime.access.keys import Key, Keyring
from tinycdp.runtime.access.stream_tokens import StreamToken
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.decisions.change_streams import ChangeStream, ChangeStreams
from tinycdp.runtime.decisions.decide import ProfileLoader, decide_one
from tinycdp.runtime.decisions.evaluations import UNIT_MISSING, Evaluated, Evaluations, metadata_of
from tinycdp.runtime.decisions.local_snapshots import LocalAnswers
from tinycdp.runtime.decisions.snapshots import Snapshot, unknown_profile
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.definitions.unknown import unknown
from tinycdp.times import iso

PREFIX = "/ofrep/v1/evaluate/flags/"

#: How long a hidden page keeps its stream.
INACTIVITY_SECONDS = 120

#: Bytes that may wait for one client: some eight events.
_MOST_WAITING = 1_200

_decoder = msgspec.json.Decoder(Evaluation, float_hook=number)


class BadContext(Exception):
    """A context that cannot be evaluated: OpenFeature's error code, and details."""

    def __init__(self, code: str, details: str) -> None:
        super().__init__(details)
        self.code = code
        self.details = details


def _failed(request: Request[Any, Any, Any], trouble: Exception) -> ExactResponse[Any]:
    """Any failure in OpenFeature's form, beside the fields of every other error."""
    if isinstance(trouble, HTTPException):
        trouble = explained(request, trouble) or trouble
    status, headers = 500, {}
    code, message = "INTERNAL", problems.INTERNAL
    if isinstance(trouble, TinyCDPError):
        status, code, message = trouble.status, trouble.code, trouble.message
        if status == 401:
            headers = {"WWW-Authenticate": 'Basic realm="TinyCDP"'}
        if isinstance(trouble, Retryable):
            status, headers = 503, {"Retry-After": str(trouble.retry_after_seconds)}
    else:
        problems.log.exception("%s %s failed", request.method, route_of(request.scope), exc_info=trouble)
    body = problems.body_of(code, message, errorCode="GENERAL", errorDetails=message)
    if "flag" in request.path_params:
        body["key"] = _flag_of(request.path_params["flag"])
    return ExactResponse(body, status_code=status, headers=headers)


_HANDLERS: Any = {TinyCDPError: _failed, HTTPException: _failed, Exception: _failed}


def _failure(key: str | None, status: int, code: str, details: str) -> ExactResponse[Any]:
    named = {"key": key} if key is not None else {}
    return ExactResponse({**named, "errorCode": code, "errorDetails": details}, status_code=status)


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
        message = f"$.context.targetingKey: expected a string; found {shown(unit)}. Send an identifier of the profile."
        raise BadContext("INVALID_CONTEXT", message)
    return context


# One flag


@post(
    PREFIX + "{flag:str}",
    status_code=200,
    summary="One flag by the OpenFeature Remote Evaluation Protocol",
    tags=["Decisions"],
    exception_handlers=_HANDLERS,
    scope="decide",
    latency="ofrep",
    dependencies=takes(Evaluation),
    answer=Evaluated,
    example={"context": {"targetingKey": "ada", "platform": "ios"}},
)
async def evaluate_flag(
    request: ExactRequest,
    actor: Injected[Actor],
    profile_loader: Injected[ProfileLoader],
    decision_service: Injected[DecisionService],
    now: Injected[Clock],
    flag: FromPath[str],
    exposure: Exposed = True,
    min_version: MinVersion = 0,
) -> ExactResponse[Any]:
    """`context.targetingKey` is an identifier of any kind; `userId`, `profileId`, `anonymousId`, `deviceId` and
    `externalId` beside it name the profile exactly. Rules read everything in `context`."""
    try:
        context = await _context(request)
    except BadContext as wrong:
        return _failure(flag, 400, wrong.code, wrong.details)
    catalog, snapshot, stale = await profile_loader.load(
        actor.environment_id, identifier_of(context), now(), min_version, (flag,)
    )
    instant = now()
    try:
        decision = decide_one(catalog, flag, snapshot, instant, context)
    except NotFound:
        return _failure(flag, 404, "FLAG_NOT_FOUND", unknown("flag", flag, catalog.live.definitions).message)
    decision = await decision_service.keep(catalog, decision, snapshot, session_of(context), instant, exposed=exposure)
    if decision.unit_missing:
        return _failure(flag, 400, "TARGETING_KEY_MISSING", UNIT_MISSING)
    return ExactResponse(_evaluated(catalog, decision, snapshot, stale))


@post(PREFIX + "{flag:str}/{rest:path}", include_in_schema=False, exception_handlers=_HANDLERS, scope="decide")
async def evaluate_nothing(
    actor: Injected[Actor], catalogs: Injected[Catalogs], flag: FromPath[str], rest: FromPath[str]
) -> ExactResponse[Any]:
    """Some providers do not escape a flag's key. No key has a slash."""
    key = _flag_of(flag + str(rest))
    names = catalogs.serving(actor.environment_id).live.definitions
    return _failure(key, 404, "FLAG_NOT_FOUND", unknown("flag", key, names).message)


def _flag_of(path: str) -> str:
    return path.lstrip("/")


def _evaluated(catalog: Catalog, decision: Decision, snapshot: Snapshot, stale: bool) -> Evaluated:
    metadata: dict[str, Any] = {
        **metadata_of(catalog, decision.flag),
        "revision": catalog.revision,
        "version": snapshot.version,
        "reasons": "; ".join(texts_of(decision.trail)),
    }
    if decision.rule is not None:
        metadata["rule"] = decision.rule
    if decision.until < NEVER:
        metadata["validUntil"] = iso(decision.until)
    reason = DecisionReason.STALE if stale else decision.reason
    return Evaluated(decision.flag, decision.value, decision.variant, reason, metadata)


async def fast_lane(memory: Memory, scope: Scope, receive: Receive) -> tuple[bytes | None, Receive]:
    """The body of the answer for one flag from memory, and what receives the request again.

    The body is None if the ordinary route has to answer."""
    key = admitted(memory, scope["headers"])
    if key is None or memory.snapshots.away or scope.get("query_string"):
        return None, receive
    try:
        message = await punctual(receive)()
    except TooSlow as late:
        return None, _failing(late)
    start = perf_counter()
    if (body := _at_once(memory, key, scope, message)) is not None:
        memory.metrics.decided["ofrep"].observe(perf_counter() - start)
    return body, _again(message, receive)


def _at_once(memory: Memory, key: Key, scope: Scope, message: Any) -> bytes | None:
    body = message.get("body", b"")
    if message.get("more_body") and (b"content-length", b"%d" % len(body)) not in scope["headers"]:
        return None
    try:
        context = _read(body)
        identifier = identifier_of(context)
        catalog, now = memory.catalogs.serving(key.environment_id), memory.now()
        snapshot = (
            unknown_profile(catalog, None, now)
            if identifier is None
            else memory.snapshots.find(key.environment_id, identifier.kind, identifier.value)
        )
        if snapshot is None or "sessionId" in context:
            return None
        flag = scope["path"].removeprefix(PREFIX)
        if flag in catalog.live.sticky:
            return None
        decision = decide_one(catalog, flag, snapshot, now, context)
    except (BadContext, TinyCDPError):
        return None
    if decision.unit_missing:
        return None
    memory.metrics.requests["POST", PREFIX + "{flag}", "200"] += 1
    memory.metrics.decisions[decision.reason] += 1
    memory.metrics.minutes[key.environment_id].decisions += 1
    memory.exposures.record(catalog, decision, snapshot, now)
    return encode(_evaluated(catalog, decision, snapshot, False))


def _failing(error: Exception) -> Receive:
    async def fail() -> Any:
        raise error

    return fail


def _again(message: Any, receive: Receive) -> Receive:
    """A receive function that repeats this message first."""
    messages = [message]

    async def replayed() -> Any:
        return messages.pop() if messages else await receive()

    return replayed


# All flags


@post(
    PREFIX.rstrip("/"),
    status_code=200,
    summary="All flags by the OpenFeature Remote Evaluation Protocol, with an ETag",
    tags=["Decisions"],
    exception_handlers=_HANDLERS,
    scope="decide",
    latency="ofrep_bulk",
    dependencies=takes(Evaluation),
    answer=BulkEvaluation,
    also={304: "answers and stream are those of the ETag in If-None-Match"},
    example={"context": {"targetingKey": "ada", "platform": "ios"}},
)
async def evaluate_flags(
    request: ExactRequest,
    actor: Injected[Actor],
    bulk: Injected[Bulk],
    now: Injected[Clock],
    if_none_match: Annotated[str | None, HeaderParameter(name="If-None-Match")] = None,
    etag: Annotated[
        str | None,
        QueryParameter(
            name="flagConfigEtag", description="the ETag that the stream sent; the answer is at least as new"
        ),
    ] = None,
    exposure: Exposed = True,
    assign: Annotated[
        bool | None,
        QueryParameter(
            description="keep the variants of sticky flags for the profile; default: as `exposure`. For clients that "
            "report exposures themselves"
        ),
    ] = None,
    min_version: MinVersion = 0,
) -> ExactResponse[Any]:
    try:
        context = await _context(request)
    except BadContext as wrong:
        return _failure(None, 400, wrong.code, wrong.details)
    assigned = exposure if assign is None else assign
    found = await bulk.evaluate(actor, context, now, etag, min_version, assigned=assigned)
    bulk.record(found, exposed=exposure)
    headers = {"ETag": found.etag, "Cache-Control": "no-cache"}
    if found.answers.until < NEVER:
        headers["X-Valid-For"] = str(max(found.answers.until - now(), 0))
    if matches(if_none_match, found.etag):
        return ExactResponse(b"", status_code=304, headers=headers)
    flags: Any = msgspec.Raw(found.answers.flags)
    body = BulkEvaluation(flags, {"revision": found.catalog.revision})
    if found.stream_token is not None:
        address = bulk.address_of(found.stream_token)
        body.event_streams = [EventStream("sse", {"requestUri": address}, INACTIVITY_SECONDS)]
    return ExactResponse(body, headers=headers)


# Changes of all flags


@get(
    STREAM,
    summary="Server-sent events: when the answers of a bulk evaluation change",
    tags=["Decisions"],
    media=(MEDIA_TYPE,),
    also={403: "the address has expired or is invalid"},
)
async def stream_evaluations(
    request: ExactRequest,
    keyring: Injected[Keyring],
    change_streams: Injected[ChangeStreams],
    now: Injected[Clock],
    token: FromQuery[str],
    last_event_id: Annotated[str | None, HeaderParameter(name="Last-Event-ID")] = None,
) -> Response[bytes]:
    """The address comes with the bulk answer, under `eventStreams`."""
    stream_token, key = stream_tokens.redeem(keyring, token, now())
    admit_from(request, key, "decide")
    allow(key, "decide")  # any key can sign a token, also one that may only write
    return streaming(_Stream(change_streams, stream_token, key, last_event_id))


class _Stream(ChangeStream):
    __slots__ = ("_change_streams", "_outlet", "_stream_token")

    def __init__(
        self, change_streams: ChangeStreams, stream_token: StreamToken, key: Key, last_event_id: str | None
    ) -> None:
        known = _mark_of(last_event_id) if last_event_id else stream_token.mark
        context, local = stream_token.context, stream_token.local
        identifier = named_in(context) if local else identifier_of(context)
        super().__init__(key.id, key.environment_id, context, identifier, known, local=local)
        self._change_streams = change_streams
        self._stream_token = stream_token
        self._outlet = Outlet(_MOST_WAITING)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._change_streams.open(self)
        try:
            # Clients that are cut off together reconnect at different times.
            await self._outlet.serve(receive, send, 1_000 + hash(self._stream_token.scope) % 3_000)
        finally:
            self._change_streams.close(self)

    def send_change(self, answers: Evaluations | LocalAnswers, now: Instant) -> None:
        stream_token = msgspec.structs.replace(self._stream_token, window=stream_tokens.window_of(now))
        data = encode(
            {"type": "refetchEvaluation", "etag": etag_of(answers.digest, stream_token), "lastModified": now // 1000}
        )
        self._outlet.write(b"id: %d%012d\ndata: %b\n\n" % (now, answers.mark, data))

    def keep_alive(self) -> None:
        if self._outlet.idle:
            self._outlet.write(b":\n\n")

    def end(self) -> None:
        self._outlet.end()


def _mark_of(event_id: str) -> int:
    """The mark in the id of an event: its last twelve digits. -1 for an invalid id."""
    return int(event_id[-12:]) if event_id.isdecimal() and event_id.isascii() else -1


#: `stream_evaluations` finds its key by the token in the address.
OPEN_ROUTES = [stream_evaluations]
ROUTES = [evaluate_flag, evaluate_nothing, evaluate_flags]
