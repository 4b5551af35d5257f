"""Preview a change of definitions, on all profiles or on one.

Shape   POST /v1/admin/preview and …/preview/profile take changes as /v1/admin/publish does
Laws    nothing is saved. A change with an error fails as its publish would; warnings are part of the answer
Errors  400 with every diagnostic, PREVIEW_TOO_LONG · 404 EVENTS_DROPPED · 429 PREVIEWS_BUSY
Source  docs/reference/definitions.md "Preview"
"""

from litestar import post
from litestar.params import JSONBody

from tinycdp.api.definitions.lifecycle import read_changes
from tinycdp.api.http.encoding import as_schema
from tinycdp.api.http.params import instant_of_body, past_instant
from tinycdp.api.http.parts import Injected
from tinycdp.api.time_travel.schemas import DraftBody, DraftOnProfile, Preview, PreviewBody
from tinycdp.errors import InvalidInput
from tinycdp.runtime.access.actor import Actor
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.time_travel.draft import try_draft
from tinycdp.runtime.time_travel.preview import MOST_EXAMPLES, PreviewRequest, Previews


@post(
    "/v1/admin/preview",
    status_code=200,
    summary="Preview which profiles would enter, leave, or get another variant",
    tags=["Definitions"],
    scope="admin",
    example={
        "changes": [{"kind": "segment", "key": "regulars", "document": {"rule": "events.purchase.count_90d >= 5"}}],
        "examples": 3,
    },
)
async def preview(
    actor: Injected[Actor], previews: Injected[Previews], now: Injected[Clock], data: JSONBody[PreviewBody]
) -> Preview:
    if not 0 <= data.examples <= MOST_EXAMPLES:
        raise InvalidInput("INVALID_REQUEST", f"$.examples: 0 to {MOST_EXAMPLES}.", path="$.examples")
    if data.sample != "all" and not 1 <= data.sample < 2**31:
        raise InvalidInput("INVALID_REQUEST", '$.sample: a number of profiles, or "all".', path="$.sample")
    instant = now()
    question = PreviewRequest(
        read_changes(data.changes),
        data.prune,
        past_instant(data.at, instant, "$.at") if data.at is not None else None,
        None if data.sample == "all" else data.sample,
        data.context,
        data.examples,
    )
    return as_schema(await previews.compute(actor.environment_id, question, instant), Preview)


@post(
    "/v1/admin/preview/profile",
    status_code=200,
    summary="Try a draft on one profile, at any past or future instant",
    tags=["Definitions"],
    scope="admin",
    example={
        "userId": "ada",
        "changes": [{"kind": "segment", "key": "regulars", "document": {"rule": "events.purchase.count_90d >= 5"}}],
    },
)
async def preview_on_profile(environment: Injected[Environment], data: JSONBody[DraftBody]) -> DraftOnProfile:
    at = instant_of_body(data.at, "$.at") if data.at is not None else None
    identifier = data.identifier()
    found = await try_draft(environment, read_changes(data.changes), identifier, at, data.context, prune=data.prune)
    return as_schema(found, DraftOnProfile)


ROUTES = [preview, preview_on_profile]
