"""Decisions out.

Shape   GET /v1/decide for one flag, POST /v1/decide for several.
        `fast_lane` answers GET /v1/decide for whatever memory knows, and leaves all else to the ordinary route
Laws    the same answer whichever way is taken: both end in decide_one and answer_of, and record the same exposure
Source  docs/reference/decide.md
"""

from collections.abc import Iterable
from typing import Annotated, Any
from urllib.parse import unquote_plus

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromQuery, QueryParameter
from litestar.types import Scope

from tinycdp.api.http.auth import Bearer, allow, text_of_header
from tinycdp.api.http.exchange import read_as, read_json, readable
from tinycdp.api.http.openapi import takes
from tinycdp.engine.catalog import Catalog
from tinycdp.engine.decide import Decision
from tinycdp.errors import InvalidInput, NotFound, TinyCDPError
from tinycdp.model import NEVER, Alias, AliasKind
from tinycdp.runtime.decisions import Known, decide_one
from tinycdp.runtime.explanations import FlagExplained, explained_flag
from tinycdp.runtime.keys import Key
from tinycdp.runtime.service import Service
from tinycdp.runtime.snapshots import Snapshot
from tinycdp.runtime.times import iso

#: How a request names a person; the first that is present counts.
PERSON = ("userId", "profileId", "anonymousId", "deviceId", "externalId")

#: False where nobody is shown the answer.
Exposed = Annotated[bool, QueryParameter(description="record that the person was given this variant")]

#: The first that is present counts, as in `auth.in_headers`.
_KEY_HEADERS = (b"authorization", b"x-api-key")

_encode = msgspec.json.Encoder(decimal_format="number").encode


class Answer(msgspec.Struct, rename="camel"):
    """A flag's answer for one person.

    allow        whether the flag is on: the value of a boolean flag, for others whether it is not the off variant
    reason       OpenFeature's word; `reasons` tells the path in sentences
    valid_until  the first instant at which the answer may change with nobody sending anything, null for never
    version      of the person's profile, 0 for someone never seen
    explanation  only where it was asked for: every rule, with what each part of its condition is worth"""

    flag: str
    allow: bool
    variant: str
    value: Any
    reason: str
    reasons: tuple[str, ...]
    user_id: str | None
    profile_id: str | None
    revision: int
    version: int
    valid_until: str | None
    explanation: FlagExplained | msgspec.UnsetType = msgspec.UNSET


