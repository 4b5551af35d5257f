"""PostHog's endpoints: events, flags, and the configuration of its browser SDK.

Shape   POST /batch /e /i/v0/e /capture   events
        POST /flags /decide               flags, from the same engine as /v1/decide
        GET  /array/{token}/config[.js]   the configuration of posthog-js
Laws    An answer never has `quotaLimited`: a client would drop all its flags. Rules are evaluated only on the server:
        an SDK that requests them gets an error, and falls back to requesting answers. SDKs fetch all flags in advance;
        they report an exposure by the event $feature_flag_called, with the metadata of the answer.
Source  docs/reference/sdks.md "PostHog"; docs/decisions/0020-foreign-protocols.md
"""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from uuid import uuid4

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from tinycdp.api.decisions.answers import DecisionService
from tinycdp.api.http import auth
from tinycdp.api.http.bodies import read_body, unwrap
from tinycdp.api.http.encoding import encode
from tinycdp.api.http.openapi import takes
from tinycdp.api.http.parts import Injected
from tinycdp.api.http.requests import ExactRequest
from tinycdp.api.http.responses import ExactResponse
from tinycdp.api.ingest.adapters.canonical import Parsed, identifier, readable_instant
from tinycdp.api.ingest.adapters.posthog import FlagsQuestion, key_in, parse_capture, parse_question
from tinycdp.api.ingest.adapters.rejection import EventRejected
from tinycdp.api.ingest.adapters.segment import parse_batch, write_key_of
from tinycdp.api.ingest.routes import Intake, accept
from tinycdp.api.ingest.schemas import (
    Capture,
    Captured,
    FlagAnswer,
    FlagAnswers,
    FlagMetadata,
    FlagReason,
    FlagsRequest,
)
from tinycdp.api.ingest.sdk_settings import BRIEFLY
from tinycdp.engine.catalog import Catalog
from tinycdp.engine.flags.decide import Decision
from tinycdp.engine.flags.trail import DecisionReason, texts_of
from tinycdp.errors import InvalidInput, Unauthenticated
from tinycdp.model import Identifier, IdentifierKind, Instant, Message
from tinycdp.runtime.access.keys import Key
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.decisions.decide import LoadedProfile, ProfileLoader, decide_one
from tinycdp.runtime.definitions.catalogs import Catalogs

_COMPRESSIONS = ("gzip", "gzip-js", "base64")

#: The event by which SDKs report an exposure.
_CALLED = "$feature_flag_called"


_TAKEN = encode(Captured())

#: What the events of a batch in TinyCDP's own form have, and PostHog's do not.
_OURS = re.compile(rb'"(userId|user_id|anonymousId|anonymous_id|deviceId|externalId|emailHash|identifiers)"\s*:')


async def _captured(request: Request[Any, Any, Any], body: bytes) -> ASGIResponse:
    sent_at = _instant_in_query(request)
    parse = partial(parse_capture, sent_at=sent_at)
    await accept(request, parse, key_in=key_in, open_up=unwrap, then=_record_exposures)
    return ASGIResponse(body=body, media_type="application/json")


def _instant_in_query(request: Request[Any, Any, Any]) -> Instant | None:
    """When a browser sent the request, from the URL.

    The body may have been compressed long before."""
    text = request.query_params.get("sent_at") or request.query_params.get("_") or ""
    return readable_instant(int(text) if text.isascii() and text.isdigit() and len(text) < 16 else text)


def _record_exposures(parts: Intake, environment_id: int, messages: Sequence[Message]) -> None:
    """Record the exposures that these events report."""
    catalog, now = parts.catalogs.current(environment_id), parts.now()
    for message in messages:
        if message.name == _CALLED and catalog is not None:
            shown = _shown(catalog, message.properties, now)
            if shown is not None:
                parts.exposures.record_reported(catalog, *shown, message.identifiers[0], message.occurred_at, now)


def _shown(catalog: Catalog, properties: Mapping[str, Any], now: Instant) -> tuple[str, str, str | None] | None:
    """The reported flag, variant and rule; None if no flag has this variant.

    The rule is None if the flag has changed since."""
    key, response = properties.get("$feature_flag"), properties.get("$feature_flag_response")
    program = catalog.live.flags.get(key) if type(key) is str else None
    if program is None:
        return None
    flag = program.at(now).flag
    if flag.type == "boolean":
        variant = next((name for name, value in flag.variants.items() if value is response), None)
    elif response is False:
        variant = flag.off_variant
    else:
        variant = response if type(response) is str and response in flag.variants else None
    if variant is None:
        return None
    index, version = properties.get("$feature_flag_id"), catalog.live.definitions["flag", flag.key].version
    if properties.get("$feature_flag_version") == version and isinstance(index, int) and 0 < index <= len(flag.rules):
        return flag.key, variant, flag.rules[index - 1].id
    return flag.key, variant, None


