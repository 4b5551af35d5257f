"""Why a profile has a trait's value, is in a segment, or gets a variant.

Shape   GET /v1/admin/explain for a live definition now; POST for a live one or a draft, at any instant.
        GET /v1/decide?explain=true has the same for a flag
Laws    the explanation sees what a decision at this instant would see, also for an unknown profile
Errors  404 NOT_FOUND, FLAG_NOT_FOUND, EVENTS_DROPPED · 400 INVALID_REQUEST, MISSING_IDENTIFIER, and for a draft what a
        publish of it would get
Source  docs/reference/explain.md
"""

from typing import Annotated, Any

from litestar import get, post
from litestar.params import JSONBody, QueryParameter

from tinycdp.api.decisions.schemas import ExplainBody, Explained, ProfileQuery
from tinycdp.api.definitions.lifecycle import read_changes, read_document
from tinycdp.api.http.bodies import decode_json
from tinycdp.api.http.encoding import as_schema
from tinycdp.api.http.params import instant_of_body
from tinycdp.api.http.parts import Injected
from tinycdp.errors import InvalidInput
from tinycdp.runtime.decisions.decide import ProfileLoader
from tinycdp.runtime.definitions.changes import Change
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.time_travel.as_of import Past
from tinycdp.runtime.time_travel.explaining import ExplainRequest, explain_draft, explain_live

DefinitionKey = Annotated[str | None, QueryParameter(description="its key")]

#: The key of a draft that has none yet.
_UNNAMED = "draft"


@get(
    "/v1/admin/explain",
    summary="Why one profile has a trait's value, is in a segment, or gets a variant",
    tags=["Definitions"],
    scope="read",
    query="userId=ada&flag=premium",
)
async def explain(
    environment: Injected[Environment],
    profile_loader: Injected[ProfileLoader],
    past: Injected[Past],
    profile_query: Injected[ProfileQuery],
    trait: DefinitionKey = None,
    segment: DefinitionKey = None,
    flag: DefinitionKey = None,
    context: Annotated[str, QueryParameter(description="what `context.…` in a flag's rules reads, as JSON")] = "{}",
    min_version: Annotated[int, QueryParameter(name="minVersion")] = 0,
) -> Explained:
    """The live revision counts. Name one definition, and the profile as for a decision."""
    named = [(kind, k) for kind, k in (("trait", trait), ("segment", segment), ("flag", flag)) if k is not None]
    if len(named) != 1:
        raise InvalidInput("INVALID_REQUEST", "Name one of `trait`, `segment` and `flag`.")
    asked = ExplainRequest(named[0], profile_query.identifier(), None, _context(context), min_version)
    return as_schema(await explain_live(environment, profile_loader, past, asked), Explained)


@post(
    "/v1/admin/explain",
    status_code=200,
    summary="The same of a draft, and of a past or future instant",
    tags=["Editing"],
    scope="read",
    example={
        "kind": "segment",
        "key": "regulars",
        "document": {"rule": "events.purchase.count_90d >= 5"},
        "userId": "ada",
        "at": "2026-12-24T00:00:00Z",
    },
)
async def explain_at(
    environment: Injected[Environment],
    profile_loader: Injected[ProfileLoader],
    past: Injected[Past],
    data: JSONBody[ExplainBody],
) -> Explained:
    """Without `document`, `expression` and `changes`, the definition that serves is explained.

    A future instant is explained as if nothing arrived until then, by the definitions of now. Nothing is saved, and no
    exposure is recorded."""
    key, changes = _draft(data)
    at = instant_of_body(data.at, "$.at") if data.at is not None else None
    asked = ExplainRequest((data.kind, key), data.identifier(), at, data.context, data.min_version)
    if changes:
        found = await explain_draft(environment, profile_loader, asked, changes)
    else:
        found = await explain_live(environment, profile_loader, past, asked)
    return as_schema(found, Explained)


def _draft(data: ExplainBody) -> tuple[str, list[Change]]:
    """The key to explain, and the changes that make the draft; none for what serves."""
    changes = read_changes(data.changes)
    document, path = data.document, "$.document"
    if data.expression is not None:
        if document is not None:
            message = "$.expression: `document` and `expression` are the same; keep one."
            raise InvalidInput("INVALID_REQUEST", message, path="$.expression")
        document, path = {"rule": data.expression}, "$"
    key = data.key
    if document is None:
        if not key:
            raise InvalidInput("INVALID_REQUEST", f"$.key: name the {data.kind}, or send a `document`.", path="$.key")
        return key, changes
    if not key:
        key = document.get("key") or _UNNAMED
    drafted = read_document(data.kind, key, document, path)
    if any((change.kind, change.key) == (data.kind, key) for change in changes):
        message = f"$.changes: the {data.kind} {key!r} is in `document` too; leave it out here."
        raise InvalidInput("INVALID_REQUEST", message, path="$.changes")
    return key, [*changes, drafted]


def _context(text: str) -> dict[str, Any]:
    try:
        found = decode_json(text.encode())
    except InvalidInput as wrong:
        raise InvalidInput("INVALID_REQUEST", f"`context` is a JSON object: {wrong.message}") from None
    if type(found) is not dict:
        raise InvalidInput("INVALID_REQUEST", "`context` is a JSON object.")
    return found


ROUTES = [explain, explain_at]
