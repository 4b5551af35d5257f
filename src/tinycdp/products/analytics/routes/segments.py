"""Save the people behind a number as a segment.

Shape   POST /v1/analytics/segments
Errors  those of a question · 400 NOT_LIVE with the reason · 409 KEY_EXISTS
Source  docs/reference/analytics-definitions.md "A number as a segment"
"""

from litestar import post
from litestar.params import JSONBody

from tinycdp.api.definitions.editing import Editing
from tinycdp.api.http.parts import Injected
from tinycdp.products.analytics.routes.schemas import SavedSegment, SegmentBody
from tinycdp.products.analytics.service.answering import Analytics
from tinycdp.products.analytics.service.segments import PeopleRequest, save_segment
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.segments.lists import Lists
from tinycdp.times import iso


@post(
    "/v1/analytics/segments",
    status_code=201,
    summary="Save the people behind a number as a segment",
    tags=["Saved analytics"],
    scope="admin",
    example={
        "key": "buyers_of_march",
        "question": {"kind": "trend", "from": "2026-03-01", "to": "2026-04-01", "series": [{"event": "purchase"}]},
        "cell": {"kind": "trend", "series": "A"},
        "dryRun": True,
    },
)
async def save_people(
    editing: Injected[Editing], analytics: Injected[Analytics], lists: Injected[Lists], data: JSONBody[SegmentBody]
) -> SavedSegment:
    """Static: the people of now, by their strongest identifiers. Live: a rule, if the language has one."""
    environment = editing.environment
    request = PeopleRequest(data.question, data.cell, data.key, data.description, data.live)
    edit = Edit(editing.actor.name, environment.now(), data.note, dry_run=data.dry_run)
    saved = await save_segment(environment, analytics, lists, request, edit)
    if not data.dry_run:
        await editing.refresh()
    return SavedSegment(
        saved.key, saved.rule, saved.profiles, iso(saved.as_of), saved.revision, saved.backfilling, saved.dry_run
    )


ROUTES = [save_people]