class Question(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """`flags` left out asks for all of them. `context` is what `context.…` in a rule reads. `sessionId` keeps the
    variants of flags with `hold` as they are while the session lasts; `explain` adds the explanations. `exposure` false
    records nobody as having been given these variants."""

    user_id: str | None = None
    profile_id: str | None = None
    anonymous_id: str | None = None
    device_id: str | None = None
    external_id: str | None = None
    flags: list[str] | None = None
    context: dict[str, Any] = {}
    min_version: int = 0
    session_id: str | None = None
    explain: bool = False
    exposure: bool = True


class Answers(msgspec.Struct, rename="camel"):
    """`errors` names the flags that were asked for and do not exist."""

    flags: dict[str, Answer]
    errors: dict[str, str]
    revision: int


def answer_of(catalog: Catalog, decision: Decision, subject: Snapshot, user_id: str | None, stale: bool) -> Answer:
    flag = catalog.live.flags[decision.flag].at(subject.now).flag
    profile_id = subject.profile_id
    return Answer(
        decision.flag,
        decision.value is True if flag.type == "boolean" else decision.variant != flag.off_variant,
        decision.variant,
        decision.value,
        "STALE" if stale else decision.reason,
        (*decision.reasons, "the database is away: this is what was last known") if stale else decision.reasons,
        user_id,
        str(profile_id) if profile_id else None,
        catalog.revision,
        subject.version,
        iso(decision.until) if decision.until < NEVER else None,
    )


@get(
    "/v1/decide",
    operation_id="decide",
    summary="One flag's answer for one person",
    tags=["Decisions"],
    guards=[readable],
    scope="decide",
    answer=Answer,
)
async def decide(
    request: Request[Any, Any, Any],
    key: Bearer,
    flag: FromQuery[str],
    user_id: Annotated[str | None, QueryParameter(name="userId")] = None,
    profile_id: Annotated[str | None, QueryParameter(name="profileId")] = None,
    anonymous_id: Annotated[str | None, QueryParameter(name="anonymousId")] = None,
    device_id: Annotated[str | None, QueryParameter(name="deviceId")] = None,
    external_id: Annotated[str | None, QueryParameter(name="externalId")] = None,
    min_version: Annotated[int, QueryParameter(name="minVersion")] = 0,
    session_id: Annotated[
        str | None, QueryParameter(name="sessionId", description="keeps the variants of flags with `hold`")
    ] = None,
    explain: Annotated[bool, QueryParameter(description="add the `explanation`; records no exposure")] = False,
    exposure: Exposed = True,
) -> Response[bytes]:
    question = Question(
        user_id,
        profile_id,
        anonymous_id,
        device_id,
        external_id,
        [flag],
        {},
        min_version,
        session_id,
        explain,
        exposure,
    )
    answers = await _answer(request.app.state.service, key, question)
    if flag in answers.errors:
        raise NotFound("FLAG_NOT_FOUND", answers.errors[flag])
    return _json(answers.flags[flag])


@post(
    "/v1/decide",
    status_code=200,
    operation_id="decideMany",
    summary="Several or all flags' answers for one person, with context",
    tags=["Decisions"],
    scope="decide",
    dependencies=takes(Question),
    answer=Answers,
    example={"userId": "ada", "flags": ["premium"], "context": {"platform": "ios"}},
)
async def decide_many(request: Request[Any, Any, Any], key: Bearer) -> Response[bytes]:
    question = read_as(await read_json(request), Question)
    return _json(await _answer(request.app.state.service, key, question))


async def _answer(service: Service, key: Key, question: Question) -> Answers:
    if question.explain:
        allow(key, "read")  # it shows what is known of the person
    catalog, subject, stale = await whom(service, key, question)
    now = service.now()
    found, errors = {}, {}
    for name in question.flags if question.flags is not None else catalog.live.flags:
        try:
            decision = decide_one(catalog, name, subject, now, question.context)
        except NotFound as missing:
            errors[name] = missing.message
        else:
            explanation = explained_flag(catalog, name, subject) if question.explain else msgspec.UNSET
            decision = await service.holds.keep(catalog, decision, subject, question.session_id, now)
            service.metrics.decisions[decision.reason] += 1
            found[name] = answer_of(catalog, decision, subject, question.user_id, stale)
            found[name].explanation = explanation
            if not question.explain:
                service.exposures.record(catalog, decision, subject, now, exposed=question.exposure)
    return Answers(found, errors, catalog.revision)


async def whom(service: Service, key: Key, question: Question) -> Known:
    """Whom the question names."""
    named = {
        "userId": question.user_id,
        "profileId": question.profile_id,
        "anonymousId": question.anonymous_id,
        "deviceId": question.device_id,
        "externalId": question.external_id,
    }
    alias = next((Alias(kind, value) for kind in PERSON if (value := named[kind])), None)
    if alias is None:
        raise InvalidInput("PERSON_MISSING", f"Name a person with one of {', '.join(PERSON)}.")
    return await service.decisions.known(key.environment_id, alias, service.now(), question.min_version)


def _json(body: Any, status: int = 200) -> Response[bytes]:
    return Response(_encode(body), status_code=status, media_type="application/json")


# The fast lane


def fast_lane(service: Service, scope: Scope) -> bytes | None:
    """The body of the answer to a GET /v1/decide that memory can give, None for whatever needs the ordinary route:
    a person not in memory, an odd query, a key that is wrong, a database that is away."""
    key = key_of(service, scope["headers"])
    if key is None or not key.may("decide") or service.snapshots.away:
        return None
    user_id, flag = _user_and_flag(scope["query_string"])
    if not user_id or not flag:
        return None
    subject = service.snapshots.find(key.environment_id, AliasKind.USER, user_id)
    if subject is None:
        return None
    try:
        catalog = service.catalogs.serving(key.environment_id)
        now = service.now()
        decision = decide_one(catalog, flag, subject, now)
    except TinyCDPError:
        return None
    service.metrics.fast[decision.reason] += 1
    service.exposures.record(catalog, decision, subject, now)
    return _encode(answer_of(catalog, decision, subject, user_id, False))


def key_of(service: Service, headers: Iterable[tuple[bytes, bytes]]) -> Key | None:
    """The key in the headers where they bring a usable one."""
    brought: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _KEY_HEADERS:
            brought.setdefault(name, value)
    for name in _KEY_HEADERS:
        if name in brought:
            value = brought[name]
            known = service.keyring.remembered(value)
            if known is None:
                text = value.decode("latin-1")
                known = service.keyring.find(text_of_header(text) if name == b"authorization" else text)
                if known is not None:
                    service.keyring.remember(value, known)
            return known
    return None


def _user_and_flag(query: bytes) -> tuple[str, str]:
    """The two parameters of the commonest question; empty where there are others."""
    user_id = flag = ""
    for part in query.decode("latin-1").split("&"):
        name, _, value = part.partition("=")
        if "%" in value or "+" in value:
            value = unquote_plus(value)
        if name == "userId" and not user_id:
            user_id = value
        elif name == "flag" and not flag:
            flag = value
        else:
            return "", ""
    return user_id, flag


ROUTES = [decide, decide_many]
