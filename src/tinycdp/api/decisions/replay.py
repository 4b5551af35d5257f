"""Decisions of the past, made again.

Shape   POST /v1/decide/replay: what was decided for a profile at an instant, with the full explanation
Laws    it is the answer that was given then, by the definitions, kills, identifiers and messages of the time; nothing
        is recorded. Variants that a session held are left out: a replay is of the flag, not of the session
Errors  404 EVENTS_DROPPED, REVISION_NOT_FOUND · 400 MISSING_IDENTIFIER, INVALID_REQUEST
Source  docs/reference/decide.md "Replay"
"""

from litestar import post
from litestar.params import JSONBody

from tinycdp.api.decisions.answers import answer_of
from tinycdp.api.decisions.schemas import Answer, Replay, ReplayBody
from tinycdp.api.http.encoding import as_schema
from tinycdp.api.http.params import past_instant
from tinycdp.api.http.parts import Injected
from tinycdp.api.profiles.schemas import FlagExplanation
from tinycdp.errors import NotFound
from tinycdp.runtime.access.actor import Actor
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.decisions.decide import decide_one
from tinycdp.runtime.profiles.explanations import explained_flag
from tinycdp.runtime.time_travel.as_of import Past
from tinycdp.times import iso

#: What the column of revisions can hold.
_LAST_REVISION = 2**31 - 1


@post(
    "/v1/decide/replay",
    status_code=200,
    summary="What was decided for a profile at a past instant, and why",
    tags=["Decisions"],
    scope="admin",
    example={"userId": "ada", "flags": ["premium"], "at": "2026-01-01T09:00:00Z"},
)
async def replay_decision(
    actor: Injected[Actor], past: Injected[Past], now: Injected[Clock], data: JSONBody[ReplayBody]
) -> Replay:
    at = past_instant(data.at, now(), "$.at")
    identifier = data.identifier()
    if data.revision is not None and not 0 <= data.revision <= _LAST_REVISION:
        raise NotFound("REVISION_NOT_FOUND", f"There is no revision {data.revision}.")
    view = await past.view(actor.environment_id, identifier, at, data.revision)
    catalog, found, errors = view.catalog, dict[str, Answer](), dict[str, str]()
    wanted = data.flags if data.flags is not None else list(catalog.live.flags)
    view.require([("flag", name) for name in wanted if name in catalog.live.flags], at)
    for name in wanted:
        if name not in catalog.live.flags:
            errors[name] = f"There was no flag {name!r} at revision {catalog.revision}."
            continue
        decision = decide_one(catalog, name, view.snapshot, at, data.context)
        found[name] = answer_of(catalog, decision, view.snapshot, data.user_id, False)
        found[name].explanation = as_schema(explained_flag(catalog, name, view.snapshot), FlagExplanation)
    return Replay(found, errors, catalog.revision, iso(at))


ROUTES = [replay_decision]