@post(
    "/batch",
    status_code=200,
    summary="PostHog's events",
    tags=["Tracking"],
    latency="posthog",
    dependencies=takes(Capture),
    answer=Captured,
    example={"batch": [{"event": "app_open", "distinct_id": "ada", "uuid": "e-1"}]},
)
async def posthog_batch(request: Request[Any, Any, Any]) -> ASGIResponse:
    """Without a `distinct_id` in it, the body is read and answered as that of `/v1/batch`."""
    is_ours = False

    def parse(body: bytes, received_at: Instant) -> Parsed:
        nonlocal is_ours
        is_ours = _is_ours(body)
        return parse_batch(body, received_at) if is_ours else parse_capture(body, received_at, sent_at)

    sent_at = _instant_in_query(request)
    accepted = await accept(request, parse, key_in=_any_key_in, open_up=unwrap, then=_record_exposures)
    return ASGIResponse(body=encode(accepted) if is_ours else _TAKEN, media_type="application/json")


def _any_key_in(body: bytes) -> str | None:
    return write_key_of(body) if _is_ours(body) else key_in(body)


def _is_ours(body: bytes) -> bool:
    """Whether a batch is in TinyCDP's own form: its events have identifiers, and none of them is PostHog's."""
    return b'distinct_id"' not in body and _OURS.search(body) is not None


def _also(path: str, body: bytes) -> HTTPRouteHandler:
    """Another path for the same request; the reference describes only the first."""

    @post(path, status_code=200, tags=["Tracking"], latency="posthog", include_in_schema=False)
    async def handler(request: Request[Any, Any, Any]) -> ASGIResponse:
        return await _captured(request, body)

    return handler


@post(
    "/flags",
    status_code=200,
    summary="Flags as PostHog's SDKs ask for them",
    tags=["Decisions"],
    scope="decide",
    latency="posthog_flags",
    dependencies=takes(FlagsRequest),
    answer=FlagAnswers,
    example={"distinct_id": "ada", "person_properties": {"plan": "pro"}},
)
async def posthog_flags(
    request: ExactRequest,
    profile_loader: Injected[ProfileLoader],
    decision_service: Injected[DecisionService],
    now: Injected[Clock],
) -> ExactResponse[Any]:
    """The key may be in the body. With `?v=1` the answer has PostHog's older form."""
    return await _flags(request, profile_loader, decision_service, now, older=request.query_params.get("v") == "1")


@post("/decide", status_code=200, tags=["Decisions"], latency="posthog_flags", include_in_schema=False)
async def flags_of_older_clients(
    request: ExactRequest,
    profile_loader: Injected[ProfileLoader],
    decision_service: Injected[DecisionService],
    now: Injected[Clock],
) -> ExactResponse[Any]:
    """Flags by the older path, in the older forms; version 1 only lists the flags that are on."""
    version = request.query_params.get("v", "1")
    return await _flags(request, profile_loader, decision_service, now, older=version != "4", listed=version == "1")


async def _flags(
    request: ExactRequest,
    profile_loader: ProfileLoader,
    decision_service: DecisionService,
    now: Clock,
    *,
    older: bool,
    listed: bool = False,
) -> ExactResponse[Any]:
    body = unwrap(read_body(await request.body(), request.headers.get("content-encoding")))
    text = auth.in_headers(request) or key_in(body) or request.query_params.get("token")
    key = auth.recognise(request, text, "decide")
    request.scope["auth"] = key  # for the access log
    question = parse_question(body)
    catalog, snapshot, _ = await _known(profile_loader, key, question, now)
    instant, context = now(), question.context()
    wanted = question.wanted()
    found = {}
    for name in catalog.live.flags if wanted is None else wanted & catalog.live.flags.keys():
        decision = decide_one(catalog, name, snapshot, instant, context)
        # These SDKs fetch all flags in advance, show them without asking again, and report exposures by an event.
        decision = await decision_service.keep(
            catalog, decision, snapshot, question.session(), instant, exposed=False, assigned=True
        )
        found[name] = _answer(catalog, decision, instant)
    answers = FlagAnswers(found, False, str(uuid4()), instant)
    extra = _remote_config(catalog, text or "") if request.query_params.get("config") == "true" else {}
    if older:
        return ExactResponse({**extra, **_in_older_form(answers, listed)})
    return ExactResponse({**extra, **msgspec.structs.asdict(answers)} if extra else answers)


async def _known(profile_loader: ProfileLoader, key: Key, question: FlagsQuestion, now: Clock) -> LoadedProfile:
    """The profile to decide for, by the first known identifier.

    These are the id as a user id, the id as an anonymous id, and the previous anonymous id. If none is known, it is an
    empty profile that buckets by the id."""
    try:
        unit, before = (
            identifier(question.distinct_id, ".distinct_id"),
            identifier(question.anon_distinct_id, "['$anon_distinct_id']"),
        )
    except EventRejected as rejected:
        raise InvalidInput(rejected.code, f"${rejected.path}: {rejected.message}", path=f"${rejected.path}") from None
    if unit is None:
        raise InvalidInput("MISSING_IDENTIFIER", "$.distinct_id: required.", path="$.distinct_id")
    unknown = None
    for named in (
        Identifier(IdentifierKind.USER, unit),
        Identifier(IdentifierKind.ANONYMOUS, unit),
        *((Identifier(IdentifierKind.ANONYMOUS, before),) if before else ()),
    ):
        known = await profile_loader.load(key.environment_id, named, now())
        if known.snapshot.profile_id:
            return known
        unknown = unknown or known
    assert unknown is not None
    return unknown


