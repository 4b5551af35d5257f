"""Funnels as plain resources: each is a saved report with a funnel.

Shape   GET, POST /v1/funnels · GET /v1/funnels/{key}/results; the same without /v1
Laws    a funnel is the report of its key: what one route saves, the others show
Errors  those of a saved report, and of a question
Source  docs/reference/analytics-plain.md "Funnels"
"""

from collections.abc import Callable
from typing import Any

import msgspec
from litestar import get, post
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, JSONBody

from tinycdp.api.definitions.editing import Editing
from tinycdp.api.definitions.schemas import Published
from tinycdp.api.http.parts import Injected
from tinycdp.api.http.responses import ExactResponse
from tinycdp.errors import NotFound
from tinycdp.products.analytics.answers.schemas import FunnelAnswer
from tinycdp.products.analytics.definitions.kinds import SAVED
from tinycdp.products.analytics.definitions.schemas import ReportDocument
from tinycdp.products.analytics.questions.schemas import FunnelQuestion
from tinycdp.products.analytics.routes.params import From, Last, To
from tinycdp.products.analytics.routes.schemas import FunnelBody, SavedFunnel, SavedFunnels
from tinycdp.products.analytics.service.answering import Analytics
from tinycdp.runtime.definitions.change_set import read_change
from tinycdp.runtime.definitions.saved.documents import written
from tinycdp.runtime.definitions.saved.product import SavedEntry
from tinycdp.runtime.environment import Environment
from tinycdp.times import iso

_TAGS = ["Analytics"]
_STEPS = [{"event": "view"}, {"event": "purchase"}]


async def list_funnels(environment: Injected[Environment]) -> SavedFunnels:
    """All reports with a funnel, by key."""
    return SavedFunnels([_shown(one) for one in await SAVED.listed(environment, "report") if _funnel(one)])


async def create_funnel(
    editing: Injected[Editing], data: JSONBody[FunnelBody]
) -> ExactResponse[SavedFunnel | Published]:
    """Saves the report of this key, which must not exist. `PUT /v1/analytics/reports/{key}` replaces it.

    A dry run answers with 200, as `publish` does."""
    document = {"key": data.key, "name": data.name, "question": written(data.question)}
    change = msgspec.structs.replace(read_change("report", document), expects=0)
    plan = await editing.save(change, data.note, dry_run=data.dry_run)
    if data.dry_run:
        return ExactResponse(await editing.published(plan, dry_run=True), status_code=200)
    return ExactResponse(_shown(await SAVED.found(editing.environment, "report", data.key)), status_code=201)


async def answer_funnel(
    environment: Injected[Environment],
    analytics: Injected[Analytics],
    key: FromPath[str],
    since: From = "",
    until: To = "",
    last: Last = "",
) -> FunnelAnswer:
    """Over the saved range, or the one that is given."""
    question = _funnel(await SAVED.found(environment, "report", key))
    if question is None:
        raise NotFound("NOT_FOUND", f"The report {key!r} is not a funnel; run it with POST …/reports/{key}/run.")
    if since or until or last:
        question = msgspec.structs.replace(question, from_=since, to=until, last=last)
    answer = await analytics.answer(environment, question)
    assert isinstance(answer, FunnelAnswer)
    return answer


def _funnel(one: SavedEntry) -> FunnelQuestion | None:
    document = one.document
    found = isinstance(document, ReportDocument) and isinstance(document.question, FunnelQuestion)
    return document.question if found else None


def _shown(one: SavedEntry) -> SavedFunnel:
    question = _funnel(one)
    assert question is not None
    return SavedFunnel(one.row.key, one.document.name or one.row.key, question, one.row.version, iso(one.row.saved_at))


def _both(make: Callable[..., Any], path: str, handler: Callable[..., Any], **options: Any) -> list[BaseRouteHandler]:
    """The route, and the same without /v1 for clients of the first source."""
    short = make(path.removeprefix("/v1"), tags=_TAGS, include_in_schema=False, **options)(handler)
    return [make(path, tags=_TAGS, **options)(handler), short]


ROUTES = [
    *_both(get, "/v1/funnels", list_funnels, summary="List the saved funnels", scope="read"),
    *_both(
        post,
        "/v1/funnels",
        create_funnel,
        status_code=201,
        summary="Save a funnel",
        scope="admin",
        example={"key": "checkout", "question": {"kind": "funnel", "last": "30d", "steps": _STEPS}},
    ),
    *_both(get, "/v1/funnels/{key:str}/results", answer_funnel, summary="Answer a saved funnel", scope="read"),
]
