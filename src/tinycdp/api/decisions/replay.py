"""Decisions of the past, made again.

Shape   POST /v1/decide/replay: what was decided for a person at an instant, with the full explanation
Laws    it is the answer that was given then, by the definitions, kills, identifiers and messages of the time; nothing
        is recorded. Variants that a session held are left out: a replay is of the flag, not of the session
Errors  404 EVENTS_DROPPED, REVISION_NOT_FOUND · 400 PERSON_MISSING, INVALID_REQUEST
Source  docs/reference/decide.md "Replay"
"""

from typing import Any

import msgspec
from litestar import Request, Response, post

from tinycdp.api.decisions.routes import PERSON, Answer, answer_of
from tinycdp.api.http.auth import Bearer
from tinycdp.api.http.exchange import answer, read_as, read_json
from tinycdp.api.http.openapi import takes
from tinycdp.dsl.scalars import parse_instant
from tinycdp.errors import InvalidInput, NotFound
from tinycdp.model import Alias, Instant
from tinycdp.runtime.decisions import decide_one
from tinycdp.runtime.explanations import explained_flag
from tinycdp.runtime.service import Service
from tinycdp.runtime.times import iso

#: What the column of revisions can hold.
_LAST_REVISION = 2**31 - 1


class ReplayBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """at  ISO 8601 with a zone, and not in the future
    flags     left out, all there were
    context   what `context.…` in a rule read
    revision  by the definitions of this one, instead of those that served then"""

    at: str
    user_id: str | None = None
    profile_id: str | None = None
    anonymous_id: str | None = None
    device_id: str | None = None
    external_id: str | None = None
    flags: list[str] | None = None
    context: dict[str, Any] = {}
    revision: int | None = None


class Replay(msgspec.Struct, rename="camel"):
    """Answers as they were at `as_of`; their `version` is 0, because a profile's versions are not kept.

    errors    the flags that were asked for and did not exist
    revision  that decided"""

    flags: dict[str, Answer]
    errors: dict[str, str]
    revision: int
    as_of: str


@post(
    "/v1/decide/replay",
    status_code=200,
    operation_id="replayDecision",
    summary="What was decided for a person at a past instant, and why",
    tags=["Decisions"],
    scope="admin",
    dependencies=takes(ReplayBody),
    answer=Replay,
    example={"userId": "ada", "flags": ["premium"], "at": "2026-01-01T09:00:00Z"},
)
async def replay(request: Request[Any, Any, Any], key: Bearer) -> Response[bytes]:
    service: Service = request.app.state.service
    body = read_as(await read_json(request), ReplayBody)
    at = instant_of(body.at, service.now(), "$.at")
    named = (body.user_id, body.profile_id, body.anonymous_id, body.device_id, body.external_id)
    alias = next((Alias(kind, value) for kind, value in zip(PERSON, named, strict=True) if value), None)
    if alias is None:
        raise InvalidInput("PERSON_MISSING", f"Name a person with one of {', '.join(PERSON)}.")
    if body.revision is not None and not 0 <= body.revision <= _LAST_REVISION:
        raise NotFound("REVISION_NOT_FOUND", f"There is no revision {body.revision}.")
    view = await service.past.look(key.environment_id, alias, at, body.revision)
    catalog, found, errors = view.catalog, dict[str, Answer](), dict[str, str]()
    wanted = body.flags if body.flags is not None else list(catalog.live.flags)
    view.require([("flag", name) for name in wanted if name in catalog.live.flags], at)
    for name in wanted:
        if name not in catalog.live.flags:
            errors[name] = f"There was no flag {name!r} at revision {catalog.revision}."
            continue
        decision = decide_one(catalog, name, view.subject, at, body.context)
        found[name] = answer_of(catalog, decision, view.subject, body.user_id, False)
        found[name].explanation = explained_flag(catalog, name, view.subject)
    return answer(Replay(found, errors, catalog.revision, iso(at)))


def instant_of(text: str, now: Instant, path: str) -> Instant:
    """The past instant a body names."""
    at = parse_instant(text)
    if at is None:
        message = f"{path}: {text!r} is no instant with a zone, as 2026-12-01T09:00:00Z is."
        raise InvalidInput("INVALID_REQUEST", message, path=path)
    if at > now:
        raise InvalidInput("INVALID_REQUEST", f"{path}: {iso(at)} lies in the future; now is {iso(now)}.", path=path)
    return at


ROUTES = [replay]
