"""Why a profile has a trait's value, is in a segment, or gets a variant.

Shape   GET /v1/admin/explain for one definition and one profile. GET /v1/decide?explain=true has the same for a flag
Laws    the explanation sees what a decision at this instant would see, also for an unknown profile
Errors  404 NOT_FOUND, FLAG_NOT_FOUND · 400 INVALID_REQUEST
Source  docs/reference/profiles.md
"""

from typing import Annotated, Any

from litestar import get
from litestar.params import QueryParameter

from tinycdp.api.decisions.answers import DecisionService
from tinycdp.api.decisions.schemas import Explained, ProfileQuery
from tinycdp.api.http.bodies import decode_json
from tinycdp.api.http.encoding import as_schema
from tinycdp.api.http.parts import Injected
from tinycdp.api.profiles.schemas import DefinitionExplanation, FlagExplanation, SkippedEvents
from tinycdp.errors import InvalidInput
from tinycdp.runtime.decisions.decide import prepare
from tinycdp.runtime.definitions.unknown import unknown
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.profiles.explanations import (
    explained_definition,
    explained_flag,
)
from tinycdp.runtime.profiles.skipped import skipped_by, with_skipped
from tinycdp.times import iso

DefinitionKey = Annotated[str | None, QueryParameter(description="its key")]


@get(
    "/v1/admin/explain",
    summary="Why one profile has a trait's value, is in a segment, or gets a variant",
    tags=["Definitions"],
    scope="read",
    query="userId=ada&flag=premium",
)
async def explain(
    environment: Injected[Environment],
    decision_service: Injected[DecisionService],
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
    [name] = named
    read = _context(context)
    catalog, snapshot, stale = await decision_service.load(
        environment.id, profile_query, environment.now(), min_version, () if flag is None else (flag,)
    )
    if name not in catalog.live.definitions:
        raise unknown(*name, catalog.live.definitions, "FLAG_NOT_FOUND" if flag is not None else "NOT_FOUND")
    skipped = [] if stale else (await skipped_by(environment, catalog, [name], snapshot))[name]
    instant = environment.now()
    # Nothing may be awaited from here on: other requests about this profile share the snapshot.
    prepare(catalog, snapshot, instant, read)
    by_rule, by_part = None, None
    if name[0] == "flag":
        explained = explained_flag(catalog, name[1], snapshot, None if stale else skipped)
        sentence, by_rule = explained.sentence, as_schema(explained, FlagExplanation)
    else:
        part = explained_definition(catalog, name, snapshot)
        sentence, by_part = with_skipped(part.sentence, skipped), as_schema(part, DefinitionExplanation)
    return Explained(
        sentence,
        by_part,
        by_rule,
        str(snapshot.profile_id) if snapshot.profile_id else None,
        snapshot.version,
        catalog.revision,
        stale,
        catalog.zone,
        iso(instant),
        as_schema(skipped, list[SkippedEvents]),
    )


def _context(text: str) -> dict[str, Any]:
    try:
        found = decode_json(text.encode())
    except InvalidInput as wrong:
        raise InvalidInput("INVALID_REQUEST", f"`context` is a JSON object: {wrong.message}") from None
    if type(found) is not dict:
        raise InvalidInput("INVALID_REQUEST", "`context` is a JSON object.")
    return found


ROUTES = [explain]