def _answer(catalog: Catalog, decision: Decision, now: Instant) -> FlagAnswer:
    flag = catalog.live.flags[decision.flag].at(now).flag
    on = decision.value is True if flag.type == "boolean" else decision.variant != flag.off_variant
    plain = flag.type == "boolean"
    index = next((n for n, rule in enumerate(flag.rules) if rule.id == decision.rule), None)
    return FlagAnswer(
        decision.flag,
        on,
        decision.variant if on and not plain else None,
        FlagReason(_reason(decision, on), index, "; ".join(texts_of(decision.trail))),
        FlagMetadata(
            0 if index is None else index + 1,
            catalog.live.definitions["flag", decision.flag].version,
            encode(decision.value).decode() if on and not plain else None,
            flag.description or None,
        ),
    )


def _reason(decision: Decision, on: bool) -> str:
    """The reason in PostHog's words, which clients show and compare."""
    if decision.reason is DecisionReason.DISABLED:
        return "disabled"
    return "condition_match" if decision.rule is not None or on else "no_condition_match"


def _in_older_form(answers: FlagAnswers, listed: bool) -> dict[str, Any]:
    found = answers.flags.values()
    flags = {one.key: one.variant or one.enabled for one in found}
    return {
        "featureFlags": [key for key, on in flags.items() if on] if listed else flags,
        "featureFlagPayloads": {one.key: one.metadata.payload for one in found if one.metadata.payload is not None},
        "errorsWhileComputingFlags": answers.errors,
        "requestId": answers.request_id,
    }


async def reject_local_evaluation() -> None:
    """Make the SDK request answers instead of rules."""
    message = "Local evaluation is not supported. Remove the personal API key, and the SDK requests decisions."
    raise Unauthenticated("NO_LOCAL_EVALUATION", message, detail=message)


def _rejecting(path: str) -> HTTPRouteHandler:
    return get(path, tags=["Decisions"], include_in_schema=False)(reject_local_evaluation)


def _remote_config(catalog: Catalog, token: str) -> dict[str, Any]:
    """The configuration of posthog-js.

    All that would load further scripts or send recordings is off."""
    return {
        "token": token,
        "supportedCompression": _COMPRESSIONS,
        "hasFeatureFlags": bool(catalog.live.flags),
        "analytics": {"endpoint": "/i/v0/e/"},
        "elementsChainAsString": True,
        "defaultIdentifiedOnly": True,
        "autocapture_opt_out": False,
        "autocaptureExceptions": False,
        "captureDeadClicks": False,
        "capturePerformance": False,
        "errorTracking": {"autocaptureExceptions": False},
        "heatmaps": False,
        "isAuthenticated": False,
        "logs": {"captureConsoleLogs": False},
        "productTours": False,
        "sessionRecording": False,
        "siteApps": [],
        "surveys": False,
        "toolbarParams": {},
    }


def _config_for(request: ExactRequest, catalogs: Catalogs, token: str) -> dict[str, Any]:
    key = auth.recognise(request, token, "write")
    return _remote_config(catalogs.serving(key.environment_id), token)


@get("/array/{token:str}/config", tags=["Tracking"], include_in_schema=False)
async def config(
    request: ExactRequest, catalogs: Injected[Catalogs], token: FromPath[str]
) -> ExactResponse[dict[str, Any]]:
    """The configuration as JSON, with the key in the path."""
    return ExactResponse(_config_for(request, catalogs, token), headers=BRIEFLY)


@get("/array/{token:str}/config.js", tags=["Tracking"], include_in_schema=False)
async def config_script(request: ExactRequest, catalogs: Injected[Catalogs], token: FromPath[str]) -> Response[str]:
    """The configuration as a script, for pages that load PostHog by its snippet."""
    found = encode(_config_for(request, catalogs, token)).decode()
    name = encode(token).decode()
    script = (
        "(function(){window._POSTHOG_REMOTE_CONFIG=window._POSTHOG_REMOTE_CONFIG||{};"
        f"window._POSTHOG_REMOTE_CONFIG[{name}]={{config:{found},siteApps:[]}};}})();"
    )
    return Response(script, media_type="application/javascript", headers=BRIEFLY)


ROUTES = [
    posthog_batch,
    *(_also(path, _TAKEN) for path in ("/e", "/i/v0/e", "/capture")),
    _also("/i/v1/analytics/events", b'{"results":{}}'),
    posthog_flags,
    flags_of_older_clients,
    *(_rejecting(path) for path in ("/flags/definitions", "/api/feature_flag/local_evaluation")),
    config,
    config_script,
]
